package rest

import (
	"context"
	"net/http"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// ofApplication lists what goes with an application, and what names it.
func (x *uses) ofApplication(r *http.Request, id string) ([]*managementv1.Use, error) {
	a, err := editor.Read(r.Context(), x.editor, catalog.Applications, placeOf(r), id)
	if err != nil {
		return nil, err
	}
	var found []*managementv1.Use
	if catalog.ClientID(a) != "" {
		found = append(found, &managementv1.Use{Kind: providerName, Id: providerOf(a).GetId(), Name: a.GetName(), Then: thenRemoved})
	}
	if allowed(r.Context(), "binding:read") {
		found = append(found, bindingsOf(r.Context(), nil, a.GetBindings())...)
	}
	if allowed(r.Context(), "entitlement:read") {
		for _, e := range catalog.SortedEntitlements(a) {
			found = append(found, &managementv1.Use{
				Kind: "entitlement", Id: e.GetId(), Name: e.GetName(), Entitlement: e.GetId(), EntitlementName: e.GetName(), Then: thenRemoved,
			})
			found = append(found, bindingsOf(r.Context(), e, e.GetBindings())...)
		}
	}
	for _, k := range catalog.LeveledKinds {
		arm := k.Descriptor().Arm
		if !allowed(r.Context(), arm+":read") {
			continue
		}
		own, err := x.editor.OwnedBy(r.Context(), k, a)
		if err != nil {
			return nil, err
		}
		for _, one := range own {
			found = append(found, &managementv1.Use{Kind: arm, Id: one.GetId(), Name: k.NameOf(one), Then: thenRemoved})
		}
	}
	named := func(slugs []string) bool { return a.GetSlug() != "" && slices.Contains(slugs, a.GetSlug()) }
	asking, err := x.asking(r, func(_ string, _, slugs []string) string {
		if named(slugs) {
			return thenFailing
		}
		return ""
	})
	return append(found, asking...), err
}

// ofEntitlement lists what goes with an entitlement, and which expressions look at what people hold in its application.
func (x *uses) ofEntitlement(r *http.Request, id string) ([]*managementv1.Use, error) {
	a, err := applicationOf(r, x.editor)
	if err != nil {
		return nil, err
	}
	e, err := editor.Entitlement(a, id)
	if err != nil {
		return nil, err
	}
	var found []*managementv1.Use
	if allowed(r.Context(), "binding:read") {
		found = bindingsOf(r.Context(), e, e.GetBindings())
	}
	asking, err := x.asking(r, func(id string, inputs, slugs []string) string {
		here := slices.Contains(a.GetClaimMappings(), id) || catalog.Bound(a, func(b *configv1.Binding) bool { return b.GetPolicy() == id })
		held := slices.Contains(inputs, "entitlements") || slices.Contains(inputs, "entitlementAttributes")
		if here && held || a.GetSlug() != "" && slices.Contains(slugs, a.GetSlug()) {
			return thenChanged
		}
		return ""
	})
	return append(found, asking...), err
}

// asking lists the policies and claim mappings that are of concern, given their identifiers, what they read and the applications
// that they name.
func (x *uses) asking(r *http.Request, then func(id string, inputs, slugs []string) string) ([]*managementv1.Use, error) {
	var found []*managementv1.Use
	if allowed(r.Context(), "policy:read") {
		policies, _, err := editor.ReadAll(r.Context(), x.editor, catalog.Policies, placeOf(r), image.Query{})
		if err != nil {
			return nil, err
		}
		for _, p := range policies {
			compiled, err := access.CompilePolicy(p)
			if err != nil {
				continue // it fails already
			}
			if what := then(p.GetId(), compiled.Inputs(), compiled.Slugs()); what != "" {
				found = append(found, &managementv1.Use{Kind: catalog.Policies.Arm, Id: p.GetId(), Name: p.GetName(), Then: what})
			}
		}
	}
	if !allowed(r.Context(), "claim_mapping:read") {
		return found, nil
	}
	mappings, _, err := editor.ReadAll(r.Context(), x.editor, catalog.ClaimMappings, placeOf(r), image.Query{})
	for _, m := range mappings {
		inputs, slugs := claims.Reads(m)
		if what := then(m.GetId(), inputs, slugs); what != "" {
			found = append(found, &managementv1.Use{Kind: catalog.ClaimMappings.Arm, Id: m.GetId(), Name: m.GetName(), Then: what})
		}
	}
	return found, err
}

func (x *uses) ofHeading(r *http.Request, id string) ([]*managementv1.Use, error) {
	if _, err := editor.Read(r.Context(), x.editor, catalog.ApplicationGroups, placeOf(r), id); err != nil {
		return nil, err
	}
	apps, err := x.applications(r)
	var found []*managementv1.Use
	for _, a := range apps {
		if a.GetGroup() == id {
			found = append(found, &managementv1.Use{Kind: catalog.Applications.Arm, Id: a.GetId(), Name: a.GetName(), Then: thenUngroup})
		}
	}
	return found, err
}

// ofProvider lists the application that signs people in by a provider, if there is one.
func (x *uses) ofProvider(r *http.Request, id string) ([]*managementv1.Use, error) {
	p, err := x.editor.AnyProvider(r.Context(), placeOf(r), id)
	if err != nil || catalog.IsProvider(p) {
		return nil, err
	}
	return []*managementv1.Use{{Kind: catalog.Applications.Arm, Id: p.GetId(), Name: p.GetName(), Then: thenBookmark}}, nil
}

// bindingsOf lists bindings that go with what they belong to.
func bindingsOf(ctx context.Context, e *configv1.Entitlement, list []*configv1.Binding) []*managementv1.Use {
	var found []*managementv1.Use
	for _, b := range list {
		found = append(found, &managementv1.Use{
			Kind: "binding", Id: b.GetId(), Name: named(ctx, b), Entitlement: e.GetId(), EntitlementName: e.GetName(),
			Binding: veiled(ctx, b), Then: thenRemoved,
		})
	}
	return found
}

// allowed reports whether whoever asks has a permission.
func allowed(ctx context.Context, permission string) bool {
	o, known := operator.From(ctx)
	return !known || o.Allows(permission)
}
