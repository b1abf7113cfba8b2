package editor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// bound is the kind of application for changes of who may use one.
var bound = func() *catalog.Kind[*configv1.Application] {
	k := *catalog.Applications
	k.Needs |= catalog.NeedsGroups | catalog.NeedsPolicies
	return &k
}()

// changeRule runs a change of who may use an application, and of what they hold inside it. Two that come at once both
// succeed: the one that is late begins again.
func (e *Editor) changeRule(ctx context.Context, at Place, id string, ifMatch int64, action Action,
	change func(s *catalog.Scene, f *catalog.Faults, a *configv1.Application) error,
) (*configv1.Application, error) {
	changed, err := update(ctx, e, bound, at, id, ifMatch, action,
		func(_ context.Context, s *catalog.Scene, old *configv1.Application) (*configv1.Application, error) {
			s.Unjudged = true
			a := proto.CloneOf(old)
			var f catalog.Faults
			if err := change(s, &f, a); err != nil {
				return a, err
			}
			return a, f.Err()
		})
	if err != nil || DryRun(ctx) {
		return changed, err
	}
	return changed, e.orphanLate(ctx, changed)
}

// orphanLate marks the bindings of an application whose group or user was deleted by another process while they were written. Who
// deletes looks for bindings again afterwards, so that one of the two finds them.
func (e *Editor) orphanLate(ctx context.Context, a *configv1.Application) error {
	ctx = context.WithoutCancel(ctx)
	groups := map[string]bool{}
	var users []string
	catalog.Bound(a, func(b *configv1.Binding) bool {
		if b.GetGroup() != "" && !b.GetOrphaned() {
			groups[b.GetGroup()] = true
		}
		if b.GetUser() != "" && !b.GetOrphaned() {
			users = append(users, b.GetUser())
		}
		return false
	})
	gone := map[string]bool{}
	for id := range groups {
		_, err := store.Get(ctx, e.store, catalog.Groups, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil // the change is made; whoever deletes looks as well
		}
		gone[id] = err != nil
	}
	if len(users) > 0 {
		known, err := e.store.Users().Some(ctx, a.GetDomain(), users)
		if err != nil {
			return nil
		}
		for _, id := range users {
			gone[id] = known[id] == nil
		}
	}
	for _, is := range gone {
		if is {
			return e.orphanAll(ctx, a.GetDomain(), func(b *configv1.Binding) bool {
				return !b.GetOrphaned() && (b.GetGroup() != "" && gone[b.GetGroup()] || b.GetUser() != "" && gone[b.GetUser()])
			})
		}
	}
	return nil
}

// WithScene lets somebody look at what changes of a domain are decided by.
func (e *Editor) WithScene(ctx context.Context, at Place, needs catalog.Needs, look func(*catalog.Scene) error) error {
	d, err := e.domain(ctx, at, at.Domain)
	if err != nil {
		return err
	}
	return e.onScene(ctx, at, d, needs, false, look)
}

// MeetPeople lets a scene know the people of a domain whom a change names.
func (e *Editor) MeetPeople(ctx context.Context, s *catalog.Scene, domain string, ids []string) error {
	known, err := e.store.Users().Some(ctx, domain, slices.Compact(slices.Sorted(slices.Values(ids))))
	if err != nil {
		return err
	}
	if s.People == nil {
		s.People = make(map[string]string, len(known))
	}
	for id, user := range known {
		s.People[id] = user.GetUsername()
	}
	return nil
}

// UserExists refuses the identifier of somebody who is not in the domain of a place.
func (e *Editor) UserExists(ctx context.Context, at Place, id string) error {
	if _, err := e.domain(ctx, at, at.Domain); err != nil {
		return err
	}
	_, err := e.store.Users().Get(ctx, at.Domain, id)
	if errors.Is(err, store.ErrNotFound) {
		return fault.NotFoundf("User [%s] can not be found.", id)
	}
	return err
}

// Bindings returns the bindings of an application, or of one of its entitlements, which an application has under an
// identifier.
func Bindings(a *configv1.Application, entitlement string) ([]*configv1.Binding, error) {
	list, err := bindingsOf(a, entitlement)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

func bindingsOf(a *configv1.Application, entitlement string) (*[]*configv1.Binding, error) {
	if entitlement == "" {
		return &a.Bindings, nil
	}
	e, err := Entitlement(a, entitlement)
	if err != nil {
		return nil, err
	}
	return &e.Bindings, nil
}

// Binding returns one of some bindings.
func Binding(bindings []*configv1.Binding, id string) (*configv1.Binding, error) {
	i := slices.IndexFunc(bindings, func(b *configv1.Binding) bool { return b.GetId() == id })
	if i < 0 {
		return nil, fault.NotFoundf("Binding [%s] can not be found.", id)
	}
	return bindings[i], nil
}

// Entitlement returns an entitlement of an application.
func Entitlement(a *configv1.Application, id string) (*configv1.Entitlement, error) {
	i := slices.IndexFunc(a.GetEntitlements(), func(e *configv1.Entitlement) bool { return e.GetId() == id })
	if i < 0 {
		return nil, fault.NotFoundf("Entitlement [%s] can not be found.", id)
	}
	return a.GetEntitlements()[i], nil
}

func belongsTo(entitlement string) catalog.BoundTo {
	if entitlement == "" {
		return catalog.ToApplication
	}
	return catalog.ToEntitlement
}

// AddBinding gives an application, or one of its entitlements, another binding.
func (e *Editor) AddBinding(ctx context.Context, at Place, id, entitlement string, body prototree.Object) (*configv1.Application, *configv1.Binding, error) {
	var made *configv1.Binding
	a, err := e.changeRule(ctx, at, id, 0, BindingAdded, func(s *catalog.Scene, f *catalog.Faults, a *configv1.Application) error {
		list, err := bindingsOf(a, entitlement)
		if err != nil {
			return err
		}
		if len(*list) >= catalog.MaxBindings {
			return fault.Invalidf("Too many bindings. Cannot have more than %d", catalog.MaxBindings)
		}
		made = &configv1.Binding{}
		if err := readBinding(f, body, made); err != nil {
			return err
		}
		return e.settleBinding(ctx, s, f, a, list, nil, made, belongsTo(entitlement))
	})
	return a, made, err
}

// ChangeBinding puts a body in the place of a binding, or merges it into the binding (RFC 7396).
func (e *Editor) ChangeBinding(ctx context.Context, at Place, id, entitlement, binding string, body prototree.Object, merge bool, ifMatch int64) (*configv1.Application, *configv1.Binding, error) {
	var fresh *configv1.Binding
	a, err := e.changeRule(ctx, at, id, ifMatch, BindingChanged, func(s *catalog.Scene, f *catalog.Faults, a *configv1.Application) error {
		list, err := bindingsOf(a, entitlement)
		if err != nil {
			return err
		}
		old, err := Binding(*list, binding)
		if err != nil {
			return err
		}
		tree := body
		if merge {
			if tree, err = mergedPart(old, body, entitlement != ""); err != nil {
				return err
			}
		}
		fresh = &configv1.Binding{}
		if err := readBinding(f, tree, fresh); err != nil {
			return err
		}
		if fresh.Order == nil {
			fresh.Order = old.Order
		}
		if entitlement != "" {
			fresh.Order = nil
		}
		return e.settleBinding(ctx, s, f, a, list, old, fresh, belongsTo(entitlement))
	})
	return a, fresh, err
}

// settleBinding completes and checks a binding and puts it into the list in the place of old.
func (e *Editor) settleBinding(ctx context.Context, s *catalog.Scene, f *catalog.Faults, a *configv1.Application,
	list *[]*configv1.Binding, old, b *configv1.Binding, to catalog.BoundTo,
) error {
	if err := e.MeetPeople(ctx, s, a.GetDomain(), catalog.Subjects([]*configv1.Binding{b})); err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(*list), func(o *configv1.Binding) bool { return o == old })
	catalog.CheckBinding(s, f, "", old, b, others, to)
	catalog.ClashingBinding(f, "", b, others)
	others = append(others, b)
	catalog.SortBindings(others)
	*list = others
	return nil
}

// DeleteBinding takes a binding away.
func (e *Editor) DeleteBinding(ctx context.Context, at Place, id, entitlement, binding string, ifMatch int64) error {
	_, err := e.changeRule(ctx, at, id, ifMatch, BindingDeleted, func(_ *catalog.Scene, _ *catalog.Faults, a *configv1.Application) error {
		list, err := bindingsOf(a, entitlement)
		if err != nil {
			return err
		}
		if _, err := Binding(*list, binding); err != nil {
			return err
		}
		*list = slices.DeleteFunc(*list, func(b *configv1.Binding) bool { return b.GetId() == binding })
		return nil
	})
	return err
}

// ReorderBindings gives the bindings of an application the order of a complete list of their identifiers.
func (e *Editor) ReorderBindings(ctx context.Context, at Place, id string, ids []string, ifMatch int64) (*configv1.Application, error) {
	return e.changeRule(ctx, at, id, ifMatch, BindingsReordered, func(_ *catalog.Scene, f *catalog.Faults, a *configv1.Application) error {
		place := make(map[string]int, len(ids))
		for i, id := range ids {
			path := fmt.Sprintf("[%d]", i)
			if _, again := place[id]; again {
				f.Refuse(path, "must be given once")
			} else if _, err := Binding(a.GetBindings(), id); err != nil {
				f.Refuse(path, fmt.Sprintf("Binding [%s] can not be found.", id))
			}
			place[id] = i + 1
		}
		for _, b := range a.GetBindings() {
			if place[b.GetId()] == 0 {
				f.Refuse("", fmt.Sprintf("Binding [%s] is missing.", b.GetId()))
			}
			b.Order = proto.Int32(int32(place[b.GetId()] * 10)) //nolint:gosec // there are at most MaxBindings
		}
		catalog.SortBindings(a.GetBindings())
		return nil
	})
}

// ReplaceAccess puts a body in the place of mode, switches and bindings of an application, all at once.
func (e *Editor) ReplaceAccess(ctx context.Context, at Place, id string, body prototree.Object, ifMatch int64) (*configv1.Application, error) {
	return e.changeRule(ctx, at, id, ifMatch, AccessReplaced, func(s *catalog.Scene, f *catalog.Faults, a *configv1.Application) error {
		return e.replaceRule(ctx, s, f, a, body)
	})
}

func (e *Editor) replaceRule(ctx context.Context, s *catalog.Scene, f *catalog.Faults, a *configv1.Application, body prototree.Object) error {
	var rule managementv1.AccessRule
	if err := prototree.Management.Decode(body, &rule); err != nil {
		return catalog.TreeError(err)
	}
	if list, ok := body["bindings"].([]any); ok {
		for i, entry := range list {
			if tree, ok := entry.(prototree.Object); ok {
				refuseZero(f, fmt.Sprintf("bindings[%d].timeoutSeconds", i), tree)
			}
		}
	}
	a.Access = &configv1.ApplicationAccess{
		Mode: rule.GetMode(), EntitlementsGrant: rule.GetEntitlementsGrant(), Message: rule.GetMessage(), OnDenied: rule.GetOnDenied(),
	}
	catalog.CheckAccess(f, "", a.GetAccess())
	old := a.GetBindings()
	a.Bindings = rule.GetBindings()
	if err := e.MeetPeople(ctx, s, a.GetDomain(), catalog.Subjects(a.GetBindings())); err != nil {
		return err
	}
	catalog.CheckBindings(s, f, "bindings", old, a.GetBindings(), catalog.ToApplication)
	return nil
}

// readBinding reads the body of a binding strictly. What only the server sets is completed afterwards.
func readBinding(f *catalog.Faults, body prototree.Object, into *configv1.Binding) error {
	if err := prototree.Management.Decode(body, into); err != nil {
		return catalog.TreeError(err)
	}
	refuseZero(f, "timeoutSeconds", body)
	return nil
}

// refuseZero refuses a timeout of 0, which a message does not tell from none.
func refuseZero(f *catalog.Faults, path string, body prototree.Object) {
	if v, given := body["timeoutSeconds"]; given && v != nil {
		if n, ok := v.(json.Number); ok && strings.Trim(n.String(), "-0.") == "" {
			f.Refuse(path, "must be from 1 to 60")
		}
	}
}

// mergedPart merges a body into a binding.
func mergedPart(old *configv1.Binding, body prototree.Object, held bool) (prototree.Object, error) {
	tree, err := prototree.Management.Encode(old)
	if err != nil {
		return nil, err
	}
	if held {
		for _, name := range []string{"effect", "reportOnly", "failureResult"} {
			delete(tree, name)
		}
	}
	// A null for an unknown member vanishes in the merge.
	if err := prototree.Management.Decode(body, &configv1.Binding{}); isUnknownMember(err) {
		return nil, catalog.TreeError(err)
	}
	return mergepatch.Merge(tree, body), nil
}

// AddEntitlement gives an application another entitlement, without bindings: nobody holds it yet.
func (e *Editor) AddEntitlement(ctx context.Context, at Place, id string, body prototree.Object) (*configv1.Application, *configv1.Entitlement, error) {
	a, made, err := e.addEntitlement(ctx, at, id, body)
	if fault.Is(err, fault.Invalid) && strings.Contains(err.Error(), "scope") {
		a, made, err = e.addEntitlement(ctx, at, id, body) // somebody else's first entitlement of the domain has brought its scope
	}
	return a, made, err
}

func (e *Editor) addEntitlement(ctx context.Context, at Place, id string, body prototree.Object) (*configv1.Application, *configv1.Entitlement, error) {
	var made *configv1.Entitlement
	a, err := e.changeRule(ctx, at, id, 0, EntitlementAdded, func(s *catalog.Scene, f *catalog.Faults, a *configv1.Application) error {
		if len(a.GetEntitlements()) >= catalog.MaxEntitlements {
			return fault.Invalidf("Too many entitlements. Cannot have more than %d", catalog.MaxEntitlements)
		}
		made = &configv1.Entitlement{}
		if err := prototree.Management.Decode(body, made); err != nil {
			return catalog.TreeError(err)
		}
		catalog.CheckEntitlement(s, f, "", nil, made, a.GetEntitlements())
		a.Entitlements = append(a.Entitlements, made)
		return nil
	})
	return a, made, err
}

// ChangeEntitlement puts a body in the place of an entitlement, or merges it into it (RFC 7396). Its bindings stay.
func (e *Editor) ChangeEntitlement(ctx context.Context, at Place, id, entitlement string, body prototree.Object, merge bool, ifMatch int64) (*configv1.Application, *configv1.Entitlement, error) {
	var fresh *configv1.Entitlement
	a, err := e.changeRule(ctx, at, id, ifMatch, EntitlementChanged, func(s *catalog.Scene, f *catalog.Faults, a *configv1.Application) error {
		old, err := Entitlement(a, entitlement)
		if err != nil {
			return err
		}
		tree := body
		if merge {
			if err := prototree.Management.Decode(body, &configv1.Entitlement{}); isUnknownMember(err) {
				return catalog.TreeError(err)
			}
			if tree, err = prototree.Management.Encode(old); err != nil {
				return err
			}
			tree = mergepatch.Merge(tree, body)
		}
		fresh = &configv1.Entitlement{}
		if err := prototree.Management.Decode(tree, fresh); err != nil {
			return catalog.TreeError(err)
		}
		fresh.Bindings = old.GetBindings()
		catalog.CheckEntitlement(s, f, "", old, fresh, a.GetEntitlements())
		a.Entitlements[slices.Index(a.GetEntitlements(), old)] = fresh
		return nil
	})
	return a, fresh, err
}

// DeleteEntitlement takes an entitlement away, and its bindings with it.
func (e *Editor) DeleteEntitlement(ctx context.Context, at Place, id, entitlement string, ifMatch int64) error {
	_, err := e.changeRule(ctx, at, id, ifMatch, EntitlementDeleted, func(_ *catalog.Scene, _ *catalog.Faults, a *configv1.Application) error {
		if _, err := Entitlement(a, entitlement); err != nil {
			return err
		}
		a.Entitlements = slices.DeleteFunc(a.Entitlements, func(x *configv1.Entitlement) bool { return x.GetId() == entitlement })
		return nil
	})
	return err
}
