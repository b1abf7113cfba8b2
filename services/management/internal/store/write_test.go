package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// log returns all entries of the change log and fails if their revisions have a gap.
func logOf(t *testing.T, s *Store) []change {
	t.Helper()
	cursor, err := s.db.Collection(changesCollection).Find(t.Context(), bson.M{}, options.Find().SetSort(bson.M{"_id": 1}))
	if err != nil {
		t.Fatal(err)
	}
	var entries []change
	if err := cursor.All(t.Context(), &entries); err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if e.Revision != int64(i+1) {
			t.Fatalf("entry %d has revision %d", i+1, e.Revision)
		}
	}
	return entries
}

func TestWriteRefusesWhatChanged(t *testing.T) {
	s := fresh(t, nil)
	first := scopeNamed("mail")
	if r := create(t, s, first); r != 1 || first.GetRevision() != 1 {
		t.Errorf("the first revision is %d, stamped %d", r, first.GetRevision())
	}
	second := proto.CloneOf(first)
	second.Name = "two"
	if r, err := s.Write(t.Context(), Change{Ops: []Op{{Old: first, New: second}}}); err != nil || r != 2 {
		t.Errorf("revision %d, %v", r, err)
	}
	late := proto.CloneOf(first)
	late.Name = "late"
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: first, New: late}}}); !errors.Is(err, ErrStale) {
		t.Errorf("a late replacement: %v", err)
	}
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: first}}}); !errors.Is(err, ErrStale) {
		t.Errorf("a late deletion: %v", err)
	}
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: second}}}); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{Old: second, New: late}}}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a replacement of what is gone: %v", err)
	}
	var states []state
	for _, e := range logOf(t, s) {
		states = append(states, e.State)
	}
	if want := []state{settled, settled, dropped, dropped, settled, dropped}; !slices.Equal(states, want) {
		t.Errorf("the log says %v, want %v", states, want)
	}
}

func TestWriteNamesTheTakenValue(t *testing.T) {
	s := fresh(t, nil)
	domain := func(id, name, path string) *configv1.Domain {
		d := &configv1.Domain{Name: name, Hrid: id, Path: path}
		resource.Stamp(d, resource.Stamps{ID: id, Domain: id})
		return d
	}
	create(t, s, domain("d1", "One", "/one"))
	two := domain("d2", "Two", "/two")
	create(t, s, two)
	for _, tt := range []struct {
		name string
		op   Op
		want string
	}{
		{"an identifier", Op{New: domain("d1", "Other", "/other")}, "id"},
		{"a name in another case", Op{New: domain("d3", "ONE", "/three")}, "name"},
		{"a path", Op{New: domain("d3", "Three", "/one")}, "path"},
		{"a path, by a change", Op{Old: two, New: func() *configv1.Domain {
			d := proto.CloneOf(two)
			d.Path = "/one"
			return d
		}()}, "path"},
	} {
		_, err := s.Write(t.Context(), Change{Ops: []Op{tt.op}})
		var taken *DuplicateError
		if !errors.As(err, &taken) || taken.Unique != tt.want || taken.Kind != "domain" || !errors.Is(err, ErrDuplicate) {
			t.Errorf("%s: %v, want the %s to be taken", tt.name, err, tt.want)
		}
	}
	// A refused member of a set takes the others back.
	_, err := s.Write(t.Context(), Change{Ops: []Op{
		{New: domain("d4", "Four", "/four")}, {Old: two}, {New: domain("d5", "Five", "/one")},
	}})
	if !errors.Is(err, ErrDuplicate) {
		t.Errorf("a set with a taken value: %v", err)
	}
	if _, err := Get(t.Context(), s, catalog.Domains, "d4"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the created member of a refused set: %v", err)
	}
	if back, err := Get(t.Context(), s, catalog.Domains, "d2"); err != nil || back.GetRevision() != two.GetRevision() {
		t.Errorf("the deleted member of a refused set: %v, %v", back, err)
	}
}

func TestRacingCreationsHaveOneWinner(t *testing.T) {
	s := fresh(t, nil)
	stores := []*Store{s, another(t, s, nil)}
	var won, lost int
	var mu sync.Mutex
	race(32, func(i int) {
		_, err := stores[i%2].Write(t.Context(), Change{Ops: []Op{{New: scopeNamed("mail")}}})
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			won++
		case errors.Is(err, ErrDuplicate):
			lost++
		default:
			t.Error(err)
		}
	})
	if won != 1 || lost != 31 {
		t.Errorf("%d won and %d lost", won, lost)
	}
	if n := len(logOf(t, s)); n != 32 {
		t.Errorf("%d entries in the log", n)
	}
}

func TestRacingReplacementsHaveOneWinner(t *testing.T) {
	s := fresh(t, nil)
	stores := []*Store{s, another(t, s, nil)}
	was := scopeNamed("mail")
	create(t, s, was)
	var won int
	var mu sync.Mutex
	race(32, func(i int) {
		now := proto.CloneOf(was)
		now.Name = fmt.Sprint("name ", i)
		_, err := stores[i%2].Write(t.Context(), Change{Ops: []Op{{Old: was, New: now}}})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			won++
		} else if !errors.Is(err, ErrStale) {
			t.Error(err)
		}
	})
	if won != 1 {
		t.Errorf("%d replacements won", won)
	}
	logOf(t, s)
}

// race runs do n times at once.
func race(n int, do func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range n {
		done.Go(func() {
			ready.Wait()
			do(i)
		})
	}
	ready.Done()
	done.Wait()
}

func TestWriteOutlivesItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := fresh(t, func(o *Options) {
		o.Hook = func(step Step, _ int64) error {
			if step == Announced {
				cancel()
			}
			return nil
		}
	})
	if _, err := s.Write(ctx, Change{Ops: []Op{{New: scopeNamed("mail")}}}); err != nil {
		t.Error(err)
	}
	if e := logOf(t, s); len(e) != 1 || e[0].State != settled {
		t.Errorf("the log says %v", e)
	}
	if _, err := s.Write(ctx, Change{Ops: []Op{{New: scopeNamed("phone")}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a write that had not begun: %v", err)
	}
}
