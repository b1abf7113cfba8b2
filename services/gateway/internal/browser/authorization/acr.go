package authorization

import (
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// contexts are the authentication context classes that a request asks for (OpenID Connect Core §3.1.2.1, §5.5.1.1).
type contexts struct {
	// names are in the order in which they are preferred.
	names []string
	// essential means that one of them must be met; without names, that there must be a class at all.
	essential bool
}

// contextsOf reads what is asked for: by the claim acr, else by acr_values, else by the client's registration.
func contextsOf(p oauth2.Params, acr claim, c *domain.Client) contexts {
	switch {
	case len(acr.values) > 0 || acr.essential:
		return contexts{acr.values, acr.essential}
	case p.Has("acr_values"):
		return contexts{names: strings.Fields(p.Get("acr_values"))}
	case c != nil:
		return contexts{names: c.Application.GetSettings().GetOauth().GetDefaultAcrValues()}
	}
	return contexts{}
}

// ACR is the authentication context class of an answer: of those that the request asks for the first that the sign-in meets,
// else the strongest that it meets, else what a password alone is worth. It is empty if nothing is known.
func (r *Request) ACR(d *domain.Domain, s *state.Session) string {
	for _, name := range r.contexts.names {
		if meets(d, s, name) {
			return name
		}
	}
	known := knownContexts(d)
	for _, class := range slices.Backward(known) {
		if met(class, s) {
			return class.GetName()
		}
	}
	if meets(d, s, s.ACR) {
		return s.ACR
	}
	return ""
}

func knownContexts(d *domain.Domain) []*configv1.AuthenticationContext {
	return d.Settings.GetOidc().GetAuthenticationContexts()
}

func contextNamed(d *domain.Domain, name string) *configv1.AuthenticationContext {
	known := knownContexts(d)
	i := slices.IndexFunc(known, func(class *configv1.AuthenticationContext) bool { return class.GetName() == name })
	if i < 0 {
		return nil
	}
	return known[i]
}

// meets reports whether a sign-in meets a class: what the domain says of it, or the class that comes with the way of signing
// in where the domain says nothing.
func meets(d *domain.Domain, s *state.Session, name string) bool {
	return access.Meets(d, s.Provider, s.ACR, s.AMR, name)
}

func met(class *configv1.AuthenticationContext, s *state.Session) bool {
	return through(class, s.Provider) && subset(class.GetMethods(), s.AMR)
}

func through(class *configv1.AuthenticationContext, provider string) bool {
	return len(class.GetIdentityProviders()) == 0 || slices.Contains(class.GetIdentityProviders(), provider)
}

func subset(small, large []string) bool {
	return !slices.ContainsFunc(small, func(s string) bool { return !slices.Contains(large, s) })
}

// unmet reports whether the request asks for classes and the sign-in meets none.
func (r *Request) unmet(d *domain.Domain, s *state.Session) bool {
	if len(r.contexts.names) == 0 {
		return r.contexts.essential && r.ACR(d, s) == ""
	}
	return !slices.ContainsFunc(r.contexts.names, func(name string) bool { return meets(d, s, name) })
}

// mayMeet reports whether a sign-in through one of the client's providers could meet a class that the request asks for.
func (r *Request) mayMeet(d *domain.Domain) bool {
	return slices.ContainsFunc(r.contexts.names, func(name string) bool {
		return slices.ContainsFunc(r.Client.Providers, func(p domain.ClientProvider) bool { return leadsTo(d, p, name) })
	})
}

// leadsTo reports whether signing in through a provider can meet a class. Which methods an external provider uses is not known
// before it says so.
func leadsTo(d *domain.Domain, p domain.ClientProvider, name string) bool {
	class := contextNamed(d, name)
	if class == nil {
		return name == signin.ACRPassword && !p.External || name == signin.ACRFederated && p.External
	}
	return through(class, p.ID) && (p.External || subset(class.GetMethods(), []string{signin.AMRPassword}))
}

// Preferring returns the client with those of its providers first that lead to the classes that a request asks for, in their
// order (OpenID Connect Core §3.1.2.1: acr_values are in order of preference). The others keep theirs.
func Preferring(d *domain.Domain, c *domain.Client, p oauth2.Params) *domain.Client {
	claims, _ := parseClaims(p.Get("claims"))
	names := contextsOf(p, claims.acr, c).names
	if len(names) == 0 || len(c.Providers) < 2 {
		return c
	}
	rank := func(p domain.ClientProvider) int {
		i := slices.IndexFunc(names, func(name string) bool { return leadsTo(d, p, name) })
		if i < 0 {
			return len(names)
		}
		return i
	}
	changed := *c
	changed.Providers = slices.Clone(c.Providers)
	slices.SortStableFunc(changed.Providers, func(a, b domain.ClientProvider) int { return rank(a) - rank(b) })
	return &changed
}
