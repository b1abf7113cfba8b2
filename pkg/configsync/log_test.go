package configsync

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

func at(revision int64, id string) change {
	return change{revision: revision, key: resource.Key{Kind: "scope", Domain: "d", ID: id}}
}

func correction(revision int64, id string) change {
	c := at(revision, id)
	c.correction = true
	return c
}

func TestLogSaysWhatSomeoneLacks(t *testing.T) {
	begun := changeLog{floor: 10}
	tests := []struct {
		name     string
		log      changeLog
		revision int64
		want     []string // nil: the log does not reach back
	}{
		{"an empty log has nothing to add to its floor", begun, 10, []string{}},
		{"an empty log knows nothing of what was before", begun, 9, nil},
		{"what came after the revision held", begun.with(9, at(11, "a"), at(12, "b"), at(13, "c")), 11, []string{"b", "c"}},
		{"a change set is one revision", begun.with(9, at(11, "a"), at(12, "b"), at(12, "c")), 11, []string{"b", "c"}},
		{"a revision that never was is no place to go on from", begun.with(9, at(11, "a"), at(20, "b")), 21, nil},
		{"revisions without changes are passed over", begun.with(9, at(11, "a"), at(14, "b")), 12, []string{"b"}},
		{"a full log forgets the oldest", begun.with(2, at(11, "a"), at(12, "b"), at(13, "c")), 10, nil},
		{"a full log still reaches back to what it forgot", begun.with(2, at(11, "a"), at(12, "b"), at(13, "c")), 11, []string{"b", "c"}},
		{
			"a full log serves who holds a revision that it forgot half of",
			begun.with(2, at(11, "a"), at(11, "b"), at(12, "c")), 11, []string{"c"},
		},
		{
			"a correction is for those who hold the corrected revision, too",
			begun.with(9, at(11, "a"), correction(11, "b"), at(12, "c")), 11, []string{"b", "c"},
		},
		{
			"a correction is also for those who hold less",
			begun.with(9, at(11, "a"), correction(11, "b")), 10, []string{"a", "b"},
		},
		{
			"a correction of an earlier revision is not repeated",
			begun.with(9, at(11, "a"), correction(11, "b"), at(12, "c")), 12, []string{},
		},
		{
			"a forgotten correction takes its revision with it",
			begun.with(1, at(11, "a"), correction(11, "b"), at(12, "c")), 11, nil,
		},
		{
			"a log of which nothing is left begins with the last revision",
			begun.with(1, at(11, "a")).with(1, at(12, "b")), 11, []string{"b"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &state{installation: "i", revision: 20, log: tt.log, epoch: 1}
			changes, ok := s.behind(s.locate("i", tt.revision))
			var got []string
			if ok {
				got = []string{}
			}
			for _, c := range changes {
				got = append(got, c.key.ID)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogReadersSeeNothingNewer(t *testing.T) {
	l := changeLog{}.with(100, at(1, "a"))
	for revision := int64(2); revision < 50; revision++ {
		place, old := l.end(), l
		l = l.with(10, at(revision, "x"))
		if got := len(old.since(place)); got != 0 {
			t.Fatalf("an older log shows %d newer changes", got)
		}
		if got := l.since(place); len(got) != 1 || got[0].revision != revision {
			t.Fatalf("a place taken before revision %d leads to %v", revision, got)
		}
		if len(l.records) > 10 {
			t.Fatalf("a log of at most 10 changes has %d", len(l.records))
		}
	}
	if l.reaches(0) {
		t.Error("a full log claims to reach back to its beginning")
	}
}
