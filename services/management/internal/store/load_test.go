package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

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

// The sweep learns which domains have resources without reading all of a large one.
func TestDomainsOfAKindAreFoundBehindALargeOne(t *testing.T) {
	var finds atomic.Int64
	s := fresh(t, func(o *Options) {
		o.monitor = &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if e.CommandName == "find" || e.CommandName == "getMore" {
				finds.Add(1)
			}
		}}
	})
	kind := traitsOf(catalog.Scopes)
	var docs []any
	for i := range 3 * domainsAtOnce {
		docs = append(docs, bson.M{"_id": fmt.Sprint("large", i), "domain": "large"})
	}
	for _, domain := range []string{"a", "b", "small", "z"} {
		docs = append(docs, bson.M{"_id": domain, "domain": domain})
	}
	docs = append(docs, bson.M{"_id": "set", "domain": "of a set", memberSet: true})
	if _, err := s.db.Collection(kind.collection).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	finds.Store(0)
	got := map[string]bool{}
	if err := s.domainsOf(t.Context(), kind, got); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"a": true, "b": true, "large": true, "small": true, "z": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("domains (-want +got):\n%s", diff)
	}
	if finds := finds.Load(); finds > 4 { // each of the two batches takes two answers at most
		t.Errorf("found with %d commands", finds)
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
