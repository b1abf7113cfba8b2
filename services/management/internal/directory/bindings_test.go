package directory_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// TestWhoeverIsDeletedLeavesOrphans: bindings of somebody who is gone are marked, and where that lets somebody in it is
// asked for first.
func TestWhoeverIsDeletedLeavesOrphans(t *testing.T) {
	for _, tt := range []struct {
		name    string
		binding *configv1.Binding
		asks    bool
	}{
		{"an allow binding", &configv1.Binding{Effect: configv1.Binding_ALLOW}, false},
		{"a negated allow binding", &configv1.Binding{Effect: configv1.Binding_ALLOW, Negate: true}, false},
		{"a deny binding", &configv1.Binding{Effect: configv1.Binding_DENY}, false},
		{"a deny binding for everybody else", &configv1.Binding{Effect: configv1.Binding_DENY, Negate: true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			people := directory.New(directory.Options{Store: h.store, Hasher: h.hasher, Bindings: h.editor})
			h.people = people
			ann := h.newUser("ann")
			h.newUser("bob")
			app := h.newApplication(h.domain, "payroll")
			bound := proto.CloneOf(app)
			b := proto.CloneOf(tt.binding)
			b.Id, b.User, b.Name, b.Enabled = "b", ann.GetId(), "ann", proto.Bool(true)
			bound.Bindings = []*configv1.Binding{b}
			if _, err := h.store.Write(t.Context(), store.Change{Ops: []store.Op{{Old: app, New: bound}}}); err != nil {
				t.Fatal(err)
			}
			err := people.Delete(t.Context(), h.domain, ann.GetId(), 0)
			refusal, _ := errors.AsType[*fault.Error](err)
			if asked := refusal != nil && refusal.Confirm != nil; asked != tt.asks || err != nil && !asked {
				t.Fatalf("deleted: %v", err)
			}
			if tt.asks {
				if c := *refusal.Confirm; c != (fault.Consequence{Word: editor.Opens, Before: 1, After: 1}) {
					t.Errorf("asks %+v", c)
				}
				ctx := editor.WithConfirmation(t.Context(), "", []string{editor.Opens})
				if err := people.Delete(ctx, h.domain, ann.GetId(), 0); err != nil {
					t.Fatal(err)
				}
			}
			left, err := store.Get(t.Context(), h.store, catalog.Applications, app.GetId())
			if err != nil || len(left.GetBindings()) != 1 || !left.GetBindings()[0].GetOrphaned() || left.GetBindings()[0].GetName() != "ann" {
				t.Errorf("left %v: %v", left.GetBindings(), err)
			}
		})
	}
}
