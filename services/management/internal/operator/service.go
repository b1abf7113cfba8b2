package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// DefaultLifetime is how long a token is valid where nothing else is configured.
const DefaultLifetime = 8 * time.Hour

// maxName bounds an operator's name, in bytes.
const maxName = 256

// Options are what a Service works with. Store and Hasher are needed.
type Options struct {
	Store  *store.Store
	Hasher *secret.Hasher
	// Lifetime of a token; 0 means DefaultLifetime.
	Lifetime time.Duration
	// Journal notes who signed in, who did not, and every change; nil means nobody does.
	Journal Journal
	Logger  *slog.Logger
	Now     func() time.Time
}

// Journal notes attempts to sign in, and changes. Its methods deal with their own failures.
type Journal interface {
	SignedIn(ctx context.Context, o Operator)
	// Refused is told the operator's name only if there is one of that name: people type passwords into the wrong field.
	Refused(ctx context.Context, name string)
	// Changed is told of every change of operators, roles, memberships and tokens.
	Changed(ctx context.Context, c Change)
}

// Token is what an operator receives at sign-in.
type Token struct {
	Value     string
	ExpiresAt time.Time // whole seconds
	Operator  Operator
}

// LogValue implements slog.LogValuer: the value is not logged.
func (t Token) LogValue() slog.Value { return slog.StringValue("token of " + t.Operator.Name) }

// Service signs operators in, recognises them and knows what they may do. It is safe for concurrent use.
type Service struct {
	Options
	keys     *keyring
	throttle *throttle
}

// New returns a Service. It contacts nobody.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Hasher == nil {
		return nil, errors.New("operators need a store and a hasher")
	}
	if o.Lifetime <= 0 {
		o.Lifetime = DefaultLifetime
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{
		Options: o, throttle: newThrottle(o.Now, maxTracked),
		keys: &keyring{store: o.Store, now: o.Now, lifetime: o.Lifetime},
	}, nil
}

// now is the present to the millisecond, which is what is kept.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }

// TooSoon is the cause of a refusal (fault.Limited) that says how long to wait.
type TooSoon struct{ Wait time.Duration }

// Error implements error.
func (t *TooSoon) Error() string { return "too many attempts to sign in" }

// Seconds is the wait in whole seconds, at least one.
func (t *TooSoon) Seconds() int { return max(1, int(math.Ceil(t.Wait.Seconds()))) }

// SignIn checks a name and password and returns a token. Wrong credentials, unknown names and disabled operators are one
// refusal (fault.Unauthenticated) and take the same time. Too many attempts for the account or from the address are
// refused unseen (fault.Limited, with a *TooSoon as cause).
func (s *Service) SignIn(ctx context.Context, name, password, address string) (Token, error) {
	var found *store.Operator
	err := s.guess(ctx, name, address, func() (known string, err error) {
		found, known, err = s.check(ctx, name, password)
		return known, err
	})
	if err != nil {
		return Token{}, err
	}
	token, err := s.issue(ctx, found)
	if err != nil {
		return Token{}, err
	}
	if err := s.Store.Operators().SignedIn(ctx, found.Key, s.now()); err != nil {
		s.Logger.WarnContext(ctx, "sign-in of an operator not counted", "user", found.Name, "err", err)
	}
	if s.Journal != nil {
		s.Journal.SignedIn(ctx, token.Operator)
	}
	return token, nil
}

// guess lets somebody try a password once, unless that was tried too often; try returns fault.Unauthenticated for a wrong
// one, and the name of the operator if there is one.
func (s *Service) guess(ctx context.Context, name, address string, try func() (known string, err error)) error {
	attempt, wait := s.throttle.begin(name, address)
	if wait > 0 {
		return tooSoon(wait)
	}
	ways, err := s.sharedKeys(ctx, name, address)
	if err == nil {
		wait, err = s.sharedWait(ctx, ways)
	}
	if err != nil || wait > 0 {
		attempt.abandoned()
		if err == nil {
			err = tooSoon(wait)
		}
		return err
	}
	known, err := try()
	switch {
	case fault.Is(err, fault.Unauthenticated):
		if s.Journal != nil {
			s.Journal.Refused(ctx, known)
		}
		if failed := s.sharedFailure(ctx, ways); failed != nil {
			s.Logger.WarnContext(ctx, "failed sign-in not counted for other replicas", "err", failed)
		}
		return err
	case err != nil:
		attempt.abandoned()
		return err
	}
	attempt.succeeded()
	if err := s.sharedSuccess(ctx, ways); err != nil {
		s.Logger.WarnContext(ctx, "sign-in not counted for other replicas", "err", err)
	}
	return nil
}

func tooSoon(wait time.Duration) error {
	soon := &TooSoon{Wait: wait}
	return fault.Limitedf("Too many attempts. Try again in %d seconds", soon.Seconds()).Because(soon)
}

func refused() error { return fault.Unauthenticatedf("Bad credentials") }

// check returns the operator whose name and password these are, and the name if there is an operator of it.
func (s *Service) check(ctx context.Context, name, password string) (found *store.Operator, known string, err error) {
	err = store.ErrNotFound
	if plausible(name) {
		found, err = s.Store.Operators().Get(ctx, name)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, "", fmt.Errorf("operator: %w", err)
	}
	if err != nil || found.PasswordHash == "" {
		if found != nil {
			known = found.Name
		}
		if err := s.Hasher.VerifyNothing(ctx, password); err != nil {
			return nil, "", busy(err)
		}
		return nil, known, refused()
	}
	right, rehash, err := s.Hasher.Verify(ctx, found.PasswordHash, password)
	switch {
	case err != nil:
		return nil, found.Name, busy(err)
	case !right, found.Disabled, found.Locked:
		return nil, found.Name, refused()
	}
	if rehash {
		s.rehash(ctx, found, password)
	}
	return found, found.Name, nil
}

// plausible keeps what can be no name from the database.
func plausible(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

func busy(err error) error {
	if errors.Is(err, secret.ErrBusy) {
		return fault.Unavailablef("The server is busy. Try again later").Because(err)
	}
	return fmt.Errorf("check the password: %w", err)
}

// rehash replaces a hash that was made with older parameters. The sign-in does not depend on it.
func (s *Service) rehash(ctx context.Context, found *store.Operator, password string) {
	fresh := *found
	var err error
	if fresh.PasswordHash, err = s.Hasher.Password(ctx, password); err == nil {
		err = s.Store.Operators().Replace(ctx, &fresh)
	}
	if err != nil {
		s.Logger.WarnContext(ctx, "hash of an operator not renewed", "user", found.Name, "err", err)
	}
}
