package catalog

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Scopes are what applications may ask for.
var Scopes = &Kind[*configv1.Scope]{
	Arm:     "scope",
	Title:   "Scope",
	Path:    "scopes",
	Parent:  Domains,
	Name:    (*configv1.Scope).GetKey,
	SortKey: (*configv1.Scope).GetKey,
	Searched: func(s *configv1.Scope) []string {
		return []string{s.GetKey(), s.GetName()}
	},
	Unique: []Unique[*configv1.Scope]{{
		Name:  "key",
		Value: func(s *configv1.Scope) string { return DomainKey(s.GetDomain(), s.GetKey()) },
		Taken: func(_, s *configv1.Scope) error { return existsIn("scope", s.GetKey(), s.GetDomain()) },
	}},
	Put:       putScope,
	Normalize: normalizeScope,
	Validate:  validateScope,
	Keep: func(s *configv1.Scope) error {
		if s.GetSystem() {
			return fault.Invalidf("Scope [%s] is flag as system and cannot be deleted.", s.GetId())
		}
		return nil
	},
	References: []Reference[*configv1.Scope]{{
		Kind:   "application",
		Field:  "settings.oauth.scopeSettings.scope",
		Value:  (*configv1.Scope).GetKey,
		Remove: removeScope,
	}, {
		Kind:   "role",
		Field:  "oauthScopes",
		Value:  (*configv1.Scope).GetKey,
		Remove: removeRoleScope,
	}, {
		Kind:   "domain",
		Field:  "oidc.clientRegistrationSettings.defaultScopes",
		Value:  (*configv1.Scope).GetKey,
		Remove: removeRegistrationScope,
	}, {
		Kind:   "domain",
		Field:  "oidc.clientRegistrationSettings.allowedScopes",
		Value:  (*configv1.Scope).GetKey,
		Remove: removeRegistrationScope,
	}},
}

// putScope keeps the key, and the switches that the body leaves out or sets to null.
func putScope(body prototree.Object, old *configv1.Scope) (prototree.Object, error) {
	body = without(body, "key")
	if body["discovery"] == nil {
		body["discovery"] = old.GetDiscovery()
	}
	if body["parameterized"] == nil {
		body["parameterized"] = old.GetParameterized()
	}
	return body, nil
}

func normalizeScope(_ context.Context, _ *Scene, old, s *configv1.Scope) error {
	if old.GetId() == "" {
		s.Key = strings.Join(strings.Fields(s.GetKey()), "_")
	}
	if old.GetSystem() {
		s.Discovery, s.Parameterized = old.GetDiscovery(), old.GetParameterized()
	}
	return nil
}

func validateScope(_ *Scene, old, s *configv1.Scope) error {
	if err := required("key", s.GetKey(), "name", s.GetName(), "description", s.GetDescription()); err != nil {
		return err
	}
	if err := renamed(old.GetName(), s.GetName()); err != nil {
		return err
	}
	if len(s.GetKey()) > maxName && s.GetKey() != old.GetKey() {
		return broken("key", "", fmt.Sprintf("size must be at most %d", maxName))
	}
	if !oauth2.ValidScope(s.GetKey()) {
		return broken("key", s.GetKey(), "must be printable ASCII without spaces, quotes and backslashes")
	}
	if icon := s.GetIconUri(); icon != "" {
		u, err := url.Parse(icon)
		if err != nil || u.Scheme == "" || unsafeScheme(u.Scheme) || u.Host == "" && u.Opaque == "" && u.Path == "" {
			return fault.Invalidf("Icon uri claim is malformed : %s", icon).At("iconUri", "is malformed")
		}
	}
	return notNegative("expiresIn", int64(s.GetExpiresIn()))
}

func removeScope(from resource.Resource, gone *configv1.Scope) {
	oauth := from.(*configv1.Application).GetSettings().GetOauth()
	oauth.ScopeSettings = slices.DeleteFunc(oauth.GetScopeSettings(), func(s *configv1.ScopeSetting) bool {
		return s.GetScope() == gone.GetKey()
	})
}

// removeRegistrationScope leaves an emptied list of allowed scopes in place: it still filters.
func removeRegistrationScope(from resource.Resource, gone *configv1.Scope) {
	settings := from.(*configv1.Domain).GetOidc().GetClientRegistrationSettings()
	is := func(key string) bool { return key == gone.GetKey() }
	settings.DefaultScopes = slices.DeleteFunc(settings.GetDefaultScopes(), is)
	if allowed := settings.GetAllowedScopes(); allowed != nil {
		allowed.Values = slices.DeleteFunc(allowed.GetValues(), is)
	}
}

// systemScope is a scope that every domain has.
type systemScope struct {
	key, name, description string
	discovery              bool
}

var systemScopes = []systemScope{
	{"profile", "Profile", "Access to the default profile claims of the user", true},
	{"full_profile", "Full profile", "Access to all profile claims of the user", true},
	{"email", "Email", "Access to the email address of the user", true},
	{"address", "Address", "Access to the postal address of the user", true},
	{"phone", "Phone", "Access to the phone number of the user", true},
	{"openid", "OpenID", "Sign in and receive an ID token", true},
	{"offline_access", "Offline access", "Access while the user is away", true},
	{"groups", "Groups", "Access to the groups of the user", true},
	{"roles", "Roles", "Access to the roles of the user", true},
	{"dcr", "Client registration", "Read and change one's own client registration", false},
	{"dcr_admin", "Client registration administration", "Register, read and change any client", false},
	{"scim", "SCIM", "Manage users and groups by SCIM", false},
	{"uma_protection", "UMA protection", "Access to the UMA protection API", false},
	{"consent_admin", "Consent administration", "Manage the consents of users", false},
}

// administrativeScopes reach a client's metadata only through an administrator: they give power over other clients and the
// people of the domain.
var administrativeScopes = []string{"dcr_admin", "scim", "consent_admin"}

func (s systemScope) in(scene *Scene, domain string) *configv1.Scope {
	scope := &configv1.Scope{
		Key: s.key, Name: s.name, Description: s.description, Discovery: s.discovery, System: true,
	}
	stampNew(scene, scope, secret.NewID(), domain)
	return scope
}

func stampNew(s *Scene, r resource.Resource, id, domain string) {
	resource.Stamp(r, resource.Stamps{ID: id, Domain: domain, CreatedAt: s.Now, UpdatedAt: s.Now})
}

func hasScope(scopes []*configv1.Scope, key string) bool {
	return slices.ContainsFunc(scopes, func(s *configv1.Scope) bool { return s.GetKey() == key })
}

// copyOf returns a copy that may be changed.
func copyOf[M proto.Message](m M) M { return proto.CloneOf(m) }
