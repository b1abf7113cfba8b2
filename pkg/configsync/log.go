package configsync

import (
	"slices"
	"sort"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// changeLog is which resource changed when, oldest first, as far back as its limit allows. It never carries content:
// whoever reads it looks at the image. It is immutable to its readers; one writer at a time makes the next one.
//
// A place in the log is counted from its beginning, which may be gone by now.
type changeLog struct {
	records []change
	// start is the place of the first record.
	start int64
	// floor is the lowest revision from which the log is complete: it names everything that changed after it.
	floor int64
}

type change struct {
	revision int64
	// at is when the change came, in Unix nanoseconds.
	at  int64
	key resource.Key
	// correction marks a change of what the revision holds, without a new one: who holds that revision may lack it.
	correction bool
	// gone is the hash of a client_id by which the change leaves no registered client; 0 for none, or where that is not known.
	gone uint64
}

// end is the place after the last record.
func (l changeLog) end() int64 { return l.start + int64(len(l.records)) }

// reaches says whether the log still has everything from a place on.
func (l changeLog) reaches(place int64) bool { return place >= l.start && place <= l.end() }

// since returns the records from a place on.
func (l changeLog) since(place int64) []change { return l.records[place-l.start:] }

// after returns the place from which on the log says what someone who holds revision lacks. Revision is not below the
// floor.
func (l changeLog) after(revision int64) int64 {
	i := sort.Search(len(l.records), func(i int) bool { return l.records[i].revision > revision })
	for i > 0 && l.records[i-1].correction && l.records[i-1].revision == revision {
		i--
	}
	return l.start + int64(i)
}

// firstAfter returns when the first change after revision came.
func (l changeLog) firstAfter(revision int64) (time.Time, bool) {
	i := sort.Search(len(l.records), func(i int) bool { return l.records[i].revision > revision })
	if i == len(l.records) {
		return time.Time{}, false
	}
	return time.Unix(0, l.records[i].at), true
}

// with returns the log with more records, without the oldest where there are more than limit.
func (l changeLog) with(limit int, more ...change) changeLog {
	// Appending writes only behind what readers of older logs can see.
	l.records = append(l.records, more...)
	if excess := len(l.records) - limit; excess > 0 {
		last := l.records[excess-1]
		l.floor = max(l.floor, last.revision)
		if last.correction {
			l.floor = max(l.floor, last.revision+1)
		}
		l.start += int64(excess)
		l.records = l.records[excess:]
		if len(more) > limit {
			l.records = slices.Clone(l.records) // let go of a large array at once
		}
	}
	return l
}
