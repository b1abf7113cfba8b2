package configsync

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// replayed is a batch that was kept and read again, with its upserts decoded.
func replayed(t *testing.T, r *Replay, b Batch) Batch {
	t.Helper()
	for m, err := range b.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		got, complete, err := r.Add(m)
		if err != nil {
			t.Fatal(err)
		}
		if !complete {
			continue
		}
		for u, err := range got.All() {
			if err != nil {
				t.Fatal(err)
			}
			got.Upserts = append(got.Upserts, u)
		}
		got.Encoded = nil
		return got
	}
	t.Fatal("no batch")
	return b
}

// TestWhatIsKeptIsTheBatch: every field of a batch, so that none is forgotten that is added.
func TestWhatIsKeptIsTheBatch(t *testing.T) {
	first := Batch{
		Installation: "i", Revision: 7, Reset: true, BelongingsOnDemand: true,
		Withheld:   []Withheld{{"d", []uint64{1, 2}}, {"e", []uint64{3}}},
		Registered: []Registered{{Domain: "d", Gone: []uint64{4}, Owners: []string{"o"}}},
		Upserts:    []*configv1.Resource{resource.Wrap(&configv1.Application{Id: "a", Domain: "d"}), resource.Wrap(&configv1.Scope{Id: "s", Domain: "d"})},
		Deletes:    []*configv1.Key{{Kind: "scope", Domain: "d", Id: "x"}},
	}
	v := reflect.ValueOf(first)
	for i := range v.NumField() {
		if v.Field(i).IsZero() && v.Type().Field(i).Name != "Encoded" { // it is Upserts in another form
			t.Errorf("%s is not tried", v.Type().Field(i).Name)
		}
	}
	r := NewReplay()
	if diff := cmp.Diff(first, replayed(t, r, first), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	empty := Batch{Installation: "i", Revision: 8}
	if diff := cmp.Diff(empty, replayed(t, r, empty), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestAReplayBeginsAtTheBeginning(t *testing.T) {
	for m, err := range (Batch{Installation: "i", Revision: 8}).Messages() {
		if err != nil {
			t.Fatal(err)
		}
		if _, complete, err := NewReplay().Add(m); err == nil || complete {
			t.Error("a batch that continues nothing is taken")
		}
	}
	if _, _, err := NewReplay().Add([]byte{0xff}); err == nil {
		t.Error("what is no message is taken")
	}
}
