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

// registrar counts registrations of one domain, of which there may be two within a minute.
type registrar struct {
	*testing.T
	store  *state.Store
	domain string
}

func (r *registrar) count(source, attempt string, fetches bool) state.Counted {
	r.Helper()
	got, err := r.store.BeginRegistration(r.Context(), state.Registration{Domain: r.domain, Source: source, Attempt: attempt, Fetches: fetches}, 2, time.Minute)
	if err != nil || got.Left <= 0 || got.Left > time.Minute || got.Allowed != (got.As != "") {
		r.Fatalf("%+v, %v", got, err)
	}
	return got
}

// begin counts an attempt of its own.
func (r *registrar) begin(source string) bool {
	r.Helper()
	return r.count(source, "", false).Allowed
}

// room counts attempts of their own until there may be no more, and returns how many there were.
func (r *registrar) room(source string) (n int) {
	r.Helper()
	for r.begin(source) {
		n++
	}
	return n
}

func (r *registrar) end(source, attempt string, fetches bool) {
	r.Helper()
	if err := r.store.EndRegistration(r.Context(), state.Registration{Domain: r.domain, Source: source, Attempt: attempt, Fetches: fetches}); err != nil {
		r.Fatal(err)
	}
}

// onRegistrars runs a test with registrars on all kinds of Redis.
func onRegistrars(t *testing.T, test func(r *registrar)) {
	onBoth(t, func(t *testing.T, url string) {
		test(&registrar{T: t, store: open(t, url, gatewaytest.NewClock()), domain: secret.NewID()})
	})
}

func TestRegistrationsAreCountedBySourceForAWhile(t *testing.T) {
	onRegistrars(t, func(r *registrar) {
		var allowed atomic.Int32
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				if r.begin("10.0.0.1/32") {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		if allowed.Load() != 2 {
			r.Errorf("%d of 32 were allowed, want 2", allowed.Load())
		}
		if !r.begin("10.0.0.2/32") {
			r.Error("another source is refused")
		}
		for range 20 {
			if got := r.count("again", "a", false); !got.Allowed || got.As != "a" {
				r.Errorf("the same attempt again: %+v", got)
			}
		}
		if r.room("again") != 1 {
			r.Error("an attempt that is made again counts more than once")
		}
		if got := r.count("again", "a", false); !got.Allowed {
			r.Error("one that was counted is refused at the limit")
		}
	})
}

func TestARegistrationIsTakenBackByThoseWhoMadeIt(t *testing.T) {
	onRegistrars(t, func(r *registrar) {
		r.count("one", "a", false)
		r.end("one", "a", false)
		if r.room("one") != 2 {
			r.Error("one that was taken back counts")
		}
		// Of two that made the same attempt one knows that it came to nothing.
		r.count("two", "a", false)
		r.count("two", "a", false)
		r.end("two", "a", false)
		if r.room("two") != 1 {
			r.Error("what one of two takes back is not counted for the other")
		}
		r.end("nobody", "a", false)
		r.end("nobody", "a", true)
		if r.room("nobody") != 2 {
			r.Error("taking back what was not counted changes something")
		}
	})
}

func TestARegistrationThatFetchesStaysCounted(t *testing.T) {
	onRegistrars(t, func(r *registrar) {
		for range 2 {
			if got := r.count("failing", "a", true); got.As != "a" {
				r.Fatalf("%+v", got)
			}
			r.end("failing", "a", true)
		}
		if got := r.count("failing", "a", true); got.Allowed {
			r.Error("what was fetched for nothing twice does not count twice")
		}
		// One that may have made a client stays known until the source is beyond its limit.
		r.count("known", "a", true)
		for range 2 {
			if got := r.count("known", "a", true); got.As != "a" {
				r.Fatalf("%+v", got)
			}
			r.end("known", "a", true)
		}
		if got := r.count("known", "a", true); got.Allowed {
			r.Error("an attempt that is known fetches for ever")
		}
		// However many fetch at once.
		var allowed atomic.Int32
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				if r.count("crowd", "a", true).Allowed {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		if allowed.Load() != 9 {
			r.Errorf("%d of 32 fetch, want 8 of the attempt and one that counts for itself", allowed.Load())
		}
	})
}
