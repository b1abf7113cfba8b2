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

func (b *beyond) remove(clientID string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.clients, configsync.HashClient(clientID))
}

// passesBy reports whether an application is left out of what people see: where not all registered clients are held, none is
// shown, rather than now this one and now that one.
func (d *Domain) passesBy(e *entry) bool { return d.beyond != nil && e.use.Load() != notRegistered }

// withhold notes registered clients that the stream leaves out.
func (c *change) withhold(w configsync.Withheld) {
	c.source(w.Domain).beyond = newBeyond(w.Clients)
}

// full reports whether a domain holds as many registered clients as it may.
func (c *change) full(src *source) bool {
	most := c.options.MostRegistered
	return most > 0 && len(src.registered.entries) >= most
}

// leavesOut reports whether an application that is not held stays so: nobody has asked for it, and there is no room.
func (c *change) leavesOut(src *source, fresh *entry) bool {
	if c.wanted || fresh.use.Load() == notRegistered || !c.full(src) {
		return false
	}
	c.note(src, fresh.clientID)
	return true
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
		gone := src.registered.idlest()
		c.note(src, gone.clientID)
		c.rejected.set(resource.Key{Kind: "application", Domain: src.id, ID: gone.id}, nil)
		src.edit().remove(gone.clientID, gone.id)
		src.relist(gone, nil)
		delete(src.apps, gone.id)
		src.registered.drop(gone)
	}
	src.registered.add(fresh)
}
