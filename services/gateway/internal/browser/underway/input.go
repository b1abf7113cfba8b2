package underway

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Step is one request of a login, as far as expressions see it.
type Step struct {
	HTTP    *http.Request
	Proxies *observe.Proxies
	Domain  *domain.Domain
	Client  *domain.Client
	// Params are those of the authorization request, Form those of the body of a post.
	Params, Form oauth2.Params
	// Person is who is signed in, or has just proved who they are; nil where that is not known yet.
	Person *state.Person
	// Login has what flows have set; may be nil.
	Login *Login
}

// Input is what expressions see at a step of a login, be they rules, texts or parts of flows. The attributes of the context are
// ip_address, user_agent, domain, client and deviceId; user, where somebody is known; and what flows have set.
func (s Step) Input() rules.Input {
	params := s.Params.Values()
	for name, v := range s.Form.Values() {
		params[name] = append(params[name], v...)
	}
	in := rules.Input{Login: login(s.Form, s.Params), Client: s.Client.Rules, Domain: s.Domain.Rules, Request: rules.Request{Params: params}}
	base := map[string]any{
		"domain":     map[string]any{"id": s.Domain.ID, "name": s.Domain.Name, "path": s.Domain.Path},
		"client":     map[string]any{"id": s.Client.ID, "clientId": s.Client.ClientID, "name": s.Client.Name},
		"deviceId":   first(params["deviceId"]),
		"ip_address": "", "user_agent": "",
	}
	if r := s.HTTP; r != nil {
		in.Request.Headers, in.Request.Path, in.Request.Method = r.Header, r.URL.Path, r.Method
		in.Request.Scheme, in.Request.ID = s.Proxies.Scheme(r), observe.RequestID(r.Context())
		if ip := s.Proxies.ClientIP(r); ip.IsValid() {
			in.Request.IP = ip.String()
		}
		base["ip_address"], base["user_agent"] = in.Request.IP, r.UserAgent()
	}
	if s.Person != nil {
		in.User = tokens.UserValue(s.Person)
		base["user"] = in.User
	}
	in.Attributes = base
	if set := s.Login.Attributes(); len(set) > 0 {
		in.Attributes = flows.Beside(base, set)
	}
	return in
}

// login is the name typed on a form, or else login_hint.
func login(form, params oauth2.Params) string {
	if name := form.Get("username"); name != "" {
		return name
	}
	return params.Get("login_hint")
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
