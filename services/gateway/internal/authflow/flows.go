package authflow

import (
	"errors"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/admission"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
)

// input is what rules, and whatever else people wrote as expressions, see at a page. Somebody who is signed in is known where a page is
// shown, as far as the page has looked for them.
func (f *Flow) input(p *page) rules.Input {
	step := underway.Step{HTTP: p.r, Proxies: f.proxies, Domain: p.d, Client: p.c, Params: p.params, Form: p.form, Login: p.login}
	if s := p.visit.Session; s != nil && p.r.Method == http.MethodGet {
		step.Person = &s.Person
	}
	return step.Input()
}

// before runs the flows that come before the page of a point.
func (f *Flow) before(p *page, at flows.Point) error {
	if p.login == nil {
		return nil
	}
	in := f.input(p)
	if err := p.login.Pre(p.r.Context(), at, &in); err != nil {
		return err
	}
	return p.login.Save(p.r.Context())
}

// passed makes up for the flows before a page whose form was posted although the page was not shown for this login.
func (f *Flow) passed(p *page, at flows.Point) error {
	if p.login == nil {
		return nil
	}
	in := f.input(p)
	if err := p.login.Begin(p.r.Context(), &in); err != nil {
		return err
	}
	if err := p.login.Made(p.r.Context(), at, &in); err != nil {
		return err
	}
	return p.login.Save(p.r.Context())
}

// after runs the flows that come after the answer to a page.
func (f *Flow) after(p *page, at flows.Point) error {
	if p.login == nil {
		return nil
	}
	in := f.input(p)
	if s := p.visit.Session; s != nil && at == flows.Consent {
		in = underway.Step{
			HTTP: p.r, Proxies: f.proxies, Domain: p.d, Client: p.c, Params: p.params, Form: p.form, Login: p.login, Person: &s.Person,
		}.Input()
	}
	if err := p.login.Post(p.r.Context(), at, &in); err != nil {
		return err
	}
	return p.login.Save(p.r.Context())
}

// admit signs somebody in who has proved who they are, and goes back to what they signed in for. Where a flow refuses them the page of
// the sign-in says so.
func (f *Flow) admit(p *page, result signin.Result) error {
	err := f.door.Admit(p.r.Context(), admission.Entry{
		Visit: p.visit, Domain: p.d, Client: p.c, Params: p.params, Result: result, Login: p.login, HTTP: p.r, Form: p.form,
		Remember: p.remember || p.form.Has(rememberField),
	})
	denied, ok := errors.AsType[*flows.Denied](err)
	switch {
	case ok:
		if err := f.signOut(p); err != nil {
			return err
		}
		return p.retry("/login", browser.Error{Code: denied.Code, Description: denied.Message})
	case err != nil:
		return err
	}
	return p.redirect(browser.Return(p.params), browser.ReturnQuery(p.params, p.query))
}

// signOut signs the browser out while its login goes on.
func (f *Flow) signOut(p *page) error {
	if err := p.visit.SignOut(p.r.Context(), f.sessions); err != nil {
		return err
	}
	return p.login.Moved(p.r.Context())
}

// stop answers what ended flows before a page. A refusal goes to the client as an error, or to the error page where the client cannot be
// trusted with an answer.
func (f *Flow) stop(p *page, err error) error {
	denied, ok := errors.AsType[*flows.Denied](err)
	if !ok {
		return p.refuse(err)
	}
	ctx, problem := p.r.Context(), oauth2.Code(denied.Code).Errorf("%s", denied.Message)
	if err := p.login.Forget(ctx); err != nil {
		return err
	}
	browser.Refused(p.r, problem)
	signedIn := p.visit.Session != nil
	req, err := p.request.Read(ctx, p.d, signedIn)
	if err != nil || !req.Trusted() || req.Anonymous(p.d) && !signedIn {
		browser.Go(p.w, p.r, p.d, p.c, browser.ErrorPage(p.d, p.c.ClientID, p.params.Get("state"), problem))
		return nil
	}
	if err := f.requests.Finish(ctx, p.d, p.c, p.request); err != nil {
		return p.refuse(err)
	}
	state := browser.SessionState(p.d, p.c.ClientID, req.RedirectURI, p.visit.Session)
	return browser.Respond(p.w, p.r, f.requests, f.pages, p.d, req.Failure(p.d.Issuer, state, problem))
}
