package store

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// TestWholesAreReadPatiently: a page of an export may take longer than other operations, as the first one in an embedded database with very
// many people does. What somebody waits for may not.
func TestWholesAreReadPatiently(t *testing.T) {
	s := fresh(t, nil)
	ann := userNamed("d1", "ann")
	if err := s.Users().Insert(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	member, err := ReadKept(KeptMembership, prototree.Object{"domain": "d1", "group": "g1", "user": ann.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutKept(t.Context(), []Kept{member}); err != nil {
		t.Fatal(err)
	}
	const usual = 300 * time.Millisecond
	var slow atomic.Bool
	busy := another(t, s, func(o *Options) {
		o.OperationTimeout = usual
		o.monitor = &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if slow.Load() && e.CommandName == "find" {
				<-time.After(2 * usual)
			}
		}}
	})
	slow.Store(true)
	if people, err := busy.Users().After(t.Context(), "d1", nil, 10); err != nil || len(people) != 1 {
		t.Errorf("a page of everybody: %d, %v", len(people), err)
	}
	var found []string
	if err := busy.EachKept(t.Context(), KeptMembership, "d1", func(tree prototree.Object) error {
		user, _ := tree["user"].(string)
		found = append(found, user)
		return nil
	}); err != nil || len(found) != 1 || found[0] != ann.GetId() {
		t.Errorf("memberships: %v, %v", found, err)
	}
	var nobody []*directoryv1.User
	if nobody, _, err = busy.Users().List(t.Context(), UserQuery{Domain: "d1", Size: 10}); err == nil {
		t.Errorf("a list that somebody waits for takes as long as it likes: %d", len(nobody))
	}
}
