package store

import (
	"context"
	"sync"
	"time"
)

// bell wakes everybody who waits for the next write of this process.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

// ringing returns a channel that is closed at the next ring. Take it before looking, so that no ring is missed.
func (b *bell) ringing() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// pause waits until the bell rings, the time is over or the context ends, which is the only error.
func pause(ctx context.Context, rung <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-rung:
	case <-timer.C:
	}
	return nil
}
