// Package rotation lets the signing keys of domains take their turns: a successor begins to sign when it has been published
// for long enough, a retired key goes when nothing that it signed can be worth anything any more, and where a domain wants
// it, a key gets a successor by itself.
//
// The steps are made by one replica at a time, which holds a lease. That spares the others the work; it is not what keeps
// a step from being made twice, which is the editor's doing.
package rotation

import (
	"context"
	"log/slog"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	lease = "certificate-rotation"
	// every is how often it is looked what is due, and ttl how long a lease outlives its holder.
	every = time.Minute
	ttl   = 5 * time.Minute
	// releaseWithin bounds the way home.
	releaseWithin = 2 * time.Second
)

// Editor knows what is due and does it: *editor.Editor.
type Editor interface {
	// Rotating returns the domains that may have something due.
	Rotating(ctx context.Context) ([]string, error)
	// RotateDue makes the next step that is due in a domain, and reports whether there was one.
	RotateDue(ctx context.Context, domain string) (bool, error)
}

// Leases lets one replica at a time be the one: *store.Leases.
type Leases interface {
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, bool, error)
	Release(ctx context.Context, lease store.Lease) error
}

// Options are what a Rotator works with. Editor and Leases are needed.
type Options struct {
	Editor Editor
	Leases Leases
	Logger *slog.Logger
	// Every is how often it is looked what is due; 0 means a minute.
	Every time.Duration
}

// Rotator makes the steps that are due.
type Rotator struct {
	Options
	holder string
	held   store.Lease
	holds  bool
}

// New returns a Rotator.
func New(o Options) *Rotator {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Every <= 0 {
		o.Every = every
	}
	return &Rotator{Options: o, holder: secret.NewID()}
}

// Run looks regularly until ctx ends.
func (r *Rotator) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	defer r.release(ctx)
	for {
		if err := r.Round(ctx); err != nil && ctx.Err() == nil {
			r.Logger.WarnContext(ctx, "rotation of signing keys put off", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Round makes every step that is due, if this replica holds the lease. What fails in one domain does not keep the others
// waiting.
func (r *Rotator) Round(ctx context.Context) error {
	var err error
	if r.held, r.holds, err = r.Leases.Acquire(ctx, lease, r.holder, max(ttl, 2*r.Every)); err != nil || !r.holds {
		return err
	}
	domains, err := r.Editor.Rotating(ctx)
	if err != nil {
		return err
	}
	for _, domain := range domains {
		for more := true; more && ctx.Err() == nil; {
			more, err = r.Editor.RotateDue(ctx, domain)
			if err != nil && !fault.Is(err, fault.NotFound) { // a domain that is gone has nothing due
				r.Logger.ErrorContext(ctx, "signing keys not rotated", "domain", domain, "err", err)
			}
		}
	}
	return nil
}

// release lets another replica take over at once.
func (r *Rotator) release(ctx context.Context) {
	if !r.holds {
		return
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	if err := r.Leases.Release(limited, r.held); err != nil {
		r.Logger.WarnContext(ctx, "lease not given back", "lease", lease, "err", err)
	}
}
