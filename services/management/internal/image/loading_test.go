package image

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// TestLoadingIsAMap gathers resources in any order, some twice, with changes after them, and compares what the image holds with a map.
func TestLoadingIsAMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9))
		l, want := NewLoading(), map[resource.Key]resource.Resource{}
		revision := int64(0)
		random := func() resource.Resource {
			revision++
			if r.IntN(6) == 0 {
				return stamped(domain(fmt.Sprint("d", r.IntN(4)), word(r)), revision)
			}
			a := stamped(application(fmt.Sprint("d", r.IntN(3)), fmt.Sprint(r.IntN(60)), word(r), word(r)), revision)
			if r.IntN(2) == 0 {
				a.Registration = &configv1.ClientRegistration{}
			}
			if r.IntN(5) == 0 {
				a.Part = configv1.Application_PROVIDER
			}
			return a
		}
		encoded := func(one resource.Resource) string {
			e, err := configsync.Encode(resource.Wrap(one))
			if err != nil {
				t.Fatal(err)
			}
			return pick(r, "", e.Message())
		}
		var all []resource.Resource
		for range 200 {
			one := random()
			all, want[resource.KeyOf(one)] = append(all, one), one
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, one := range all {
			// What stands twice in one part has two revisions; in two parts nothing can stand at once.
			if held := want[resource.KeyOf(one)]; isProvider(held) == isProvider(one) {
				l.Put(proto.Clone(one).(resource.Resource), encoded(one))
			}
		}
		for range 60 {
			one := random()
			if r.IntN(3) == 0 {
				delete(want, resource.KeyOf(one))
				l.Remove(resource.KeyOf(one))
				continue
			}
			want[resource.KeyOf(one)] = one
			l.Replace(proto.Clone(one).(resource.Resource), encoded(one))
		}
		i := New()
		i.LoadFrom(i.Begin(), revision, l)
		v, _ := i.View()
		got := map[resource.Key]resource.Resource{}
		for one := range v.All() {
			if _, twice := got[resource.KeyOf(one)]; twice {
				t.Fatalf("seed %d: %v is there twice", seed, resource.KeyOf(one))
			}
			got[resource.KeyOf(one)] = one
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
		if v.Revision != revision {
			t.Errorf("revision %d, want %d", v.Revision, revision)
		}
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// TestWhatIsGivenEncodedIsNotCopied: a million clients are in memory once.
func TestWhatIsGivenEncodedIsNotCopied(t *testing.T) {
	a := stamped(application("d", "the-id", "name", "the-client"), 1)
	a.Registration = &configv1.ClientRegistration{}
	e, err := configsync.Encode(resource.Wrap(a))
	if err != nil {
		t.Fatal(err)
	}
	message := e.Message()
	if allocated := testing.AllocsPerRun(100, func() { _ = e.Message() }); allocated != 0 {
		t.Errorf("the message in what is encoded is a copy: %v allocations", allocated)
	}
	_, held := entryAt(a, message)
	if held.encoded != message || held.resource != nil || held.id != "the-id" || held.handle != "the-client" {
		t.Errorf("held is %+v", held)
	}
}
