package registration

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// scopes keeps what the domain allows and gives a client that is left without scopes the domain's default ones. None of
// them is a default scope of the client: a token request without scope gets none. Scopes that a client had keep their
// settings.
//
// A client that asks for no scope where the domain has no default ones may use the standard OpenID scopes. One whose
// scopes were all refused may not: it asked for something else.
func scopes(r *request) error {
	had := r.stored.GetScopeSettings()
	switch {
	case r.holds(scopeMember):
		return nil // those that the software statement gave
	case r.template && !r.given.Has(scopeMember):
		return nil // the template's, unfiltered
	case r.merge && !r.given.Has(scopeMember) && (len(had) > 0 || len(r.domain.Registration.GetDefaultScopes()) == 0):
		return nil // those that there are
	}
	settings := r.domain.Registration
	kept := r.scope
	if allowed := settings.GetAllowedScopes(); settings.GetAllowedScopesEnabled() && allowed != nil {
		kept = slices.DeleteFunc(slices.Clone(kept), func(s string) bool { return !slices.Contains(allowed.GetValues(), s) })
	}
	if len(kept) == 0 {
		for _, s := range settings.GetDefaultScopes() {
			if !slices.Contains(kept, s) {
				kept = append(kept, s)
			}
		}
	}
	r.oauth.ScopeSettings = nil
	for _, s := range kept {
		setting := &configv1.ScopeSetting{Scope: s}
		if i := slices.IndexFunc(had, func(h *configv1.ScopeSetting) bool { return h.GetScope() == s }); i >= 0 {
			setting = proto.CloneOf(had[i])
		}
		r.oauth.ScopeSettings = append(r.oauth.ScopeSettings, setting)
	}
	r.oauth.StandardScopes = len(r.scope) == 0 && len(kept) == 0
	return nil
}

// scopeMember is the registered member that no field stands for.
const scopeMember = "scope"

// administrative scopes reach a client only through an administrator: no registration raises itself (RFC 7591 §5).
var administrative = []string{oauth2.ScopeDCRAdmin, "scim", "consent_admin"}

// administrativeScopes lets a client keep what an administrator gave it.
func administrativeScopes(r *request) error {
	if r.administrator {
		return nil
	}
	for _, s := range r.oauth.GetScopeSettings() {
		if slices.Contains(administrative, s.GetScope()) &&
			!slices.ContainsFunc(r.stored.GetScopeSettings(), func(h *configv1.ScopeSetting) bool { return h.GetScope() == s.GetScope() }) {
			return refuse("scope %s is not valid.", s.GetScope())
		}
	}
	return nil
}
