package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
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

// TestLoadMissesNoChange announces a change in the middle of a Load, which then must not claim its revision without its
// content.
func TestLoadMissesNoChange(t *testing.T) {
	s := fresh(t, func(o *Options) { o.GracePeriod = 100 * time.Millisecond })
	announced, loaded, written := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var first sync.Once
	w := another(t, s, func(o *Options) {
		o.Hook = func(step Step, _ int64) error {
			if step == Announced {
				first.Do(func() {
					close(announced)
					<-loaded
				})
			}
			return nil
		}
	})
	during := another(t, s, func(o *Options) {
		o.Hook = func(step Step, _ int64) error {
			if step == Loading {
				go func() {
					_, err := w.Write(context.Background(), Change{Ops: []Op{{New: scopeNamed("mail")}}})
					written <- err
				}()
				<-announced
			}
			return nil
		}
	})
	m := follow(t, during, nil)
	close(loaded)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	m.same()
	if len(m.held) != 1 {
		t.Errorf("the follower has %v", m.held)
	}
}

func TestLoadWaitsForChangesUnderWay(t *testing.T) {
	for _, step := range []Step{Announced, Wrote, Written} {
		t.Run(string(step), func(t *testing.T) {
			s := fresh(t, func(o *Options) { o.GracePeriod = 100 * time.Millisecond })
			change, seen := setOf(t, s)
			w := another(t, s, killAt(step))
			if _, err := w.Write(t.Context(), change); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			create(t, s, scopeNamed("later"))
			m := follow(t, s, nil)
			m.mu.Lock()
			if got := seen(m); got != "nothing" || m.revision != 4 {
				t.Errorf("the image at %d has %s", m.revision, got)
			}
			m.mu.Unlock()
			m.same()
		})
	}
}

func TestLoadWhileOthersWrite(t *testing.T) {
	s := fresh(t, nil)
	other := another(t, s, nil)
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			r := scopeNamed(fmt.Sprint("s", i))
			if _, err := other.Write(t.Context(), Change{Ops: []Op{{New: r}}}); err != nil {
				t.Error(err)
				return
			}
			if i%2 == 0 {
				if _, err := other.Write(t.Context(), Change{Ops: []Op{{Old: r}}}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	var followers []*mirror
	for range 5 {
		followers = append(followers, follow(t, s, nil))
	}
	close(stop)
	writing.Wait()
	for _, m := range followers {
		m.same()
	}
}

func TestFollowerThatIsBehind(t *testing.T) {
	s := fresh(t, func(o *Options) { o.KeepChanges = time.Hour })
	for i := range 5 {
		create(t, s, scopeNamed(fmt.Sprint("s", i)))
	}
	ignore := func(context.Context, Entry) error { return nil }
	s.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if err := s.pruneChanges(t.Context()); err != nil {
		t.Fatal(err)
	}
	if last, err := s.LastRevision(t.Context()); err != nil || last != 5 {
		t.Fatalf("the newest entry is %d, %v: it must stay", last, err)
	}
	if err := s.Follow(t.Context(), 2, ignore); !errors.Is(err, ErrBehind) {
		t.Errorf("a follower before the log's beginning: %v", err)
	}
	if err := s.Follow(t.Context(), 9, ignore); !errors.Is(err, ErrBehind) {
		t.Errorf("a follower after the log's end: %v", err)
	}
	if r := create(t, s, scopeNamed("next")); r != 6 {
		t.Errorf("the next revision is %d", r)
	}
	follow(t, s, nil).same()
}

func TestSweepFindsWhatTheLogDoesNotSay(t *testing.T) {
	s := fresh(t, func(o *Options) { o.GracePeriod = 50 * time.Millisecond })
	changed, gone := scopeNamed("changed"), scopeNamed("gone")
	create(t, s, changed)
	create(t, s, gone)
	m := follow(t, s, nil)
	// A writer stalls after announcing, is dropped, writes all the same and dies.
	for _, op := range []Op{replacement(changed), {Old: gone}, {New: scopeNamed("new")}} {
		last, err := s.LastRevision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w := another(t, s, func(o *Options) {
			o.Hook = func(step Step, revision int64) error {
				if step == Announced {
					m.reach(last + 1)
				}
				if step == Written {
					return errKilled
				}
				return nil
			}
		})
		if _, err := w.Write(t.Context(), Change{Ops: []Op{op}}); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
	}
	held := map[resource.Key]int64{}
	for k, r := range m.held {
		held[k] = r.GetRevision()
	}
	missed, err := s.Missed(t.Context(), m.revision, held)
	if err != nil || len(missed) != 3 {
		t.Fatalf("missed %v, %v", missed, err)
	}
	if _, err := s.Remind(t.Context(), missed); err != nil {
		t.Fatal(err)
	}
	m.same()
	held = map[resource.Key]int64{}
	for k, r := range m.held {
		held[k] = r.GetRevision()
	}
	if missed, err := s.Missed(t.Context(), m.revision, held); err != nil || len(missed) != 0 {
		t.Errorf("still missed: %v, %v", missed, err)
	}
	logOf(t, s)
}

func TestSweepRemovesOrphans(t *testing.T) {
	s := fresh(t, nil)
	domain := &configv1.Domain{Name: "n", Hrid: "n", Path: "/n"}
	resource.Stamp(domain, resource.Stamps{ID: "d2", Domain: "d2"})
	create(t, s, domain)
	kept := scopeNamed("kept")
	resource.Stamp(kept, resource.Stamps{Domain: "d2"})
	create(t, s, kept)
	create(t, s, scopeNamed("orphan")) // of d1, which does not exist
	create(t, s, scopeNamed("orphan too"))
	if err := s.Users().Insert(t.Context(), userNamed("d1", "ann")); err != nil {
		t.Fatal(err)
	}
	if err := s.Users().Insert(t.Context(), userNamed("d2", "ann")); err != nil {
		t.Fatal(err)
	}
	m := follow(t, s, nil)
	for _, want := range []int{4, 2} { // the first sweep only suspects
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.same()
		if len(m.held) != want {
			t.Errorf("left: %v, want %d", m.held, want)
		}
	}
	for domain, want := range map[string]int64{"d1": 0, "d2": 1} {
		if _, n, err := s.Users().List(t.Context(), UserQuery{Domain: domain}); err != nil || n != want {
			t.Errorf("%d users of %s, %v", n, domain, err)
		}
	}
}

// TestFollowerSurvivesAnOutage cuts the connection to the database and mends it.
func TestFollowerSurvivesAnOutage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, uri := proxied(t, l.Addr().String())
	p := &proxy{server: server}
	go p.serve(l)
	t.Cleanup(func() {
		l.Close()
		p.cut(true)
	})

	s := fresh(t, nil)
	through := another(t, s, func(o *Options) {
		o.URI, o.SelectionTimeout, o.OperationTimeout = uri, 500*time.Millisecond, time.Second
	})
	m := follow(t, through, nil)
	create(t, s, scopeNamed("before"))
	m.reach(1)
	p.cut(true)
	if _, err := through.Write(t.Context(), Change{Ops: []Op{{New: scopeNamed("during")}}}); err == nil ||
		!strings.Contains(err.Error(), "not available") {
		t.Errorf("a write during the outage: %v", err)
	}
	last := create(t, s, scopeNamed("meanwhile"))
	p.cut(false)
	m.reach(last)
	m.same()
}

// proxy passes connections on to a server, unless it is cut.
type proxy struct {
	server string
	mu     sync.Mutex
	isCut  bool
	open   []net.Conn
}

func (p *proxy) serve(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.server)
		p.mu.Lock()
		if err != nil || p.isCut {
			in.Close()
			if err == nil {
				out.Close()
			}
		} else {
			p.open = append(p.open, in, out)
			go func() { _, _ = io.Copy(in, out) }()
			go func() { _, _ = io.Copy(out, in) }()
		}
		p.mu.Unlock()
	}
}

func (p *proxy) cut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isCut = cut
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}
