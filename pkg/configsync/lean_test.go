package configsync

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// TestALeanSubscriberHoldsTheSame: in parts, at once, and change by change.
func TestALeanSubscriberHoldsTheSame(t *testing.T) {
	p, h := publisher(t, PublisherOptions{PartResources: 7})
	load(t, p, "i", 1, applications("d", 40)...)
	g := subscribe(t, h, "a", SubscriberOptions{Lean: true})
	g.mirror.awaitRevision(t, 1)
	apply(t, p, 2, application("d", "3", 2), application("e", "new", 2))
	if err := p.Apply(Batch{Revision: 3, Deletes: []*configv1.Key{key("d", "4").Proto()}}); err != nil {
		t.Fatal(err)
	}
	g.mirror.awaitRevision(t, 3)
	want := map[resource.Key]*configv1.Resource{}
	for _, r := range append(applications("d", 40), application("d", "3", 2), application("e", "new", 2)) {
		want[resource.KeyOf(resource.Unwrap(r))] = r
	}
	delete(want, key("d", "4"))
	if wrong := g.mirror.differences(want); len(wrong) > 0 {
		t.Error(wrong)
	}
}

func TestLeanMessages(t *testing.T) {
	all := applications("d", 5)
	whole, err := proto.Marshal(&configsyncv1.WatchResponse{
		Installation: "i", Revision: 9, Partial: true, Upserts: all, Deletes: []*configv1.Key{key("d", "gone").Proto()},
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) (*configsyncv1.WatchResponse, error) {
		m := new(configsyncv1.WatchResponse)
		return m, newLean().Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, m)
	}
	m, err := read(whole)
	if err != nil || m.GetInstallation() != "i" || m.GetRevision() != 9 || !m.GetPartial() || len(m.GetDeletes()) != 1 || len(m.GetUpserts()) != 0 {
		t.Fatalf("read is %v, %v", m, err)
	}
	b := Batch{Upserts: all[:1], Encoded: [][]byte{m.ProtoReflect().GetUnknown()}}
	n := 0
	for r, err := range b.All() {
		if want := all[max(0, n-1)]; err != nil || !proto.Equal(r, want) {
			t.Errorf("upsert %d is %v, %v", n, r, err)
		}
		if n++; n == 3 {
			break // who has seen enough
		}
	}
	for n := range len(whole) {
		_, _ = read(whole[:n])
	}
	if _, err := read(whole[:len(whole)-1]); err == nil {
		t.Error("a message without its end was read")
	}
	if _, err := read([]byte{4 << 3, 1}); err == nil {
		t.Error("an upsert that is a number was read")
	}
	// A resource that cannot be read keeps nobody from reading the others.
	broken := slices.Concat([]byte{4<<3 | 2, 2, 0xff, 0xff}, m.ProtoReflect().GetUnknown())
	verdicts := ""
	for r, err := range (Batch{Encoded: [][]byte{broken}}).All() {
		verdicts += fmt.Sprint(r != nil, err == nil, " ")
	}
	if want := "false false true true true true true true true true true true "; verdicts != want {
		t.Errorf("read are %q, want %q", verdicts, want)
	}
}

// TestTheFormOfAnUpsert: what came encoded by a publisher can be kept as it is, and nothing else.
func TestTheFormOfAnUpsert(t *testing.T) {
	r := application("d", "a", 1)
	form, err := proto.Marshal(resource.Unwrap(r))
	if err != nil {
		t.Fatal(err)
	}
	one, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		upsert Arrived
		want   []byte
	}{
		"as publishers write it":      {Arrived{encoded: one}, form},
		"decoded":                     {Arrived{message: r}, nil},
		"in two pieces":               {Arrived{encoded: slices.Concat(one, one)}, nil},
		"with what is not known here": {Arrived{encoded: slices.Concat(one, []byte{0xf8, 0x3f, 1})}, nil},
		"without an end":              {Arrived{encoded: one[:len(one)-1]}, nil},
		"a number":                    {Arrived{encoded: []byte{1 << 3, 5}}, nil},
		"nothing":                     {Arrived{encoded: []byte{}}, nil},
	} {
		if got := tt.upsert.Message(); string(got) != string(tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%s: the form is %q, want %q", name, got, tt.want)
		}
	}
}
