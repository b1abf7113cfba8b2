// Package authorize serves the authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2): it checks the request,
// sends the person to the page that is due, and answers the client once nothing is due any more.
package authorize

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// CodeLife is how long a code can be redeemed (RFC 6749 §4.1.2).
const CodeLife = 60 * time.Second

// Store keeps sessions and codes; *state.Store does.
type Store interface {
	browser.Sessions
	NewCode(ctx context.Context, a state.Authorization, ttl time.Duration) (string, error)
}

// Consents remembers what people approved; *upstream.Directory does.
type Consents interface {
	Consents(ctx context.Context, domain, user, clientID string) ([]*directoryv1.Consent, error)
}

// Minter makes the tokens of implicit and hybrid answers; *tokens.Minter does.
type Minter interface {
	Mint(ctx context.Context, d *domain.Domain, a tokens.Authorization) (tokens.Response, error)
}

// Endpoint is the authorization endpoint. It is safe for concurrent use.
type Endpoint struct {
	store    Store
	requests *authorization.Resolver
	consents Consents
	people   browser.People
	minter   Minter
	judge    Judge
	flows    Flows
	pages    *pages.Pages
	now      func() time.Time
}

// New returns the endpoint. The zero value of Flows runs none.
func New(store Store, requests *authorization.Resolver, consents Consents, people browser.People, minter Minter, j Judge, f Flows, p *pages.Pages, now func() time.Time) *Endpoint {
	return &Endpoint{store: store, requests: requests, consents: consents, people: people, minter: minter, judge: j, flows: f, pages: p, now: now}
}

// Routes returns the endpoint's route.
func (e *Endpoint) Routes() []endpoint.Route {
	return []endpoint.Route{{
		Name: "authorize", Path: "/oauth/authorize", Get: e.serve, Post: e.serve, NoHead: true, Errors: e.pages.Errors,
	}, {
		Name: "denied", Path: deniedPath, Get: e.leave, NoHead: true, Errors: e.pages.Errors,
	}}
}

// exchange is one request to the endpoint.
type exchange struct {
	w     http.ResponseWriter
	r     *http.Request
	d     *domain.Domain
	visit *browser.Visit
	req   *authorization.Request
	// resolved is where the request was found; query carries one that travels in the URL on to the pages.
	resolved authorization.Resolved
	query    string
	// login is the login under way; nil where the client has no flows.
	login *underway.Login
	// outcome is what was decided about the person.
	outcome access.Outcome
}

func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	x, err := e.open(w, r, d)
	if err != nil {
		return e.fail(x, err)
	}
	return e.proceed(x)
}

// open reads a request, and looks for who is signed in. It returns what it has understood with an error, too.
func (e *Endpoint) open(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*exchange, error) {
	x := &exchange{w: w, r: r, d: d, visit: browser.Open(w, r, d)}
	params, query, err := browser.Params(w, r)
	loadErr := x.visit.Find(r.Context(), e.store, e.people)
	if err == nil {
		x.resolved = e.requests.Resolve(r.Context(), d, params)
	} else {
		x.resolved = authorization.Resolved{Params: params}
	}
	req, readErr := x.resolved.Read(r.Context(), d, x.visit.Session != nil)
	x.req, x.query = req, query
	observe.Annotate(r.Context(), slog.String("client_id", req.ClientID))
	switch {
	case err != nil:
	case loadErr != nil:
		err = loadErr
	default:
		err = readErr
	}
	return x, err
}

func (e *Endpoint) proceed(x *exchange) error {
	if err := e.begin(x); err != nil {
		return e.fail(x, err)
	}
	decision := authorization.Next(x.d, x.req, x.visit.Session, nil, e.now())
	if done, err := e.admit(x, decision); done || err != nil {
		return err
	}
	if decision.Step == authorization.Recall {
		s := x.visit.Session
		list, err := e.consents.Consents(x.r.Context(), x.d.ID, s.Person.UserID, x.req.ClientID)
		if err != nil {
			return e.fail(x, fmt.Errorf("look up consents: %w", err))
		}
		decision = authorization.Next(x.d, x.req, s, authorization.Remembered(list, e.now()), e.now())
	}
	switch decision.Step {
	case authorization.SignIn:
		return e.page(x, "/login")
	case authorization.Identify:
		return e.page(x, "/login/identifier")
	case authorization.Consent:
		return e.page(x, "/oauth/consent")
	case authorization.Finish:
		return e.finish(x, decision)
	}
	if s := x.visit.Session; s != nil {
		if err := x.visit.Settle(x.r.Context(), e.store, x.req.Digest, s.Client); err != nil {
			return e.fail(x, err)
		}
	}
	if decision.Shown {
		return x.show(decision.Err)
	}
	return e.fail(x, decision.Err)
}

// page sends the browser on to one of our own pages, which finds the request by its query.
func (e *Endpoint) page(x *exchange, path string) error {
	if err := x.login.Save(x.r.Context()); err != nil {
		return err
	}
	if err := e.requests.Keep(x.r.Context(), x.d, x.req.Client, &x.resolved); err != nil {
		return err
	}
	browser.Go(x.w, x.r, x.d, x.req.Client, browser.URL(x.d, path, x.resolved.Query(x.req.ClientID, x.query)))
	return nil
}

// fail answers an error: to the client where it can be trusted with it, else on the error page. That something is not
// available is shown at once, unless the client asked not to show anything.
func (e *Endpoint) fail(x *exchange, err error) error {
	if errors.Is(err, state.ErrUnknown) {
		return e.page(x, "/oauth/authorize") // the session ended while we looked at it: begin again
	}
	problem := endpoint.Protocol(err)
	silent := x.req.Prompt.Has(oauth2.PromptNone)
	ours := problem.Code == oauth2.ServerError || problem.Code == oauth2.TemporarilyUnavailable
	switch {
	case ours && !(silent && x.req.Trusted()):
		return err
	case !x.req.Trusted(), x.req.Anonymous(x.d) && x.visit.Session == nil && !silent:
		return x.show(problem)
	}
	if spent, err := e.complete(x); spent {
		return err
	}
	browser.Refused(x.r, problem)
	return e.respond(x, x.req.Failure(x.d.Issuer, x.sessionState(), problem))
}

// complete takes a kept request away before its answer is made, be it a success or an error. Where somebody else was faster,
// or where that is not known, it answers itself and reports that nothing is left to be done.
func (e *Endpoint) complete(x *exchange) (spent bool, err error) {
	err = e.requests.Finish(x.r.Context(), x.d, x.req.Client, x.resolved)
	switch {
	case err == nil:
		return false, nil
	case oauth2.CodeOf(err) == oauth2.InvalidRequestURI:
		return true, x.show(endpoint.Protocol(err))
	}
	return true, err
}

// show sends the browser to the error page.
func (x *exchange) show(problem *oauth2.Error) error {
	browser.Refused(x.r, problem)
	browser.Go(x.w, x.r, x.d, x.req.Client, browser.ErrorPage(x.d, x.req.ClientID, x.req.State, problem))
	return nil
}
