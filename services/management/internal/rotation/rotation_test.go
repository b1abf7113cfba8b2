package rotation

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// house is what replicas share: leases by the clock of the test, and domains with steps that become due.
type house struct {
	mu    sync.Mutex
	lease store.Lease
	// due says for every domain when its steps are due.
	due map[string][]time.Time
	// made are the steps that were made, as replica and domain.
	made []string
	// acquire, rotating and step fail where they are set. The step's is for one domain.
	acquire, rotating error
	step              map[string]error
}

func (h *house) Acquire(_ context.Context, name, holder string, ttl time.Duration) (store.Lease, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.acquire != nil {
		return store.Lease{}, false, h.acquire
	}
	if h.lease.Holder != holder && time.Now().Before(h.lease.ExpiresAt) {
		return store.Lease{}, false, nil
	}
	h.lease = store.Lease{Name: name, Holder: holder, ExpiresAt: time.Now().Add(ttl), Revision: h.lease.Revision + 1}
	return h.lease, true, nil
}

func (h *house) Release(ctx context.Context, lease store.Lease) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if lease.Name == "" {
		return errors.New("this is no lease")
	}
	if h.lease.Revision == lease.Revision {
		h.lease.ExpiresAt = time.Now()
	}
	return nil
}

func (h *house) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *house) steps() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.made, ", ")
}

// desk is the editor of one replica.
type desk struct {
	*house
	name string
}

func (d desk) Rotating(context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return []string{"acme", "gone", "zeta"}, d.rotating
}

func (d desk) RotateDue(_ context.Context, domain string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if domain == "gone" {
		return false, fault.Newf(fault.NotFound, "Domain [gone] can not be found.")
	}
	if err := d.step[domain]; err != nil {
		return false, err
	}
	if due := d.due[domain]; len(due) == 0 || due[0].After(time.Now()) {
		return false, nil
	}
	d.due[domain] = d.due[domain][1:]
	d.made = append(d.made, d.name+" "+domain)
	return true, nil
}

// replica is a Rotator that runs.
type replica struct {
	log   bytes.Buffer // may be read when all goroutines of the bubble are blocked
	stop  context.CancelFunc
	ended chan error
}

// start lets a replica run until the test ends or stops it.
func start(t *testing.T, h *house, name string) *replica {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &replica{stop: stop, ended: make(chan error, 1)}
	rotator := New(Options{Editor: desk{h, name}, Leases: h, Logger: slog.New(slog.NewTextHandler(&r.log, nil))})
	go func() { r.ended <- rotator.Run(ctx) }()
	synctest.Wait()
	return r
}

// pass lets time pass and waits until everybody has done what there was to do.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *replica) end(t *testing.T) {
	t.Helper()
	r.stop()
	synctest.Wait()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	default:
		t.Fatal("Run goes on after its context has ended")
	}
}

func (h *house) want(t *testing.T, when, steps string) {
	t.Helper()
	if got := h.steps(); got != steps {
		t.Errorf("%s: steps %q, want %q", when, got, steps)
	}
}

func TestRunMakesWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		h := &house{due: map[string][]time.Time{
			"acme": {now, now, now.Add(90 * time.Second)},
			"zeta": {now.Add(time.Minute)},
		}}
		r := start(t, h, "a")
		h.want(t, "at once", "a acme, a acme")
		pass(time.Minute - time.Nanosecond)
		h.want(t, "before the first minute is over", "a acme, a acme")
		pass(time.Nanosecond)
		h.want(t, "after a minute", "a acme, a acme, a zeta")
		pass(time.Minute)
		h.want(t, "after two minutes", "a acme, a acme, a zeta, a acme")
		r.end(t)
		h.set(func() { h.due["acme"] = []time.Time{now} })
		pass(time.Hour)
		h.want(t, "after its end", "a acme, a acme, a zeta, a acme")
		if got := r.log.String(); got != "" { // a domain that is gone is nothing to talk about
			t.Errorf("logged: %s", got)
		}
	})
}

func TestOneReplicaAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{due: map[string][]time.Time{}}
		a, b := start(t, h, "a"), start(t, h, "b")
		due := func() { h.set(func() { h.due["acme"] = append(h.due["acme"], time.Now()) }) }
		for range 10 { // twice as long as a lease lives: its holder prolongs it
			due()
			pass(time.Minute)
		}
		h.want(t, "while both run", strings.Repeat("a acme, ", 9)+"a acme")
		h.set(func() { h.made = nil })

		a.end(t)
		due()
		pass(time.Minute) // and not five: a gave the lease back
		h.want(t, "when the first has ended", "b acme")
		b.end(t)
		if log := a.log.String() + b.log.String(); log != "" {
			t.Errorf("logged: %s", log)
		}
	})
}

// TestADeadReplicaIsSucceeded: nobody gives back the lease of a process that was killed.
func TestADeadReplicaIsSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		h := &house{
			due:   map[string][]time.Time{"acme": {now}},
			lease: store.Lease{Name: lease, Holder: "dead", ExpiresAt: now.Add(ttl), Revision: 7},
		}
		r := start(t, h, "a")
		pass(ttl - time.Nanosecond)
		h.want(t, "while the lease lives", "")
		pass(time.Nanosecond)
		h.want(t, "when it has run out", "a acme")
		r.end(t)
	})
}

// TestWhoHoldsNothingGivesNothingBack: a replica that only waited leaves the holder's lease alone.
func TestWhoHoldsNothingGivesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{}
		a, b := start(t, h, "a"), start(t, h, "b")
		b.end(t)
		if !time.Now().Before(h.lease.ExpiresAt) || b.log.Len() > 0 {
			t.Errorf("the holder's lease ends at %v; logged: %s", h.lease.ExpiresAt, b.log.String())
		}
		a.end(t)
		if time.Now().Before(h.lease.ExpiresAt) {
			t.Error("the holder kept the lease at its end")
		}
	})
}

func TestFailuresAreLoggedAndTriedAgain(t *testing.T) {
	tests := []struct {
		name       string
		fail, mend func(h *house)
		meanwhile  string
		logged     string
	}{
		{
			"a step, which keeps no other domain waiting",
			func(h *house) { h.step = map[string]error{"acme": errors.New("the disk is full")} },
			func(h *house) { h.step = nil },
			"a zeta", `level=ERROR msg="signing keys not rotated" domain=acme err="the disk is full"`,
		}, {
			"the look at what is due",
			func(h *house) { h.rotating = errors.New("no primary") },
			func(h *house) { h.rotating = nil },
			"", `level=WARN msg="rotation of signing keys put off" err="no primary"`,
		}, {
			"the lease",
			func(h *house) { h.acquire = errors.New("no database") },
			func(h *house) { h.acquire = nil },
			"", `level=WARN msg="rotation of signing keys put off" err="no database"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				h := &house{due: map[string][]time.Time{"acme": {now}, "zeta": {now}}}
				tt.fail(h)
				r := start(t, h, "a")
				pass(time.Minute)
				h.want(t, "while it fails", tt.meanwhile)
				if got := strings.Count(r.log.String(), tt.logged); got != 2 {
					t.Errorf("logged %d times in two rounds: %s", got, r.log.String())
				}
				h.set(func() { tt.mend(h) })
				pass(time.Minute)
				if got := h.steps(); !strings.Contains(got, "a acme") || !strings.Contains(got, "a zeta") {
					t.Errorf("afterwards: steps %q", got)
				}
				if got := strings.Count(r.log.String(), "\n"); got != 2 {
					t.Errorf("logged although nothing failed: %s", r.log.String())
				}
				r.end(t)
			})
		})
	}
}

// TestTheEndIsNoFailure: what fails because the process ends is not worth a line.
func TestTheEndIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		var log bytes.Buffer
		h := &house{acquire: ctx.Err()}
		if err := New(Options{Editor: desk{h, "a"}, Leases: h, Logger: slog.New(slog.NewTextHandler(&log, nil))}).Run(ctx); err != nil {
			t.Error(err)
		}
		if log.Len() > 0 {
			t.Errorf("logged: %s", log.String())
		}
	})
}
