package distribution

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

func keys(i *image.Image) []string {
	v, _ := i.View()
	found, _ := image.List(v, catalog.Scopes, image.Query{Domain: "d1"})
	var keys []string
	for _, s := range found {
		keys = append(keys, s.GetKey())
	}
	return keys
}

// TestImageFollowsTheLog: what gateways are sent and what lists are answered from are the same.
func TestImageFollowsTheLog(t *testing.T) {
	h := newHouse(t)
	h.write(nil, scope("a"))
	r := h.replica(storetest.Open(h, h.options), 0)
	g := h.join(r, nil)
	b := scope("b")
	h.write(nil, b)
	h.write(nil, scope("c"))
	last := h.write(b, nil)
	if err := r.image.Wait(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "c"}, keys(r.image)); diff != "" {
		t.Errorf("image (-want +got):\n%s", diff)
	}
	g.untilRevision(last)
	g.mu.Lock()
	defer g.mu.Unlock()
	if diff := cmp.Diff(r.image.Revisions(), g.held); diff != "" {
		t.Errorf("held by the gateway (-image +gateway):\n%s", diff)
	}
}

// TestImageIsSwept: the sweep compares the image with the database, and has the log name what differs.
func TestImageIsSwept(t *testing.T) {
	h := newHouse(t)
	h.write(nil, scope("a"))
	h.write(nil, scope("b"))
	d := New(Options{Store: h.store, Publisher: configsync.NewPublisher(configsync.PublisherOptions{})})
	if err := d.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.sweep(t.Context())
	if last, err := h.store.LastRevision(t.Context()); err != nil || last != 2 {
		t.Fatalf("a sweep that misses nothing leads to revision %d, %v", last, err)
	}
	if _, err := storetest.Database(h, h.options).Collection("scopes").DeleteOne(t.Context(), bson.M{"_id": "scope-a"}); err != nil {
		t.Fatal(err)
	}
	d.sweep(t.Context())
	if last, err := h.store.LastRevision(t.Context()); err != nil || last != 3 {
		t.Errorf("a sweep that misses a scope leads to revision %d, %v", last, err)
	}
	if !slices.Equal(keys(d.Image), []string{"a", "b"}) {
		t.Errorf("image holds %q before it has followed", keys(d.Image))
	}
}

// TestChangesAreFollowedWhileTheImageIsCompared: with a million resources a comparison takes minutes.
func TestChangesAreFollowedWhileTheImageIsCompared(t *testing.T) {
	h := newHouse(t)
	h.write(nil, scope("a"))
	reached := make(chan int64, 10)
	d := New(Options{
		Store: h.store, Publisher: configsync.NewPublisher(configsync.PublisherOptions{}), SweepEvery: 10 * time.Millisecond,
		Loaded: func(revision int64) { reached <- revision },
	})
	begun, over := make(chan int, 10), 0
	d.missed = func(ctx context.Context, at int64, held map[resource.Key]int64) ([]resource.Key, error) {
		begun <- len(held)
		<-ctx.Done() // it never ends by itself, so that there is one at a time
		over++
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	if held := <-begun; held != 1 {
		t.Errorf("compared %d resources, want 1", held)
	}
	last := h.write(nil, scope("b"))
	for revision := range reached {
		if revision == last {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil || over != 1 || len(begun) != 0 {
		t.Errorf("ended with %v, %d comparisons over and %d more begun; want one", err, over, len(begun))
	}
}
