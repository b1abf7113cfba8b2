package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/subject"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Subject is the `sub` of a person: a name-based UUID of the provider and the person's name there, so that it is stable
// per provider and person and is not the user's identifier.
func Subject(source, externalID string) string { return subject.Of(source, externalID) }

// SignIn links an identity to a user, who is made on first sight, and records the login. A disabled or locked user, and one of the
// directory who has been deleted, is fault.Denied. An unknown domain or provider is fault.NotFound.
func (s *Service) SignIn(ctx context.Context, domain, application string, identity *directoryv1.Identity) (*directoryv1.User, error) {
	if err := checkIdentity(domain, application, identity); err != nil {
		return nil, err
	}
	subject := Subject(identity.GetSource(), identity.GetExternalId())
	// Somebody who signs in at many places at once must not lose against themselves.
	end, err := s.logins.take(ctx, domain+"/"+subject)
	if err != nil {
		return nil, err
	}
	defer end()
	var known *directoryv1.User
	for range races {
		known, err = s.store.Users().FindBySubject(ctx, domain, subject)
		var signedIn *directoryv1.User
		switch {
		case errors.Is(err, store.ErrNotFound):
			if known, err = s.linked(ctx, domain, subject); err != nil {
				break
			}
			if known != nil {
				signedIn, err = s.enter(ctx, known, subject, identity)
				break
			}
			signedIn, err = s.meet(ctx, domain, application, subject, identity)
		case err == nil:
			signedIn, err = s.welcome(ctx, known, identity)
		}
		switch {
		case err == nil:
			return signedIn, nil
		case lostRace(err) && ctx.Err() == nil:
			continue
		}
		return nil, err
	}
	if known != nil {
		// A login that is not counted is better than one that fails.
		s.log.WarnContext(ctx, "login was not recorded: the user is being changed by others", "domain", domain, "user", known.GetId())
		return known, nil
	}
	return nil, errContended
}

var errContended = fault.Unavailablef("The user is being changed by others. Try again later")

// lostRace reports whether somebody else changed, made or deleted the user meanwhile.
func lostRace(err error) bool {
	return errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDuplicate)
}

// meet makes the user of an identity that was never seen.
func (s *Service) meet(ctx context.Context, domain, application, subject string, identity *directoryv1.Identity) (*directoryv1.User, error) {
	provider, err := s.provider(ctx, domain, identity.GetSource())
	if err != nil {
		return nil, err
	}
	if provider == nil {
		return nil, catalog.IdentityProviders.NotFound(identity.GetSource())
	}
	if isDirectory(provider) {
		// The directory's people are there before they sign in: this one has been deleted in between.
		return nil, fault.Deniedf("The account does not exist any more")
	}
	if account, err := s.link(ctx, provider, subject, identity); err != nil {
		return nil, err
	} else if account != nil {
		return s.enter(ctx, account, subject, identity)
	}
	now := s.stamp()
	user := &directoryv1.User{
		Id: secret.NewID(), Domain: domain, CreatedAt: now, UpdatedAt: now,
		Source: identity.GetSource(), ExternalId: identity.GetExternalId(), Subject: subject,
		Username: identity.GetExternalId(), Enabled: proto.Bool(true), Client: application,
	}
	s.takeOver(user, identity)
	assertRights(user, identity)
	s.count(user)
	if err := s.store.Users().Insert(ctx, user); err != nil {
		if !nameTaken(err) {
			return nil, err
		}
		user.Username = besides(user.GetUsername(), subject)
		if err := s.store.Users().Insert(ctx, user); err != nil {
			return nil, err
		}
	}
	s.record(asUser(ctx, user), actionCreate, nil, user)
	return user, nil
}

// welcome records another login of somebody who is known.
func (s *Service) welcome(ctx context.Context, user *directoryv1.User, identity *directoryv1.Identity) (*directoryv1.User, error) {
	if !s.maySignIn(user) {
		return nil, errDisabled
	}
	next := proto.CloneOf(user)
	changed := false
	if user.GetPasswordHash() == "" {
		// Of its own people the directory knows more than an identity that may be some moments old.
		changed = s.takeOver(next, identity)
	}
	changed = assertRights(next, identity) || changed
	s.count(next)
	err := s.store.Users().Replace(ctx, user, next)
	if nameTaken(err) {
		next.Username = user.GetUsername()
		err = s.store.Users().Replace(ctx, user, next)
	}
	if err != nil {
		return nil, err
	}
	if changed {
		s.record(asUser(ctx, next), actionUpdate, user, next)
	}
	return next, nil
}

func (s *Service) count(user *directoryv1.User) {
	user.LoggedAt = s.stamp()
	user.LoginsCount++
}

// takeOver makes a user what the provider says today, and reports whether that changed anything. What the provider does
// not say stays.
func (s *Service) takeOver(user *directoryv1.User, identity *directoryv1.Identity) bool {
	before := proto.CloneOf(user)
	set := func(field *string, v string) {
		if v != "" {
			*field = v
		}
	}
	if name := identity.GetUsername(); name != "" && user.GetUsername() != besides(name, user.GetSubject()) {
		user.Username = name
	}
	set(&user.FirstName, identity.GetFirstName())
	set(&user.LastName, identity.GetLastName())
	if identity.GetEmail() != "" {
		user.Email, user.EmailVerified = identity.GetEmail(), identity.GetEmailVerified()
	}
	for _, m := range []struct {
		field *string
		said  string
	}{
		{&user.DisplayName, identity.GetDisplayName()}, {&user.NickName, identity.GetNickName()}, {&user.MiddleName, identity.GetMiddleName()},
		{&user.PreferredLanguage, identity.GetPreferredLanguage()}, {&user.Locale, identity.GetLocale()}, {&user.ZoneInfo, identity.GetZoneInfo()},
		{&user.Birthdate, identity.GetBirthdate()}, {&user.Gender, identity.GetGender()}, {&user.Profile, identity.GetProfile()},
		{&user.Picture, identity.GetPicture()}, {&user.Website, identity.GetWebsite()},
	} {
		set(m.field, m.said)
	}
	if phone := identity.GetPhoneNumber(); phone != "" && !slices.ContainsFunc(user.GetPhoneNumbers(), func(p *directoryv1.PhoneNumber) bool { return p.GetValue() == phone }) {
		user.PhoneNumbers = []*directoryv1.PhoneNumber{{Value: phone, Primary: true}}
	}
	if identity.GetAdditionalInformation() != nil {
		user.AdditionalInformation = proto.CloneOf(identity.GetAdditionalInformation())
	}
	if proto.Equal(before, user) {
		return false
	}
	user.UpdatedAt = s.stamp()
	return true
}

// nameTaken reports whether another person of the same provider has the user name.
func nameTaken(err error) bool {
	var taken *store.DuplicateError
	return errors.As(err, &taken) && taken.Unique == "username"
}

// besides is the user name of somebody whose provider gave it to another person before: names are unique here, and
// nobody inherits one from somebody else.
func besides(name, subject string) string {
	return fmt.Sprintf("%s (%.8s)", name, subject)
}
