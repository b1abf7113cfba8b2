package prototree_test

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

func TestDocumentKeepsEveryMessageExactly(t *testing.T) {
	d := prototree.Document(wax{})
	for _, md := range reachable() {
		t.Run(string(md.FullName()), func(t *testing.T) {
			for seed := range uint64(60) {
				f := filler{Rand: rand.New(rand.NewPCG(seed, 0)), likely: float64(seed%4) / 3}
				m := newMessage(t, md)
				f.fill(m.ProtoReflect(), 0)
				tree, err := d.Encode(m)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				storable(t, "", tree)
				back := newMessage(t, md)
				if err := d.Decode(tree, back); err != nil {
					t.Fatalf("seed %d: %v in %v", seed, err, tree)
				}
				if diff := cmp.Diff(m, back, protocmp.Transform()); diff != "" {
					t.Fatalf("seed %d: message changed (-before +after):\n%s", seed, diff)
				}
			}
		})
	}
}

// storable checks the rules of the database for names and lists.
func storable(t *testing.T, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case prototree.Object:
		for name, inner := range v {
			if name == "" || name[0] == '$' || strings.ContainsAny(name, ".\x00") {
				t.Fatalf("the database does not like the name %q at %q", name, path)
			}
			storable(t, prototree.Member(path, name), inner)
		}
	case []any:
		for i, inner := range v {
			if _, ok := inner.([]any); ok {
				t.Fatalf("a list stands directly in a list at %s", path)
			}
			storable(t, prototree.Index(path, i), inner)
		}
	}
}

// TestTreesReadBack checks the JSON dialects on every resource: what was written is read, and written again the same.
func TestTreesReadBack(t *testing.T) {
	dialects := map[string]*prototree.Dialect{"management": prototree.Management, "audit": prototree.Audit}
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			for _, md := range reachable() {
				for seed := range uint64(30) {
					f := filler{Rand: rand.New(rand.NewPCG(seed, 1)), likely: float64(seed%4) / 3}
					m := newMessage(t, md)
					f.fill(m.ProtoReflect(), 0)
					tree, err := d.Encode(m)
					if err != nil {
						t.Fatalf("%s, seed %d: %v", md.Name(), seed, err)
					}
					back := newMessage(t, md)
					if err := d.Decode(throughJSON(t, tree), back); err != nil {
						t.Fatalf("%s, seed %d: %v", md.Name(), seed, err)
					}
					again, err := d.Encode(back)
					if err != nil {
						t.Fatalf("%s, seed %d: %v", md.Name(), seed, err)
					}
					if diff := cmp.Diff(tree, again); diff != "" {
						t.Fatalf("%s, seed %d: tree changed (-before +after):\n%s", md.Name(), seed, diff)
					}
				}
			}
		})
	}
}

func throughJSON(t testing.TB, tree prototree.Object) prototree.Object {
	t.Helper()
	body, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	back, err := prototree.Parse(body)
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return back
}

func TestSecretsAndInternalMembersDoNotAppear(t *testing.T) {
	const sentinel = "rosebud-rosebud-rosebud"
	dialects := map[string]*prototree.Dialect{
		"management": prototree.Management, "audit": prototree.Audit, "registration": prototree.Registration,
	}
	for name, d := range dialects {
		for _, md := range reachable() {
			// Several seeds, because each fills only one arm of a oneof, the last one.
			for arm := range 4 {
				m := newMessage(t, md)
				filler{Rand: rand.New(rand.NewPCG(1, 1)), likely: 1, secret: sentinel}.fill(m.ProtoReflect(), 0)
				chooseArm(m.ProtoReflect(), arm, sentinel)
				tree, err := d.Encode(m)
				if err != nil {
					t.Fatalf("%s: %s: %v", name, md.Name(), err)
				}
				body, err := json.Marshal(tree)
				if err != nil {
					t.Fatal(err)
				}
				coded := base64.StdEncoding.EncodeToString([]byte(sentinel))
				if s := string(body); strings.Contains(s, sentinel) || strings.Contains(s, coded) {
					t.Errorf("%s: a secret of %s shows: %s", name, md.Name(), s)
				}
				for i := range md.Fields().Len() {
					fd := md.Fields().Get(i)
					marks := prototree.MarksOf(fd)
					member := fd.JSONName()
					if d == prototree.Registration {
						member = string(fd.Name())
					}
					_, shown := tree[member]
					hidden := marks.Internal && !(marks.Recorded && d == prototree.Audit)
					if shown && (hidden || marks.Secret && d == prototree.Registration) {
						t.Errorf("%s: member %s of %s shows", name, member, md.Name())
					}
					if marks.Secret && !marks.Internal && d != prototree.Registration && tree[member] != prototree.Mask {
						t.Errorf("%s: %s of %s is %v instead of the mask", name, member, md.Name(), tree[member])
					}
				}
			}
		}
	}
}

// chooseArm fills the n-th arm of every oneof of m.
func chooseArm(m protoreflect.Message, n int, secret string) {
	oneofs := m.Descriptor().Oneofs()
	for i := range oneofs.Len() {
		if oneofs.Get(i).IsSynthetic() {
			continue
		}
		arms := oneofs.Get(i).Fields()
		fd := arms.Get(n % arms.Len())
		f := filler{Rand: rand.New(rand.NewPCG(1, 1)), likely: 1, secret: secret}
		m.Set(fd, f.value(fd, func() protoreflect.Message { return m.NewField(fd).Message() }, 0))
	}
}

func TestDocumentSealsSecrets(t *testing.T) {
	const sentinel = "rosebud-rosebud-rosebud"
	d := prototree.Document(wax{})
	for _, md := range reachable() {
		m := newMessage(t, md)
		filler{Rand: rand.New(rand.NewPCG(1, 1)), likely: 1, secret: sentinel}.fill(m.ProtoReflect(), 0)
		tree, err := d.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			marks := prototree.MarksOf(fd)
			if !marks.Secret {
				continue
			}
			values := []any{tree[fd.JSONName()]}
			if fd.IsList() {
				values, _ = tree[fd.JSONName()].([]any)
				if len(values) == 0 {
					t.Errorf("%s is %T, not a list with something in it", fd.FullName(), tree[fd.JSONName()])
				}
			}
			for _, v := range values {
				s, ok := v.(string)
				if !ok {
					t.Errorf("%s is %T, not text", fd.FullName(), v)
				}
				if marks.Hashed != (s == sentinel) {
					t.Errorf("%s: hashed is %t, and the document holds %q", fd.FullName(), marks.Hashed, s)
				}
			}
		}
	}
}

// TestEveryMessageHasAPlan notices marks that contradict each other or the type of their field.
func TestEveryMessageHasAPlan(t *testing.T) {
	for _, d := range []*prototree.Dialect{
		prototree.Management, prototree.Audit, prototree.Registration, prototree.Document(wax{}),
	} {
		for _, md := range reachable() {
			m := newMessage(t, md)
			if _, err := d.Encode(m); err != nil {
				t.Error(err)
			}
			if err := d.Decode(prototree.Object{}, m); err != nil {
				t.Error(err)
			}
			if !proto.Equal(m, newMessage(t, md)) {
				t.Errorf("an empty tree fills %s", md.Name())
			}
		}
	}
}

// TestMarkedNamesExist checks that the `key` mark of every list names a member of its elements.
func TestMarkedNamesExist(t *testing.T) {
	for _, md := range reachable() {
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			key := prototree.MarksOf(fd).Key
			if key == "" {
				continue
			}
			if !fd.IsList() || fd.Message() == nil || fd.Message().Fields().ByName(protoreflect.Name(key)) == nil {
				t.Errorf("%s has the key %q, which is not a member of its elements", fd.FullName(), key)
			}
		}
	}
}
