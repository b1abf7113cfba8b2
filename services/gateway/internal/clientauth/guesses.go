package clientauth

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Who fails to authenticate as a client maxFailures times within failureWindow is locked out until the window ends: as that
// client, from that address. Failures are counted over all gateways; each learns of a lock by the next failure that it
// sees, so that what succeeds asks nobody.
const (
	maxFailures   = 20
	failureWindow = 5 * time.Minute
	// maxLocks bounds what a gateway remembers of locks. Beyond it the record begins anew, and failures fill it again.
	maxLocks = 10_000
)

// errLocked refuses somebody who guesses.
var errLocked = oauth2.InvalidClient.Errorf("Too many failed attempts to authenticate as this client from this address, try again in a few minutes")

// guesses are the failures that this gateway knows of.
type guesses struct {
	memory  Memory
	proxies *observe.Proxies
	now     func() time.Time

	some atomic.Bool // whether there are locks at all
	mu   sync.Mutex
	// locks say when they end.
	locks map[lock]time.Time
}

type lock struct {
	domain, client string
	address        netip.Prefix
}

// locked reports whether somebody has guessed too often.
func (g *guesses) locked(r *http.Request, d *domain.Domain, c *domain.Client) bool {
	if !g.some.Load() {
		return false
	}
	l := lock{d.ID, c.ID, observe.Network(g.proxies.ClientIP(r))}
	g.mu.Lock()
	defer g.mu.Unlock()
	ends, found := g.locks[l]
	if found && !g.now().Before(ends) {
		delete(g.locks, l)
		g.some.Store(len(g.locks) > 0)
		found = false
	}
	return found
}

// failed counts a failure. That Redis cannot be asked changes nothing: the client has failed anyway.
func (g *guesses) failed(ctx context.Context, r *http.Request, d *domain.Domain, c *domain.Client) {
	l := lock{d.ID, c.ID, observe.Network(g.proxies.ClientIP(r))}
	f, err := g.memory.CountFailure(ctx, d.ID, c.ID, l.address.String(), failureWindow)
	if err != nil || f.Count < maxFailures {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.locks == nil || len(g.locks) >= maxLocks {
		g.locks = map[lock]time.Time{}
	}
	g.locks[l] = g.now().Add(f.Left)
	g.some.Store(true)
}
