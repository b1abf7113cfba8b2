package authflow

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// question is what a consent page asks.
type question struct {
	*page
	req *authorization.Request
	// scopes are those to ask for.
	scopes []string
	// purpose binds the form to the request it was made for.
	purpose string
}

// ask reads the request again and finds out what is to be asked; nil if nothing is: then the authorization endpoint knows
// what comes next.
func (f *Flow) ask(w http.ResponseWriter, r *http.Request, d *domain.Domain) (*question, *page, error) {
	p, err := f.open(w, r, d)
	ctx := r.Context()
	if loadErr := p.visit.Find(ctx, f.sessions, f.people); loadErr != nil {
		return nil, p, loadErr
	}
	if err != nil || p.visit.Session == nil {
		return nil, p, nil //nolint:nilerr // the authorization endpoint finds the same error, and knows where it goes
	}
	req, err := p.request.Read(ctx, d, true)
	if err != nil {
		return nil, p, nil //nolint:nilerr // as above
	}
	s := p.visit.Session
	decision := authorization.Next(d, req, s, nil, f.now())
	if decision.Step == authorization.Recall {
		list, err := f.consents.Consents(ctx, d.ID, s.Person.UserID, p.c.ClientID)
		if err != nil {
			return nil, p, fmt.Errorf("look up consents: %w", err)
		}
		decision = authorization.Next(d, req, s, authorization.Remembered(list, f.now()), f.now())
	}
	if decision.Step != authorization.Consent {
		return nil, p, nil
	}
	if req.Client.Restricted { // whoever may not use the application is asked for nothing
		came := access.Browsing(r, f.proxies, s, access.OAuth)
		came.Scopes, came.Resources = req.Scopes, req.Resources
		verdict, err := f.judge.Decide(ctx, d, req.Client, &s.Person, came)
		switch {
		case err != nil:
			return nil, p, err
		case !verdict.Allowed():
			return nil, p, nil
		}
	}
	return &question{page: p, req: req, scopes: decision.Scopes, purpose: "consent " + req.Digest}, p, nil
}

func (f *Flow) showConsent(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	q, p, err := f.ask(w, r, d)
	switch {
	case err != nil:
		return err
	case q == nil:
		return p.redirect("/oauth/authorize", p.query)
	}
	if err := f.before(p, flows.Consent); err != nil {
		return f.stop(p, err)
	}
	out := pages.Consent{
		Action: browser.URL(d, "/oauth/consent", q.query), Client: q.c, Username: q.visit.Session.Person.Username,
		Message: pages.Message(q.visit.Error(q.params).Description), Choice: q.c.OptInScopes,
		Token: q.visit.FormToken(q.purpose, f.now()),
	}
	for _, key := range q.scopes {
		scope, parameter := authorization.ScopeOf(d, key)
		line := pages.Scope{Key: key, Name: scope.GetName(), Description: scope.GetDescription(), Required: authorization.SettingOf(q.c, key).GetRequiredScope()}
		if line.Name == "" {
			line.Name = key
		} else if parameter != "" {
			line.Name += ": " + parameter
		}
		out.Scopes = append(out.Scopes, line)
	}
	return f.pages.Consent(w, p.r, d, out)
}

func (f *Flow) consent(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	q, p, err := f.ask(w, r, d)
	switch {
	case err != nil:
		return err
	case q == nil:
		return p.redirect("/oauth/authorize", p.query)
	case !q.visit.Sent(r, q.form, q.purpose, f.now()):
		return q.retry("/oauth/consent", browser.Expired)
	}
	answer := read(q)
	if answer.incomplete {
		denied := authorization.Denied()
		return q.retry("/login", browser.Error{Code: string(denied.Code), Description: denied.Description})
	}
	if len(answer.approved) > 0 {
		if err := f.after(p, flows.Consent); err != nil {
			return f.stop(p, err)
		}
	}
	ctx, s := r.Context(), q.visit.Session
	if err := f.consents.SaveConsents(ctx, d.ID, s.Person.UserID, q.c.ClientID, authorization.Decisions(d, q.c, q.scopes, answer.approved, f.now())); err != nil {
		return fmt.Errorf("save consents: %w", err)
	}
	if len(answer.approved) == 0 {
		if err := q.visit.Settle(ctx, f.sessions, q.req.Digest, s.Client); err != nil && !errors.Is(err, state.ErrUnknown) {
			return err
		}
		if err := f.requests.Finish(ctx, d, q.c, q.request); err != nil {
			return q.refuse(err)
		}
		denied := authorization.Denied()
		browser.Refused(r, denied)
		state := browser.SessionState(d, q.c.ClientID, q.req.RedirectURI, s)
		return browser.Respond(w, r, f.requests, f.pages, d, q.req.Failure(d.Issuer, state, denied))
	}
	s.Consented = q.req.Digest
	if err := q.visit.Save(ctx, f.sessions); err != nil && !errors.Is(err, state.ErrUnknown) {
		return err
	}
	return q.redirect("/oauth/authorize", q.query)
}

// answer is what the person decided.
type answer struct {
	approved []string
	// incomplete tells that the person allowed access and left out a scope that the application cannot do without.
	incomplete bool
}

// read reads the posted form. Refusing everything is an answer; leaving out a required scope is a mistake.
func read(q *question) answer {
	if q.form.Get("user_oauth_approval") != "true" {
		return answer{}
	}
	var a answer
	for _, scope := range q.scopes {
		value := strings.ToLower(q.form.Get("scope." + scope))
		switch {
		case value == "true", strings.HasPrefix(value, "approve"), !q.c.OptInScopes:
			a.approved = append(a.approved, scope)
		case authorization.SettingOf(q.c, scope).GetRequiredScope():
			a.incomplete = true
		}
	}
	return a
}
