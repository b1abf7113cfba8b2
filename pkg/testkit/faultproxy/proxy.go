package faultproxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Proxy stands before one server. It is safe for concurrent use.
type Proxy struct {
	address, server string
	loops           sync.WaitGroup
	taken           atomic.Int64

	mu       sync.Mutex // guards all below
	fault    Fault
	changed  chan struct{} // closed when the fault is another
	listener net.Listener  // nil while Refused
	links    map[*link]struct{}
	closed   bool
}

// Listen starts a proxy at a host:port, which "" leaves to the system, before the server at another.
func Listen(address, server string) (*Proxy, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	p := &Proxy{
		address: l.Addr().String(), server: server, changed: make(chan struct{}), listener: l, links: map[*link]struct{}{},
	}
	p.loops.Go(func() { p.accept(l) })
	return p, nil
}

// Address is the host:port where the server appears to be.
func (p *Proxy) Address() string { return p.address }

// Taken is how many connections were accepted until now.
func (p *Proxy) Taken() int64 { return p.taken.Load() }

// Open is how many connections there are that their client has not closed, dead ones among them.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		if !l.clientGone.Load() {
			n++
		}
	}
	return n
}

// Set makes the network bad in another way, from now on and for every connection. The error is of listening again after Refused.
func (p *Proxy) Set(f Fault) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return net.ErrClosed
	}
	p.fault = f
	for l := range p.links {
		l.meet(f)
	}
	close(p.changed)
	p.changed = make(chan struct{})
	switch {
	case f.kind == refused && p.listener != nil:
		_ = p.listener.Close()
		p.listener = nil
	case f.kind != refused && p.listener == nil:
		l, err := net.Listen("tcp", p.address)
		if err != nil {
			return fmt.Errorf("fault proxy: %w", err)
		}
		p.listener = l
		p.loops.Go(func() { p.accept(l) })
	}
	return nil
}

// Heal lifts the fault.
func (p *Proxy) Heal() error { return p.Set(Healthy) }

// Close ends every connection and waits until nothing of the proxy runs.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	if p.listener != nil {
		_ = p.listener.Close()
	}
	for l := range p.links {
		l.reset()
	}
	p.mu.Unlock()
	p.loops.Wait()
	return nil
}

func (p *Proxy) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		client, ok := c.(*net.TCPConn)
		if err != nil || !ok {
			continue
		}
		p.taken.Add(1)
		p.loops.Go(func() { p.serve(client) })
	}
}

// serve passes one connection on until it is over.
func (p *Proxy) serve(client *net.TCPConn) {
	l := &link{proxy: p, client: client, over: make(chan struct{})}
	if !p.begin(l) {
		return
	}
	defer func() {
		l.finish()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	if !l.dead.Load() {
		s, err := net.Dial("tcp", p.server)
		if err != nil {
			l.reset() // as the server would
			return
		}
		server, ok := s.(*net.TCPConn)
		if !ok || !l.join(server) {
			_ = s.Close()
			return
		}
	}
	l.run()
}

// begin takes a connection over, unless it is not to be.
func (p *Proxy) begin(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[l] = struct{}{}
	if p.closed || p.fault.kind == cut || p.fault.kind == refused {
		l.reset()
		delete(p.links, l)
		return false
	}
	if p.fault.kind != deaf {
		l.meet(p.fault)
	}
	return true
}

// now is the fault, and a channel that is closed when it is another.
func (p *Proxy) now() (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.changed
}
