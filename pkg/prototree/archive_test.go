package prototree_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// line returns what a tree is after it was a line of JSON.
func line(t *testing.T, tree prototree.Object) ([]byte, prototree.Object) {
	t.Helper()
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	back, err := prototree.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return text, back
}

func TestArchiveThereAndBack(t *testing.T) {
	for name, m := range map[string]proto.Message{
		"application": application(), "domain": domain(), "identity provider": provider(), "certificate": certificate(), "user": user(t),
	} {
		t.Run(name, func(t *testing.T) {
			d := prototree.Archive(wax{})
			tree, err := d.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			_, tree = line(t, tree)
			back := m.ProtoReflect().New().Interface()
			if err := d.Decode(tree, back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, back, protocmp.Transform()); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
}

func TestAnArchiveTellsNoSecret(t *testing.T) {
	for name, c := range map[string]struct {
		m      proto.Message
		secret string
	}{
		"the hash of a client secret": {application(), "$sha256$abc"},
		"the password of a person":    {user(t), "$argon2id$"},
		"a private key":               {certificate(), "BEGIN KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, s := range map[string]prototree.Sealer{"sealed": wax{}, "left out": nil} {
				tree, err := prototree.Archive(s).Encode(c.m)
				if err != nil {
					t.Fatal(err)
				}
				if text, _ := line(t, tree); strings.Contains(string(text), c.secret) {
					t.Errorf("%s: %s", kind, text)
				}
			}
		})
	}
}
