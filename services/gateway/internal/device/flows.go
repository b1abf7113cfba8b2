package device

import (
	"encoding/json"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// open finds the login under way, which is the one of the sign-in that comes back here, and what expressions see of this step.
func (h *Handler) open(q *question, form oauth2.Params) (in rules.Input, err error) {
	params, err := oauth2.ParseParams(q.query(), "")
	if err != nil {
		return in, err
	}
	if q.login, err = h.logins.Open(q.r.Context(), q.visit, q.d, q.client, params); err != nil || q.login == nil {
		return in, err
	}
	step := underway.Step{HTTP: q.r, Proxies: h.proxies, Domain: q.d, Client: q.client, Params: params, Form: form, Login: q.login}
	if q.person != nil {
		step.Person = &q.person.Person
	}
	return step.Input(), nil
}

// before runs what comes before a login, once, and what comes before the question where somebody is there to be asked.
func (h *Handler) before(q *question) error {
	in, err := h.open(q, oauth2.Params{})
	if err != nil || q.login == nil {
		return err
	}
	if q.person == nil {
		err = q.login.Begin(q.r.Context(), &in)
	} else {
		err = q.login.Pre(q.r.Context(), flows.Consent, &in)
	}
	if err != nil {
		return err
	}
	return q.login.Save(q.r.Context())
}

// after runs what comes after a question that was answered by yes, and then what ends a login. It returns what flows have set.
func (h *Handler) after(q *question, form oauth2.Params) (json.RawMessage, error) {
	in, err := h.open(q, form)
	if err != nil || q.login == nil {
		return nil, err
	}
	if err := q.login.Post(q.r.Context(), flows.Consent, &in); err != nil {
		return nil, err
	}
	if err := q.login.End(q.r.Context(), &in); err != nil {
		return nil, err
	}
	return q.login.Encoded()
}

// stop answers what ended flows. A refusal is a decision against the device, which the page explains.
func (h *Handler) stop(q *question, err error) error {
	denied, ok := errors.AsType[*flows.Denied](err)
	if !ok {
		return err
	}
	ctx := q.r.Context()
	switch err := h.store.DecideDevice(ctx, q.pending, nil); {
	case errors.Is(err, state.ErrUnknown):
		return h.enter(q.page, "", wrongCode)
	case err != nil:
		return err
	}
	_ = q.login.Forget(ctx)
	browser.Refused(q.r, oauth2.Code(denied.Code).Errorf("%s", denied.Message))
	return h.enter(q.page, "", pages.Message(denied.Message))
}
