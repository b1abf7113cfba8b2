package store

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Sink takes all configuration, one resource at a time, so that nobody needs to hold all of it as messages.
type Sink interface {
	// Put takes what was stored when it was read. It is called by several goroutines at once, in no order. If a resource is
	// written meanwhile, it may come twice, and Apply brings it again.
	Put(resource.Resource)
	// Apply takes the changes that were made meanwhile, one after the other, after every Put. What they say counts.
	Apply(Entry)
}

// Position is where in the log of an installation something stands.
type Position struct {
	Installation string
	Revision     int64
}

// Image is all configuration at a revision.
type Image struct {
	Position
	Resources []resource.Resource
}

// Load returns all configuration at once; see LoadInto.
func (s *Store) Load(ctx context.Context) (*Image, error) {
	var all *collector
	at, err := s.LoadInto(ctx, func() Sink {
		all = &collector{held: map[resource.Key]resource.Resource{}}
		return all
	})
	if err != nil {
		return nil, err
	}
	image := &Image{Position: at, Resources: make([]resource.Resource, 0, len(all.held))}
	for _, r := range all.held {
		image.Resources = append(image.Resources, r)
	}
	return image, nil
}

// collector is the sink that keeps everything.
type collector struct {
	mu   sync.Mutex
	held map[resource.Key]resource.Resource
}

func (c *collector) Put(r resource.Resource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[resource.KeyOf(r)] = r
}

func (c *collector) Apply(e Entry) {
	for _, r := range e.Upserts {
		c.held[resource.KeyOf(r)] = r
	}
	for _, k := range e.Deletes {
		delete(c.held, k)
	}
}

// LoadInto gives all configuration to a sink that begin makes, and returns where it stands in the log. It waits for changes
// under way, as Follow does. A resource that cannot be read is left out and reported in the log. If the log is shortened
// meanwhile, it begins anew with another sink; what one was given counts only when there is no error.
func (s *Store) LoadInto(ctx context.Context, begin func() Sink) (Position, error) {
	for range maxLoads {
		at, err := s.load(ctx, begin())
		if !errors.Is(err, ErrBehind) {
			return at, err
		}
	}
	return Position{}, ErrBehind
}

// maxLoads bounds how often a load begins again because the log was shortened under it.
const maxLoads = 3

func (s *Store) load(ctx context.Context, sink Sink) (Position, error) {
	// The order of these two matters. A change up to from was announced before the first look and is not pending at the
	// second, so what it wrote is there to be read; every other one is walked below, whenever it was announced.
	from, err := s.LastRevision(ctx)
	if err != nil {
		return Position{}, err
	}
	if s.opts.Hook != nil {
		if err := s.opts.Hook(Loading, from); err != nil {
			return Position{}, err
		}
	}
	waiting, err := s.pendingChanges(ctx)
	if err != nil {
		return Position{}, err
	}
	if len(waiting) > 0 {
		from = min(from, waiting[0].Revision-1)
	}
	if err := s.loadStored(ctx, sink); err != nil {
		return Position{}, err
	}
	// Everything that changed while it was read is in the log by now.
	to, err := s.LastRevision(ctx)
	if err != nil {
		return Position{}, err
	}
	err = s.walk(ctx, from, to, func(_ context.Context, e Entry) error {
		sink.Apply(e)
		return nil
	}, nil)
	if err != nil {
		return Position{}, err
	}
	return Position{Installation: s.Installation(), Revision: to}, nil
}

const (
	// loadBatch is how many documents the database sends at once.
	loadBatch = 1000
	// bundleBytes is how many bytes of documents one goroutine reads at a time.
	bundleBytes = 64 << 10
)

// bundle is some documents of one kind, end to end; a document begins with its length.
type bundle struct {
	of   traits
	docs []byte
}

// loadStored gives the sink every resource that is stored. One goroutine takes documents from the database while others,
// as many as there are processors, make messages of them: what waits is a few bundles, however many resources there are.
func (s *Store) loadStored(ctx context.Context, sink Sink) error {
	readers := runtime.GOMAXPROCS(0)
	full, empty := make(chan *bundle, readers), make(chan *bundle, 2*readers+1)
	for range cap(empty) {
		empty <- new(bundle)
	}
	var reading sync.WaitGroup
	for range readers {
		reading.Go(func() {
			for b := range full {
				if ctx.Err() == nil {
					s.readBundle(ctx, b, sink)
				}
				b.docs = b.docs[:0]
				empty <- b
			}
		})
	}
	var err error
	for _, k := range catalog.All {
		if err = s.loadKind(ctx, traitsOf(k), full, empty); err != nil {
			break
		}
	}
	close(full)
	reading.Wait()
	return err
}

// loadKind hands the documents of a kind to those who read them.
func (s *Store) loadKind(ctx context.Context, t traits, full chan<- *bundle, empty <-chan *bundle) error {
	cursor, err := s.db.Collection(t.collection).Find(ctx, bson.M{memberGone: bson.M{"$ne": true}}, options.Find().SetBatchSize(loadBatch))
	if err != nil {
		return s.fail(ctx, err)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	b := <-empty
	for next(ctx, cursor) {
		b.of, b.docs = t, append(b.docs, cursor.Current...)
		if len(b.docs) >= bundleBytes {
			full <- b
			b = <-empty
		}
	}
	full <- b
	return s.fail(ctx, cursor.Err())
}

// readBundle gives the sink what is in a bundle.
func (s *Store) readBundle(ctx context.Context, b *bundle, sink Sink) {
	for rest := bson.Raw(b.docs); len(rest) > 0; {
		length, _, _ := bsoncore.ReadLength(rest) // the driver has looked at it
		doc := rest[:length]
		rest = rest[length:]
		r, err := s.decodeRaw(b.of, doc)
		if err != nil {
			s.log.ErrorContext(ctx, "stored resource cannot be read", "kind", b.of.kind, "err", err)
		} else {
			sink.Put(r)
		}
	}
}
