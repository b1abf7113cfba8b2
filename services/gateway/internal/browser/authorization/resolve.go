package authorization

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Resolved is an authorization request once it is known where its parameters are: in the URL, in a request object, or in a
// request that was kept before.
type Resolved struct {
	// Params are the parameters that count.
	Params oauth2.Params
	// URI is the request_uri under which the request is kept. It is empty for a request that travels in the URL.
	URI string
	// Pushed, Signed and Confirmation are as in state.Request.
	Pushed, Signed bool
	Confirmation   state.Confirmation

	// apart tells that the parameters are not those of the URL, so that the request must be kept before a page is shown.
	apart bool
	err   error
}

// Requests keeps requests; *state.Store does.
type Requests interface {
	KeepRequest(ctx context.Context, r state.Request, ttl time.Duration) (uri string, err error)
	// OpenRequest and FinishRequest return state.ErrUnknown if there is no such request, or not for this application.
	OpenRequest(ctx context.Context, domain, application, uri string) (state.Request, error)
	FinishRequest(ctx context.Context, domain, application, uri string) error
}

// Resolver finds the parameters of requests. It is safe for concurrent use.
type Resolver struct {
	requests Requests
	objects  *Objects
}

// NewResolver returns a Resolver.
func NewResolver(requests Requests, objects *Objects) *Resolver {
	return &Resolver{requests: requests, objects: objects}
}

// Resolve finds the parameters of a request to the authorization endpoint. What is wrong with a request object or a
// request_uri is told by Read, in its place among the other checks. A request with neither costs nothing.
func (s *Resolver) Resolve(ctx context.Context, d *domain.Domain, p oauth2.Params) Resolved {
	uri, object := p.Get("request_uri"), p.Get("request")
	if uri == "" && object == "" {
		return Resolved{Params: p}
	}
	c, err := d.Client(ctx, p.Get("client_id"))
	switch {
	case err != nil:
		return Resolved{Params: p, err: err} // Read says the same, in better words
	case uri != "" && object != "":
		return refused(c, p, oauth2.InvalidRequest.Errorf("The parameters request and request_uri cannot be used together"))
	case strings.HasPrefix(uri, state.RequestPrefix):
		return s.open(ctx, d, c, uri)
	case c.Profile.RequiresPushed && uri != "":
		return refused(c, p, oauth2.RequestURINotSupported.Errorf("Only a pushed request_uri is accepted"))
	case c.RequiresPushed:
		return Resolved{Params: p} // Read refuses it
	}
	inside, err := s.objects.read(ctx, d, c, p)
	if err != nil {
		return refused(c, p, err)
	}
	params, err := merge(c, p, inside)
	if err != nil {
		return refused(c, p, err)
	}
	return Resolved{Params: params, Signed: true, apart: true}
}

// Kept is Resolve for the pages after the authorization endpoint, which get kept requests and those in the URL. It reports
// false for any other: the authorization endpoint must see it first.
func (s *Resolver) Kept(ctx context.Context, d *domain.Domain, p oauth2.Params) (r Resolved, ok bool) {
	uri := p.Get("request_uri")
	if p.Has("request") || uri != "" && !strings.HasPrefix(uri, state.RequestPrefix) {
		return Resolved{}, false
	}
	return s.Resolve(ctx, d, p), true
}

// Sealed is an answer as it travels, see Answer.Sealed.
func (s *Resolver) Sealed(ctx context.Context, a Answer) (Answer, error) {
	return a.Sealed(ctx, s.objects.Keys, s.objects.Now())
}

// Err is why the parameters of a request could not be found; nil if they could.
func (r Resolved) Err() error { return r.err }

// refused is a request whose parameters could not be found. Where those beside the object count (OpenID Connect Core §6.1),
// they say where the error goes.
func refused(c *domain.Client, p oauth2.Params, err error) Resolved {
	if alone(c) {
		p = named(c)
	}
	return Resolved{Params: p, err: err}
}

// alone reports whether the parameters of a request object are all there is to a client's requests, rather than being
// preferred to those beside it (RFC 9101 §5; OpenID Connect Core §6.1).
func alone(c *domain.Client) bool {
	return c.RequiresSignedRequest || c.RequiresPushed
}

// named is the one parameter that always counts.
func named(c *domain.Client) oauth2.Params { return oauth2.Params{}.With("client_id", c.ClientID) }

// open finds a kept request. Nothing beside it counts, not even for an error (RFC 9101 §5).
func (s *Resolver) open(ctx context.Context, d *domain.Domain, c *domain.Client, uri string) Resolved {
	kept, err := s.requests.OpenRequest(ctx, d.ID, c.ID, uri)
	switch {
	case errors.Is(err, state.ErrUnknown):
		return Resolved{Params: named(c), err: errRequestURI}
	case err != nil:
		return Resolved{Params: named(c), err: err}
	}
	params, err := oauth2.ParamsOf(kept.Params)
	if err != nil {
		return Resolved{Params: named(c), err: err}
	}
	return Resolved{Params: params, URI: uri, Pushed: kept.Pushed, Signed: kept.Signed, Confirmation: kept.Confirmation}
}

// errRequestURI does not tell a request that expired from one that is finished or another client's.
var errRequestURI = oauth2.InvalidRequestURI.Errorf("The request_uri is unknown, expired or was used before")

// Keep makes sure that a request is kept, so that the pages after the authorization endpoint find it again; one that travels
// in the URL needs no keeping.
func (s *Resolver) Keep(ctx context.Context, d *domain.Domain, c *domain.Client, r *Resolved) error {
	if !r.apart || r.URI != "" {
		return nil
	}
	uri, err := s.keep(ctx, d, c, *r, state.RequestLife)
	r.URI = uri
	return err
}

// Push keeps a request that the client sent itself, for ttl until it is opened.
func (s *Resolver) Push(ctx context.Context, d *domain.Domain, c *domain.Client, r Resolved, ttl time.Duration) (uri string, err error) {
	return s.keep(ctx, d, c, r, ttl)
}

func (s *Resolver) keep(ctx context.Context, d *domain.Domain, c *domain.Client, r Resolved, ttl time.Duration) (string, error) {
	params := r.Params.Values()
	for _, name := range []string{"request", "request_uri"} {
		delete(params, name)
	}
	uri, err := s.requests.KeepRequest(ctx, state.Request{
		Domain: d.ID, ApplicationID: c.ID, Params: params, Pushed: r.Pushed, Signed: r.Signed, Confirmation: r.Confirmation,
	}, ttl)
	if err != nil {
		return "", fmt.Errorf("keep request: %w", err)
	}
	return uri, nil
}

// Finish takes a kept request away, once, before its answer is made; whoever comes second gets invalid_request_uri. A request
// that is not kept can always be finished.
func (s *Resolver) Finish(ctx context.Context, d *domain.Domain, c *domain.Client, r Resolved) error {
	if r.URI == "" {
		return nil
	}
	err := s.requests.FinishRequest(ctx, d.ID, c.ID, r.URI)
	switch {
	case errors.Is(err, state.ErrUnknown):
		return errRequestURI
	case err != nil:
		return fmt.Errorf("finish request: %w", err)
	}
	return nil
}

// Query is the query by which pages find the request again; raw is that of a request in the URL.
func (r Resolved) Query(clientID, raw string) string {
	if r.URI == "" {
		return raw
	}
	return "client_id=" + url.QueryEscape(clientID) + "&request_uri=" + url.QueryEscape(r.URI)
}

// On returns the parameters of a request on a page whose query has these: what pages add is taken from there.
func (r Resolved) On(page oauth2.Params) oauth2.Params {
	if r.URI == "" {
		return r.Params
	}
	params := r.Params
	for _, name := range passing {
		if page.Sent(name) {
			params = params.With(name, page.Get(name))
		}
	}
	return params
}
