package authorize

import (
	"encoding/json"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/underway"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
)

// Flows are what the endpoint runs flows by.
type Flows struct {
	Logins *underway.Book
	// Tokens runs those of the point TOKEN, for tokens that the endpoint makes itself.
	Tokens underway.Runner
	// Proxies are those whose headers count; nil means none.
	Proxies *observe.Proxies
}

// begin runs what comes before a login, once.
func (e *Endpoint) begin(x *exchange) (err error) {
	x.login, err = e.flows.Logins.Open(x.r.Context(), x.visit, x.d, x.req.Client, x.resolved.Params)
	if err != nil || x.login == nil {
		return err
	}
	in := e.input(x)
	return refused(x.login.Begin(x.r.Context(), &in))
}

// end runs what comes before the answer to the client, and returns what flows have set.
func (e *Endpoint) end(x *exchange) (json.RawMessage, error) {
	if x.login == nil {
		return nil, nil
	}
	in := e.input(x)
	if err := x.login.End(x.r.Context(), &in); err != nil {
		return nil, refused(err)
	}
	return x.login.Encoded()
}

// tokenFlows runs the flows of the point TOKEN, as the token endpoint does, where the endpoint makes tokens itself. They see what the login
// has set; what they set is for these tokens alone.
func (e *Endpoint) tokenFlows(x *exchange, phase flows.Phase, set json.RawMessage) (json.RawMessage, error) {
	c := x.req.Client
	if e.flows.Tokens == nil || !c.Flows.Has(flows.Token, phase) {
		return set, nil
	}
	attributes, err := flows.Decode(set)
	if err != nil {
		return nil, err
	}
	in := e.input(x)
	scope := flows.Scope{Domain: x.d.ID, ClientID: c.ClientID, Attributes: attributes}
	out, err := e.flows.Tokens.Run(x.r.Context(), c.Flows, flows.Token, phase, scope, &in)
	if err != nil {
		return nil, refused(underway.Problem(err))
	}
	return flows.Encode(out.Attributes)
}

func (e *Endpoint) input(x *exchange) rules.Input {
	step := underway.Step{HTTP: x.r, Proxies: e.flows.Proxies, Domain: x.d, Client: x.req.Client, Params: x.resolved.Params, Login: x.login}
	if s := x.visit.Session; s != nil {
		step.Person = &s.Person
	}
	return step.Input()
}

// refused is the refusal of a flow as the client is told.
func refused(err error) error {
	if denied, ok := errors.AsType[*flows.Denied](err); ok {
		return oauth2.Code(denied.Code).Errorf("%s", denied.Message).WithCause(err)
	}
	return err
}
