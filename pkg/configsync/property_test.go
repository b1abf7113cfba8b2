package configsync

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// world is a database with replicas of management that follow it, each at its own pace, and gateways that lose their
// connection or their replica at any moment.
type world struct {
	t            *testing.T
	rng          *rand.Rand
	installation int
	revision     int64
	truth        map[resource.Key]*configv1.Resource
	changes      map[int64][]resource.Key
	replicas     []*replica
	gateways     []*gateway
	leads        []int // which replica a gateway is led to
}

type replica struct {
	*Publisher
	host    *host
	reached int64
}

var propertyDomains = []string{"d", "e", "f"}

// TestBothEndsHoldTheSameInTheEnd makes random edits, lost connections and changes of replicas.
func TestBothEndsHoldTheSameInTheEnd(t *testing.T) {
	const worlds, steps = 25, 200
	for seed := range uint64(worlds) {
		t.Run(fmt.Sprintf("world %d", seed), func(t *testing.T) {
			t.Parallel()
			w := &world{
				t: t, rng: rand.New(rand.NewPCG(seed, 17)), installation: 1, revision: 10,
				truth: map[resource.Key]*configv1.Resource{}, changes: map[int64][]resource.Key{},
			}
			for range 30 {
				w.edit()
			}
			for range 3 {
				w.replicas = append(w.replicas, w.replica())
			}
			for i, only := range [][]string{nil, nil, {"d"}, {"e", "f", "unknown"}} {
				w.leads = append(w.leads, i%len(w.replicas))
				w.gateways = append(w.gateways, subscribe(t, w.replicas[w.leads[i]].host, fmt.Sprint(i), SubscriberOptions{Domains: only, Lean: i%2 == 1}))
			}
			for range steps {
				w.step()
			}
			w.settle()
		})
	}
}

func (w *world) name() string { return fmt.Sprintf("installation %d", w.installation) }

// edit is one revision: a change of one to four resources, or one that was dropped.
func (w *world) edit() {
	w.revision++
	var keys []resource.Key
	for range w.rng.IntN(5) {
		k := key(propertyDomains[w.rng.IntN(len(propertyDomains))], fmt.Sprint(w.rng.IntN(25)))
		keys = append(keys, k)
		if w.rng.IntN(3) == 0 {
			delete(w.truth, k)
			continue
		}
		r := application(k.Domain, k.ID, w.revision)
		r.GetApplication().Description = strings.Repeat("x", w.rng.IntN(200))
		w.truth[k] = r
	}
	w.changes[w.revision] = keys
}

// all returns the present truth.
func (w *world) all() []*configv1.Resource {
	var all []*configv1.Resource
	for _, r := range w.truth {
		all = append(all, r)
	}
	return all
}

// replica starts one. Like management it reads the revision first and the resources afterwards, so that some may be newer
// than its revision.
func (w *world) replica() *replica {
	p, h := publisher(w.t, PublisherOptions{
		LogSize:       []int{1, 10, 100, 1000}[w.rng.IntN(4)],
		PartResources: 1 + w.rng.IntN(5),
		PartBytes:     500,
		Patience:      []time.Duration{time.Millisecond, time.Minute}[w.rng.IntN(2)],
		CatchUp:       time.Duration(1+w.rng.IntN(20)) * time.Millisecond,
	})
	r := &replica{Publisher: p, host: h, reached: max(11, w.revision-int64(w.rng.IntN(5)))}
	var history []Change
	for revision := max(11, r.reached-int64(w.rng.IntN(20))); revision <= r.reached && w.rng.IntN(30) > 0; revision++ {
		history = append(history, Change{revision, w.changes[revision]})
	}
	if len(history) > 0 && history[len(history)-1].Revision < r.reached {
		history = nil
	}
	if err := p.Load(w.name(), r.reached, w.all(), history...); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// follow brings a replica up to revision, in batches of one or more of them. It reads what a key names as it is now.
func (w *world) follow(r *replica, revision int64) {
	for r.reached < revision {
		b := Batch{Installation: w.name()}
		read := map[resource.Key]bool{}
		for range 1 + w.rng.IntN(2) {
			if r.reached == revision {
				break
			}
			r.reached++
			for _, k := range w.changes[r.reached] {
				read[k] = true
			}
		}
		b.Revision = r.reached
		w.read(&b, maps.Keys(read))
		if err := r.Apply(b); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) read(b *Batch, keys func(func(resource.Key) bool)) {
	for k := range keys {
		if now, ok := w.truth[k]; ok {
			b.Upserts = append(b.Upserts, now)
		} else {
			b.Deletes = append(b.Deletes, k.Proto())
		}
	}
}

func (w *world) step() {
	r := w.replicas[w.rng.IntN(len(w.replicas))]
	i := w.rng.IntN(len(w.gateways))
	g := w.gateways[i]
	switch n := w.rng.IntN(100); {
	case n < 35:
		w.edit()
	case n < 60:
		w.follow(r, min(w.revision, r.reached+1+int64(w.rng.IntN(5))))
	case n < 66:
		g.network.cut()
	case n < 71: // the next connections break somewhere
		limit := 200 + w.rng.Int64N(6000)
		g.network.allow(func() int64 { return limit })
		g.network.cut()
	case n < 75:
		g.network.allow(nil)
	case n < 80: // another replica takes over
		w.leads[i] = w.rng.IntN(len(w.replicas))
		g.network.lead(w.replicas[w.leads[i]].host)
		g.network.cut()
	case n < 82: // a replica is replaced
		w.replace(w.rng.IntN(len(w.replicas)))
	case n < 85: // a gateway becomes slow
		g.mirror.open()
		g.mirror.shut()
	case n < 89:
		g.mirror.open()
	case n < 90: // a replica compares with the database
		if err := r.Load(w.name(), r.reached, w.all()); err != nil {
			w.t.Fatal(err)
		}
	case n < 91: // a replica was away for too long
		r.reached = w.revision
		if err := r.Load(w.name(), r.reached, w.all()); err != nil {
			w.t.Fatal(err)
		}
	case n < 92 && w.rng.IntN(10) == 0: // a database takes the place of another
		w.installation++
		w.revision, w.truth = 10, map[resource.Key]*configv1.Resource{}
		for range 10 {
			w.edit()
		}
		for _, r := range w.replicas {
			r.reached = w.revision
			if err := r.Load(w.name(), r.reached, w.all()); err != nil {
				w.t.Fatal(err)
			}
		}
	default: // let a gateway come as far as its replica
		g.mirror.open()
		g.network.allow(nil)
		lead := w.replicas[w.leads[i]]
		g.mirror.await(w.t, fmt.Sprintf("gateway %d reaches %d", i, lead.reached), func() bool {
			return g.mirror.revision == lead.reached && g.mirror.installation == w.name()
		})
	}
}

// replace puts another publisher in the place of one, whose gateways are cut off before, or told.
func (w *world) replace(i int) {
	old := w.replicas[i]
	w.replicas[i] = w.replica()
	cut := w.rng.IntN(2) == 0
	for j, lead := range w.leads {
		if lead == i {
			w.gateways[j].network.lead(w.replicas[i].host)
			if cut {
				w.gateways[j].network.cut()
			}
		}
	}
	if err := old.Shutdown(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	for j, lead := range w.leads {
		if lead == i {
			w.gateways[j].network.cut() // the host remains, and would say Unavailable for ever
		}
	}
}

// settle lets everything run to its end and compares.
func (w *world) settle() {
	for _, r := range w.replicas {
		w.follow(r, w.revision)
	}
	for i, g := range w.gateways {
		g.network.allow(nil)
		g.mirror.open()
		g.mirror.await(w.t, fmt.Sprintf("gateway %d reaches %d", i, w.revision), func() bool {
			return g.mirror.revision == w.revision && g.mirror.installation == w.name()
		})
		only := newFilter(g.options.Domains)
		want := map[resource.Key]*configv1.Resource{}
		for k, r := range w.truth {
			if only.passes(k.Domain) {
				want[k] = r
			}
		}
		// Corrections come after the revision.
		g.mirror.await(w.t, fmt.Sprintf("gateway %d holds the truth", i), func() bool { return g.mirror.differences(want) == nil })
		g.mirror.mu.Lock()
		if g.mirror.faults != nil {
			w.t.Errorf("gateway %d: %q", i, g.mirror.faults)
		}
		g.mirror.mu.Unlock()
	}
}
