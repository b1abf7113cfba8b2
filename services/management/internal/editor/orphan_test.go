package editor

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// What is bound in the moment between the deletion and its second look is marked by whoever binds it.
func TestALateBindingIsAnOrphan(t *testing.T) {
	r := newRig(t)
	_, at := r.domain("Acme")
	made, _, err := Create(r.ctx, r.Editor, catalog.Applications, at, prototree.Object{"name": "App", "type": "BOOKMARK"})
	if err != nil {
		t.Fatal(err)
	}
	group, _, err := Create(r.ctx, r.Editor, catalog.Groups, at, prototree.Object{"name": "Staff"})
	if err != nil {
		t.Fatal(err)
	}
	other := rigOn(t, r.options)
	_, err = r.changeRule(r.ctx, at, made.GetId(), 0, BindingAdded, func(_ *catalog.Scene, _ *catalog.Faults, a *configv1.Application) error {
		if len(a.GetBindings()) == 0 { // the group was there when it was looked for, and its deletion has looked for bindings before this one is written
			if _, err := Delete(r.ctx, other.Editor, catalog.Groups, at, group.GetId(), 0); err != nil {
				t.Error(err)
			}
		}
		enabled := true
		a.Bindings = append(a.GetBindings(), &configv1.Binding{Id: "late", Group: group.GetId(), Enabled: &enabled, Effect: configv1.Binding_ALLOW, TimeoutSeconds: 5})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := store.Get(r.ctx, r.store, catalog.Applications, made.GetId())
	if err != nil {
		t.Fatal(err)
	}
	if len(a.GetBindings()) != 1 || !a.GetBindings()[0].GetOrphaned() {
		t.Errorf("the late binding: %v", a.GetBindings())
	}
}
