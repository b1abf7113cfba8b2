package operator

import (
	"fmt"
	"testing"
	"time"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func newClock() *clock { return &clock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

// fail makes an attempt that fails, and reports how long it would have to wait.
func fail(t *throttle, account, address string) time.Duration {
	_, wait := t.begin(account, address)
	return wait
}

func TestGuessingFromOneAddressWaitsLongerAndLonger(t *testing.T) {
	c := newClock()
	throttle := newThrottle(c.now, 100)
	for i := range pairLimit.free + 1 {
		if wait := fail(throttle, "ann", "192.0.2.1"); wait > 0 {
			t.Fatalf("attempt %d has to wait %s", i+1, wait)
		}
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		want *= time.Second
		if wait := fail(throttle, "ANN", "192.0.2.1"); wait != want {
			t.Fatalf("waits %s, want %s", wait, want)
		}
		c.advance(want - 1)
		if wait := fail(throttle, "ann", "192.0.2.1"); wait != 1 {
			t.Fatalf("waits %s just before the end", wait)
		}
		c.advance(1)
		if wait := fail(throttle, "ann", "192.0.2.1"); wait > 0 {
			t.Fatalf("waits %s after the end", wait)
		}
	}
	if wait := fail(throttle, "ann", "192.0.2.2"); wait > 0 {
		t.Errorf("another address has to wait %s", wait)
	}
	if wait := fail(throttle, "bob", "192.0.2.1"); wait > 0 {
		t.Errorf("another account has to wait %s", wait)
	}
	c.advance(forgetAfter + time.Second)
	if wait := fail(throttle, "ann", "192.0.2.1"); wait > 0 {
		t.Errorf("nothing is forgotten: %s", wait)
	}
}

func TestOneAddressCannotTryManyAccounts(t *testing.T) {
	c := newClock()
	throttle := newThrottle(c.now, 1000)
	for i := range addressLimit.free + 1 {
		if wait := fail(throttle, fmt.Sprint("name", i), fmt.Sprintf("2001:db8::%x", i)); wait > 0 {
			t.Fatalf("attempt %d has to wait %s", i+1, wait)
		}
	}
	if wait := fail(throttle, "another", "2001:db8::ffff"); wait != time.Second {
		t.Errorf("waits %s", wait)
	}
	if wait := fail(throttle, "another", "2001:db8:0:1::1"); wait > 0 {
		t.Errorf("another network has to wait %s", wait)
	}
}

func TestManyAddressesCannotTryOneAccountButCannotLockItEither(t *testing.T) {
	c := newClock()
	throttle := newThrottle(c.now, 1000)
	home, wait := throttle.begin("ann", "198.51.100.7")
	if wait > 0 {
		t.Fatal("waits")
	}
	home.succeeded()
	for i := range accountLimit.free + 1 {
		if wait := fail(throttle, "ann", fmt.Sprintf("192.0.2.%d", i)); wait > 0 {
			t.Fatalf("attempt %d has to wait %s", i+1, wait)
		}
	}
	if wait := fail(throttle, "ann", "203.0.113.1"); wait != time.Second {
		t.Errorf("a stranger waits %s", wait)
	}
	if wait := fail(throttle, "ann", "198.51.100.7"); wait > 0 {
		t.Errorf("at home ann waits %s", wait)
	}
}

func TestSuccessForgetsMistakes(t *testing.T) {
	c := newClock()
	throttle := newThrottle(c.now, 100)
	for range pairLimit.free {
		fail(throttle, "ann", "192.0.2.1")
	}
	a, _ := throttle.begin("ann", "192.0.2.1")
	a.succeeded()
	for i := range pairLimit.free {
		if wait := fail(throttle, "ann", "192.0.2.1"); wait > 0 {
			t.Fatalf("mistake %d after a success waits %s", i+1, wait)
		}
	}
}

func TestAnAbandonedAttemptDoesNotCount(t *testing.T) {
	c := newClock()
	throttle := newThrottle(c.now, 100)
	for range 100 {
		a, wait := throttle.begin("ann", "192.0.2.1")
		if wait > 0 {
			t.Fatalf("waits %s", wait)
		}
		a.abandoned()
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := newClock()
	throttle := newThrottle(c.now, 10)
	for i := range 1000 {
		fail(throttle, fmt.Sprint("name", i), fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	if got := throttle.recent.Len(); got > 10 || len(throttle.tracked) != got {
		t.Errorf("%d entries are remembered, %d found", got, len(throttle.tracked))
	}
	long := make([]byte, 1<<16)
	fail(throttle, string(long), string(long))
	for key := range throttle.tracked {
		if len(key) > 2*maxTrackedName+8 {
			t.Errorf("a key of %d bytes is kept", len(key))
		}
	}
}
