package directory

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// pending reports whether somebody registered themselves and has not shown yet that the address is theirs.
func pending(u *directoryv1.User) bool {
	return u.RegistrationCompleted != nil && !u.GetRegistrationCompleted() && !u.GetPreRegistration()
}

// Enroll takes a registration from somebody who is not signed in. The answer says what is wrong with what was entered
// (fault.Invalid) and, beyond that, the same for everybody: nobody is looked up before it, so that its time does not tell either
// who has a name or an address. Whoever reads the mailbox is told. fault.Unmet: registration is off, or no e-mail can be sent.
func (s *Service) Enroll(ctx context.Context, r *directoryv1.RegisterRequest) error {
	if err := required("domain", r.GetDomain(), "username", r.GetUsername(), "password", r.GetPassword(), "email", r.GetEmail()); err != nil {
		return err
	}
	if err := checkSender(r.GetSender()); err != nil {
		return err
	}
	at, err := s.setting(ctx, r.GetDomain(), r.GetSender().GetApplication())
	switch {
	case err != nil:
		return err
	case !at.login().GetRegisterEnabled():
		return fault.Unmetf("Registration is switched off")
	case s.post == nil:
		return mailer.ErrOff
	}
	source, err := s.registersAt(ctx, at, r.GetSource())
	if err != nil {
		return err
	}
	user, err := s.enrolled(at, source, r)
	if err != nil {
		return err
	}
	// Everybody costs one hash.
	if err := s.choosePassword(ctx, user, r.GetPassword()); err != nil {
		return err
	}
	user.LastPasswordReset, user.RegistrationCompleted = nil, proto.Bool(false)
	written, err := encodeUser(user)
	if err != nil {
		return err
	}
	return s.ask(ctx, r.GetDomain(), purposeRegistration, r.GetSender(), errand{NewUser: written})
}

// enrolled is the person of a registration, checked and not made yet.
func (s *Service) enrolled(at *setting, source string, r *directoryv1.RegisterRequest) (*directoryv1.User, error) {
	id, now := secret.NewID(), s.stamp()
	user := &directoryv1.User{
		Id: id, Domain: r.GetDomain(), CreatedAt: now, UpdatedAt: now, Source: source, ExternalId: id, Subject: Subject(source, id),
		Username: strings.TrimSpace(r.GetUsername()), Email: strings.TrimSpace(r.GetEmail()),
		FirstName: strings.TrimSpace(r.GetFirstName()), LastName: strings.TrimSpace(r.GetLastName()),
		AdditionalInformation: r.GetAdditionalInformation(), Enabled: proto.Bool(true), Client: at.app.GetId(),
	}
	if err := checkUser(nil, user); err != nil {
		return nil, err
	}
	if _, err := mailer.Deliverable(user.GetEmail()); err != nil {
		return nil, broken("email", "must be an e-mail address that every mail server understands")
	}
	// The message goes to an address that is not shown to be theirs: it carries no stranger's text with links.
	for _, m := range []struct{ path, is string }{
		{"username", user.GetUsername()}, {"firstName", user.GetFirstName()}, {"lastName", user.GetLastName()},
	} {
		if strings.Contains(m.is, "://") || strings.Contains(strings.ToLower(m.is), "www.") {
			return nil, broken(m.path, "must not contain a web address")
		}
	}
	return user, nil
}

// registersAt returns the directory provider whose person somebody becomes: the one that is named; else one at which they can sign
// in to the application afterwards, that of the settings before its first; without an application that of the settings or the
// domain's own.
func (s *Service) registersAt(ctx context.Context, at *setting, named string) (string, error) {
	if named == "" && at.app != nil {
		return s.registersAtApplication(ctx, at)
	}
	source := cmp.Or(named, at.account().GetDefaultIdentityProviderForRegistration(), catalog.DefaultProviderID(at.domain.GetId()))
	provider, err := s.provider(ctx, at.domain.GetId(), source)
	if err != nil {
		return "", err
	}
	serves := named == "" || at.app == nil || slices.ContainsFunc(at.app.GetIdentityProviders(), func(p *configv1.ApplicationIdentityProvider) bool {
		return p.GetIdentity() == named
	})
	switch {
	case provider != nil && isDirectory(provider) && serves:
		return source, nil
	case named != "":
		return "", broken("source", "must be an identity provider of the application that keeps its people in the domain's directory")
	}
	return "", errNowhere
}

// errNowhere means that there is no directory whose people could become more.
var errNowhere = fault.Unmetf("The identity provider of registrations keeps no people in the domain's directory")

// registersAtApplication is registersAt for an application's own registrations.
func (s *Service) registersAtApplication(ctx context.Context, at *setting) (string, error) {
	preferred, list := at.account().GetDefaultIdentityProviderForRegistration(), slices.Clone(at.app.GetIdentityProviders())
	rank := func(p *configv1.ApplicationIdentityProvider) int {
		switch {
		case p.GetIdentity() == preferred:
			return -1
		case p.GetPriority() < 0:
			return math.MaxInt
		}
		return int(p.GetPriority())
	}
	slices.SortStableFunc(list, func(a, b *configv1.ApplicationIdentityProvider) int { return cmp.Compare(rank(a), rank(b)) })
	for _, one := range list {
		provider, err := s.provider(ctx, at.domain.GetId(), one.GetIdentity())
		if err != nil {
			return "", err
		}
		if provider != nil && isDirectory(provider) {
			return provider.GetId(), nil
		}
	}
	return "", errNowhere
}

// register makes the person of a registration, or tells whoever reads the mailbox why not.
func (w *writer) register(ctx context.Context, user *directoryv1.User) ([]mailer.Letter, error) {
	for range races {
		known, err := w.store.Users().FindByUsername(ctx, user.GetDomain(), user.GetSource(), user.GetUsername())
		switch {
		case err == nil && known.GetId() == user.GetId():
			// A replica made them and died before it wrote the letter.
			return one(w.withTicket(ctx, directoryv1.Ticket_VERIFY_REGISTRATION, known))
		case err == nil:
			free, err := w.givesWay(ctx, known, user)
			if err != nil {
				return nil, err
			}
			if !free {
				return w.taken(ctx, known, user)
			}
			if err := w.Delete(asUser(ctx, known), known.GetDomain(), known.GetId(), known.GetRevision()); err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Stale) {
				return nil, err
			}
			continue
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		holder, err := w.holderOfAddress(ctx, user)
		if err != nil {
			return nil, err
		}
		if holder != nil {
			return w.taken(ctx, holder, user)
		}
		err = w.store.Users().Insert(ctx, user)
		if errors.Is(err, store.ErrDuplicate) {
			continue // somebody was faster
		}
		if err != nil {
			return nil, err
		}
		user.Revision = 1
		w.record(asUser(ctx, user), actionRegister, nil, user)
		return one(w.withTicket(ctx, directoryv1.Ticket_VERIFY_REGISTRATION, user))
	}
	return nil, errContended
}

const actionRegister = "register"

// givesWay reports whether a name is as good as free: who has it never showed that their address is theirs, and either the link
// has expired or it is the same address, where what was entered last counts.
func (w *writer) givesWay(ctx context.Context, known, user *directoryv1.User) (bool, error) {
	if !pending(known) {
		return false, nil
	}
	if strings.EqualFold(known.GetEmail(), user.GetEmail()) {
		return true, nil
	}
	live, err := w.store.Tickets().Live(ctx, known.GetDomain(), known.GetId(), directoryv1.Ticket_VERIFY_REGISTRATION.String())
	return !live && err == nil, err
}

// mostOfAnAddress bounds how many people with one address are looked at.
const mostOfAnAddress = 20

// holderOfAddress returns who has an account with the address at the same provider, or nil. Registrations that were never
// completed do not count.
func (s *Service) holderOfAddress(ctx context.Context, user *directoryv1.User) (*directoryv1.User, error) {
	all, err := s.store.Users().FindByEmail(ctx, user.GetDomain(), user.GetEmail(), mostOfAnAddress)
	for _, u := range all {
		if u.GetId() != user.GetId() && u.GetSource() == user.GetSource() && !pending(u) {
			return u, nil
		}
	}
	return nil, err
}

// taken tells whoever reads the mailbox that they have an account, or that the name is somebody else's. Of that somebody
// nothing is told.
func (w *writer) taken(ctx context.Context, holder, user *directoryv1.User) ([]mailer.Letter, error) {
	const template = "registration_taken"
	own, err := w.ownText(ctx, template)
	if err != nil {
		return nil, err
	}
	existing := strings.EqualFold(holder.GetEmail(), user.GetEmail()) && !pending(holder)
	// Only what the reader entered, or has, is told.
	to := &directoryv1.User{Username: user.GetUsername(), Email: user.GetEmail()}
	link := linkTo(w.sender, "/register")
	if existing {
		to = &directoryv1.User{Id: holder.GetId(), Username: holder.GetUsername(), Email: holder.GetEmail(), FirstName: holder.GetFirstName(), LastName: holder.GetLastName()}
		link = ""
		if w.at.login().GetForgotPasswordEnabled() {
			link = linkTo(w.sender, "/forgotPassword")
		}
	}
	return []mailer.Letter{w.letter(ctx, template, own, to, map[string]any{"existing": existing, "url": link})}, nil
}

// dropRivals removes registrations that others began, or the same person before, with the address that somebody has shown to be
// theirs now.
func (s *Service) dropRivals(ctx context.Context, user *directoryv1.User) {
	all, err := s.store.Users().FindByEmail(ctx, user.GetDomain(), user.GetEmail(), mostOfAnAddress)
	for _, u := range all {
		if err == nil && u.GetId() != user.GetId() && u.GetSource() == user.GetSource() && pending(u) {
			err = s.Delete(asUser(ctx, user), u.GetDomain(), u.GetId(), u.GetRevision())
		}
	}
	if err != nil {
		s.log.WarnContext(ctx, "registrations with an address that is somebody else's were left", "domain", user.GetDomain(), "err", err)
	}
}
