package serve

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Times of a graceful stop and of waiting for slow peers. Zero values mean the defaults named there.
type stopTimes struct {
	drain time.Duration
	grace time.Duration
}

// DefaultGrace is how long requests under way may take to finish when a server stops.
const DefaultGrace = 15 * time.Second

// wait spends the drain delay: the server is reported as not ready and still accepts, so that load balancers have time
// to turn away.
func (s stopTimes) wait() {
	if s.drain > 0 {
		<-time.After(s.drain)
	}
}

func (s stopTimes) deadline() (context.Context, context.CancelFunc) {
	grace := s.grace
	if grace <= 0 {
		grace = DefaultGrace
	}
	return context.WithTimeout(context.Background(), grace)
}

// listener is the bound address of a server, known before it serves.
type listener struct {
	mu    sync.Mutex // guards bound and taken
	bound net.Listener
	taken bool
}

// listen binds once; later calls do nothing.
func (l *listener) listen(name, address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bound != nil {
		return nil
	}
	bound, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	l.bound = bound
	return nil
}

// take gives the listener to the one who serves it and will close it.
func (l *listener) take(name, address string) (net.Listener, error) {
	if err := l.listen(name, address); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken {
		return nil, fmt.Errorf("%s: runs already", name)
	}
	l.taken = true
	return l.bound, nil
}

// address is "" before listening.
func (l *listener) address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bound == nil {
		return ""
	}
	return l.bound.Addr().String()
}

// close frees the address of a server that never ran.
func (l *listener) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bound == nil || l.taken {
		return nil
	}
	l.taken = true
	return l.bound.Close()
}
