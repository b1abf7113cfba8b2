package usage_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// management takes reports, or does not.
type management struct {
	mu     sync.Mutex
	away   bool
	calls  int
	newest map[string]time.Time
	told   chan struct{}
}

func (m *management) report(_ context.Context, uses []usage.Use) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() {
		select {
		case m.told <- struct{}{}:
		default:
		}
	}()
	m.calls++
	if m.away {
		return errors.New("away")
	}
	if len(uses) > 1000 {
		return errors.New("too many at once")
	}
	for _, u := range uses {
		if u.Domain != "d" || u.Application != "a" {
			return fmt.Errorf("a use of %s/%s", u.Domain, u.Application)
		}
		m.newest[u.Secret] = u.At
	}
	return nil
}

func (m *management) set(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

func (m *management) knows(secret string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.newest[secret]
}

// run starts a reporter; stop ends it and waits for its last report.
func run(t *testing.T, every time.Duration) (r *usage.Reporter, m *management, stop func()) {
	t.Helper()
	m = &management{newest: map[string]time.Time{}, told: make(chan struct{}, 1)}
	r = usage.New(usage.Options{Send: m.report, Every: every, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return r, m, stop
}

func TestASecretIsToldOnceAMinute(t *testing.T) {
	r, m, stop := run(t, time.Hour)
	began := time.Unix(1_800_000_000, 700_000_000)
	var meter usage.Meter
	for _, later := range []time.Duration{0, time.Second, 59 * time.Second} {
		r.Note(&meter, "d", "a", "one", began.Add(later))
	}
	var other usage.Meter
	r.Note(&other, "d", "a", "two", began)
	r.Note(&other, "d", "a", "two", began.Add(61*time.Second))
	stop() // a graceful end tells what is left
	if got, want := m.knows("one"), began.Truncate(time.Second); !got.Equal(want) {
		t.Errorf("one was used at %v, want %v: the first of its minute", got, want)
	}
	if got, want := m.knows("two"), began.Add(61*time.Second).Truncate(time.Second); !got.Equal(want) {
		t.Errorf("two was used at %v, want %v: the newest", got, want)
	}
	if m.calls != 1 {
		t.Errorf("%d reports", m.calls)
	}
}

func TestUsesWaitForManagement(t *testing.T) {
	r, m, stop := run(t, time.Millisecond)
	m.set(true)
	now := time.Unix(1_800_000_000, 0)
	var meter usage.Meter
	r.Note(&meter, "d", "a", "one", now)
	for range 3 {
		<-m.told // refused again and again
	}
	r.Note(&meter, "d", "a", "one", now.Add(time.Minute))
	m.set(false)
	for m.knows("one").Before(now.Add(time.Minute)) {
		<-m.told
	}
	stop()
}

func TestLargeReportsAreParted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m, stop := run(t, time.Hour)
		now := time.Unix(1_800_000_000, 0)
		meters := make([]usage.Meter, 2500)
		for i := range meters {
			r.Note(&meters[i], "d", "a", fmt.Sprint(i), now)
			if i%500 == 499 {
				synctest.Wait() // the queue is empty
			}
		}
		stop()
		if len(m.newest) != len(meters) || m.calls != 3 {
			t.Errorf("%d secrets told by %d reports", len(m.newest), m.calls)
		}
	})
}

// TestNothingWaits: nobody runs the reporter, and its queue is full.
func TestNothingWaits(t *testing.T) {
	m := &management{newest: map[string]time.Time{}}
	r := usage.New(usage.Options{Send: m.report})
	now := time.Unix(1_800_000_000, 0)
	for i := range 5000 {
		r.Note(new(usage.Meter), "d", "a", fmt.Sprint(i), now)
	}
	var refused usage.Meter
	r.Note(&refused, "d", "a", "late", now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil || len(m.newest) != 1024 {
		t.Errorf("%d told, %v", len(m.newest), err)
	}
	// What there was no room for is noted at the next use, not after a minute.
	r.Note(&refused, "d", "a", "late", now.Add(time.Second))
	if err := r.Run(ctx); err != nil || m.knows("late").IsZero() {
		t.Errorf("not noted again: %v", err)
	}
	var none *usage.Reporter
	none.Note(&refused, "d", "a", "x", now)
	r.Note(nil, "d", "a", "x", now)
}

func TestOneOfManyNotes(t *testing.T) {
	r, m, stop := run(t, time.Hour)
	now := time.Unix(1_800_000_000, 0)
	var meter usage.Meter
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() { r.Note(&meter, "d", "a", "one", now) })
	}
	all.Wait()
	stop()
	if m.calls != 1 || m.knows("one").IsZero() {
		t.Errorf("%d reports", m.calls)
	}
}

func TestNotingDoesNotAllocate(t *testing.T) {
	r := usage.New(usage.Options{})
	var meter usage.Meter
	now := time.Unix(1_800_000_000, 0)
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(7 * time.Second)
		r.Note(&meter, "d", "a", "one", now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNote(b *testing.B) {
	r := usage.New(usage.Options{})
	now := time.Unix(1_800_000_000, 0)
	var meter usage.Meter
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Note(&meter, "d", "a", "one", now)
		}
	})
}
