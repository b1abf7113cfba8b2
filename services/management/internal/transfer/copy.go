package transfer

import (
	"crypto/sha256"
	"regexp"
	"slices"

	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// copying gives everything of a domain another identifier, which follows from the archive, the name of the copy and the old
// identifier: whoever begins an import again makes the same copy. Nil keeps all of them.
type copying struct {
	domain string // the copy's
	// ids are the identifiers of the configuration: its resources and the client secrets in them.
	ids map[string]bool
}

func newCopying(archive, name, domain string) *copying {
	c := &copying{ids: map[string]bool{}}
	c.domain = derived("domain", archive, name, domain)
	return c
}

// derived makes an identifier of what it follows from.
func derived(from ...string) string {
	h := sha256.New()
	for _, one := range from {
		h.Write([]byte(one))
		h.Write([]byte{0})
	}
	id := uuid.UUID(h.Sum(nil)[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8 (RFC 9562 §5.8)
	return id.String()
}

// of returns the identifier that another one becomes.
func (c *copying) of(original, id string) string {
	if id == original {
		return c.domain
	}
	// Some identifiers say what they are, such as that of the default provider.
	if at := uuids.FindStringIndex(id); at != nil && id[at[0]:at[1]] == original {
		return id[:at[0]] + c.domain + id[at[1]:]
	}
	return derived("of", c.domain, id)
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// outside are members whose value may look like an identifier and belongs to the outside.
var outside = []protoreflect.Name{"client_id", "subject", "external_id", "hrid", "kid", "alias"}

// chosen are members that name a provider, whose identifier somebody may have chosen.
var chosen = []protoreflect.Name{"id", "identity", "identity_providers", "identity_provider", "source"}

// text replaces identifiers in a text: the whole of it, or each one that has the form of a UUID, as in expressions and templates.
func (c *copying) text(original, s string, whole bool) string {
	if whole && c.ids[s] {
		return c.of(original, s)
	}
	if len(s) < 36 {
		return s
	}
	if c.ids[s] {
		return c.of(original, s)
	}
	return uuids.ReplaceAllStringFunc(s, func(id string) string {
		if c.ids[id] {
			return c.of(original, id)
		}
		return id
	})
}

// message replaces the identifiers in a message.
func (c *copying) message(original string, m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		whole := slices.Contains(chosen, fd.Name())
		switch {
		case slices.Contains(outside, fd.Name()):
		case fd.IsMap():
			c.entries(original, fd, v.Map())
		case fd.IsList() && fd.Kind() == protoreflect.StringKind:
			for i, list := 0, v.List(); i < list.Len(); i++ {
				list.Set(i, protoreflect.ValueOfString(c.text(original, list.Get(i).String(), whole)))
			}
		case fd.IsList() && fd.Message() != nil:
			for i, list := 0, v.List(); i < list.Len(); i++ {
				c.message(original, list.Get(i).Message())
			}
		case fd.IsList():
		case fd.Kind() == protoreflect.StringKind:
			m.Set(fd, protoreflect.ValueOfString(c.text(original, v.String(), whole)))
		case fd.Message() != nil:
			c.message(original, v.Message())
		}
		return true
	})
	if b, ok := m.Interface().(*configv1.Binding); ok && b.GetUser() != "" {
		b.User = c.of(original, b.GetUser())
	}
}

// entries replaces the identifiers in the keys and values of a map.
func (c *copying) entries(original string, fd protoreflect.FieldDescriptor, entries protoreflect.Map) {
	type entry struct {
		key   protoreflect.MapKey
		value protoreflect.Value
	}
	var all []entry
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		all = append(all, entry{k, v})
		return true
	})
	for _, e := range all {
		value := e.value
		switch {
		case fd.MapValue().Kind() == protoreflect.StringKind:
			value = protoreflect.ValueOfString(c.text(original, value.String(), false))
		case fd.MapValue().Message() != nil:
			c.message(original, value.Message())
		}
		key := protoreflect.ValueOfString(c.text(original, e.key.String(), false)).MapKey()
		if key.String() != e.key.String() {
			entries.Clear(e.key)
		}
		entries.Set(key, value)
	}
}

// tree replaces the identifiers in a record of what is kept beside the configuration.
func (c *copying) tree(original string, tree prototree.Object) {
	for name, v := range tree {
		s, ok := v.(string)
		switch {
		case !ok || name == "hash" || name == "value" || name == "subject" || name == "clientId" || name == "externalId":
		case name == "user" || name == "_id":
			tree[name] = c.of(original, s)
		default:
			tree[name] = c.text(original, s, name == "source")
		}
	}
}
