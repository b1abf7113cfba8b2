package management

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
)

// TestSigningKeysAreMeasured: keys are counted by what they are for, and of those that sign the first end is told.
func TestSigningKeysAreMeasured(t *testing.T) {
	const retired, next, active, uploaded = configv1.Certificate_RETIRED, configv1.Certificate_NEXT, configv1.Certificate_ACTIVE, configv1.Certificate_STATUS_UNSPECIFIED
	day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	key := func(domain string, status configv1.Certificate_Status, ends int) resource.Resource {
		return &configv1.Certificate{
			Id: fmt.Sprintf("%s-%v-%d", domain, status, ends), Domain: domain, Name: "k", Revision: 1, Status: status,
			ExpiresAt: timestamppb.New(day.AddDate(0, 0, ends)),
		}
	}
	open := &configv1.Domain{Id: "open", Name: "Open", Enabled: true, Revision: 1}
	closed := &configv1.Domain{Id: "closed", Name: "Closed", Revision: 1}
	held, registry := image.New(), prometheus.NewRegistry()
	keys := newSigningKeys(held, registry)
	measured := func() map[string]float64 {
		t.Helper()
		keys.measure()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]float64{}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				name := family.GetName()
				for _, label := range m.GetLabel() {
					name += " " + label.GetValue()
				}
				all[name] = m.GetGauge().GetValue()
			}
		}
		return all
	}
	const ends = "gatehouse_signing_key_expiry_seconds"
	if got := measured(); len(got) != 7 || got[ends] != 0 {
		t.Errorf("before anything is loaded: %v", got)
	}
	held.Load(held.Begin(), 1, []resource.Resource{
		open, closed, key("open", retired, 1), key("closed", active, 2), key("open", uploaded, 40), key("open", active, 30), key("open", next, 60), key("closed", retired, 3),
	})
	want := map[string]float64{
		"gatehouse_signing_keys enabled active": 2, "gatehouse_signing_keys enabled next": 1, "gatehouse_signing_keys enabled retired": 1,
		"gatehouse_signing_keys disabled active": 1, "gatehouse_signing_keys disabled next": 0, "gatehouse_signing_keys disabled retired": 1,
		ends: float64(day.AddDate(0, 0, 30).Unix()),
	}
	for name, got := range measured() {
		if got != want[name] {
			t.Errorf("%s is %f, want %f", name, got, want[name])
		}
	}
	held.Load(held.Begin(), 2, []resource.Resource{open, closed, key("open", next, 20), key("open", active, 30)})
	if got := measured(); got[ends] != float64(day.AddDate(0, 0, 20).Unix()) || got["gatehouse_signing_keys enabled retired"] != 0 {
		t.Errorf("a key that is to sign next ends first: %v", got)
	}
	held.Load(held.Begin(), 3, []resource.Resource{closed, key("closed", active, 20)})
	if got := measured(); got[ends] != 0 {
		t.Errorf("only a domain that is switched off has keys: %v", got)
	}
}
