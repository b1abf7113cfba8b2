package configsync

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// patience bounds every wait of a test for something that must happen.
const patience = 20 * time.Second

// host is a gRPC server in memory.
type host struct{ listener *bufconn.Listener }

func serve(t testing.TB, service configsyncv1.ConfigSyncServiceServer) *host {
	t.Helper()
	h := &host{bufconn.Listen(64 << 10)}
	server := grpc.NewServer()
	configsyncv1.RegisterConfigSyncServiceServer(server, service)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(h.listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	return h
}

// publisher returns a publisher and its host.
func publisher(t testing.TB, options PublisherOptions) (*Publisher, *host) {
	t.Helper()
	p := NewPublisher(options)
	return p, serve(t, p)
}

// network is what lies between one gateway and management: it leads to one host and can be cut.
type network struct {
	mu    sync.Mutex
	to    *host
	conns map[*wire]struct{}
	// allowance is how many bytes a connection brings before it breaks; 0 means no limit.
	allowance func() int64
}

func (n *network) dial(ctx context.Context, _ string) (net.Conn, error) {
	n.mu.Lock()
	to, allowance := n.to, n.allowance
	n.mu.Unlock()
	c, err := to.listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: c}
	if allowance != nil {
		w.limit = allowance()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.to != to {
		_ = c.Close()
		return nil, errors.New("the way has changed")
	}
	n.conns[w] = struct{}{}
	return w, nil
}

// lead makes connections go to another host from now on; those that are there stay.
func (n *network) lead(to *host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.to = to
}

func (n *network) allow(allowance func() int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.allowance = allowance
}

// cut breaks every connection.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		_ = c.Close()
		delete(n.conns, c)
	}
}

// wire is a connection that may break after a number of bytes, wherever that is in a message.
type wire struct {
	net.Conn
	limit int64
	read  atomic.Int64
}

func (w *wire) Read(b []byte) (int, error) {
	if w.limit > 0 {
		left := w.limit - w.read.Load()
		if left <= 0 {
			_ = w.Close()
			return 0, errors.New("connection is cut")
		}
		b = b[:min(int64(len(b)), left)]
	}
	n, err := w.Conn.Read(b)
	w.read.Add(int64(n))
	return n, err
}

func connect(t testing.TB, to *host) (*network, *grpc.ClientConn) {
	t.Helper()
	n := &network{to: to, conns: map[*wire]struct{}{}}
	conn, err := grpc.NewClient("passthrough:///publisher",
		grpc.WithContextDialer(n.dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: time.Millisecond},
			MinConnectTimeout: 10 * time.Second,
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return n, conn
}

// gateway is a subscriber with a mirror for a sink.
type gateway struct {
	*Subscriber
	mirror  *mirror
	network *network
}

func subscribe(t testing.TB, to *host, node string, options SubscriberOptions) *gateway {
	t.Helper()
	return subscribeWith(t, to, node, newMirror(options.InitialInstallation, options.InitialRevision), options)
}

func subscribeWith(t testing.TB, to *host, node string, m *mirror, options SubscriberOptions) *gateway {
	t.Helper()
	n, conn := connect(t, to)
	g := &gateway{NewSubscriber(conn, node, m, options), m, n}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := g.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		m.open()
		<-ended
	})
	return g
}

// mirror is a sink that holds what it is sent.
type mirror struct {
	mu           sync.Mutex
	installation string
	revision     int64
	held         map[resource.Key]*configv1.Resource
	batches      []size
	faults       []string
	reject       []*configsyncv1.Rejection
	changed      chan struct{} // closed and replaced after every batch
	gate         chan struct{} // nil or closed: open
	entered      chan struct{} // receives when a batch waits at the gate
}

// size is what is remembered of a batch.
type size struct {
	revision int64
	reset    bool
	content  int
}

func newMirror(installation string, revision int64) *mirror {
	return &mirror{
		installation: installation, revision: revision,
		held: map[resource.Key]*configv1.Resource{}, changed: make(chan struct{}), entered: make(chan struct{}, 1),
	}
}

func (m *mirror) Apply(_ context.Context, b Batch) []*configsyncv1.Rejection {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		select {
		case m.entered <- struct{}{}:
		default:
		}
		<-gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b.Reset {
		clear(m.held)
	} else {
		if b.Installation != m.installation {
			m.faults = append(m.faults, fmt.Sprintf("from installation %q to %q", m.installation, b.Installation))
		}
		if b.Revision < m.revision {
			m.faults = append(m.faults, fmt.Sprintf("from revision %d back to %d", m.revision, b.Revision))
		}
	}
	upserts := 0
	for u, err := range b.All() {
		if err != nil {
			m.faults = append(m.faults, err.Error())
			continue
		}
		m.held[resource.KeyOf(resource.Unwrap(u))] = u
		upserts++
	}
	for _, k := range b.Deletes {
		delete(m.held, resource.KeyFromProto(k))
	}
	m.installation, m.revision = b.Installation, b.Revision
	m.batches = append(m.batches, size{b.Revision, b.Reset, upserts + len(b.Deletes)})
	close(m.changed)
	m.changed = make(chan struct{})
	return m.reject
}

// shut makes the next batches wait until open.
func (m *mirror) shut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gate = make(chan struct{})
}

func (m *mirror) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gate != nil {
		close(m.gate)
		m.gate = nil
	}
}

// await waits until holds, which may look at the fields of the mirror.
func (m *mirror) await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	timeout := time.After(patience)
	for {
		m.mu.Lock()
		ok, changed := holds(), m.changed
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Fatalf("%s: not so after %v; the mirror is at %q %d with %d resources after %d batches, faults %q",
				what, patience, m.installation, m.revision, len(m.held), len(m.batches), m.faults)
		}
	}
}

func (m *mirror) awaitRevision(t testing.TB, revision int64) {
	t.Helper()
	m.await(t, fmt.Sprintf("revision %d is reached", revision), func() bool { return m.revision == revision })
}

// seen returns the batches so far and forgets them.
func (m *mirror) seen() []size {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.batches
	m.batches = nil
	return s
}

// differences says how the mirror differs from want.
func (m *mirror) differences(want map[resource.Key]*configv1.Resource) []string {
	var all []string
	for k, w := range want {
		if got, ok := m.held[k]; !ok {
			all = append(all, fmt.Sprintf("%v is missing", k))
		} else if !proto.Equal(w, got) {
			all = append(all, fmt.Sprintf("%v is %v, want %v", k, got, w))
		}
	}
	for k := range m.held {
		if _, ok := want[k]; !ok {
			all = append(all, fmt.Sprintf("%v is left over", k))
		}
	}
	return all
}

// event hands what a hook is told to the test.
type event[T any] chan T

func newEvent[T any]() event[T] { return make(event[T], 1000) }

func (e event[T]) hook(v T) {
	select {
	case e <- v:
	default:
	}
}

// await returns the first event that is as asked for.
func (e event[T]) await(t testing.TB, what string, is func(T) bool) T {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case v := <-e:
			if is(v) {
				return v
			}
		case <-timeout:
			t.Fatalf("%s: not so after %v", what, patience)
		}
	}
}

func load(t testing.TB, p *Publisher, installation string, revision int64, resources ...*configv1.Resource) {
	t.Helper()
	if err := p.Load(installation, revision, resources); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, p *Publisher, revision int64, upserts ...*configv1.Resource) {
	t.Helper()
	if err := p.Apply(Batch{Revision: revision, Upserts: upserts}); err != nil {
		t.Fatal(err)
	}
}

// applications returns n of them, of one domain.
func applications(domain string, n int) []*configv1.Resource {
	all := make([]*configv1.Resource, n)
	for i := range all {
		all[i] = application(domain, fmt.Sprint(i), 1)
	}
	return all
}
