package store

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
)

// indexesOf returns the indexes of a collection, by name.
func indexesOf(t *testing.T, s *Store, collection string) map[string]string {
	t.Helper()
	present, err := s.presentIndexes(t.Context(), s.db.Collection(collection).Indexes())
	if err != nil {
		t.Fatal(err)
	}
	return present
}

func TestIndexesAreReconciled(t *testing.T) {
	s := fresh(t, nil)
	view := s.db.Collection("scopes").Indexes()
	before := indexesOf(t, s, "scopes")
	if _, ok := before["gatehouse_unique_key"]; !ok {
		t.Fatalf("no unique index among %v", before)
	}
	// One is missing, somebody has made another one of one, one belongs to somebody else.
	for _, name := range []string{"gatehouse_order", "gatehouse_unique_key"} {
		if err := view.DropOne(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	foreign := index{name: "theirs", members: bson.D{{Key: "iconUri", Value: int32(1)}}}
	if err := s.reconcile(t.Context(), "scopes", []index{ascending("unique_key", "name"), foreign}); err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	before["theirs"] = foreign.String()
	if diff := cmp.Diff(before, indexesOf(t, s, "scopes")); diff != "" {
		t.Errorf("indexes (-want +got):\n%s", diff)
	}
}

func TestIndexesOfANewerVersionStay(t *testing.T) {
	s := fresh(t, nil)
	newer := manifest()
	newer["scopes"] = append(newer["scopes"], ascending("later", "description"), uniqueIndex("later"))
	if err := s.reconcileIndexes(t.Context(), newer, nil); err != nil {
		t.Fatal(err)
	}
	made := indexesOf(t, s, "scopes")
	if made["gatehouse_later"] == "" || made["gatehouse_unique_later"] == "" {
		t.Fatalf("the newer version has made %v", made)
	}
	another(t, s, nil) // this version starts
	if diff := cmp.Diff(made, indexesOf(t, s, "scopes")); diff != "" {
		t.Errorf("indexes after a start of the older version (-want +got):\n%s", diff)
	}
}

func TestRetiredIndexesGo(t *testing.T) {
	s := fresh(t, nil)
	want := indexesOf(t, s, "scopes")
	if err := s.reconcile(t.Context(), "scopes", []index{ascending("obsolete", "system")}); err != nil {
		t.Fatal(err)
	}
	if err := s.reconcile(t.Context(), "former", []index{ascending("obsolete", "system")}); err != nil {
		t.Fatal(err)
	}
	before := retired
	t.Cleanup(func() { retired = before })
	retired = map[string][]string{
		"scopes": {"gatehouse_never", "gatehouse_obsolete"},
		"former": {"gatehouse_obsolete"}, // a collection that has no other index
		"never":  {"gatehouse_obsolete"}, // and one that this database never had
	}
	for range 2 {
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, indexesOf(t, s, "scopes")); diff != "" {
			t.Errorf("indexes (-want +got):\n%s", diff)
		}
		if former := indexesOf(t, s, "former"); former["gatehouse_obsolete"] != "" {
			t.Errorf("indexes %v of a collection that has none in the manifest", former)
		}
	}
}

func TestIndexesMayBeDroppedByTwoAtOnce(t *testing.T) {
	wanted := map[string][]index{"scopes": {ascending("mended", "description")}}
	gone := map[string][]string{"scopes": {"gatehouse_obsolete"}}
	for _, tt := range []struct {
		name string
		// first drops it as well, after the other process has seen that it is there.
		first func(*Store) error
		made  index
	}{
		{"one that is retired", func(s *Store) error {
			return s.reconcileIndexes(t.Context(), wanted, gone)
		}, ascending("obsolete", "system")},
		{"one that is made anew", func(s *Store) error {
			return s.drop(t.Context(), s.db.Collection("scopes").Indexes(), "gatehouse_mended")
		}, ascending("mended", "system")},
		{"one that was made anew", func(s *Store) error {
			return s.reconcileIndexes(t.Context(), wanted, gone)
		}, ascending("mended", "system")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fresh(t, nil)
			want := indexesOf(t, s, "scopes")
			want["gatehouse_mended"] = wanted["scopes"][0].String()
			drops := 0
			second := another(t, s, func(o *Options) {
				o.monitor = &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
					if e.CommandName != "dropIndexes" {
						return
					}
					drops++
					if err := tt.first(s); err != nil {
						t.Errorf("the first: %v", err)
					}
				}}
			})
			if err := s.reconcile(t.Context(), "scopes", []index{tt.made}); err != nil {
				t.Fatal(err)
			}
			if err := second.reconcileIndexes(t.Context(), wanted, gone); err != nil || drops != 1 {
				t.Errorf("the second: %v, after %d drops", err, drops)
			}
			if diff := cmp.Diff(want, indexesOf(t, s, "scopes")); diff != "" {
				t.Errorf("indexes (-want +got):\n%s", diff)
			}
		})
	}
}

// testdata/indexes.txt has every index that a version ever made. Lines are added and never changed.
func TestNamesOfIndexesKeepTheirMembers(t *testing.T) {
	text, err := os.ReadFile("testdata/indexes.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for line := range strings.Lines(string(text)) {
		collection, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, definition, _ := strings.Cut(rest, " ")
		key := collection + " " + name
		if known[key] != "" {
			t.Errorf("%s stands there twice", key)
		}
		known[key] = definition
	}
	wanted := manifest()
	for _, collection := range slices.Sorted(maps.Keys(wanted)) {
		for _, w := range wanted[collection] {
			key := collection + " " + w.name
			switch known[key] {
			case w.String():
			case "":
				t.Errorf("testdata/indexes.txt does not have this line yet:\n%s %s", key, w)
			default:
				t.Errorf("%s was %q in another version and is %q now: give it another name", key, known[key], w)
			}
			if slices.Contains(retired[collection], w.name) {
				t.Errorf("%s is in the manifest and retired: each start would make it and drop it", key)
			}
		}
	}
	for collection, names := range retired {
		for _, name := range names {
			if key := collection + " " + name; known[key] == "" {
				t.Errorf("%s is retired, and no version ever made it", key)
			}
		}
	}
}
