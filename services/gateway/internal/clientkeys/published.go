package clientkeys

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
)

const (
	leastFresh = 5 * time.Minute
	mostFresh  = 24 * time.Hour
	// usedOn is how long keys are used beyond that while they cannot be fetched.
	usedOn = time.Hour
	// pause lies between two fetches for one client, after a failure as well.
	pause = 10 * time.Second
	// maxSets bounds the memory that published keys take; a set has at most 64 keys.
	maxSets = 1024
	// evictSample is how many sets are looked at to find one that was not used for long.
	evictSample = 16
)

// clientKey names what a client publishes. Clients share nothing, even where they name the same address, so that one
// cannot use up the fetches of another one.
type clientKey struct {
	client, address string
}

// published are the key sets that clients publish.
type published struct {
	fetch *outbound.Client
	now   func() time.Time

	mu   sync.Mutex
	sets map[clientKey]*remote // guarded by mu
}

// remote is what is known of one published set. It is guarded by published.mu.
type remote struct {
	set     *jose.KeySet // read last; nil if never
	until   time.Time    // when it has to be read again
	asked   time.Time    // when it was read, or could not be
	used    time.Time
	err     error         // why it could not be read last time
	pending chan struct{} // closed when the fetch that is under way ends; nil if none is
}

func newPublished(fetch *outbound.Client, now func() time.Time) *published {
	return &published{fetch: fetch, now: now, sets: map[clientKey]*remote{}}
}

// get returns a key set, see Keys.set. Callers who need the same fetch wait for it together; those who can be served from
// memory do not wait.
func (p *published) get(ctx context.Context, key clientKey, missed *jose.KeySet) (*jose.KeySet, error) {
	p.mu.Lock()
	r := p.sets[key]
	if r == nil {
		p.evict()
		r = &remote{}
		p.sets[key] = r
	}
	now := p.now()
	r.used = now
	fresh := r.set != nil && now.Before(r.until)
	switch {
	case fresh && r.set != missed:
		defer p.mu.Unlock()
		return r.set, nil
	case r.pending == nil && now.Before(r.asked.Add(pause)):
		defer p.mu.Unlock()
		return r.best(now)
	case r.pending == nil:
		r.pending = make(chan struct{})
		go p.read(context.WithoutCancel(ctx), key, r)
	}
	pending := r.pending
	p.mu.Unlock()
	select {
	case <-pending:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return r.best(p.now())
}

// best returns the set that was read last while it may be used, else why there is none.
func (r *remote) best(now time.Time) (*jose.KeySet, error) {
	if r.set != nil && (r.err == nil || now.Before(r.until.Add(usedOn))) {
		return r.set, nil
	}
	return nil, r.err
}

// read fetches a set. It ends within the time that an outgoing request may take.
func (p *published) read(ctx context.Context, key clientKey, r *remote) {
	var set *jose.KeySet
	answer, err := p.fetch.Get(ctx, key.address, outbound.JWKS)
	if err == nil {
		set, err = jose.ParseJWKS(answer.Body)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if r.asked, r.err = now, err; err == nil {
		r.set, r.until = set, now.Add(answer.Fresh(now, leastFresh, mostFresh))
	}
	close(r.pending)
	r.pending = nil
}

// evict makes room for one set. The caller holds the lock.
func (p *published) evict() {
	if len(p.sets) < maxSets {
		return
	}
	var oldest clientKey
	var at time.Time
	seen := 0
	for key, r := range p.sets { // the order of a map is random enough
		if r.pending == nil && (seen == 0 || r.used.Before(at)) {
			oldest, at = key, r.used
			seen++
		}
		if seen == evictSample {
			break
		}
	}
	delete(p.sets, oldest)
}
