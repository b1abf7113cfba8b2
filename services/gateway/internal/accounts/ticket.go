package accounts

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/admission"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// ticketForm is the purpose of the form behind a link: it is good for that link alone.
func ticketForm(token string) string { return "ticket " + token }

// longestToken is how long a revocation of a person's tokens is remembered: longer than any access token should live.
const longestToken = 366 * 24 * time.Hour

// maxToken bounds the secret of a link in bytes.
const maxToken = 512

// showTicket shows what a link is for. It uses nothing up.
func (e *Endpoint) showTicket(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := e.open(w, r, d)
	if err != nil {
		return err
	}
	return e.askTicket(p, p.params.Get("token"), pages.Password{})
}

// askTicket shows the form behind a link.
func (e *Endpoint) askTicket(p *page, token string, out pages.Password) error {
	if token == "" || len(token) > maxToken {
		return e.over(p)
	}
	ticket, err := e.Directory.Ticket(p.r.Context(), p.d.ID, token)
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		return e.over(p)
	case err != nil:
		return fmt.Errorf("look up link: %w", err)
	}
	if err := p.belongsTo(ticket); err != nil {
		return err
	}
	out.Action, out.Client = browser.URL(p.d, p.path(), ""), p.c
	out.Ticket, out.Username = token, ticket.GetUsername()
	out.Form = formOf[ticket.GetPurpose()]
	out.Verifies = ticket.GetPurpose() == directoryv1.Ticket_VERIFY_REGISTRATION
	out.Token = p.visit.FormToken(ticketForm(token), e.Now())
	return e.Pages.Password(p.w, p.r, p.d, out)
}

// formOf are the pages of administrators that take the place of ours, by what a link is for.
var formOf = map[directoryv1.Ticket_Purpose]string{
	directoryv1.Ticket_CONFIRM_REGISTRATION: "registration_confirmation",
	directoryv1.Ticket_RESET_PASSWORD:       "reset_password",
	directoryv1.Ticket_UNLOCK:               "blocked_account",
}

// path is that of the page: links of one kind may be opened at the other's.
func (p *page) path() string {
	if len(p.r.URL.Path) >= len(ConfirmPath) && p.r.URL.Path[len(p.r.URL.Path)-len(ConfirmPath):] == ConfirmPath {
		return ConfirmPath
	}
	return ResetPath
}

// belongsTo makes the page that of the application, and of the authorization request, from which the link was asked for.
func (p *page) belongsTo(t *directoryv1.Ticket) error {
	p.c, p.query = nil, browser.Without(browser.Request(t.GetQuery()), "token", markField)
	params, err := oauth2.ParseParams(p.query, "")
	if err != nil {
		p.query, params = "", oauth2.Params{}
	}
	p.params, p.r = params, pages.WithLocales(p.r, params.Get("ui_locales"))
	return p.find(t.GetClientId(), false)
}

// over tells that a link is for nothing any more, and where another can be had.
func (e *Endpoint) over(p *page) error {
	next := ""
	if p.login().GetForgotPasswordEnabled() && p.path() == ResetPath {
		next = browser.URL(p.d, ForgotPath, p.query)
	}
	return e.notice(p, pages.NoticeLinkOver, next)
}

// useTicket does what a link is for.
func (e *Endpoint) useTicket(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	p, err := e.open(w, r, d)
	if err != nil {
		return err
	}
	token, password := p.form.Get("token"), p.form.Get("password")
	if token == "" || len(token) > maxToken {
		return e.over(p)
	}
	if !p.visit.Sent(r, p.form, ticketForm(token), e.Now()) {
		return e.askTicket(p, token, pages.Password{Message: expired})
	}
	ticket, user, err := e.Directory.UseTicket(r.Context(), d.ID, token, password)
	if problems, ok := refused(err); ok {
		return e.askTicket(p, token, pages.Password{Problems: problems})
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return e.over(p)
	case fault.Is(err, fault.Denied):
		return e.notice(p, pages.NoticeDisabled, "")
	case err != nil:
		return fmt.Errorf("use link: %w", err)
	}
	if err := p.belongsTo(ticket); err != nil {
		return err
	}
	if err := e.settle(p, ticket, user); err != nil {
		return err
	}
	return e.goOn(p, ticket, user)
}

// settle is what follows from a link that was used: the account is locked no longer, and nobody is signed in by another password.
func (e *Endpoint) settle(p *page, t *directoryv1.Ticket, u *directoryv1.User) error {
	ctx := p.r.Context()
	if p.c != nil {
		account := state.Account{Domain: p.d.ID, Application: p.c.CountedAs(), Provider: u.GetSource(), Username: u.GetUsername()}
		byAddress := account
		byAddress.Username = u.GetEmail()
		if err := e.Store.ForgetAttempts(ctx, account, byAddress); err != nil {
			return fmt.Errorf("attempts to sign in: %w", err)
		}
	}
	if t.GetPurpose() == directoryv1.Ticket_VERIFY_REGISTRATION {
		return nil
	}
	if err := browser.CloseAll(ctx, e.Store, p.d, u.GetSubject(), nil); err != nil {
		return err
	}
	if p.account().GetResetPasswordInvalidateTokens() {
		if err := e.Store.RevokeSubject(ctx, p.d.ID, u.GetSubject(), e.Now().Add(longestToken)); err != nil {
			return fmt.Errorf("revoke tokens: %w", err)
		}
	}
	return nil
}

// goOn signs the person in, where the settings say so, and sends them where they say; else back to the authorization request
// that they came from; else it tells them that all is done.
func (e *Endpoint) goOn(p *page, t *directoryv1.Ticket, u *directoryv1.User) error {
	a := p.account()
	done, enters, uri := pages.NoticePasswordChanged, a.GetAutoLoginAfterResetPassword(), a.GetRedirectUriAfterResetPassword()
	switch t.GetPurpose() {
	case directoryv1.Ticket_VERIFY_REGISTRATION, directoryv1.Ticket_CONFIRM_REGISTRATION:
		done, enters, uri = pages.NoticeVerified, a.GetAutoLoginAfterRegistration(), a.GetRedirectUriAfterRegistration()
	}
	request, waits := e.Requests.Kept(p.r.Context(), p.d, p.params)
	waits = waits && p.c != nil && request.Err() == nil && (p.params.Has("request_uri") || p.params.Has("response_type") || p.params.Has("user_code"))
	waits = waits || browser.Direct(p.params)
	params := request.On(p.params)
	if u.Enabled != nil && !u.GetEnabled() {
		enters = false
	}
	if t.GetPurpose() == directoryv1.Ticket_VERIFY_REGISTRATION && !p.registeredHere(t) {
		enters = false
	}
	acr, amr := signin.ACREmail, []string(nil)
	if t.GetPurpose() == directoryv1.Ticket_VERIFY_REGISTRATION { // the password was checked
		acr, amr = signin.ACRPassword, []string{idp.MethodPassword}
	}
	if enters {
		done = pages.NoticeSignedIn
		err := e.Door.Admit(p.r.Context(), admission.Entry{Visit: p.visit, Domain: p.d, Client: p.c, Params: params, HTTP: p.r, Form: p.form, Result: signin.Result{
			Person: tokens.PersonOf(u), Provider: u.GetSource(), ACR: acr, AMR: amr,
		}})
		if denied, ok := errors.AsType[*flows.Denied](err); ok && p.c != nil {
			return e.refuse(p, denied)
		}
		if err != nil {
			return err
		}
	}
	next := ""
	if waits {
		next = browser.URL(p.d, browser.Return(params), browser.ReturnQuery(params, p.query))
	}
	switch uri := p.target(uri); {
	case uri != "":
		browser.Go(p.w, p.r, p.d, p.c, uri)
		return nil
	case enters && waits:
		browser.Go(p.w, p.r, p.d, p.c, next)
		return nil
	}
	return e.notice(p, done, next)
}

// registeredHere reports whether a registration was made in this browser. The password of one that was made elsewhere may be that of
// somebody who entered another's address, and waits for them to sign in to an account to which both have the key.
func (p *page) registeredHere(t *directoryv1.Ticket) bool {
	q, err := url.ParseQuery(t.GetQuery())
	return err == nil && p.visit.Marked(registerForm, q.Get(markField))
}
