package authflow

import (
	"errors"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// The errors of a failed sign-in.
var (
	wrongCredentials = browser.Error{Code: string(oauth2.LoginFailed), Detail: string(oauth2.InvalidUser), Description: "Invalid or unknown user"}
	blockedAccount   = browser.Error{Code: string(oauth2.LoginFailed), Detail: "account_disabled", Description: "The account is disabled"}
	tooManyAttempts  = browser.Error{Code: string(oauth2.LoginFailed), Detail: "too_many_attempts", Description: "Too many failed attempts, please try again in a quarter of an hour."}
	expiredPassword  = browser.Error{Code: string(oauth2.LoginFailed), Detail: "password_expired", Description: "Your password has expired, choose another one."}
	lockedAccount    = browser.Error{Code: string(oauth2.LoginFailed), Detail: "account_locked", Description: "The account is locked"}
)

// rememberField is the name of the box by which somebody asks to be remembered.
const rememberField = "rememberMe"

func (f *Flow) showLogin(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := f.open(w, r, d)
	if err != nil {
		return p.refuse(err)
	}
	if err := f.before(p, flows.Login); err != nil {
		return f.stop(p, err)
	}
	if left, err := f.skipLogin(p); left || err != nil {
		return err
	}
	out := pages.Login{
		Action: browser.URL(d, "/login", p.query), Client: p.c, Username: p.params.Get("login_hint"),
		Message: pages.Message(p.visit.Error(p.params).Description), Providers: buttons(p), Direct: browser.Direct(p.params),
	}
	if p.c.IdentifierFirst && out.Username != "" {
		out.Back = browser.URL(d, "/login/identifier", browser.Without(p.query, "login_hint", browser.RememberParam))
	}
	if prompt, _ := oauth2.ParsePrompt(p.params.Get("prompt")); prompt.Has(oauth2.PromptSelectAccount) {
		if err := p.visit.Look(r.Context(), f.sessions); err != nil {
			return err
		}
		if f.mayChoose(p) {
			out.Current = p.visit.Session.Person.Username
		}
	}
	if out.Again, err = f.stepping(p); err != nil {
		return err
	}
	out.Remember = p.c.Remember > 0
	out.Remembered = p.visit.Wished(p.params)
	out.HideForm = len(out.Providers) > 0 && (p.c.Selection.HideForm || !selection.HasInternal(p.c.Providers))
	out.Forgot, out.Register = accounts(p)
	out.Token = p.visit.FormToken(loginForm+p.c.ClientID, f.now())
	return f.pages.Login(w, p.r, d, out)
}

// accounts are the URLs of the pages where people ask for another password and make accounts; empty where there are none.
func accounts(p *page) (forgot, register string) {
	if p.c.Login.GetForgotPasswordEnabled() {
		forgot = browser.URL(p.d, browser.ForgotPage, p.query)
	}
	if p.c.Login.GetRegisterEnabled() {
		register = browser.URL(p.d, browser.RegisterPage, browser.Without(p.query, "login_hint", browser.RememberParam))
	}
	return forgot, register
}

// mayChoose reports whether the person may go on as who they are.
func (f *Flow) mayChoose(p *page) bool {
	if browser.Direct(p.params) {
		return authorization.Opening(p.d, p.c, p.params).MayChoose(p.visit.Session, f.now())
	}
	req, err := p.request.Read(p.r.Context(), p.d, p.visit.Session != nil)
	return err == nil && req.MayChoose(p.visit.Session, f.now())
}

func (f *Flow) login(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := f.open(w, r, d)
	if err != nil {
		return p.refuse(err)
	}
	if !p.visit.Sent(r, p.form, loginForm+p.c.ClientID, f.now()) {
		return p.retry("/login", browser.Expired)
	}
	if p.form.Get("account") == "current" {
		return f.choose(p)
	}
	if err := f.passed(p, flows.Login); err != nil {
		return f.stop(p, err)
	}
	if _, hidden := selection.Only(p.c.Providers, p.c.Selection); hidden {
		return f.refuseLogin(p, signin.ErrNoProvider) // no password is asked for, so none is taken
	}
	c := authorization.Preferring(d, p.c, p.params)
	result, err := f.signIn.WithPasswordFrom(r.Context(), f.proxies.ClientIP(r), d, c, f.input(p), p.form.Get("username"), p.form.Get("password"))
	if err != nil {
		return f.refuseLogin(p, err)
	}
	return f.admit(p, result)
}

// choose goes on as the person who is signed in. Where that is not possible the authorization endpoint says what is.
func (f *Flow) choose(p *page) error {
	ctx := p.r.Context()
	if err := p.visit.Load(ctx, f.sessions); err != nil {
		return err
	}
	if f.mayChoose(p) {
		p.visit.Session.Answered = authorization.Digest(p.params)
		if err := p.visit.Save(ctx, f.sessions); err != nil && !errors.Is(err, state.ErrUnknown) {
			return err
		}
	}
	return p.redirect(browser.Return(p.params), browser.ReturnQuery(p.params, p.query))
}

// refuseLogin signs the browser out and shows the form again.
func (f *Flow) refuseLogin(p *page, err error) error {
	shown := wrongCredentials
	switch {
	case errors.Is(err, signin.ErrBlocked):
		shown = blockedAccount
	case errors.Is(err, signin.ErrLocked):
		shown = lockedAccount
	case errors.Is(err, signin.ErrExpired):
		shown = expiredPassword
	case errors.Is(err, signin.ErrTooMany):
		shown = tooManyAttempts
	case errors.Is(err, signin.ErrCredentials), errors.Is(err, signin.ErrNoProvider):
	default:
		return err
	}
	if err := f.signOut(p); err != nil {
		return err
	}
	observe.RecordError(p.r.Context(), err)
	return p.retry("/login", shown)
}

func (f *Flow) showIdentifier(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := f.open(w, r, d)
	if err != nil {
		return p.refuse(err)
	}
	if err := f.before(p, flows.Identifier); err != nil {
		return f.stop(p, err)
	}
	forgot, register := accounts(p)
	return f.pages.Identifier(w, p.r, d, pages.Identifier{
		Action: browser.URL(d, "/login/identifier", p.query), Client: p.c, Username: p.params.Get("login_hint"),
		Message: pages.Message(p.visit.Error(p.params).Description),
		Token:   p.visit.FormToken(identifierForm+p.c.ClientID, f.now()),
		Forgot:  forgot, Register: register, Remember: p.c.Remember > 0, Direct: browser.Direct(p.params),
	})
}

// identify takes the name. It leads to the site that rules choose for it, else to the login page.
func (f *Flow) identify(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := f.open(w, r, d)
	if err != nil {
		return p.refuse(err)
	}
	if !p.visit.Sent(r, p.form, identifierForm+p.c.ClientID, f.now()) {
		return p.retry("/login/identifier", browser.Expired)
	}
	username := p.form.Get("username")
	if username == "" || len(username) > maxUsername {
		return p.retry("/login/identifier", wrongCredentials)
	}
	if err := f.after(p, flows.Identifier); err != nil {
		if denied, ok := errors.AsType[*flows.Denied](err); ok {
			return p.retry("/login/identifier", browser.Error{Code: denied.Code, Description: denied.Message})
		}
		return f.stop(p, err)
	}
	in := f.input(p)
	in.Login = username
	p.remember = p.c.Remember > 0 && p.form.Has(rememberField)
	if to, ok := f.signIn.AtIdentifier(r.Context(), d, p.c, in); ok {
		return f.leave(p, to, namePath, username)
	}
	next := browser.With(browser.Without(p.query, "login_hint", browser.RememberParam), "login_hint", username)
	if p.remember {
		next = browser.With(next, browser.RememberParam, p.visit.Wish())
	}
	return p.redirect("/login", next)
}

// maxUsername bounds the name in bytes that goes into a URL.
const maxUsername = 1024
