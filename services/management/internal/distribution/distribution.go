package distribution

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Options are what a Distribution works with. Store and Publisher are needed.
type Options struct {
	Store     *store.Store
	Publisher *configsync.Publisher
	// Image is kept current as well; nil means one of its own.
	Image *image.Image
	// SweepEvery is how often identifiers and revisions are compared with the database, which covers a writer that died
	// at the worst moment; 0 means 10 min.
	SweepEvery time.Duration
	// Loaded is told when the image is complete and of each revision it reaches. It must return quickly.
	Loaded func(revision int64)
	// Logger is told of trouble; nil means none.
	Logger *slog.Logger
}

// Distribution is this replica's follower of the change log.
type Distribution struct {
	Options
	// The rest is used by Run only. Reminded is what the last sweep found missing.
	reminded map[resource.Key]bool
	revision int64
	missed   func(ctx context.Context, at int64, held map[resource.Key]int64) ([]resource.Key, error)
}

// New returns a distribution that has not begun.
func New(o Options) *Distribution {
	if o.SweepEvery <= 0 {
		o.SweepEvery = 10 * time.Minute
	}
	if o.Image == nil {
		o.Image = image.New()
	}
	if o.Loaded == nil {
		o.Loaded = func(int64) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Distribution{Options: o, missed: o.Store.Missed}
}

// The pause between two attempts to begin again grows from the first to the second.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// Run feeds the publisher until ctx ends. A database that goes away is waited for; gateways keep what they have.
func (d *Distribution) Run(ctx context.Context) error {
	wait := firstPause
	for ctx.Err() == nil {
		err := d.load(ctx)
		if err == nil {
			wait = firstPause
			err = d.follow(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, store.ErrBehind) {
			d.Logger.InfoContext(ctx, "change log does not continue, loading everything again", "revision", d.revision)
		} else {
			d.Logger.WarnContext(ctx, "change log is not followed, trying again", "revision", d.revision, "err", err)
		}
		pause := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-pause.C:
			wait = min(2*wait, longestPause)
		}
		pause.Stop()
	}
	return nil
}

// load takes the whole configuration from the database, resource by resource: nobody holds all of it as messages.
func (d *Distribution) load(ctx context.Context) error {
	mark := d.Image.Begin()
	var all *loading
	at, err := d.Store.LoadInto(ctx, func() store.Sink {
		all = &loading{d: d, ctx: ctx, published: configsync.NewLoading(), image: image.NewLoading()}
		return all
	})
	if err != nil {
		return fmt.Errorf("load the configuration: %w", err)
	}
	history, err := d.history(ctx, at.Revision)
	if err != nil {
		return err
	}
	if err := d.Publisher.LoadFrom(at.Installation, at.Revision, all.published, history...); err != nil {
		return fmt.Errorf("publish the configuration: %w", err)
	}
	d.Image.LoadFrom(mark, at.Revision, all.image)
	d.revision = at.Revision
	d.Logger.InfoContext(ctx, "configuration loaded", "revision", at.Revision, "resources", all.count.Load())
	d.Loaded(at.Revision)
	return nil
}

// encode returns a resource as it is published, and false if it cannot travel: the others must not wait for it.
func (d *Distribution) encode(ctx context.Context, r resource.Resource) (configsync.Encoded, bool) {
	e, err := configsync.Encode(resource.Wrap(r))
	if err != nil {
		d.Logger.ErrorContext(ctx, "resource cannot be distributed", "resource", resource.KeyOf(r).String(), "err", err)
	}
	return e, err == nil
}

// remembered is how many past changes a fresh replica reads, so that gateways which held on to the one before it are sent
// only what they missed.
const remembered = 10_000

func (d *Distribution) history(ctx context.Context, to int64) ([]configsync.Change, error) {
	past, err := d.Store.History(ctx, to, remembered)
	if err != nil {
		return nil, fmt.Errorf("read the change log: %w", err)
	}
	changes := make([]configsync.Change, len(past))
	for i, p := range past {
		changes[i] = configsync.Change{Revision: p.Revision, Keys: p.Keys}
	}
	return changes, nil
}

// errSweep ends a turn of following.
var errSweep = errors.New("time to sweep")

// follow applies the changes from there on, and sweeps once in a while. A sweep reads every resource, which takes minutes where there
// are a million, and no change waits for it.
//
// A turn ends by being canceled and not by a deadline: of a context with a deadline the driver takes that for the limit of each
// question, in place of the store's own, and a question over a connection that has died without a word would wait for the end of
// the turn.
func (d *Distribution) follow(ctx context.Context) error {
	sweeps, stop := context.WithCancel(ctx)
	var sweeping sync.WaitGroup
	defer func() {
		stop()
		sweeping.Wait()
	}()
	free := make(chan struct{}, 1)
	free <- struct{}{}
	for {
		turn, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(d.SweepEvery, func() { cancel(errSweep) })
		err := d.Store.FollowIdle(turn, d.revision, d.apply, d.Image.Moved)
		timer.Stop()
		over := errors.Is(err, errSweep) && ctx.Err() == nil
		cancel(nil)
		if !over {
			return err
		}
		select {
		case <-free:
			at, held := d.revision, d.Image.Revisions()
			sweeping.Go(func() {
				d.compare(sweeps, at, held)
				free <- struct{}{}
			})
		default: // the one before takes longer than the time between two
		}
	}
}

func (d *Distribution) apply(ctx context.Context, e store.Entry) error {
	var upserts []configsync.Encoded
	deletes, encoded := slices.Clone(e.Deletes), make([]string, len(e.Upserts))
	for i, r := range e.Upserts {
		if u, ok := d.encode(ctx, r); ok {
			upserts, encoded[i] = append(upserts, u), u.Message()
		} else if k := resource.KeyOf(r); k.Domain != "" && k.ID != "" {
			deletes = append(deletes, k) // its former state is none any more
		}
	}
	if err := d.Publisher.ApplyEncoded(e.Revision, upserts, deletes); err != nil {
		return fmt.Errorf("publish revision %d: %w", e.Revision, err)
	}
	d.Image.Apply(e.Revision, e.Upserts, e.Deletes, encoded...)
	d.revision = e.Revision
	d.Loaded(e.Revision)
	return nil
}

// sweep compares the image as it is.
func (d *Distribution) sweep(ctx context.Context) { d.compare(ctx, d.revision, d.Image.Revisions()) }

// compare looks for what the image lacked at a revision, when it held resources at theirs, although the log never said so, and has
// the log say it. What is still missing at the next sweep cannot be read, and saying it again would not help. A sweep that fails is made
// up for by the next one.
func (d *Distribution) compare(ctx context.Context, at int64, held map[resource.Key]int64) {
	missed, err := d.missed(ctx, at, held)
	if err != nil {
		if ctx.Err() == nil {
			d.Logger.WarnContext(ctx, "image was not compared with the database", "revision", at, "err", err)
		}
		return
	}
	var remind []resource.Key
	found := make(map[resource.Key]bool, len(missed))
	for _, k := range missed {
		found[k] = true
		if !d.reminded[k] {
			remind = append(remind, k)
		}
	}
	d.reminded = found
	if len(remind) == 0 {
		return
	}
	d.Logger.WarnContext(ctx, "resources differ from the database, reading them again", "count", len(remind), "revision", at)
	if _, err := d.Store.Remind(ctx, remind); err != nil {
		d.reminded = nil
		d.Logger.WarnContext(ctx, "change log was not reminded", "revision", at, "err", err)
	}
}
