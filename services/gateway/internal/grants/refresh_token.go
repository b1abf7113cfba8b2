package grants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Refresher keeps grants with their refresh tokens.
type Refresher interface {
	NewGrant(ctx context.Context, a state.Authorization, ttl time.Duration) (string, error)
	// Refresh returns state.ErrUnknown, ErrForeign, ErrUnproven, ErrExpired, ErrBeyond with the authorization that stays, or
	// ErrReused with the one whose grant ended.
	Refresh(ctx context.Context, domain, application, token string, r state.Rotation) (state.Authorization, string, error)
	RevokeGrant(ctx context.Context, domain, grant string, until time.Time) error
	// Inspect looks at a refresh token without using it.
	Inspect(ctx context.Context, token string) (state.Inspection, error)
}

// People knows whether what somebody allowed still counts; *tokens.People does.
type People interface {
	// Stands returns an error if the person may not be signed in any more, has had a new password since, or has withdrawn what
	// they allowed the client.
	Stands(ctx context.Context, domain, subject, clientID string, allowed time.Time) error
}

// RefreshToken exchanges refresh tokens (RFC 6749 §6), with rotation and detection of reuse (RFC 9700 §4.14.2).
type RefreshToken struct {
	Grants Refresher
	People People
	Access Judge
	Now    func() time.Time
}

// Type implements Grant.
func (RefreshToken) Type() oauth2.GrantType { return oauth2.GrantRefreshToken }

// Authorize implements Grant. The scope and the resources may narrow this access token; the grant itself stays whole. Scopes
// that were not granted are dropped, or refused where the client's profile says so, and then the token is not used up. A line
// of tokens ends when its client was idle for too long, at its age, at a reuse, and with what the person allowed.
func (g RefreshToken) Authorize(ctx context.Context, r *Request) (tokens.Authorization, error) {
	token := r.Params.Get("refresh_token")
	if token == "" {
		return tokens.Authorization{}, oauth2.InvalidRequest.Errorf("A refresh token must be supplied.")
	}
	c := r.Client
	asked := oauth2.SplitScope(r.Params.Get("scope"))
	how := state.Rotation{
		Keep:      !c.Profile.Rotates(c.Public(), false, c.RotatesRefresh),
		KeepBound: !c.Profile.Rotates(c.Public(), true, c.RotatesRefresh),
		Grace:     c.RefreshGrace, TTL: c.RefreshTTL, MaxAge: c.RefreshMaxAge, Proved: r.Confirmation,
	}
	how.Within.Resources = r.Params.All("resource")
	if c.Profile.RefusesForeignScopes {
		how.Within.Scopes = asked
	}
	if r.flows != nil {
		if err := g.allow(ctx, r, token); err != nil {
			return tokens.Authorization{}, err
		}
	}
	var whom *rule.Person
	if c.Restricted {
		var err error
		if whom, err = g.admit(ctx, r, token); err != nil {
			return tokens.Authorization{}, err
		}
	}
	a, next, err := g.Grants.Refresh(ctx, r.Domain.ID, c.ID, token, how)
	if err != nil {
		return tokens.Authorization{}, g.refuse(ctx, r, &a, asked, err)
	}
	created := time.UnixMilli(a.Created)
	if created.Before(c.TokensValidFrom) {
		return tokens.Authorization{}, g.end(ctx, r, &a, errDisabled)
	}
	if err := g.People.Stands(ctx, r.Domain.ID, a.Person.Subject, a.ClientID, created); err != nil {
		return tokens.Authorization{}, g.end(ctx, r, &a, err)
	}
	out := authorization(r, &a)
	out.RefreshToken, out.Whom = next, whom
	if out.Resources, err = resources.Narrow(a.Resources, how.Within.Resources); err != nil {
		return tokens.Authorization{}, err
	}
	if len(asked) > 0 {
		out.Scopes = slices.DeleteFunc(slices.Clone(a.Scopes), func(s string) bool { return !slices.Contains(asked, s) })
	}
	return out, nil
}

// admit asks whether the person may still use the application, before the token is exchanged, so that somebody who only has to sign in
// again has not used it up. What is no token of this client is left for the exchange to refuse.
func (g RefreshToken) admit(ctx context.Context, r *Request, token string) (*rule.Person, error) {
	found, err := g.Grants.Inspect(ctx, token)
	a := &found.Authorization
	switch {
	case errors.Is(err, state.ErrUnknown), err == nil && (a.Domain != r.Domain.ID || a.ApplicationID != r.Client.ID):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return door{g.Access, g.Grants, g.Now}.admit(ctx, r, a, oauth2.InvalidGrant.Errorf("Refresh token is invalid"))
}

// allow runs the flows before the token is exchanged, so that a refusal does not use it up. What is no token of this client is left for
// the exchange to refuse.
func (g RefreshToken) allow(ctx context.Context, r *Request, token string) error {
	found, err := g.Grants.Inspect(ctx, token)
	a := &found.Authorization
	switch {
	case errors.Is(err, state.ErrUnknown), err == nil && (a.Domain != r.Domain.ID || a.ApplicationID != r.Client.ID):
		return nil
	case err != nil:
		return err
	}
	return r.allow(ctx, &a.Person, a.AuthFlow)
}

var errDisabled = errors.New("the application was disabled after the grant was made")

// refuse is the answer to a token that the store did not exchange.
func (g RefreshToken) refuse(ctx context.Context, r *Request, a *state.Authorization, asked []string, err error) error {
	switch {
	case errors.Is(err, state.ErrUnknown):
		return oauth2.InvalidGrant.Errorf("Refresh token is invalid").WithCause(err)
	case errors.Is(err, state.ErrExpired):
		return oauth2.InvalidGrant.Errorf("Refresh token is expired").WithCause(err)
	case errors.Is(err, state.ErrForeign):
		return oauth2.InvalidGrant.Errorf("Refresh token was issued to another client").WithCause(err)
	case errors.Is(err, state.ErrUnproven):
		return oauth2.InvalidGrant.Errorf("Refresh token is bound to another key").WithCause(err)
	case errors.Is(err, state.ErrReused):
		return g.end(ctx, r, a, err)
	case errors.Is(err, state.ErrBeyond):
		if _, err := resources.Narrow(a.Resources, r.Params.All("resource")); err != nil {
			return err
		}
		foreign := slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return slices.Contains(a.Scopes, s) })
		return oauth2.InvalidScope.Errorf("Invalid scope(s): %s", oauth2.JoinScope(foreign))
	}
	return err
}

// end revokes a grant, and returns the refusal for the client.
func (g RefreshToken) end(ctx context.Context, r *Request, a *state.Authorization, why error) error {
	if err := g.Grants.RevokeGrant(ctx, r.Domain.ID, a.Grant, g.Now().Add(r.Client.Longest())); err != nil {
		return fmt.Errorf("revoke the grant of a refresh token (%w): %w", why, err)
	}
	return oauth2.InvalidGrant.Errorf("Refresh token is invalid").WithCause(why)
}
