package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// Entry is what a follower has to know about one revision: the state of the resources that it names. A resource that a
// later revision changes again may be missing; that revision brings it.
type Entry struct {
	Revision int64
	Upserts  []resource.Resource
	Deletes  []resource.Key
}

// Nudge wakes followers of this process. Writes of this process do so by themselves.
func (s *Store) Nudge() { s.written.ring() }

// Follow calls fn for every revision after from, in order and without a gap, until ctx ends or fn fails. It waits while
// the database is away. A change that stays pending for the grace period without a sign of life of its writer,
// measured from when Follow first saw it, is dropped, and so is one that is pending for lifetimes of the grace period. ErrBehind says that the log does not continue at from.
func (s *Store) Follow(ctx context.Context, from int64, fn func(context.Context, Entry) error) error {
	return s.walk(ctx, from, endless, fn, nil)
}

// FollowIdle is Follow that also calls idle whenever it has found the end of the log where it stands.
func (s *Store) FollowIdle(ctx context.Context, from int64, fn func(context.Context, Entry) error, idle func()) error {
	return s.walk(ctx, from, endless, fn, idle)
}

// checkEnd is how often an idle follower makes sure that the log continues where it stands.
const checkEnd = time.Minute

// endless is where a walk ends that never does.
const endless = math.MaxInt64

// walk is Follow up to a revision. An error ends it unless it is endless.
func (s *Store) walk(ctx context.Context, from, to int64, fn func(context.Context, Entry) error, idle func()) error {
	w := walker{s: s, seen: map[int64]pulse{}}
	var checked time.Time
	for next := from + 1; next <= to; {
		rung := s.written.ringing()
		wait, entry, err := w.look(ctx, next)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrNotFound):
			if time.Since(checked) > checkEnd {
				if err := s.checkEnd(ctx, next); errors.Is(err, ErrBehind) {
					return err
				} else if err == nil {
					checked = time.Now()
				}
			}
			if idle != nil {
				idle()
			}
			wait = s.opts.PollEvery
		case err != nil:
			if to != endless {
				return err
			}
			w.warn(ctx, next, err)
			wait = s.opts.PollEvery
		case entry != nil:
			w.failing = false
			if err := fn(ctx, *entry); err != nil {
				return err
			}
			s.tail.saw(next)
			delete(w.seen, next)
			next++
			continue
		}
		if err := pause(ctx, rung, wait); err != nil {
			return err
		}
	}
	return nil
}

// checkEnd returns ErrBehind if the log goes on elsewhere than at the revision that is not there.
func (s *Store) checkEnd(ctx context.Context, missing int64) error {
	last, err := s.LastRevision(ctx)
	if err != nil || last == missing-1 {
		return err
	}
	if _, err := s.changeAt(ctx, missing); !errors.Is(err, ErrNotFound) {
		return err // it has arrived in between
	}
	s.tail.forget()
	return ErrBehind
}

// walker is one walk along the log.
type walker struct {
	s       *Store
	seen    map[int64]pulse // of pending changes
	failing bool
}

// look returns what a revision brings. No entry and no error mean that its writer is not done: look again after a wait.
func (w *walker) look(ctx context.Context, revision int64) (time.Duration, *Entry, error) {
	c, err := w.s.changeAt(ctx, revision)
	if err != nil {
		return 0, nil, err
	}
	if c.State == pending {
		expired, err := w.expired(ctx, c)
		if err != nil || !expired {
			return w.s.shortPause(), nil, err
		}
		if _, err := w.s.settle(ctx, revision, dropped); err != nil {
			return 0, nil, err
		}
		w.s.log.WarnContext(ctx, "change dropped whose writer did not finish", "revision", revision)
		return 0, nil, nil
	}
	if c.State == dropped && c.Set {
		if err := w.s.undo(ctx, revision, c.keys()); err != nil {
			return 0, nil, err
		}
	}
	entry, err := w.s.entry(ctx, c)
	return 0, entry, err
}

// expired reports whether the writer of a pending change is taken for dead. Looking at one starts the clock of all that
// are pending, so that many dead writers cost one period and not many.
func (w *walker) expired(ctx context.Context, c change) (bool, error) {
	now := time.Now()
	if p, known := w.seen[c.Revision]; known {
		p.look(c.Beat, now)
		w.seen[c.Revision] = p
		return p.stopped(now, w.s.opts.GracePeriod), nil
	}
	all, err := w.s.pendingChanges(ctx)
	if err != nil {
		return false, err
	}
	fresh := map[int64]pulse{c.Revision: newPulse(c.Beat, now)}
	for _, o := range all {
		if p, known := w.seen[o.Revision]; known {
			fresh[o.Revision] = p
		} else {
			fresh[o.Revision] = newPulse(o.Beat, now)
		}
	}
	w.seen = fresh
	return false, nil
}

// warn reports trouble once, until it is over.
func (w *walker) warn(ctx context.Context, revision int64, err error) {
	if !w.failing {
		w.s.log.WarnContext(ctx, "change log cannot be read", "revision", revision, "err", err)
	}
	w.failing = true
}

// entry reads the resources that a change names.
func (s *Store) entry(ctx context.Context, c change) (*Entry, error) {
	e := &Entry{Revision: c.Revision}
	for _, k := range c.keys() {
		t, err := traitsOfKind(k.Kind)
		if err != nil {
			s.log.WarnContext(ctx, "change of an unknown kind of resource", "kind", k.Kind, "revision", c.Revision)
			continue
		}
		doc, err := s.raw(ctx, t, k.ID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if err != nil {
			later, err := s.namedLater(ctx, c.Revision, k.ID)
			if err != nil {
				return nil, err
			}
			if !later {
				e.Deletes = append(e.Deletes, k)
			}
			continue
		}
		if revisionOf(doc) > c.Revision {
			continue
		}
		if truth(doc, memberGone) {
			e.Deletes = append(e.Deletes, k)
			continue
		}
		r, err := s.decode(t, doc)
		if err != nil {
			s.log.ErrorContext(ctx, "stored resource cannot be read", "kind", k.Kind, "revision", c.Revision, "err", err)
			continue
		}
		e.Upserts = append(e.Upserts, r)
	}
	return e, nil
}

// String describes the entry for logs.
func (e Entry) String() string {
	return fmt.Sprintf("revision %d: %d written, %d deleted", e.Revision, len(e.Upserts), len(e.Deletes))
}
