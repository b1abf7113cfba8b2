package configsync

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// PublisherOptions are the choices of [NewPublisher]; the zero value is usable.
//
// The functions are hooks for metrics. They may be called by several goroutines at once, must return quickly and may not
// call Shutdown. For each stream OnConnect comes first and OnDisconnect last.
type PublisherOptions struct {
	// LogSize is how many changes of a resource are remembered for gateways that come back; 0 means 100,000, which takes
	// about 20 MB. A gateway that missed more is sent everything.
	LogSize int
	// PartResources and PartBytes bound a part of a batch; 0 means 500 resources and 1 MiB. A larger resource travels alone.
	PartResources int
	PartBytes     int
	// Patience is how long the next batch waits for the report on the one before; 0 means one second.
	Patience time.Duration
	// CatchUp is how long a gateway that holds a later revision than this publisher waits for it, which happens when it
	// comes from another replica that reads the changes a little sooner. After that it begins anew; 0 means two seconds.
	CatchUp time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log tells when gateways come and go; nil means none.
	Log *slog.Logger

	OnConnect    func(NodeStatus)
	OnSent       func(Sent)
	OnReport     func(NodeStatus)
	OnDisconnect func(NodeStatus)
}

// Sent is a batch that was handed to the transport.
type Sent struct {
	Node      string
	Revision  int64
	Reset     bool
	Parts     int
	Resources int // upserts and deletes
	Bytes     int // of the resources, encoded
}

// Publisher sends configuration to gateways: it is the server of the configuration stream. Its methods may be called at
// any time from any goroutine; concurrent calls of Load and Apply take effect one after the other.
type Publisher struct {
	configsyncv1.UnimplementedConfigSyncServiceServer

	options PublisherOptions
	current atomic.Pointer[state]
	// writing is held while the next state is made.
	writing sync.Mutex
	// closing is closed when streams have to end.
	closing chan struct{}
	// loops counts the goroutines of all streams.
	loops sync.WaitGroup

	mu       sync.Mutex
	closed   bool                  // guarded by mu
	hand     chan struct{}         // guarded by mu; closed when the present streams have to end
	watchers map[*watcher]struct{} // guarded by mu; those that have subscribed
}

// NewPublisher returns a publisher that holds nothing. Until Load, streams wait.
func NewPublisher(options PublisherOptions) *Publisher {
	o := &options
	o.LogSize = orDefault(o.LogSize, 100_000)
	o.PartResources = orDefault(o.PartResources, 500)
	o.PartBytes = orDefault(o.PartBytes, 1<<20)
	o.Patience = orDefault(o.Patience, time.Second)
	o.CatchUp = orDefault(o.CatchUp, 2*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Publisher{options: options, closing: make(chan struct{}), hand: make(chan struct{}), watchers: map[*watcher]struct{}{}}
	p.current.Store(newState())
	return p
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Load replaces the whole image. Installation must not be empty. At the revision that is held already the differences
// are corrections, as in Apply; at any other one, and of another installation, every gateway begins anew.
//
// A history lets gateways resume that hold an earlier revision, for instance those of a publisher that was restarted. It
// names for every revision up to the present one, without a gap, what changed at it. It counts at the first Load only.
//
// An error means that nothing has changed: an installation, kind, domain or id is missing, a resource is larger than
// MaxResourceBytes or not encodable, two have the same key, or the history has a gap.
func (p *Publisher) Load(installation string, revision int64, resources []*configv1.Resource, history ...Change) error {
	l := NewLoading()
	for _, r := range resources {
		e, err := Encode(r)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		if !l.Put(e) {
			return fmt.Errorf("load: %v: named twice", e.Key())
		}
	}
	return p.LoadFrom(installation, revision, l, history...)
}

// Apply makes the changes of a batch and sends them to the gateways. A key in both Upserts and Deletes is deleted. A batch
// with Reset is a Load. A batch may skip revisions whose changes it contains. One whose revision is not above the
// present one corrects what is held: it is sent to connected gateways and to those that resume at the present revision.
//
// An error means that nothing has changed: there was no Load before, the installation is another one (an empty one is
// taken for the present one), or see Load.
func (p *Publisher) Apply(b Batch) error {
	if b.Reset {
		return p.Load(b.Installation, b.Revision, b.Upserts)
	}
	edits := make([]edited, 0, len(b.Upserts)+len(b.Deletes))
	for _, r := range b.Upserts {
		c, err := editOf(r)
		if err != nil {
			return fmt.Errorf("apply revision %d: %w", b.Revision, err)
		}
		edits = append(edits, c)
	}
	for _, k := range b.Deletes {
		key, err := complete(resource.KeyFromProto(k))
		if err != nil {
			return fmt.Errorf("apply revision %d: delete: %w", b.Revision, err)
		}
		edits = append(edits, edited{key: key})
	}

	return p.apply(b.Installation, b.Revision, edits)
}

// ApplyEncoded is Apply of a batch of the present installation whose upserts are encoded.
func (p *Publisher) ApplyEncoded(revision int64, upserts []Encoded, deletes []resource.Key) error {
	edits := make([]edited, 0, len(upserts)+len(deletes))
	for _, e := range upserts {
		edits = append(edits, e.is)
	}
	for _, k := range deletes {
		key, err := complete(k)
		if err != nil {
			return fmt.Errorf("apply revision %d: delete: %w", revision, err)
		}
		edits = append(edits, edited{key: key})
	}
	return p.apply("", revision, edits)
}

func (p *Publisher) apply(installation string, revision int64, edits []edited) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	s := p.current.Load()
	switch {
	case !s.loaded:
		return fmt.Errorf("apply revision %d: nothing is loaded", revision)
	case installation != "" && installation != s.installation:
		return fmt.Errorf("apply revision %d: of installation %q, loaded is %q", revision, installation, s.installation)
	case revision <= s.revision && len(edits) == 0:
		return nil
	}
	p.publish(s.apply(revision, edits, p.options.LogSize, p.options.Now()))
	return nil
}

func editOf(r *configv1.Resource) (edited, error) {
	k, err := keyOf(r)
	if err != nil {
		return edited{}, err
	}
	u, err := encode(r)
	if err != nil {
		return edited{}, fmt.Errorf("%v: %w", k, err)
	}
	return edited{k, stored{u, ClientHash(r.GetApplication())}}, nil
}

// publish makes s the present state and wakes every stream. The caller holds writing.
func (p *Publisher) publish(s *state) {
	before := p.current.Load()
	if s == before {
		return
	}
	p.current.Store(s)
	close(before.superseded)
}

// Get returns a copy of the resource that k names.
func (p *Publisher) Get(k resource.Key) (*configv1.Resource, bool) {
	u, ok := p.current.Load().image.get(k)
	if !ok {
		return nil, false
	}
	r, err := u.decode()
	if err != nil {
		// Bytes that this process encoded.
		panic(fmt.Sprintf("configsync: image holds what cannot be read: %v", err))
	}
	return r, true
}

// Position returns what the publisher holds: "" and 0 before Load.
func (p *Publisher) Position() (installation string, revision int64) {
	s := p.current.Load()
	return s.installation, s.revision
}

// Shutdown ends every stream with Unavailable, so that gateways go to another publisher, and refuses new ones in the
// same way. It waits until all have ended, or for ctx.
func (p *Publisher) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	p.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		p.loops.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for configuration streams to end: %w", ctx.Err())
	}
}

// HandOver ends the present streams with Unavailable, so that gateways go to another publisher, and lets them come back where there is
// none: for a publisher that hears of no changes for a while.
func (p *Publisher) HandOver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.hand)
	p.hand = make(chan struct{})
}

func (p *Publisher) handedOver() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hand
}

// errHandOver ends streams at HandOver.
var errHandOver = fault.Unavailablef("changes of the configuration are not heard of here")

// errClosing ends streams at Shutdown.
var errClosing = fault.Unavailablef("configuration is no longer sent from here")
