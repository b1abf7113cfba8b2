package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// maxAccounts is how many people one request for a new password reaches.
	maxAccounts = 3
	// maxSources bounds the providers that a request names.
	maxSources = 100
)

// Forgot takes the wish for another password from whoever says a name or an address. Nobody is looked up before the answer.
// fault.Unmet: that is switched off, or no e-mail can be sent.
func (s *Service) Forgot(ctx context.Context, r *directoryv1.ForgotPasswordRequest) error {
	login := strings.TrimSpace(r.GetLogin())
	if err := required("domain", r.GetDomain(), "login", login); err != nil {
		return err
	}
	if err := bounded("login", login, max(maxUsername, maxEmail)); err != nil {
		return err
	}
	if len(r.GetSources()) > maxSources {
		return fault.Invalidf("[sources: size must be at most %d]", maxSources).At("sources", "too many")
	}
	if err := checkSender(r.GetSender()); err != nil {
		return err
	}
	at, err := s.setting(ctx, r.GetDomain(), r.GetSender().GetApplication())
	switch {
	case err != nil:
		return err
	case !at.login().GetForgotPasswordEnabled():
		return fault.Unmetf("Choosing another password is switched off")
	}
	return s.ask(ctx, r.GetDomain(), purposeForgot, r.GetSender(), errand{Login: login, Sources: r.GetSources()})
}

// forgot writes to the people who are meant by a name or an address.
func (w *writer) forgot(ctx context.Context, login string, sources []string) ([]mailer.Letter, error) {
	people, err := w.meant(ctx, login, sources)
	if err != nil {
		return nil, err
	}
	var letters []mailer.Letter
	for _, u := range people {
		purpose := directoryv1.Ticket_RESET_PASSWORD
		open := u.RegistrationCompleted != nil && !u.GetRegistrationCompleted()
		switch {
		case u.GetEmail() == "" || !enabled(u) || locked(u, w.now()):
			continue
		case open && w.at.account().GetCompleteRegistrationWhenResetPassword():
		case open && pending(u):
			purpose = directoryv1.Ticket_VERIFY_REGISTRATION // they have a password, and have lost the link
		case open:
			purpose = directoryv1.Ticket_CONFIRM_REGISTRATION
		}
		if len(letters) == maxAccounts {
			break
		}
		l, err := w.withTicket(ctx, purpose, u)
		if err != nil {
			return nil, err
		}
		w.record(ctx, actionForgot, u, u)
		letters = append(letters, l)
	}
	return letters, nil
}

const actionForgot = "forgot_password"

// meant returns the people of the directory with a name or an address.
func (w *writer) meant(ctx context.Context, login string, sources []string) ([]*directoryv1.User, error) {
	providers, _, err := store.List(ctx, w.store, catalog.IdentityProviders, store.Query{Domain: w.at.domain.GetId()})
	if err != nil {
		return nil, err
	}
	providers = slices.DeleteFunc(providers, func(p *configv1.IdentityProvider) bool {
		return !isDirectory(p) || len(sources) > 0 && !slices.Contains(sources, p.GetId())
	})
	var people []*directoryv1.User
	add := func(u *directoryv1.User) {
		of := slices.ContainsFunc(providers, func(p *configv1.IdentityProvider) bool { return p.GetId() == u.GetSource() })
		if of && !slices.ContainsFunc(people, func(other *directoryv1.User) bool { return other.GetId() == u.GetId() }) {
			people = append(people, u)
		}
	}
	for _, p := range providers {
		u, err := w.store.Users().FindByUsername(ctx, w.at.domain.GetId(), p.GetId(), login)
		switch {
		case err == nil:
			add(u)
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	if !strings.Contains(login, "@") {
		return people, nil
	}
	found, err := w.store.Users().FindByEmail(ctx, w.at.domain.GetId(), login, mostOfAnAddress)
	for _, u := range found {
		add(u)
	}
	return people, err
}

// NotifyLocked takes the news that an account was locked after failed attempts. Where the settings want no e-mail, or none can
// be sent, nothing happens. Nobody is looked up before the answer.
func (s *Service) NotifyLocked(ctx context.Context, r *directoryv1.NotifyLockedRequest) error {
	name := strings.TrimSpace(r.GetUsername())
	if err := required("domain", r.GetDomain(), "source", r.GetSource()); err != nil {
		return err
	}
	if err := checkSender(r.GetSender()); err != nil {
		return err
	}
	at, err := s.setting(ctx, r.GetDomain(), r.GetSender().GetApplication())
	if err != nil {
		return err
	}
	// Nobody's name is longer.
	if !at.account().GetSendRecoverAccountEmail() || s.post == nil || name == "" || bounded("username", name, maxUsername) != nil {
		return nil
	}
	return s.ask(ctx, r.GetDomain(), purposeLocked, r.GetSender(), errand{Login: name, Sources: []string{r.GetSource()}})
}

// locked writes to whose account was locked.
func (w *writer) locked(ctx context.Context, name string, sources []string) ([]mailer.Letter, error) {
	u, err := w.holder(ctx, w.at.domain.GetId(), sources[0], name)
	if err != nil || u == nil || u.GetEmail() == "" || !w.maySignIn(u) {
		return nil, err
	}
	return one(w.withTicket(ctx, directoryv1.Ticket_UNLOCK, u))
}

// Invite sends somebody the link by which they complete their registration: with a first password where an administrator made
// the account, by showing that the address is theirs where they made it. fault.Unmet: no e-mail can be sent.
func (s *Service) Invite(ctx context.Context, domain, id string) error {
	u, err := s.Get(ctx, domain, id)
	switch {
	case err != nil:
		return err
	case u.RegistrationCompleted == nil || u.GetRegistrationCompleted():
		return fault.Invalidf("User [%s] has nothing to confirm.", u.GetUsername())
	case u.GetEmail() == "":
		return broken("email", notBlank)
	case !enabled(u) || locked(u, s.now()):
		return fault.Invalidf("User [%s] is disabled or locked.", u.GetUsername())
	}
	return s.invitation(ctx, u)
}

// invitation writes the errand of an invitation down.
func (s *Service) invitation(ctx context.Context, u *directoryv1.User) error {
	at, err := s.setting(ctx, u.GetDomain(), u.GetClient())
	if err != nil {
		return err
	}
	return s.ask(ctx, u.GetDomain(), purposeInvitation, &directoryv1.Sender{
		BaseUrl: catalog.PublicURL(at.domain, s.gatewayURL), Application: u.GetClient(),
	}, errand{User: u.GetId()})
}

// invite writes to somebody whose registration is not complete.
func (w *writer) invite(ctx context.Context, id string) ([]mailer.Letter, error) {
	u, err := w.store.Users().Get(ctx, w.at.domain.GetId(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (u.RegistrationCompleted == nil || u.GetRegistrationCompleted() || u.GetEmail() == "" || !enabled(u)) {
		return nil, nil // it happened meanwhile
	}
	if err != nil {
		return nil, err
	}
	if pending(u) {
		return one(w.withTicket(ctx, directoryv1.Ticket_VERIFY_REGISTRATION, u))
	}
	return one(w.withTicket(ctx, directoryv1.Ticket_CONFIRM_REGISTRATION, u))
}
