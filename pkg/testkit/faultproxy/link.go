package faultproxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is one connection of a client and, unless it was dead from the beginning, the one to the server that belongs to it.
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	over   chan struct{} // closed by reset

	dead       atomic.Bool // whatever is sent is lost
	clientGone atomic.Bool
	left       atomic.Int64 // bytes of the server that still arrive while Truncated

	mu     sync.Mutex // guards both
	server *net.TCPConn
	closed bool
}

// meet is told of another fault, with the proxy's lock held.
func (l *link) meet(f Fault) {
	switch f.kind {
	case cut, refused:
		l.reset()
	case halfOpen, deaf:
		l.dead.Store(true)
	case truncated:
		l.left.Store(f.bytes)
	}
}

// join gives the link its server; not if it is over.
func (l *link) join(server *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.server = server
	}
	return !l.closed
}

// reset ends both connections, not in order: their ends are told so.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	close(l.over)
	for _, c := range []*net.TCPConn{l.client, l.server} {
		if c != nil {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
}

// finish closes both connections, whose ends have closed them already.
func (l *link) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	close(l.over)
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
}

// run passes on what either end sends until both have nothing more to say, or the link is reset.
func (l *link) run() {
	var both sync.WaitGroup
	both.Go(func() { l.pump(l.client, l.server, true) })
	if l.server != nil {
		both.Go(func() { l.pump(l.server, l.client, false) })
	}
	both.Wait()
}

// chunk is what was read at once. Without bytes it is the end.
type chunk struct {
	bytes []byte
	due   time.Time
}

// pump passes on what one end sends, up to and including its end.
func (l *link) pump(from, to *net.TCPConn, up bool) {
	queue := make(chan chunk, 1024)
	var writing sync.WaitGroup
	writing.Go(func() { l.write(queue, to, up) })
	defer writing.Wait()
	defer close(queue)
	for {
		text := make([]byte, 32<<10)
		n, err := from.Read(text)
		f, _ := l.proxy.now()
		due := time.Now()
		if f.kind == latency {
			due = due.Add(f.delay)
			if f.jitter > 0 {
				due = due.Add(rand.N(f.jitter))
			}
		}
		if n > 0 {
			select {
			case queue <- chunk{text[:n], due}:
			case <-l.over:
				return
			}
		}
		if err == nil {
			continue
		}
		if up {
			l.clientGone.Store(true)
		}
		select {
		case queue <- chunk{nil, due}:
		case <-l.over:
		}
		return
	}
}

// write gives to one end what the other has sent, as far and as fast as the fault lets it.
func (l *link) write(queue <-chan chunk, to *net.TCPConn, up bool) {
	for c := range queue {
		if !l.until(c.due) {
			return
		}
		if c.bytes == nil {
			l.close(to)
			return
		}
		if !l.pass(c.bytes, to, up) {
			return
		}
	}
}

// pass writes what was read at once. It reports false when nothing more can be written.
func (l *link) pass(text []byte, to *net.TCPConn, up bool) bool {
	f, ok := l.unstalled()
	switch {
	case !ok:
		return false
	case l.dead.Load() || (f.kind == answersLost && !up):
		return true // lost
	case f.kind == truncated && !up:
		left := l.left.Add(-int64(len(text)))
		if left <= 0 {
			_, _ = to.Write(text[:max(int64(len(text))+left, 0)])
			l.reset()
			return false
		}
	case f.kind == narrow:
		for len(text) > 0 {
			n := min(max(f.bytes/20, 1), int64(len(text)))
			if !l.until(time.Now().Add(time.Duration(n) * time.Second / time.Duration(f.bytes))) {
				return false
			}
			if !l.give(text[:n], to) {
				return false
			}
			text = text[n:]
			if f, _ = l.proxy.now(); f.kind != narrow {
				break
			}
		}
	}
	return l.give(text, to)
}

// give writes to one end. If that is gone, the other is told, unless closing is slow.
func (l *link) give(text []byte, to *net.TCPConn) bool {
	if _, err := to.Write(text); err == nil {
		return true
	}
	if f, _ := l.proxy.now(); f.kind == slowClose {
		return true // lost
	}
	l.reset()
	return false
}

// close tells one end that the other has closed: while closing is slow, when the fault is lifted, and over a dead link never.
func (l *link) close(to *net.TCPConn) {
	for {
		f, changed := l.proxy.now()
		if l.dead.Load() {
			return
		}
		if f.kind != slowClose && f.kind != stalled {
			break
		}
		select {
		case <-changed:
		case <-l.over:
			return
		}
	}
	_ = to.CloseWrite()
}

// unstalled waits while nothing moves.
func (l *link) unstalled() (Fault, bool) {
	for {
		f, changed := l.proxy.now()
		if f.kind != stalled || l.dead.Load() {
			return f, true
		}
		select {
		case <-changed:
		case <-l.over:
			return f, false
		}
	}
}

// until waits for a moment. It reports false when the link is over before.
func (l *link) until(due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.over:
		return false
	}
}
