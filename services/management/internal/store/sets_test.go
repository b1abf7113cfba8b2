package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

func replacement(old *configv1.Scope) Op {
	fresh := proto.CloneOf(old)
	fresh.Name = "replaced"
	return Op{Old: old, New: fresh}
}

// setOf returns a change that creates, replaces and deletes, and a check that a follower saw all of it or nothing.
func setOf(t *testing.T, s *Store) (Change, func(m *mirror) string) {
	replaced, deleted, created := scopeNamed("replaced"), scopeNamed("deleted"), scopeNamed("created")
	replaced.Name = "before"
	create(t, s, replaced)
	create(t, s, deleted)
	after := proto.CloneOf(replaced)
	after.Name = "after"
	change := Change{Ops: []Op{{New: created}, {Old: replaced, New: after}, {Old: deleted}}}
	return change, func(m *mirror) string {
		_, hasCreated := m.held[resource.KeyOf(created)]
		_, hasDeleted := m.held[resource.KeyOf(deleted)]
		name := m.held[resource.KeyOf(replaced)].(*configv1.Scope).GetName()
		switch {
		case !hasCreated && hasDeleted && name == "before":
			return "nothing"
		case hasCreated && !hasDeleted && name == "after":
			return "all"
		}
		return fmt.Sprintf("a part: created %v, deleted %v, name %s", hasCreated, !hasDeleted, name)
	}
}

func TestChangeSetsAreSeenWholeOrNotAtAll(t *testing.T) {
	for _, tt := range []struct {
		step  Step
		count int // how often the step is passed before the writer dies; 0: it lives
		want  string
	}{
		{Announced, 1, "nothing"},
		{Wrote, 1, "nothing"},
		{Wrote, 2, "nothing"},
		{Wrote, 3, "nothing"},
		{Written, 1, "nothing"},
		{Settled, 1, "all"},
		{Settled, 0, "all"},
	} {
		t.Run(fmt.Sprintf("writer dies at %s %d", tt.step, tt.count), func(t *testing.T) {
			s := fresh(t, func(o *Options) { o.GracePeriod = 200 * time.Millisecond })
			change, seen := setOf(t, s)
			m := follow(t, s, func(m *mirror, e Entry) {
				if got := seen(m); got != "nothing" && got != "all" {
					t.Errorf("at revision %d the follower has %s", e.Revision, got)
				}
			})
			passed := 0
			w := another(t, s, func(o *Options) {
				o.Hook = func(step Step, _ int64) error {
					if step == tt.step {
						if passed++; passed == tt.count {
							return errKilled
						}
					}
					return nil
				}
			})
			if _, err := w.Write(t.Context(), change); (err == nil) != (tt.count == 0) {
				t.Fatal(err)
			}
			if tt.want == "all" {
				m.reach(3) // what is touched before the follower gets there comes with the touch, see Entry
			}
			// Somebody else touches a member of the set meanwhile.
			touched, err := Get(t.Context(), s, catalog.Scopes, change.Ops[1].Old.GetId())
			if err != nil {
				t.Fatal(err)
			}
			next := proto.CloneOf(touched)
			next.Description = "touched"
			_, touching := s.Write(t.Context(), Change{Ops: []Op{{Old: touched, New: next}}})

			m.reach(3)
			m.mu.Lock()
			if got := seen(m); got != tt.want {
				t.Errorf("in the end the follower has %s, want %s", got, tt.want)
			}
			m.mu.Unlock()
			m.same()
			if touching != nil && !errors.Is(touching, ErrStale) {
				t.Errorf("the touch: %v", touching)
			}
			if tt.want == "all" && touching != nil {
				t.Errorf("the touch was refused after the set had settled: %v", touching)
			}
			// Nothing of the store's bookkeeping is left once the sweep has passed.
			if err := s.resolveSets(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := s.db.Collection("scopes").CountDocuments(t.Context(), bson.M{memberSet: true}); err != nil || n != 0 {
				t.Errorf("%d documents belong to a set still, %v", n, err)
			}
			m.same()
		})
	}
}

func TestSlowChangeSetIsWrittenAgain(t *testing.T) {
	s := fresh(t, func(o *Options) { o.GracePeriod = 50 * time.Millisecond })
	change, seen := setOf(t, s)
	m := follow(t, s, nil)
	slow := another(t, s, func(o *Options) {
		o.Hook = func(step Step, revision int64) error {
			if step == Wrote && revision == 3 {
				m.reach(3) // dropped and undone after the first of three
			}
			return nil
		}
	})
	revision, err := slow.Write(t.Context(), change)
	if err != nil || revision != 4 {
		t.Fatalf("revision %d, %v", revision, err)
	}
	m.same()
	if got := seen(m); got != "all" {
		t.Errorf("the follower has %s", got)
	}
}

func TestSlowChangeSetWithSignsOfLife(t *testing.T) {
	s := fresh(t, func(o *Options) { o.GracePeriod = time.Second })
	var ops []Op
	for i := range 10 {
		ops = append(ops, Op{New: scopeNamed(fmt.Sprint("s", i))})
	}
	m := follow(t, s, func(m *mirror, e Entry) {
		if n := len(m.held); e.Revision == 1 && n != len(ops) {
			t.Errorf("at revision %d the follower has %d of %d", e.Revision, n, len(ops))
		}
	})
	// Every document takes a good part of the grace period, all of them several of these.
	slow := another(t, s, func(o *Options) {
		o.Hook = func(step Step, _ int64) error {
			if step == Wrote {
				<-time.After(s.opts.GracePeriod / 3)
			}
			return nil
		}
	})
	began := time.Now()
	revision, err := slow.Write(t.Context(), Change{Ops: ops})
	if took := time.Since(began); err != nil || revision != 1 || took < 2*s.opts.GracePeriod {
		t.Fatalf("revision %d after %v, %v", revision, took, err)
	}
	m.reach(1)
	m.same()
	if e := logOf(t, s); len(e) != 1 || e[0].State != settled || e[0].Beat < 3 {
		t.Errorf("the log says %v", e)
	}
}

func TestChangeSetWhoseWriterStopsBeating(t *testing.T) {
	s := fresh(t, func(o *Options) { o.GracePeriod = 500 * time.Millisecond })
	change, _ := setOf(t, s)
	m := follow(t, s, nil)
	wrote := 0
	var stopped time.Time
	dying := another(t, s, func(o *Options) {
		o.Hook = func(step Step, _ int64) error {
			if step != Wrote {
				return nil
			}
			if wrote++; wrote == 3 {
				stopped = time.Now()
				return errKilled
			}
			<-time.After(s.opts.GracePeriod / 2)
			return nil
		}
	})
	if _, err := dying.Write(t.Context(), change); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	// A document of the set is in the way of somebody else, too.
	touched := replacement(change.Ops[1].Old.(*configv1.Scope))
	if _, err := s.Write(t.Context(), Change{Ops: []Op{touched}}); err != nil {
		t.Errorf("a change of what the dead writer left: %v", err)
	}
	m.reach(3)
	if took := time.Since(stopped); took > 20*s.opts.GracePeriod {
		t.Errorf("it took %v", took)
	}
	m.same()
	if e := logOf(t, s); e[2].State != dropped || e[2].Beat == 0 {
		t.Errorf("the log says %v", e)
	}
	if m.held[change.Ops[0].key()] != nil || m.held[change.Ops[2].key()] == nil {
		t.Errorf("the follower has a part of the set: %v", m.held)
	}
}

func TestChangeSetThatTakesTooLong(t *testing.T) {
	s := fresh(t, func(o *Options) { o.GracePeriod = 50 * time.Millisecond })
	change, seen := setOf(t, s)
	m := follow(t, s, nil)
	endless := another(t, s, func(o *Options) {
		o.GracePeriod = time.Millisecond
		o.Hook = func(step Step, revision int64) error {
			if step == Wrote {
				<-time.After(2 * lifetimes * time.Millisecond)
			}
			return nil
		}
	})
	if revision, err := endless.Write(t.Context(), change); !errors.Is(err, errTooLong) {
		t.Fatalf("revision %d, %v", revision, err)
	}
	m.same()
	if got := seen(m); got != "nothing" {
		t.Errorf("the follower has %s", got)
	}

	now := time.Now()
	p := newPulse(0, now)
	for beat := range int64(10 * lifetimes) {
		now = now.Add(s.opts.GracePeriod / 2)
		p.look(beat+1, now)
		if p.stopped(now, s.opts.GracePeriod) {
			return
		}
	}
	t.Error("a writer that beats for ever is never dropped")
}
