package rest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// uses answers who names what, across the applications of a domain.
type uses struct {
	mux    *Mux
	editor *editor.Editor
}

// What becomes of a use when what is used is deleted.
const (
	thenRefused  = "refused"
	thenOrphaned = "orphaned"
	thenRemoved  = "removed"
	thenUngroup  = "ungrouped"
	thenBookmark = "bookmark"
	thenChanged  = "changed"
	thenFailing  = "failing"
)

func mountUses(m *Mux) {
	x := &uses{mux: m, editor: m.api.Editor}
	d := catalog.Domains.Item()
	m.Handle("GET "+d+"/bindings", "access:list", x.bindings, operation.Operation{
		Summary: "List the bindings of all applications of a domain.",
		Details: "Those of the applications that the caller may read, and of their entitlements, by the names of the applications.",
		Query: operation.Paging(
			operation.Parameter{Name: "group", Type: "string", Description: "Only bindings of the group with this id."},
			operation.Parameter{Name: "user", Type: "string", Description: "Only bindings of the user with this id."},
			operation.Parameter{Name: "policy", Type: "string", Description: "Only bindings of the policy with this id."},
			operation.Parameter{Name: "orphaned", Type: "boolean", Description: "Only bindings whose group or user is gone, or only others."},
			operation.Parameter{Name: "expired", Type: "boolean", Description: "Only bindings that have expired, or only others."},
		), Answer: &managementv1.Use{}, Shape: operation.Page,
	})
	list := func(path, permission, title string, find func(r *http.Request, id string) ([]*managementv1.Use, error), name string) {
		m.Handle("GET "+path+"/uses", permission, func(w http.ResponseWriter, r *http.Request) error {
			found, err := find(r, r.PathValue(name))
			if err != nil {
				return err
			}
			return x.answer(w, r, found)
		}, operation.Operation{
			Summary: "List where " + title + " is used, and what its deletion would make of that.",
			Query:   operation.Paging()[:2], Answer: &managementv1.Use{}, Shape: operation.Page,
		})
	}
	list(catalog.Policies.Item(), "policy:read", "a policy", x.ofPolicy, "policy")
	list(catalog.Groups.Item(), "group:read", "a group", x.ofGroup, "group")
	list(d+"/users/{user}", "user:read", "a user", x.ofUser, "user")
	list(catalog.ClaimMappings.Item(), "claim_mapping:read", "a claim mapping", x.ofMapping, "claim_mapping")
	list(catalog.Applications.Item(), "application:read", "an application", x.ofApplication, "application")
	list(catalog.Applications.Item()+"/entitlements/{entitlement}", "entitlement:read", "an entitlement", x.ofEntitlement, "entitlement")
	list(catalog.ApplicationGroups.Item(), "application_group:read", "an application group", x.ofHeading, "application_group")
	list(d+"/providers/{"+providerName+"}", "application:read", "a provider", x.ofProvider, providerName)
}

// answer answers one page of uses.
func (x *uses) answer(w http.ResponseWriter, r *http.Request, all []*managementv1.Use) error {
	page, size, q, err := x.mux.Page(r, 0)
	if err != nil {
		return err
	}
	if q != "" {
		all = slices.DeleteFunc(all, func(u *managementv1.Use) bool {
			return !searched(q, u.GetName(), u.GetEntitlementName(), u.GetBinding().GetName())
		})
	}
	entries := []prototree.Object{}
	for _, u := range paged(all, page, size) {
		tree, err := prototree.Management.Encode(u)
		if err != nil {
			return err
		}
		entries = append(entries, tree)
	}
	return x.mux.List(w, page, int64(len(all)), entries)
}

// applications returns those of the request's domain that the caller may read, by name.
func (x *uses) applications(r *http.Request) ([]*configv1.Application, error) {
	var q image.Query
	if err := x.mux.api.visible(r, catalog.Applications.Arm, &q); err != nil {
		return nil, err
	}
	found, _, err := editor.ReadAll(r.Context(), x.editor, catalog.Applications, placeOf(r), q)
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b *configv1.Application) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.GetName()), strings.ToLower(b.GetName())), strings.Compare(a.GetId(), b.GetId()))
	})
	return found, err
}

// bound returns the bindings that are looked for.
func (x *uses) bound(r *http.Request, is func(*configv1.Binding) bool, then func(*configv1.Binding) string) ([]*managementv1.Use, error) {
	apps, err := x.applications(r)
	if err != nil {
		return nil, err
	}
	var found []*managementv1.Use
	for _, a := range apps {
		add := func(e *configv1.Entitlement, list []*configv1.Binding) {
			for _, b := range list {
				if is(b) {
					found = append(found, &managementv1.Use{
						Kind: catalog.Applications.Arm, Id: a.GetId(), Name: a.GetName(), Entitlement: e.GetId(), EntitlementName: e.GetName(),
						Binding: veiled(r.Context(), b), Then: then(b),
					})
				}
			}
		}
		add(nil, a.GetBindings())
		for _, e := range catalog.SortedEntitlements(a) {
			add(e, e.GetBindings())
		}
	}
	return found, nil
}

// then is what the deletion of its subject makes of a binding.
func then(b *configv1.Binding) string {
	if b.GetPolicy() != "" {
		return thenRefused
	}
	return thenOrphaned
}

func (x *uses) bindings(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r)
	if err != nil {
		return err
	}
	flag := func(name string) (given, value bool, err error) {
		switch text := values.Get(name); text {
		case "":
			return false, false, nil
		case "true", "false":
			return true, text == "true", nil
		default:
			return false, false, constraint(name, text, "must be true or false")
		}
	}
	orphaned, isOrphaned, err := flag("orphaned")
	if err != nil {
		return err
	}
	expired, isExpired, err := flag("expired")
	if err != nil {
		return err
	}
	now := x.editor.Now()
	found, err := x.bound(r, func(b *configv1.Binding) bool {
		ended := b.GetExpiresAt() != nil && !b.GetExpiresAt().AsTime().After(now)
		return (!values.Has("group") || b.GetGroup() == values.Get("group")) &&
			(!values.Has("user") || b.GetUser() == values.Get("user")) &&
			(!values.Has("policy") || b.GetPolicy() == values.Get("policy")) &&
			(!orphaned || b.GetOrphaned() == isOrphaned) && (!expired || ended == isExpired)
	}, then)
	if err != nil {
		return err
	}
	return x.answer(w, r, found)
}

func (x *uses) ofPolicy(r *http.Request, id string) ([]*managementv1.Use, error) {
	if _, err := editor.Read(r.Context(), x.editor, catalog.Policies, placeOf(r), id); err != nil {
		return nil, err
	}
	return x.bound(r, func(b *configv1.Binding) bool { return b.GetPolicy() == id }, then)
}

func (x *uses) ofGroup(r *http.Request, id string) ([]*managementv1.Use, error) {
	if _, err := editor.Read(r.Context(), x.editor, catalog.Groups, placeOf(r), id); err != nil {
		return nil, err
	}
	found, err := x.bound(r, func(b *configv1.Binding) bool { return b.GetGroup() == id }, then)
	if err != nil {
		return nil, err
	}
	groups, _, err := editor.ReadAll(r.Context(), x.editor, catalog.Groups, placeOf(r), image.Query{})
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if slices.Contains(g.GetGroups(), id) {
			found = append(found, &managementv1.Use{Kind: catalog.Groups.Arm, Id: g.GetId(), Name: g.GetName(), Then: thenRemoved})
		}
	}
	providers, _, err := editor.ReadAll(r.Context(), x.editor, catalog.IdentityProviders, placeOf(r), image.Query{})
	for _, p := range providers {
		if _, mapped := p.GetGroupMapper()[id]; mapped {
			found = append(found, &managementv1.Use{Kind: catalog.IdentityProviders.Arm, Id: p.GetId(), Name: p.GetName(), Then: thenRemoved})
		}
	}
	return found, err
}

func (x *uses) ofUser(r *http.Request, id string) ([]*managementv1.Use, error) {
	if err := x.editor.UserExists(r.Context(), placeOf(r), id); err != nil {
		return nil, err
	}
	return x.bound(r, func(b *configv1.Binding) bool { return b.GetUser() == id }, then)
}

func (x *uses) ofMapping(r *http.Request, id string) ([]*managementv1.Use, error) {
	if _, err := editor.Read(r.Context(), x.editor, catalog.ClaimMappings, placeOf(r), id); err != nil {
		return nil, err
	}
	apps, err := x.applications(r)
	if err != nil {
		return nil, err
	}
	var found []*managementv1.Use
	for _, a := range apps {
		if slices.Contains(a.GetClaimMappings(), id) {
			found = append(found, &managementv1.Use{Kind: catalog.Applications.Arm, Id: a.GetId(), Name: a.GetName(), Then: thenRefused})
		}
	}
	return found, nil
}
