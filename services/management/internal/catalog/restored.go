package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Restored completes and checks a resource that comes whole, with its secrets and its past, out of an archive: as a write does that
// changes nothing of it. What is stored anywhere can be stored again, and what a later version gives to every resource it gets. The
// scene has all of the domain.
func (k *Kind[R]) Restored(ctx context.Context, s *Scene, r resource.Resource) error {
	fresh := r.(R)
	old := proto.Clone(r).(R)
	if k.Normalize != nil {
		if err := k.Normalize(ctx, s, old, fresh); err != nil {
			return err
		}
	}
	if k.Validate != nil {
		return k.Validate(s, old, fresh)
	}
	return nil
}

// Rekeyed gives a domain, or a certificate of the server's own making, new keys in the place of those that an archive without
// secrets lacks. The key of a certificate that somebody uploaded cannot be made here.
func Rekeyed(s *Scene, r resource.Resource) error {
	switch r := r.(type) {
	case *configv1.Domain:
		if len(r.GetSecret()) == 0 {
			r.Secret = secret.NewKey()
		}
	case *configv1.Certificate:
		if len(r.GetPrivateKey()) > 0 {
			return nil
		}
		if r.GetGenerated() == nil {
			return fault.Invalidf("The private key of certificate [%s] is not in the archive. Export with a key, or without this certificate", r.GetName()).
				At("privateKey", "is not in the archive")
		}
		key, err := jose.GenerateKey(jose.Algorithm(r.GetAlgorithm()), r.GetKid())
		if err != nil {
			return fmt.Errorf("new key of certificate %q: %w", r.GetKid(), err)
		}
		return setKey(s, r, key, "")
	}
	return nil
}

// AsCopy gives a domain another name, with the path that follows from it, and no virtual hosts: those belong to the original.
func AsCopy(d *configv1.Domain, name string) {
	d.Name, d.Hrid = name, slug(name)
	if d.Hrid == "" {
		d.Hrid = "domain-" + d.GetId()[:8]
	}
	d.Path, d.VhostMode, d.Vhosts = "/"+d.Hrid, false, nil
}

// Named is a resource of the same domain that another one names.
type Named struct {
	// Kind is the arm of the named kind, Path the place in the one that names it.
	Kind, ID, Path string
}

// NamedBy returns what a resource names of its domain by identifier, people excepted.
func NamedBy(r resource.Resource) []Named {
	var all []Named
	add := func(kind, id, path string) {
		if id != "" {
			all = append(all, Named{kind, id, path})
		}
	}
	switch r := r.(type) {
	case *configv1.Domain:
		add(Certificates.Arm, r.GetCertificateSettings().GetFallbackCertificate(), "certificateSettings.fallbackCertificate")
	case *configv1.Application:
		add(ApplicationGroups.Arm, r.GetGroup(), "group")
		add(Certificates.Arm, r.GetCertificate(), "certificate")
		for i, id := range r.GetClaimMappings() {
			add(ClaimMappings.Arm, id, prototree.Index("claimMappings", i))
		}
		for i, p := range r.GetIdentityProviders() {
			add(IdentityProviders.Arm, p.GetIdentity(), prototree.Index("identityProviders", i)+".identity")
		}
		bound := func(path string, bindings []*configv1.Binding) {
			for i, b := range bindings {
				if b.GetOrphaned() {
					continue
				}
				at := prototree.Index(path+"bindings", i)
				add(Groups.Arm, b.GetGroup(), at+".group")
				add(Policies.Arm, b.GetPolicy(), at+".policy")
			}
		}
		bound("", r.GetBindings())
		for i, e := range r.GetEntitlements() {
			bound(prototree.Index("entitlements", i)+".", e.GetBindings())
		}
	case *configv1.IdentityProvider:
		for _, id := range slices.Sorted(maps.Keys(r.GetRoleMapper())) {
			add(Roles.Arm, id, prototree.Member("roleMapper", id))
		}
		for _, id := range slices.Sorted(maps.Keys(r.GetGroupMapper())) {
			add(Groups.Arm, id, prototree.Member("groupMapper", id))
		}
	case *configv1.Group:
		for i, id := range r.GetRoles() {
			add(Roles.Arm, id, prototree.Index("roles", i))
		}
		for i, id := range r.GetGroups() {
			add(Groups.Arm, id, prototree.Index("groups", i))
		}
	}
	if l, ok := r.(Leveled); ok {
		add(Applications.Arm, l.GetApplication(), "application")
	}
	return all
}

// PeopleBound returns the people whom the bindings of an application name and who are not marked as gone.
func PeopleBound(a *configv1.Application) []string {
	return Subjects(slices.DeleteFunc(allBindings(a), func(b *configv1.Binding) bool { return b.GetOrphaned() }))
}
