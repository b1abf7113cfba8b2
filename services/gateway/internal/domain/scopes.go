package domain

import (
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// standardScopes are the scopes that a client which registered none may ask for.
var standardScopes = []string{oauth2.ScopeOpenID, "profile", "email", "address", "phone"}

// MayAsk tells whether the client may ask for a scope: one of its own, `key:parameter` of one that is parameterized in the
// domain, or a standard one where the client registered none.
func (c *Client) MayAsk(core *Core, scope string) bool {
	if _, ok := c.Scopes[scope]; ok {
		return true
	}
	if key, parameter, ok := strings.Cut(scope, ":"); ok && parameter != "" {
		if _, own := c.Scopes[key]; own && core.Scopes[key].GetParameterized() {
			return true
		}
	}
	if !c.StandardScopes || len(c.Scopes) > 0 || core.Scopes[scope] == nil {
		return false
	}
	if scope == oauth2.ScopeOfflineAccess && !c.HasGrant(oauth2.GrantRefreshToken) {
		return false
	}
	if !slices.Contains(standardScopes, scope) && scope != oauth2.ScopeOfflineAccess {
		return false
	}
	r := core.Registration
	return !r.GetAllowedScopesEnabled() || r.GetAllowedScopes() == nil || slices.Contains(r.GetAllowedScopes().GetValues(), scope)
}
