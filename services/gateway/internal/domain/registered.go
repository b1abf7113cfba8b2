package domain

import (
	"sync"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// A domain can have a million clients that registered themselves, most of them idle. Of each domain Options.MostRegistered are
// held: those that were used last. The others are known by a hash of eight bytes, which tells them from invented
// identifiers, and are asked for when they are used, as clients are that the stream has not brought yet (resolve.go).
//
// Where there are too many of them, the stream does not bring them to begin with, but names their hashes. It always brings
// changes: what is held follows at once, and of what is not held the hash is noted.
//
// What belongs to a client comes, stays and goes with it, where management tells it together with the client (source.parted). A client
// of which the stream brings a change and that is not held is not taken in, even where there is room: its forms and flows are not known.

// registered are the registered clients that are held, in no order. A hand goes round them to find one to let go: it passes those
// that were used since it came by last. Set.mu guards them.
type registered struct {
	entries []*entry
	hand    int
}

func (r *registered) add(e *entry) {
	r.entries = append(r.entries, e)
	e.place = int32(len(r.entries)) //nolint:gosec // far fewer than 2³¹
}

// drop takes out an entry, if it is there.
func (r *registered) drop(e *entry) {
	i := int(e.place) - 1
	if i < 0 {
		return
	}
	last := len(r.entries) - 1
	r.entries[i] = r.entries[last]
	r.entries[i].place = e.place
	r.entries[last] = nil
	r.entries, e.place = r.entries[:last], 0
}

// idlest returns the entry to let go first. There must be one.
func (r *registered) idlest() *entry {
	for {
		if r.hand >= len(r.entries) {
			r.hand = 0
		}
		e := r.entries[r.hand]
		r.hand++
		if !e.use.CompareAndSwap(used, idle) {
			return e
		}
	}
}

// beyond are the registered clients of a domain that may not be held: all of those, some that are, and hardly any other. It is
// safe for concurrent use; a nil one is empty.
type beyond struct {
	mu      sync.RWMutex
	clients map[uint64]struct{}
}

func newBeyond(clients []uint64) *beyond {
	b := &beyond{clients: make(map[uint64]struct{}, len(clients))}
	for _, hash := range clients {
		b.clients[hash] = struct{}{}
	}
	return b
}

// has reports whether there may be a registered client with an identifier that is not held.
func (b *beyond) has(clientID string) bool {
	if b == nil {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, there := b.clients[configsync.HashClient(clientID)]
	return there
}

func (b *beyond) add(clientID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clients[configsync.HashClient(clientID)] = struct{}{}
}

func (b *beyond) remove(clientID string) { b.removeHashes(configsync.HashClient(clientID)) }

func (b *beyond) removeHashes(clients ...uint64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, hash := range clients {
		delete(b.clients, hash)
	}
}

// passesBy reports whether an application is left out of what people see: where not all registered clients are held, none is
// shown, rather than now this one and now that one.
func (d *Domain) passesBy(e *entry) bool { return d.beyond != nil && e.use.Load() != notRegistered }

// withhold notes registered clients that the stream leaves out. Those that this gateway learned at a later revision go as well where what
// belongs to them is left out: nobody says what has changed of it.
func (c *change) withhold(w configsync.Withheld) {
	src := c.source(w.Domain)
	src.beyond = newBeyond(w.Clients)
	if src.parted = c.told; !src.parted {
		return
	}
	for len(src.registered.entries) > 0 {
		c.letGo(src, src.registered.entries[0])
	}
}

// hear takes what the stream says of registered clients beside their changes.
func (c *change) hear(r configsync.Registered) {
	src := c.sources[r.Domain]
	if src == nil {
		return
	}
	src.beyond.removeHashes(r.Gone...)
	if !src.parted {
		return // what comes before its client is kept until that comes
	}
	for _, owner := range r.Owners {
		src.leaving[owner] = struct{}{}
	}
	c.dirty[r.Domain] = src
}

// full reports whether a domain holds as many registered clients as it may.
func (c *change) full(src *source) bool {
	most := c.options.MostRegistered
	return most > 0 && len(src.registered.entries) >= most
}

// leavesOut reports whether an application that is not held stays so: nobody has asked for it, and there is no room, or what belongs to
// it may not have been brought.
func (c *change) leavesOut(src *source, fresh *entry) bool {
	if c.wanted || fresh.use.Load() == notRegistered || !src.parted && !c.full(src) {
		return false
	}
	c.note(src, fresh.clientID)
	c.leave(src, fresh.id)
	return true
}

// strange reports whether an application that is held becomes a registered client again, as a template does that is none any more.
// What belongs to it may have been left out when it was one before.
func (c *change) strange(src *source, old, fresh *entry) bool {
	return src.parted && !c.wanted && old.use.Load() == notRegistered && fresh.use.Load() != notRegistered
}

// leave leaves out what belongs to a client that is not held, or no longer.
func (c *change) leave(src *source, application string) {
	if src.parted = src.parted || c.told; src.parted {
		src.leaving[application] = struct{}{}
	}
}

// release lets go of what belongs to clients that the change leaves out.
func (c *change) release(src *source) {
	for id := range src.leaving {
		if src.apps[id] == nil {
			c.discard(src, id)
		}
	}
	clear(src.leaving)
}

// discard lets go of what belongs to an application.
func (c *change) discard(src *source, application string) {
	own := src.belongings[application]
	if own == nil {
		return
	}
	for _, f := range own.forms {
		delete(src.forms, f.GetId())
		c.rejected.set(resource.KeyOf(f), nil)
	}
	for _, f := range own.flows {
		delete(src.flows, f.GetId())
		c.rejected.set(resource.KeyOf(f), nil)
	}
	delete(src.belongings, application)
	src.reworked[application] = struct{}{}
}

// note notes a registered client that is not held, or no longer.
func (c *change) note(src *source, clientID string) {
	if src.beyond == nil {
		src.beyond = newBeyond(nil)
		c.options.Logger.Info("registered clients are asked for when they are used", "domain", src.id, "held", c.options.MostRegistered)
	}
	src.beyond.add(clientID)
}

// keep takes an application among the registered ones, if it is one of them, in the place of its former state, which may be
// nil. Where there is no room, another one goes.
func (c *change) keep(src *source, old, fresh *entry) {
	if c.options.MostRegistered == 0 {
		return
	}
	if old != nil {
		src.registered.drop(old)
		if old.use.Load() == used {
			fresh.use.CompareAndSwap(idle, used)
		}
	}
	if fresh.use.Load() == notRegistered {
		return
	}
	for c.full(src) {
		c.letGo(src, src.registered.idlest())
	}
	src.registered.add(fresh)
}

// letGo lets an application go that is asked for when it is used next.
func (c *change) letGo(src *source, gone *entry) {
	c.note(src, gone.clientID)
	c.rejected.set(resource.Key{Kind: "application", Domain: src.id, ID: gone.id}, nil)
	src.edit().remove(gone.clientID, gone.id)
	src.relist(gone, nil)
	delete(src.apps, gone.id)
	src.registered.drop(gone)
	c.leave(src, gone.id)
}
