package device

import (
	"context"
	"errors"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Judge decides who may use an application; *access.Judge does.
type Judge interface {
	Decide(ctx context.Context, d *domain.Domain, c *domain.Client, person *state.Person, s access.Situation) (access.Outcome, error)
}

// situation is from where and how the person came who is asked.
func (h *Handler) situation(q *question) access.Situation {
	s := access.Browsing(q.r, h.proxies, q.person, access.OAuth)
	s.Scopes, s.Resources = q.pending.Scopes, q.pending.Resources
	return s
}

// admit asks whether the person may use the application, before they are asked and once more when they have answered. It reports whether
// it answered. A refusal is a decision against the device: it is told access_denied.
func (h *Handler) admit(q *question) (done bool, err error) {
	if !q.client.Restricted {
		return false, nil
	}
	out, err := h.judge.Decide(q.r.Context(), q.d, q.client, &q.person.Person, h.situation(q))
	switch {
	case err != nil:
		return true, err
	case out.Allowed():
		return false, nil
	}
	if out.Verdict == rule.StepUp {
		params, err := oauth2.ParseParams(q.query(), "")
		if err != nil {
			return true, err
		}
		digest, curing := authorization.Digest(params), authorization.Curing(q.d, q.client, out.Step)
		if q.person.Stepped != digest && len(curing) > 0 {
			return true, h.stepUp(q, digest, browser.StepUpPage(curing))
		}
	}
	return true, h.deny(q, out)
}

// stepUp asks the person to sign in once more, and then comes back here.
func (h *Handler) stepUp(q *question, digest, page string) error {
	if q.person.Stepping != digest {
		q.person.Stepping = digest
		if err := q.visit.Save(q.r.Context(), h.store); err != nil && !errors.Is(err, state.ErrUnknown) {
			return err
		}
	}
	endpoint.Redirect(q.w, browser.URL(q.d, page, q.query()))
	return nil
}

var errDenied = oauth2.AccessDenied.Errorf("The person may not use this application")

func (h *Handler) deny(q *question, out access.Outcome) error {
	ctx := q.r.Context()
	switch err := h.store.DecideDevice(ctx, q.pending, nil); {
	case errors.Is(err, state.ErrUnknown):
		return h.enter(q.page, "", wrongCode)
	case err != nil:
		return err
	}
	_ = q.login.Forget(ctx)
	browser.Refused(q.r, errDenied)
	return h.pages.Denied(q.w, q.r, q.d, pages.Denied{
		Client: q.client, Username: q.person.Person.Username, Messages: out.Messages, Portal: browser.PortalURL(q.d),
	})
}
