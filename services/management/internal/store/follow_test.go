package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// mirror is a follower that keeps what it is told.
type mirror struct {
	t    *testing.T
	s    *Store
	stop context.CancelFunc
	done chan error

	mu       sync.Mutex
	changed  *sync.Cond
	revision int64
	held     map[resource.Key]resource.Resource
	entries  []Entry
	// check is called after every entry, with mu held.
	check func(m *mirror, e Entry)
}

// follow starts a follower from a loaded image.
func follow(t *testing.T, s *Store, check func(*mirror, Entry)) *mirror {
	t.Helper()
	image, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &mirror{t: t, s: s, revision: image.Revision, held: map[resource.Key]resource.Resource{}, done: make(chan error, 1), check: check}
	m.changed = sync.NewCond(&m.mu)
	for _, r := range image.Resources {
		m.held[resource.KeyOf(r)] = r
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() { m.done <- s.Follow(ctx, image.Revision, m.apply) }()
	t.Cleanup(func() {
		cancel()
		if err := <-m.done; !errors.Is(err, context.Canceled) {
			t.Errorf("follower ended with %v", err)
		}
	})
	return m
}

func (m *mirror) apply(_ context.Context, e Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Revision != m.revision+1 {
		m.t.Errorf("revision %d after %d", e.Revision, m.revision)
	}
	m.revision = e.Revision
	for _, r := range e.Upserts {
		m.held[resource.KeyOf(r)] = r
	}
	for _, k := range e.Deletes {
		delete(m.held, k)
	}
	m.entries = append(m.entries, e)
	if m.check != nil {
		m.check(m, e)
	}
	m.changed.Broadcast()
	return nil
}

// reach waits until the follower has passed a revision.
func (m *mirror) reach(revision int64) {
	m.t.Helper()
	late := time.AfterFunc(60*time.Second, func() {
		m.t.Errorf("the follower does not reach revision %d", revision)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.revision = 1 << 60
		m.changed.Broadcast()
	})
	defer late.Stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.revision < revision {
		m.changed.Wait()
	}
}

// same fails unless the follower holds exactly what the database holds.
func (m *mirror) same() {
	m.t.Helper()
	last, err := m.s.LastRevision(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	m.reach(last)
	m.mu.Lock()
	defer m.mu.Unlock()
	stored := map[resource.Key]int64{}
	for _, k := range catalog.All {
		all, _, err := m.s.ListAny(m.t.Context(), k, Query{})
		if err != nil {
			m.t.Fatal(err)
		}
		for _, r := range all {
			stored[resource.KeyOf(r)] = r.GetRevision()
		}
	}
	for k, revision := range stored {
		if r := m.held[k]; r == nil || r.GetRevision() != revision {
			m.t.Errorf("%s is stored at revision %d, the follower has %v", k, revision, r)
		}
	}
	for k := range m.held {
		if _, ok := stored[k]; !ok {
			m.t.Errorf("the follower has %s, which is not stored", k)
		}
	}
}

var errKilled = errors.New("killed")

// killAt makes a writer die at a step.
func killAt(at Step) func(*Options) {
	return func(o *Options) {
		o.Hook = func(step Step, _ int64) error {
			if step == at {
				return errKilled
			}
			return nil
		}
	}
}

func TestFollowerSeesEveryAcknowledgedWrite(t *testing.T) {
	s := fresh(t, func(o *Options) { o.GracePeriod = 300 * time.Millisecond })
	m := follow(t, s, nil)

	// Writers of two processes create, change and delete. One in ten steps kills the writer.
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	chance := func(n int) bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n) == 0
	}
	mortal := func(o *Options) {
		o.Hook = func(Step, int64) error {
			if chance(10) {
				return errKilled
			}
			return nil
		}
	}
	acknowledged := map[int64]resource.Key{}
	note := func(revision int64, err error, k resource.Key) bool {
		if err != nil {
			if !errors.Is(err, errKilled) && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if old, twice := acknowledged[revision]; twice {
			t.Errorf("revision %d was given to %s and to %s", revision, old, k)
		}
		acknowledged[revision] = k
		return true
	}
	stores := []*Store{another(t, s, mortal), another(t, s, mortal)}
	race(8, func(i int) {
		w := stores[i%2]
		ctx := t.Context()
		for n := range 8 {
			r := scopeNamed(fmt.Sprintf("s-%d-%d", i, n))
			revision, err := w.Write(ctx, Change{Ops: []Op{{New: r}}})
			if !note(revision, err, resource.KeyOf(r)) {
				continue
			}
			next := proto.CloneOf(r)
			next.Name += "'"
			revision, err = w.Write(ctx, Change{Ops: []Op{{Old: r, New: next}}})
			if !note(revision, err, resource.KeyOf(r)) {
				continue
			}
			if chance(3) {
				revision, err = w.Write(ctx, Change{Ops: []Op{{Old: next}}})
				note(revision, err, resource.KeyOf(r))
			}
		}
	})

	m.same()
	m.mu.Lock()
	defer m.mu.Unlock()
	for revision, k := range acknowledged {
		e := m.entries[revision-1]
		named := slices.Contains(e.Deletes, k) ||
			slices.ContainsFunc(e.Upserts, func(r resource.Resource) bool { return resource.KeyOf(r) == k })
		later := slices.ContainsFunc(m.entries[revision:], func(e Entry) bool {
			return slices.Contains(e.Deletes, k) ||
				slices.ContainsFunc(e.Upserts, func(r resource.Resource) bool { return resource.KeyOf(r) == k })
		})
		if !named && !later {
			t.Errorf("acknowledged revision %d of %s was never seen", revision, k)
		}
	}
	if len(acknowledged) < 20 || len(acknowledged) == len(m.entries) {
		t.Errorf("%d of %d changes acknowledged: not the mixture this test is for", len(acknowledged), len(m.entries))
	}
	logOf(t, s)
}

func TestDroppedWritesNeverAppear(t *testing.T) {
	s := fresh(t, nil)
	m := follow(t, s, nil)
	create(t, s, scopeNamed("mail"))
	if _, err := s.Write(t.Context(), Change{Ops: []Op{{New: scopeNamed("mail")}}}); !errors.Is(err, ErrDuplicate) {
		t.Fatal(err)
	}
	m.same()
	if len(m.held) != 1 {
		t.Errorf("the follower holds %v", m.held)
	}
}

func TestDeadWritersCostOneGracePeriod(t *testing.T) {
	s := fresh(t, nil)
	m := follow(t, s, nil)
	dead := another(t, s, killAt(Announced))
	for i := range 5 {
		if _, err := dead.Write(t.Context(), Change{Ops: []Op{{New: scopeNamed(fmt.Sprint("s", i))}}}); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
	}
	began := time.Now()
	alive := create(t, s, scopeNamed("mail"))
	m.reach(alive)
	if took := time.Since(began); took < s.opts.GracePeriod/2 || took > 3*s.opts.GracePeriod {
		t.Errorf("took %v with a grace period of %v", took, s.opts.GracePeriod)
	}
	m.same()
	if len(m.held) != 1 {
		t.Errorf("the follower holds %v", m.held)
	}
	for _, e := range logOf(t, s)[:5] {
		if e.State != dropped {
			t.Errorf("revision %d is %s", e.Revision, e.State)
		}
	}
}

func TestSlowWriterAnnouncesAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   Step
		op   func(stored *configv1.Scope) Op
		want string // the name that is stored in the end; empty if nothing is
	}{
		{"before a creation", Announced, func(*configv1.Scope) Op { return Op{New: scopeNamed("new")} }, "new"},
		{"after a creation", Written, func(*configv1.Scope) Op { return Op{New: scopeNamed("new")} }, "new"},
		{"before a replacement", Announced, replacement, "replaced"},
		{"after a replacement", Written, replacement, "replaced"},
		{"before a deletion", Announced, func(old *configv1.Scope) Op { return Op{Old: old} }, ""},
		{"after a deletion", Written, func(old *configv1.Scope) Op { return Op{Old: old} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fresh(t, func(o *Options) { o.GracePeriod = 50 * time.Millisecond })
			stored := scopeNamed("old")
			create(t, s, stored)
			m := follow(t, s, nil)
			// The writer pauses until the follower has given up on it.
			slow := another(t, s, func(o *Options) {
				o.Hook = func(step Step, revision int64) error {
					if step == tt.at && revision == 2 {
						m.reach(2)
					}
					return nil
				}
			})
			op := tt.op(stored)
			revision, err := slow.Write(t.Context(), Change{Ops: []Op{op}})
			if err != nil || revision != 3 {
				t.Fatalf("revision %d, %v", revision, err)
			}
			m.same()
			m.mu.Lock()
			defer m.mu.Unlock()
			r, _ := m.held[op.key()].(*configv1.Scope)
			if r.GetName() != tt.want || tt.want != "" && r.GetRevision() != 3 {
				t.Errorf("the follower has %v, want %q", r, tt.want)
			}
		})
	}
}
