package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// IdentityProviders are the sources of identity a domain can authenticate against.
var IdentityProviders = &Kind[*configv1.IdentityProvider]{
	Arm:       "identity_provider",
	Title:     "Identity Provider",
	Path:      "identities",
	Parent:    Domains,
	List:      Bare,
	ChoosesID: true,
	Needs:     NeedsRoles | NeedsGroups,
	Name:      (*configv1.IdentityProvider).GetName,
	Posted:    needsConfiguration,
	Put: func(body prototree.Object, _ *configv1.IdentityProvider) (prototree.Object, error) {
		return needsConfiguration(body)
	},
	Normalize: normalizeProvider,
	Validate:  validateProvider,
	References: []Reference[*configv1.IdentityProvider]{{
		Kind:   "application",
		Field:  "identityProviders.identity",
		Value:  (*configv1.IdentityProvider).GetId,
		Refuse: "You can't delete an identity provider with existing clients.",
	}},
}

// DefaultProviderID returns the identifier of the directory provider that comes with a domain.
func DefaultProviderID(domain string) string { return "default-idp-" + domain }

func defaultProvider(s *Scene, domain string) *configv1.IdentityProvider {
	p := &configv1.IdentityProvider{
		Name:   "Default Identity Provider",
		System: true,
		Config: &configv1.IdentityProvider_Directory{Directory: &configv1.DirectoryProvider{}},
	}
	stampNew(s, p, DefaultProviderID(domain), domain)
	return p
}

// needsConfiguration refuses a body without type or configuration.
func needsConfiguration(body prototree.Object) (prototree.Object, error) {
	text := func(name string) string {
		switch v := body[name].(type) {
		case nil:
			return ""
		case string:
			return v
		}
		return "given"
	}
	if err := required("type", text("type"), "configuration", text("configuration")); err != nil {
		return nil, err
	}
	return body, nil
}

// normalizeProvider hashes the passwords of inline users, except those that are hashes of passwords already: argon2id or
// bcrypt. The hash of a generated secret has no salt and costs nothing to try, so it is not one of them.
func normalizeProvider(ctx context.Context, s *Scene, _, p *configv1.IdentityProvider) error {
	if t, ok := typeOf(p); ok {
		if p.GetExternal() && !t.External {
			return broken("external", "true", "must be false for a provider that checks names and passwords itself")
		}
		p.External = t.External
	}
	for i, u := range p.GetInline().GetUsers() {
		if u.GetPassword() == "" || (secret.Known(u.GetPassword()) && !secret.IsGenerated(u.GetPassword())) {
			continue
		}
		hashed, err := s.hash(ctx, fmt.Sprintf("configuration.users[%d].password", i), u.GetPassword())
		if err != nil {
			return err
		}
		u.Password = hashed
	}
	return nil
}

func validateProvider(s *Scene, old, p *configv1.IdentityProvider) error {
	if err := renamed(old.GetName(), p.GetName()); err != nil {
		return err
	}
	if p.GetConfig() == nil {
		return required("type", "", "configuration", "")
	}
	if old.GetId() != "" && providerType(old) != providerType(p) {
		return fault.Invalidf("The type of an identity provider can not be changed.").At("type", "can not be changed")
	}
	for i, d := range p.GetDomainWhitelist() {
		if strings.TrimSpace(d) == "" || strings.ContainsAny(d, "@ \t\n") {
			return broken(index("domainWhitelist", i), d, "must be a domain name")
		}
	}
	c := &configuration{}
	if t, ok := typeOf(p); ok {
		c.has(configOf(p), t.Required)
		if t.check != nil {
			t.check(c, p)
		}
	}
	if c.err != nil {
		return c.err
	}
	if err := checkMappers(p); err != nil {
		return err
	}
	return checkMapped(s, old, p)
}

// configOf returns the message of the configuration.
func configOf(p *configv1.IdentityProvider) proto.Message {
	m := p.ProtoReflect()
	return m.Get(m.WhichOneof(m.Descriptor().Oneofs().ByName("config"))).Message().Interface()
}

// checkMapped refuses mappers that give people a role or a group that the domain does not have, unless
// they did so before.
func checkMapped(s *Scene, old, p *configv1.IdentityProvider) error {
	for _, name := range slices.Sorted(maps.Keys(p.GetMappers())) {
		if err := required(prototree.Member("mappers", name), p.GetMappers()[name]); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.GetRoleMapper())) {
		if _, before := old.GetRoleMapper()[id]; !before && !slices.ContainsFunc(s.Roles, func(r *configv1.Role) bool { return r.GetId() == id }) {
			return dangling(prototree.Member("roleMapper", id), "Role", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.GetGroupMapper())) {
		if _, before := old.GetGroupMapper()[id]; !before && !slices.ContainsFunc(s.Groups, func(g *configv1.Group) bool { return g.GetId() == id }) {
			return dangling(prototree.Member("groupMapper", id), "Group", id)
		}
	}
	return nil
}

// providerType tells the arms of the variant apart.
func providerType(p *configv1.IdentityProvider) string { return fmt.Sprintf("%T", p.GetConfig()) }

func validateInline(c *configv1.InlineProvider) error {
	seen := map[string]bool{}
	for i, u := range c.GetUsers() {
		path := index("configuration.users", i)
		if err := required(path+".username", u.GetUsername(), path+".password", u.GetPassword()); err != nil {
			return err
		}
		name := strings.ToLower(u.GetUsername())
		if seen[name] {
			return broken(path+".username", u.GetUsername(), "must be unique in any case")
		}
		seen[name] = true
	}
	return nil
}

func index(path string, i int) string { return prototree.Index(path, i) }
