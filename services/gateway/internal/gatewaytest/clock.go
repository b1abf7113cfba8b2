package gatewaytest

import (
	"sync"
	"time"
)

// Clock is a clock that tests move by hand. It starts at the real time.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock at the present second.
func NewClock() *Clock { return &Clock{at: time.Now().Truncate(time.Second)} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Forward moves the clock.
func (c *Clock) Forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
