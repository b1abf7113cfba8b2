package domain

import (
	"slices"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func (core *Core) compileResources(list []*configv1.ProtectedResource) {
	if len(list) == 0 {
		return
	}
	core.Resources = make(map[string]*configv1.ProtectedResource, len(list))
	for _, r := range list {
		core.Resources[r.GetIdentifier()] = r
	}
}

// ScopesFor returns those of the granted scopes that an access token for some resources may have: each must be one of at
// least one of them; a resource that lists no scopes takes all. A resource that is gone takes none. Without resources all
// scopes remain.
func (core *Core) ScopesFor(resources, granted []string) []string {
	if len(resources) == 0 {
		return granted
	}
	var allowed []string
	for _, uri := range resources {
		r := core.Resources[uri]
		if r != nil && len(r.GetScopes()) == 0 {
			return granted
		}
		allowed = append(allowed, r.GetScopes()...)
	}
	return slices.DeleteFunc(slices.Clone(granted), func(scope string) bool {
		if slices.Contains(allowed, scope) {
			return false
		}
		key, parameter, _ := strings.Cut(scope, ":")
		return parameter == "" || !core.Scopes[key].GetParameterized() || !slices.Contains(allowed, key)
	})
}
