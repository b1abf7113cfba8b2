package directory

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Authenticate checks a name, in any case, and a password of the directory itself. Wrong credentials, unknown names and
// providers that keep their people elsewhere are one refusal (fault.Unauthenticated) and take the same time. A disabled
// or locked account is fault.Denied, to whom knows the password, and so is one that is not confirmed; a password whose time is over
// is an *ExpiredError. An unknown domain is fault.NotFound.
func (s *Service) Authenticate(ctx context.Context, domain, source, username, password string) (*directoryv1.Identity, error) {
	if err := required("domain", domain, "source", source); err != nil {
		return nil, err
	}
	refused := fault.Unauthenticatedf("The credentials entered are invalid")
	user, err := s.holder(ctx, domain, source, username)
	if err != nil {
		return nil, err
	}
	if user == nil {
		if err := s.hasher.VerifyNothing(ctx, password); err != nil && !errors.Is(err, secret.ErrTooLong) {
			return nil, busy(err)
		}
		return nil, refused
	}
	ok, rehash, err := s.hasher.Verify(ctx, user.GetPasswordHash(), password)
	switch {
	case errors.Is(err, secret.ErrTooLong):
		return nil, refused
	case err != nil:
		return nil, busy(err)
	case !ok:
		return nil, refused
	case !s.maySignIn(user):
		return nil, errDisabled
	}
	if rehash {
		s.rehash(ctx, user, password)
	}
	over, err := s.expired(ctx, user)
	if err != nil {
		return nil, err
	}
	if over {
		return nil, &ExpiredError{User: user}
	}
	return identityOf(user), nil
}

// ExpiredError says that name and password are right, and that the time of the password is over (fault.Denied).
type ExpiredError struct{ User *directoryv1.User }

// Error implements error.
func (e *ExpiredError) Error() string { return errExpired.Error() }

// Unwrap makes it a fault.
func (e *ExpiredError) Unwrap() error { return errExpired }

var errExpired = fault.Deniedf("The time of the password is over")

// WayOut makes a ticket with which somebody chooses another password whose time is over, and who has just shown to know it.
func (s *Service) WayOut(ctx context.Context, u *directoryv1.User, sender *directoryv1.Sender) (token string, err error) {
	token = secret.NewToken()
	kind := ticketKinds[directoryv1.Ticket_RESET_PASSWORD]
	return token, s.issue(ctx, directoryv1.Ticket_RESET_PASSWORD, u, sender, token, false, kind.lifetime)
}

var errDisabled = fault.Deniedf("The account is disabled")

// holder returns who has a name at a directory provider, or nobody. Whatever the reason for nobody is, it is not told.
func (s *Service) holder(ctx context.Context, domain, source, username string) (*directoryv1.User, error) {
	provider, err := s.provider(ctx, domain, source)
	if err != nil {
		return nil, err
	}
	// Nobody's name is longer, and nobody's begins or ends with space; keyboards add it.
	username = strings.TrimSpace(username)
	if !isDirectory(provider) || username == "" || len(username) > maxUsername {
		return nil, nil
	}
	user, err := s.store.Users().FindByUsername(ctx, domain, source, username)
	if errors.Is(err, store.ErrNotFound) || err == nil && user.GetPasswordHash() == "" {
		return nil, nil
	}
	return user, err
}

// rehash replaces an imported or outdated hash. It is an improvement, not a condition: a failure is only logged, and
// somebody who changed the user meanwhile goes first.
func (s *Service) rehash(ctx context.Context, user *directoryv1.User, password string) {
	hash, err := s.hasher.Password(ctx, password)
	if err == nil {
		next := proto.CloneOf(user)
		next.PasswordHash = hash
		err = s.store.Users().Replace(ctx, user, next)
	}
	if err != nil && !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotFound) {
		s.log.WarnContext(ctx, "password hash was not renewed", "domain", user.GetDomain(), "user", user.GetId(), "err", err)
	}
}

// identityOf is what the directory itself asserts about one of its people.
func identityOf(u *directoryv1.User) *directoryv1.Identity {
	return &directoryv1.Identity{
		Source: u.GetSource(), ExternalId: u.GetExternalId(), Username: u.GetUsername(), Email: u.GetEmail(),
		EmailVerified: u.GetEmailVerified(), FirstName: u.GetFirstName(), LastName: u.GetLastName(),
		AdditionalInformation: u.GetAdditionalInformation(),
	}
}
