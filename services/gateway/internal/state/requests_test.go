package state_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestRequest(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s := open(t, url, clock)
		kept := state.Request{
			Domain: "d1", ApplicationID: "web", Params: map[string][]string{"client_id": {"web"}, "resource": {"urn:a", "urn:b"}},
			Pushed: true, Signed: true, Confirmation: state.Confirmation{JKT: "k"},
		}
		uri, err := s.KeepRequest(t.Context(), kept, time.Minute)
		want(t, err, nil)
		id := strings.TrimPrefix(uri, state.RequestPrefix)
		if len(id) != 43 || id == uri {
			t.Errorf("request_uri %q", uri)
		}
		key := state.RequestKey("d1", "web", id)

		t.Run("another client or domain does not have it and leaves it as it is", func(t *testing.T) {
			for _, owner := range [][2]string{{"d1", "other"}, {"d2", "web"}, {"d1", ""}, {"", ""}} {
				_, err := s.OpenRequest(t.Context(), owner[0], owner[1], uri)
				want(t, err, state.ErrUnknown)
				want(t, s.FinishRequest(t.Context(), owner[0], owner[1], uri), state.ErrUnknown)
			}
		})
		t.Run("nor has anybody what never was", func(t *testing.T) {
			for _, uri := range []string{"", id, uri + "x", state.RequestPrefix, state.RequestPrefix + strings.Repeat("a", 43), "https://web.example/" + id} {
				_, err := s.OpenRequest(t.Context(), "d1", "web", uri)
				want(t, err, state.ErrUnknown)
				want(t, s.FinishRequest(t.Context(), "d1", "web", uri), state.ErrUnknown)
			}
		})
		t.Run("it waits a minute to be opened", func(t *testing.T) { between(t, left(t, s, key), 50*time.Second, time.Minute) })
		t.Run("it can be opened several times, and lives as long as a login from then on", func(t *testing.T) {
			for range 3 {
				got, err := s.OpenRequest(t.Context(), "d1", "web", uri)
				want(t, err, nil)
				expected := kept
				expected.Ends = got.Ends
				if diff := cmp.Diff(expected, got); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				between(t, left(t, s, key), state.RequestLife-10*time.Second, state.RequestLife)
			}
		})
		t.Run("of many who finish it one does", func(t *testing.T) {
			var won, lost atomic.Int32
			var all sync.WaitGroup
			for range 32 {
				all.Go(func() {
					switch err := s.FinishRequest(t.Context(), "d1", "web", uri); {
					case err == nil:
						won.Add(1)
					case errors.Is(err, state.ErrUnknown):
						lost.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 || lost.Load() != 31 {
				t.Errorf("%d finished it and %d did not", won.Load(), lost.Load())
			}
			_, err := s.OpenRequest(t.Context(), "d1", "web", uri)
			want(t, err, state.ErrUnknown)
		})
		t.Run("it ends, however often it is opened", func(t *testing.T) {
			uri, err := s.KeepRequest(t.Context(), kept, time.Minute)
			want(t, err, nil)
			clock.Forward(2*time.Hour + time.Second)
			_, err = s.OpenRequest(t.Context(), "d1", "web", uri)
			want(t, err, state.ErrUnknown)
		})
	})
}

func TestRequestsWhileRedisIsAway(t *testing.T) {
	s := open(t, "redis://127.0.0.1:1/0", gatewaytest.NewClock())
	_, err := s.KeepRequest(t.Context(), state.Request{Domain: "d1", ApplicationID: "web"}, time.Minute)
	want(t, err, state.ErrUnavailable)
	uri := state.RequestPrefix + strings.Repeat("a", 43)
	_, err = s.OpenRequest(t.Context(), "d1", "web", uri)
	want(t, err, state.ErrUnavailable)
	want(t, s.FinishRequest(t.Context(), "d1", "web", uri), state.ErrUnavailable)
}
