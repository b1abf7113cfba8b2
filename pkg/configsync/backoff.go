package configsync

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	shortestPause = 20 * time.Millisecond
	longestPause  = time.Second
)

// backoff says how long to wait before the next attempt. The zero value is the state before the first failure.
type backoff struct {
	bound time.Duration
}

// next returns a pause between half the bound and the bound, so that gateways which lost the same publisher do not come
// back at the same moment, and doubles the bound.
func (b *backoff) next() time.Duration {
	bound := max(b.bound, shortestPause)
	b.bound = min(2*bound, longestPause)
	return bound/2 + rand.N(bound/2+1)
}

// wait waits for the next pause or for ctx.
func (b *backoff) wait(ctx context.Context) {
	t := time.NewTimer(b.next())
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
