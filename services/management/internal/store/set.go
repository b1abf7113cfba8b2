package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// writeSet writes several resources under one revision. Until the change is settled every document carries what was there
// before, so that the writer, or whoever finds that the writer died, can put it back.
func (w *writer) writeSet(ctx context.Context) (int64, error) {
	for range maxAnnouncements {
		revision, err := w.s.announce(ctx, w.keys, true, pending)
		if err != nil {
			return 0, err
		}
		if err := w.step(Announced, revision); err != nil {
			return 0, err
		}
		h := heart{s: w.s, revision: revision, began: time.Now()}
		err = w.record(ctx, revision, h.beat)
		if err == nil {
			err = w.writeAll(ctx, revision, &h)
		}
		switch {
		case errors.Is(err, errDropped):
			w.undo(ctx, revision)
			w.forget(ctx, w.recorded)
			continue
		case err != nil:
			err = w.drop(ctx, revision, err)
			if !away(err) && !errors.As(err, &died{}) {
				w.undo(ctx, revision)
			}
			return 0, err
		}
		if err := w.step(Written, revision); err != nil {
			return 0, err
		}
		ours, err := w.s.settle(ctx, revision, settled)
		if err != nil {
			return 0, err
		}
		if !ours {
			// Taken for dead. Who dropped the change may have passed before the last document was written.
			w.undo(ctx, revision)
			w.forget(ctx, w.recorded)
			continue
		}
		w.s.written.ring() // followers need not wait for the rest
		if err := w.step(Settled, revision); err != nil {
			return revision, err
		}
		if err := w.s.clear(ctx, revision, w.keys); err != nil {
			w.s.log.WarnContext(ctx, "change set not cleared away", "revision", revision, "err", err)
		}
		return revision, nil
	}
	return 0, w.tooSlow()
}

func (w *writer) undo(ctx context.Context, revision int64) {
	if err := w.s.undo(ctx, revision, w.keys); err != nil {
		w.s.log.WarnContext(ctx, "change set not undone", "revision", revision, "err", err)
	}
}

func (w *writer) writeAll(ctx context.Context, revision int64, h *heart) error {
	for i, op := range w.ops {
		err := h.beat(ctx)
		if err != nil {
			return fmt.Errorf("change of %s and %d more: %w", w.keys[0], len(w.keys)-1, err)
		}
		switch t := w.traits[i]; {
		case op.Old == nil:
			err = w.s.insert(ctx, t, op.New, revision, true)
		case op.New == nil:
			err = w.s.replaceInSet(ctx, t, op.Old, nil, revision)
		default:
			err = w.s.replaceInSet(ctx, t, op.Old, op.New, revision)
		}
		if err != nil {
			return err
		}
		if err := w.step(Wrote, revision); err != nil {
			return err
		}
	}
	return nil
}

// replaceInSet puts fresh, or a sign that the resource is gone, in the place of old and keeps the old document with it.
func (s *Store) replaceInSet(ctx context.Context, t traits, old, fresh resource.Resource, revision int64) error {
	var before bson.D
	for range maxResolutions {
		var err error
		if before, err = s.raw(ctx, t, old.GetId()); err != nil {
			return err
		}
		if !truth(before, memberSet) {
			break
		}
		if err := s.resolve(ctx, revisionOf(before)); err != nil {
			return err
		}
	}
	if revisionOf(before) != old.GetRevision() || truth(before, memberSet) {
		return ErrStale
	}
	doc := bson.M{}
	if fresh != nil {
		resource.Stamp(fresh, resource.Stamps{Revision: revision})
		var err error
		if doc, err = s.encode(t, fresh); err != nil {
			return err
		}
	} else {
		for _, e := range before {
			if e.Key == "_id" || e.Key == "domain" || strings.HasPrefix(e.Key, "_") {
				doc[e.Key] = e.Value
			}
		}
		doc["revision"] = revision
		doc[memberGone] = true
	}
	doc[memberSet] = true
	doc[memberBefore] = before
	return s.swap(ctx, t, old.GetId(), old.GetRevision(), func(filter bson.M) (int64, error) {
		result, err := s.db.Collection(t.collection).ReplaceOne(ctx, filter, doc)
		if err != nil {
			return 0, s.failWrite(ctx, t, doc, err)
		}
		return result.MatchedCount, nil
	})
}

// clear ends a settled set: what is gone is deleted, what was before is forgotten. It may be repeated.
func (s *Store) clear(ctx context.Context, revision int64, keys []resource.Key) error {
	return s.eachOfSet(ctx, revision, keys, func(t traits, filter bson.M, doc bson.D) error {
		c := s.db.Collection(t.collection)
		if truth(doc, memberGone) {
			_, err := c.DeleteOne(ctx, filter)
			return s.fail(ctx, err)
		}
		_, err := c.UpdateOne(ctx, filter, bson.M{"$unset": bson.M{memberSet: "", memberBefore: ""}})
		return s.fail(ctx, err)
	})
}

// undo puts back what was there before a dropped set, the last written first: a unique value may have gone from one resource to
// another. It may be repeated.
func (s *Store) undo(ctx context.Context, revision int64, keys []resource.Key) error {
	keys = slices.Clone(keys)
	slices.Reverse(keys)
	return s.eachOfSet(ctx, revision, keys, func(t traits, filter bson.M, doc bson.D) error {
		c := s.db.Collection(t.collection)
		before, ok := member(doc, memberBefore).(bson.D)
		if !ok {
			_, err := c.DeleteOne(ctx, filter)
			return s.fail(ctx, err)
		}
		_, err := c.ReplaceOne(ctx, filter, before)
		return s.fail(ctx, err)
	})
}

// eachOfSet runs do for every document that is still as the set of this revision wrote it.
func (s *Store) eachOfSet(ctx context.Context, revision int64, keys []resource.Key, do func(traits, bson.M, bson.D) error) error {
	for _, k := range keys {
		t, err := traitsOfKind(k.Kind)
		if err != nil {
			continue // a kind that this version does not know; a newer process will do it
		}
		doc, err := s.raw(ctx, t, k.ID)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !truth(doc, memberSet) || revisionOf(doc) != revision {
			continue
		}
		if err := do(t, bson.M{"_id": k.ID, "revision": revision, memberSet: true}, doc); err != nil {
			return err
		}
	}
	return nil
}

// resolve brings the change set of a revision to its end, for somebody who found a document of it: a settled one is
// cleared away, a dropped one undone. The writer of a pending one gets the time that followers give it.
func (s *Store) resolve(ctx context.Context, revision int64) error {
	var p *pulse
	for {
		rung := s.written.ringing()
		c, err := s.changeAt(ctx, revision)
		if err != nil {
			return err
		}
		switch c.State {
		case settled:
			return s.clear(ctx, revision, c.keys())
		case dropped:
			return s.undo(ctx, revision, c.keys())
		}
		now := time.Now()
		if p == nil {
			first := newPulse(c.Beat, now)
			p = &first
		}
		p.look(c.Beat, now)
		if p.stopped(now, s.opts.GracePeriod) {
			if _, err := s.settle(ctx, revision, dropped); err != nil {
				return err
			}
			continue
		}
		if err := pause(ctx, rung, s.shortPause()); err != nil {
			return err
		}
	}
}

func (c change) keys() []resource.Key {
	keys := make([]resource.Key, len(c.Keys))
	for i, k := range c.Keys {
		keys[i] = k.key()
	}
	return keys
}

// shortPause is how long to wait for something that is about to happen.
func (s *Store) shortPause() time.Duration { return min(s.opts.PollEvery, 20*time.Millisecond) }
