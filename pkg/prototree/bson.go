package prototree

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// DecodeBSON is Decode of the document dialect from the bytes of a document (BSON) that a database sent, without a tree in
// between: what starts with a hundred thousand resources has to read them quickly. Members of the outermost document that begin
// with an underscore are the database's own and skipped, except `_id`.
//
// It reads what Encode writes and reports false for everything else: unknown members, values of another kind, secrets that do
// not open, bytes that are no document. Then nothing is in into, and Decode of the tree reads it after all, or says what is wrong
// with it. What both read they read alike.
func (d *Dialect) DecodeBSON(doc []byte, into proto.Message) bool {
	proto.Reset(into)
	p := d.planOf(into.ProtoReflect().Descriptor())
	if !d.document || p.form != formObject {
		return false
	}
	r := bsonReaders.Get().(*bsonReader)
	defer bsonReaders.Put(r)
	r.decoder, r.wire = decoder{Dialect: d}, r.wire[:0]
	if p.id != nil {
		r.id, _ = bsonText(doc, p.id.rootName)
	}
	if !r.message(p, doc, true) || proto.Unmarshal(r.wire, into) != nil {
		proto.Reset(into)
		return false
	}
	return true
}

var bsonReaders = sync.Pool{New: func() any { return new(bsonReader) }}

// The kinds of BSON values that documents are made of.
const (
	bsonDouble   = 0x01
	bsonString   = 0x02
	bsonDocument = 0x03
	bsonArray    = 0x04
	bsonBinary   = 0x05
	bsonBool     = 0x08
	bsonTime     = 0x09
	bsonNull     = 0x0a
	bsonInt32    = 0x10
	bsonInt64    = 0x12
)

// bsonValue is a value as it stands in its document, without what frames a text (its length and the zero at its end).
type bsonValue struct {
	kind  byte
	bytes []byte
}

// bsonElements is what is left of a document.
type bsonElements struct {
	rest []byte
	bad  bool
}

// elementsOf begins with a document, of which every byte has to be accounted for.
func elementsOf(doc []byte) bsonElements {
	if len(doc) < 5 || uint64(binary.LittleEndian.Uint32(doc)) != uint64(len(doc)) || doc[len(doc)-1] != 0 {
		return bsonElements{bad: true}
	}
	return bsonElements{rest: doc[4 : len(doc)-1]}
}

// next returns the next element, and false at the end and at what cannot be read, which is bad.
func (e *bsonElements) next() (name []byte, v bsonValue, ok bool) {
	if e.bad || len(e.rest) == 0 {
		return nil, v, false
	}
	v.kind = e.rest[0]
	end := bytes.IndexByte(e.rest[1:], 0)
	if end < 0 {
		e.bad = true
		return nil, v, false
	}
	name, e.rest = e.rest[1:1+end], e.rest[2+end:]
	size, before, after := bsonSize(v.kind, e.rest)
	if size < 0 || before+size+after > len(e.rest) {
		e.bad = true
		return nil, v, false
	}
	v.bytes, e.rest = e.rest[before:before+size], e.rest[before+size+after:]
	return name, v, true
}

// bsonSize returns how many bytes a value has, and how many frame it; less than none for what documents are not made of.
func bsonSize(kind byte, rest []byte) (size, before, after int) {
	switch kind {
	case bsonNull:
		return 0, 0, 0
	case bsonBool:
		return 1, 0, 0
	case bsonInt32:
		return 4, 0, 0
	case bsonDouble, bsonInt64, bsonTime:
		return 8, 0, 0
	}
	if len(rest) < 4 {
		return -1, 0, 0
	}
	n := int(int32(binary.LittleEndian.Uint32(rest))) //nolint:gosec // its sign is looked at
	switch {
	case kind == bsonString && n >= 1 && n <= len(rest)-4 && rest[4+n-1] == 0:
		return n - 1, 4, 1
	case (kind == bsonDocument || kind == bsonArray) && n >= 5:
		return n, 0, 0
	case kind == bsonBinary && n >= 0 && len(rest) > 4 && rest[4] != 2: // 2 is framed in a way of its own
		return n, 5, 0
	}
	return -1, 0, 0
}

// bsonText returns the text of a member of a document.
func bsonText(doc []byte, member string) (string, bool) {
	for e := elementsOf(doc); ; {
		name, v, ok := e.next()
		if !ok {
			return "", false
		}
		if string(name) == member {
			return string(v.bytes), v.kind == bsonString
		}
	}
}

// bsonReader writes a document as protobuf spells it, which costs a fraction of filling a message member by member: what fills
// it from there is made for its type. The methods report whether they have understood everything.
type bsonReader struct {
	decoder
	wire []byte
}

// mostMembers is how many members, and how many variants, a message has that is read without a tree.
const mostMembers = 256

// bitset notes which members were there.
type bitset [mostMembers / 64]uint64

// add reports whether i is new.
func (b *bitset) add(i int) bool {
	word, bit := i/64, uint64(1)<<(i%64)
	known := b[word]&bit != 0
	b[word] |= bit
	return !known
}

func (r *bsonReader) message(p *plan, doc []byte, root bool) bool {
	if p.err != nil || p.config != nil || p.descs > mostMembers {
		return false
	}
	var members, variants bitset
	e := elementsOf(doc)
	for {
		name, v, ok := e.next()
		if !ok {
			return !e.bad
		}
		f := p.known[string(name)]
		if root && len(name) > 0 && name[0] == '_' {
			if p.id == nil || string(name) != p.id.rootName {
				continue
			}
			f = p.id
		} else if f == nil || root && f.name != f.rootName {
			return false
		}
		// A member that is given twice is no business of ours, nor are two arms of a variant.
		if !members.add(f.index) || v.kind != bsonNull && f.oneof >= 0 && !variants.add(f.oneof) {
			return false
		}
		if v.kind != bsonNull && !r.field(f, v) {
			return false
		}
	}
}

func (r *bsonReader) field(f *field, v bsonValue) bool {
	switch {
	case f.isMap:
		return v.kind == bsonDocument && r.entries(f, v.bytes)
	case f.isList:
		return r.list(f, v)
	}
	return r.single(f, v)
}

// single writes one value with the number of its member.
func (r *bsonReader) single(f *field, v bsonValue) bool {
	r.wire = protowire.AppendVarint(r.wire, f.tag)
	if f.desc.Message() == nil {
		return r.scalar(f, v)
	}
	start := r.begin()
	return r.inner(f.desc.Message(), v) && r.end(start)
}

// begin leaves room for the length of what follows, and end fills it in.
func (r *bsonReader) begin() (start int) {
	r.wire = append(r.wire, 0)
	return len(r.wire)
}

func (r *bsonReader) end(start int) bool {
	size := len(r.wire) - start
	if more := protowire.SizeVarint(uint64(size)) - 1; more > 0 {
		r.wire = append(r.wire, make([]byte, more)...)
		copy(r.wire[start+more:], r.wire[start:start+size])
	}
	protowire.AppendVarint(r.wire[:start-1], uint64(size))
	return true
}

func (r *bsonReader) list(f *field, v bsonValue) bool {
	if v.kind != bsonArray {
		return false
	}
	e := elementsOf(v.bytes)
	for {
		_, v, ok := e.next()
		if !ok {
			return !e.bad
		}
		if !r.single(f, v) {
			return false
		}
	}
}

func (r *bsonReader) entries(f *field, doc []byte) bool {
	e := elementsOf(doc)
	for {
		name, v, ok := e.next()
		if !ok {
			return !e.bad
		}
		if v.kind == bsonNull {
			return false
		}
		r.wire = protowire.AppendVarint(r.wire, f.tag)
		start := r.begin()
		r.wire = protowire.AppendTag(r.wire, 1, protowire.BytesType)
		if bytes.IndexByte(name, '%') < 0 {
			r.wire = protowire.AppendBytes(r.wire, name)
		} else {
			r.wire = protowire.AppendString(r.wire, unescapeKey(string(name)))
		}
		if !r.single(f.value, v) || !r.end(start) {
			return false
		}
	}
}

func (r *bsonReader) inner(md protoreflect.MessageDescriptor, v bsonValue) bool {
	p := r.planOf(md)
	switch p.form {
	case formList:
		return p.err == nil && r.list(p.values, v)
	case formTime:
		return v.kind == bsonTime && r.moment(bsonLong(v))
	case formStruct, formValue, formListValue:
		return r.anything(p.form, v)
	}
	return v.kind == bsonDocument && r.message(p, v.bytes, false)
}

// anything writes free-form members by way of their tree; few resources have any.
func (r *bsonReader) anything(form form, v bsonValue) bool {
	var m proto.Message = &structpb.Struct{}
	switch form {
	case formValue:
		m = &structpb.Value{}
	case formListValue:
		m = &structpb.ListValue{}
	}
	tree, ok := bsonTree(v, 0)
	if !ok || r.free(tree, m) != nil {
		return false
	}
	wire, err := proto.MarshalOptions{}.MarshalAppend(r.wire, m)
	r.wire = wire
	return err == nil
}

func (r *bsonReader) moment(ms int64) bool {
	t := time.UnixMilli(ms)
	r.wire = protowire.AppendTag(r.wire, 1, protowire.VarintType)
	r.wire = protowire.AppendVarint(r.wire, uint64(t.Unix())) //nolint:gosec // the same bits
	r.wire = protowire.AppendTag(r.wire, 2, protowire.VarintType)
	r.wire = protowire.AppendVarint(r.wire, uint64(t.Nanosecond())) //nolint:gosec // from 0 to a second
	return t.Unix() >= minSecond && t.Unix() <= maxSecond
}

func (r *bsonReader) scalar(f *field, v bsonValue) bool {
	if f.marks.Secret && r.seals(f) {
		if v.kind != bsonString {
			return false
		}
		plain, err := r.sealer.Open(f.place+r.id, string(v.bytes))
		r.wire = protowire.AppendBytes(r.wire, plain)
		return err == nil
	}
	switch {
	case f.kind == protoreflect.StringKind && v.kind == bsonString, f.kind == protoreflect.BytesKind && v.kind == bsonBinary:
		r.wire = protowire.AppendBytes(r.wire, v.bytes)
		return true
	case f.kind == protoreflect.BoolKind && v.kind == bsonBool:
		r.wire = append(r.wire, v.bytes[0])
		return v.bytes[0] <= 1
	case f.kind == protoreflect.EnumKind && v.kind == bsonString:
		n, ok := f.words.numbers[string(v.bytes)]
		if !ok {
			n, ok = f.words.numbers[strings.ToLower(string(v.bytes))]
		}
		r.wire = protowire.AppendVarint(r.wire, uint64(n)) //nolint:gosec // the same bits
		return ok
	case isNumber(f.kind):
		return r.number(f.kind, v)
	}
	return false
}

func (r *bsonReader) number(kind protoreflect.Kind, v bsonValue) bool {
	if v.kind == bsonInt64 && kind == protoreflect.Int64Kind || v.kind == bsonInt32 && kind == protoreflect.Int32Kind {
		n := uint64(0)
		if v.kind == bsonInt64 {
			n = uint64(bsonLong(v)) //nolint:gosec // the same bits
		} else {
			n = uint64(int32(binary.LittleEndian.Uint32(v.bytes))) //nolint:gosec // the same bits, with its sign
		}
		r.wire = protowire.AppendVarint(r.wire, n)
		return true
	}
	tree, ok := bsonTree(v, 0)
	if !ok {
		return false
	}
	n, err := number(kind, tree)
	if err != nil {
		return false
	}
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		r.wire = protowire.AppendVarint(r.wire, uint64(n.Int())) //nolint:gosec // the same bits
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		r.wire = protowire.AppendVarint(r.wire, n.Uint())
	case protoreflect.DoubleKind:
		r.wire = protowire.AppendFixed64(r.wire, math.Float64bits(n.Float()))
	case protoreflect.FloatKind:
		r.wire = protowire.AppendFixed32(r.wire, math.Float32bits(float32(n.Float())))
	default:
		return false
	}
	return true
}

func bsonLong(v bsonValue) int64 { return int64(binary.LittleEndian.Uint64(v.bytes)) } //nolint:gosec // the same bits

// bsonTree returns a value as a tree of the document dialect has it.
func bsonTree(v bsonValue, depth int) (any, bool) {
	if depth > mostNested {
		return nil, false
	}
	switch v.kind {
	case bsonNull:
		return nil, true
	case bsonBool:
		return v.bytes[0] != 0, v.bytes[0] <= 1
	case bsonString:
		return string(v.bytes), true
	case bsonInt32:
		return int32(binary.LittleEndian.Uint32(v.bytes)), true //nolint:gosec // the same bits
	case bsonInt64:
		return bsonLong(v), true
	case bsonDouble:
		return math.Float64frombits(binary.LittleEndian.Uint64(v.bytes)), true
	case bsonArray:
		list := []any{}
		for e := elementsOf(v.bytes); ; {
			_, v, ok := e.next()
			if !ok {
				return list, !e.bad
			}
			item, ok := bsonTree(v, depth+1)
			if !ok {
				return nil, false
			}
			list = append(list, item)
		}
	case bsonDocument:
		tree := Object{}
		for e := elementsOf(v.bytes); ; {
			name, v, ok := e.next()
			if !ok {
				return tree, !e.bad
			}
			if tree[string(name)], ok = bsonTree(v, depth+1); !ok {
				return nil, false
			}
		}
	}
	return nil, false
}

// mostNested bounds the levels of free-form members; databases keep fewer.
const mostNested = 200
