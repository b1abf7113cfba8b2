package editor

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// TestAcceptance28ADeathAtAnyStepLeavesAllOrNothing: followers, which are what gateways see, are shown the application with its
// bindings, its heading and its client identifier, or nothing of it.
func TestAcceptance28ADeathAtAnyStepLeavesAllOrNothing(t *testing.T) {
	for step := 1; ; step++ {
		r := newRig(t)
		_, at := r.domain("Acme")
		group, _, err := Create(r.ctx, r.Editor, catalog.Groups, at, r.tree(`{"name": "Payables"}`))
		if err != nil {
			t.Fatal(err)
		}
		waiting, _, err := r.CreateProvider(r.ctx, at, &managementv1.Provider{
			Name: "Payroll", Type: catalog.ProviderType, Configuration: &configv1.OAuthSettings{ClientId: "pay", RedirectUris: []string{"https://pay.example/cb"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		o := r.options
		o.GracePeriod = 50 * time.Millisecond
		o.Hook = func(at store.Step, _ int64) error {
			if taken++; taken == step {
				return fmt.Errorf("died at step %d: %s", step, at)
			}
			return nil
		}
		dying := storetest.Open(t, o)
		_, failed := New(Options{Store: dying, Hasher: hasher}).Compose(r.ctx, at, Composition{
			Application: &configv1.Application{Name: "Payroll"}, Heading: &configv1.ApplicationGroup{Name: "Finance"},
			Provider: &managementv1.ComposedProvider{Id: waiting.GetId()}, Bindings: []*configv1.Binding{{Group: group.GetId()}},
		}, false)
		_ = dying.Close(r.ctx)

		o.Hook = nil
		after := storetest.Open(t, o)
		e := New(Options{Store: after, Hasher: hasher})
		// A write of somebody else resolves what it meets.
		if _, _, err := Create(r.ctx, e, catalog.ApplicationGroups, at, r.tree(`{"name": "Other"}`)); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		loaded, err := after.Load(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		var app, provider *configv1.Application
		headings := 0
		for _, one := range loaded.Resources {
			switch one := one.(type) {
			case *configv1.Application:
				if catalog.IsProvider(one) {
					if catalog.ClientID(one) != "" {
						provider = proto.CloneOf(one)
					}
				} else {
					app = one
				}
			case *configv1.ApplicationGroup:
				if one.GetName() == "Finance" {
					headings++
				}
			}
		}
		whole := app != nil && provider == nil && headings == 1 && len(app.GetBindings()) == 1 && catalog.ClientID(app) == "pay"
		nothing := app == nil && provider != nil && headings == 0 && catalog.ClientID(provider) == "pay"
		if !whole && !nothing || failed == nil && !whole {
			t.Errorf("died at step %d (%v): application %v, provider %v, %d headings", step, failed, app, provider, headings)
		}
		if failed == nil {
			if step < 8 {
				t.Errorf("only %d steps", step)
			}
			break
		}
		if errors.Is(failed, store.ErrStale) {
			t.Errorf("step %d: %v", step, failed)
		}
	}
}
