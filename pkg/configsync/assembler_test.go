package configsync

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

type response = configsyncv1.WatchResponse

func TestAssembler(t *testing.T) {
	a, b := application("d", "a", 6), application("d", "b", 6)
	tests := []struct {
		name   string
		parts  []*response
		want   []Batch
		broken bool
	}{
		{
			name:  "a whole batch",
			parts: []*response{{Installation: "i", Revision: 6, Upserts: []*configv1.Resource{a}}},
			want:  []Batch{{Installation: "i", Revision: 6, Upserts: []*configv1.Resource{a}}},
		},
		{
			name: "parts become one batch",
			parts: []*response{
				{Installation: "i", Revision: 6, Reset_: true, Partial: true, Upserts: []*configv1.Resource{a}},
				{Installation: "i", Revision: 6, Partial: true, Deletes: []*configv1.Key{key("d", "c").Proto()}},
				{Installation: "i", Revision: 6, Upserts: []*configv1.Resource{b}},
			},
			want: []Batch{{
				Installation: "i", Revision: 6, Reset: true,
				Upserts: []*configv1.Resource{a, b}, Deletes: []*configv1.Key{key("d", "c").Proto()},
			}},
		},
		{
			name:  "half a batch is none",
			parts: []*response{{Installation: "i", Revision: 6, Partial: true, Upserts: []*configv1.Resource{a}}},
		},
		{
			name:  "a reset may go back",
			parts: []*response{{Installation: "i", Revision: 2, Reset_: true}},
			want:  []Batch{{Installation: "i", Revision: 2, Reset: true}},
		},
		{
			name:  "a reset may change the installation, and what follows continues it",
			parts: []*response{{Installation: "j", Revision: 2, Reset_: true}, {Installation: "j", Revision: 3}},
			want:  []Batch{{Installation: "j", Revision: 2, Reset: true}, {Installation: "j", Revision: 3}},
		},
		{
			name:  "the same revision again is a correction",
			parts: []*response{{Installation: "i", Revision: 5, Upserts: []*configv1.Resource{a}}},
			want:  []Batch{{Installation: "i", Revision: 5, Upserts: []*configv1.Resource{a}}},
		},
		{name: "a step back is refused", parts: []*response{{Installation: "i", Revision: 4}}, broken: true},
		{name: "a step in another installation is refused", parts: []*response{{Installation: "j", Revision: 6}}, broken: true},
		{name: "a batch of no installation is refused", parts: []*response{{Revision: 6, Reset_: true}}, broken: true},
		{
			name:   "parts of different batches are refused",
			parts:  []*response{{Installation: "i", Revision: 6, Partial: true}, {Installation: "i", Revision: 7}},
			broken: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			as := assembler{installation: "i", revision: 5}
			var got []Batch
			var broken error
			for _, m := range tt.parts {
				b, complete, err := as.add(m)
				if err != nil {
					broken = err
					break
				}
				if complete {
					got = append(got, b)
				}
			}
			if errors.Is(broken, errBroken) != tt.broken {
				t.Errorf("error is %v, want one: %t", broken, tt.broken)
			}
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("batches (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPauseGrowsToASecond(t *testing.T) {
	var b backoff
	for _, bound := range []time.Duration{20, 40, 80, 160, 320, 640, 1000, 1000, 1000} {
		bound *= time.Millisecond
		if got := b.next(); got < bound/2 || got > bound {
			t.Errorf("a pause of %v, want %v to %v", got, bound/2, bound)
		}
	}
}

func TestReportFitsIntoAMessage(t *testing.T) {
	long := make([]byte, 3*maxReasonBytes)
	for i := range long {
		long[i] = "é"[i%2]
	}
	all := make([]*configsyncv1.Rejection, 3*MaxRejections)
	for i := range all {
		all[i] = &configsyncv1.Rejection{Key: key("d", "a").Proto(), Reason: "x" + string(long)}
	}
	got := presentable(all)
	if len(got) != MaxRejections {
		t.Errorf("%d rejections, want %d", len(got), MaxRejections)
	}
	if n := len(got[0].GetReason()); n > maxReasonBytes || n < maxReasonBytes-1 {
		t.Errorf("a reason of %d bytes, want whole characters of at most %d", n, maxReasonBytes)
	}
	if got := presentable([]*configsyncv1.Rejection{{Reason: "not \xff text"}})[0].GetReason(); got != "not  text" {
		t.Errorf("reason %q", got)
	}
}
