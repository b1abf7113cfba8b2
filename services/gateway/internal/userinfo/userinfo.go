// Package userinfo answers who a person is to a client that was allowed to know (OpenID Connect Core §5.3).
package userinfo

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/possession"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// fresh is how old an answer of the directory may be.
const fresh = time.Second

// Handler serves the UserInfo endpoint.
type Handler struct {
	verifier *tokens.Verifier
	people   *tokens.People
	holders  *possession.Verifier
	minter   *tokens.Minter
}

// New returns the endpoint.
func New(verifier *tokens.Verifier, people *tokens.People, holders *possession.Verifier, minter *tokens.Minter) *Handler {
	return &Handler{verifier: verifier, people: people, holders: holders, minter: minter}
}

// Routes returns the endpoint's route.
func (h *Handler) Routes() []endpoint.Route {
	return []endpoint.Route{{
		Name: "userinfo", Path: "/oidc/userinfo", Get: h.userinfo, Post: h.userinfo, Errors: endpoint.ErrorChallenge, CORS: true,
	}}
}

var (
	errInvalid    = oauth2.InvalidToken.Errorf("The access token is invalid")
	errNotAPerson = oauth2.InvalidToken.Errorf("The access token was not issued for an End-User.")
	errQuery      = oauth2.InvalidRequest.Errorf("The access token must not be sent in the query")
	errScope      = endpoint.Needs(oauth2.ScopeOpenID)
)

func (h *Handler) userinfo(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	if d.Profile.RefusesQuery && queried(r) {
		return errQuery
	}
	token, err := endpoint.AccessToken(w, r)
	if err != nil {
		return err
	}
	found, err := h.verifier.Verify(d, token)
	if err != nil {
		return errInvalid.WithCause(err)
	}
	if err := h.holders.Holder(w, r, d, found, token); err != nil {
		return err
	}
	c := found.Claims
	switch {
	case c.Subject == c.ClientID:
		return errNotAPerson
	case !oauth2.HasScope(c.Scope, oauth2.ScopeOpenID):
		return errScope
	}
	client, err := tokens.Alive(r.Context(), d, c)
	switch {
	case errors.Is(err, tokens.ErrInvalid):
		return errInvalid.WithCause(err)
	case err != nil:
		return err
	case client.Profile.RefusesQuery && queried(r):
		return errQuery
	}
	known, err := h.people.Find(r.Context(), d.ID, found.Person, fresh)
	switch {
	case fault.Is(err, fault.NotFound):
		return errInvalid.WithCause(err)
	case err != nil:
		return err
	case !known.Enabled, known.Withdrew(c.ClientID, found.IssuedAt):
		return errInvalid
	}
	body, jwt, err := h.minter.UserInfo(r.Context(), d, client, known, found)
	switch {
	case err != nil:
		return err
	case jwt:
		endpoint.Body(w, http.StatusOK, "application/jwt", body)
	default:
		endpoint.JSON(w, http.StatusOK, body)
	}
	return nil
}

// queried reports whether a request has its token in the query, which profiles refuse: queries end up in logs and histories
// (RFC 9700 §4.3.2).
func queried(r *http.Request) bool {
	return r.URL.RawQuery != "" && r.URL.Query().Has("access_token")
}
