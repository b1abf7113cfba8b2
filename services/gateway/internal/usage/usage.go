// Package usage tells management which clients and client secrets are in use.
//
// A request notes the use of a secret in a few nanoseconds, at most once a minute for each: see Meter. Everything else is
// done by the one goroutine of Reporter.Run. What is not told in time is told later; what there is no room for is noted
// again at the next use. Nothing here ever fails or delays a request.
package usage

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Use is the use of a client secret, or of a client.
type Use struct {
	// Domain and Application are identifiers, Secret is the secret's; it is empty for the use of a client, whatever it
	// authenticated by.
	Domain, Application, Secret string
	At                          time.Time
}

// Every is how often the use of one secret is noted.
const Every = time.Minute

// Meter keeps the uses of one secret apart. The zero value is ready for use.
type Meter struct {
	// last is the second of the last noted use.
	last atomic.Int64
}

// due reports whether a use is to be noted, to one caller only.
func (m *Meter) due(second int64) (was int64, due bool) {
	was = m.last.Load()
	if second-was < int64(Every/time.Second) {
		return was, false
	}
	return was, m.last.CompareAndSwap(was, second)
}

// Options are what a reporter needs.
type Options struct {
	// Send tells management. It has its own deadline.
	Send func(ctx context.Context, uses []Use) error
	// Every is how often management is told (10 s).
	Every  time.Duration
	Logger *slog.Logger
}

// Reporter collects uses and tells management. It is safe for concurrent use.
type Reporter struct {
	send  func(ctx context.Context, uses []Use) error
	every time.Duration
	log   *slog.Logger
	noted chan Use
}

const (
	// queued is how many uses wait for the reporter's goroutine.
	queued = 1024
	// batch is how many uses management takes at once.
	batch = 1000
	// most is how many secrets are remembered while management is away.
	most = 100_000
	// lastChance is how long the end of the gateway waits for the last report.
	lastChance = 2 * time.Second
)

// New returns a reporter. It tells nobody before Run.
func New(o Options) *Reporter {
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Reporter{send: o.Send, every: o.Every, log: o.Logger, noted: make(chan Use, queued)}
}

// NoteClient notes that a client was used now, like Note.
func (r *Reporter) NoteClient(m *Meter, domain, application string, now time.Time) {
	r.Note(m, domain, application, "", now)
}

// Note notes that a secret was used now, if its meter says that it is due. It never waits. A nil reporter notes nothing.
func (r *Reporter) Note(m *Meter, domain, application, secret string, now time.Time) {
	if r == nil || m == nil {
		return
	}
	was, due := m.due(now.Unix())
	if !due {
		return
	}
	select {
	case r.noted <- Use{Domain: domain, Application: application, Secret: secret, At: now.Truncate(time.Second)}:
	default:
		m.last.Store(was) // no room: the next use tries again
	}
}

// Run tells management until ctx ends, and then what is left.
func (r *Reporter) Run(ctx context.Context) error {
	waiting := map[string]Use{} // the newest of each secret
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case u := <-r.noted:
			remember(waiting, u)
		case <-ticker.C:
			err := r.tell(ctx, waiting)
			if ctx.Err() != nil {
				continue
			}
			if now := err != nil; now != failing {
				failing = now
				if failing {
					r.log.WarnContext(ctx, "the use of client secrets is told later", "err", err)
				}
			}
		case <-ctx.Done():
			r.drain(waiting)
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastChance)
			defer cancel()
			if err := r.tell(limited, waiting); err != nil {
				r.log.WarnContext(limited, "the last use of client secrets was not told", "count", len(waiting), "err", err)
			}
			return nil
		}
	}
}

// drain takes what is queued.
func (r *Reporter) drain(waiting map[string]Use) {
	for {
		select {
		case u := <-r.noted:
			remember(waiting, u)
		default:
			return
		}
	}
}

// remember keeps the newest use of a secret. Beyond the bound, secrets that are not there already are left out: their
// next use is noted again in a minute.
func remember(waiting map[string]Use, u Use) {
	key := u.Secret
	if key == "" {
		key = "client " + u.Application // no identifier has a space
	}
	old, known := waiting[key]
	if known && old.At.After(u.At) || !known && len(waiting) >= most {
		return
	}
	waiting[key] = u
}

// tell sends what waits in batches, and forgets what was taken.
func (r *Reporter) tell(ctx context.Context, waiting map[string]Use) error {
	uses := make([]Use, 0, min(len(waiting), batch))
	keys := make([]string, 0, cap(uses))
	for len(waiting) > 0 {
		uses, keys = uses[:0], keys[:0]
		for key, u := range waiting {
			keys = append(keys, key)
			if uses = append(uses, u); len(uses) == batch {
				break
			}
		}
		if err := r.send(ctx, uses); err != nil {
			return err
		}
		for _, key := range keys {
			delete(waiting, key)
		}
	}
	return nil
}
