// Package grants serves the token endpoint. Each grant type is one file with a Grant; builtin.go lists them.
package grants

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/possession"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Grant serves one grant_type at the token endpoint. The endpoint has authenticated the client and checked that it may
// use this grant before it asks.
type Grant interface {
	// Type is the grant_type value, as registered with IANA.
	Type() oauth2.GrantType
	// Authorize decides what the request is worth. Refusals meant for the client are *oauth2.Error; any other error is
	// answered as server_error (or temporarily_unavailable) and logged.
	Authorize(ctx context.Context, r *Request) (tokens.Authorization, error)
}

// Request is one authenticated token request.
type Request struct {
	Domain *domain.Domain
	Client *domain.Client
	Params oauth2.Params
	// Confirmation is the key whose possession the request proves, if any.
	Confirmation state.Confirmation
	// HTTP is the request itself, for what expressions see of it.
	HTTP *http.Request

	flows *tokenFlows
}

// Handler serves the token endpoint.
type Handler struct {
	clients *clientauth.Authenticator
	holders *possession.Verifier
	minter  *tokens.Minter
	flows   Flows
	grants  []Grant
}

// New returns the token endpoint with the given grants.
func New(clients *clientauth.Authenticator, holders *possession.Verifier, minter *tokens.Minter, f Flows, grants ...Grant) *Handler {
	return &Handler{clients: clients, holders: holders, minter: minter, flows: f, grants: grants}
}

// Routes returns the endpoint's route.
func (h *Handler) Routes() []endpoint.Route {
	return []endpoint.Route{{
		Name: "token", Path: "/oauth/token", Post: h.token, Errors: endpoint.ErrorJSON, CORS: true,
	}}
}

func (h *Handler) token(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := endpoint.Params(w, r)
	if err != nil {
		return err
	}
	name := p.Get("grant_type")
	switch {
	case d.Profile.RefusesQuery && p.AnyInQuery():
		return clientauth.ErrQuery
	case name == "":
		return oauth2.InvalidRequest.Errorf("Missing parameter: grant_type")
	}
	c, err := h.clients.Authenticate(r, d, p)
	if err != nil {
		return err
	}
	body, err := h.answer(w, r, d, c, p, name)
	if err != nil {
		observe.Annotate(r.Context(), slog.String("client_id", c.ClientID))
		return err
	}
	endpoint.JSON(w, http.StatusOK, body)
	return nil
}

// answer serves an authenticated client.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, d *domain.Domain, c *domain.Client, p oauth2.Params, name string) ([]byte, error) {
	grant := h.find(name)
	switch {
	case grant == nil || !d.Serves(grant.Type()) || !c.Profile.ServesGrant(grant.Type()):
		return nil, oauth2.UnsupportedGrantType.Errorf("Unsupported grant type: %s", name)
	case !c.HasGrant(grant.Type()):
		return nil, unregistered(c, name)
	}
	held, err := h.holders.Confirm(w, r, d, c)
	if err != nil {
		return nil, err
	}
	request := &Request{Domain: d, Client: c, Params: p, Confirmation: held, HTTP: r}
	if h.flows.Engine != nil && c.Flows.Tokens() {
		request.flows = &tokenFlows{Flows: h.flows}
	}
	a, err := grant.Authorize(r.Context(), request)
	if err != nil {
		return nil, err
	}
	a.Confirmation = held
	if request.flows != nil {
		if err := request.allow(r.Context(), a.Person, a.AuthFlow); err != nil {
			return nil, err
		}
		a.AuthFlow = request.flows.set
	}
	answer, err := h.minter.Mint(r.Context(), d, a)
	if err != nil {
		return nil, err
	}
	if err := request.release(r.Context(), &a); err != nil {
		return nil, err
	}
	return answer.AppendJSON(make([]byte, 0, answer.Size())), nil
}

// unregistered refuses a grant that the client has not registered, by the error of its profile.
func unregistered(c *domain.Client, name string) error {
	if code := c.Profile.UnregisteredGrant; code != oauth2.UnsupportedGrantType {
		return code.Errorf("The client is not registered for the grant type: %s", name)
	}
	return oauth2.UnsupportedGrantType.Errorf("Unsupported grant type: %s", name)
}

func (h *Handler) find(name string) Grant {
	i := slices.IndexFunc(h.grants, func(g Grant) bool { return string(g.Type()) == name })
	if i < 0 {
		return nil
	}
	return h.grants[i]
}
