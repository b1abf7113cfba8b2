package editor

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Two replicas share nothing but the database: of lists that are put at once, one is there afterwards, whole.
func TestFlowsOfTwoReplicas(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	other := rigOn(t, r.options)
	for round := range 3 { // the first one begins with nothing
		var wg sync.WaitGroup
		for i := range 8 {
			e := r.Editor
			if i%2 == 1 {
				e = other.Editor
			}
			wg.Go(func() {
				name := fmt.Sprintf("%d/%d", round, i)
				_, err := e.ReplaceFlows(r.ctx, at, []prototree.Object{{"type": "login", "name": name}, {"type": "token", "name": name}}, 0)
				if err != nil && !fault.Is(err, fault.Conflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		flows, err := ReadLevel(r.ctx, r.Editor, catalog.Flows, at)
		if err != nil || len(flows) != 2 || flows[0].GetName() != flows[1].GetName() {
			t.Fatalf("round %d: flows %v, %v", round, flows, err)
		}
	}
}

// What is created in an application while it is being deleted does not stay behind.
func TestNothingOutlivesItsApplication(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	for range 4 {
		a, _ := r.application(at, `{"name": "S", "type": "service"}`)
		level := at
		level.Application = a.GetId()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if i == 4 {
					if _, err := Delete(r.ctx, r.Editor, catalog.Applications, at, a.GetId(), 0); err != nil {
						t.Error(err)
					}
					return
				}
				body := prototree.Object{"template": []string{"login", "error", "registration", "reset_password"}[i%4], "content": "x"}
				_, _, err := Create(r.ctx, r.Editor, catalog.Forms, level, body)
				if err != nil && !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.NotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, k := range catalog.LeveledKinds {
			left, _, err := r.store.ListAny(context.WithoutCancel(r.ctx), k, levelQuery(at.Domain, a.GetId()))
			if err != nil || len(left) != 0 {
				t.Errorf("%d of %s left, %v", len(left), k.Descriptor().Path, err)
			}
		}
	}
}
