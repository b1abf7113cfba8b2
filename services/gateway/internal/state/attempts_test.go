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

func TestAttempts(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, gatewaytest.NewClock())
		long := state.AttemptLimit{Max: 3, Reset: time.Hour, Block: time.Hour}
		account := func() state.Account {
			return state.Account{Domain: secret.NewID(), Application: "web", Provider: "staff", Username: "ann"}
		}
		begin := func(t *testing.T, a state.Account, limit state.AttemptLimit) bool {
			t.Helper()
			allowed, err := s.BeginAttempt(t.Context(), a, limit)
			if err != nil {
				t.Fatal(err)
			}
			return allowed
		}
		use := func(t *testing.T, a state.Account, limit state.AttemptLimit) {
			t.Helper()
			for n := range limit.Max {
				if !begin(t, a, limit) {
					t.Fatalf("attempt %d is refused", n+1)
				}
			}
			if begin(t, a, limit) {
				t.Fatal("one attempt too many is allowed")
			}
		}

		t.Run("lock an account after the maximum, and no other", func(t *testing.T) {
			a := account()
			use(t, a, long)
			for _, other := range []state.Account{
				{Domain: a.Domain, Application: "shop", Provider: a.Provider, Username: a.Username},
				{Domain: a.Domain, Application: a.Application, Provider: "partners", Username: a.Username},
				{Domain: a.Domain, Application: a.Application, Provider: a.Provider, Username: "bob"},
				{Domain: secret.NewID(), Application: a.Application, Provider: a.Provider, Username: a.Username},
			} {
				if !begin(t, other, long) {
					t.Errorf("%+v is locked as well", other)
				}
			}
			a.Username = "ANN"
			if begin(t, a, long) {
				t.Error("another spelling of the name is not locked")
			}
		})
		t.Run("count for all spellings that a provider may take for the name", func(t *testing.T) {
			for _, spelling := range []string{"ａnn", "Ａｎｎ", "a\u00adnn", "\u200bann", "ａ\ufe0fnn", " ann "} {
				a := account()
				use(t, a, long)
				a.Username = spelling
				if begin(t, a, long) {
					t.Errorf("%+q is not locked", spelling)
				}
			}
			a := account()
			a.Username = "straße  7"
			use(t, a, long)
			if a.Username = "STRASSE 7"; begin(t, a, long) {
				t.Error("another case of the name with another space is not locked")
			}
		})
		t.Run("are not forgotten after the success of somebody whose name is only spelled alike", func(t *testing.T) {
			a := account()
			alike := a
			alike.Username = "ａnn"
			begin(t, a, long)
			begin(t, a, long)
			begin(t, alike, long)
			want(t, s.ForgetAttempts(t.Context(), alike), nil)
			want(t, s.ReturnAttempt(t.Context(), alike), nil)
			if !begin(t, a, long) {
				t.Error("the third attempt is refused")
			}
			if begin(t, a, long) {
				t.Error("a fourth attempt is allowed")
			}
		})
		t.Run("are forgotten after a success", func(t *testing.T) {
			a := account()
			begin(t, a, long)
			begin(t, a, long)
			want(t, s.ForgetAttempts(t.Context(), a, account()), nil)
			use(t, a, long)
		})
		t.Run("that were taken back do not count", func(t *testing.T) {
			a := account()
			for range 5 {
				if !begin(t, a, long) {
					t.Fatal("refused")
				}
				want(t, s.ReturnAttempt(t.Context(), a), nil)
			}
			want(t, s.ReturnAttempt(t.Context(), account()), nil)
			use(t, a, long)
		})
		t.Run("are forgotten in time", func(t *testing.T) {
			a := account()
			begin(t, a, state.AttemptLimit{Max: 100, Reset: 40 * time.Millisecond, Block: time.Hour})
			eventually(t, "the counting begins anew", func() bool {
				return begin(t, a, state.AttemptLimit{Max: 1, Reset: time.Hour, Block: time.Hour})
			})
		})
		t.Run("lock for the time of the block, which trying does not prolong", func(t *testing.T) {
			a, brief := account(), state.AttemptLimit{Max: 2, Reset: time.Hour, Block: 60 * time.Millisecond}
			use(t, a, brief)
			eventually(t, "the lock ends while it is tried", func() bool { return begin(t, a, brief) })
		})
		t.Run("at once are not looked at beyond the maximum", func(t *testing.T) {
			a := account()
			var allowed atomic.Int32
			var all sync.WaitGroup
			for range 32 {
				all.Go(func() {
					ok, err := s.BeginAttempt(t.Context(), a, long)
					if err != nil {
						t.Error(err)
					}
					if ok {
						allowed.Add(1)
					}
				})
			}
			all.Wait()
			if n := allowed.Load(); n != int32(long.Max) {
				t.Errorf("%d of 32 are allowed, want %d", n, long.Max)
			}
		})
	})
}

func TestAttemptsInTheWholeDomain(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, gatewaytest.NewClock())
		all := state.AttemptLimit{Max: 2, Reset: time.Hour, Block: time.Hour}
		at := func(most int) state.AttemptLimit {
			return state.AttemptLimit{Max: most, Reset: time.Hour, Block: time.Hour, Domain: &all}
		}
		id := secret.NewID()
		account := func(app string) state.Account {
			return state.Account{Domain: id, Application: app, Provider: "staff", Username: "ann"}
		}
		locked := func(app string, limit state.AttemptLimit) bool {
			t.Helper()
			begun, err := s.BeginAttemptFrom(t.Context(), account(app), limit)
			if err != nil {
				t.Fatal(err)
			}
			return begun.Locked
		}
		if locked("web", at(10)) || locked("shop", at(10)) {
			t.Error("a first failure locks an application")
		}
		if !locked("", all) {
			t.Error("two failures at two applications do not lock the domain")
		}
		if locked("web", at(10)) {
			t.Error("the domain's lock locks an application")
		}
		want(t, s.ForgetAttempts(t.Context(), account("web")), nil)
		if locked("", all) {
			t.Error("what is forgotten at an application still counts")
		}
		want(t, s.ForgetAttempts(t.Context(), account("")), nil)
		if locked("", all) || !locked("", all) {
			t.Error("a success of the domain's own forgets the failures at an application")
		}
	})
}

func TestALockAtAnApplicationRenewsThatOfTheDomain(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, gatewaytest.NewClock())
		all := state.AttemptLimit{Max: 1, Reset: 2 * time.Second, Block: 2 * time.Second}
		web := state.Account{Domain: secret.NewID(), Application: "web", Provider: "staff", Username: "ann"}
		whole := web
		whole.Application = ""
		limit := state.AttemptLimit{Max: 2, Reset: 2 * time.Second, Block: 2 * time.Second, Domain: &all}
		begun := func(a state.Account, l state.AttemptLimit) state.Begun {
			t.Helper()
			b, err := s.BeginAttemptFrom(t.Context(), a, l)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		if begun(web, limit).Last {
			t.Error("the first of two failures locks the application")
		}
		<-time.After(1200 * time.Millisecond)
		if !begun(web, limit).Last {
			t.Error("the second of two failures does not lock the application")
		}
		<-time.After(1200 * time.Millisecond) // the domain's first lock is over, the application's is not
		if !begun(whole, all).Locked {
			t.Error("the domain's lock ends before the application's")
		}
	})
}
