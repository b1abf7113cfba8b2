package configsync

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// Registered is what a batch means for registered clients of a domain that a gateway may not hold, beside the changes themselves.
type Registered struct {
	Domain string
	// Gone are the hashes of client_ids by which no registered client is found any more. An upsert of the same batch may say that there is
	// one again.
	Gone []uint64
	// Owners are the ids of the registered clients to which upserts of the batch belong.
	Owners []string
}

// gone is the hash of a client_id by which a resource was found before a change, and is not any more; 0 for none.
func gone(before, after stored) uint64 {
	if before.client == after.client {
		return 0
	}
	return before.client
}

// gone says that a client_id is no registered client's any more.
func (a *assembly) gone(domain string, client uint64) {
	if a.makeRoom(bytesWithheld); a.done {
		return
	}
	r := a.registered(domain)
	r.Gone = append(r.Gone, client)
	a.part.bytes += bytesWithheld
}

// owned says that a resource belongs to a registered client, if it does.
func (a *assembly) owned(k resource.Key, u upsert) {
	if !a.cut.belongings || a.cut.registered == 0 {
		return
	}
	d, _ := a.state.image.domains.get(k.Domain)
	owner := d.ofRegistered(item{k.Kind, k.ID}, u)
	if owner == "" {
		return
	}
	if a.makeRoom(len(owner)); a.done {
		return
	}
	r := a.registered(k.Domain)
	if last := len(r.GetOwners()) - 1; last >= 0 && r.GetOwners()[last] == owner {
		return // forms and flows of one come together
	}
	r.Owners = append(r.Owners, owner)
	a.part.bytes += len(owner)
}

// makeRoom hands out the part under way if size more bytes do not fit.
func (a *assembly) makeRoom(size int) {
	if a.part.bytes+size > a.cut.bytes && a.part.bytes > 0 {
		a.next()
	}
}

// registered returns what the part under way says of a domain.
func (a *assembly) registered(domain string) *configsyncv1.Registered {
	m := a.open()
	if i := slices.IndexFunc(m.GetRegistered(), func(r *configsyncv1.Registered) bool { return r.GetDomain() == domain }); i >= 0 {
		return m.GetRegistered()[i]
	}
	r := &configsyncv1.Registered{Domain: domain}
	m.Registered = append(m.Registered, r)
	a.part.bytes += len(domain)
	return r
}

// registeredIn adds what a message says to what its batch does so far.
func registeredIn(all []Registered, m *configsyncv1.WatchResponse) []Registered {
	for _, r := range m.GetRegistered() {
		i := slices.IndexFunc(all, func(o Registered) bool { return o.Domain == r.GetDomain() })
		if i < 0 {
			i, all = len(all), append(all, Registered{Domain: r.GetDomain()})
		}
		all[i].Gone = append(all[i].Gone, r.GetGone()...)
		all[i].Owners = append(all[i].Owners, r.GetOwners()...)
	}
	return all
}

// ofRegistered returns the registered client to which a resource of the domain belongs, by its id, and "" where it belongs to none.
func (d domainImage) ofRegistered(at item, u upsert) string {
	owner := u.owner(at.kind)
	if owner == "" || d.root == nil {
		return ""
	}
	if of, ok := d.get(item{"application", owner}); !ok || of.client == 0 {
		return ""
	}
	return owner
}

// owners are the fields by which resources name the application that they belong to, by kind.
var owners = ownerFields()

func ownerFields() map[string]protowire.Number {
	fields := map[string]protowire.Number{}
	for _, kind := range resource.Kinds() {
		members := resource.New(kind).ProtoReflect().Descriptor().Fields()
		// What belongs to a domain or to one of its applications has both.
		owner, level := members.ByName("application"), members.ByName("level")
		if owner != nil && level != nil && owner.Kind() == protoreflect.StringKind {
			fields[kind] = owner.Number()
		}
	}
	return fields
}

// owner returns the application that a resource of a kind belongs to, as it says, and "" for none. It copies nothing and reads no more
// than where members begin.
func (u upsert) owner(kind string) string {
	field, ok := owners[kind]
	if !ok {
		return ""
	}
	for rest := u.message(); rest != ""; {
		number, wire, n := protowire.ConsumeTag([]byte(rest[:min(len(rest), maxVarint)]))
		if n < 0 {
			return ""
		}
		rest = rest[n:]
		head := []byte(rest[:min(len(rest), maxVarint)])
		if wire != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, wire, head); n < 0 {
				return ""
			}
			rest = rest[n:]
			continue
		}
		length, n := protowire.ConsumeVarint(head)
		if n < 0 || length > uint64(len(rest)-n) {
			return ""
		}
		end := n + int(length) //nolint:gosec // it lies within the text
		if number == field {
			return rest[n:end]
		}
		rest = rest[end:]
	}
	return ""
}
