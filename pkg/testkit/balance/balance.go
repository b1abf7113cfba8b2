// Package balance is a load balancer for tests and measurements: one address in front of servers that come and go, as a
// service of a cluster is.
//
// It looks at nothing but connections. A new one goes to the next server in rotation; one that is there stays where it is,
// whatever becomes of the server's readiness. A server comes into rotation when its technical port answers /readyz with
// 200, and leaves it a while after it ceased to, because a cluster's nodes learn of that late: see [Options.Lag].
package balance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Server is one replica.
type Server struct {
	// Address is where connections are carried to, Technical where /readyz is asked for; both host:port.
	Address, Technical string
}

// Options are the times of a Balancer; zero values mean the defaults named there.
type Options struct {
	// Poll is how often each server is asked whether it is ready; 100 ms.
	Poll time.Duration
	// Lag is how long new connections still go to a server that is not ready any more; 1 s.
	Lag time.Duration
}

// Balancer carries connections.
type Balancer struct {
	options  Options
	listener net.Listener
	client   *http.Client
	end      context.CancelFunc
	life     context.Context
	running  sync.WaitGroup
	refused  atomic.Int64

	mu      sync.Mutex // guards all below
	servers []*server
	next    int
	open    map[net.Conn]struct{}
	closed  bool
}

type server struct {
	Server
	ready bool
	lost  time.Time // when it ceased to be ready
	stop  context.CancelFunc
}

// Listen returns a balancer at an address, with port 0 at a free one. It has no servers yet.
func Listen(address string, o Options) (*Balancer, error) {
	if o.Poll <= 0 {
		o.Poll = 100 * time.Millisecond
	}
	if o.Lag <= 0 {
		o.Lag = time.Second
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	b := &Balancer{
		options: o, listener: listener, life: life, end: end, open: map[net.Conn]struct{}{},
		client: &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	b.running.Go(b.accept)
	return b, nil
}

// Address is host:port of the balancer.
func (b *Balancer) Address() string { return b.listener.Addr().String() }

// Refused counts the connections that no server took: those that were dialed in vain, and those for which none was in rotation.
func (b *Balancer) Refused() int64 { return b.refused.Load() }

// Add has a server looked at from now on.
func (b *Balancer) Add(s Server) {
	ctx, stop := context.WithCancel(b.life)
	added := &server{Server: s, stop: stop}
	b.mu.Lock()
	b.servers = append(b.servers, added)
	b.mu.Unlock()
	b.running.Go(func() { b.watch(ctx, added) })
}

// Remove forgets a server; its connections stay.
func (b *Balancer) Remove(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.servers = slices.DeleteFunc(b.servers, func(s *server) bool {
		if s.Address == address {
			s.stop()
		}
		return s.Address == address
	})
}

// InRotation reports whether new connections go to a server.
func (b *Balancer) InRotation(address string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.servers, func(s *server) bool { return s.Address == address && b.takes(s) })
}

// Rotation returns the addresses of the servers to which new connections go.
func (b *Balancer) Rotation() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, s := range b.servers {
		if b.takes(s) {
			list = append(list, s.Address)
		}
	}
	return list
}

// Close ends all connections.
func (b *Balancer) Close() {
	b.end()
	_ = b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for c := range b.open {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.running.Wait()
}

// takes reports whether a server is in rotation. The caller holds mu.
func (b *Balancer) takes(s *server) bool {
	return s.ready || !s.lost.IsZero() && time.Since(s.lost) < b.options.Lag
}

func (b *Balancer) watch(ctx context.Context, s *server) {
	tick := time.NewTicker(b.options.Poll)
	defer tick.Stop()
	for {
		ready := b.ask(ctx, s.Technical)
		b.mu.Lock()
		if s.ready && !ready {
			s.lost = time.Now()
		}
		s.ready = ready
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *Balancer) ask(ctx context.Context, technical string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+technical+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	answer, err := b.client.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func (b *Balancer) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.running.Go(func() { b.carry(conn.(*net.TCPConn)) })
	}
}

// choose returns the next server in rotation, "" if there is none.
func (b *Balancer) choose() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.servers {
		b.next++
		if s := b.servers[b.next%len(b.servers)]; b.takes(s) {
			return s.Address
		}
	}
	return ""
}

// carry takes a connection to a server. One that no server takes is reset, as it would be refused without a balancer.
func (b *Balancer) carry(client *net.TCPConn) {
	defer b.drop(client)
	if !b.keep(client) {
		return
	}
	address := b.choose()
	var there net.Conn
	err := errors.New("no server is in rotation")
	if address != "" {
		there, err = new(net.Dialer).DialContext(b.life, "tcp", address)
	}
	if err != nil {
		b.refused.Add(1)
		_ = client.SetLinger(0)
		return
	}
	server := there.(*net.TCPConn)
	defer b.drop(server)
	if !b.keep(server) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { pass(client, server) })
	pass(server, client)
	back.Wait()
}

// pass copies what one end says to the other, and ends as that one did: a close as a close, a reset as a reset.
func pass(to, from *net.TCPConn) {
	_, err := io.Copy(to, from)
	if errors.Is(err, syscall.ECONNRESET) {
		_ = to.SetLinger(0)
		_ = to.Close()
		return
	}
	if to.CloseWrite() != nil || err != nil {
		_ = from.Close()
	}
}

func (b *Balancer) keep(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.open[c] = struct{}{}
	}
	return !b.closed
}

func (b *Balancer) drop(c net.Conn) {
	_ = c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
}
