package browser

import (
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Somebody who opens My applications, or the launch link of an application, signs in without an authorization request: no client waits
// for an answer. What they opened travels in the query of the pages instead, and they go back to it.
const (
	LaunchPages = "/application/launch/"

	// PortalParam stands in the query for My applications, LaunchParam names the application of a launch link by its slug.
	PortalParam = "portal"
	LaunchParam = "launch"
	// ReturnedParam tells what was opened that the browser comes from a form of the sign-in.
	ReturnedParam = "signed_in"
)

// AuthorizePage is where the way of every other sign-in begins, and goes back to.
const AuthorizePage = "/oauth/authorize"

// asking are the parameters by which somebody waits for an answer.
var asking = []string{"client_id", "response_type", "request", "request_uri", "user_code"}

// Direct reports whether parameters are those of a sign-in without an authorization request.
func Direct(p oauth2.Params) bool {
	return (p.Has(PortalParam) || p.Has(LaunchParam)) && !slices.ContainsFunc(asking, p.Sent)
}

// Entrance is the client as which somebody signs in directly: My applications, or the application of a launch link. NotFound means that
// there is nothing to open.
func Entrance(d *domain.Domain, p oauth2.Params, now time.Time) (*domain.Client, error) {
	slug := p.Get(LaunchParam)
	if slug == "" && !d.ShowsPortal() {
		return nil, oauth2.NotFound.Errorf("")
	}
	if slug == "" {
		return d.Portal, nil
	}
	app, err := d.BySlug(slug, now)
	switch {
	case errors.Is(err, domain.ErrNoClient), err == nil && (!app.Enabled || !app.Launches):
		return nil, oauth2.NotFound.Errorf("")
	case err != nil:
		return nil, err
	}
	return d.Entrance(app), nil
}

// returnDirect is where a direct sign-in goes back to.
func returnDirect(p oauth2.Params) string {
	if slug := p.Get(LaunchParam); domain.IsSlug(slug) {
		return LaunchPages + slug + "/"
	}
	return PortalPage
}

// ReturnQuery is the query with which a sign-in goes back to where Return says.
func ReturnQuery(p oauth2.Params, query string) string {
	if !Direct(p) {
		return query
	}
	return With(Without(query, PortalParam, LaunchParam, ReturnedParam, RememberParam, AccountParam, "username", "login_hint"), ReturnedParam, "1")
}
