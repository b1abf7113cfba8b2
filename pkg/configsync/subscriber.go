package configsync

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// Sink is what a gateway does with configuration.
type Sink interface {
	// Apply puts the whole batch in effect before it returns, and returns every resource of the state then held that it
	// cannot use, with the reason: not only those of this batch. It is called with complete batches, one at a time, each
	// continuing the one before it unless it is a reset, also with batches that change nothing but the revision. It may
	// keep what it is given. ctx is that of Run, not of the connection: a batch that has arrived is applied.
	Apply(ctx context.Context, b Batch) []*configsyncv1.Rejection
}

// SubscriberOptions are the choices of [NewSubscriber]; the zero value is usable.
type SubscriberOptions struct {
	// Domains are the ids of the domains to watch; empty means every domain.
	Domains []string
	// MostRegistered is how many registered clients of a domain a batch with Reset may bring; of a domain that has more, it brings
	// none and says so (Batch.Withheld). 0 means any number. A publisher that does not know this brings all of them.
	MostRegistered int64
	// BelongingsOnDemand means that the sink asks for registered clients together with what belongs to them, so that where they are withheld
	// that is as well. A publisher that does not know this brings it.
	BelongingsOnDemand bool
	// Lean leaves the upserts of batches encoded until Batch.All is asked for them, for sinks that do not keep messages.
	Lean bool
	// InitialInstallation and InitialRevision name the state that the sink holds already, for instance from a local disk,
	// so that only what has changed since is sent. They must have been reached with the same Domains.
	InitialInstallation string
	InitialRevision     int64
	// Again is asked before each subscription but the first: true has everything sent anew. Nil never wants that.
	Again func() bool
	// OnStatus is told whenever the status has changed, in the order of the changes. It must return quickly.
	OnStatus func(Status)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log tells when the stream is lost and found; nil means none.
	Log *slog.Logger
}

// Status is how a subscriber stands.
type Status struct {
	// Connected means that the present stream has brought something.
	Connected bool
	// Installation and Revision are what the sink holds: "" and 0 before the first batch.
	Installation string
	Revision     int64
	// LastBatch is when the last batch was in effect, by the clock of this process; zero if there was none.
	LastBatch time.Time
	// Rejections is how many resources the sink cannot use.
	Rejections int
	// Ready means that the sink holds a complete state, from a batch or from the beginning. It never ceases.
	Ready bool
	// Err is why the last stream ended, nil while Connected.
	Err error
}

// Subscriber keeps a sink up to date: it is the client of the configuration stream.
type Subscriber struct {
	client  configsyncv1.ConfigSyncServiceClient
	node    string
	sink    Sink
	options SubscriberOptions

	mu     sync.Mutex
	status Status // guarded by mu

	// notify is held while OnStatus runs, which keeps its calls in order.
	notify sync.Mutex
	// anew means that the next subscription claims to hold nothing. Only Run uses it.
	anew bool
}

// NewSubscriber returns a subscriber that speaks to management through conn under the name of node, at most 256 bytes.
// Nothing happens before Run. The connection should notice when its peer is gone (keep-alive) and try often to come
// back, since every attempt of the subscriber fails at once in the meantime.
func NewSubscriber(conn grpc.ClientConnInterface, node string, sink Sink, options SubscriberOptions) *Subscriber {
	options.Domains = slices.Clone(options.Domains)
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Subscriber{client: configsyncv1.NewConfigSyncServiceClient(conn), node: node, sink: sink, options: options}
	if options.InitialInstallation != "" {
		s.status = Status{Installation: options.InitialInstallation, Revision: options.InitialRevision, Ready: true}
	}
	return s
}

// Status may be called at any time.
func (s *Subscriber) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Run keeps the sink up to date until ctx ends, and then returns nil. Whenever the stream ends, whatever the reason, it
// subscribes again from where it is, after a pause that grows from 20 ms to a second. It must be called once.
func (s *Subscriber) Run(ctx context.Context) error {
	var pause backoff
	for ctx.Err() == nil {
		progress, err := s.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if progress {
			pause = backoff{}
		}
		s.lost(ctx, err)
		pause.wait(ctx)
		s.anew = s.anew || s.options.Again != nil && s.options.Again()
	}
	s.update(func(st *Status) { st.Connected, st.Err = false, ctx.Err() })
	return nil
}

// lost notes that a stream has ended. A fault that repeats is logged once.
func (s *Subscriber) lost(ctx context.Context, err error) {
	before := s.Status()
	if before.Connected || before.Err == nil || before.Err.Error() != err.Error() {
		s.options.Log.WarnContext(ctx, "configuration stream lost", "revision", before.Revision, "err", err)
	}
	s.update(func(st *Status) { st.Connected, st.Err = false, err })
}

// update changes the status and tells it.
func (s *Subscriber) update(change func(*Status)) {
	s.notify.Lock()
	defer s.notify.Unlock()
	s.mu.Lock()
	change(&s.status)
	now := s.status
	s.mu.Unlock()
	if s.options.OnStatus != nil {
		s.options.OnStatus(now)
	}
}
