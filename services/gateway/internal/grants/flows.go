package grants

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Flows are what the endpoint runs the flows of the point TOKEN by. The zero value runs none.
type Flows struct {
	Engine *flows.Engine
	// Proxies are those whose headers count; nil means none.
	Proxies *observe.Proxies
}

// tokenFlows are the flows of one token request; nil where the client has none.
type tokenFlows struct {
	Flows
	// ran tells that pre has run; set is what flows have set then, during the login and here.
	ran bool
	set json.RawMessage
}

// allow runs what comes before tokens are made, once for a request. A grant calls it when it knows for whom the tokens are and has
// written nothing yet that a refusal would have to take back; the endpoint calls it for those that do not. What the flows set is for
// these tokens alone.
func (r *Request) allow(ctx context.Context, p *state.Person, authFlow json.RawMessage) error {
	if r.flows == nil || r.flows.ran {
		return nil
	}
	out, err := r.runFlows(ctx, flows.Pre, p, authFlow)
	if err != nil {
		return err
	}
	r.flows.ran, r.flows.set = true, out
	return nil
}

// release runs what comes after tokens were made and before they are sent.
func (r *Request) release(ctx context.Context, a *tokens.Authorization) error {
	if r.flows == nil {
		return nil
	}
	_, err := r.runFlows(ctx, flows.Post, a.Person, a.AuthFlow)
	return err
}

func (r *Request) runFlows(ctx context.Context, phase flows.Phase, p *state.Person, authFlow json.RawMessage) (json.RawMessage, error) {
	if !r.Client.Flows.Has(flows.Token, phase) {
		return authFlow, nil
	}
	before, err := flows.Decode(authFlow)
	if err != nil {
		return nil, err
	}
	in := tokens.Input(r.Domain, r.Client, p, authFlow)
	in.Login = r.Params.Get("username")
	in.Request = requestOf(ctx, r, r.flows.Proxies)
	out, err := r.flows.Engine.Run(ctx, r.Client.Flows, flows.Token, phase,
		flows.Scope{Domain: r.Domain.ID, ClientID: r.Client.ClientID, Attributes: before}, &in)
	switch denied, ok := errors.AsType[*flows.Denied](err); {
	case ok:
		return nil, oauth2.Code(denied.Code).Errorf("%s", denied.Message).WithCause(err)
	case errors.Is(err, flows.ErrUnusable):
		return nil, oauth2.ServerError.Errorf("A flow of this application cannot be used as configured").WithCause(err)
	case errors.Is(err, flows.ErrSlow):
		return nil, oauth2.TemporarilyUnavailable.Errorf("A check that is required took too long").WithCause(err)
	case err != nil:
		return nil, err
	}
	return flows.Encode(out.Attributes)
}

// requestOf is a token request as expressions see it.
func requestOf(ctx context.Context, r *Request, proxies *observe.Proxies) rules.Request {
	out := rules.Request{
		Params: r.Params.Values(), Headers: r.HTTP.Header, Path: r.HTTP.URL.Path, Method: r.HTTP.Method,
		Scheme: proxies.Scheme(r.HTTP), ID: observe.RequestID(ctx),
	}
	if ip := proxies.ClientIP(r.HTTP); ip.IsValid() {
		out.IP = ip.String()
	}
	return out
}
