package rest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// inPlace is the path of a route in a domain and an application that need not exist.
func inPlace(rt Route, domain, application string) string {
	path := rt.Pattern
	if !strings.HasPrefix(path, prefix) {
		path = environment + path
	}
	return strings.NewReplacer(
		"{organization}", "DEFAULT", "{environment}", "DEFAULT", "{domain}", domain, "{application}", application,
		"{"+aliasName+"}", application, "{"+hridName+"}", domain, "{", "no-such-", "}", "",
	).Replace(path)
}

// levelOf is the level of the innermost place that a route's path names, of those that memberships can refer to.
func levelOf(rt Route) operator.Level {
	switch {
	case strings.Contains(rt.Pattern, "{application}"):
		return operator.AtApplication
	case strings.Contains(rt.Pattern, "{domain}"):
		return operator.AtDomain
	case !strings.HasPrefix(rt.Pattern, prefix), strings.Contains(rt.Pattern, "{environment}"):
		return operator.AtEnvironment
	}
	return operator.AtOrganization
}

var depth = map[operator.Level]int{
	operator.AtOrganization: 0, operator.AtEnvironment: 1, operator.AtDomain: 2, operator.AtApplication: 3,
}

// Every route, every built-in role, at the place where an operator has the role and at another one.
func TestEveryRouteIsDecidedForEveryRole(t *testing.T) {
	h := newHouse(t)
	people := directory.New(directory.Options{Store: h.store, Hasher: h.hasher})
	people.Mount(&Mux{api: h.api, checkDomain: true})
	registration.New(registration.Options{
		Editor: h.api.Editor, Attempts: h.store.RegistrationAttempts(), Tokens: h.store.RegistrationTokens(), Uses: h.store.ClientUses(),
	}).Mount(&Mux{api: h.api, checkDomain: true})
	references := map[operator.Level]string{
		operator.AtOrganization: store.PlaceOfOrganization("DEFAULT"),
		operator.AtEnvironment:  store.PlaceOfEnvironment("DEFAULT"),
		operator.AtDomain:       store.PlaceOfDomain("own-domain"),
		operator.AtApplication:  store.PlaceOfApplication("own-application"),
	}
	roles := map[string]*operator.Role{}
	var names []string
	for _, page := range h.send("GET", short+"/organizations/DEFAULT/roles", "").data() {
		id := page["id"].(string)
		role, err := h.api.Operators.Role(t.Context(), id)
		if err != nil || !role.System {
			t.Fatalf("role %s: %v", id, err)
		}
		roles[id], names = role, append(names, id)
	}
	if len(names) != 9 {
		t.Fatalf("roles %v", names)
	}
	routes := h.api.Routes()
	for _, id := range names {
		t.Run(id, func(t *testing.T) {
			role := roles[id]
			who := h.member("op-"+id, "a password", id)
			if depth[role.Assignable] > 0 {
				who.Memberships = nil
				m := store.OperatorMembership{Reference: references[role.Assignable], Operator: who.ID, Role: id}
				if depth[role.Assignable] == 1 {
					who.Memberships = []store.OperatorMembership{m}
				} else {
					m.Domain = "own-domain"
					if err := h.store.OperatorMembers().Put(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
				if err := h.store.Operators().Replace(t.Context(), who); err != nil {
					t.Fatal(err)
				}
			}
			token := header("Authorization", "Bearer "+h.signIn("op-"+id, "a password"))
			everyone := roles[operator.RoleOrganizationUser].Permissions
			for _, rt := range routes {
				if rt.Permission == Public || rt.Permission == AnyOperator {
					continue
				}
				if !slices.Contains(operator.Known(), rt.Permission) {
					t.Errorf("%s %s: nobody has decided who has %s: see the table in package operator", rt.Method, rt.Pattern, rt.Permission)
					continue
				}
				within := depth[levelOf(rt)] >= depth[role.Assignable]
				member := depth[role.Assignable] >= depth[operator.AtDomain]
				for _, place := range []struct {
					what, domain, application string
					own                       bool
				}{
					{"own place", "own-domain", "own-application", true},
					{"foreign domain", "foreign-domain", "own-application", !member},
					{"foreign application", "own-domain", "foreign-application", role.Assignable != operator.AtApplication},
				} {
					if place.what != "own place" && depth[levelOf(rt)] < depth[operator.AtDomain] {
						continue
					}
					want := everyone[rt.Permission] || within && place.own && role.Permissions[rt.Permission]
					if role.Assignable == operator.AtApplication && place.domain == "own-domain" && guestMay[rt.Permission] &&
						depth[levelOf(rt)] >= depth[operator.AtDomain] {
						want = true
					}
					a := h.send(rt.Method, inPlace(rt, place.domain, place.application), "{}", token)
					if denied := a.code == http.StatusForbidden; denied == want {
						t.Errorf("%s (%s, %s): status %d, permitted should be %t\n%s", a.what, rt.Permission, place.what, a.code, want, a.body)
					}
					if a.code >= 500 || a.code == http.StatusUnauthorized {
						t.Errorf("%s: status %d\n%s", a.what, a.code, a.body)
					}
				}
			}
		})
	}
}

// guestMay is what members of an application may do in its domain.
var guestMay = map[string]bool{
	"group:list": true, "policy:list": true, "claim_mapping:list": true, "access:list": true,
	"domain:read": true, "application:list": true, "identity_provider:list": true, "certificate:list": true,
	"scope:list": true, "scope:read": true,
}

func TestTheTableSays(t *testing.T) {
	has := func(role, permission string) bool {
		for _, r := range builtInRoles(t) {
			if r.ID == role {
				return r.Permissions[permission]
			}
		}
		t.Fatalf("no role %s", role)
		return false
	}
	for _, tt := range []struct {
		sentence, role, permission string
		want                       bool
	}{
		{"an owner of the organization makes operators", operator.RoleOrganizationOwner, "operator:create", true},
		{"an owner of an environment makes domains", operator.RoleEnvironmentOwner, "domain:create", true},
		{"an owner of an environment makes no operators", operator.RoleEnvironmentOwner, "operator:create", false},
		{"a domain owner looks after people", operator.RoleDomainOwner, "user:update", true},
		{"a domain owner makes no domains", operator.RoleDomainOwner, "domain:create", false},
		{"a domain user does not see people", operator.RoleDomainUser, "user:read", false},
		{"an application owner renews secrets", operator.RoleApplicationOwner, "application_secret:update", true},
		{"an application owner does not see what providers are made of", operator.RoleApplicationOwner, "identity_provider:read", false},
		{"an application user renews no secrets", operator.RoleApplicationUser, "application_secret:update", false},
		{"an auditor reads audit records", operator.RoleAuditor, "audit:read", true},
		{"an auditor sees people", operator.RoleAuditor, "user:read", true},
		{"an auditor changes no domain", operator.RoleAuditor, "domain:update", false},
		{"nobody but everybody lists domains", operator.RoleOrganizationUser, "domain:list", true},
	} {
		if got := has(tt.role, tt.permission); got != tt.want {
			t.Errorf("%s: %t", tt.sentence, got)
		}
	}
	for _, permission := range operator.Known() {
		kind, verb, ok := strings.Cut(permission, ":")
		if !ok || kind == "" {
			t.Errorf("%s is no permission", permission)
		}
		if !has(operator.RoleOrganizationOwner, permission) {
			t.Errorf("the owner of the organization may not %s", permission)
		}
		if changes := verb != "list" && verb != "read" && verb != "check"; changes == has(operator.RoleAuditor, permission) {
			t.Errorf("an auditor and %s: %t", permission, !changes)
		}
	}
	// Owners can give every role of their places.
	for giver, given := range map[string][]string{
		operator.RoleEnvironmentOwner: {operator.RoleEnvironmentUser, operator.RoleDomainOwner},
		operator.RoleDomainOwner:      {operator.RoleDomainUser, operator.RoleApplicationOwner},
		operator.RoleApplicationOwner: {operator.RoleApplicationUser},
	} {
		for _, role := range given {
			for _, permission := range operator.Known() {
				if has(role, permission) && !has(giver, permission) {
					t.Errorf("%s has %s and %s has not", role, permission, giver)
				}
			}
		}
	}
}

func builtInRoles(t *testing.T) []*operator.Role {
	t.Helper()
	var roles []*operator.Role
	for _, id := range []string{
		operator.RoleOrganizationOwner, operator.RoleOrganizationUser, operator.RoleAuditor, operator.RoleEnvironmentOwner,
		operator.RoleEnvironmentUser, operator.RoleDomainOwner, operator.RoleDomainUser, operator.RoleApplicationOwner,
		operator.RoleApplicationUser,
	} {
		role, err := (&operator.Service{}).Role(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		roles = append(roles, role)
	}
	return roles
}
