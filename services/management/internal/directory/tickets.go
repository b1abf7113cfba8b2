package directory

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// maxToken bounds the token of a ticket that somebody presents, in bytes.
const maxToken = 256

// What tickets are for: the page that the link leads to, the e-mail that it stands in, and what is done by it.
var ticketKinds = map[directoryv1.Ticket_Purpose]struct {
	page, template, action string
	lifetime               time.Duration
	password               bool // another password is chosen
}{
	directoryv1.Ticket_VERIFY_REGISTRATION:  {"/confirmRegistration", "registration_verify", "verify_registration", day, false},
	directoryv1.Ticket_CONFIRM_REGISTRATION: {"/confirmRegistration", "registration_confirmation", "complete_registration", day, true},
	directoryv1.Ticket_RESET_PASSWORD:       {"/resetPassword", "forgot_password", actionResetPassword, time.Hour, true},
	directoryv1.Ticket_UNLOCK:               {"/resetPassword", "blocked_account", actionUnlock, day, true},
}

// maxTries is how often a password may be tried at the link of a registration.
const maxTries = 10

const day = 24 * time.Hour

var errTicket = fault.NotFoundf("The link is unknown, used or expired.")

// ticket returns what a token is for, and the person, if both still stand: a ticket ends with another password, another
// address, and when the account is disabled or locked.
func (s *Service) ticket(ctx context.Context, domain, token string) (*store.Ticket, *directoryv1.User, error) {
	if err := required("domain", domain, "token", token); err != nil {
		return nil, nil, err
	}
	if len(token) > maxToken {
		return nil, nil, errTicket
	}
	t, err := s.store.Tickets().Get(ctx, domain, secret.HashToken(token))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errTicket
	}
	if err != nil {
		return nil, nil, err
	}
	user, err := s.store.Users().Get(ctx, domain, t.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && !stands(t, user) {
		return nil, nil, errTicket
	}
	return t, user, err
}

// stands reports whether nothing has happened to somebody that ends a ticket. What ends tickets also removes them; this is for
// the moment between.
func stands(t *store.Ticket, u *directoryv1.User) bool {
	changed := u.GetLastPasswordReset()
	switch {
	case changed != nil && changed.AsTime().After(t.CreatedAt):
		return false
	case t.Email != "" && !strings.EqualFold(t.Email, u.GetEmail()):
		return false
	case purposeOf(t) == directoryv1.Ticket_VERIFY_REGISTRATION:
		return pending(u)
	case purposeOf(t) == directoryv1.Ticket_CONFIRM_REGISTRATION:
		return u.RegistrationCompleted != nil && !u.GetRegistrationCompleted()
	}
	return true
}

func purposeOf(t *store.Ticket) directoryv1.Ticket_Purpose {
	return directoryv1.Ticket_Purpose(directoryv1.Ticket_Purpose_value[t.Purpose])
}

// ended reports whether a change of somebody ends their tickets.
func ended(before, after *directoryv1.User) bool {
	passwordBefore, passwordAfter := before.GetLastPasswordReset(), after.GetLastPasswordReset()
	return passwordBefore.AsTime() != passwordAfter.AsTime() ||
		enabled(before) && !enabled(after) ||
		before.GetAccountLockedAt() == nil && after.GetAccountLockedAt() != nil ||
		!strings.EqualFold(before.GetEmail(), after.GetEmail())
}

// GetTicket says what the link of an e-mail is for. fault.NotFound: it is unknown, used or expired.
func (s *Service) GetTicket(ctx context.Context, domain, token string) (*directoryv1.Ticket, error) {
	t, user, err := s.ticket(ctx, domain, token)
	if err != nil {
		return nil, err
	}
	return s.ticketMessage(ctx, t, user)
}

// ticketMessage is a ticket as gateways see it.
func (s *Service) ticketMessage(ctx context.Context, t *store.Ticket, u *directoryv1.User) (*directoryv1.Ticket, error) {
	clientID := ""
	if t.Application != "" {
		app, err := store.Get(ctx, s.store, catalog.Applications, t.Application)
		switch {
		case err == nil && app.GetDomain() == t.Domain:
			clientID = catalog.ClientID(app)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return &directoryv1.Ticket{
		Purpose: purposeOf(t), Username: u.GetUsername(), Email: t.Email, ClientId: clientID, Query: t.Query,
		ExpiresAt: timestamppb.New(t.ExpiresAt),
	}, nil
}

// UseTicket does what the link of an e-mail is for, and returns the ticket and the person after it. A ticket is used once: of
// several who use it at the same time, one does, and the others get fault.NotFound. A password that breaks the rules
// (fault.Invalid) leaves the ticket as it was, and so does every failure of ours. fault.Denied: the account may not sign in.
//
// Who shows that an address is theirs must know the password that was chosen at registration: whoever chose it may be somebody
// else, who waits for the owner of the mailbox to make it count. A wrong one is fault.Invalid; the tenth ends the ticket.
func (s *Service) UseTicket(ctx context.Context, domain, token, password string) (*directoryv1.Ticket, *directoryv1.User, error) {
	t, user, err := s.ticket(ctx, domain, token)
	if err != nil {
		return nil, nil, err
	}
	if !enabled(user) || locked(user, s.now()) {
		return nil, nil, errDisabled
	}
	if s.mayNotComplete(ctx, t, user) {
		return nil, nil, errDisabled
	}
	told, err := s.ticketMessage(ctx, t, user)
	if err != nil {
		return nil, nil, err
	}
	kind := ticketKinds[purposeOf(t)]
	verifies := purposeOf(t) == directoryv1.Ticket_VERIFY_REGISTRATION
	if verifies {
		if err := s.try(ctx, t, password); err != nil {
			return nil, nil, err
		}
	}
	used := false
	after, err := s.change(asUser(ctx, user), domain, user.GetId(), 0, kind.action, func(old *directoryv1.User) (*directoryv1.User, error) {
		if !used && !stands(t, old) {
			return nil, errTicket
		}
		next := proto.CloneOf(old)
		if verifies { // here, because who registers once more meanwhile chooses another one
			if err := s.knows(ctx, old, password); err != nil {
				return nil, err
			}
		}
		if kind.password {
			if err := s.choosePassword(ctx, next, password); err != nil {
				return nil, err
			}
		}
		if next.RegistrationCompleted != nil {
			next.RegistrationCompleted = proto.Bool(true)
		}
		if t.Email != "" {
			next.EmailVerified = true
		}
		if !used {
			if used, err = s.store.Tickets().Use(ctx, t.Hash); err != nil {
				return nil, err
			}
			if !used {
				return nil, errTicket
			}
		}
		return next, nil
	})
	if err != nil {
		if used {
			err = errors.Join(err, s.store.Tickets().PutBack(context.WithoutCancel(ctx), t))
		}
		if fault.Is(err, fault.NotFound) {
			err = errTicket // the person is gone
		}
		if verifies {
			err = s.tried(ctx, t, err)
		}
		return nil, nil, err
	}
	if verifies {
		s.dropRivals(ctx, after)
	}
	return told, after, nil
}

// errNotChosen refuses a password at the link of a registration.
var errNotChosen = broken("password", "is not the one that was chosen at registration")

// try counts a try at the link of a registration, before the password is looked at: however many come at once, no more than
// maxTries are.
func (s *Service) try(ctx context.Context, t *store.Ticket, password string) error {
	if password == "" {
		return broken("password", notBlank)
	}
	counted, err := s.store.Tickets().Try(ctx, t.Hash, maxTries)
	if errors.Is(err, store.ErrNotFound) {
		return errTicket
	}
	if err == nil {
		t.Tries = counted.Tries
	}
	return err
}

// tried is what becomes of a ticket after a try that failed: the last one ends it, and a failure of ours was none.
func (s *Service) tried(ctx context.Context, t *store.Ticket, err error) error {
	ctx = context.WithoutCancel(ctx)
	if !errors.Is(err, errNotChosen) {
		return errors.Join(err, s.store.Tickets().Untry(ctx, t.Hash))
	}
	if t.Tries >= maxTries {
		if _, failed := s.store.Tickets().Use(ctx, t.Hash); failed != nil {
			return failed
		}
	}
	return err
}

// knows returns errNotChosen unless a password is somebody's.
func (s *Service) knows(ctx context.Context, u *directoryv1.User, password string) error {
	if u.GetPasswordHash() == "" {
		return errNotChosen
	}
	ok, _, err := s.hasher.Verify(ctx, u.GetPasswordHash(), password)
	if errors.Is(err, secret.ErrTooLong) || err == nil && !ok {
		return errNotChosen
	}
	return busy(err)
}

// mayNotComplete reports whether a ticket for another password would complete a registration that it may not complete.
func (s *Service) mayNotComplete(ctx context.Context, t *store.Ticket, u *directoryv1.User) bool {
	if u.RegistrationCompleted == nil || u.GetRegistrationCompleted() || purposeOf(t) != directoryv1.Ticket_RESET_PASSWORD {
		return false
	}
	at, err := s.setting(ctx, t.Domain, t.Application)
	return err != nil || !at.account().GetCompleteRegistrationWhenResetPassword()
}

// issue makes a ticket in the place of earlier ones of the person and the purpose.
func (s *Service) issue(ctx context.Context, purpose directoryv1.Ticket_Purpose, u *directoryv1.User, sender *directoryv1.Sender,
	token string, mailed bool, lifetime time.Duration,
) error {
	now := s.now()
	t := &store.Ticket{
		Hash: secret.HashToken(token), Purpose: purpose.String(), Domain: u.GetDomain(), User: u.GetId(), Application: sender.GetApplication(),
		Query: sender.GetQuery(), CreatedAt: now, ExpiresAt: now.Add(lifetime),
	}
	if mailed {
		t.Email = u.GetEmail()
	}
	return s.store.Tickets().Issue(ctx, t)
}
