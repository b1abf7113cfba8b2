package distribution

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// patience is how long a test waits for a fact.
const patience = 30 * time.Second

// house is a database of its own.
type house struct {
	testing.TB
	options store.Options
	store   *store.Store // of somebody who writes
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{TB: t, options: storetest.Options(t)}
	h.options.PollEvery, h.options.OperationTimeout, h.options.SelectionTimeout = 10*time.Millisecond, 10*time.Second, 300*time.Millisecond
	h.store = storetest.Open(t, h.options)
	return h
}

func scope(key string) *configv1.Scope {
	s := &configv1.Scope{Key: key, Name: key, Description: key}
	resource.Stamp(s, resource.Stamps{ID: "scope-" + key, Domain: "d1", CreatedAt: time.Now(), UpdatedAt: time.Now()})
	return s
}

func (h *house) write(old, fresh *configv1.Scope) int64 {
	h.Helper()
	var op store.Op
	if old != nil {
		op.Old = old
	}
	if fresh != nil {
		op.New = fresh
	}
	revision, err := h.store.Write(h.Context(), store.Change{Ops: []store.Op{op}})
	if err != nil {
		h.Fatal(err)
	}
	return revision
}

// replica is a running distribution with its stream.
type replica struct {
	publisher *configsync.Publisher
	image     *image.Image
	address   string
	stop      func()
}

func (h *house) replica(s *store.Store, sweepEvery time.Duration) *replica {
	h.Helper()
	r := &replica{publisher: configsync.NewPublisher(configsync.PublisherOptions{}), image: image.New()}
	server, err := serve.NewGRPC("plane", "127.0.0.1:0", nil, serve.GRPCOptions{Plaintext: true})
	if err != nil {
		h.Fatal(err)
	}
	configsyncv1.RegisterConfigSyncServiceServer(server, r.publisher)
	if err := server.Listen(); err != nil {
		h.Fatal(err)
	}
	r.address = server.Addr()
	d := New(Options{Store: s, Publisher: r.publisher, Image: r.image, SweepEvery: sweepEvery})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for what, run := range map[string]func(context.Context) error{"distribution": d.Run, "plane": server.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				h.Errorf("%s: %v", what, err)
			}
		})
	}
	r.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	h.Cleanup(r.stop)
	return r
}

// gateway holds what a replica sends it.
type gateway struct {
	testing.TB
	mu           sync.Mutex
	changed      chan struct{} // closed at the next batch
	installation string
	revision     int64
	held         map[resource.Key]int64
	batches      []configsync.Batch
	stop         func()
}

// Apply implements configsync.Sink.
func (g *gateway) Apply(_ context.Context, b configsync.Batch) []*configsyncv1.Rejection {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.Reset {
		g.held = map[resource.Key]int64{}
	}
	for _, w := range b.Upserts {
		r := resource.Unwrap(w)
		g.held[resource.KeyOf(r)] = r.GetRevision()
	}
	for _, k := range b.Deletes {
		delete(g.held, resource.KeyFromProto(k))
	}
	g.installation, g.revision = b.Installation, b.Revision
	g.batches = append(g.batches, b)
	close(g.changed)
	g.changed = make(chan struct{})
	return nil
}

// join connects a gateway to a replica: a new one, or one that holds what another one does.
func (h *house) join(r *replica, as *gateway) *gateway {
	h.Helper()
	g := &gateway{TB: h, changed: make(chan struct{}), held: map[resource.Key]int64{}}
	if as != nil {
		g.installation, g.revision, g.held = as.installation, as.revision, as.held
	}
	conn, err := serve.DialGRPC(r.address, nil, serve.DialOptions{Plaintext: true})
	if err != nil {
		h.Fatal(err)
	}
	s := configsync.NewSubscriber(conn, "gateway", g, configsync.SubscriberOptions{
		InitialInstallation: g.installation, InitialRevision: g.revision,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	g.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.Error(err)
		}
		conn.Close()
	})
	h.Cleanup(g.stop)
	return g
}

// until waits for a fact about what the gateway holds.
func (g *gateway) until(what string, fact func() bool) {
	g.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		g.mu.Lock()
		ok, changed := fact(), g.changed
		g.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			g.mu.Lock()
			defer g.mu.Unlock()
			g.Fatalf("still waiting for %s: revision %d, %d batches, holds %v", what, g.revision, len(g.batches), g.held)
		}
	}
}

func (g *gateway) untilRevision(revision int64) {
	g.Helper()
	g.until("a revision", func() bool { return len(g.batches) > 0 && g.revision >= revision })
}

// door is a way to the database that can be shut.
type door struct {
	testing.TB
	target string
	listen net.Listener
	mu     sync.Mutex
	shut   bool
	open   map[net.Conn]bool
}

// newDoor returns a way to the database, and the options of stores that take it.
func (h *house) newDoor() (*door, store.Options) {
	h.Helper()
	u, err := url.Parse(h.options.URI)
	if err != nil {
		h.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	d := &door{TB: h, target: u.Host, listen: l, open: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() { d.serve(&serving) })
	h.Cleanup(func() {
		l.Close()
		d.set(true)
		serving.Wait()
	})
	u.Host = l.Addr().String()
	q := u.Query()
	q.Set("directConnection", "true")
	u.RawQuery = q.Encode()
	if u.Path == "" {
		u.Path = "/"
	}
	o := h.options
	o.URI = u.String()
	return d, o
}

func (d *door) serve(serving *sync.WaitGroup) {
	for {
		in, err := d.listen.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", d.target)
		if err != nil {
			in.Close()
			continue
		}
		d.mu.Lock()
		if d.shut {
			in.Close()
			out.Close()
		} else {
			d.open[in], d.open[out] = true, true
		}
		d.mu.Unlock()
		serving.Go(func() { d.pass(in, out) })
		serving.Go(func() { d.pass(out, in) })
	}
}

func (d *door) pass(to, from net.Conn) {
	_, _ = io.Copy(to, from) // ends with either side
	to.Close()
	from.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, to)
	delete(d.open, from)
}

// set shuts the door, with everything that goes through it, or opens it again.
func (d *door) set(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
	if shut {
		for c := range d.open {
			c.Close()
		}
	}
}
