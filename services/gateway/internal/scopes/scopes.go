// Package scopes decides which scopes a request may have.
package scopes

import (
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// standard are the scopes that a client which registered none may ask for.
var standard = []string{oauth2.ScopeOpenID, "profile", "email", "address", "phone"}

// Grant returns the scopes a request gets: those it asks for, each of which the client must have, or the client's default
// scopes if it asks for none. The scope dcr is never the result of a request. A refusal is invalid_scope with every scope
// that cannot be had.
func Grant(d *domain.Domain, c *domain.Client, requested []string) ([]string, error) {
	if len(requested) == 0 {
		return slices.DeleteFunc(slices.Clone(c.DefaultScopes), never), nil
	}
	var refused, granted []string
	for _, s := range requested {
		switch {
		case slices.Contains(granted, s):
		case never(s) || !has(d, c, s):
			refused = append(refused, s)
		default:
			granted = append(granted, s)
		}
	}
	if len(refused) > 0 {
		return nil, oauth2.InvalidScope.Errorf("Invalid scope(s): %s", strings.Join(refused, " "))
	}
	return granted, nil
}

func never(scope string) bool { return scope == oauth2.ScopeDCR }

// has tells whether the client may ask for a scope: one of its own, `key:parameter` of one that is parameterized in the
// domain, or a standard one where the client registered none.
func has(d *domain.Domain, c *domain.Client, scope string) bool {
	if _, ok := c.Scopes[scope]; ok {
		return true
	}
	if key, parameter, ok := strings.Cut(scope, ":"); ok && parameter != "" {
		if _, own := c.Scopes[key]; own && d.Scopes[key].GetParameterized() {
			return true
		}
	}
	if !c.StandardScopes || len(c.Scopes) > 0 || d.Scopes[scope] == nil {
		return false
	}
	if scope == oauth2.ScopeOfflineAccess && !c.HasGrant(oauth2.GrantRefreshToken) {
		return false
	}
	if !slices.Contains(standard, scope) && scope != oauth2.ScopeOfflineAccess {
		return false
	}
	r := d.Registration
	return !r.GetAllowedScopesEnabled() || r.GetAllowedScopes() == nil || slices.Contains(r.GetAllowedScopes().GetValues(), scope)
}
