package state_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestSession(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s := open(t, url, clock)
		session := func() (string, state.Session) {
			return secret.NewToken(), state.Session{
				ID: "sid", Domain: "d1", Person: allowed().Person, Provider: "staff", AMR: []string{"pwd"}, ACR: "acr",
				AuthTime: clock.Now().Unix(), Ends: clock.Now().Add(time.Hour).Unix(), Client: "web",
			}
		}
		t.Run("is found by its cookie in its domain", func(t *testing.T) {
			cookie, v := session()
			want(t, s.SaveSession(t.Context(), cookie, v, time.Minute), nil)
			got, err := s.Session(t.Context(), cookie, "d1", time.Minute)
			want(t, err, nil)
			if diff := cmp.Diff(v, got); diff != "" {
				t.Errorf("session (-want +got):\n%s", diff)
			}
			_, err = s.Session(t.Context(), cookie, "d2", time.Minute)
			want(t, err, state.ErrUnknown)
			_, err = s.Session(t.Context(), cookie+"x", "d1", time.Minute)
			want(t, err, state.ErrUnknown)
		})
		t.Run("is unknown to another domain, which neither prolongs nor ends it", func(t *testing.T) {
			cookie, v := session()
			want(t, s.SaveSession(t.Context(), cookie, v, time.Minute), nil)
			_, err := s.Session(t.Context(), cookie, "d2", 30*time.Minute)
			want(t, err, state.ErrUnknown)
			between(t, left(t, s, state.SessionKey(cookie, "d1")), 50*time.Second, time.Minute)
			want(t, s.EndSession(t.Context(), cookie, "d2"), nil)
			foreign := v
			foreign.Domain = "d2"
			want(t, s.UpdateSession(t.Context(), cookie, foreign, time.Minute), state.ErrUnknown)
			got, err := s.Session(t.Context(), cookie, "d1", time.Minute)
			want(t, err, nil)
			if diff := cmp.Diff(v, got); diff != "" {
				t.Errorf("session (-want +got):\n%s", diff)
			}
		})
		t.Run("ends by logout", func(t *testing.T) {
			cookie, v := session()
			want(t, s.SaveSession(t.Context(), cookie, v, time.Minute), nil)
			want(t, s.EndSession(t.Context(), cookie, "d1"), nil)
			_, err := s.Session(t.Context(), cookie, "d1", time.Minute)
			want(t, err, state.ErrUnknown)
		})
		t.Run("is not brought back by a request that was under way at the logout", func(t *testing.T) {
			cookie, v := session()
			want(t, s.SaveSession(t.Context(), cookie, v, time.Minute), nil)
			v.Consented = "first"
			want(t, s.UpdateSession(t.Context(), cookie, v, time.Minute), nil)
			want(t, s.EndSession(t.Context(), cookie, "d1"), nil)
			want(t, s.UpdateSession(t.Context(), cookie, v, time.Minute), state.ErrUnknown)
			_, err := s.Session(t.Context(), cookie, "d1", time.Minute)
			want(t, err, state.ErrUnknown)
		})
		t.Run("ends when it is idle, and every use begins the time anew", func(t *testing.T) {
			cookie, v := session()
			want(t, s.SaveSession(t.Context(), cookie, v, time.Minute), nil)
			between(t, left(t, s, state.SessionKey(cookie, "d1")), 50*time.Second, time.Minute)
			_, err := s.Session(t.Context(), cookie, "d1", 5*time.Minute)
			want(t, err, nil)
			between(t, left(t, s, state.SessionKey(cookie, "d1")), 4*time.Minute, 5*time.Minute)
			_, err = s.Session(t.Context(), cookie, "d1", 20*time.Millisecond)
			want(t, err, nil)
			eventually(t, "the session ends", func() bool { return left(t, s, state.SessionKey(cookie, "d1")) < 0 })
			_, err = s.Session(t.Context(), cookie, "d1", time.Minute)
			want(t, err, state.ErrUnknown)
		})
		t.Run("is kept no longer than its maximum age", func(t *testing.T) {
			cookie, v := session()
			want(t, s.SaveSession(t.Context(), cookie, v, 24*time.Hour), nil)
			between(t, left(t, s, state.SessionKey(cookie, "d1")), 59*time.Minute, time.Hour)
		})
		t.Run("ends at its maximum age, however busy it is", func(t *testing.T) {
			cookie, v := session()
			want(t, s.SaveSession(t.Context(), cookie, v, 24*time.Hour), nil)
			clock.Forward(time.Hour)
			_, err := s.Session(t.Context(), cookie, "d1", 24*time.Hour)
			want(t, err, state.ErrUnknown)
			want(t, s.SaveSession(t.Context(), cookie, v, 24*time.Hour), nil)
			clock.Forward(-time.Minute) // a clock that is behind does not find it either
			_, err = s.Session(t.Context(), cookie, "d1", 24*time.Hour)
			want(t, err, state.ErrUnknown)
		})
	})
}
