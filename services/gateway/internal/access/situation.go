package access

import (
	"net/http"
	"net/netip"
	"time"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// What somebody uses an application by, as rules see it.
const (
	OAuth  = "oauth2"
	Launch = "launch"
	Portal = "portal"
)

// Situation is from where and how somebody came. What is empty is not known: a rule that looks at it fails.
type Situation struct {
	// IP is where the person's browser is.
	IP    netip.Addr
	Agent string
	// Provider, ACR, AMR and Method say how they signed in, AuthTime when, in seconds since the epoch.
	Provider, ACR, Method string
	AMR                   []string
	AuthTime              int64
	// Protocol is one of the constants above, Scopes and Resources are what is asked for.
	Protocol  string
	Scopes    []string
	Resources []string
}

// Browsing is the situation of somebody who is signed in and comes with a browser. Proxies are those whose headers count; nil means
// none.
func Browsing(r *http.Request, proxies *observe.Proxies, s *state.Session, protocol string) Situation {
	return Situation{
		IP: proxies.ClientIP(r), Agent: r.UserAgent(), Provider: s.Provider, ACR: s.ACR, Method: MethodOf(s.ACR), AMR: s.AMR, AuthTime: s.AuthTime,
		Protocol: protocol,
	}
}

// Kept is the situation as it goes along with what somebody allowed an application.
func (s Situation) Kept() state.Situation {
	return state.SituationFields{IP: s.IP, Provider: s.Provider, ACR: s.ACR, Method: s.Method, Agent: s.Agent}.Pack()
}

// Of is the situation in which somebody allowed an application what it asks tokens for now.
func Of(a *state.Authorization) Situation {
	kept := a.Situation.Fields()
	if kept.ACR == "" {
		kept.ACR = a.ACR
	}
	return Situation{
		IP: kept.IP, Agent: kept.Agent, Provider: kept.Provider, ACR: kept.ACR, Method: kept.Method, AMR: a.AMR, AuthTime: a.AuthTime,
		Protocol: OAuth, Scopes: a.Scopes, Resources: a.Resources,
	}
}

// The ways of signing in, as rules see them.
const (
	password  = "password"
	federated = "federated"
	email     = "email"
)

// The classes of authentication that come with them.
var methods = map[string]string{
	"urn:gatehouse:acr:password": password, "urn:gatehouse:acr:federated": federated, "urn:gatehouse:acr:email": email,
}

// MethodOf is the way of signing in with which a class comes; empty where that is not known.
func MethodOf(acr string) string { return methods[acr] }

// Moment is the situation as rules read it.
func (s Situation) Moment(now time.Time) rule.Situation {
	m := rule.Situation{
		Known: rule.KnowsTime, Time: now, IP: s.IP, UserAgent: s.Agent, Protocol: s.Protocol, Scopes: s.Scopes, Resource: s.Resources,
		ACR: s.ACR, AMR: s.AMR, IdentityProvider: s.Provider, Method: s.Method,
	}
	if s.Protocol != "" {
		m.Known |= rule.KnowsProtocol | rule.KnowsScopes | rule.KnowsResource
	}
	if s.IP.IsValid() {
		m.Known |= rule.KnowsIP
	}
	if s.Agent != "" {
		m.Known |= rule.KnowsUserAgent
	}
	if s.AuthTime > 0 {
		m.AuthTime = time.Unix(s.AuthTime, 0)
		m.Known |= rule.KnowsAuth
	}
	return m
}
