// Package signin authenticates a person with a name and a password: at the login page and for the password grant.
package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/selection"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Refusals, to be told apart by errors.Is. They wrap an *oauth2.Error with code invalid_grant and the documented text.
var (
	ErrNoProvider  = errors.New("no identity provider takes part")
	ErrCredentials = errors.New("wrong credentials")
	ErrBlocked     = errors.New("the account is disabled")
)

// Values of acr and amr for a password (RFC 8176 §2).
const (
	ACRPassword = "urn:gatehouse:acr:password"
	AMRPassword = "pwd"
)

// Directory links an identity to a user.
type Directory interface {
	SignIn(ctx context.Context, domain, application string, identity *directoryv1.Identity) (*directoryv1.User, error)
}

// Service signs people in. It is safe for concurrent use.
type Service struct {
	directory  Directory
	log        *slog.Logger
	ruleFailed func(domain string)
}

// New returns a Service. ruleFailed is told of each selection rule that could not be evaluated; may be nil.
func New(directory Directory, log *slog.Logger, ruleFailed func(domain string)) *Service {
	if ruleFailed == nil {
		ruleFailed = func(string) {}
	}
	return &Service{directory: directory, log: log, ruleFailed: ruleFailed}
}

// Result is a person who has just proved who they are.
type Result struct {
	Person state.Person
	// Provider is the id of the provider that accepted.
	Provider string
	ACR      string
	AMR      []string
}

// WithPassword tries the client's internal providers that take part, in order, until one accepts. A blocked account ends
// the search, and so does a provider that cannot be asked: to go on would let somebody in by a provider that was not
// meant for them.
func (s *Service) WithPassword(ctx context.Context, d *domain.Domain, c *domain.Client, in rules.Input, username, password string) (Result, error) {
	in.Login, in.Client, in.Domain = username, c.Rules, d.Rules
	candidates := selection.Internal(ctx, c.Providers, in, func(p *idp.Provider, err error) {
		s.ruleFailed(d.ID)
		s.log.WarnContext(ctx, "selection rule cannot be evaluated", "domain", d.ID, "client_id", c.ClientID, "idp", p.ID, "err", err)
	})
	if len(candidates) == 0 {
		return Result{}, refuse(ErrNoProvider, "No identity provider found for client : %s", c.ClientID)
	}
	for _, p := range candidates {
		identity, err := p.Password.Authenticate(ctx, username, password)
		switch {
		case errors.Is(err, idp.ErrRefused):
			continue
		case errors.Is(err, idp.ErrBlocked):
			return Result{}, refuse(ErrBlocked, "The account is disabled")
		case err != nil:
			return Result{}, fmt.Errorf("identity provider %q: %w", p.ID, err)
		}
		user, err := s.directory.SignIn(ctx, d.ID, c.ID, identity)
		switch {
		case fault.Is(err, fault.Denied):
			return Result{}, refuse(ErrBlocked, "The account is disabled")
		case err != nil:
			return Result{}, fmt.Errorf("sign in: %w", err)
		}
		return Result{Person: tokens.PersonOf(user), Provider: p.ID, ACR: ACRPassword, AMR: []string{AMRPassword}}, nil
	}
	return Result{}, refuse(ErrCredentials, "The credentials entered are invalid")
}

func refuse(kind error, format string, args ...any) error {
	return oauth2.InvalidGrant.Errorf(format, args...).WithCause(kind)
}
