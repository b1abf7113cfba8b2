package configsync

import (
	"fmt"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// TestAStateIsGatheredByMany: 32 at once put the same applications and take every third away; each is there once in the end.
func TestAStateIsGatheredByMany(t *testing.T) {
	all := applications("d", 300)
	l := NewLoading()
	var gathering sync.WaitGroup
	for range 32 {
		gathering.Go(func() {
			for _, r := range all {
				e, err := Encode(r)
				if err != nil {
					t.Error(err)
					return
				}
				l.Put(e)
			}
		})
	}
	gathering.Wait()
	for i, r := range all {
		if i%3 == 0 {
			l.Delete(resource.KeyOf(resource.Unwrap(r)))
		}
	}
	l.Delete(resource.Key{Kind: "application", Domain: "elsewhere", ID: "x"})
	p := NewPublisher(PublisherOptions{})
	if err := p.LoadFrom("i", 7, l); err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		held, ok := p.Get(resource.KeyOf(resource.Unwrap(r)))
		if ok != (i%3 != 0) || ok && !proto.Equal(held, r) {
			t.Errorf("application %d is held as %v, %t", i, held, ok)
		}
	}
	if err := NewPublisher(PublisherOptions{}).LoadFrom("", 1, NewLoading()); err == nil {
		t.Error("a state without an installation was taken")
	}
}

func TestEncodedResourcesAreApplied(t *testing.T) {
	all := applications("d", 3)
	p := NewPublisher(PublisherOptions{})
	load(t, p, "i", 1, all[:1]...)
	var upserts []Encoded
	for _, r := range all[1:] {
		e, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		upserts = append(upserts, e)
	}
	gone := resource.KeyOf(resource.Unwrap(all[0]))
	if err := p.ApplyEncoded(2, upserts, []resource.Key{gone}); err != nil {
		t.Fatal(err)
	}
	if _, held := p.Get(gone); held {
		t.Error("what was deleted is held")
	}
	for _, r := range all[1:] {
		if held, ok := p.Get(resource.KeyOf(resource.Unwrap(r))); !ok || !proto.Equal(held, r) {
			t.Errorf("held is %v, %t", held, ok)
		}
	}
	if err := p.ApplyEncoded(3, nil, []resource.Key{{Kind: "application"}}); err == nil {
		t.Error("a key without a domain was taken")
	}
}

func TestTheMessageInWhatIsEncoded(t *testing.T) {
	for _, size := range []int{0, 1, 100, 200, 20_000, 3_000_000} { // lengths of one byte and more
		a := &configv1.Application{Id: "a", Domain: "d", Name: "n", Description: fmt.Sprintf("%0*d", size, 1)}
		e, err := Encode(resource.Wrap(a))
		if err != nil {
			t.Fatal(err)
		}
		var back configv1.Application
		if err := proto.Unmarshal([]byte(e.Message()), &back); err != nil || !proto.Equal(&back, a) {
			t.Errorf("with %d bytes: %v", size, err)
		}
	}
}
