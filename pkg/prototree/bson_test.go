package prototree_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// bsonOf writes a tree of the document dialect as a database would send it: a second, independent reading of its format.
func bsonOf(tree prototree.Object) []byte {
	names := slices.Sorted(maps.Keys(tree))
	if i := slices.Index(names, "_id"); i > 0 {
		names = slices.Concat(names[i:i+1], names[:i], names[i+1:])
	}
	doc := make([]byte, 4)
	for _, name := range names {
		doc = appendBSON(doc, name, tree[name])
	}
	doc = append(doc, 0)
	binary.LittleEndian.PutUint32(doc, uint32(len(doc)))
	return doc
}

func appendBSON(doc []byte, name string, v any) []byte {
	head := func(kind byte) []byte { return append(append(append(doc, kind), name...), 0) }
	le := binary.LittleEndian
	switch v := v.(type) {
	case nil:
		return head(0x0a)
	case bool:
		if v {
			return append(head(0x08), 1)
		}
		return append(head(0x08), 0)
	case string:
		return append(append(le.AppendUint32(head(0x02), uint32(len(v)+1)), v...), 0)
	case int32:
		return le.AppendUint32(head(0x10), uint32(v))
	case int64:
		return le.AppendUint64(head(0x12), uint64(v))
	case float64:
		return le.AppendUint64(head(0x01), math.Float64bits(v))
	case time.Time:
		return le.AppendUint64(head(0x09), uint64(v.UnixMilli()))
	case []byte:
		return append(append(le.AppendUint32(head(0x05), uint32(len(v))), 0), v...)
	case prototree.Object:
		return append(head(0x03), bsonOf(v)...)
	case []any:
		inner := make([]byte, 4)
		for i, item := range v {
			inner = appendBSON(inner, strconv.Itoa(i), item)
		}
		inner = append(inner, 0)
		le.PutUint32(inner, uint32(len(inner)))
		return append(head(0x04), inner...)
	}
	panic(fmt.Sprintf("no document has a %T", v))
}

// bsonAgrees fails unless a document is read like its tree, or is left to those who read trees. It reports whether it was read.
func bsonAgrees(t *testing.T, tree prototree.Object, fresh func() proto.Message) bool {
	t.Helper()
	d := prototree.Document(wax{})
	fast, slow := fresh(), fresh()
	read := d.DecodeBSON(bsonOf(tree), fast)
	if !read && !proto.Equal(fast, fresh()) {
		t.Fatalf("something is left of a document that was not read: %v", fast)
	}
	if !read {
		return false
	}
	plain := maps.Clone(tree)
	maps.DeleteFunc(plain, func(name string, _ any) bool { return name != "_id" && strings.HasPrefix(name, "_") })
	if err := d.Decode(plain, slow); err != nil {
		t.Fatalf("a document was read whose tree cannot be: %v", err)
	}
	if !proto.Equal(fast, slow) {
		t.Fatalf("the document was read as\n%v\nand its tree as\n%v", fast, slow)
	}
	return true
}

// TestDocumentsAreReadLikeTrees: whatever is written is read without a tree, and means the same.
func TestDocumentsAreReadLikeTrees(t *testing.T) {
	d := prototree.Document(wax{})
	for _, md := range resources() {
		for seed := range uint64(60) {
			f := filler{Rand: rand.New(rand.NewPCG(seed, 3)), likely: float64(seed%4) / 3}
			m := newMessage(t, md)
			f.fill(m.ProtoReflect(), 0)
			tree, err := d.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			tree["_sort"], tree["_before"] = "of the database", prototree.Object{"name": 1.5}
			if _, named := tree["_id"]; !named {
				tree["_id"] = ""
			}
			if !bsonAgrees(t, tree, func() proto.Message { return newMessage(t, md) }) {
				t.Fatalf("%s, seed %d: was not read from its document", md.Name(), seed)
			}
		}
	}
}

// TestStrangeDocumentsAreLeftToTrees changes what was written in ways that nobody writes.
func TestStrangeDocumentsAreLeftToTrees(t *testing.T) {
	d := prototree.Document(wax{})
	odd := []any{
		nil, true, "text", "", "WEB", int32(7), int64(1) << 60, 3.0, 0.5, math.NaN(), time.UnixMilli(-1).UTC(), []byte{1}, prototree.Object{},
		prototree.Object{"x": "y"}, []any{}, []any{"a", nil}, []any{int32(1)}, "\xff",
	}
	read, left := 0, 0
	for _, md := range resources() {
		for seed := range uint64(300) {
			f := filler{Rand: rand.New(rand.NewPCG(seed, 5)), likely: 0.5}
			m := newMessage(t, md)
			f.fill(m.ProtoReflect(), 0)
			tree, err := d.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			if _, named := tree["_id"]; !named {
				tree["_id"] = "x"
			}
			spoil(f, tree, odd)
			if bsonAgrees(t, tree, func() proto.Message { return newMessage(t, md) }) {
				read++
			} else {
				left++
			}
		}
	}
	if read == 0 || left == 0 {
		t.Errorf("%d were read and %d left: the test says nothing", read, left)
	}
}

// spoil puts an odd value somewhere in a tree.
func spoil(f filler, tree prototree.Object, odd []any) {
	names := slices.Sorted(maps.Keys(tree))
	if len(names) == 0 || f.IntN(4) == 0 {
		tree[pick(f, "unknown", "name", "id", "settings", "createdAt")] = pick(f, odd...)
		return
	}
	name := names[f.IntN(len(names))]
	if inner, ok := tree[name].(prototree.Object); ok && f.IntN(4) > 0 {
		spoil(f, inner, odd)
		return
	}
	tree[name] = pick(f, odd...)
}

// TestBytesThatAreNoDocument: whatever a database sends, nobody reads beyond it.
func TestBytesThatAreNoDocument(t *testing.T) {
	d := prototree.Document(wax{})
	tree, err := d.Encode(application())
	if err != nil {
		t.Fatal(err)
	}
	whole := bsonOf(tree)
	for n := range len(whole) {
		if d.DecodeBSON(whole[:n], newMessage(t, application().ProtoReflect().Descriptor())) {
			t.Fatalf("the first %d bytes of %d were read", n, len(whole))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		doc := slices.Clone(whole)
		for range 1 + r.IntN(4) {
			doc[r.IntN(len(doc))] = byte(r.Uint32())
		}
		d.DecodeBSON(doc, newMessage(t, application().ProtoReflect().Descriptor()))
	}
}

func TestOnlyDocumentsAreReadAsDocuments(t *testing.T) {
	tree, err := prototree.Document(wax{}).Encode(application())
	if err != nil {
		t.Fatal(err)
	}
	if prototree.Management.DecodeBSON(bsonOf(tree), newMessage(t, application().ProtoReflect().Descriptor())) {
		t.Error("a REST body was read as a document")
	}
}
