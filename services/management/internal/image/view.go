package image

import (
	"cmp"
	"fmt"
	"iter"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
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
	// byHandle has what has a handle.
	byHandle sequence[*entry]
}

// entry is a resource with what lists need of it.
type entry struct {
	id, sort, text string
	// handle is by what else it is found: an application by its client identifier, what belongs to an application by the id of that.
	handle   string
	revision int64
	// resource is nil for a client that registered itself. There may be a million of them, so they are kept encoded, in a tenth of the
	// memory, and decoded whenever they are looked at: a list that looks at each of a million takes seconds, one that looks at each of a
	// thousand some milliseconds.
	resource resource.Resource
	encoded  string
}

// get returns the resource, which must not be changed.
func (e *entry) get() resource.Resource {
	if e.resource != nil {
		return e.resource
	}
	a := new(configv1.Application)
	if err := proto.Unmarshal([]byte(e.encoded), a); err != nil {
		panic(fmt.Sprintf("image: application %q cannot be read: %v", e.id, err)) // bytes that this process made
	}
	return a
}

var (
	partRules = &rules[*part]{compare: func(a, b *part) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.domain, b.domain))
	}}
	orderRules = &rules[*entry]{
		compare: func(a, b *entry) int { return cmp.Or(strings.Compare(a.sort, b.sort), strings.Compare(a.id, b.id)) },
		text:    func(e *entry) string { return e.text },
	}
	idRules     = &rules[*entry]{compare: func(a, b *entry) int { return strings.Compare(a.id, b.id) }}
	handleRules = &rules[*entry]{compare: func(a, b *entry) int {
		return cmp.Or(strings.Compare(a.handle, b.handle), strings.Compare(a.id, b.id))
	}}
)

func entryOf(k catalog.Any, r resource.Resource) *entry {
	e := &entry{id: r.GetId(), sort: k.SortText(r), text: catalog.Searchable(k.SearchText(r)), revision: r.GetRevision(), resource: r}
	switch r := r.(type) {
	case *configv1.Application:
		e.handle = catalog.ClientID(r)
	case catalog.Leveled:
		e.handle = r.GetApplication()
	}
	return e
}

// providers is the part of sign-in settings that wait for an application. Stored as applications, they are in no list of them.
const providers = "application without"

func isProvider(r resource.Resource) bool {
	a, ok := r.(*configv1.Application)
	return ok && catalog.IsProvider(a)
}

// partOf returns the empty part where a resource belongs.
func partOf(k catalog.Any, key resource.Key, provider bool) *part {
	d := k.Descriptor()
	kind := d.Arm
	if provider {
		kind = providers
	}
	p := &part{kind: kind, inOrder: sequence[*entry]{rules: orderRules}, byID: sequence[*entry]{rules: idRules}, byHandle: sequence[*entry]{rules: handleRules}}
	if d.Parent != nil {
		p.domain = key.Domain
	}
	return p
}

// newView returns the view of resources. Those of a kind that the catalog does not have are left out.
func newView(revision int64, resources []resource.Resource) View {
	l := NewLoading()
	for _, r := range resources {
		l.Put(r, "")
	}
	return l.view(revision)
}

// with returns the view with r in the place of what has its key. Encoded is its protobuf form, or empty.
func (v View) with(r resource.Resource, encoded string) View {
	key := resource.KeyOf(r)
	k, ok := catalog.ByArm(key.Kind)
	if !ok {
		return v
	}
	p := partOf(k, key, isProvider(r))
	if old, ok := v.parts.get(p); ok {
		*p = *old
	}
	e := entryOf(k, r)
	e.compact(encoded)
	old, ok := p.byID.get(e)
	if ok && old.sort != e.sort {
		p.inOrder = p.inOrder.without(old)
	}
	if ok && old.handle != e.handle {
		p.byHandle = p.byHandle.without(old)
	}
	if e.handle != "" {
		p.byHandle = p.byHandle.with(e)
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
	if k.Descriptor().Arm == catalog.Applications.Arm {
		v = v.withoutFrom(partOf(k, key, true), key) // the key does not tell which it was
	}
	return v.withoutFrom(partOf(k, key, false), key)
}

func (v View) withoutFrom(p *part, key resource.Key) View {
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
	p.inOrder, p.byID, p.byHandle = old.inOrder.without(gone), old.byID.without(gone), old.byHandle.without(gone)
	v.parts = v.parts.with(p)
	return v
}

// Get returns the resource with an identifier. For kinds that lie in no domain, domain is ignored. It must not be
// changed.
func (v View) Get(k catalog.Any, domain, id string) (resource.Resource, bool) {
	if v.parts.size == 0 {
		return nil, false
	}
	p, ok := v.parts.get(partOf(k, resource.Key{Domain: domain}, false))
	if !ok {
		return nil, false
	}
	e, ok := p.byID.get(&entry{id: id})
	if !ok {
		return nil, false
	}
	return e.get(), true
}

// Client returns the application of a domain with a client identifier. It must not be changed.
func (v View) Client(domain, clientID string) (*configv1.Application, bool) {
	if v.parts.size == 0 || clientID == "" {
		return nil, false
	}
	p, ok := v.parts.get(partOf(catalog.Applications, resource.Key{Domain: domain}, false))
	if !ok {
		return nil, false
	}
	for e := range p.byHandle.from(&entry{handle: clientID}) {
		if e.handle != clientID {
			break
		}
		a, ok := e.get().(*configv1.Application)
		return a, ok
	}
	return nil, false
}

// All yields every resource. They must not be changed.
func (v View) All() iter.Seq[resource.Resource] {
	return func(yield func(resource.Resource) bool) {
		for p := range v.parts.all() {
			for e := range p.inOrder.all() {
				if !yield(e.get()) {
					return
				}
			}
		}
	}
}
