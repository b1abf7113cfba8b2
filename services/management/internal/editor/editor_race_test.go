package editor

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestDeleteLargeDomain(t *testing.T) {
	r := newRig(t)
	d, at := r.domain("Acme")
	a, _ := r.application(at, `{"name": "A", "type": "browser", "redirectUris": ["https://app.example.com/cb"]}`)
	for i := range 60 {
		next := proto.CloneOf(a)
		next.Name, next.Slug = fmt.Sprint("A", i), fmt.Sprint("a-", i)
		next.Settings.Oauth.ClientId = fmt.Sprint("client-", i)
		resource.Stamp(next, resource.Stamps{ID: secret.NewID()})
		if _, err := r.store.Write(r.ctx, store.Change{Ops: []store.Op{{New: next}}}); err != nil {
			t.Fatal(err)
		}
	}
	before, err := r.store.LastRevision(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	revision, err := Delete(r.ctx, r.Editor, catalog.Domains, here, d.GetId(), 0)
	if took := time.Since(began); err != nil || took > emptyingTime {
		t.Fatalf("after %v: %v", took, err)
	}
	if revision != before+1 {
		t.Errorf("the domain went at revision %d after %d", revision, before)
	}
	largest := 0
	last, err := r.store.LastRevision(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	past, err := r.store.History(r.ctx, last, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range past {
		if p.Revision == revision && (len(p.Keys) != 1 || p.Keys[0] != resource.KeyOf(d)) {
			t.Errorf("the domain went with %v", p.Keys)
		}
		if p.Revision > revision {
			largest = max(largest, len(p.Keys))
		}
	}
	if largest > store.RemovalSize {
		t.Errorf("%d resources went at once", largest)
	}
	image, err := r.store.Load(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range image.Resources {
		t.Errorf("%s is left", resource.KeyOf(left))
	}
}

func TestRacingCreationsOfOneName(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	second := rigOn(t, r.options)
	var mu sync.Mutex
	won := 0
	race(32, func(i int) {
		e := []*Editor{r.Editor, second.Editor}[i%2]
		_, _, err := Create(t.Context(), e, catalog.Scopes, at,
			prototree.Object{"key": "mail", "name": "n", "description": "d"})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			won++
			return
		}
		refused(t, "a loser", err, fault.Invalid, "A scope [mail] already exists for domain ["+at.Domain+"]")
	})
	if won != 1 {
		t.Errorf("%d winners", won)
	}
}

func TestRacingPatchesOfDifferentMembers(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	a, _ := r.application(at, webApplication)
	before, _ := r.store.LastRevision(r.ctx)
	want := map[string]string{}
	for i := range 32 {
		want[fmt.Sprint("m", i)] = fmt.Sprint(i)
	}
	race(32, func(i int) {
		body := prototree.Object{"metadata": prototree.Object{fmt.Sprint("m", i): fmt.Sprint(i)}}
		if _, err := Patch(t.Context(), r.Editor, catalog.Applications, at, a.GetId(), body, 0); err != nil {
			t.Errorf("patch %d: %v", i, err)
		}
	})
	after, err := Read(r.ctx, r.Editor, catalog.Applications, at, a.GetId())
	if err != nil || !maps.Equal(after.GetMetadata(), want) {
		t.Errorf("metadata %v, %v", after.GetMetadata(), err)
	}
	if last, _ := r.store.LastRevision(r.ctx); last != before+32 {
		t.Errorf("32 patches took %d revisions", last-before)
	}
}

func TestRacingPatchesOfTwoProcesses(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	a, _ := r.application(at, webApplication)
	editors := []*Editor{r.Editor, rigOn(t, r.options).Editor}
	var mu sync.Mutex
	want := map[string]string{}
	race(16, func(i int) {
		name := fmt.Sprint("m", i)
		body := prototree.Object{"metadata": prototree.Object{name: "x"}}
		_, err := Patch(t.Context(), editors[i%2], catalog.Applications, at, a.GetId(), body, 0)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			want[name] = "x"
		} else if !fault.Is(err, fault.Conflict) {
			t.Errorf("patch %d: %v", i, err)
		}
	})
	after, err := Read(r.ctx, r.Editor, catalog.Applications, at, a.GetId())
	if err != nil || !maps.Equal(after.GetMetadata(), want) || len(want) < 2 {
		t.Errorf("metadata %v, want what was acknowledged: %v, %v", after.GetMetadata(), want, err)
	}
}

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

func TestIfMatch(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	a, _ := r.application(at, webApplication)
	patch := func(ifMatch int64) error {
		_, err := Patch(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), r.tree(`{"description": "x"}`), ifMatch)
		return err
	}
	if err := patch(a.GetRevision()); err != nil {
		t.Error(err)
	}
	refused(t, "a patch of an older revision", patch(a.GetRevision()), fault.Stale, "The resource has changed since the revision you named")
	// A change that changes nothing is a change all the same: gateways hear of it.
	before, _ := r.store.LastRevision(r.ctx)
	if err := patch(0); err != nil {
		t.Error(err)
	}
	if last, _ := r.store.LastRevision(r.ctx); last != before+1 {
		t.Errorf("revision %d after %d", last, before)
	}
}
