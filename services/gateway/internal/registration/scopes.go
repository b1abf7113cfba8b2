package registration

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// scopes keeps what the domain allows and gives a client that is left without scopes the domain's default ones. None of
// them is a default scope of the client: a token request without scope gets none.
//
// A client that asks for no scope where the domain has no default ones may use the standard OpenID scopes. One whose
// scopes were all refused may not: it asked for something else.
func scopes(r *request) error {
	settings := r.domain.Registration
	kept := r.meta.Scope
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
	for _, s := range kept {
		r.meta.OAuth.ScopeSettings = append(r.meta.OAuth.ScopeSettings, &configv1.ScopeSetting{Scope: s})
	}
	r.meta.OAuth.StandardScopes = len(r.meta.Scope) == 0 && len(kept) == 0
	return nil
}

// administrative scopes reach a client only through an administrator: no registration raises itself (RFC 7591 §5).
var administrative = []string{oauth2.ScopeDCRAdmin, "scim", "consent_admin"}

func administrativeScopes(r *request) error {
	if r.administrator {
		return nil
	}
	for _, s := range r.meta.OAuth.GetScopeSettings() {
		if slices.Contains(administrative, s.GetScope()) {
			return oauth2.InvalidClientMetadata.Errorf("scope %s is not valid.", s.GetScope())
		}
	}
	return nil
}
