package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// linked returns the account to which an identity leads by a link, nil if there is none. A link to an account that is gone is none.
func (s *Service) linked(ctx context.Context, domain, subject string) (*directoryv1.User, error) {
	link, err := s.store.Links().Find(ctx, domain, subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	user, err := s.store.Users().Get(ctx, domain, link.User)
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.store.Links().Remove(ctx, domain, subject)
	}
	return user, err
}

// link links an identity that was never seen to the account of whoever has its address, where its provider is trusted with that,
// and returns the account; nil if there is none to link. Both the provider and the domain must have verified the address
// (see vouchedFor), and exactly one account may have it: of two nobody can tell which is meant. An account that may not be used is fault.Denied, so that
// nobody who was locked out comes back as somebody new.
func (s *Service) link(ctx context.Context, provider *configv1.IdentityProvider, subject string, identity *directoryv1.Identity) (*directoryv1.User, error) {
	if provider.GetAccountLinking() != configv1.IdentityProvider_VERIFIED_EMAIL || !identity.GetEmailVerified() || identity.GetEmail() == "" {
		return nil, nil
	}
	// More than two, because those who have not verified it do not count.
	having, err := s.store.Users().FindByEmail(ctx, provider.GetDomain(), identity.GetEmail(), maxSameAddress)
	if err != nil || len(having) == maxSameAddress {
		return nil, err
	}
	having = slices.DeleteFunc(having, func(u *directoryv1.User) bool {
		return !u.GetEmailVerified() || lowerASCII(u.GetEmail()) != lowerASCII(identity.GetEmail())
	})
	if having, err = s.vouchedFor(ctx, having); err != nil {
		return nil, err
	}
	// A provider that has two names for one address speaks of two people: it gave the address to somebody else.
	if len(having) != 1 || having[0].GetSource() == provider.GetId() {
		return nil, nil
	}
	account := having[0]
	if links, err := s.store.Links().OfUsers(ctx, account.GetDomain(), []string{account.GetId()}); err != nil {
		return nil, err
	} else if of := slices.IndexFunc(links[account.GetId()], func(l store.Link) bool { return l.Source == provider.GetId() }); of >= 0 {
		if links[account.GetId()][of].Subject == subject {
			return account, nil // somebody who signs in twice at once has just been linked
		}
		return nil, nil
	}
	if !s.maySignIn(account) {
		return nil, errDisabled
	}
	err = s.store.Links().Add(ctx, store.Link{
		Domain: account.GetDomain(), Subject: subject, User: account.GetId(), Source: identity.GetSource(), ExternalID: identity.GetExternalId(),
		Username: identity.GetUsername(), Email: identity.GetEmail(), LinkedAt: s.now(), LoggedAt: s.now(),
	})
	if err != nil {
		return nil, err
	}
	after := proto.CloneOf(account)
	after.Identities = append(after.Identities, &directoryv1.LinkedIdentity{
		Source: identity.GetSource(), ExternalId: identity.GetExternalId(), Username: identity.GetUsername(), Email: identity.GetEmail(), LinkedAt: s.stamp(),
	})
	s.record(asUser(ctx, account), actionLink, account, after)
	return account, nil
}

// vouchedFor returns those of the people whose verified address was verified by somebody that the administrator trusts with that:
// by the directory itself, or by a provider that links too. Any other provider could make its people the owners of any address, and
// so have the real owner's next sign-in end in an account of theirs.
func (s *Service) vouchedFor(ctx context.Context, people []*directoryv1.User) ([]*directoryv1.User, error) {
	trusted := make([]*directoryv1.User, 0, len(people))
	for _, u := range people {
		source, err := s.provider(ctx, u.GetDomain(), u.GetSource())
		if err != nil {
			return nil, err
		}
		if isDirectory(source) || source.GetAccountLinking() == configv1.IdentityProvider_VERIFIED_EMAIL {
			trusted = append(trusted, u)
		}
	}
	return trusted, nil
}

// maxSameAddress is how many accounts with one address are looked at.
const maxSameAddress = 20

// lowerASCII leaves alone what is not ASCII: letters of other scripts that look or fold like these are others.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// enter records a login by a link. The account keeps its own profile; what the provider gives the person comes beside it.
func (s *Service) enter(ctx context.Context, account *directoryv1.User, subject string, identity *directoryv1.Identity) (*directoryv1.User, error) {
	if !s.maySignIn(account) {
		return nil, errDisabled
	}
	next := proto.CloneOf(account)
	changed := assertRights(next, identity)
	s.count(next)
	if err := s.store.Users().Replace(ctx, account, next); err != nil {
		return nil, err
	}
	if changed {
		s.record(asUser(ctx, next), actionUpdate, account, next)
	}
	return next, s.store.Links().Note(ctx, store.Link{
		Domain: account.GetDomain(), Subject: subject, Username: identity.GetUsername(), Email: identity.GetEmail(), LoggedAt: s.now(),
	})
}

// assertRights keeps the roles and groups that a provider gives somebody, in the place of those that it gave before, and reports
// whether that changed anything.
func assertRights(user *directoryv1.User, identity *directoryv1.Identity) bool {
	before := user.GetAssertedRights()
	given := &directoryv1.AssertedRights{Source: identity.GetSource(), Roles: identity.GetRoles(), Groups: identity.GetGroups()}
	after := slices.DeleteFunc(slices.Clone(before), func(a *directoryv1.AssertedRights) bool { return a.GetSource() == identity.GetSource() })
	if len(given.GetRoles()) > 0 || len(given.GetGroups()) > 0 {
		after = append(after, proto.CloneOf(given))
	}
	user.AssertedRights = after
	return !slices.EqualFunc(before, after, func(a, b *directoryv1.AssertedRights) bool { return proto.Equal(a, b) })
}

// asserted returns the roles and groups that providers give somebody. Those of a provider that is gone do not count.
func (s *Service) asserted(ctx context.Context, u *directoryv1.User) (roles, groups []string, err error) {
	for _, a := range u.GetAssertedRights() {
		provider, err := s.provider(ctx, u.GetDomain(), a.GetSource())
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, nil, err
		}
		if provider != nil {
			roles, groups = append(roles, a.GetRoles()...), append(groups, a.GetGroups()...)
		}
	}
	return roles, groups, nil
}

// Unlink takes a linked identity from somebody, and what its provider gave them. Who signs in with it again is linked again, if the
// provider and the addresses are as before.
func (s *Service) Unlink(ctx context.Context, user *directoryv1.User, link store.Link) error {
	if err := s.store.Links().Remove(ctx, link.Domain, link.Subject); err != nil {
		return err
	}
	for range races {
		next := proto.CloneOf(user)
		assertRights(next, &directoryv1.Identity{Source: link.Source})
		err := s.store.Users().Replace(ctx, user, next)
		if errors.Is(err, store.ErrStale) {
			if user, err = s.store.Users().Get(ctx, link.Domain, link.User); err == nil {
				continue
			}
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			before := proto.CloneOf(user)
			before.Identities = []*directoryv1.LinkedIdentity{identityOfLink(link)}
			s.record(ctx, actionUnlink, before, next)
		}
		return err
	}
	return errContended
}

func identityOfLink(l store.Link) *directoryv1.LinkedIdentity {
	return &directoryv1.LinkedIdentity{
		Source: l.Source, ExternalId: l.ExternalID, Username: l.Username, Email: l.Email, Subject: l.Subject,
		LinkedAt: timestamppb.New(l.LinkedAt), LoggedAt: timestamppb.New(l.LoggedAt),
	}
}
