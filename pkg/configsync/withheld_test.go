package configsync

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// registered returns a client that registered itself.
func registered(domain, id string, revision int64) *configv1.Resource {
	r := application(domain, id, revision)
	a := r.GetApplication()
	a.Registration = &configv1.ClientRegistration{}
	a.Settings = &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{ClientId: "client-" + id}}
	return r
}

func hashes(ids ...string) []uint64 {
	all := make([]uint64, len(ids))
	for i, id := range ids {
		all[i] = HashClient("client-" + id)
	}
	slices.Sort(all)
	return all
}

// everything returns what someone who holds nothing is sent: the ids of the applications, and what is withheld by domain.
func everything(t *testing.T, p *Publisher, c cut) (ids []string, withheld map[string][]uint64) {
	t.Helper()
	var a assembler
	for _, m := range received(t, p.current.Load(), place{}, nil, c) {
		b, complete, err := a.add(m)
		if err != nil {
			t.Fatal(err)
		}
		if !complete {
			continue
		}
		withheld = map[string][]uint64{}
		for _, r := range b.Upserts {
			ids = append(ids, r.GetApplication().GetId())
		}
		for _, w := range b.Withheld {
			if withheld[w.Domain] != nil {
				t.Errorf("domain %q is named twice", w.Domain)
			}
			slices.Sort(w.Clients)
			withheld[w.Domain] = w.Clients
		}
	}
	slices.Sort(ids)
	return ids, withheld
}

func TestRegisteredClientsOfALargeDomainAreNamedInsteadOfSent(t *testing.T) {
	template := registered("many", "template", 1)
	template.GetApplication().Template = true
	p := NewPublisher(PublisherOptions{})
	load(t, p, "i", 1,
		application("many", "own", 1), template, registered("many", "a", 1), registered("many", "b", 1), registered("many", "c", 1),
		application("few", "other", 1), registered("few", "x", 1), registered("few", "y", 1))
	tests := []struct {
		name     string
		most     int64
		want     []string
		withheld map[string][]uint64
	}{
		{"any number is sent", 0, []string{"a", "b", "c", "other", "own", "template", "x", "y"}, map[string][]uint64{}},
		{"as many as may be are sent", 3, []string{"a", "b", "c", "other", "own", "template", "x", "y"}, map[string][]uint64{}},
		{"of a domain with more none is sent, except templates", 2, []string{"other", "own", "template", "x", "y"}, map[string][]uint64{"many": hashes("a", "b", "c")}},
		{"each domain counts for itself", 1, []string{"other", "own", "template"}, map[string][]uint64{"many": hashes("a", "b", "c"), "few": hashes("x", "y")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range []cut{{resources: 500, bytes: 1 << 20, registered: tt.most}, {resources: 1, bytes: 16, registered: tt.most}} {
				ids, withheld := everything(t, p, c)
				if diff := cmp.Diff(tt.want, ids); diff != "" {
					t.Errorf("sent, cut at %d bytes (-want +got):\n%s", c.bytes, diff)
				}
				if diff := cmp.Diff(tt.withheld, withheld); diff != "" {
					t.Errorf("withheld, cut at %d bytes (-want +got):\n%s", c.bytes, diff)
				}
			}
		})
	}
}

func TestRegisteredClientsAreCountedAsTheyComeAndGo(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	load(t, p, "i", 1, registered("d", "a", 1), registered("d", "b", 1))
	count := func() int {
		d, _ := p.current.Load().image.domains.get("d")
		return d.registered
	}
	template := registered("d", "a", 3)
	template.GetApplication().Template = true
	for i, step := range []struct {
		name  string
		batch Batch
		want  int
	}{
		{"one changes", Batch{Revision: 2, Upserts: []*configv1.Resource{registered("d", "a", 2)}}, 2},
		{"one becomes a template", Batch{Revision: 3, Upserts: []*configv1.Resource{template}}, 1},
		{"two come", Batch{Revision: 4, Upserts: []*configv1.Resource{registered("d", "c", 4), registered("d", "e", 4)}}, 3},
		{"one goes", Batch{Revision: 5, Deletes: []*configv1.Key{key("d", "b").Proto()}}, 2},
		{"one goes that never was", Batch{Revision: 6, Deletes: []*configv1.Key{key("d", "never").Proto()}}, 2},
	} {
		if err := p.Apply(step.batch); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != step.want {
			t.Errorf("step %d, %s: %d registered clients are counted, want %d", i, step.name, n, step.want)
		}
	}
}

// What changes afterwards is sent, so that a gateway that holds a client, because it asked, learns of it at once.
func TestChangesOfWhatIsWithheldAreSent(t *testing.T) {
	p, h := publisher(t, PublisherOptions{})
	load(t, p, "i", 1, registered("d", "a", 1), registered("d", "b", 1))
	g := subscribe(t, h, "g", SubscriberOptions{MostRegistered: 1, Lean: true})
	held := func() []resource.Key {
		var keys []resource.Key
		for k := range g.mirror.held {
			keys = append(keys, k)
		}
		return keys
	}
	g.mirror.await(t, "the first batch", func() bool { return g.mirror.revision == 1 && len(held()) == 0 })
	apply(t, p, 2, registered("d", "a", 2))
	g.mirror.await(t, "the change", func() bool { return g.mirror.revision == 2 && len(held()) == 1 && held()[0] == key("d", "a") })
	if err := p.Apply(Batch{Revision: 3, Deletes: []*configv1.Key{key("d", "a").Proto()}}); err != nil {
		t.Fatal(err)
	}
	g.mirror.await(t, "the deletion", func() bool { return g.mirror.revision == 3 && len(held()) == 0 })
}

func TestWithheldClientsTravelInFewMessages(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	const n = 20_000
	all := make([]*configv1.Resource, n)
	for i := range all {
		all[i] = registered("d", fmt.Sprint(i), 1)
	}
	load(t, p, "i", 1, all...)
	parts := received(t, p.current.Load(), place{}, nil, cut{resources: 500, bytes: 1 << 20, registered: 100})
	if len(parts) != 1 || len(parts[0].GetWithheld()) != 1 || len(parts[0].GetWithheld()[0].GetClients()) != n {
		t.Errorf("%d clients are named in %d parts", n, len(parts))
	}
}
