package authflow

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Legs keeps journeys to other sites; *state.Store does.
type Legs interface {
	BeginLeg(ctx context.Context, state string, leg state.Leg) error
	// EndLeg returns state.ErrUnknown to all callbacks with one state but the first.
	EndLeg(ctx context.Context, domain, state string) (state.Leg, error)
}

const (
	loginPath    = "/login"
	namePath     = "/login/identifier"
	callbackPath = "/login/callback"
	providerPath = "/login/provider/"

	// maxLegQuery bounds in bytes what is kept of a request while the browser is away.
	maxLegQuery = 32 << 10
)

// The errors of a journey that failed.
var (
	notAuthenticated = browser.Error{Code: string(oauth2.SocialAuthenticationFailed), Detail: string(oauth2.LoginCallbackFailed), Description: "could not authenticate user"}
	siteAway         = browser.Error{Code: string(oauth2.SocialAuthenticationFailed), Detail: string(oauth2.TemporarilyUnavailable), Description: "The identity provider does not answer at the moment, please try again later."}
	otherBrowser     = browser.Error{Code: string(oauth2.SocialAuthenticationFailed), Detail: browser.Expired.Code, Description: browser.Expired.Description}
)

// callback is where a site sends browsers back to. Each provider has its own, so that an answer of one site is never taken for
// that of another (RFC 9700 §4.4.2.2).
func callback(d *domain.Domain, provider string) string {
	return browser.URL(d, callbackPath, browser.With("", "provider", provider))
}

// buttons are the external providers that the login page offers.
func buttons(p *page) []pages.Provider {
	external := selection.Buttons(p.c.Providers)
	if len(external) == 0 {
		return nil
	}
	query := browser.Without(p.query, "login_hint", browser.RememberParam)
	list := make([]pages.Provider, len(external))
	for i, e := range external {
		list[i] = pages.Provider{ID: e.ID, Name: e.Name, Type: e.Type, URL: browser.URL(p.d, providerPath+url.PathEscape(e.ID), query)}
	}
	return list
}

// external returns an external provider of the client.
func external(c *domain.Client, id string) (domain.ClientProvider, bool) {
	list := selection.Buttons(c.Providers)
	i := slices.IndexFunc(list, func(p domain.ClientProvider) bool { return p.ID == id })
	if i < 0 {
		return domain.ClientProvider{}, false
	}
	return list[i], true
}

// depart begins a journey by a button of the login page.
func (f *Flow) depart(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := f.open(w, r, d)
	if err != nil {
		return p.refuse(err)
	}
	to, ok := external(p.c, r.PathValue("rest"))
	if !ok {
		return p.refuse(oauth2.InvalidRequest.Errorf("The application has no such identity provider"))
	}
	return f.leave(p, to, loginPath, "")
}

// skipLogin goes on from the login page at once where its form is hidden or rules choose a site. It reports whether it answered.
func (f *Flow) skipLogin(p *page) (bool, error) {
	if !slices.ContainsFunc(p.c.Providers, domain.ClientProvider.IsExternal) {
		return false, nil
	}
	failure := p.visit.Error(p.params)
	if _, hidden := selection.Only(p.c.Providers, p.c.Selection); hidden && p.params.Has("error") {
		code := oauth2.Code(p.params.Get("error"))
		if !plainCode(string(code)) {
			code = oauth2.ServerError
		}
		return true, f.answerClient(p, code.Errorf("%s", failure.Description))
	}
	if failure.Code != "" {
		return false, nil // what it says comes before where rules lead
	}
	to, ok, err := f.chosen(p)
	if err != nil || !ok {
		return false, err
	}
	p.remember = p.visit.Wished(p.params)
	return true, f.leave(p, to, loginPath, "")
}

// chosen returns the provider to which the login page leads at once: by its settings, or because a flow wants the rules to be looked
// at here. The name is the one that was given before it; who is signed in is looked for where rules count alone. Wherever it is asked
// from, rules see the request that shows the page: the answer is what that page would do.
func (f *Flow) chosen(p *page) (to domain.ClientProvider, ok bool, err error) {
	if only, ok := selection.Only(p.c.Providers, p.c.Selection); ok {
		return only, true, nil
	}
	again := p.login != nil && p.login.Reevaluate
	if !again && !p.c.Selection.RulesOnLoginPage || !slices.ContainsFunc(p.c.Providers, ruled) {
		return to, false, nil
	}
	ctx := p.r.Context()
	if err := p.visit.Look(ctx, f.sessions); err != nil {
		return to, false, err
	}
	at := *p
	at.form, at.r = oauth2.Params{}, p.r.WithContext(ctx)
	at.r.Method, at.r.URL = http.MethodGet, &url.URL{Path: p.d.Path + loginPath, RawQuery: p.query}
	in := f.input(&at)
	in.Login = p.params.Get("login_hint")
	if again {
		to, ok = f.signIn.AtIdentifier(ctx, p.d, p.c, in)
	} else {
		to, ok = f.signIn.AtLoginPage(ctx, p.d, p.c, in)
	}
	return to, ok, nil
}

// ruled reports whether a provider is an external one with a rule.
func ruled(p domain.ClientProvider) bool { return p.IsExternal() && p.SelectionRule() != nil }

// plainCode reports whether a text has the form of an error code.
func plainCode(s string) bool {
	return len(s) <= 64 && !strings.ContainsFunc(s, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') })
}

// leave sends the browser to a site.
func (f *Flow) leave(p *page, to domain.ClientProvider, origin, hint string) error {
	ctx := p.r.Context()
	observe.Annotate(ctx, slog.String("idp", to.ID))
	if len(p.query) > maxLegQuery {
		return p.refuse(oauth2.InvalidRequest.Errorf("The request is longer than %d bytes", maxLegQuery))
	}
	leg := idp.Leg{Callback: callback(p.d, to.ID), State: secret.NewToken(), LoginHint: hint, Locales: strings.Fields(p.params.Get("ui_locales"))}
	leg.Choose = p.params.Get(browser.AccountParam) == "other"
	stepping, err := f.stepping(p)
	if err != nil {
		return err
	}
	leg.Again = stepping
	switch browser.Return(p.params) {
	case browser.AuthorizePage:
		req, err := p.request.Read(ctx, p.d, true)
		if err != nil {
			return p.redirect("/oauth/authorize", p.query) // which says what is wrong with the request, to whom it may
		}
		leg.Again = leg.Again || req.Prompt.Has(oauth2.PromptLogin) || req.MaxAge == 0
		leg.Choose = leg.Choose || req.Prompt.Has(oauth2.PromptSelectAccount)
		leg.MaxAge = max(req.MaxAge, 0)
	case browser.DevicePage:
	default:
		prompt := authorization.Opening(p.d, p.c, p.params).Prompt
		leg.Again = leg.Again || prompt.Has(oauth2.PromptLogin)
		leg.Choose = leg.Choose || prompt.Has(oauth2.PromptSelectAccount)
	}
	location, memo, err := to.Federation.Begin(ctx, leg)
	if err != nil {
		return f.turnBack(p, origin, err)
	}
	err = f.legs.BeginLeg(ctx, leg.State, state.Leg{
		Domain: p.d.ID, ApplicationID: p.c.ID, ClientID: p.c.ClientID, Provider: to.ID, Query: p.query, Browser: p.visit.Key(), Origin: origin,
		LoginHint: hint, Remember: p.remember, Again: leg.Again, MaxAge: int64(leg.MaxAge / time.Second), Locales: leg.Locales, Memo: memo,
	})
	if err != nil {
		return err
	}
	browser.Go(p.w, p.r, p.d, p.c, location)
	return nil
}

// stepping reports whether the person signs in once more because the application wants another sign-in than the one they have.
func (f *Flow) stepping(p *page) (bool, error) {
	if !p.c.Restricted {
		return false, nil
	}
	if err := p.visit.Look(p.r.Context(), f.sessions); err != nil {
		return false, err
	}
	return p.visit.Session != nil && p.visit.Session.Stepping == authorization.Digest(p.params), nil
}

// turnBack answers what a provider failed with.
func (f *Flow) turnBack(p *page, origin string, err error) error {
	if errors.Is(err, context.Canceled) && p.r.Context().Err() != nil {
		return err
	}
	observe.RecordError(p.r.Context(), err)
	switch {
	case errors.Is(err, idp.ErrRefused):
		return f.failed(p, origin, notAuthenticated)
	case errors.Is(err, idp.ErrBlocked):
		return f.failed(p, origin, blockedAccount)
	}
	return f.failed(p, origin, siteAway)
}

// failed goes back to where the journey began, with an error; or to the client, where the way back would lead to the site again.
func (f *Flow) failed(p *page, origin string, e browser.Error) error {
	_, again := selection.Only(p.c.Providers, p.c.Selection)
	if !again && origin == loginPath {
		var err error
		if _, again, err = f.chosen(p); err != nil {
			return err
		}
	}
	if again {
		return f.answerClient(p, oauth2.ServerError.Errorf("%s", e.Description))
	}
	return p.retry(origin, e)
}

// answerClient ends the request with an error for the client, or on the error page where the client cannot be told.
func (f *Flow) answerClient(p *page, e *oauth2.Error) error {
	ctx := p.r.Context()
	browser.Refused(p.r, e)
	req, err := p.request.Read(ctx, p.d, true)
	if browser.Return(p.params) != browser.AuthorizePage || req.RedirectURI == "" || !req.Trusted() || req.Anonymous(p.d) {
		browser.Go(p.w, p.r, p.d, p.c, browser.ErrorPage(p.d, p.params.Get("client_id"), p.params.Get("state"), e))
		return nil
	}
	if err != nil {
		return p.redirect("/oauth/authorize", p.query)
	}
	if err := f.requests.Finish(ctx, p.d, p.c, p.request); err != nil {
		return p.refuse(err)
	}
	return browser.Respond(p.w, p.r, f.requests, f.pages, p.d, req.Failure(p.d.Issuer, "", e))
}
