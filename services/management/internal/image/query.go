package image

import (
	"math"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Query selects resources of one kind. The zero value selects all.
type Query struct {
	// Domain is the identifier of the domain they belong to. A domain belongs to itself.
	Domain string
	// Search is compared with the texts that the kind is searched by, in any case; `*` stands for any characters.
	Search string
	// Where selects by anything else; it must not change the resource. Nil selects all.
	Where func(resource.Resource) bool
	// Only are the identifiers of those that may be shown at all; nil means all.
	Only map[string]bool
	// Providers selects, of applications, the sign-in settings that wait for one, and nothing else.
	Providers bool
	// Page counts from 0. A Size of 0 means everything.
	Page, Size int
}

// And adds a condition to Where.
func (q *Query) And(where func(resource.Resource) bool) {
	if before := q.Where; before != nil {
		q.Where = func(r resource.Resource) bool { return before(r) && where(r) }
		return
	}
	q.Where = where
}

// List returns the selected resources in the order of their kind, and how many there are on all pages. The resources
// must not be changed.
func List[R resource.Resource](v View, k *catalog.Kind[R], q Query) ([]R, int) {
	all, total := v.ListAny(k, q)
	typed := make([]R, len(all))
	for i, r := range all {
		typed[i] = r.(R)
	}
	return typed, total
}

// Select is List over resources that are not in an image.
func Select[R resource.Resource](k *catalog.Kind[R], all []R, q Query) ([]R, int) {
	resources := make([]resource.Resource, len(all))
	for i, r := range all {
		resources[i] = r
	}
	return List(newView(0, resources), k, q)
}

// ListAny is List for a kind whose type does not matter.
func (v View) ListAny(k catalog.Any, q Query) ([]resource.Resource, int) {
	parts := v.partsOf(k, &q)
	if len(parts) == 0 {
		return nil, 0
	}
	wanted := selection{search: newSearch(q.Search), where: q.Where, only: q.Only}
	var found []*entry
	switch order := parts[0].inOrder; {
	case len(parts) > 1:
		for _, p := range parts {
			wanted.in(p.inOrder, func(e *entry) { found = append(found, e) })
		}
		slices.SortStableFunc(found, orderRules.compare)
	case wanted.everything():
		first, size := q.window()
		return resourcesOf(order.page(first, size)), order.size
	case q.Only != nil && len(q.Only) < order.size/8:
		found = wanted.among(parts[0])
	default:
		total := 0
		first, size := q.window()
		wanted.in(order, func(e *entry) {
			if total >= first && len(found) < size {
				found = append(found, e)
			}
			total++
		})
		return resourcesOf(found), total
	}
	total := len(found)
	first, size := q.window()
	first = min(first, total)
	return resourcesOf(found[first : first+min(size, total-first)]), total
}

// window returns where the page begins and how many it holds.
func (q Query) window() (first, size int) {
	if q.Size <= 0 {
		return 0, math.MaxInt
	}
	return max(q.Page, 0) * q.Size, q.Size
}

// partsOf returns where a query has to look. Of a kind that lies in no domain, Domain is an identifier.
func (v View) partsOf(k catalog.Any, q *Query) []*part {
	if v.parts.size == 0 {
		return nil
	}
	var parts []*part
	switch d := k.Descriptor(); {
	case d.Parent == nil && q.Domain != "":
		if q.Only != nil && !q.Only[q.Domain] {
			return nil
		}
		q.Only = map[string]bool{q.Domain: true}
		fallthrough
	case d.Parent == nil || q.Domain != "":
		if p, ok := v.parts.get(partOf(k, resource.Key{Domain: q.Domain}, q.Providers)); ok {
			parts = append(parts, p)
		}
	default:
		first := partOf(k, resource.Key{}, q.Providers)
		for p := range v.parts.from(first) {
			if p.kind != first.kind {
				break
			}
			parts = append(parts, p)
		}
	}
	return parts
}

// selection is what a query asks of an entry.
type selection struct {
	search *search
	where  func(resource.Resource) bool
	only   map[string]bool
}

func (s selection) everything() bool { return s.search == nil && s.where == nil && s.only == nil }

func (s selection) takes(e *entry) bool {
	return (s.only == nil || s.only[e.id]) && (s.where == nil || s.where(e.get()))
}

// in calls found with what is selected of a sequence, in order.
func (s selection) in(order sequence[*entry], found func(*entry)) {
	for _, c := range order.chunks {
		if s.search != nil {
			in(s.search, c, func(i int) {
				if s.takes(c.items[i]) {
					found(c.items[i])
				}
			})
			continue
		}
		for _, e := range c.items {
			if s.takes(e) {
				found(e)
			}
		}
	}
}

// among is in for a few identifiers of many.
func (s selection) among(p *part) []*entry {
	var found []*entry
	for id, may := range s.only {
		if !may {
			continue
		}
		e, ok := p.byID.get(&entry{id: id})
		if ok && (s.search == nil || s.search.finds(e.text)) && s.takes(e) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, orderRules.compare)
	return found
}

func resourcesOf(entries []*entry) []resource.Resource {
	all := make([]resource.Resource, len(entries))
	for i, e := range entries {
		all[i] = e.get()
	}
	return all
}
