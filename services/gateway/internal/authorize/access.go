package authorize

import (
	"context"
	"net/http"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// deniedPath is where somebody who was refused goes back to the application.
const deniedPath = "/oauth/denied"

// Judge decides who may use an application; *access.Judge does.
type Judge interface {
	Decide(ctx context.Context, d *domain.Domain, c *domain.Client, person *state.Person, s access.Situation) (access.Outcome, error)
}

// errDenied is what the application is told; the person is told more.
var errDenied = oauth2.AccessDenied.Errorf("The person may not use this application")

// admit asks whether the person may use the application, once it is known who that is and before they are asked for anything. It
// reports whether it answered.
func (e *Endpoint) admit(x *exchange, decision authorization.Decision) (done bool, err error) {
	switch decision.Step {
	case authorization.Recall, authorization.Consent, authorization.Finish:
	default:
		return false, nil
	}
	if !x.req.Client.Restricted {
		return false, nil
	}
	verdict, err := e.decide(x)
	switch {
	case err != nil:
		return true, e.fail(x, err)
	case verdict == rule.Allowed:
		return false, nil
	case verdict == rule.StepUp:
		return true, e.stepUp(x)
	}
	return true, e.deny(x)
}

// decide returns the verdict. A stronger sign-in that nobody can make here, or that was made for this request and did not help, is
// no way out.
func (e *Endpoint) decide(x *exchange) (rule.Verdict, error) {
	s := x.visit.Session
	out, err := e.judge.Decide(x.r.Context(), x.d, x.req.Client, &s.Person, e.situation(x))
	if err != nil {
		return rule.Denied, err
	}
	x.outcome = out
	if out.Verdict == rule.StepUp && (s.Stepped == x.req.Digest || len(authorization.Curing(x.d, x.req.Client, out.Step)) == 0) {
		return rule.Denied, nil
	}
	return out.Verdict, nil
}

// situation is from where and how the person came.
func (e *Endpoint) situation(x *exchange) access.Situation {
	s := access.Browsing(x.r, e.flows.Proxies, x.visit.Session, access.OAuth)
	s.Scopes, s.Resources = x.req.Scopes, x.req.Resources
	return s
}

// stepUp asks the person to sign in once more, by a provider by which that can help.
func (e *Endpoint) stepUp(x *exchange) error {
	if x.req.Prompt.Has(oauth2.PromptNone) {
		return e.refuse(x, oauth2.InteractionRequired.Errorf("The application needs another sign-in"))
	}
	if x.visit.Session.Stepping != x.req.Digest {
		x.visit.Session.Stepping = x.req.Digest
		if err := x.visit.Save(x.r.Context(), e.store); err != nil {
			return e.fail(x, err)
		}
	}
	return e.page(x, browser.StepUpPage(authorization.Curing(x.d, x.req.Client, x.outcome.Step)))
}

// deny refuses the person: by the page, or to the application where that wants to say so itself or nothing may be shown.
func (e *Endpoint) deny(x *exchange) error {
	c := x.req.Client
	if x.req.Prompt.Has(oauth2.PromptNone) || c.Application.GetAccess().GetOnDenied() == configv1.ApplicationAccess_REDIRECT {
		return e.refuse(x, errDenied)
	}
	if err := e.requests.Keep(x.r.Context(), x.d, c, &x.resolved); err != nil {
		return err
	}
	browser.Refused(x.r, errDenied)
	query := x.resolved.Query(x.req.ClientID, x.query)
	page := pages.Denied{
		Client: c, Username: x.visit.Session.Person.Username, Messages: x.outcome.Messages,
		Portal: browser.PortalURL(x.d), Other: browser.OtherAccount(x.d, c, query),
	}
	if x.req.Trusted() {
		page.Return = browser.URL(x.d, deniedPath, query)
	}
	return e.pages.Denied(x.w, pages.WithLocales(x.r, x.resolved.Params.Get("ui_locales")), x.d, page)
}

// refuse answers the client, and forgets what the session remembers of the request.
func (e *Endpoint) refuse(x *exchange, problem *oauth2.Error) error {
	if err := x.visit.Settle(x.r.Context(), e.store, x.req.Digest, x.visit.Session.Client); err != nil {
		return e.fail(x, err)
	}
	return e.fail(x, problem)
}

// leave takes somebody who was refused back to the application, which is told. Whoever is not refused any more goes on.
func (e *Endpoint) leave(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	x, err := e.open(w, r, d)
	if err != nil {
		return e.fail(x, err)
	}
	if x.visit.Session == nil || !x.req.Client.Restricted {
		return e.page(x, "/oauth/authorize")
	}
	verdict, err := e.decide(x)
	switch {
	case err != nil:
		return e.fail(x, err)
	case verdict == rule.Denied:
		return e.refuse(x, errDenied)
	}
	return e.page(x, "/oauth/authorize")
}
