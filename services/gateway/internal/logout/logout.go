// Package logout signs people out (OpenID Connect RP-Initiated Logout 1.0).
package logout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Store keeps sessions and revocations; *state.Store does.
type Store interface {
	browser.Sessions
	RevokeSubject(ctx context.Context, domain, subject string, until time.Time) error
}

// longestToken is how long a revocation of a person's tokens is remembered: longer than any access token should live.
const longestToken = 366 * 24 * time.Hour

// Endpoint is the logout endpoint. It is safe for concurrent use.
type Endpoint struct {
	store Store
	pages *pages.Pages
	now   func() time.Time
}

// New returns the endpoint.
func New(store Store, p *pages.Pages, now func() time.Time) *Endpoint {
	return &Endpoint{store: store, pages: p, now: now}
}

// Routes returns the routes of the endpoint and of the page by which clients watch a session.
func (e *Endpoint) Routes() []endpoint.Route {
	return []endpoint.Route{
		{Name: "logout", Path: "/logout", Get: e.serve, Post: e.serve, NoHead: true, Errors: e.pages.Errors},
		{Name: "check-session", Path: "/oidc/check_session", Get: e.checkSession, Errors: e.pages.Errors},
	}
}

// checkSession serves the page that tells clients whether somebody is still signed in (OpenID Connect Session Management 1.0
// §3.2). It is the only page without a form, and the only one that does not work without a script: it is one.
func (e *Endpoint) checkSession(w http.ResponseWriter, _ *http.Request, d *domain.Domain) error {
	if !d.WatchesSessions {
		return oauth2.NotFound.Errorf("Session management is switched off.")
	}
	return e.pages.CheckSession(w, browser.StateCookie)
}

// exchange is one request to the endpoint.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	d      *domain.Domain
	visit  *browser.Visit
	params oauth2.Params
	// client is who asks; nil where nobody known does.
	client *domain.Client
}

func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	x := &exchange{w: w, r: r, d: d, visit: browser.Open(w, r, d)}
	err := e.decide(x)
	if err == nil {
		return nil
	}
	problem := endpoint.Protocol(err)
	if problem.Code == oauth2.ServerError || problem.Code == oauth2.TemporarilyUnavailable {
		return err
	}
	browser.Refused(r, problem)
	endpoint.Redirect(w, browser.ErrorPage(d, x.params.Get("client_id"), x.params.Get("state"), problem))
	return nil
}

// decide reads the request, and signs out or asks.
func (e *Endpoint) decide(x *exchange) error {
	var err error
	if x.params, err = endpoint.Params(x.w, x.r); err != nil {
		return err
	}
	if err := x.visit.Load(x.r.Context(), e.store); err != nil {
		return err
	}
	hint, hintErr := readHint(x.r.Context(), x.d, x.params)
	clientID := x.clientID(hint)
	if err := x.findClient(clientID); err != nil {
		return err
	}
	target := x.params.Get("target_url")
	if target == "" {
		target = x.params.Get("post_logout_redirect_uri")
	}
	if target == "" {
		return e.signOut(x, root(x.d), x.proven(hint))
	}
	if hintErr != nil {
		return oauth2.InvalidRequest.Errorf("Invalid parameter: id_token_hint").WithCause(hintErr)
	}
	question, err := judge(x.d, x.client, x.visit, hint, target)
	if err != nil {
		return err
	}
	location := target
	if state := x.params.Get("state"); state != "" {
		location = withState(target, state)
	}
	purpose := "logout " + clientID + " " + location
	confirmed := x.r.Method == http.MethodPost && x.visit.Sent(x.r, x.params, purpose, e.now())
	if question == "" || !asks(x.d, x.client) || confirmed {
		return e.signOut(x, location, confirmed || x.proven(hint))
	}
	return e.ask(x, clientID, target, purpose)
}

// proven reports whether a hint shows that somebody asks who holds an ID token of the person that is signed in.
func (x *exchange) proven(hint *idToken) bool {
	s := x.visit.Session
	return hint != nil && s != nil && hint.token.Names(&s.Person)
}

// signOut ends the session and sends the browser on, past the pages of clients that want to be told by the browser. It ends the person's tokens as well where that is asked for by
// somebody who has proven something: any page on the web can make a browser open a link.
func (e *Endpoint) signOut(x *exchange, location string, proven bool) error {
	ctx, s := x.r.Context(), x.visit.Session
	if s != nil && proven && x.params.Get("invalidate_tokens") == "true" {
		if err := e.store.RevokeSubject(ctx, x.d.ID, s.Person.Subject, e.now().Add(longestToken)); err != nil {
			return fmt.Errorf("revoke tokens: %w", err)
		}
	}
	left, err := x.visit.Close(ctx, e.store)
	if err != nil {
		return err
	}
	x.visit.Forget()
	if frames := frames(x.d, left); len(frames) > 0 {
		return e.pages.Leaving(x.w, x.r, x.d, pages.Leaving{Frames: frames, Next: location})
	}
	endpoint.Redirect(x.w, location)
	return nil
}

// ask shows the question. Its form repeats the request, without the hint: the answer is the proof.
func (e *Endpoint) ask(x *exchange, clientID, target, purpose string) error {
	page := pages.Logout{Action: browser.URL(x.d, "/logout", ""), Host: host(target)}
	if x.visit.Session != nil {
		page.Username = x.visit.Session.Person.Username
	}
	fields := []pages.Field{{Name: "post_logout_redirect_uri", Value: target}}
	if clientID != "" {
		fields = append(fields, pages.Field{Name: "client_id", Value: clientID})
	}
	if x.client != nil {
		page.Application = x.client.Name
	}
	for _, name := range []string{"state", "invalidate_tokens"} {
		if x.params.Has(name) {
			fields = append(fields, pages.Field{Name: name, Value: x.params.Get(name)})
		}
	}
	page.Fields = fields
	page.Token = x.visit.FormToken(purpose, e.now())
	return e.pages.Logout(x.w, x.r, x.d, page)
}

// findClient looks up who asks. A client that is unknown or disabled is nobody.
func (x *exchange) findClient(clientID string) error {
	if clientID == "" {
		return nil
	}
	observe.Annotate(x.r.Context(), slog.String("client_id", clientID))
	c, err := x.d.Client(x.r.Context(), clientID)
	if err != nil && !errors.Is(err, domain.ErrNoClient) {
		return err
	}
	x.client = c
	return nil
}

// clientID is who asks: the hint's audience, else the parameter, else the client the session was last used for.
func (x *exchange) clientID(hint *idToken) string {
	switch {
	case hint != nil:
		return hint.client
	case x.params.Has("client_id"):
		return x.params.Get("client_id")
	case x.visit.Session != nil:
		return x.visit.Session.Client
	}
	return ""
}

// idToken is what matters of a hint.
type idToken struct {
	client string
	token  *tokens.Hint
}

// readHint returns nil without an error if there is no hint. The client_id, where it is sent too, must be one of the
// token's audience (RP-Initiated Logout §2).
func readHint(ctx context.Context, d *domain.Domain, p oauth2.Params) (*idToken, error) {
	hint := p.Get("id_token_hint")
	if hint == "" {
		return nil, nil
	}
	token, err := tokens.ReadHint(ctx, d, hint)
	if err != nil {
		return nil, err
	}
	client := token.ClientID
	if named := p.Get("client_id"); named != "" {
		if !token.For(named) {
			return nil, errors.New("the hint was issued to another client")
		}
		client = named
	}
	return &idToken{client: client, token: token}, nil
}

// root is the page where people arrive who have signed out and have nowhere to go.
func root(d *domain.Domain) string {
	return strings.TrimSuffix(browser.Path(d), strings.TrimSuffix(d.Path, "/")) + "/"
}
