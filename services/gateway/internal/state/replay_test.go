package state_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, other := open(t, url, gatewaytest.NewClock()), open(t, url, gatewaytest.NewClock())
		domain := secret.NewID()
		once := func(t *testing.T, domain, purpose, id string) bool {
			t.Helper()
			first, err := s.Once(t.Context(), domain, purpose, id, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return first
		}

		t.Run("a thing is seen for the first time once", func(t *testing.T) {
			if !once(t, domain, "assertion", "1") || once(t, domain, "assertion", "1") {
				t.Error("not the first time, or the first time twice")
			}
		})
		t.Run("domains, purposes and identifiers are kept apart", func(t *testing.T) {
			for _, thing := range [][3]string{
				{secret.NewID(), "assertion", "1"}, {domain, "proof", "1"}, {domain, "assertion", "2"}, {domain, "assertion/1", ""}, {domain, "", "assertion/1"},
			} {
				if !once(t, thing[0], thing[1], thing[2]) {
					t.Errorf("%v was seen before", thing)
				}
			}
		})
		t.Run("one of many that ask both gateways at once is the first", func(t *testing.T) {
			var first atomic.Int32
			var racers sync.WaitGroup
			start := make(chan struct{})
			for n := range 32 {
				store := s
				if n%2 == 1 {
					store = other
				}
				racers.Go(func() {
					<-start
					ok, err := store.Once(t.Context(), domain, "assertion", "raced", time.Minute)
					if err != nil {
						t.Error(err)
					}
					if ok {
						first.Add(1)
					}
				})
			}
			close(start)
			racers.Wait()
			if first.Load() != 1 {
				t.Errorf("%d were the first", first.Load())
			}
		})
		t.Run("a thing is forgotten when it cannot be used again", func(t *testing.T) {
			if first, err := s.Once(t.Context(), domain, "assertion", "short", 20*time.Millisecond); !first || err != nil {
				t.Fatal(first, err)
			}
			deadline := time.Now().Add(5 * time.Second)
			for !once(t, domain, "assertion", "short") {
				if time.Now().After(deadline) {
					t.Fatal("it is remembered for good")
				}
			}
		})
	})
}

func TestFailuresAreCountedByClientAndAddressForAWhile(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, gatewaytest.NewClock())
		domain := secret.NewID()
		count := func(client, address string, window time.Duration) int {
			t.Helper()
			f, err := s.CountFailure(t.Context(), domain, client, address, window)
			if err != nil {
				t.Fatal(err)
			}
			if f.Left < 0 || f.Left > window {
				t.Errorf("the counting ends in %s, later than in %s", f.Left, window)
			}
			return f.Count
		}
		if a, b := count("web", "192.0.2.1", time.Minute), count("web", "192.0.2.1", time.Minute); a != 1 || b != 2 {
			t.Errorf("counted %d and %d, want 1 and 2", a, b)
		}
		if a, b := count("web", "192.0.2.2", time.Minute), count("shop", "192.0.2.1", time.Minute); a != 1 || b != 1 {
			t.Errorf("another address counts %d, another client %d, want 1 and 1", a, b)
		}
		count("short", "192.0.2.1", 20*time.Millisecond)
		deadline := time.Now().Add(5 * time.Second)
		for count("short", "192.0.2.1", 20*time.Millisecond) != 1 {
			if time.Now().After(deadline) {
				t.Fatal("the counting never begins anew")
			}
		}
	})
}
