package domain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// ErrNoClient means that no client with this identifier can be used: it does not exist, is disabled, or is a template.
var ErrNoClient = errors.New("no such client")

// Options say how domains are compiled.
type Options struct {
	// PublicURL is where people and clients reach the gateway, without a trailing slash.
	PublicURL string
	// MTLSURL is the same for clients that are asked for a certificate; empty if they are asked nowhere else.
	MTLSURL string
	// Open makes an identity provider from its configuration.
	Open func(*configv1.IdentityProvider) (*idp.Provider, error)
	// Metadata renders the discovery document of a domain.
	Metadata func(*Core) []byte
	// Resolve asks management for an application that is not held: one that the stream has not brought yet, or one beyond
	// MostRegistered, and for what belongs to it where the question says so. It returns ErrNoClient if management does not know it either.
	// The answer is no older than the revision of the question; 0 = as new as there is.
	Resolve func(ctx context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error)
	// Belongings asks management for the forms and flows of an application, by domain id and the application's id, where they are not
	// known and Resolve did not say. Nil, or no answer, means that such an application is not served.
	Belongings func(ctx context.Context, domain, application string) (*registrationv1.Belongings, error)
	// MostRegistered is how many registered clients of one domain are held; 0 = any number. Of a domain that has more, those
	// are held that were used last, and the others asked for when they are used.
	MostRegistered int
	// CachedTokens bounds the verified access tokens that are remembered over all domains; 0 = 65536. Each takes about
	// 1.5 KiB.
	CachedTokens int
	// Used is told which clients are used; nil tells nobody.
	Used *usage.Reporter
	// Failures are the expressions that fail; nil where nobody gathers them.
	Failures *ruleerrors.Reporter
	Logger   *slog.Logger
	Now      func() time.Time
}

// Set is read on every request and replaced, part by part, on every configuration batch.
type Set struct {
	options  Options
	index    atomic.Pointer[index]
	tokens   *jose.TokenCache[*VerifiedToken]
	rejected rejections
	status   status
	asked    questions

	// mu guards what only changes touch.
	mu      sync.Mutex
	sources map[string]*source
	// ahead holds the revisions of what this gateway learned before the stream brought it (registrations and deletions
	// made here), so that the stream's older news does not undo them.
	ahead        map[resource.Key]int64
	installation string
	revision     int64
	// told means that management tells what belongs to a registered client together with it, and brings it only with the client.
	told bool
}

// index finds domains. It is replaced when a domain appears, disappears or moves.
type index struct {
	byPath map[string]*slotOf
	byID   map[string]*slotOf
	// segments is the largest number of segments in a path.
	segments int
}

// slotOf holds the present state of one domain.
type slotOf struct{ current atomic.Pointer[Domain] }

// NewSet returns an empty set.
func NewSet(o Options) *Set {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CachedTokens <= 0 {
		o.CachedTokens = 65536
	}
	s := &Set{options: o, sources: map[string]*source{}, ahead: map[resource.Key]int64{}}
	s.tokens = jose.NewTokenCache[*VerifiedToken](o.CachedTokens, int64(o.CachedTokens)*1536, o.Now)
	s.index.Store(&index{byPath: map[string]*slotOf{}, byID: map[string]*slotOf{}})
	s.rejected.init(o.Logger)
	s.status.init(o.Now)
	s.asked.init(o.Now)
	return s
}

// Lookup finds the enabled domain that serves a URL path, and the rest of the path below it. The longest domain path
// wins.
func (s *Set) Lookup(path string) (d *Domain, rest string) {
	ix := s.index.Load()
	end := 0
	for range ix.segments {
		next := strings.IndexByte(path[min(end+1, len(path)):], '/')
		if next < 0 {
			end = len(path)
		} else {
			end += 1 + next
		}
		if found, ok := ix.byPath[path[:end]]; ok {
			d, rest = found.current.Load(), path[end:]
		}
		if end == len(path) {
			break
		}
	}
	return d, rest
}

// Domain returns a domain by id, nil if this gateway does not have it. It may be disabled.
func (s *Set) Domain(id string) *Domain {
	found, ok := s.index.Load().byID[id]
	if !ok {
		return nil
	}
	return found.current.Load()
}

// NoteUse notes that a client was given something without authenticating.
func (d *Domain) NoteUse(c *Client) {
	if d.set != nil {
		d.set.options.Used.NoteClient(c.Meter, d.ID, c.ID, d.set.options.Now())
	}
}

// Enabled reports whether the domain is served.
func (d *Domain) Enabled() bool { return d.Settings.GetEnabled() }

// Client returns the client with this identifier. ErrNoClient means that there is none that may be used; any other
// error that it cannot be compiled or looked up. A client the gateway does not hold is asked for once at management.
func (d *Domain) Client(ctx context.Context, clientID string) (*Client, error) {
	e := d.clients.get(clientID)
	if e == nil {
		// The request may hold a domain from before a registration that this gateway itself has made since.
		if fresh := d.set.Domain(d.ID); fresh != nil {
			e = fresh.clients.get(clientID)
		}
	}
	if e == nil {
		return d.set.resolve(ctx, d, clientID)
	}
	return d.client(e)
}

func (d *Domain) client(e *entry) (*Client, error) {
	if e.use.Load() == idle {
		e.use.Store(used)
	}
	o := e.compiled.Load()
	if o == nil || o.core != d.mark || o.belongings != e.belongings.Load() {
		o = d.compile(e)
		e.compiled.Store(o)
	}
	switch {
	case o.err != nil:
		return nil, o.err
	case !o.client.usable():
		return nil, ErrNoClient
	}
	return o.client, nil
}

// compile makes a client of an application and reports what of it cannot be used.
func (d *Domain) compile(e *entry) *outcome {
	own := e.belongings.Load()
	app, err := e.application()
	if err != nil {
		return &outcome{core: d.mark, belongings: own, err: fmt.Errorf("decode application %q: %w", e.id, err)}
	}
	c, problem := d.compileClient(app, own)
	reported := problem
	if errors.Is(problem, errNoKey) {
		reported = nil // it is the domain's
	}
	// The application may have been replaced since this request began; then its problems are no longer news.
	if fresh := d.set.Domain(d.ID); fresh != nil && fresh.clients.get(e.clientID) == e {
		d.set.rejected.set(resource.KeyOf(app), reported)
	}
	if c == nil {
		return &outcome{core: d.mark, belongings: own, err: fmt.Errorf("application %q: %w", e.id, problem)}
	}
	return &outcome{core: d.mark, belongings: own, client: c}
}
