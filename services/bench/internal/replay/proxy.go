package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
)

// Proxy is reached in the place of a database.
type Proxy struct {
	uri       url.URL
	server    string
	listener  net.Listener
	recording *recording
}

// Listen returns a proxy before the database of a URI, which must name one server and no TLS. It accepts connections on a port of the
// loopback interface, and is to be run.
func Listen(uri string) (*Proxy, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, fmt.Errorf("address of the database: %w", err)
	}
	if u.Scheme != "mongodb" || u.Port() == "" || strings.Contains(u.Host, ",") || u.Query().Get("tls") == "true" || u.Query().Get("replicaSet") != "" {
		return nil, errors.New("a database behind the proxy is one server, mongodb://host:port, without TLS")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{uri: *u, server: u.Host, listener: l, recording: newRecording()}
	p.uri.Host = l.Addr().String()
	return p, nil
}

// URI is the database's as programs are to be given it.
func (p *Proxy) URI() string { return p.uri.String() }

// Replay ends the recording: large reads that came to their end are answered from now on. Those that are under way are the database's.
func (p *Proxy) Replay() {
	p.recording.mu.Lock()
	defer p.recording.mu.Unlock()
	p.recording.replaying = true
	clear(p.recording.under)
}

// Answered is how many requests were answered in the database's place.
func (p *Proxy) Answered() int {
	p.recording.mu.Lock()
	defer p.recording.mu.Unlock()
	return p.recording.answered
}

// Run serves until ctx ends, and then ends all connections.
func (p *Proxy) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = p.listener.Close() })()
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		client, err := p.listener.Accept()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the listener was closed because of it
		}
		if err != nil {
			return err
		}
		serving.Go(func() { p.serve(ctx, client) })
	}
}

// serve is one connection. It ends when either side ends it.
func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", p.server)
	if err != nil {
		return // the program sees that the database is away
	}
	defer server.Close()
	c := &connection{proxy: p, client: client, server: server, kept: map[int32]*read{}}
	defer context.AfterFunc(ctx, c.end)()
	var answering sync.WaitGroup
	answering.Go(func() {
		defer c.end()
		_ = c.answers()
	})
	_ = c.requests()
	c.end()
	answering.Wait()
}

// connection is one of a program and its counterpart to the database.
type connection struct {
	proxy          *Proxy
	client, server net.Conn

	mu   sync.Mutex
	kept map[int32]*read // whose answers are kept, by request
}

func (c *connection) end() {
	_ = c.client.Close()
	_ = c.server.Close()
}

// requests answers what it can and passes on the rest.
func (c *connection) requests() error {
	from := bufio.NewReader(c.client)
	for {
		m, err := readMessage(from)
		if err != nil {
			return err
		}
		to, out := c.server, m
		if q := requestOf(m); q != (request{}) {
			if answer := c.proxy.recording.answer(m.id(), q); answer != nil {
				to, out = c.client, answer // a program waits for it before it asks again, so nobody else writes
			} else if r := c.proxy.recording.keeps(q); r != nil {
				c.mu.Lock()
				c.kept[m.id()] = r
				c.mu.Unlock()
			}
		}
		if _, err := to.Write(out); err != nil {
			return err
		}
	}
}

// answers passes on what the database answers.
func (c *connection) answers() error {
	from := bufio.NewReader(c.server)
	for {
		m, err := readMessage(from)
		if err != nil {
			return err
		}
		c.mu.Lock()
		r := c.kept[m.responseTo()]
		delete(c.kept, m.responseTo())
		c.mu.Unlock()
		if r != nil {
			c.proxy.recording.keep(r, m)
		}
		if _, err := c.client.Write(m); err != nil {
			return err
		}
	}
}
