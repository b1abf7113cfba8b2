package prototree

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
)

// Dialect is one way to spell messages. It is safe for concurrent use.
type Dialect struct {
	*shape
	sealer Sealer
}

// Sealer keeps the secrets of documents unreadable. A value opens only at the place it was sealed for.
type Sealer interface {
	Seal(place string, plain []byte) string
	Open(place, sealed string) ([]byte, error)
}

// The dialects that need no key.
var (
	// Management is the dialect of REST bodies: JSON names, times in epoch milliseconds, enum words in lower case (read
	// in any case), secrets as Mask, variants as `type` and `configuration`, the latter written as a JSON string and
	// read as a string or an object. Internal members do not exist. Output-only members are read where they can be and
	// otherwise left out, so a body that was read can be sent back.
	Management = &Dialect{shape: &shape{
		times: milliseconds, secrets: masked, variants: asText, switches: true, always: true, outputIgnored: true,
	}}
	// Audit is Management for records and logs: times in RFC 3339, `configuration` as an object.
	Audit = &Dialect{shape: &shape{
		times: rfc3339, secrets: masked, variants: asObject, switches: true, always: true, recorded: true,
	}}
	// Registration is the dialect of client metadata (RFC 7591): field names, times in epoch seconds, no variants, no
	// secrets. Reading skips what it does not know, and output-only members. Fields from 100 on are there too: which of
	// them a client may see or set is not decided here.
	Registration = &Dialect{shape: &shape{
		fieldNames: true, times: seconds, secrets: absent, variants: without, switches: true, skipping: true,
	}}
)

var documents = &shape{document: true, times: native, secrets: sealed, variants: asArms, internal: true}

// Archive returns the dialect of backups: lines of JSON that hold everything, internal members too. JSON names, times in RFC
// 3339, bytes in base64, variants under the name of their arm. All secrets are sealed by s, hashed ones too, each bound to its
// field and to the id of the outermost message. Without a sealer secrets do not exist.
func Archive(s Sealer) *Dialect {
	if s == nil {
		return &Dialect{shape: archivesOpen}
	}
	return &Dialect{shape: archives, sealer: s}
}

var (
	archives     = &shape{times: rfc3339, secrets: sealed, hashes: true, variants: asArms, internal: true}
	archivesOpen = &shape{times: rfc3339, secrets: absent, variants: asArms, internal: true}
)

// Document returns the dialect of the database: JSON names with the outermost `id` as `_id`, times as time.Time in
// whole milliseconds, bytes and integers as themselves, variants under the name of their arm, keys of maps and
// free-form objects escaped (%, ., a leading $), secrets sealed by s unless they are hashed. A secret is bound to its
// field and to the id of the outermost message.
func Document(s Sealer) *Dialect {
	return &Dialect{shape: documents, sealer: s}
}

// Encode returns m as a tree that shares nothing with it. It fails with an *Error where m holds something that has no
// form in the dialect, such as a number outside an enum, and with another error where its marks make no sense.
func (d *Dialect) Encode(m proto.Message) (Object, error) {
	if m == nil {
		return nil, errors.New("no message to encode")
	}
	r := m.ProtoReflect()
	p := d.planOf(r.Descriptor())
	if p.err != nil {
		return nil, p.err
	}
	e := encoder{Dialect: d}
	if p.id != nil {
		e.id = r.Get(p.id.desc).String()
	}
	tree, err := e.message(p, r, true)
	if err != nil {
		return nil, err
	}
	return tree, nil
}

// Decode replaces the content of into by what the tree says. A member that is null is left unset, like one that is
// absent. It fails as Encode does, with an *Error for the tree that has the path of every fault, and into is then only partly
// filled. The tree is not changed.
func (d *Dialect) Decode(tree Object, into proto.Message) error {
	proto.Reset(into)
	r := into.ProtoReflect()
	p := d.planOf(r.Descriptor())
	if p.err != nil {
		return p.err
	}
	c := decoder{Dialect: d}
	if p.id != nil {
		c.id, _ = tree[p.id.rootName].(string)
	}
	if err := c.message(p, tree, r, true); err != nil {
		// Maps are read in no order.
		slices.SortStableFunc(err.More, func(a, b *Error) int { return strings.Compare(a.Path, b.Path) })
		return err
	}
	return nil
}

// shape is what a dialect decides.
type shape struct {
	times    times
	secrets  secrets
	variants variants

	fieldNames    bool // names of fields instead of JSON names
	internal      bool // internal members exist
	recorded      bool // of the internal members, those exist that are recorded
	switches      bool // booleans that cannot be absent are written even when false
	always        bool // members marked `always` are written even when empty
	skipping      bool // unknown members are skipped
	outputIgnored bool // an output-only member that cannot be read is left out
	hashes        bool // hashed secrets are sealed like others
	document      bool // the database's own kinds of value and its rules for keys
	keyed         bool // lists whose elements are recognised by a member say so

	plans sync.Map // protoreflect.MessageDescriptor → *plan
}

// seals reports whether the values of a secret member are sealed.
func (s *shape) seals(f *field) bool { return s.secrets == sealed && (s.hashes || !f.marks.Hashed) }

type times uint8

const (
	milliseconds times = iota
	seconds
	rfc3339
	native
)

type secrets uint8

const (
	masked secrets = iota
	absent
	sealed
	compared // as themselves, to be compared and never shown
)

type variants uint8

const (
	asText variants = iota
	asObject
	asArms
	without
)
