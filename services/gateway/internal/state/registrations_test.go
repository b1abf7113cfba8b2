package state_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestRegistrationsAreCountedBySourceForAWhile(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, domain := open(t, url, gatewaytest.NewClock()), secret.NewID()
		begin := func(source string) bool {
			t.Helper()
			ok, left, err := s.BeginRegistration(t.Context(), domain, source, 2, time.Minute)
			if err != nil || !ok && (left <= 0 || left > time.Minute) {
				t.Fatalf("%t, %v left, %v", ok, left, err)
			}
			return ok
		}
		var allowed atomic.Int32
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				if begin("10.0.0.1/32") {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		if allowed.Load() != 2 {
			t.Errorf("%d of 32 were allowed, want 2", allowed.Load())
		}
		if !begin("10.0.0.2/32") {
			t.Error("another source is refused")
		}
		if err := s.ReturnRegistration(t.Context(), domain, "10.0.0.1/32"); err != nil || !begin("10.0.0.1/32") || begin("10.0.0.1/32") {
			t.Errorf("one that was taken back counts, %v", err)
		}
		if err := s.ReturnRegistration(t.Context(), domain, "nobody"); err != nil || !begin("nobody") || !begin("nobody") || begin("nobody") {
			t.Errorf("taking back what was not counted, %v", err)
		}
	})
}
