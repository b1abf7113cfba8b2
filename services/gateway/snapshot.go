package gateway

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/snapshot"
)

// Snapshot is what a gateway keeps on its disk for a start while management is away. Without a folder it keeps nothing.
type Snapshot struct {
	Folder string        `flag:"snapshot-folder" help:"a folder of this gateway's own in which it keeps its configuration, sealed, so that it can start while management is away; none: it keeps nothing"`
	Key    config.Secret `flag:"snapshot-key" help:"what seals it: 32 bytes in base64"`
	Wait   time.Duration `flag:"snapshot-wait" help:"how long a gateway that starts waits for management before it serves what it kept"`
	MaxAge time.Duration `flag:"snapshot-max-age" help:"how old that may be: the time since management was last heard of"`
}

func (s *Snapshot) validate() error {
	var faults []error
	if s.Folder != "" && s.Key.Reveal() == "" {
		faults = append(faults, config.Invalid("snapshot-key", "is needed: the snapshot has every key of every domain in it"))
	}
	if s.Wait < 0 {
		faults = append(faults, config.Invalid("snapshot-wait", "must not be negative"))
	}
	if s.MaxAge <= 0 {
		faults = append(faults, config.Invalid("snapshot-max-age", "must be positive"))
	}
	return errors.Join(faults...)
}

// keeper runs a snapshot. Nil is none.
type keeper struct {
	*snapshot.Snapshot
	wait  time.Duration
	log   *slog.Logger
	once  sync.Once
	found chan struct{} // closed when the stream has brought something
}

// open prepares the snapshot; nil if none is configured.
func (s *Snapshot) open(sink configsync.Sink, domains []string, connected func() bool, failed func(), log *slog.Logger) (*keeper, error) {
	if s.Folder == "" {
		return nil, nil
	}
	kept, err := snapshot.Open(snapshot.Options{
		Folder: s.Folder, Key: s.Key.Reveal(), MaxAge: s.MaxAge, Domains: domains, Sink: sink, Connected: connected, Failed: failed, Log: log,
	})
	if err != nil {
		return nil, config.Invalid("snapshot-folder, --snapshot-key", "%s", err)
	}
	return &keeper{Snapshot: kept, wait: s.Wait, log: log, found: make(chan struct{})}, nil
}

// around returns what a subscriber is to be given in place of a sink.
func (k *keeper) around(sink configsync.Sink) (configsync.Sink, func() bool) {
	if k == nil {
		return sink, nil
	}
	return k, k.Again
}

// streams says that the stream has brought something.
func (k *keeper) streams() {
	if k != nil {
		k.once.Do(func() { close(k.found) })
	}
}

// run restores the snapshot if the stream brings nothing in time, and tells that, and keeps it until ctx ends.
func (k *keeper) run(ctx context.Context, restored func(revision int64, rejections int)) error {
	select {
	case <-k.found:
	case <-ctx.Done():
	case <-time.After(k.wait):
		k.restore(ctx, restored)
	}
	return k.Run(ctx)
}

func (k *keeper) restore(ctx context.Context, restored func(revision int64, rejections int)) {
	what, err := k.Restore(ctx)
	switch {
	case err == nil:
		restored(what.Revision, what.Rejections)
		k.log.WarnContext(ctx, "management was not found: serving the configuration that was kept", "revision", what.Revision, "current", what.Current, "rejections", what.Rejections)
	case errors.Is(err, snapshot.ErrStream):
	case errors.Is(err, fs.ErrNotExist):
		k.log.WarnContext(ctx, "management was not found, and no configuration was kept: waiting for management")
	default:
		k.log.ErrorContext(ctx, "management was not found, and the configuration that was kept cannot be used: waiting for management", "err", err)
	}
}
