package ldap

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// Limits of what a server may send: one message, and all of what answers one operation.
const (
	maxMessage = 1 << 20
	maxAnswer  = 4 << 20
)

// idleTime is how long a connection is kept that nobody uses.
const idleTime = 30 * time.Second

func init() { //nolint:gochecknoinits // the limit is the library's, for all of its users, of which this package is the only one
	ber.MaxPacketLengthBytes = maxMessage
	ber.MaxNestingDepth = 32
}

// errFull means that every connection is taken, and that none came free in time.
var errFull = errors.New("all connections to the directory are in use")

// conn is a connection to the server. One caller uses it at a time.
type conn struct {
	*ldap.Conn
	raw    *bounded
	expiry *time.Timer
	fresh  bool // it has done nothing yet, so a failure is the server's and not that of its age
}

// bounded is a net.Conn that reads so much and no more.
type bounded struct {
	net.Conn
	left atomic.Int64
}

var errTooMuch = errors.New("the directory sends more than anybody asked for")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left.Load() <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p)
	b.left.Add(int64(-n))
	return n, err
}

// do runs an operation within the context. When that ends the connection is of no use any more, and the operation fails.
func (c *conn) do(ctx context.Context, operation func() error) error {
	c.raw.left.Store(maxAnswer)
	stop := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
	err := operation()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	return err
}

// pool keeps connections to one server, which dial makes.
type pool struct {
	dial  func(ctx context.Context) (*conn, error)
	slots chan struct{}

	mu   sync.Mutex
	idle []*conn // the one used last at the end
}

func newPool(size int, dial func(ctx context.Context) (*conn, error)) *pool {
	return &pool{dial: dial, slots: make(chan struct{}, size)}
}

// use runs an operation on a connection. One that was idle may have been closed by the server without our knowing: then the
// operation runs once more, on a new one.
func (p *pool) use(ctx context.Context, operation func(*conn) error) error {
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return errors.Join(errFull, ctx.Err())
		}
	}
	defer func() { <-p.slots }()
	for {
		c, err := p.take(ctx)
		if err != nil {
			return err
		}
		err = c.do(ctx, func() error { return operation(c) })
		if !broken(err) && !c.IsClosing() {
			p.put(c)
			return err
		}
		_ = c.Close()
		if !c.fresh && !errors.Is(ctx.Err(), context.Canceled) { // who does not wait any more has learnt nothing
			p.clear()
		}
		if c.fresh || ctx.Err() != nil {
			return err
		}
	}
}

// take returns an idle connection or a new one.
func (p *pool) take(ctx context.Context) (*conn, error) {
	for c := p.pop(); c != nil; c = p.pop() {
		if !c.expiry.Stop() {
			continue // drop has it
		}
		if !c.IsClosing() {
			return c, nil
		}
		_ = c.Close()
	}
	c, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	c.fresh = true
	return c, nil
}

// pop takes the connection that was used last; nil if none is idle.
func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

func (p *pool) put(c *conn) {
	c.fresh = false
	c.raw.left.Store(maxMessage) // a notice of disconnection may come
	p.mu.Lock()
	defer p.mu.Unlock()
	c.expiry = time.AfterFunc(idleTime, func() { p.drop(c) })
	p.idle = append(p.idle, c)
}

// drop closes a connection that was idle for long enough.
func (p *pool) drop(c *conn) {
	p.mu.Lock()
	for i, other := range p.idle {
		if other == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	_ = c.Close()
}

// clear closes what is idle: where one connection has broken, the others have too.
func (p *pool) clear() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		if c.expiry.Stop() {
			_ = c.Close()
		}
	}
}

// broken reports whether a connection is of no use after an error: it is not an answer of the server.
func broken(err error) bool {
	if err == nil {
		return false
	}
	var answer *ldap.Error
	return !errors.As(err, &answer) || answer.ResultCode >= ldap.ErrorNetwork ||
		ldap.IsErrorAnyOf(err, ldap.LDAPResultUnavailable, ldap.LDAPResultProtocolError)
}
