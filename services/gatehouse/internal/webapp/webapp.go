package webapp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

const (
	cookieName = "gatehouse_demonstration"
	// maxSessions bounds the memory: the oldest one is forgotten. Somebody who opens the page often is no reason to
	// grow.
	maxSessions = 256
)

// Options say where things are.
type Options struct {
	PublicURL string // of the gateway
	URL       string // of this application, without a slash at the end
}

// App is the application. It is made by New, answers requests, and works once Use was called.
type App struct {
	Options
	handler http.Handler
	http    *http.Client
	client  atomic.Pointer[client]

	mu       sync.Mutex          // guards sessions and order
	sessions map[string]*session // by the value of the cookie
	order    []string
}

// client is what the application knows about itself and its provider.
type client struct {
	issuer, id, secret string

	mu       sync.Mutex // guards provider
	provider *oidc.Provider
}

// session is one browser. It is replaced as a whole.
type session struct {
	// Of a sign-in under way.
	state, nonce, verifier string
	// Of one that is done.
	tokens   *oauth2.Token
	idToken  string
	claims   claims
	access   claims
	userInfo claims
	at       time.Time
}

// New returns the application.
func New(o Options) *App {
	a := &App{Options: o, http: &http.Client{Timeout: 10 * time.Second}, sessions: map[string]*session{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /refresh", a.refresh)
	mux.HandleFunc("POST /logout", a.logout)
	a.handler = http.NewCrossOriginProtection().Handler(a.withHeaders(mux))
	return a
}

// RedirectURI is where the provider sends the browser.
func (a *App) RedirectURI() string { return a.URL() + "/callback" }

// URL is the start page, without a slash at the end.
func (a *App) URL() string { return a.Options.URL }

// Use tells the application who it is.
func (a *App) Use(issuer, clientID, clientSecret string) {
	a.client.Store(&client{issuer: issuer, id: clientID, secret: clientSecret})
}

// ServeHTTP implements http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// withHeaders allows the page what it needs: its own style sheet, and forms whose answers lead to the gateway.
func (a *App) withHeaders(next http.Handler) http.Handler {
	policy := "default-src 'none'; style-src " + styleHash + "; img-src data:; form-action 'self' " + a.PublicURL +
		"; frame-ancestors 'none'; base-uri 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func (a *App) home(w http.ResponseWriter, r *http.Request) {
	_, s := a.session(r)
	if s == nil || s.tokens == nil {
		render(w, http.StatusOK, page{Gateway: a.PublicURL})
		return
	}
	render(w, http.StatusOK, page{Gateway: a.PublicURL, SignedIn: s.view()})
}

func (a *App) login(w http.ResponseWriter, r *http.Request) {
	_, config, err := a.oauth(r.Context())
	if err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	s := &session{state: secret.NewToken(), nonce: secret.NewToken(), verifier: oauth2.GenerateVerifier()}
	a.begin(w, s)
	http.Redirect(w, r, config.AuthCodeURL(s.state, oidc.Nonce(s.nonce), oauth2.S256ChallengeOption(s.verifier)), http.StatusFound)
}

func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	_, s := a.session(r)
	if s == nil || s.state == "" || !secret.Equal(query.Get("state"), s.state) {
		a.fail(w, http.StatusBadRequest, errors.New("this answer does not belong to a sign-in that began in this browser"))
		return
	}
	if refused := query.Get("error"); refused != "" {
		a.fail(w, http.StatusOK, errors.New(cmp.Or(query.Get("error_description"), refused)))
		return
	}
	provider, config, err := a.oauth(r.Context())
	if err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	tokens, err := config.Exchange(a.context(r.Context()), query.Get("code"), oauth2.VerifierOption(s.verifier))
	if err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	done, err := a.accept(r.Context(), provider, config, tokens, s.nonce)
	if err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	a.begin(w, done)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *App) refresh(w http.ResponseWriter, r *http.Request) {
	id, s := a.session(r)
	if s == nil || s.tokens == nil || s.tokens.RefreshToken == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	provider, config, err := a.oauth(r.Context())
	if err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	tokens, err := config.TokenSource(a.context(r.Context()), &oauth2.Token{RefreshToken: s.tokens.RefreshToken}).Token()
	if err == nil {
		var done *session
		if done, err = a.accept(r.Context(), provider, config, tokens, ""); err == nil {
			done.idToken, done.claims = cmp.Or(done.idToken, s.idToken), firstClaims(done.claims, s.claims)
			a.replace(id, done)
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
	}
	a.fail(w, http.StatusBadGateway, err)
}

func (a *App) logout(w http.ResponseWriter, r *http.Request) {
	id, s := a.session(r)
	a.forget(w, id)
	target := a.URL() + "/"
	if s != nil && s.idToken != "" {
		if provider, _, err := a.oauth(r.Context()); err == nil {
			var metadata struct {
				EndSession string `json:"end_session_endpoint"`
			}
			if err := provider.Claims(&metadata); err == nil && metadata.EndSession != "" {
				target = metadata.EndSession + "?" + url.Values{
					"id_token_hint": {s.idToken}, "post_logout_redirect_uri": {a.URL()},
				}.Encode()
			}
		}
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// accept checks the ID token of an answer and asks who the user is. nonce is empty where none was sent.
func (a *App) accept(ctx context.Context, provider *oidc.Provider, config *oauth2.Config, tokens *oauth2.Token, nonce string) (*session, error) {
	s := &session{tokens: tokens, access: unverified(tokens.AccessToken), at: time.Now()}
	if raw, ok := tokens.Extra("id_token").(string); ok {
		verified, err := provider.VerifierContext(a.context(ctx), &oidc.Config{ClientID: config.ClientID}).Verify(ctx, raw)
		if err != nil {
			return nil, err
		}
		if nonce != "" && !secret.Equal(verified.Nonce, nonce) {
			return nil, errors.New("the ID token was made for another sign-in")
		}
		s.idToken = raw
		if err := verified.Claims(&s.claims); err != nil {
			return nil, err
		}
	}
	info, err := provider.UserInfo(a.context(ctx), oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, err
	}
	return s, info.Claims(&s.userInfo)
}

// oauth returns the provider, whose metadata are read once, and the client's configuration.
func (a *App) oauth(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	c := a.client.Load()
	if c == nil {
		return nil, nil, errors.New("there is no demonstration domain yet")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider == nil {
		provider, err := oidc.NewProvider(a.context(ctx), c.issuer)
		if err != nil {
			return nil, nil, err
		}
		c.provider = provider
	}
	endpoint := c.provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	return c.provider, &oauth2.Config{
		ClientID: c.id, ClientSecret: c.secret, Endpoint: endpoint, RedirectURL: a.RedirectURI(),
		Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}, nil
}

// context lets the libraries use our HTTP client.
func (a *App) context(ctx context.Context) context.Context { return oidc.ClientContext(ctx, a.http) }

func (a *App) fail(w http.ResponseWriter, status int, err error) {
	render(w, status, page{Gateway: a.PublicURL, Problem: err.Error()})
}
