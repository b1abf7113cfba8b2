package state_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestCode(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s, a := open(t, url, clock), allowed()
		code, err := s.NewCode(t.Context(), a, time.Minute)
		want(t, err, nil)
		if len(code) < 43 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("the code %q is not 256 bits in unreserved characters", code)
		}

		t.Run("another client or domain does not have it and leaves it as it is", func(t *testing.T) {
			for _, owner := range [][2]string{{a.Domain, "other"}, {"other", a.ClientID}, {a.Domain, ""}, {a.Domain + "/web", ""}} {
				_, err := s.Redeem(t.Context(), owner[0], owner[1], code)
				want(t, err, state.ErrUnknown)
			}
		})
		t.Run("it gives what was allowed, once", func(t *testing.T) {
			got, err := s.Redeem(t.Context(), a.Domain, a.ClientID, code)
			want(t, err, nil)
			expected := a
			expected.Grant, expected.Created = state.GrantOf(code), clock.Now().UnixMilli()
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("authorization (-want +got):\n%s", diff)
			}
		})
		t.Run("a second use names the grant", func(t *testing.T) {
			for range 2 {
				got, err := s.Redeem(t.Context(), a.Domain, a.ClientID, code)
				want(t, err, state.ErrSpent)
				if got.Grant != state.GrantOf(code) {
					t.Errorf("the marker leads to grant %q, not %q", got.Grant, state.GrantOf(code))
				}
			}
		})
		t.Run("the marker stays for ten minutes", func(t *testing.T) {
			between(t, left(t, s, state.CodeKey(a.Domain, a.ClientID, code)), 9*time.Minute, 10*time.Minute)
		})
		t.Run("what never was is unknown", func(t *testing.T) {
			for _, code := range []string{"", "x", strings.Repeat("y", 1000), code + "x", "web" + code} {
				_, err := s.Redeem(t.Context(), a.Domain, a.ClientID, code)
				want(t, err, state.ErrUnknown)
			}
		})
		t.Run("an expired one is unknown", func(t *testing.T) {
			code, err := s.NewCode(t.Context(), a, 20*time.Millisecond)
			want(t, err, nil)
			eventually(t, "Redis forgets the code", func() bool { return left(t, s, state.CodeKey(a.Domain, a.ClientID, code)) < 0 })
			_, err = s.Redeem(t.Context(), a.Domain, a.ClientID, code)
			want(t, err, state.ErrUnknown)
		})
	})
}

func TestCodeIsRedeemedOnceByManyGateways(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		stores := make([]*state.Store, 4)
		for i := range stores {
			stores[i] = open(t, url, gatewaytest.NewClock())
		}
		a := allowed()
		code, err := stores[0].NewCode(t.Context(), a, time.Minute)
		want(t, err, nil)
		var mu sync.Mutex
		outcomes := map[string]int{}
		var racers sync.WaitGroup
		for i := range 64 {
			racers.Go(func() {
				got, err := stores[i%len(stores)].Redeem(t.Context(), a.Domain, a.ClientID, code)
				outcome := "lost"
				switch {
				case err == nil && got.ClientID == a.ClientID:
					outcome = "won"
				case !errors.Is(err, state.ErrSpent) || got.Grant != state.GrantOf(code):
					outcome = "neither"
				}
				mu.Lock()
				defer mu.Unlock()
				outcomes[outcome]++
			})
		}
		racers.Wait()
		if diff := cmp.Diff(map[string]int{"won": 1, "lost": 63}, outcomes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}
