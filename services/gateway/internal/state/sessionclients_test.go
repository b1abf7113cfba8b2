package state_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// signedIn stores a session.
func signedIn(t *testing.T, s *state.Store, clock *gatewaytest.Clock) (cookie string, v state.Session) {
	t.Helper()
	cookie = secret.NewToken()
	v = state.Session{
		ID: secret.NewID(), Domain: "d1", Person: state.Person{Subject: secret.NewID()}, AuthTime: clock.Now().Unix(),
		Ends: clock.Now().Add(time.Hour).Unix(),
	}
	want(t, s.SaveSession(t.Context(), cookie, v, 30*time.Minute), nil)
	return cookie, v
}

func sortedClients(c state.SessionClients) []state.SessionClient {
	slices.SortFunc(c.List, func(a, b state.SessionClient) int { return cmp.Compare(a.ClientID, b.ClientID) })
	return c.List
}

// TestS5NoClientIsLost lets the pages of many clients finish at the same time.
func TestS5NoClientIsLost(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s := open(t, url, clock)
		cookie, _ := signedIn(t, s, clock)
		const racers = 32
		var expected []state.SessionClient
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range racers {
			c := state.SessionClient{ClientID: fmt.Sprintf("client-%02d", i), ApplicationID: fmt.Sprintf("app-%02d", i)}
			expected = append(expected, c)
			all.Go(func() {
				<-begin
				mine, err := s.Session(t.Context(), cookie, "d1", 30*time.Minute)
				if err == nil {
					mine.Client = c.ClientID
					err = s.NoteClient(t.Context(), cookie, mine, c, time.Duration(i)*time.Minute, 30*time.Minute)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		all.Wait()
		got, err := s.SessionClients(t.Context(), cookie, "d1")
		want(t, err, nil)
		if diff := gocmp.Diff(expected, sortedClients(got)); diff != "" || got.Refresh != (racers-1)*time.Minute {
			t.Errorf("refresh tokens for %v, clients (-want +got):\n%s", got.Refresh, diff)
		}
	})
}

func TestSessionClients(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s := open(t, url, clock)
		web := state.SessionClient{ClientID: "web", ApplicationID: "app-web"}
		note := func(cookie string, v state.Session, c state.SessionClient, refresh time.Duration) error {
			return s.NoteClient(t.Context(), cookie, v, c, refresh, 30*time.Minute)
		}
		t.Run("are not noted once the session has ended, which stays ended", func(t *testing.T) {
			cookie, v := signedIn(t, s, clock)
			want(t, s.EndSession(t.Context(), cookie, "d1"), nil)
			want(t, note(cookie, v, web, time.Hour), state.ErrUnknown)
			_, err := s.Session(t.Context(), cookie, "d1", time.Minute)
			want(t, err, state.ErrUnknown)
			got, err := s.SessionClients(t.Context(), cookie, "d1")
			want(t, err, nil)
			if len(got.List) != 0 {
				t.Errorf("clients %v", got)
			}
		})
		t.Run("keep the longest lifetime of refresh tokens that any of them had", func(t *testing.T) {
			cookie, v := signedIn(t, s, clock)
			want(t, note(cookie, v, web, 2*time.Hour), nil)
			want(t, note(cookie, v, web, time.Hour), nil)
			got, err := s.SessionClients(t.Context(), cookie, "d1")
			want(t, err, nil)
			if got.Refresh != 2*time.Hour || len(got.List) != 1 {
				t.Errorf("clients %v", got)
			}
		})
		t.Run("are bounded, and beyond that those known before stay known", func(t *testing.T) {
			cookie, v := signedIn(t, s, clock)
			for i := range state.MaxSessionClients + 5 {
				want(t, note(cookie, v, state.SessionClient{ClientID: fmt.Sprint(i), ApplicationID: "x"}, 0), nil)
			}
			want(t, note(cookie, v, state.SessionClient{ClientID: "0", ApplicationID: "y"}, 0), nil)
			got, err := s.SessionClients(t.Context(), cookie, "d1")
			want(t, err, nil)
			if len(got.List) != state.MaxSessionClients || !slices.Contains(got.List, state.SessionClient{ClientID: "0", ApplicationID: "y"}) {
				t.Errorf("%d clients", len(got.List))
			}
		})
		t.Run("stay with a session that goes on under another cookie", func(t *testing.T) {
			cookie, v := signedIn(t, s, clock)
			want(t, note(cookie, v, web, 0), nil)
			late := state.SessionClient{ClientID: "late", ApplicationID: "app-late"}
			again, next := v, secret.NewToken()
			again.Ends += 3600
			_, err := s.SucceedSession(t.Context(), cookie, next, again, time.Minute, state.Device{})
			want(t, err, nil)
			want(t, note(cookie, v, late, 0), state.ErrUnknown)
			want(t, note(next, again, late, 3*time.Hour), nil)
			got, err := s.SessionClients(t.Context(), next, "d1")
			want(t, err, nil)
			if diff := gocmp.Diff([]state.SessionClient{late, web}, sortedClients(got)); diff != "" || got.Refresh != 3*time.Hour {
				t.Errorf("refresh tokens for %v, clients (-want +got):\n%s", got.Refresh, diff)
			}
			between(t, left(t, s, state.ClientsKey(next, "d1")), 110*time.Minute, 2*time.Hour)
			if gone, err := s.SessionClients(t.Context(), cookie, "d1"); err != nil || len(gone.List) > 0 {
				t.Errorf("under the cookie before: %v, %v", gone, err)
			}
		})
		t.Run("are not lost while the session moves to another cookie", func(t *testing.T) {
			cookie, v := signedIn(t, s, clock)
			const racers = 32
			var noted sync.Map
			var all sync.WaitGroup
			next := secret.NewToken()
			for i := range racers {
				all.Go(func() {
					if i == racers/2 {
						_, err := s.SucceedSession(t.Context(), cookie, next, v, time.Minute, state.Device{})
						want(t, err, nil)
						return
					}
					one := state.SessionClient{ClientID: fmt.Sprint("c", i), ApplicationID: "x"}
					if err := note(cookie, v, one, 0); err == nil {
						noted.Store(one, true)
					} else if !errors.Is(err, state.ErrUnknown) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			got, err := s.SessionClients(t.Context(), next, "d1")
			want(t, err, nil)
			noted.Range(func(one, _ any) bool {
				if !slices.Contains(got.List, one.(state.SessionClient)) {
					t.Errorf("%v is not among the clients of the session", one)
				}
				return true
			})
		})
	})
}

// TestS7LogoutEndsWhatTheSessionMade goes by the copy of another gateway, which hears of it by the notice.
func TestS7LogoutEndsWhatTheSessionMade(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		s, other := open(t, url, clock), open(t, url, clock)
		follow(t, other)
		<-other.Loaded()
		cookie, v := signedIn(t, s, clock)
		web := state.SessionClient{ClientID: "web", ApplicationID: "app-web"}
		want(t, s.NoteClient(t.Context(), cookie, v, web, time.Hour, time.Hour), nil)
		grant := func(session string, scopes ...string) (code, refresh string) {
			a := state.Authorization{
				Domain: "d1", ApplicationID: "app-web", ClientID: "web", Scopes: scopes, Person: v.Person, SessionID: session, Grant: secret.NewToken()[:22],
			}
			refresh, err := s.NewGrant(t.Context(), a, time.Hour)
			want(t, err, nil)
			code, err = s.NewCode(t.Context(), a, time.Minute)
			want(t, err, nil)
			return code, refresh
		}
		code, plain := grant(v.ID, "openid")
		offlineCode, offline := grant(v.ID, "openid", "offline_access")
		_, elsewhere := grant(secret.NewID(), "openid")
		_, without := grant("", "openid")
		late, err := s.CloseSession(t.Context(), cookie, &v, state.SessionClients{List: []state.SessionClient{web}, Refresh: time.Hour}, nil)
		want(t, err, nil)
		if len(late.List) != 0 {
			t.Errorf("clients that came late: %v", late)
		}
		_, err = s.Session(t.Context(), cookie, "d1", time.Hour)
		want(t, err, state.ErrUnknown)
		rotation := state.Rotation{TTL: time.Hour}
		refreshed := func(on *state.Store, token string) error {
			_, _, err := on.Refresh(t.Context(), "d1", "app-web", token, rotation)
			return err
		}
		want(t, refreshed(s, plain), state.ErrUnknown)
		eventually(t, "the other gateway refuses it too", func() bool {
			_, err := other.Inspect(t.Context(), plain)
			return err != nil
		})
		for name, token := range map[string]string{"with offline_access": offline, "of another session": elsewhere, "of no session": without} {
			if err := refreshed(other, token); err != nil {
				t.Errorf("a refresh token %s: %v", name, err)
			}
		}
		_, err = s.Redeem(t.Context(), "d1", "app-web", code)
		want(t, err, state.ErrUnknown)
		_, err = s.Redeem(t.Context(), "d1", "app-web", offlineCode)
		want(t, err, nil)
		clock.Forward(time.Second)
		_, again := grant(v.ID, "openid")
		if err := refreshed(s, again); err != nil {
			t.Errorf("a session that was begun anew at that moment: %v", err)
		}
	})
}

func TestRevokedConsent(t *testing.T) {
	clock := gatewaytest.NewClock()
	s := open(t, gatewaytest.Redis(t), clock)
	ann := secret.NewID()
	token := state.Token{Domain: "d1", JTI: "j", Subject: ann, ClientID: "a|b", IssuedAt: clock.Now().UnixMilli()}
	want(t, s.RevokeConsent(t.Context(), "d1", ann, "a|b", clock.Now().Add(time.Hour)), nil)
	later, foreign, bob := token, token, token
	later.IssuedAt += 1000
	foreign.ClientID = "other"
	bob.Subject = secret.NewID()
	for name, c := range map[string]struct {
		token state.Token
		want  bool
	}{
		"what the client was allowed": {token, true}, "what it was allowed later": {later, false},
		"what another client was allowed": {foreign, false}, "what another person allowed": {bob, false},
	} {
		if got := s.Revoked(c.token); got != c.want {
			t.Errorf("%s is revoked: %v", name, got)
		}
	}
}
