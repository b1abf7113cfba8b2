package state_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestLeg(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s := open(t, url, clock)
		kept := state.Leg{
			Domain: "d1", ApplicationID: "app", ClientID: "web", Provider: "google", Query: "client_id=web&state=%20", Browser: "b",
			Origin: "/login", LoginHint: "ann+x@acme.example", Again: true, MaxAge: 60, Locales: []string{"fr"}, Memo: []byte{0, 1},
		}
		begin := func(t *testing.T) string {
			t.Helper()
			name := secret.NewToken()
			want(t, s.BeginLeg(t.Context(), name, kept), nil)
			return name
		}

		t.Run("it comes back as it was, once", func(t *testing.T) {
			name := begin(t)
			between(t, left(t, s, state.LegKey("d1", name)), state.LegLife-10*time.Second, state.LegLife)
			got, err := s.EndLeg(t.Context(), "d1", name)
			want(t, err, nil)
			expected := kept
			expected.Began = clock.Now().Unix()
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("leg (-want +got):\n%s", diff)
			}
			_, err = s.EndLeg(t.Context(), "d1", name)
			want(t, err, state.ErrUnknown)
		})
		t.Run("another gateway goes on with it", func(t *testing.T) {
			_, err := open(t, url, clock).EndLeg(t.Context(), "d1", begin(t))
			want(t, err, nil)
		})
		t.Run("another domain does not have it and leaves it as it is", func(t *testing.T) {
			name := begin(t)
			_, err := s.EndLeg(t.Context(), "d2", name)
			want(t, err, state.ErrUnknown)
			_, err = s.EndLeg(t.Context(), "d1", name)
			want(t, err, nil)
		})
		t.Run("what never was is unknown", func(t *testing.T) {
			for _, name := range []string{"", "x", strings.Repeat("a", 43), strings.Repeat("a", 1<<20)} {
				_, err := s.EndLeg(t.Context(), "d1", name)
				want(t, err, state.ErrUnknown)
			}
		})
		t.Run("it ends after a quarter of an hour", func(t *testing.T) {
			name := begin(t)
			clock.Forward(state.LegLife)
			_, err := s.EndLeg(t.Context(), "d1", name)
			want(t, err, state.ErrUnknown)
		})
		t.Run("of 32 who come back with it one does", func(t *testing.T) {
			name := begin(t)
			var wg sync.WaitGroup
			var won atomic.Int32
			for range 32 {
				wg.Go(func() {
					if _, err := s.EndLeg(t.Context(), "d1", name); err == nil {
						won.Add(1)
					} else if !errors.Is(err, state.ErrUnknown) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%d got it", won.Load())
			}
		})
	})
}
