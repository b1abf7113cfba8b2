// Package revocation ends tokens before their time (RFC 7009).
package revocation

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Store ends tokens and grants.
type Store interface {
	// Inspect returns state.ErrUnknown for what is no refresh token of a living grant.
	Inspect(ctx context.Context, token string) (state.Inspection, error)
	RevokeToken(ctx context.Context, domain, jti string, until time.Time) error
	RevokeGrant(ctx context.Context, domain, grant string, until time.Time) error
}

// Handler serves the revocation endpoint.
type Handler struct {
	clients  *clientauth.Authenticator
	verifier *tokens.Verifier
	store    Store
	now      func() time.Time
}

// New returns the endpoint.
func New(clients *clientauth.Authenticator, verifier *tokens.Verifier, store Store, now func() time.Time) *Handler {
	return &Handler{clients: clients, verifier: verifier, store: store, now: now}
}

// Routes returns the endpoint's route.
func (h *Handler) Routes() []endpoint.Route {
	return []endpoint.Route{{Name: "revoke", Path: "/oauth/revoke", Post: h.revoke, Errors: endpoint.ErrorJSON, CORS: true}}
}

var errForeign = oauth2.InvalidGrant.Errorf("Cannot revoke tokens issued to other clients.")

// errKind is for tokens that live by themselves until they expire: ID tokens and their like (RFC 7009 §2.2.1).
var errKind = oauth2.UnsupportedTokenType.Errorf("Access tokens and refresh tokens can be revoked, and this is another token")

// revoke answers 200 for a token that is unknown or dead already: the client's purpose is reached (RFC 7009 §2.2).
func (h *Handler) revoke(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := endpoint.Params(w, r)
	if err != nil {
		return err
	}
	c, err := h.clients.Authenticate(r, d, p)
	if err != nil {
		return err
	}
	if token := p.Get("token"); token == "" {
		err = oauth2.InvalidRequest.Errorf("Missing parameter: token")
	} else {
		err = h.end(r.Context(), d, c, token)
	}
	if err != nil {
		observe.Annotate(r.Context(), slog.String("client_id", c.ClientID))
		return err
	}
	endpoint.NoStore(w.Header())
	w.Header()["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusOK)
	return nil
}

// end finds out what the token is by itself; token_type_hint is only a hint. An access token ends alone: the grant it came from,
// with its refresh token, may serve others of the client's parts (RFC 7009 §2.1 leaves the choice).
func (h *Handler) end(ctx context.Context, d *domain.Domain, c *domain.Client, token string) error {
	if state.IsRefreshToken(token) {
		return h.endGrant(ctx, d, c, token)
	}
	found, err := h.verifier.Verify(d, token)
	switch {
	case err != nil && tokens.IsAnotherToken(ctx, d, token):
		return errKind
	case err != nil:
		return nil //nolint:nilerr // there is nothing left to end
	case found.Claims.ClientID != c.ClientID:
		return errForeign
	}
	return h.store.RevokeToken(ctx, d.ID, found.Claims.ID, found.Claims.ExpiresAt)
}

// endGrant ends a refresh token together with the access tokens of its grant (RFC 7009 §2.1). A token that was rotated
// away stands for its grant too: the answer with its successor may have been lost.
func (h *Handler) endGrant(ctx context.Context, d *domain.Domain, c *domain.Client, token string) error {
	in, err := h.store.Inspect(ctx, token)
	switch {
	case errors.Is(err, state.ErrUnknown), err == nil && in.Authorization.Domain != d.ID:
		return nil
	case err != nil:
		return err
	case in.Authorization.ApplicationID != c.ID:
		return errForeign
	}
	return h.store.RevokeGrant(ctx, d.ID, in.Authorization.Grant, h.now().Add(c.Longest()))
}
