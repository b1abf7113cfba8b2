package configsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// application is a small one, as a publisher is given it.
func application(domain, id string, revision int64) *configv1.Resource {
	return resource.Wrap(&configv1.Application{Id: id, Domain: domain, Revision: revision, Name: "app " + id})
}

func key(domain, id string) resource.Key {
	return resource.Key{Kind: "application", Domain: domain, ID: id}
}

func TestEveryKindIsKeptAndRead(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	var all []*configv1.Resource
	for _, kind := range resource.Kinds() {
		r := resource.New(kind)
		resource.Stamp(r, resource.Stamps{ID: "x", Domain: "d", Revision: 3})
		all = append(all, resource.Wrap(r))
	}
	if err := p.Load("i", 3, all); err != nil {
		t.Fatal(err)
	}
	for i, kind := range resource.Kinds() {
		got, ok := p.Get(resource.Key{Kind: kind, Domain: "d", ID: "x"})
		if !ok {
			t.Errorf("%s is missing", kind)
			continue
		}
		if diff := cmp.Diff(all[i], got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

// received returns what a gateway makes of the parts of a batch.
func received(t *testing.T, s *state, p place, f filter, c cut) []*configsyncv1.WatchResponse {
	t.Helper()
	var all []*configsyncv1.WatchResponse
	for part := range s.batch(p, f, c) {
		b, err := proto.Marshal(part.message)
		if err != nil {
			t.Fatal(err)
		}
		m := &configsyncv1.WatchResponse{}
		if err := proto.Unmarshal(b, m); err != nil {
			t.Fatal(err)
		}
		if len(m.ProtoReflect().GetUnknown()) > 0 {
			t.Error("a part has fields that a gateway does not know")
		}
		if got := len(m.GetUpserts()) + len(m.GetDeletes()); got != part.resources {
			t.Errorf("a part of %d resources says it has %d", got, part.resources)
		}
		all = append(all, m)
	}
	return all
}

func TestBatchIsDividedIntoParts(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	var apps []*configv1.Resource
	for i := range 10 {
		apps = append(apps, application("d", fmt.Sprint(i), 1))
	}
	if err := p.Load("i", 1, apps); err != nil {
		t.Fatal(err)
	}
	big := application("d", "big", 2)
	big.GetApplication().Description = strings.Repeat("x", 5000)
	if err := p.Apply(Batch{Revision: 2, Upserts: []*configv1.Resource{big}, Deletes: []*configv1.Key{key("d", "3").Proto()}}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		cut   cut
		check func(*configsyncv1.WatchResponse) bool
	}{
		{"by number", cut{resources: 3, bytes: 1 << 20}, func(m *configsyncv1.WatchResponse) bool { return len(m.GetUpserts()) <= 3 }},
		{"by size, a large resource alone", cut{resources: 100, bytes: 60}, func(m *configsyncv1.WatchResponse) bool {
			return len(m.GetUpserts()) == 1 || proto.Size(m) < 100
		}},
		{"not at all where it fits", cut{resources: 100, bytes: 1 << 20}, func(m *configsyncv1.WatchResponse) bool { return len(m.GetUpserts()) == 10 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parts := received(t, p.current.Load(), place{}, nil, tt.cut)
			var ids []string
			for i, m := range parts {
				if first := i == 0; m.GetReset_() != first {
					t.Errorf("part %d: reset is %t", i, m.GetReset_())
				}
				if last := i == len(parts)-1; m.GetPartial() == last {
					t.Errorf("part %d of %d: partial is %t", i, len(parts), m.GetPartial())
				}
				if m.GetRevision() != 2 || m.GetInstallation() != "i" {
					t.Errorf("part %d leads to %q %d", i, m.GetInstallation(), m.GetRevision())
				}
				if !tt.check(m) {
					t.Errorf("part %d has %d upserts, %d bytes", i, len(m.GetUpserts()), proto.Size(m))
				}
				for _, u := range m.GetUpserts() {
					ids = append(ids, u.GetApplication().GetId())
				}
			}
			slices.Sort(ids)
			if diff := cmp.Diff([]string{"0", "1", "2", "4", "5", "6", "7", "8", "9", "big"}, ids); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBatchIsTheLastStateOfWhatChanged(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	if err := p.Load("i", 1, []*configv1.Resource{application("d", "a", 1), application("d", "b", 1), application("e", "c", 1)}); err != nil {
		t.Fatal(err)
	}
	from := p.current.Load().here()
	for revision := int64(2); revision < 10; revision++ {
		if err := p.Apply(Batch{Revision: revision, Upserts: []*configv1.Resource{application("d", "a", revision), application("e", "c", revision)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Apply(Batch{Revision: 10, Deletes: []*configv1.Key{key("e", "c").Proto(), key("e", "never").Proto()}}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		only []string
		want *configsyncv1.WatchResponse
	}{
		{"of every domain", nil, &configsyncv1.WatchResponse{
			Installation: "i", Revision: 10, Upserts: []*configv1.Resource{application("d", "a", 9)},
			Deletes: []*configv1.Key{key("e", "c").Proto(), key("e", "never").Proto()},
		}},
		{"of one domain", []string{"d"}, &configsyncv1.WatchResponse{
			Installation: "i", Revision: 10, Upserts: []*configv1.Resource{application("d", "a", 9)},
		}},
		{"of a domain without changes: only the revision", []string{"f"}, &configsyncv1.WatchResponse{Installation: "i", Revision: 10}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := received(t, p.current.Load(), from, newFilter(tt.only), cut{resources: 100, bytes: 1 << 20})
			if diff := cmp.Diff([]*configsyncv1.WatchResponse{tt.want}, got, protocmp.Transform()); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}
