// Package signin makes a person of somebody who proves who they are: by a name and a password, at the login page and for the
// password grant, or by what another site says of them.
package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Refusals, to be told apart by errors.Is. They wrap an *oauth2.Error with code invalid_grant and the documented text.
var (
	ErrNoProvider  = errors.New("no identity provider takes part")
	ErrCredentials = errors.New("wrong credentials")
	ErrBlocked     = errors.New("the account is disabled")
	ErrExpired     = errors.New("the password has expired")
	ErrLocked      = errors.New("too many attempts have failed")
	ErrTooMany     = errors.New("too many attempts have failed from the same network")
)

// Values of acr: a password was checked here, another site says who somebody is, or somebody has shown by a link that they read
// the mailbox of an account.
const (
	ACRPassword  = "urn:gatehouse:acr:password"
	ACRFederated = "urn:gatehouse:acr:federated"
	ACREmail     = "urn:gatehouse:acr:email"
)

// AMRPassword is the value of amr for a password (RFC 8176 §2).
const AMRPassword = idp.MethodPassword

// Directory is the record of people.
type Directory interface {
	// SignIn links an identity to a user.
	SignIn(ctx context.Context, domain, application string, identity *directoryv1.Identity) (*directoryv1.User, error)
	// NotifyLocked tells the owner of an account, if there is one, that it is locked.
	NotifyLocked(ctx context.Context, domain, source, username string, sender *directoryv1.Sender) error
}

// Attempts counts attempts to sign in, over all gateways; *state.Store does.
type Attempts interface {
	// BeginAttemptFrom counts an attempt, for an account and in windows, and says whether it may be made.
	BeginAttemptFrom(ctx context.Context, a state.Account, limit state.AttemptLimit, windows ...state.Window) (state.Begun, error)
	// SettleAttempts forgets what was counted.
	SettleAttempts(ctx context.Context, what state.Settlement) error
}

// Service signs people in. It is safe for concurrent use.
type Service struct {
	directory Directory
	attempts  Attempts
	log       *slog.Logger
	failures  *ruleerrors.Reporter
}

// New returns a Service. It reports each selection rule that could not be evaluated; nil reports nothing.
func New(directory Directory, attempts Attempts, log *slog.Logger, failures *ruleerrors.Reporter) *Service {
	return &Service{directory: directory, attempts: attempts, log: log, failures: failures}
}

// Result is a person who has just proved who they are.
type Result struct {
	Person state.Person
	// Provider is the id of the provider that accepted.
	Provider string
	ACR      string
	// AMR are the methods that were used, as far as the provider tells (RFC 8176).
	AMR []string
	// AuthTime is when they proved it; zero means just now.
	AuthTime time.Time
}

// WithPasswordFrom tries the client's internal providers that take part, in order, until one accepts. A blocked or locked
// account ends the search, and so does a provider that cannot be asked: to go on would let somebody in by a provider that
// was not meant for them. The person is at an address: where too many attempts have failed there lately, it is ErrTooMany,
// whoever the attempt is for. The zero address counts nowhere.
func (s *Service) WithPasswordFrom(ctx context.Context, from netip.Addr, d *domain.Domain, c *domain.Client, in rules.Input, username, password string) (Result, error) {
	username = strings.TrimSpace(username) // the counter, the rules and the providers see one name
	in.Login, in.Client, in.Domain = username, c.Rules, d.Rules
	candidates := selection.Internal(ctx, c.Providers, in, s.ruleFailed(ctx, d, c))
	if len(candidates) == 0 {
		return Result{}, refuse(ErrNoProvider, "No identity provider found for client : %s", c.ClientID)
	}
	a := &attempt{s: s, d: d, c: c, windows: windows(d, from), accounts: make([]state.Account, len(candidates))}
	for i, p := range candidates {
		a.accounts[i] = state.Account{Domain: d.ID, Application: c.CountedAs(), Provider: p.ID, Username: username}
	}
	for i, p := range candidates {
		if err := a.begin(ctx, i); err != nil {
			return Result{}, err
		}
		assertion, err := p.Password.Authenticate(ctx, idp.Credentials{Username: username, Password: password, Input: &in})
		switch {
		case errors.Is(err, idp.ErrRefused):
			continue
		case errors.Is(err, idp.ErrBlocked):
			return Result{}, refuse(ErrBlocked, "The account is disabled")
		case errors.Is(err, idp.ErrExpired):
			a.abandon(ctx, i)
			return Result{}, refuse(ErrExpired, "The password has expired")
		case err != nil:
			a.abandon(ctx, i)
			return Result{}, fmt.Errorf("identity provider %q: %w", p.ID, err)
		}
		result, err := s.link(ctx, d, c, p.Provider, assertion)
		switch {
		case errors.Is(err, ErrBlocked):
			return Result{}, err
		case err != nil:
			a.abandon(ctx, i)
			return Result{}, err
		}
		result.ACR = ACRPassword
		return result, a.succeed(ctx, i)
	}
	a.fail(ctx)
	return Result{}, refuse(ErrCredentials, "The credentials entered are invalid")
}

// ruleFailed reports selection rules of a client that could not be evaluated.
func (s *Service) ruleFailed(ctx context.Context, d *domain.Domain, c *domain.Client) func(domain.ClientProvider, error) {
	return func(p domain.ClientProvider, err error) {
		s.failures.Report(ctx, c.Expression(d.ID, ruleerrors.Selection, p.ID), err, slog.String("client_id", c.ClientID), slog.String("idp", p.ID))
	}
}

// AtIdentifier returns the external provider that the client's rules choose for the name in the input.
func (s *Service) AtIdentifier(ctx context.Context, d *domain.Domain, c *domain.Client, in rules.Input) (domain.ClientProvider, bool) {
	in.Client, in.Domain = c.Rules, d.Rules
	return selection.AtIdentifier(ctx, c.Providers, in, s.ruleFailed(ctx, d, c))
}

// AtLoginPage returns the external provider to which the login page leads at once.
func (s *Service) AtLoginPage(ctx context.Context, d *domain.Domain, c *domain.Client, in rules.Input) (domain.ClientProvider, bool) {
	in.Client, in.Domain = c.Rules, d.Rules
	return selection.AtLoginPage(ctx, c.Providers, c.Selection, in, s.ruleFailed(ctx, d, c))
}

// WithAssertion signs in somebody whom an external provider of the client asserts. Who may not is ErrBlocked.
func (s *Service) WithAssertion(ctx context.Context, d *domain.Domain, c *domain.Client, p *idp.Provider, assertion *idp.Assertion) (Result, error) {
	result, err := s.link(ctx, d, c, p, assertion)
	result.ACR = ACRFederated
	return result, err
}

// link makes an identity a person of the directory.
func (s *Service) link(ctx context.Context, d *domain.Domain, c *domain.Client, p *idp.Provider, assertion *idp.Assertion) (Result, error) {
	user, err := s.directory.SignIn(ctx, d.ID, c.ID, p.Mapped(ctx, assertion))
	switch {
	case fault.Is(err, fault.Denied):
		return Result{}, refuse(ErrBlocked, "The account is disabled")
	case err != nil:
		return Result{}, fmt.Errorf("sign in: %w", err)
	}
	return Result{Person: tokens.PersonOf(user), Provider: p.ID, AMR: assertion.AMR, AuthTime: assertion.AuthTime}, nil
}

func refuse(kind error, format string, args ...any) error {
	return oauth2.InvalidGrant.Errorf(format, args...).WithCause(kind)
}
