package authflow

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/admission"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// SignIn signs people in; *signin.Service does.
type SignIn interface {
	WithPasswordFrom(ctx context.Context, from netip.Addr, d *domain.Domain, c *domain.Client, in rules.Input, username, password string) (signin.Result, error)
	WithAssertion(ctx context.Context, d *domain.Domain, c *domain.Client, p *idp.Provider, assertion *idp.Assertion) (signin.Result, error)
	// AtIdentifier and AtLoginPage return the external provider that rules and settings choose.
	AtIdentifier(ctx context.Context, d *domain.Domain, c *domain.Client, in rules.Input) (domain.ClientProvider, bool)
	AtLoginPage(ctx context.Context, d *domain.Domain, c *domain.Client, in rules.Input) (domain.ClientProvider, bool)
}

// Store keeps sessions and journeys to other sites; *state.Store does.
type Store interface {
	browser.Sessions
	Legs
}

// Consents remembers what people approved; *upstream.Directory does.
type Consents interface {
	Consents(ctx context.Context, domain, user, clientID string) ([]*directoryv1.Consent, error)
	SaveConsents(ctx context.Context, domain, user, clientID string, consents []*directoryv1.Consent) error
}

// Judge decides who may use an application; *access.Judge does.
type Judge interface {
	Decide(ctx context.Context, d *domain.Domain, c *domain.Client, person *state.Person, s access.Situation) (access.Outcome, error)
}

// Flow is the pages. It is safe for concurrent use.
type Flow struct {
	sessions browser.Sessions
	legs     Legs
	requests *authorization.Resolver
	signIn   SignIn
	door     *admission.Door
	logins   *underway.Book
	people   browser.People
	judge    Judge
	consents Consents
	proxies  *observe.Proxies
	pages    *pages.Pages
	now      func() time.Time
}

// New returns the pages.
func New(store Store, requests *authorization.Resolver, signIn SignIn, door *admission.Door, logins *underway.Book, people browser.People, judge Judge, consents Consents, proxies *observe.Proxies, p *pages.Pages, now func() time.Time) *Flow {
	return &Flow{sessions: store, legs: store, requests: requests, signIn: signIn, door: door, logins: logins, people: people, judge: judge, consents: consents, proxies: proxies, pages: p, now: now}
}

// Routes returns the pages' routes.
func (f *Flow) Routes() []endpoint.Route {
	failed := f.pages.Errors
	return []endpoint.Route{
		{Name: "login", Path: "/login", Get: f.showLogin, Post: f.login, NoHead: true, Errors: failed},
		{Name: "login-identifier", Path: "/login/identifier", Get: f.showIdentifier, Post: f.identify, NoHead: true, Errors: failed},
		{Name: "login-provider", Path: providerPath + "*", Get: f.depart, NoHead: true, Errors: failed},
		{Name: "login-callback", Path: callbackPath, Get: f.arrive, Post: f.arrive, NoHead: true, Errors: failed},
		{Name: "consent", Path: "/oauth/consent", Get: f.showConsent, Post: f.consent, NoHead: true, Errors: failed},
		{Name: "error", Path: "/oauth/error", Get: f.showError, Errors: failed},
	}
}

// What the purposes of forms are called. The client's identifier follows: the form of one is not that of another, whose providers
// are others.
const (
	loginForm      = "login "
	identifierForm = "identifier "
)

// page is one request for a page.
type page struct {
	w     http.ResponseWriter
	r     *http.Request
	d     *domain.Domain
	c     *domain.Client
	visit *browser.Visit
	// request is the authorization request; params are its parameters with those that pages add; form those of the body of a
	// post.
	request      authorization.Resolved
	params, form oauth2.Params
	// login is the login under way; nil where the client has no flows.
	login *underway.Login
	// remember is the person's wish that the browser remembers them, told on a page before this one.
	remember bool
	// query leads to the authorization request, without errors that a page has added.
	query string
}

// errElsewhere tells that the request must be seen by the authorization endpoint before any page.
var errElsewhere = errors.New("not a request that pages are shown for")

// open reads what the sign-in pages have in common. With an error the caller answers by refuse.
func (f *Flow) open(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*page, error) {
	p := &page{w: w, r: r, d: d, visit: browser.Open(w, r, d), query: browser.Request(r.URL.RawQuery)}
	params, err := oauth2.ParseParams(r.URL.RawQuery, "")
	if err != nil {
		return p, err
	}
	p.params = params
	clientID := params.Get("client_id")
	if r.Method == http.MethodPost {
		if p.form, err = browser.Form(w, r); err != nil {
			return p, err
		}
		if clientID == "" {
			clientID = p.form.Get("client_id")
		}
	}
	if browser.Direct(params) {
		return p, f.enter(p)
	}
	if clientID == "" {
		return p, oauth2.InvalidRequest.Errorf("Missing parameter: client_id")
	}
	observe.Annotate(r.Context(), slog.String("client_id", clientID))
	p.c, err = d.Client(r.Context(), clientID)
	switch {
	case errors.Is(err, domain.ErrNoClient):
		return p, oauth2.InvalidRequest.Errorf("No client found for client_id %s", clientID)
	case err != nil:
		return p, err
	}
	return p, f.find(p)
}

// enter opens a page of a sign-in without an authorization request.
func (f *Flow) enter(p *page) error {
	c, err := browser.Entrance(p.d, p.params, f.now())
	if err != nil {
		return err
	}
	p.c, p.request, p.r = c, authorization.Resolved{Params: p.params}, pages.WithLocales(p.r, p.params.Get("ui_locales"))
	p.login, err = f.logins.Open(p.r.Context(), p.visit, p.d, p.c, p.params)
	return err
}

// find looks for the parameters of the request.
func (f *Flow) find(p *page) error {
	request, ok := f.requests.Kept(p.r.Context(), p.d, p.params)
	if !ok {
		return errElsewhere
	}
	p.request, p.params = request, request.On(p.params)
	p.r = pages.WithLocales(p.r, p.params.Get("ui_locales"))
	if err := request.Err(); err != nil {
		return err
	}
	var err error
	p.login, err = f.logins.Open(p.r.Context(), p.visit, p.d, p.c, p.params)
	return err
}

// refuse answers an error for which there is no form to go back to: by redirect to the error page, or at once where it is
// ours.
func (p *page) refuse(err error) error {
	if errors.Is(err, errElsewhere) {
		return p.redirect(browser.AuthorizePage, p.query)
	}
	problem := endpoint.Protocol(err)
	if problem.Code == oauth2.ServerError || problem.Code == oauth2.TemporarilyUnavailable {
		return err
	}
	browser.Refused(p.r, problem)
	browser.Go(p.w, p.r, p.d, p.c, browser.ErrorPage(p.d, p.params.Get("client_id"), p.params.Get("state"), problem))
	return nil
}

// redirect goes on to another page with the request.
func (p *page) redirect(path, query string) error {
	browser.Go(p.w, p.r, p.d, p.c, browser.URL(p.d, path, query))
	return nil
}

// retry goes back to a page with an error above its form.
func (p *page) retry(path string, e browser.Error) error {
	browser.Refused(p.r, oauth2.Code(e.Code).Errorf("%s", e.Description))
	return p.redirect(path, p.visit.WithError(p.query, e))
}

func (f *Flow) showError(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	clientID, e := browser.ErrorOnPage(d, r.URL.Query())
	return f.pages.Error(w, r, d, clientID, e)
}
