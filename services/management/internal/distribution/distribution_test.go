package distribution

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

func key(name string) resource.Key {
	return resource.Key{Kind: "scope", Domain: "d1", ID: "scope-" + name}
}

// TestEmptyInstallation: a gateway of a fresh installation must become ready although there is nothing to send.
func TestEmptyInstallation(t *testing.T) {
	h := newHouse(t)
	g := h.join(h.replica(h.store, 0), nil)
	g.untilRevision(0)
	g.mu.Lock()
	defer g.mu.Unlock()
	if first := g.batches[0]; !first.Reset || first.Revision != 0 || len(first.Upserts) > 0 || first.Installation != h.store.Installation() {
		t.Errorf("the first batch is %+v", first)
	}
}

func TestChangesReachGateways(t *testing.T) {
	h := newHouse(t)
	a := scope("a")
	h.write(nil, a)
	r := h.replica(storetest.Open(h, h.options), 0) // another process than the one that writes
	g := h.join(r, nil)
	g.untilRevision(1)

	b, c := scope("b"), scope("c")
	h.write(nil, b)
	h.write(nil, c)
	changed := scope("a")
	changed.Name = "changed"
	h.write(a, changed)
	last := h.write(b, nil)
	g.untilRevision(last)
	if diff := cmp.Diff(map[resource.Key]int64{key("a"): changed.GetRevision(), key("c"): c.GetRevision()}, g.held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
	if last != 5 {
		t.Errorf("five writes lead to revision %d", last)
	}
	for i, batch := range g.batches {
		if batch.Reset != (i == 0) {
			t.Errorf("batch %d of %d has reset %v", i, len(g.batches), batch.Reset)
		}
	}
	if _, revision := r.publisher.Position(); revision != last {
		t.Errorf("the publisher stands at %d", revision)
	}
}

// TestSetsArriveWhole: what is one change is one revision for gateways.
func TestSetsArriveWhole(t *testing.T) {
	h := newHouse(t)
	g := h.join(h.replica(h.store, 0), nil)
	g.untilRevision(0)
	var ops []store.Op
	for i := range 20 {
		ops = append(ops, store.Op{New: scope(fmt.Sprint(i))})
	}
	revision, err := h.store.Write(t.Context(), store.Change{Ops: ops})
	if err != nil {
		t.Fatal(err)
	}
	g.untilRevision(revision)
	g.mu.Lock()
	defer g.mu.Unlock()
	if last := g.batches[len(g.batches)-1]; len(last.Upserts) != 20 || revision != 1 {
		t.Errorf("%d resources at revision %d", len(last.Upserts), revision)
	}
}

// TestRestart: gateways that held on to the replica before it are sent only what they missed.
func TestRestart(t *testing.T) {
	h := newHouse(t)
	for i := range 10 {
		h.write(nil, scope(fmt.Sprint(i)))
	}
	before := h.replica(storetest.Open(h, h.options), 0)
	g := h.join(before, nil)
	g.untilRevision(10)
	g.stop()
	before.stop()

	h.write(nil, scope("new"))
	last := h.write(scope0(h, "3"), nil)
	again := h.join(h.replica(storetest.Open(h, h.options), 0), g)
	again.untilRevision(last)
	if n := len(again.batches); n != 1 || again.batches[0].Reset || len(again.batches[0].Upserts) != 1 || len(again.batches[0].Deletes) != 1 {
		t.Errorf("%d batches, the first is %+v", n, again.batches[0])
	}
	if len(again.held) != 10 {
		t.Errorf("holds %v", again.held)
	}

	other := newHouse(t)
	stranger := other.join(other.replica(other.store, 0), again)
	stranger.untilRevision(0)
	stranger.mu.Lock()
	defer stranger.mu.Unlock()
	if !stranger.batches[0].Reset || len(stranger.held) != 0 {
		t.Errorf("a gateway of another installation keeps %v", stranger.held)
	}
}

// scope0 is the stored scope of a key, as Write wants to see what is deleted.
func scope0(h *house, name string) *configv1.Scope {
	s := scope(name)
	n := int64(0)
	if _, err := fmt.Sscan(name, &n); err != nil {
		h.Fatal(err)
	}
	resource.Stamp(s, resource.Stamps{Revision: n + 1})
	return s
}

// TestDatabaseAwayAndBack: gateways keep what they have, and get what happened meanwhile.
func TestDatabaseAwayAndBack(t *testing.T) {
	h := newHouse(t)
	h.write(nil, scope("a"))
	door, through := h.newDoor()
	g := h.join(h.replica(storetest.Open(h, through), 0), nil)
	g.untilRevision(1)
	door.set(true)
	last := h.write(nil, scope("b"))
	door.set(false)
	g.untilRevision(last)
	for i, batch := range g.batches[1:] {
		if batch.Reset {
			t.Errorf("batch %d is a reset", i+1)
		}
	}
	if len(g.held) != 2 {
		t.Errorf("holds %v", g.held)
	}
}

func TestDatabaseAwayAtFirst(t *testing.T) {
	h := newHouse(t)
	h.write(nil, scope("a"))
	door, through := h.newDoor()
	s := storetest.Open(h, through)
	door.set(true)
	g := h.join(h.replica(s, 0), nil)
	door.set(false)
	g.untilRevision(1)
}

// TestAwayForTooLong: when the log no longer reaches back, everything is loaded again.
func TestAwayForTooLong(t *testing.T) {
	h := newHouse(t)
	home := &configv1.Domain{Id: "d1", Domain: "d1", Name: "d1", Hrid: "d1", Path: "/d1"}
	if _, err := h.store.Write(t.Context(), store.Change{Ops: []store.Op{{New: home}}}); err != nil {
		t.Fatal(err)
	}
	door, through := h.newDoor()
	// A sweep begins a new walk, which looks at once whether the log continues.
	g := h.join(h.replica(storetest.Open(h, through), 200*time.Millisecond), nil)
	g.untilRevision(1)
	door.set(true)
	for i := range 5 {
		h.write(nil, scope(fmt.Sprint(i)))
	}
	forgetful := h.options
	forgetful.KeepChanges = time.Nanosecond
	forgetful.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if err := storetest.Open(h, forgetful).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	door.set(false)
	g.untilRevision(6)
	g.mu.Lock()
	defer g.mu.Unlock()
	if last := g.batches[len(g.batches)-1]; !last.Reset || len(g.held) != 6 {
		t.Errorf("the last batch has reset %v, held are %v", last.Reset, g.held)
	}
}

// TestWriterThatDiedAtTheWorstMoment: what the log never named is found by comparison.
func TestWriterThatDiedAtTheWorstMoment(t *testing.T) {
	h := newHouse(t)
	h.write(nil, scope("a"))
	h.write(nil, scope("b"))
	g := h.join(h.replica(h.store, 100*time.Millisecond), nil)
	g.untilRevision(2)
	if _, err := storetest.Database(h, h.options).Collection("scopes").DeleteOne(t.Context(), bson.M{"_id": "scope-a"}); err != nil {
		t.Fatal(err)
	}
	g.until("the scope to go", func() bool { _, there := g.held[key("a")]; return !there })
	if _, there := g.held[key("b")]; !there {
		t.Error("another scope went too")
	}
}

// TestUnreadableResourceIsRememberedOnce: to say again and again that something cannot be read would fill the log.
func TestUnreadableResourceIsRememberedOnce(t *testing.T) {
	h := newHouse(t)
	h.write(nil, scope("a"))
	if _, err := storetest.Database(h, h.options).Collection("scopes").InsertOne(t.Context(), bson.M{"_id": "odd", "domain": "d1", "revision": int64(1), "name": 5}); err != nil {
		t.Fatal(err)
	}
	d := New(Options{Store: h.store, Publisher: configsync.NewPublisher(configsync.PublisherOptions{})})
	if err := d.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d.sweep(t.Context())
		image, err := h.store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.revision = image.Revision
	}
	if last, err := h.store.LastRevision(t.Context()); err != nil || last != 2 {
		t.Errorf("three sweeps lead to revision %d, %v; want one reminder after revision 1", last, err)
	}
}

// TestResourceThatCannotTravel: the others must not wait for it.
func TestResourceThatCannotTravel(t *testing.T) {
	h := newHouse(t)
	// Writing so much takes the embedded database seconds, and its record as long again.
	h.options.GracePeriod, h.options.OperationTimeout = time.Minute, time.Minute
	h.store = storetest.Open(h, h.options)
	h.write(nil, scope("a"))
	huge := scope("huge")
	huge.Description = strings.Repeat("x", configsync.MaxResourceBytes)
	h.write(nil, huge)
	g := h.join(h.replica(h.store, 0), nil)
	g.untilRevision(2)
	b := scope("b")
	h.write(nil, b)
	grown := scope("b")
	grown.Description = huge.Description
	h.write(b, grown)
	last := h.write(nil, scope("c"))
	g.untilRevision(last)
	if diff := cmp.Diff(map[resource.Key]int64{key("a"): 1, key("c"): last}, g.held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
}
