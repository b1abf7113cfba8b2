package state

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// dialer connects to Redis, and knows which connections are not to be used again.
//
// A connection over which a question was not answered in time is closed by the library. Others that were made before are likely
// dead, too, where a firewall forgot them or a server fell off the network, and each would cost one request its time and its
// answer. So the first one that is silent retires all of its age to the same server: what is idle is replaced before it is used.
// What is in use goes on.
type dialer struct {
	timeout    time.Duration
	encryption *tls.Config // nil for none
	// once hides causes of errors; see unrepeated.
	once bool
	ages sync.Map // address → *atomic.Int64, how often connections to it were retired
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: d.timeout}
	now, ok := d.ages.Load(address)
	if !ok {
		now, _ = d.ages.LoadOrStore(address, new(atomic.Int64))
	}
	c := aged{now: now.(*atomic.Int64), asked: new(atomic.Bool)} //nolint:forcetypeassert // nothing else is stored
	c.age = c.now.Load()
	var err error
	if d.encryption == nil {
		c.Conn, err = plain.DialContext(ctx, network, address)
	} else {
		c.Conn, err = (&tls.Dialer{NetDialer: plain, Config: d.encryption}).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	if d.once {
		return unrepeated{c}, nil
	}
	return c, nil
}

// aged is a connection that knows when it was made.
type aged struct {
	net.Conn
	age   int64
	now   *atomic.Int64 // the age of connections to this server that are made now
	asked *atomic.Bool  // something was sent, and nothing has come since
}

func (c aged) Write(b []byte) (int, error) {
	c.asked.Store(true)
	return c.Conn.Write(b)
}

func (c aged) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	switch {
	case n > 0:
		c.asked.Store(false)
	case errors.Is(err, os.ErrDeadlineExceeded) && c.asked.Load():
		c.now.CompareAndSwap(c.age, c.age+1)
	}
	return n, err
}

var errRetired = errors.New("connections of this age are not answered")

// SyscallConn is what the library looks at before it uses a connection again: whether the server has hung up. An error makes it take
// another one.
func (c aged) SyscallConn() (syscall.RawConn, error) {
	if c.age != c.now.Load() {
		return nil, errRetired
	}
	switch conn := c.Conn.(type) {
	case *net.TCPConn:
		return conn.SyscallConn()
	case *tls.Conn:
		if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
			return underTLS(tcp)
		}
	}
	return nil, errors.ErrUnsupported // no connection that dial makes
}

// unrepeated is a connection of a client of a Cluster. Such a client follows a key to the server where it has gone (MOVED, ASK) by
// the same loop in which it repeats what a connection lost: an error of the transport, once connected, therefore has no cause
// that the library knows as one to try again after. What a broken connection carried may have been done.
type unrepeated struct{ aged }

func (c unrepeated) Read(b []byte) (int, error) {
	n, err := c.aged.Read(b)
	return n, lost(err)
}

func (c unrepeated) Write(b []byte) (int, error) {
	n, err := c.aged.Write(b)
	return n, lost(err)
}

// lost keeps the words of an error and hides its cause.
func lost(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("connection lost: " + err.Error())
}
