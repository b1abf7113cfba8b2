package portal

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// People knows who may still be signed in, and what the directory says of them; *tokens.People does.
type People interface {
	browser.People
	// Find returns what the directory said at most maxAge ago.
	Find(ctx context.Context, domain, subject string, maxAge time.Duration) (*tokens.Known, error)
}

// Judge decides who may use an application; *access.Judge does.
type Judge interface {
	Decide(ctx context.Context, d *domain.Domain, c *domain.Client, person *state.Person, s access.Situation) (access.Outcome, error)
	// Among decides about many applications by one answer of the directory.
	Among(ctx context.Context, d *domain.Domain, person *state.Person, s access.Situation) func(*domain.Client) (access.Outcome, error)
}

// Parts are what the portal works with. All are needed, but for Proxies.
type Parts struct {
	Store   browser.Sessions
	Judge   Judge
	People  People
	Proxies *observe.Proxies
	Pages   *pages.Pages
	Log     *slog.Logger
	Now     func() time.Time
}

// Endpoint is the portal. It is safe for concurrent use.
type Endpoint struct{ Parts }

// New returns the portal.
func New(p Parts) *Endpoint { return &Endpoint{p} }

const (
	dataPath   = browser.PortalPage + "/applications"
	accessPath = dataPath + "/*/access"
)

// Routes returns the routes of pages, data and links.
func (e *Endpoint) Routes() []endpoint.Route {
	failed := e.Pages.Errors
	return []endpoint.Route{
		{Name: "portal", Path: browser.PortalPage, Get: whileShown(e.page), Errors: failed},
		{Name: "portal-applications", Path: dataPath, Get: whileShown(e.data), Errors: endpoint.ErrorJSON},
		{Name: "portal-access", Path: accessPath, Get: whileShown(e.own), Errors: endpoint.ErrorJSON},
		{Name: "launch", Path: browser.LaunchPages + "*", Get: e.launch, Errors: failed},
	}
}

// whileShown serves what belongs to My applications: where that is switched off there is nothing, as under any path that nothing is at.
func whileShown(serve func(http.ResponseWriter, *http.Request, *domain.Domain) error) func(http.ResponseWriter, *http.Request, *domain.Domain) error {
	return func(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
		if !d.ShowsPortal() {
			endpoint.ErrorJSON(w, r, d, oauth2.NotFound.Errorf("There is no such endpoint"))
			return nil
		}
		return serve(w, r, d)
	}
}

// member opens a visit, and looks for who is signed in for My applications.
func (e *Endpoint) member(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*browser.Visit, error) {
	v, err := e.visitor(w, r, d)
	if err == nil && v.Session != nil && !authorization.Takes(d, d.Portal, v.Session) {
		v.Session = nil
	}
	return v, err
}

// visitor opens a visit and looks for who is signed in.
func (e *Endpoint) visitor(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*browser.Visit, error) {
	v := browser.Open(w, r, d)
	return v, v.Find(r.Context(), e.Store, e.People)
}

// signedOut answers a question for data of somebody who is not signed in.
func signedOut(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("WWW-Authenticate", `Session realm="`+endpoint.Realm+`"`)
	observe.Annotate(r.Context(), slog.String("error", string(oauth2.LoginRequired)))
	endpoint.JSON(w, http.StatusUnauthorized, []byte(`{"error":"login_required","error_description":"Nobody is signed in"}`))
	return nil
}

// signIn leads to the pages of a sign-in, which come back. The query is what they carry along.
func (e *Endpoint) signIn(w http.ResponseWriter, r *http.Request, d *domain.Domain, c *domain.Client, query string, named bool) error {
	path := "/login"
	if c.IdentifierFirst && !named {
		path = "/login/identifier"
	}
	browser.Go(w, r, d, c, browser.URL(d, path, query))
	return nil
}

// launchURL is the link by which an application is opened.
func launchURL(d *domain.Domain, app *domain.App) string {
	return browser.URL(d, browser.LaunchPages+app.Slug+"/", "")
}

// here is an address of ours as links on our pages have it, without what the page's own address begins with.
func here(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return address
}

// assetURL is where a picture is; empty for no digest.
func assetURL(d *domain.Domain, digest string) string {
	if digest == "" {
		return ""
	}
	return browser.URL(d, pages.AssetPath+digest, "")
}

// whoever is the person of a session.
func whoever(v *browser.Visit) *state.Person { return &v.Session.Person }
