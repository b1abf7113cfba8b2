package catalog

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Roles are what people of a domain may have: names for sets of scopes.
var Roles = &Kind[*configv1.Role]{
	Arm:      "role",
	Title:    "Role",
	Path:     "roles",
	Parent:   Domains,
	List:     Paged,
	Needs:    NeedsScopes,
	Name:     (*configv1.Role).GetName,
	Searched: func(r *configv1.Role) []string { return []string{r.GetName(), r.GetDescription()} },
	Unique: []Unique[*configv1.Role]{{
		Name:  "name",
		Value: func(r *configv1.Role) string { return DomainKey(r.GetDomain(), r.GetName()) },
		Taken: func(_, r *configv1.Role) error {
			return exists("role", r.GetName()).At("name", "already exists")
		},
	}},
	Normalize: func(_ context.Context, _ *Scene, _, r *configv1.Role) error {
		r.Name = tidy(r.GetName())
		r.OauthScopes = distinct(r.GetOauthScopes())
		return nil
	},
	Validate: validateRole,
	References: []Reference[*configv1.Role]{{
		Kind:  "identity_provider",
		Field: "roleMapper",
		Value: (*configv1.Role).GetId,
		In: func(from resource.Resource, gone *configv1.Role) bool {
			_, named := from.(*configv1.IdentityProvider).GetRoleMapper()[gone.GetId()]
			return named
		},
		Remove: func(from resource.Resource, gone *configv1.Role) {
			delete(from.(*configv1.IdentityProvider).GetRoleMapper(), gone.GetId())
		},
	}, {
		Kind:  "group",
		Field: "roles",
		Value: (*configv1.Role).GetId,
		Remove: func(from resource.Resource, gone *configv1.Role) {
			g := from.(*configv1.Group)
			g.Roles = slices.DeleteFunc(g.GetRoles(), func(id string) bool { return id == gone.GetId() })
		},
	}},
}

func validateRole(s *Scene, old, r *configv1.Role) error {
	if err := named(r.GetName(), r.GetDescription()); err != nil {
		return err
	}
	for i, key := range r.GetOauthScopes() {
		if !hasScope(s.Scopes, key) && !slices.Contains(old.GetOauthScopes(), key) {
			text := fmt.Sprintf("scope %s is not valid.", key)
			return fault.Invalidf("%s", text).At(fmt.Sprintf("oauthScopes[%d]", i), text)
		}
	}
	return nil
}

// removeRoleScope takes a scope that is gone out of a role.
func removeRoleScope(from resource.Resource, gone *configv1.Scope) {
	r := from.(*configv1.Role)
	r.OauthScopes = slices.DeleteFunc(r.GetOauthScopes(), func(key string) bool { return key == gone.GetKey() })
}
