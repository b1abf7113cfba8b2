package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// entitlement is a named right and whom it is bound to. Without bindings nobody holds it.
type entitlement struct {
	pb       *configv1.Entitlement
	bindings []*binding
}

func newEntitlement(pb *configv1.Entitlement, o options) entitlement {
	e := entitlement{pb: pb}
	for _, one := range pb.GetBindings() {
		b := newBinding(one, nil, o)
		if b.enabled && !b.deny && (b.kind == byUser || b.kind == byGroup) { // entitlements take users and groups; others match nobody
			e.bindings = append(e.bindings, b)
		}
	}
	return e
}

func (e entitlement) heldBy(p *Person, now time.Time) bool {
	for _, b := range e.bindings {
		if b.matches(p, now) {
			return true
		}
	}
	return false
}

// matches reports whether a binding of a user or a group is met: it has not expired, is no orphan, and its condition holds.
func (b *binding) matches(p *Person, now time.Time) bool {
	return !b.orphan && !b.expired(now) && b.names(p) != b.negate
}

// names reports whether the person is the user, or in the group.
func (b *binding) names(p *Person) bool {
	if b.kind == byGroup {
		return p.Groups[b.subject]
	}
	return p.ID == b.subject
}

// expired reports whether a binding's time is over. Where the time is not known it is, unless it refuses people.
func (b *binding) expired(now time.Time) bool {
	switch {
	case b.expires.IsZero():
		return false
	case now.IsZero():
		return !b.deny
	}
	return !now.Before(b.expires)
}

// Held returns the entitlements that a person holds, by name. It is empty for nobody.
func (r *Rule) Held(p *Person, now time.Time) []*configv1.Entitlement {
	if p == nil || p.ID == "" {
		return nil
	}
	var held []*configv1.Entitlement
	for _, e := range r.entitlements {
		if e.heldBy(p, now) {
			held = append(held, e.pb)
		}
	}
	return held
}

// HasEntitlements reports whether the application has any.
func (r *Rule) HasEntitlements() bool { return len(r.entitlements) > 0 }

// holdsAny reports whether a person holds an entitlement.
func (r *Rule) holdsAny(p *Person, now time.Time) bool {
	for i := range r.entitlements {
		if r.entitlements[i].heldBy(p, now) {
			return true
		}
	}
	return false
}

// Names returns the names of entitlements, sorted, each once.
func Names(held []*configv1.Entitlement) []string {
	names := make([]string, 0, len(held))
	for _, e := range held {
		names = append(names, e.GetName())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Attributes merges the attributes of entitlements in the order of their names. It is never nil.
func Attributes(held []*configv1.Entitlement) map[string]any {
	var list []map[string]any
	for _, e := range byName(held) {
		list = append(list, e.GetAttributes().AsMap())
	}
	return rules.MergeAll(list)
}

// holding is what expressions read of entitlements.
func holding(held []*configv1.Entitlement) rules.Holding {
	h := make(rules.Holding, 0, len(held))
	for _, e := range byName(held) {
		h = append(h, rules.Entitlement{Name: e.GetName(), Attributes: e.GetAttributes()})
	}
	return h
}

func byName(held []*configv1.Entitlement) []*configv1.Entitlement {
	return slices.SortedStableFunc(slices.Values(held), func(a, b *configv1.Entitlement) int {
		return cmp.Or(strings.Compare(a.GetName(), b.GetName()), strings.Compare(a.GetId(), b.GetId()))
	})
}

// Merge returns a with b over it: objects key by key at any depth, lists joined without duplicates, otherwise b wins. The
// values are those of JSON. It changes neither; the result shares with both what needed no merging.
func Merge(a, b map[string]any) map[string]any { return rules.Merge(a, b) }
