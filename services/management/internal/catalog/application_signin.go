package catalog

import (
	"cmp"
	"slices"
	"strings"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
)

// SignInBy gives an application that names no identity provider those of My applications: the ones the domain's portal settings
// name, else all internal ones by name, with ascending priority. It warns, about path, where nobody could sign in to it for want
// of any. Services, to which nobody signs in, get none. S needs the providers.
func SignInBy(s *Scene, a *configv1.Application, path string) []*managementv1.Warning {
	if len(a.GetIdentityProviders()) > 0 || a.GetType() == configv1.Application_SERVICE {
		return nil
	}
	var ids []string
	if named := s.Domain.GetPortalSettings().GetIdentityProviders(); len(named) > 0 {
		for _, id := range named {
			if !slices.Contains(ids, id) && slices.ContainsFunc(s.Providers, func(p *configv1.IdentityProvider) bool { return p.GetId() == id }) {
				ids = append(ids, id)
			}
		}
	} else {
		all := slices.SortedFunc(slices.Values(s.Providers), func(p, q *configv1.IdentityProvider) int {
			return cmp.Or(cmp.Compare(strings.ToLower(p.GetName()), strings.ToLower(q.GetName())), cmp.Compare(p.GetId(), q.GetId()))
		})
		for _, p := range all {
			if !p.GetExternal() {
				ids = append(ids, p.GetId())
			}
		}
	}
	for i, id := range ids {
		a.IdentityProviders = append(a.IdentityProviders, &configv1.ApplicationIdentityProvider{Identity: id, Priority: int32(i)})
	}
	if len(ids) == 0 {
		return []*managementv1.Warning{{Path: path, Detail: "the domain has no identity provider for it, so nobody can sign in to it"}}
	}
	return nil
}
