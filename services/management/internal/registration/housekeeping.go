package registration

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	keeperLease = "registration-housekeeping"
	// keepEvery is how often it is looked what is due, and keeperTTL how long a lease outlives its holder.
	keepEvery = 10 * time.Minute
	keeperTTL = 30 * time.Minute
	// mostPerRound bounds the changes of one domain in one round: gateways wait for each of them.
	mostPerRound = 500
	// usesAtOnce is of how many clients the uses are read together.
	usesAtOnce = 500
	// releaseWithin bounds the way home.
	releaseWithin = 2 * time.Second
)

// Leases lets one replica at a time be the one: *store.Leases.
type Leases interface {
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, bool, error)
	Release(ctx context.Context, lease store.Lease) error
}

// Keeper disables registered clients that nobody uses, and deletes them later, where their domain wants it. It does so on one
// replica at a time, as changes like those of operators, with audit records.
type Keeper struct {
	server *Server
	leases Leases
	log    *slog.Logger
	every  time.Duration
	holder string
	held   store.Lease
	holds  bool
	// unsettled are the registrations that were pending at their tokens in the last round.
	unsettled map[unsettled]bool
}

// unsettled is a registration that was counted for an initial access token and may not have been made.
type unsettled struct{ token, application string }

// NewKeeper returns a Keeper over the service. Every is how often it looks; 0 means ten minutes.
func NewKeeper(s *Server, leases Leases, every time.Duration) *Keeper {
	if every <= 0 {
		every = keepEvery
	}
	return &Keeper{server: s, leases: leases, log: s.log, every: every, holder: secret.NewID()}
}

// Run looks regularly until ctx ends, for the first time after an interval: gateways that could not reach management tell it of the uses
// that they saw meanwhile, and until then clients seem unused that are not.
func (k *Keeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(k.every)
	defer ticker.Stop()
	defer k.release(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := k.Round(ctx); err != nil && ctx.Err() == nil && !fault.Is(err, fault.Unavailable) { // starting, or the database is away
			k.log.WarnContext(ctx, "unused clients are looked for later", "err", err)
		}
	}
}

// Round does what is due, if this replica holds the lease. What fails in one domain does not keep the others waiting.
func (k *Keeper) Round(ctx context.Context) error {
	var err error
	if k.held, k.holds, err = k.leases.Acquire(ctx, keeperLease, k.holder, max(keeperTTL, 2*k.every)); err != nil || !k.holds {
		return err
	}
	if err := k.settle(ctx); err != nil {
		return err
	}
	domains, err := k.server.editor.DisablesUnused(ctx)
	if err != nil {
		return err
	}
	for _, d := range domains {
		if err := k.domain(ctx, d.GetId()); err != nil && !fault.Is(err, fault.NotFound) && ctx.Err() == nil {
			k.log.ErrorContext(ctx, "unused clients not looked for", "domain", d.GetId(), "err", err)
		}
	}
	// Where it is switched off, the days begin anew when it is switched on again.
	kept, err := k.server.uses.KeepingDomains(ctx)
	if err != nil {
		return err
	}
	for _, id := range kept {
		if !slices.ContainsFunc(domains, func(d *configv1.Domain) bool { return d.GetId() == id }) {
			if err := k.server.uses.EndKeeping(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle looks after registrations whose processes died before they were made, or before they said so: those that are pending in two
// rounds, which no registration takes.
func (k *Keeper) settle(ctx context.Context) error {
	tokens, err := k.server.tokens.Unsettled(ctx)
	if err != nil {
		return err
	}
	found := map[unsettled]bool{}
	for _, t := range tokens {
		for _, application := range t.Pending {
			one := unsettled{t.ID, application}
			if !k.unsettled[one] {
				found[one] = true
				continue
			}
			if err := k.server.tokens.Reconcile(ctx, t.ID, application); err != nil {
				return err
			}
		}
	}
	k.unsettled = found
	return nil
}

// domain does what is due in one domain.
func (k *Keeper) domain(ctx context.Context, id string) error {
	at := editor.Place{Domain: id}
	known, err := k.server.shown(ctx, at, "")
	if err != nil {
		return err
	}
	due, err := k.due(ctx, at, known)
	if err != nil {
		return err
	}
	for _, a := range due {
		// Somebody may have used it since that was read.
		if err := k.server.addUses(ctx, known, a); err != nil {
			return err
		}
		if !k.isDue(known, a) {
			continue
		}
		if k.passed(known.deleteAt(a)) {
			_, err = editor.Delete(ctx, k.server.editor, catalog.Applications, at, a.GetId(), a.GetRevision())
		} else {
			err = k.server.editor.DisableUnused(ctx, a)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			k.log.InfoContext(ctx, "registered client that nobody uses disabled or deleted", "domain", id, "application", a.GetId(), "was_enabled", a.GetEnabled())
		case !fault.Is(err, fault.Stale) && !fault.Is(err, fault.NotFound): // what changed meanwhile is looked at in the next round
			k.log.WarnContext(ctx, "unused client stays for now", "domain", id, "application", a.GetId(), "err", err)
		}
	}
	return nil
}

func (k *Keeper) passed(t time.Time) bool { return !t.IsZero() && !t.After(k.server.now()) }

func (k *Keeper) isDue(known *shown, a *configv1.Application) bool {
	return k.passed(known.disableAt(a)) || k.passed(known.deleteAt(a))
}

// due returns clients that are to be disabled or deleted, as many as one round takes. Uses are read for some clients at a time, and for
// those alone that would be due if nobody had used them.
func (k *Keeper) due(ctx context.Context, at editor.Place, known *shown) (due []*configv1.Application, err error) {
	var some []*configv1.Application
	var failed error
	unused := &shown{domain: known.domain, since: known.since}
	look := func() {
		if failed = k.server.addUses(ctx, known, some...); failed != nil {
			return
		}
		for _, a := range some {
			if k.isDue(known, a) && len(due) < mostPerRound {
				due = append(due, a)
			}
		}
		some = some[:0]
	}
	_, _, err = k.server.editor.Registered(ctx, at, image.Query{Size: 1}, func(a *configv1.Application) bool {
		if failed != nil || len(due) >= mostPerRound || !k.isDue(unused, a) {
			return false
		}
		if some = append(some, a); len(some) == usesAtOnce {
			look()
		}
		return false // none is to be returned
	})
	if err == nil && failed == nil {
		look()
	}
	return due, errors.Join(err, failed)
}

// release lets another replica take over at once.
func (k *Keeper) release(ctx context.Context) {
	if !k.holds {
		return
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	if err := k.leases.Release(limited, k.held); err != nil {
		k.log.WarnContext(ctx, "lease not given back", "lease", keeperLease, "err", err)
	}
}
