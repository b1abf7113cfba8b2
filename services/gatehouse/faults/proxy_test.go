package faults

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands before a server. It forwards until a message passes that a test waits for, and then nothing more from
// clients until it is told to go on.
type proxy struct {
	Address string

	server   string
	split    splitter
	listener net.Listener
	loops    sync.WaitGroup
	taken    atomic.Int64 // connections so far

	mu     sync.Mutex // guards all below
	conns  map[net.Conn]struct{}
	closed bool
	// held is closed when a message was held back, open is what held messages wait for; both nil while nothing is awaited.
	wanted     func(message []byte) bool
	held, open chan struct{}
	caught     bool
}

// splitter reads the next message of a client.
type splitter func(io.Reader) ([]byte, error)

// messages are those of MongoDB: each begins with its length.
func messages(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size < 16 || size > 64<<20 {
		return nil, errors.New("not a message of MongoDB")
	}
	message := make([]byte, size)
	copy(message, length[:])
	_, err := io.ReadFull(r, message[4:])
	return message, err
}

// anything is whatever has arrived.
func anything(r io.Reader) ([]byte, error) {
	text := make([]byte, 32<<10)
	n, err := r.Read(text)
	return text[:n], err
}

// newProxy starts a proxy before the server at an address.
func newProxy(t *testing.T, server string, split splitter) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Address: l.Addr().String(), server: server, split: split, listener: l, conns: map[net.Conn]struct{}{}}
	p.loops.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.release()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.cut()
		p.loops.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.taken.Add(1)
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.loops.Go(func() { p.requests(server, client) })
		p.loops.Go(func() {
			_, _ = io.Copy(client, server)
			p.end(client, server)
		})
	}
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
			continue
		}
		p.conns[c] = struct{}{}
	}
	return !p.closed
}

func (p *proxy) end(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// cut ends every connection there is.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// requests forwards what a client sends, message by message.
func (p *proxy) requests(server, client net.Conn) {
	defer p.end(client, server)
	for {
		message, err := p.split(client)
		if err != nil {
			return
		}
		if open := p.hold(message); open != nil {
			<-open
			return // whoever sent it is dead by now
		}
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}

// hold says what a message has to wait for; nil if it may pass.
func (p *proxy) hold(message []byte) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted == nil || (!p.caught && !p.wanted(message)) {
		return nil
	}
	if !p.caught {
		p.caught = true
		close(p.held)
	}
	return p.open
}

// catch holds back the next message that is wanted, and everything that clients send after it. The returned channel is
// closed when that has happened. What was held back never reaches the server; release lets later messages pass again.
func (p *proxy) catch(wanted func(message []byte) bool) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted, p.caught = wanted, false
	p.held, p.open = make(chan struct{}), make(chan struct{})
	return p.held
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open != nil {
		close(p.open)
	}
	p.wanted, p.open = nil, nil
}
