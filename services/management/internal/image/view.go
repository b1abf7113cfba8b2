package image

import (
	"cmp"
	"iter"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// View is all configuration at one moment: everything up to its revision, and of later revisions what this process has
// written. The zero value is empty.
type View struct {
	Revision int64
	parts    sequence[*part]
}

// part is what there is of one kind in one domain. Kinds that lie in no domain have one part, whose domain is empty.
type part struct {
	kind, domain string
	inOrder      sequence[*entry]
	byID         sequence[*entry]
}

// entry is a resource with what lists need of it.
type entry struct {
	id, sort, text string
	resource       resource.Resource
}

var (
	partRules = &rules[*part]{compare: func(a, b *part) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.domain, b.domain))
	}}
	orderRules = &rules[*entry]{
		compare: func(a, b *entry) int { return cmp.Or(strings.Compare(a.sort, b.sort), strings.Compare(a.id, b.id)) },
		text:    func(e *entry) string { return e.text },
	}
	idRules = &rules[*entry]{compare: func(a, b *entry) int { return strings.Compare(a.id, b.id) }}
)

func entryOf(k catalog.Any, r resource.Resource) *entry {
	return &entry{id: r.GetId(), sort: k.SortText(r), text: catalog.Searchable(k.SearchText(r)), resource: r}
}

// partOf returns the empty part where a resource belongs.
func partOf(k catalog.Any, key resource.Key) *part {
	d := k.Descriptor()
	p := &part{kind: d.Arm, inOrder: sequence[*entry]{rules: orderRules}, byID: sequence[*entry]{rules: idRules}}
	if d.Parent != nil {
		p.domain = key.Domain
	}
	return p
}

// newView returns the view of resources. Those of a kind that the catalog does not have are left out.
func newView(revision int64, resources []resource.Resource) View {
	type collected struct {
		*part
		entries []*entry
	}
	type place struct{ kind, domain string }
	parts := map[place]*collected{}
	for _, r := range resources {
		key := resource.KeyOf(r)
		k, ok := catalog.ByArm(key.Kind)
		if !ok {
			continue
		}
		empty := partOf(k, key)
		c := parts[place{empty.kind, empty.domain}]
		if c == nil {
			c = &collected{part: empty}
			parts[place{empty.kind, empty.domain}] = c
		}
		c.entries = append(c.entries, entryOf(k, r))
	}
	all := make([]*part, 0, len(parts))
	for _, c := range parts {
		c.inOrder = newSequence(orderRules, c.entries)
		c.byID = newSequence(idRules, append([]*entry(nil), c.entries...))
		all = append(all, c.part)
	}
	return View{Revision: revision, parts: newSequence(partRules, all)}
}

// with returns the view with r in the place of what has its key.
func (v View) with(r resource.Resource) View {
	key := resource.KeyOf(r)
	k, ok := catalog.ByArm(key.Kind)
	if !ok {
		return v
	}
	p := partOf(k, key)
	if old, ok := v.parts.get(p); ok {
		*p = *old
	}
	e := entryOf(k, r)
	if old, ok := p.byID.get(e); ok && old.sort != e.sort {
		p.inOrder = p.inOrder.without(old)
	}
	p.inOrder, p.byID = p.inOrder.with(e), p.byID.with(e)
	v.parts = v.parts.with(p)
	return v
}

// without returns the view without what has a key.
func (v View) without(key resource.Key) View {
	k, ok := catalog.ByArm(key.Kind)
	if !ok {
		return v
	}
	p := partOf(k, key)
	old, ok := v.parts.get(p)
	if !ok {
		return v
	}
	gone, ok := old.byID.get(&entry{id: key.ID})
	if !ok {
		return v
	}
	if old.byID.size == 1 {
		v.parts = v.parts.without(p)
		return v
	}
	p.inOrder, p.byID = old.inOrder.without(gone), old.byID.without(gone)
	v.parts = v.parts.with(p)
	return v
}

// Get returns the resource with an identifier. For kinds that lie in no domain, domain is ignored. It must not be
// changed.
func (v View) Get(k catalog.Any, domain, id string) (resource.Resource, bool) {
	if v.parts.size == 0 {
		return nil, false
	}
	p, ok := v.parts.get(partOf(k, resource.Key{Domain: domain}))
	if !ok {
		return nil, false
	}
	e, ok := p.byID.get(&entry{id: id})
	if !ok {
		return nil, false
	}
	return e.resource, true
}

// All yields every resource. They must not be changed.
func (v View) All() iter.Seq[resource.Resource] {
	return func(yield func(resource.Resource) bool) {
		for p := range v.parts.all() {
			for e := range p.inOrder.all() {
				if !yield(e.resource) {
					return
				}
			}
		}
	}
}
