// Package push serves what clients call to hand over an authorization request themselves, before the browser comes with no
// more than a reference to it: pushed authorization requests (RFC 9126), and the older request object endpoint.
package push

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/possession"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/scopes"
)

// Life is how long a pushed request waits for its browser (RFC 9126 §2.2).
const Life = 60 * time.Second

// Endpoint is the two endpoints. It is safe for concurrent use.
type Endpoint struct {
	clients  *clientauth.Authenticator
	holders  *possession.Verifier
	requests *authorization.Resolver
	objects  *authorization.Objects
	now      func() time.Time
}

// New returns the endpoints.
func New(clients *clientauth.Authenticator, holders *possession.Verifier, requests *authorization.Resolver, objects *authorization.Objects, now func() time.Time) *Endpoint {
	return &Endpoint{clients: clients, holders: holders, requests: requests, objects: objects, now: now}
}

// Routes returns the endpoints' routes.
func (e *Endpoint) Routes() []endpoint.Route {
	return []endpoint.Route{
		{Name: "par", Path: "/oauth/par", Post: e.push, Errors: endpoint.ErrorJSON},
		{Name: "ros", Path: "/oidc/ros", Post: e.store, Errors: endpoint.ErrorJSON},
	}
}

// credentials are parameters that authenticate the client: they are no part of its request, and are not kept.
var credentials = []string{"client_secret", "client_assertion", "client_assertion_type"}

// push keeps a request and answers its request_uri (RFC 9126 §2).
func (e *Endpoint) push(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	if !endpoint.IsURLEncoded(r) {
		return oauth2.InvalidRequest.Errorf("Unsupported Content-Type")
	}
	p, err := endpoint.Params(w, r)
	if err != nil {
		return err
	}
	c, err := e.clients.Authenticate(r, d, p)
	switch {
	case err != nil:
		return err
	case c.Profile.RequiresPushed && c.Public():
		return clientauth.ErrMissing
	case p.Sent("request_uri"):
		return oauth2.InvalidRequest.Errorf("request_uri not authorized")
	}
	resolved, err := e.read(r.Context(), d, c, p)
	if err != nil {
		return err
	}
	if resolved.Confirmation, err = e.holders.Pushed(w, r, d, c, resolved.Params.Get("dpop_jkt")); err != nil {
		return err
	}
	if err := validate(r.Context(), d, c, resolved); err != nil {
		return err
	}
	uri, err := e.requests.Push(r.Context(), d, c, resolved, Life)
	if err != nil {
		return err
	}
	return created(w, map[string]any{"request_uri": uri, "expires_in": int(Life / time.Second)})
}

// read finds the parameters of a pushed request. Where it is an object, nothing beside it counts (RFC 9126 §3).
func (e *Endpoint) read(ctx context.Context, d *domain.Domain, c *domain.Client, p oauth2.Params) (authorization.Resolved, error) {
	if object := p.Get("request"); object != "" {
		inside, err := e.objects.Verify(ctx, d, c, object, oauth2.RequestNotSupported)
		return authorization.Resolved{Params: inside, Pushed: true, Signed: true}, err
	}
	values := p.Values()
	for _, name := range credentials {
		delete(values, name)
	}
	values.Set("client_id", c.ClientID)
	params, err := oauth2.ParamsOf(values)
	return authorization.Resolved{Params: params, Pushed: true}, err
}

// validate refuses what the authorization endpoint would refuse, as far as that does not depend on the person
// (RFC 9126 §2.1).
func validate(ctx context.Context, d *domain.Domain, c *domain.Client, r authorization.Resolved) error {
	req, err := r.Read(ctx, d, true)
	if err != nil {
		if c.Profile.Strict() && oauth2.CodeOf(err) == oauth2.RedirectURIMismatch {
			return oauth2.InvalidRequest.Errorf("%s", oauth2.AsError(err).Description) // the other code is our own
		}
		return err
	}
	return scopes.Possible(d, c, req.Scopes)
}

// created answers 201 with a JSON object that is never to be stored.
func created(w http.ResponseWriter, members map[string]any) error {
	body, err := json.Marshal(members)
	if err != nil {
		return err
	}
	endpoint.JSON(w, http.StatusCreated, body)
	return nil
}
