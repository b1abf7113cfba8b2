package image

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Loading is everything that an image is to hold, gathered resource by resource, for Image.LoadFrom. Registered clients are
// gathered encoded: a million of them as messages would take ten times what they take in the end.
type Loading struct {
	mu    sync.Mutex
	parts map[place]*gathered
	// later is what Replace and Remove said last; nil is a resource that is gone.
	later map[resource.Key]*entry
}

type place struct{ kind, domain string }

// gathered is a part that is not in order yet.
type gathered struct {
	*part
	entries []*entry
}

// NewLoading returns an empty one.
func NewLoading() *Loading {
	return &Loading{parts: map[place]*gathered{}, later: map[resource.Key]*entry{}}
}

// Put adds a resource, which belongs to the image from now on. Encoded is its protobuf form if the caller has it, to be shared
// and never changed, or empty. Put may be called by several goroutines at once. Of a resource that is put twice the one with the
// higher revision counts.
func (l *Loading) Put(r resource.Resource, encoded string) {
	p, e := entryAt(r, encoded)
	if p == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(p, e)
}

func (l *Loading) add(p *part, e *entry) {
	g := l.parts[place{p.kind, p.domain}]
	if g == nil {
		g = &gathered{part: p}
		l.parts[place{p.kind, p.domain}] = g
	}
	g.entries = append(g.entries, e)
}

// Replace is Put of what is newer than everything that was put, whatever its revision.
func (l *Loading) Replace(r resource.Resource, encoded string) {
	if p, e := entryAt(r, encoded); p != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.later[resource.KeyOf(r)] = e
	}
}

// Remove takes a resource away.
func (l *Loading) Remove(k resource.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.later[k] = nil
}

// entryAt returns the entry of a resource and the empty part where it belongs; none for a kind that the catalog does not have.
func entryAt(r resource.Resource, encoded string) (*part, *entry) {
	key := resource.KeyOf(r)
	k, ok := catalog.ByArm(key.Kind)
	if !ok {
		return nil, nil
	}
	e := entryOf(k, r)
	e.compact(encoded)
	return partOf(k, key, isProvider(r)), e
}

// view puts everything in order.
func (l *Loading) view(revision int64) View {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.supersede()
	all := make([]*part, 0, len(l.parts))
	for _, g := range l.parts {
		if g.arrange(); g.inOrder.size > 0 {
			all = append(all, g.part)
		}
	}
	l.parts, l.later = nil, nil
	return View{Revision: revision, parts: newSequence(partRules, all)}
}

// supersede puts what came later in the place of what was put.
func (l *Loading) supersede() {
	if len(l.later) == 0 {
		return
	}
	for at, g := range l.parts {
		kind := at.kind
		if kind == providers {
			kind = catalog.Applications.Arm
		}
		g.entries = slices.DeleteFunc(g.entries, func(e *entry) bool {
			key := resource.Key{Kind: kind, Domain: at.domain, ID: e.id}
			if kind == catalog.Domains.Arm {
				key.Domain = e.id
			}
			_, newer := l.later[key]
			return newer
		})
	}
	for _, e := range l.later {
		if e == nil {
			continue
		}
		r := e.get()
		k, _ := catalog.ByArm(resource.KeyOf(r).Kind)
		l.add(partOf(k, resource.KeyOf(r), isProvider(r)), e)
	}
}

// arrange makes the sequences of a part.
func (g *gathered) arrange() {
	slices.SortFunc(g.entries, func(a, b *entry) int {
		return cmp.Or(strings.Compare(a.id, b.id), cmp.Compare(b.revision, a.revision))
	})
	g.entries = slices.CompactFunc(g.entries, func(a, b *entry) bool { return a.id == b.id })
	var clients []*entry
	for _, e := range g.entries {
		if e.handle != "" {
			clients = append(clients, e)
		}
	}
	g.byID = newSequence(idRules, g.entries)
	g.inOrder = newSequence(orderRules, slices.Clone(g.entries))
	g.byHandle = newSequence(handleRules, clients)
}

// compact keeps a registered client encoded. Its names are then parts of its encoded form.
func (e *entry) compact(encoded string) {
	a, ok := e.resource.(*configv1.Application)
	if !ok || !configsync.OnDemand(a) {
		return
	}
	if encoded == "" {
		b, err := proto.Marshal(a)
		if err != nil {
			return
		}
		encoded = string(b)
	}
	e.resource, e.encoded = nil, encoded
	e.id, e.handle = within(encoded, e.id), within(encoded, e.handle)
}

// within returns a text as part of another one that contains it, so that it takes no memory of its own.
func within(whole, text string) string {
	if at := strings.Index(whole, text); at >= 0 {
		return whole[at : at+len(text)]
	}
	return text
}
