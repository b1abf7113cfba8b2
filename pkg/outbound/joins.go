package outbound

import (
	"context"
	"sync"
)

type joinKey struct {
	address string
	limits  Limits
}

// joins makes one fetch of several equal ones.
type joins struct {
	mu      sync.Mutex
	pending map[joinKey]*pending // guarded by mu
}

type pending struct {
	done   chan struct{}
	answer *Answer
	err    error
}

// do returns the answer of the fetch that is under way, or of one that begins now. The fetch outlives the caller who began
// it, within its own limit of time, because others may wait for it.
func (j *joins) do(ctx context.Context, key joinKey, fetch func(context.Context) (*Answer, error)) (*Answer, error) {
	j.mu.Lock()
	p := j.pending[key]
	if p == nil {
		p = &pending{done: make(chan struct{})}
		if j.pending == nil {
			j.pending = map[joinKey]*pending{}
		}
		j.pending[key] = p
		go func() {
			p.answer, p.err = fetch(context.WithoutCancel(ctx))
			j.mu.Lock()
			delete(j.pending, key)
			j.mu.Unlock()
			close(p.done)
		}()
	}
	j.mu.Unlock()
	select {
	case <-p.done:
		return p.answer, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// slots limits how many requests are made to one host and altogether.
type slots struct {
	perHost, waiting int
	all              chan struct{}

	mu    sync.Mutex
	hosts map[string]*slot // guarded by mu
}

type slot struct {
	free  chan struct{}
	users int // that hold or wait; guarded by slots.mu
}

func newSlots(perHost, waiting, all int) *slots {
	return &slots{perHost: perHost, waiting: waiting, all: make(chan struct{}, all), hosts: map[string]*slot{}}
}

// take waits for a slot of a host, within ctx. Where many wait already it refuses at once.
func (s *slots) take(ctx context.Context, host string) (release func(), err error) {
	s.mu.Lock()
	h := s.hosts[host]
	if h == nil {
		h = &slot{free: make(chan struct{}, s.perHost)}
		s.hosts[host] = h
	}
	if h.users >= s.perHost+s.waiting {
		s.mu.Unlock()
		return nil, refuse(ReasonBusy, "too many requests to that host at once")
	}
	h.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(s.hosts, host)
		}
	}
	select {
	case h.free <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, refuse(ReasonBusy, "too many requests to that host at once")
	}
	select {
	case s.all <- struct{}{}:
	case <-ctx.Done():
		<-h.free
		leave()
		return nil, refuse(ReasonBusy, "too many outgoing requests at once")
	}
	return sync.OnceFunc(func() {
		<-s.all
		<-h.free
		leave()
	}), nil
}
