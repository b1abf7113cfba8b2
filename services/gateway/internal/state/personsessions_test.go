package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestPersonSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s := open(t, url, clock)
		browser := state.Device{Agent: "Browser/1", Address: "192.0.2.7"}
		session := func(person string) (string, state.Session) {
			return secret.NewToken(), state.Session{
				ID: secret.NewID(), Domain: "d1", Person: state.Person{Subject: person}, Provider: "staff",
				AuthTime: clock.Now().Unix(), Began: clock.Now().Unix(), Ends: clock.Now().Add(12 * time.Hour).Unix(),
			}
		}
		begin := func(t *testing.T, cookie string, v state.Session, idle time.Duration) []state.PersonSession {
			t.Helper()
			crowded, err := s.BeginSession(t.Context(), cookie, v, idle, browser)
			if err != nil {
				t.Fatal(err)
			}
			return crowded
		}
		list := func(t *testing.T, person string) []state.PersonSession {
			t.Helper()
			all, err := s.PersonSessions(t.Context(), "d1", person)
			if err != nil {
				t.Fatal(err)
			}
			return all
		}

		t.Run("are listed by person and domain, with what is known of them", func(t *testing.T) {
			person := secret.NewID()
			cookie, v := session(person)
			begin(t, cookie, v, time.Hour)
			all := list(t, person)
			if len(all) != 1 {
				t.Fatalf("%d sessions", len(all))
			}
			between(t, clock.Now().Sub(all[0].Seen), 0, time.Minute)
			all[0].Seen = time.Time{}
			want := state.PersonSession{
				ID: v.ID, Key: state.SessionKey(cookie, "d1"), Device: browser, Provider: "staff", Began: v.Began, AuthTime: v.AuthTime,
				Ends: v.Ends, Idle: time.Hour.Milliseconds(),
			}
			if diff := cmp.Diff(want, all[0]); diff != "" {
				t.Errorf("session (-want +got):\n%s", diff)
			}
			if len(list(t, secret.NewID())) != 0 {
				t.Error("somebody else has it as well")
			}
			if all, err := s.PersonSessions(t.Context(), "d2", person); err != nil || len(all) != 0 {
				t.Errorf("another domain has it as well: %v, %v", all, err)
			}
			got, err := s.Session(t.Context(), cookie, "d1", time.Hour)
			if diff := cmp.Diff(v, got); err != nil || diff != "" {
				t.Errorf("session, %v (-want +got):\n%s", err, diff)
			}
		})
		t.Run("that are signed in to again stand once", func(t *testing.T) {
			person := secret.NewID()
			cookie, v := session(person)
			begin(t, cookie, v, time.Hour)
			stale := list(t, person)[0]
			again := secret.NewToken()
			begin(t, again, v, time.Hour)
			want(t, s.EndSession(t.Context(), cookie, "d1"), nil)
			if all := list(t, person); len(all) != 1 || all[0].Key != state.SessionKey(again, "d1") {
				t.Errorf("sessions %+v", all)
			}
			// Who ends what they saw in the old place does not hide the new one.
			if _, err := s.CloseListed(t.Context(), stale, &v, state.SessionClients{}, nil); err != nil {
				t.Fatal(err)
			}
			if all := list(t, person); len(all) != 1 {
				t.Errorf("sessions %+v", all)
			}
		})
		t.Run("are not listed once they have ended", func(t *testing.T) {
			person := secret.NewID()
			cookie, v := session(person)
			begin(t, cookie, v, time.Hour)
			idle, w := session(person)
			begin(t, idle, w, 20*time.Millisecond)
			last, x := session(person)
			begin(t, last, x, time.Hour)
			if _, err := s.CloseSession(t.Context(), cookie, &v, state.SessionClients{}, nil); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the idle one ends", func() bool { return left(t, s, state.SessionKey(idle, "d1")) < 0 })
			if all := list(t, person); len(all) != 1 || all[0].ID != x.ID {
				t.Errorf("sessions %+v", all)
			}
			clock.Forward(13 * time.Hour)
			if all := list(t, person); len(all) != 0 {
				t.Errorf("sessions beyond their age: %+v", all)
			}
			clock.Forward(-13 * time.Hour)
		})
		t.Run("end by where they are kept", func(t *testing.T) {
			person := secret.NewID()
			cookie, v := session(person)
			begin(t, cookie, v, time.Hour)
			one := list(t, person)[0]
			got, err := s.ListedSession(t.Context(), "d1", one)
			if diff := cmp.Diff(v, got); err != nil || diff != "" {
				t.Fatalf("session, %v (-want +got):\n%s", err, diff)
			}
			if _, err := s.CloseListed(t.Context(), one, &got, state.SessionClients{}, nil); err != nil {
				t.Fatal(err)
			}
			_, err = s.Session(t.Context(), cookie, "d1", time.Hour)
			want(t, err, state.ErrUnknown)
			_, err = s.ListedSession(t.Context(), "d1", one)
			want(t, err, state.ErrUnknown)
		})
		t.Run("are bounded: the one with the oldest sign-in makes room", func(t *testing.T) {
			person := secret.NewID()
			var first string
			for i := range state.MaxPersonSessions + 2 {
				cookie, v := session(person)
				v.ID, v.AuthTime = fmt.Sprint("s", i), v.AuthTime+int64(i)
				crowded := begin(t, cookie, v, time.Hour)
				switch {
				case i == 0:
					first = state.SessionKey(cookie, "d1")
				case i == state.MaxPersonSessions:
					if len(crowded) != 1 || crowded[0].ID != "s0" || crowded[0].Key != first {
						t.Fatalf("making room: %+v", crowded)
					}
				case i < state.MaxPersonSessions && len(crowded) != 0, i > state.MaxPersonSessions && len(crowded) != 1:
					t.Fatalf("%d sessions: %+v", i, crowded)
				}
			}
			if all := list(t, person); len(all) != state.MaxPersonSessions {
				t.Errorf("%d sessions", len(all))
			}
		})
	})
}
