package configsync

import (
	"iter"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// cut is how large a part of a batch may become.
type cut struct {
	resources int
	bytes     int
	// registered is the most registered clients of a domain that are sent when everything is; 0 is any number.
	registered int64
	// belongings says that what belongs to clients that are not sent is not either.
	belongings bool
}

// part is one message of a batch and how many resources and bytes of them it carries.
type part struct {
	message   *configsyncv1.WatchResponse
	resources int
	bytes     int
}

// batch yields the parts that lead someone at p to s, at least one. They are made while they are taken: a slow taker
// holds on to s, but to no more than one part of it.
func (s *state) batch(p place, f filter, c cut) iter.Seq[part] {
	return func(yield func(part) bool) {
		changes, ok := s.behind(p)
		a := assembly{state: s, cut: c, yield: yield, reset: !ok}
		if ok {
			a.difference(changes, f)
		} else {
			a.everything(f)
		}
		a.close()
	}
}

// assembly makes the parts of one batch.
type assembly struct {
	state *state
	cut   cut
	yield func(part) bool
	// reset is said once, in the first part.
	reset bool
	part  part
	raw   []byte
	done  bool
}

func (a *assembly) everything(f filter) {
	for domain, d := range a.state.image.each(f) {
		withheld := a.cut.registered > 0 && int64(d.registered) > a.cut.registered
		for at, u := range d.all() {
			switch {
			case withheld && u.client != 0:
				a.withhold(domain, u.client)
			case withheld && a.cut.belongings && d.ofRegistered(at, u.upsert) != "":
			default:
				a.upsert(u.upsert)
			}
			if a.done {
				return
			}
		}
	}
}

// difference adds the present state of every key among changes, once.
func (a *assembly) difference(changes []change, f filter) {
	var seen map[resource.Key]struct{}
	if len(changes) > 1 {
		seen = make(map[resource.Key]struct{}, len(changes))
	}
	for i := range changes {
		k := changes[i].key
		if !f.passes(k.Domain) {
			continue
		}
		if changes[i].gone != 0 && a.cut.registered > 0 {
			if a.gone(k.Domain, changes[i].gone); a.done {
				return
			}
		}
		if seen != nil {
			if _, again := seen[k]; again {
				continue
			}
			seen[k] = struct{}{}
		}
		if u, ok := a.state.image.get(k); ok {
			a.owned(k, u)
			a.upsert(u)
		} else {
			a.delete(k)
		}
		if a.done {
			return
		}
	}
}

func (a *assembly) upsert(u upsert) {
	a.room(len(u))
	a.part.resources++
	a.part.bytes += len(u)
	a.raw = append(a.raw, u...)
}

func (a *assembly) delete(k resource.Key) {
	size := len(k.Kind) + len(k.Domain) + len(k.ID)
	a.room(size)
	a.part.resources++
	a.part.bytes += size
	m := a.open()
	m.Deletes = append(m.Deletes, k.Proto())
}

// room hands out the part under way if size more bytes do not fit.
func (a *assembly) room(size int) {
	full := a.part.resources >= a.cut.resources || a.part.bytes+size > a.cut.bytes
	if a.part.bytes == 0 || !full {
		return
	}
	if a.next(); a.done {
		return
	}
	a.raw = make([]byte, 0, a.cut.bytes/4)
}

// next hands out the part under way, which others follow.
func (a *assembly) next() {
	a.open().Partial = true
	a.flush()
}

func (a *assembly) close() {
	if !a.done {
		a.open()
		a.flush()
	}
}

func (a *assembly) open() *configsyncv1.WatchResponse {
	if a.part.message == nil {
		a.part.message = &configsyncv1.WatchResponse{
			Installation: a.state.installation,
			Revision:     a.state.revision,
			Reset_:       a.reset,

			BelongingsOnDemand: a.cut.belongings && a.cut.registered > 0,
		}
		a.reset = false
	}
	return a.part.message
}

// flush hands out the part under way. Its upserts are encoded already. Given to the message as fields it does not know,
// they are written after the others as they are, which is their encoding as `upserts`: the receiver sees an ordinary
// message, and nothing is decoded only to be encoded again for every gateway.
func (a *assembly) flush() {
	if len(a.raw) > 0 {
		a.open().ProtoReflect().SetUnknown(a.raw)
	}
	p := a.part
	a.part, a.raw = part{}, nil
	a.done = !a.yield(p)
}
