package configsync

import (
	"fmt"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// state is everything a publisher knows at one moment. It is immutable; a writer puts the next one in its place and
// then closes superseded.
type state struct {
	loaded       bool
	installation string
	revision     int64
	at           time.Time
	image        image
	log          changeLog
	// epoch counts the times the image was replaced by one that does not continue it: places in the log of another epoch
	// mean nothing. It begins at 1.
	epoch      uint64
	superseded chan struct{}
}

func newState() *state {
	return &state{image: newImage(), superseded: make(chan struct{})}
}

// place is how far a stream has come: everything before next in the log of epoch. The zero place is holding nothing.
type place struct {
	epoch uint64
	next  int64
}

// here is the place of someone who holds s.
func (s *state) here() place { return place{s.epoch, s.log.end()} }

// locate returns the place of a subscriber by what it says it holds, and the zero place for one that has to begin anew.
func (s *state) locate(installation string, revision int64) place {
	if installation != s.installation || revision < s.log.floor || revision > s.revision {
		return place{}
	}
	return place{s.epoch, s.log.after(revision)}
}

// behind returns the log's records that someone at p lacks, or false if it has to begin anew.
func (s *state) behind(p place) ([]change, bool) {
	if p.epoch != s.epoch || !s.log.reaches(p.next) {
		return nil, false
	}
	return s.log.since(p.next), true
}

// edited is one change of a batch, encoded; an empty upsert is a deletion.
type edited struct {
	key resource.Key
	stored
}

// apply returns the state after a batch. A revision that is not new leads to no other, but its changes are made.
func (s *state) apply(revision int64, edits []edited, limit int, now time.Time) *state {
	next := s.following(max(revision, s.revision), now)
	changes := make([]change, len(edits))
	var e *edit
	if len(edits) > 1 {
		e = new(edit)
	}
	for i, c := range edits {
		before, _ := next.image.stored(c.key)
		if c.upsert != "" {
			next.image = next.image.with(e, c.key, c.stored)
		} else {
			next.image = next.image.without(c.key)
		}
		changes[i] = change{revision: next.revision, at: now.UnixNano(), key: c.key, correction: revision <= s.revision, gone: gone(before, c.stored)}
	}
	next.log = s.log.with(limit, changes...)
	return next
}

// reload returns the state with another image. At the same revision the differences are corrections. At any other one
// gateways begin anew, even at a later one: a gateway that resumed here may hold what another publisher, which read a
// resource a little later than this one, had at the same revision, and only the changes since would tell.
func (s *state) reload(installation string, revision int64, img image, limit int, now time.Time) *state {
	next := s.following(revision, now)
	next.loaded, next.installation, next.image = true, installation, img
	if !s.loaded || s.installation != installation || s.revision != revision {
		next.epoch++
		next.log = changeLog{floor: revision}
		return next
	}
	var changes []change
	for k := range s.image.differences(img) {
		before, _ := s.image.stored(k)
		after, _ := img.stored(k)
		changes = append(changes, change{revision: revision, at: now.UnixNano(), key: k, correction: true, gone: gone(before, after)})
	}
	if len(changes) == 0 {
		return s
	}
	next.log = s.log.with(limit, changes...)
	return next
}

func (s *state) following(revision int64, now time.Time) *state {
	next := *s
	next.revision, next.at, next.superseded = revision, now, make(chan struct{})
	return &next
}

// Change is one entry of a history: the keys that changed at a revision; none if the revision was dropped.
type Change struct {
	Revision int64
	Keys     []resource.Key
}

// recall returns a freshly loaded state with what is known of the time before it.
func (s *state) recall(history []Change, limit int) (*state, error) {
	if len(history) == 0 {
		return s, nil
	}
	next := *s
	var changes []change
	revision := history[0].Revision
	next.log = changeLog{floor: revision - 1}
	for _, h := range history {
		if h.Revision != revision {
			return nil, fmt.Errorf("history names revision %d where %d was due", h.Revision, revision)
		}
		for _, k := range h.Keys {
			changes = append(changes, change{revision: revision, at: s.at.UnixNano(), key: k})
		}
		revision++
	}
	if revision-1 != s.revision {
		return nil, fmt.Errorf("history ends at revision %d, the image is of %d", revision-1, s.revision)
	}
	next.log = next.log.with(limit, changes...)
	return &next, nil
}
