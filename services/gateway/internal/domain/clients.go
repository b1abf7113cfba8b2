package domain

import (
	"cmp"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// clients is an immutable map from client identifiers to applications: a hash array mapped trie with 32 ways. A change
// copies the few branches above it, so that it costs the same among a hundred applications and among a million, and
// readers keep what they have. The zero value is empty.
type clients struct {
	root branch
	size int
	// templates are what registrations can be copies of, by name; few of many.
	templates []*Template
}

// Template is an application whose copies registrations can be.
type Template struct{ ID, Name string }

// branch has a slot for every bit of its bitmap, in the order of the bits.
type branch struct {
	bitmap uint32
	slots  []slot
	// edit marks the branches that one edit has made and may therefore change in place.
	edit *mark
}

// mark is the identity of an edit. It must not be empty: pointers to distinct zero-size variables may be equal.
type mark struct{ _ byte }

// slot holds a branch or an entry.
type slot struct {
	branch *branch
	entry  *entry
}

const (
	ways = 5 // bits of the hash for each level
	// deepest is the last level that has bits of its own; entries whose hashes are equal are chained below it.
	deepest = 60
)

// entry is one application as it was received, and the client it compiles to once somebody asks.
type entry struct {
	// id and clientID are parts of encoded, so that they take no memory of their own.
	id, clientID string
	revision     int64
	encoded      string
	// template is nil for an application that is none.
	template *Template
	compiled atomic.Pointer[outcome]
	// belongings are its own forms and flows; nil for none.
	belongings atomic.Pointer[belongings]
	// lockout is the application's own; the zero value if it has none, or that of the domain.
	lockout Lockout
	// listing is nil for an application that people never see.
	listing *listing
	// use is whether it was asked for lately, of registered clients alone; place is where they are in source.registered, counted
	// from 1, and guarded by Set.mu.
	use   atomic.Uint32
	place int32
	// next is an entry whose identifier has the same hash.
	next *entry
}

// What entry.use says.
const (
	notRegistered = iota
	idle
	used
)

// outcome is what compiling an entry with one core, and what it had of its own, gave.
type outcome struct {
	core       *mark
	belongings *belongings
	client     *Client
	err        error
}

// newEntry makes the entry of an application, which depends on nothing else. The application's protobuf form may be given if it is known; it
// is copied.
func newEntry(app *configv1.Application, form []byte) (*entry, error) {
	encoded, err := encode(app, form)
	if err != nil {
		return nil, err
	}
	e := &entry{
		id: within(encoded, app.GetId()), clientID: within(encoded, app.GetSettings().GetOauth().GetClientId()),
		revision: app.GetRevision(), encoded: encoded,
	}
	e.listing = newListing(e, app) // a bookmark has one as well
	if app.GetPart() == configv1.Application_PROVIDER || app.GetType() == configv1.Application_BOOKMARK {
		e.clientID = "" // answers for nobody: sign-in settings that wait for an application, and an application without any
		return e, nil
	}
	e.lockout = ownLockout(app)
	if app.GetTemplate() && (app.Enabled == nil || app.GetEnabled()) {
		e.template = &Template{ID: app.GetId(), Name: app.GetName()}
	}
	if configsync.OnDemand(app) {
		e.use.Store(idle)
	}
	return e, nil
}

func encode(app *configv1.Application, form []byte) (string, error) {
	if form != nil {
		return string(form), nil
	}
	at := encodings.Get().(*[]byte)
	defer encodings.Put(at)
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend((*at)[:0], app)
	*at = b
	return string(b), err
}

// encodings is where applications are encoded before they are kept.
var encodings = sync.Pool{New: func() any { return new([]byte) }}

// within returns a text as part of another one that contains it.
func within(whole, text string) string {
	if at := strings.Index(whole, text); at >= 0 {
		return whole[at : at+len(text)]
	}
	return text
}

func (e *entry) application() (*configv1.Application, error) {
	app := new(configv1.Application)
	return app, proto.Unmarshal([]byte(e.encoded), app)
}

// same reports whether two entries are the same application in the same state.
func (e *entry) same(o *entry) bool {
	return e.id == o.id && e.clientID == o.clientID && e.revision == o.revision && e.encoded == o.encoded
}

var seed = maphash.MakeSeed()

// hash is a variable so that tests can make it collide.
var hash = func(clientID string) uint64 { return maphash.String(seed, clientID) }

// index returns where the slot for a hash is, or would be.
func (b *branch) index(h uint64, shift int) (i int, found bool) {
	bit := uint32(1) << (h >> shift & (1<<ways - 1))
	return bits.OnesCount32(b.bitmap & (bit - 1)), b.bitmap&bit != 0
}

func (c *clients) get(clientID string) *entry {
	h := hash(clientID)
	b := &c.root
	for shift := 0; ; shift += ways {
		i, found := b.index(h, shift)
		if !found {
			return nil
		}
		if next := b.slots[i].branch; next != nil {
			b = next
			continue
		}
		for e := b.slots[i].entry; e != nil; e = e.next {
			if e.clientID == clientID {
				return e
			}
		}
		return nil
	}
}

// clientsEdit collects changes to clients and copies each branch at most once.
type clientsEdit struct {
	next *clients
	mark *mark
}

func (c *clients) edit() *clientsEdit {
	return &clientsEdit{next: &clients{root: c.root, size: c.size, templates: c.templates}, mark: new(mark)}
}

// own returns a branch that this edit may change.
func (e *clientsEdit) own(b *branch) *branch {
	if b.edit == e.mark {
		return b
	}
	return &branch{bitmap: b.bitmap, slots: slices.Clone(b.slots), edit: e.mark}
}

func (e *clientsEdit) put(v *entry) {
	e.next.list(v.id, v.template)
	e.next.root = *e.own(&e.next.root)
	if e.insert(&e.next.root, 0, hash(v.clientID), v) {
		e.next.size++
	}
}

// list puts a template in the place of the one that an application was; nil is none.
func (c *clients) list(id string, t *Template) {
	i := slices.IndexFunc(c.templates, func(o *Template) bool { return o.ID == id })
	if i < 0 && t == nil {
		return
	}
	c.templates = slices.Clone(c.templates) // others see the list
	if i >= 0 {
		c.templates = slices.Delete(c.templates, i, i+1)
	}
	if t != nil {
		c.templates = append(c.templates, t)
		slices.SortFunc(c.templates, func(a, b *Template) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
		})
	}
}

// insert puts an entry below a branch that belongs to the edit, and reports whether it is a new one.
func (e *clientsEdit) insert(b *branch, shift int, h uint64, v *entry) bool {
	i, found := b.index(h, shift)
	if !found {
		b.bitmap |= 1 << (h >> shift & (1<<ways - 1))
		b.slots = slices.Insert(b.slots, i, slot{entry: v})
		return true
	}
	s := &b.slots[i]
	switch {
	case s.branch != nil:
		s.branch = e.own(s.branch)
		return e.insert(s.branch, shift+ways, h, v)
	case s.entry.clientID == v.clientID && s.entry.next == nil:
		s.entry = v
		return false
	case shift >= deepest || hash(s.entry.clientID) == h:
		before := s.entry.length()
		s.entry = s.entry.chain(v)
		return s.entry.length() > before
	}
	// Two identifiers share the hash so far: both move one level down.
	down, old := &branch{edit: e.mark}, s.entry
	e.insert(down, shift+ways, hash(old.clientID), old)
	s.branch, s.entry = down, nil
	return e.insert(down, shift+ways, h, v)
}

// chain returns the chain with v in it; no entry that others can see is changed.
func (e *entry) chain(v *entry) *entry {
	head := v.link(nil)
	for o := e; o != nil; o = o.next {
		if o.clientID != v.clientID {
			head = o.link(head)
		}
	}
	return head
}

func (e *entry) link(next *entry) *entry {
	linked := &entry{
		id: e.id, clientID: e.clientID, revision: e.revision, encoded: e.encoded, template: e.template,
		lockout: e.lockout, listing: e.listing, place: e.place, next: next,
	}
	linked.compiled.Store(e.compiled.Load())
	linked.belongings.Store(e.belongings.Load())
	linked.use.Store(e.use.Load())
	return linked
}

func (e *entry) length() int {
	n := 0
	for ; e != nil; e = e.next {
		n++
	}
	return n
}

// remove takes away the entry of a client identifier, if it is that of the given application.
func (e *clientsEdit) remove(clientID, id string) {
	found := e.next.get(clientID)
	if found == nil || found.id != id {
		return
	}
	e.next.list(id, nil)
	e.next.root = *e.own(&e.next.root)
	e.cut(&e.next.root, 0, hash(clientID), clientID)
	e.next.size--
}

// cut removes an entry that is there from below a branch that belongs to the edit. Branches that have become empty are
// removed with it.
func (e *clientsEdit) cut(b *branch, shift int, h uint64, clientID string) {
	i, _ := b.index(h, shift)
	s := &b.slots[i]
	if s.branch != nil {
		s.branch = e.own(s.branch)
		e.cut(s.branch, shift+ways, h, clientID)
		if len(s.branch.slots) > 0 {
			return
		}
	} else if s.entry.next != nil {
		var rest *entry
		for o := s.entry; o != nil; o = o.next {
			if o.clientID != clientID {
				rest = o.link(rest)
			}
		}
		s.entry = rest
		return
	}
	b.bitmap &^= 1 << (h >> shift & (1<<ways - 1))
	b.slots = slices.Delete(b.slots, i, i+1)
}

// all calls f for every entry.
func (c *clients) all(f func(*entry)) { c.root.all(f) }

func (b *branch) all(f func(*entry)) {
	for _, s := range b.slots {
		if s.branch != nil {
			s.branch.all(f)
		}
		for e := s.entry; e != nil; e = e.next {
			f(e)
		}
	}
}
