package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// lifetimes is how many grace periods a change may be pending altogether, whatever signs of life its writer gives:
// everybody who follows the log waits for it.
const lifetimes = 30

var (
	errDropped = errors.New("dropped by somebody who took its writer for dead")
	errTooLong = errors.New("too much to be written in the time that a change may take")
)

// heart gives signs of life while the documents of a set are written. It beats between documents only: a writer that is
// stuck at one, perhaps because it waits for a set that waits for it, is to be taken for dead.
type heart struct {
	s        *Store
	revision int64
	began    time.Time // when the change was announced
	last     time.Time // of the last beat
	n        int64
}

// beat gives a sign of life if one is due. errDropped says that the change is no longer pending, errTooLong that it has
// been for too long.
func (h *heart) beat(ctx context.Context) error {
	now, grace := time.Now(), h.s.opts.GracePeriod
	if now.Sub(h.began) > lifetimes*grace {
		return errTooLong
	}
	if h.last.IsZero() {
		h.last = h.began
	}
	if now.Sub(h.last) < grace/4 {
		return nil
	}
	result, err := h.s.db.Collection(changesCollection).UpdateOne(ctx,
		bson.M{"_id": h.revision, "state": pending}, bson.M{"$set": bson.M{"beat": h.n + 1}})
	if err != nil {
		return h.s.fail(ctx, err)
	}
	if result.MatchedCount == 0 {
		return errDropped
	}
	h.n++
	h.last = now
	return nil
}

// pulse is what somebody who waits for a pending change knows about its writer.
type pulse struct {
	first time.Time // when the change was first seen
	moved time.Time // when its beat was last seen to have moved
	beat  int64
}

func newPulse(beat int64, now time.Time) pulse { return pulse{first: now, moved: now, beat: beat} }

// look takes note of a beat.
func (p *pulse) look(beat int64, now time.Time) {
	if beat != p.beat {
		p.beat, p.moved = beat, now
	}
}

// stopped reports whether the writer is taken for dead. A living one gives up by itself before its time is over, so the
// second limit is for one that does not.
func (p *pulse) stopped(now time.Time, grace time.Duration) bool {
	return now.Sub(p.moved) > grace || now.Sub(p.first) > (lifetimes+1)*grace
}
