package image

import (
	"cmp"
	"fmt"
	"iter"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
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
	// byClient has what has a client identifier.
	byClient sequence[*entry]
}

// entry is a resource with what lists need of it.
type entry struct {
	id, sort, text string
	// client is the client identifier of an application.
	client   string
	revision int64
	// resource is nil where the resource is kept encoded.
	resource resource.Resource
	encoded  []byte
}

// crowded is how many applications of a domain are kept as messages, ready for lists. In a domain with more of them, the clients
// that registered themselves are kept encoded, in a quarter of the memory, and decoded whenever they are looked at: a list that looks at
// every one of a million takes seconds. It is a variable for tests alone.
var crowded = 50_000

// get returns the resource, which must not be changed.
func (e *entry) get() resource.Resource {
	if e.resource != nil {
		return e.resource
	}
	a := new(configv1.Application)
	if err := proto.Unmarshal(e.encoded, a); err != nil {
		panic(fmt.Sprintf("image: application %q cannot be read: %v", e.id, err)) // bytes that this process made
	}
	return a
}

// compact keeps a registered client encoded.
func (e *entry) compact() {
	a, ok := e.resource.(*configv1.Application)
	if !ok || !configsync.OnDemand(a) {
		return
	}
	if encoded, err := proto.Marshal(a); err == nil {
		e.resource, e.encoded = nil, encoded
	}
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
	clientRules = &rules[*entry]{compare: func(a, b *entry) int {
		return cmp.Or(strings.Compare(a.client, b.client), strings.Compare(a.id, b.id))
	}}
)

func entryOf(k catalog.Any, r resource.Resource) *entry {
	e := &entry{id: r.GetId(), sort: k.SortText(r), text: catalog.Searchable(k.SearchText(r)), revision: r.GetRevision(), resource: r}
	if a, ok := r.(*configv1.Application); ok {
		e.client = catalog.ClientID(a)
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
	p := &part{kind: kind, inOrder: sequence[*entry]{rules: orderRules}, byID: sequence[*entry]{rules: idRules}, byClient: sequence[*entry]{rules: clientRules}}
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
		empty := partOf(k, key, isProvider(r))
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
		var clients []*entry
		for _, e := range c.entries {
			if e.client != "" {
				clients = append(clients, e)
			}
			if len(c.entries) > crowded {
				e.compact()
			}
		}
		c.byClient = newSequence(clientRules, clients)
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
	p := partOf(k, key, isProvider(r))
	if old, ok := v.parts.get(p); ok {
		*p = *old
	}
	e := entryOf(k, r)
	if p.inOrder.size >= crowded {
		e.compact()
	}
	old, ok := p.byID.get(e)
	if ok && old.sort != e.sort {
		p.inOrder = p.inOrder.without(old)
	}
	if ok && old.client != e.client {
		p.byClient = p.byClient.without(old)
	}
	if e.client != "" {
		p.byClient = p.byClient.with(e)
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
	p.inOrder, p.byID, p.byClient = old.inOrder.without(gone), old.byID.without(gone), old.byClient.without(gone)
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
	for e := range p.byClient.from(&entry{client: clientID}) {
		if e.client != clientID {
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
