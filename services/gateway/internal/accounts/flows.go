package accounts

import (
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
)

// before runs the flows that come before the form of a registration. What they refuse is an error of the protocol.
func (e *Endpoint) before(p *page) error {
	login, in, err := e.underway(p)
	if err != nil || login == nil {
		return err
	}
	if err := login.Pre(p.r.Context(), flows.Register, &in); err != nil {
		denied, ok := errors.AsType[*flows.Denied](err)
		if ok {
			return problem(denied)
		}
		return err
	}
	return login.Save(p.r.Context())
}

// after runs the flows that come after the form of a registration, before there is an account. What they refuse is a *flows.Denied.
func (e *Endpoint) after(p *page) error {
	login, in, err := e.underway(p)
	if err != nil || login == nil {
		return err
	}
	if err := login.Post(p.r.Context(), flows.Register, &in); err != nil {
		return err
	}
	return login.Save(p.r.Context())
}

// underway is the login that the registration belongs to, nil where the application has no flows, and what its flows see.
func (e *Endpoint) underway(p *page) (*underway.Login, rules.Input, error) {
	if p.c == nil || !p.c.Flows.InLogins() {
		return nil, rules.Input{}, nil
	}
	// The parameters are those that the pages of the sign-in see, so that it is the same login.
	params := p.params
	if request, ok := e.Requests.Kept(p.r.Context(), p.d, p.params); ok && request.Err() == nil {
		params = request.On(p.params)
	}
	login, err := e.Book.Open(p.r.Context(), p.visit, p.d, p.c, params)
	if err != nil || login == nil {
		return nil, rules.Input{}, err
	}
	return login, underway.Step{
		HTTP: p.r, Proxies: e.Proxies, Domain: p.d, Client: p.c, Params: params, Form: p.form, Login: login,
	}.Input(), nil
}

// problem is the refusal of a flow as an error that a page shows.
func problem(d *flows.Denied) *oauth2.Error { return oauth2.Code(d.Code).Errorf("%s", d.Message) }

// refuse shows the refusal of a flow on the error page.
func (e *Endpoint) refuse(p *page, d *flows.Denied) error {
	shown := problem(d)
	browser.Refused(p.r, shown)
	return e.Pages.Error(p.w, p.r, p.d, p.c.ClientID, shown)
}
