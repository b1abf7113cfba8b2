package distribution

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
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
	return &Distribution{Options: o}
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

// load takes the whole configuration from the database.
func (d *Distribution) load(ctx context.Context) error {
	mark := d.Image.Begin()
	loaded, err := d.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("load the configuration: %w", err)
	}
	wrapped := make([]*configv1.Resource, 0, len(loaded.Resources))
	for _, r := range loaded.Resources {
		if w := d.wrap(ctx, r); w != nil {
			wrapped = append(wrapped, w)
		}
	}
	history, err := d.history(ctx, loaded.Revision)
	if err != nil {
		return err
	}
	if err := d.Publisher.Load(loaded.Installation, loaded.Revision, wrapped, history...); err != nil {
		return fmt.Errorf("publish the configuration: %w", err)
	}
	d.Image.Load(mark, loaded.Revision, loaded.Resources)
	d.revision = loaded.Revision
	d.Logger.InfoContext(ctx, "configuration loaded", "revision", loaded.Revision, "resources", len(wrapped))
	d.Loaded(loaded.Revision)
	return nil
}

// wrap returns a resource as it is published, or nothing if it cannot travel: the others must not wait for it.
func (d *Distribution) wrap(ctx context.Context, r resource.Resource) *configv1.Resource {
	w, k := resource.Wrap(r), resource.KeyOf(r)
	size := proto.Size(w)
	if w == nil || k.Domain == "" || k.ID == "" || size > configsync.MaxResourceBytes {
		d.Logger.ErrorContext(ctx, "resource cannot be distributed", "resource", k.String(), "bytes", size)
		return nil
	}
	return w
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

// follow applies the changes from there on, and sweeps once in a while.
func (d *Distribution) follow(ctx context.Context) error {
	for {
		turn, cancel := context.WithTimeout(ctx, d.SweepEvery)
		err := d.Store.FollowIdle(turn, d.revision, d.apply, d.Image.Moved)
		over := errors.Is(err, context.DeadlineExceeded) && turn.Err() != nil && ctx.Err() == nil
		cancel()
		if !over {
			return err
		}
		d.sweep(ctx)
	}
}

func (d *Distribution) apply(ctx context.Context, e store.Entry) error {
	b := configsync.Batch{Revision: e.Revision}
	for _, r := range e.Upserts {
		k := resource.KeyOf(r)
		if w := d.wrap(ctx, r); w != nil {
			b.Upserts = append(b.Upserts, w)
		} else {
			b.Deletes = append(b.Deletes, k.Proto()) // its former state is none any more
		}
	}
	for _, k := range e.Deletes {
		b.Deletes = append(b.Deletes, k.Proto())
	}
	if err := d.Publisher.Apply(b); err != nil {
		return fmt.Errorf("publish revision %d: %w", e.Revision, err)
	}
	d.Image.Apply(e.Revision, e.Upserts, e.Deletes)
	d.revision = e.Revision
	d.Loaded(e.Revision)
	return nil
}

// sweep looks for what the image lacks although the log never said so, and has the log say it. What is still missing at
// the next sweep cannot be read, and saying it again would not help. A sweep that fails is made up for by the next one.
func (d *Distribution) sweep(ctx context.Context) {
	missed, err := d.Store.Missed(ctx, d.revision, d.Image.Revisions())
	if err != nil {
		d.Logger.WarnContext(ctx, "image was not compared with the database", "revision", d.revision, "err", err)
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
	d.Logger.WarnContext(ctx, "resources differ from the database, reading them again", "count", len(remind), "revision", d.revision)
	if _, err := d.Store.Remind(ctx, remind); err != nil {
		d.reminded = nil
		d.Logger.WarnContext(ctx, "change log was not reminded", "revision", d.revision, "err", err)
	}
}
