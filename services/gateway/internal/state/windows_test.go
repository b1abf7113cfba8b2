package state_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestWindows(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		clock.Forward(time.Hour - time.Duration(clock.Now().UnixNano()%int64(time.Hour))) // periods of an hour begin now
		s := open(t, url, clock)
		window := func(n int) state.Window {
			return state.Window{Purpose: "test", Domain: secret.NewID(), By: "192.0.2.0/24", Max: n, Period: time.Hour}
		}
		enter := func(t *testing.T, w ...state.Window) time.Duration {
			t.Helper()
			wait, err := s.EnterWindows(t.Context(), w...)
			if err != nil {
				t.Fatal(err)
			}
			return wait
		}
		fill := func(t *testing.T, w state.Window) {
			t.Helper()
			for n := range w.Max {
				if wait := enter(t, w); wait != 0 {
					t.Fatalf("number %d waits %s", n+1, wait)
				}
			}
		}

		t.Run("let the maximum through, and count every purpose, domain and origin by itself", func(t *testing.T) {
			w := window(3)
			fill(t, w)
			if enter(t, w) <= 0 {
				t.Error("one too many")
			}
			for _, other := range []state.Window{
				{Purpose: "other", Domain: w.Domain, By: w.By, Max: 3, Period: time.Hour},
				{Purpose: w.Purpose, By: w.By + secret.NewID(), Max: 3, Period: time.Hour},
				{Purpose: w.Purpose, Domain: w.Domain, By: "198.51.100.0/24", Max: 3, Period: time.Hour},
			} {
				if enter(t, other) != 0 {
					t.Errorf("%+v is full as well", other)
				}
			}
		})
		t.Run("slide: what was counted leaves bit by bit, not all at once", func(t *testing.T) {
			w := window(4)
			fill(t, w)
			clock.Forward(time.Hour + 15*time.Minute) // a quarter of the four has left
			if enter(t, w) != 0 || enter(t, w) <= 0 {
				t.Error("not exactly one more after a quarter of the time")
			}
			clock.Forward(3 * time.Hour)
			fill(t, w)
			clock.Forward(time.Hour - time.Duration(clock.Now().UnixNano()%int64(time.Hour)))
		})
		t.Run("say how long to wait, and keep their word", func(t *testing.T) {
			w := window(5)
			fill(t, w)
			for range 3 {
				clock.Forward(enter(t, w))
				if wait := enter(t, w); wait != 0 {
					t.Fatalf("waited, and is to wait another %s", wait)
				}
				if enter(t, w) <= 0 {
					t.Fatal("two came in after one wait")
				}
			}
			clock.Forward(time.Hour - time.Duration(clock.Now().UnixNano()%int64(time.Hour)))
		})
		t.Run("count no refusal", func(t *testing.T) {
			w := window(2)
			fill(t, w)
			first := enter(t, w)
			for range 50 {
				enter(t, w)
			}
			if again := enter(t, w); again > first {
				t.Errorf("whoever goes on trying waits %s, not %s", again, first)
			}
		})
		t.Run("take back", func(t *testing.T) {
			w := window(2)
			fill(t, w)
			want(t, s.SettleAttempts(t.Context(), state.Settlement{Leave: []state.Window{w, window(1)}}), nil)
			if enter(t, w) != 0 || enter(t, w) <= 0 {
				t.Error("not exactly one more")
			}
		})
		t.Run("are exact over two gateways in a race", func(t *testing.T) {
			other := open(t, url, clock)
			w := window(10)
			var allowed atomic.Int32
			var group sync.WaitGroup
			for i := range 32 {
				store := []*state.Store{s, other}[i%2]
				group.Go(func() {
					wait, err := store.EnterWindows(t.Context(), w)
					if err != nil {
						t.Error(err)
					} else if wait == 0 {
						allowed.Add(1)
					}
				})
			}
			group.Wait()
			if allowed.Load() != 10 {
				t.Errorf("%d of 32 came in, want 10", allowed.Load())
			}
		})
		t.Run("are counted with the account", func(t *testing.T) {
			w := window(3)
			a := state.Account{Domain: w.Domain, Application: "web", Provider: "staff", Username: "ann"}
			limit := state.AttemptLimit{Max: 2, Reset: time.Hour, Block: time.Hour}
			begin := func(a state.Account, limit state.AttemptLimit) state.Begun {
				t.Helper()
				begun, err := s.BeginAttemptFrom(t.Context(), a, limit, w)
				if err != nil {
					t.Fatal(err)
				}
				return begun
			}
			for _, want := range []state.Begun{{}, {Last: true}, {Locked: true}} {
				if got := begin(a, limit); got != want {
					t.Fatalf("begun %+v, want %+v", got, want)
				}
			}
			want(t, s.SettleAttempts(t.Context(), state.Settlement{Leave: []state.Window{w}}), nil)
			if got := begin(a, limit); got != (state.Begun{Locked: true}) {
				t.Errorf("the one after it: %+v", got)
			}
			bob := a
			bob.Username = "bob"
			for range 5 {
				if got := begin(bob, limit); got.Wait <= 0 || got.Locked {
					t.Errorf("from an address that has failed too often: %+v", got)
				}
			}
			want(t, s.SettleAttempts(t.Context(), state.Settlement{Leave: []state.Window{w}}), nil)
			if got := begin(bob, limit); got != (state.Begun{}) {
				t.Errorf("what was refused by address was held against the account: %+v", got)
			}
			if got, err := s.BeginAttemptFrom(t.Context(), a, state.AttemptLimit{}); err != nil || got != (state.Begun{}) {
				t.Errorf("without limits: %+v, %v", got, err)
			}
		})
	})
}
