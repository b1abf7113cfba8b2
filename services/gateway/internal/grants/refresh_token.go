package grants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// lostAnswer is how long a rotated refresh token may be presented again while its successor is unused: the answer that
// carried the successor may have been lost.
const lostAnswer = 10 * time.Second

// Refresher keeps grants with their refresh tokens.
type Refresher interface {
	NewGrant(ctx context.Context, a state.Authorization, ttl time.Duration) (string, error)
	// Refresh returns state.ErrUnknown, ErrForeign, ErrExpired, or ErrReused with the authorization whose grant ended.
	Refresh(ctx context.Context, domain, application, token string, r state.Rotation) (state.Authorization, string, error)
	RevokeGrant(ctx context.Context, domain, grant string, until time.Time) error
}

// People knows who may still be signed in; *tokens.People does.
type People interface {
	Gone(ctx context.Context, domain, subject string) bool
}

// RefreshToken exchanges refresh tokens (RFC 6749 §6), with rotation and detection of reuse (RFC 9700 §4.14.2).
type RefreshToken struct {
	Grants Refresher
	People People
	Now    func() time.Time
}

// Type implements Grant.
func (RefreshToken) Type() oauth2.GrantType { return oauth2.GrantRefreshToken }

// Authorize implements Grant. The scope may narrow this access token; scopes that were not granted are dropped, and the
// grant itself stays whole.
func (g RefreshToken) Authorize(ctx context.Context, r *Request) (tokens.Authorization, error) {
	token := r.Params.Get("refresh_token")
	if token == "" {
		return tokens.Authorization{}, oauth2.InvalidRequest.Errorf("A refresh token must be supplied.")
	}
	a, next, err := g.Grants.Refresh(ctx, r.Domain.ID, r.Client.ID, token, state.Rotation{
		Keep: !r.Client.RotatesRefresh, Grace: lostAnswer, TTL: r.Client.RefreshTTL,
	})
	switch {
	case errors.Is(err, state.ErrUnknown):
		return tokens.Authorization{}, oauth2.InvalidGrant.Errorf("Refresh token is invalid").WithCause(err)
	case errors.Is(err, state.ErrExpired):
		return tokens.Authorization{}, oauth2.InvalidGrant.Errorf("Refresh token is expired").WithCause(err)
	case errors.Is(err, state.ErrForeign):
		return tokens.Authorization{}, oauth2.InvalidGrant.Errorf("Refresh token was issued to another client").WithCause(err)
	case errors.Is(err, state.ErrReused):
		return tokens.Authorization{}, g.end(ctx, r, &a, err)
	case err != nil:
		return tokens.Authorization{}, err
	case time.UnixMilli(a.Created).Before(r.Client.TokensValidFrom):
		return tokens.Authorization{}, g.end(ctx, r, &a, errDisabled)
	case g.People.Gone(ctx, r.Domain.ID, a.Person.Subject):
		return tokens.Authorization{}, g.end(ctx, r, &a, errGone)
	}
	out := authorization(r.Client, &a)
	out.RefreshToken = next
	if asked := oauth2.SplitScope(r.Params.Get("scope")); len(asked) > 0 {
		out.Scopes = slices.DeleteFunc(slices.Clone(a.Scopes), func(s string) bool { return !slices.Contains(asked, s) })
	}
	return out, nil
}

var (
	errGone     = errors.New("the person is deleted or disabled")
	errDisabled = errors.New("the application was disabled after the grant was made")
)

// end revokes a grant, and returns the refusal for the client.
func (g RefreshToken) end(ctx context.Context, r *Request, a *state.Authorization, why error) error {
	if err := g.Grants.RevokeGrant(ctx, r.Domain.ID, a.Grant, g.Now().Add(r.Client.AccessTTL)); err != nil {
		return fmt.Errorf("revoke the grant of a refresh token (%w): %w", why, err)
	}
	return oauth2.InvalidGrant.Errorf("Refresh token is invalid").WithCause(why)
}
