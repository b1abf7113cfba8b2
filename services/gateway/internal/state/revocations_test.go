package state_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestRevocation(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		clock := gatewaytest.NewClock()
		here, there := open(t, url, clock), open(t, url, clock)
		follow(t, there)
		<-there.Loaded()
		soon := clock.Now().Add(time.Hour)
		token := func(domain, jti, subject string) state.Token {
			return state.Token{Domain: domain, JTI: jti, Subject: subject, IssuedAt: clock.Now().UnixMilli()}
		}
		// spread makes sure that a revocation counts here at once and there before long.
		spread := func(t *testing.T, dead state.Token) {
			t.Helper()
			if !here.Revoked(dead) {
				t.Errorf("%+v is alive where it was revoked", dead)
			}
			eventually(t, "the notice arrives", func() bool { return there.Revoked(dead) })
		}
		alive := func(t *testing.T, tokens ...state.Token) {
			t.Helper()
			for _, token := range tokens {
				if here.Revoked(token) || there.Revoked(token) {
					t.Errorf("%+v is revoked", token)
				}
			}
		}

		t.Run("of a token ends that one", func(t *testing.T) {
			d := secret.NewID()
			want(t, here.RevokeToken(t.Context(), d, "g.1", soon), nil)
			spread(t, token(d, "g.1", "ann"))
			alive(t, token(d, "g.2", "ann"), token("other", "g.1", "ann"), token(d, "1", "ann"))
		})
		t.Run("of a grant ends all its tokens", func(t *testing.T) {
			d := secret.NewID()
			want(t, here.RevokeGrant(t.Context(), d, "g", soon), nil)
			spread(t, token(d, "g.1", "ann"))
			spread(t, token(d, "g.2", "ann"))
			alive(t, token(d, "h.1", "ann"), token(d, "g", "ann"), token("other", "g.1", "ann"))
		})
		t.Run("of a person ends what was issued up to that moment", func(t *testing.T) {
			d := secret.NewID()
			before := token(d, "g.1", "ann")
			want(t, here.RevokeSubject(t.Context(), d, "ann", soon), nil)
			spread(t, before)
			clock.Forward(time.Millisecond)
			alive(t, token(d, "g.1", "ann"), token(d, "g.1", "bob"), token("other", "g.1", "ann"))
			want(t, here.RevokeSubject(t.Context(), d, "ann", soon), nil)
			spread(t, token(d, "g.1", "ann"))
		})
		t.Run("made earlier is read by a gateway that starts", func(t *testing.T) {
			d := secret.NewID()
			want(t, here.RevokeToken(t.Context(), d, "1", soon), nil)
			want(t, here.RevokeGrant(t.Context(), d, "g", soon), nil)
			want(t, here.RevokeSubject(t.Context(), d, "ann", soon), nil)
			fresh := open(t, url, clock)
			follow(t, fresh)
			<-fresh.Loaded()
			for _, dead := range []state.Token{token(d, "1", "x"), token(d, "g.1", "x"), token(d, "2", "ann")} {
				if !fresh.Revoked(dead) {
					t.Errorf("%+v is alive", dead)
				}
			}
		})
	})
}

// TestRevocationsInTime has a server of its own: a clock that is ahead removes what others still need.
func TestRevocationsInTime(t *testing.T) {
	server, clock := gatewaytest.StartRedis(t), gatewaytest.NewClock()
	here := open(t, server.URL, clock)
	// after starts a gateway at a later time and waits until it has read the revocations.
	after := func(t *testing.T, d time.Duration) *state.Store {
		t.Helper()
		later := gatewaytest.NewClock()
		later.Forward(d)
		fresh := open(t, server.URL, later)
		follow(t, fresh)
		<-fresh.Loaded()
		return fresh
	}
	t.Run("of a token is forgotten when the token would have expired", func(t *testing.T) {
		want(t, here.RevokeToken(t.Context(), "d", "short", clock.Now().Add(time.Hour)), nil)
		want(t, here.RevokeToken(t.Context(), "d", "long", clock.Now().Add(24*time.Hour)), nil)
		fresh := after(t, 2*time.Hour)
		if fresh.Revoked(state.Token{Domain: "d", JTI: "short"}) || !fresh.Revoked(state.Token{Domain: "d", JTI: "long"}) {
			t.Error("the wrong revocation was forgotten")
		}
	})
	t.Run("of a grant lasts a day at least, because lifetimes may have been longer", func(t *testing.T) {
		want(t, here.RevokeGrant(t.Context(), "d", "g", clock.Now().Add(time.Minute)), nil)
		if !after(t, 20*time.Hour).Revoked(state.Token{Domain: "d", JTI: "g.1"}) {
			t.Error("the grant's tokens live again")
		}
	})
}

// TestRedisGoesAway is about a real server: it stalls, it dies, it comes back.
func TestRedisGoesAway(t *testing.T) {
	for _, way := range []struct {
		name     string
		away     func(*gatewaytest.Server)
		back     func(*gatewaytest.Server)
		remember bool
	}{
		{"stalls", func(s *gatewaytest.Server) { s.Stall(t) }, func(s *gatewaytest.Server) { s.Resume(t) }, true},
		{"dies", func(s *gatewaytest.Server) { s.Kill(t) }, func(s *gatewaytest.Server) { s.Restart(t) }, false},
	} {
		t.Run(way.name, func(t *testing.T) {
			server := gatewaytest.StartRedis(t)
			clock := gatewaytest.NewClock()
			here, there := openFor(t, server.URL, clock, state.DefaultTimeout), openFor(t, server.URL, clock, state.DefaultTimeout)
			follow(t, there)
			<-there.Loaded()
			a := allowed()
			a.Grant = secret.NewToken()[:22]
			refresh, err := here.NewGrant(t.Context(), a, time.Hour)
			want(t, err, nil)
			code, err := here.NewCode(t.Context(), a, time.Minute)
			want(t, err, nil)
			want(t, here.RevokeToken(t.Context(), a.Domain, "early", clock.Now().Add(time.Hour)), nil)
			early := state.Token{Domain: a.Domain, JTI: "early"}
			eventually(t, "the notice arrives", func() bool { return there.Revoked(early) })

			way.away(server)
			for name, call := range map[string]func(s *state.Store) error{
				"Ping":     func(s *state.Store) error { return s.Ping(t.Context()) },
				"NewCode":  func(s *state.Store) error { _, err := s.NewCode(t.Context(), a, time.Minute); return err },
				"Redeem":   func(s *state.Store) error { _, err := s.Redeem(t.Context(), a.Domain, a.ClientID, code); return err },
				"NewGrant": func(s *state.Store) error { _, err := s.NewGrant(t.Context(), a, time.Hour); return err },
				"Refresh": func(s *state.Store) error {
					_, _, err := s.Refresh(t.Context(), a.Domain, a.ClientID, refresh, state.Rotation{Keep: true})
					return err
				},
				"Inspect":  func(s *state.Store) error { _, err := s.Inspect(t.Context(), refresh); return err },
				"EndGrant": func(s *state.Store) error { return s.EndGrant(t.Context(), a.Grant) },
				"SaveSession": func(s *state.Store) error {
					return s.SaveSession(t.Context(), "c", state.Session{Ends: 1 << 40}, time.Minute)
				},
				"UpdateSession": func(s *state.Store) error {
					return s.UpdateSession(t.Context(), "c", state.Session{Ends: 1 << 40}, time.Minute)
				},
				"Session":       func(s *state.Store) error { _, err := s.Session(t.Context(), "c", "d", time.Minute); return err },
				"EndSession":    func(s *state.Store) error { return s.EndSession(t.Context(), "c", "d") },
				"RevokeToken":   func(s *state.Store) error { return s.RevokeToken(t.Context(), a.Domain, "t", clock.Now()) },
				"RevokeGrant":   func(s *state.Store) error { return s.RevokeGrant(t.Context(), a.Domain, "g", clock.Now()) },
				"RevokeSubject": func(s *state.Store) error { return s.RevokeSubject(t.Context(), a.Domain, "s", clock.Now()) },
			} {
				began := time.Now()
				if err := call(here); !errors.Is(err, state.ErrUnavailable) {
					t.Errorf("%s: error %v, want %v", name, err, state.ErrUnavailable)
				}
				if took := time.Since(began); took > 10*state.DefaultTimeout {
					t.Errorf("%s took %v", name, took)
				}
			}
			if !there.Revoked(early) {
				t.Error("what was revoked before lives again while Redis is away")
			}

			way.back(server)
			began := time.Now()
			eventually(t, "the store works again", func() bool { return here.Ping(t.Context()) == nil })
			_, err = here.NewCode(t.Context(), a, time.Minute)
			want(t, err, nil)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v to come back", took)
			}
			n := 0
			eventually(t, "new revocations arrive", func() bool {
				n++
				jti := strconv.Itoa(n)
				want(t, here.RevokeToken(t.Context(), a.Domain, jti, clock.Now().Add(time.Hour)), nil)
				return there.Revoked(state.Token{Domain: a.Domain, JTI: jti})
			})
			// Every one that was made while nobody listened has arrived as well, by the list.
			for ; n > 0; n-- {
				dead := state.Token{Domain: a.Domain, JTI: strconv.Itoa(n)}
				eventually(t, "an earlier revocation has arrived", func() bool { return there.Revoked(dead) })
			}
			_, err = here.Redeem(t.Context(), a.Domain, a.ClientID, code)
			if way.remember && errors.Is(err, state.ErrUnknown) {
				t.Errorf("a code was lost by a stall: %v", err)
			}
		})
	}
}

func TestACallerWhoGivesUpIsNotAFailureOfRedis(t *testing.T) {
	failures := 0
	s, err := state.Open(gatewaytest.Redis(t), state.Options{Failed: func() { failures++ }})
	want(t, err, nil)
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := contextCanceled()
	defer cancel()
	_, err = s.NewCode(ctx, allowed(), time.Minute)
	if errors.Is(err, state.ErrUnavailable) || err == nil || failures != 0 {
		t.Errorf("error %v, %d failures", err, failures)
	}
}

func TestOpenRefusesWhatIsNoURL(t *testing.T) {
	for _, url := range []string{"", "http://localhost", "redis://h/notanumber", "redis://user:hunter 2@h:6379/0", "redis://:hunter%2@h"} {
		_, err := state.Open(url, state.Options{})
		if err == nil {
			t.Errorf("%q was accepted", url)
		} else if strings.Contains(err.Error(), "hunter") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := open(t, "redis://127.0.0.1:1/0", gatewaytest.NewClock())
	ctx, cancel := contextCanceled()
	defer cancel()
	want(t, s.Run(ctx), nil)
	select {
	case <-s.Loaded():
		t.Error("revocations were read without Redis")
	default:
	}
}
