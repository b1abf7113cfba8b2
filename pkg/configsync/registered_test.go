package configsync

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func form(domain, id, owner string, revision int64) *configv1.Resource {
	return resource.Wrap(&configv1.Form{Id: id, Domain: domain, Application: owner, Level: level(domain, owner), Revision: revision, Content: "<p>page</p>", Enabled: true})
}

func flow(domain, id, owner string, revision int64) *configv1.Resource {
	return resource.Wrap(&configv1.Flow{Id: id, Domain: domain, Application: owner, Level: level(domain, owner), Revision: revision, Name: "flow"})
}

func email(domain, id, owner string, revision int64) *configv1.Resource {
	return resource.Wrap(&configv1.Email{Id: id, Domain: domain, Application: owner, Level: level(domain, owner), Revision: revision, Subject: "subject"})
}

func level(domain, owner string) string {
	if owner == "" {
		return domain
	}
	return owner
}

// batches returns what someone at a place is sent, assembled.
func batches(t *testing.T, p *Publisher, at place, c cut) (all []Batch) {
	t.Helper()
	s := p.current.Load()
	a := assembler{installation: s.installation}
	for _, m := range received(t, s, at, nil, c) {
		b, complete, err := a.add(m)
		if err != nil {
			t.Fatal(err)
		}
		if complete {
			all = append(all, b)
		}
	}
	return all
}

func TestWhoAResourceBelongsTo(t *testing.T) {
	large := form("d", "f", "a", 300)
	large.GetForm().Content = string(make([]byte, 100_000))
	tests := []struct {
		name string
		r    *configv1.Resource
		want string
	}{
		{"the form of an application", large, "a"},
		{"the flow of an application", flow("d", "f", "an-application", 1), "an-application"},
		{"the e-mail of an application", email("d", "f", "a", 1), "a"},
		{"the form of a domain", form("d", "f", "", 1), ""},
		{"an application", registered("d", "a", 1), ""},
		{"an application group", resource.Wrap(&configv1.ApplicationGroup{Id: "g", Domain: "d"}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := editOf(tt.r)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.owner(e.key.Kind); got != tt.want {
				t.Errorf("it belongs to %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatBelongsToWithheldClientsIsWithheld(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	load(t, p, "i", 1,
		application("many", "own", 1), registered("many", "a", 1), registered("many", "b", 1), registered("few", "x", 1),
		form("many", "form-a", "a", 1), flow("many", "flow-a", "a", 1), email("many", "email-b", "b", 1),
		form("many", "form-own", "own", 1), form("many", "form-domain", "", 1), flow("many", "flow-of-nobody", "nobody", 1),
		form("few", "form-x", "x", 1))
	others := []string{"flow-of-nobody", "form-domain", "form-own", "form-x", "own", "x"}
	tests := []struct {
		name string
		cut  cut
		want []string
	}{
		{"with its clients", cut{registered: 1, belongings: true}, others},
		{"not where nobody asks for that", cut{registered: 1}, append([]string{"email-b", "flow-a", "form-a"}, others...)},
		{"not where all clients are sent", cut{registered: 2, belongings: true}, append([]string{"a", "b", "email-b", "flow-a", "form-a"}, others...)},
		{"not where any number is sent", cut{belongings: true}, append([]string{"a", "b", "email-b", "flow-a", "form-a"}, others...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cut.resources, tt.cut.bytes = 2, 1<<20
			all := batches(t, p, place{}, tt.cut)
			var got []string
			for _, r := range all[0].Upserts {
				got = append(got, resource.Unwrap(r).GetId())
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if want := tt.cut.belongings && tt.cut.registered > 0; all[0].BelongingsOnDemand != want {
				t.Errorf("it says %v, want %v", all[0].BelongingsOnDemand, want)
			}
		})
	}
}

func TestABatchSaysWhatItMeansForRegisteredClients(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	load(t, p, "i", 1, application("d", "own", 1), registered("d", "a", 1), registered("d", "b", 1), registered("e", "c", 1))
	from := p.current.Load().here()
	renamed := registered("d", "b", 2)
	renamed.GetApplication().GetSettings().GetOauth().ClientId = "client-other"
	apply(t, p, 2, renamed, form("d", "f", "a", 2), flow("d", "g", "a", 2), form("d", "h", "own", 2), email("e", "m", "c", 2))
	if err := p.Apply(Batch{Revision: 3, Deletes: []*configv1.Key{key("d", "a").Proto(), key("d", "own").Proto(), key("d", "never").Proto()}}); err != nil {
		t.Fatal(err)
	}
	apply(t, p, 4, registered("d", "a", 4)) // it comes back
	template := registered("e", "c", 5)
	template.GetApplication().Template = true
	apply(t, p, 5, template)
	tests := []struct {
		name string
		cut  cut
		want []Registered
	}{
		{"to who holds some and asks for the rest", cut{registered: 1, belongings: true}, []Registered{
			{Domain: "d", Gone: hashes("a", "b"), Owners: []string{"a"}}, {Domain: "e", Gone: hashes("c")},
		}},
		{"to who holds some and keeps forms and flows", cut{registered: 1}, []Registered{
			{Domain: "d", Gone: hashes("a", "b")}, {Domain: "e", Gone: hashes("c")},
		}},
		{"to who holds all", cut{belongings: true}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, tt.cut.bytes = range []int{1 << 20, 16} {
				tt.cut.resources = 500
				got := batches(t, p, from, tt.cut)[0].Registered
				for i := range got {
					slices.Sort(got[i].Gone)
					slices.Sort(got[i].Owners)
					got[i].Owners = slices.Compact(got[i].Owners)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("cut at %d bytes (-want +got):\n%s", tt.cut.bytes, diff)
				}
			}
		})
	}
}

// TestTheHashesOfADomainFollowIt: whoever begins with the hashes of a state and goes on by batches knows the clients that there are, and
// no other ones, whatever happens to them, and however many changes a batch has.
func TestTheHashesOfADomainFollowIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	p := NewPublisher(PublisherOptions{})
	present := map[string]*configv1.Resource{}
	for i := range 20 {
		id := fmt.Sprint(i)
		present[id] = registered("d", id, 1)
	}
	all := func() (all []*configv1.Resource) {
		for _, r := range present {
			all = append(all, r)
		}
		return all
	}
	load(t, p, "i", 1, all()...)
	c := cut{resources: 3, bytes: 200, registered: 1, belongings: true}
	known := map[uint64]bool{}
	for _, h := range batches(t, p, place{}, c)[0].Withheld[0].Clients {
		known[h] = true
	}
	at := p.current.Load().here()
	for revision := int64(2); revision < 400; revision++ {
		b := Batch{Revision: revision}
		id := fmt.Sprint(rng.IntN(30))
		switch rng.IntN(5) {
		case 0:
			b.Deletes, present[id] = []*configv1.Key{key("d", id).Proto()}, nil
			delete(present, id)
		case 1: // another identifier
			present[id] = registered("d", id, revision)
			present[id].GetApplication().GetSettings().GetOauth().ClientId = fmt.Sprint("other-", revision)
		case 2: // no registered client any more
			present[id] = registered("d", id, revision)
			present[id].GetApplication().Template = true
		default:
			present[id] = registered("d", id, revision)
		}
		if r := present[id]; r != nil {
			b.Upserts = []*configv1.Resource{r}
		}
		if rng.IntN(20) == 0 { // compared with the database, which is ahead
			load(t, p, "i", revision-1, all()...)
		}
		if err := p.Apply(b); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(3) > 0 {
			continue
		}
		for _, b := range batches(t, p, at, c) {
			for _, r := range b.Registered {
				for _, h := range r.Gone {
					delete(known, h)
				}
			}
			for _, u := range b.Upserts {
				if h := ClientHash(u.GetApplication()); h != 0 {
					known[h] = true
				}
			}
		}
		at = p.current.Load().here()
		want := map[uint64]bool{}
		for _, r := range present {
			if h := ClientHash(r.GetApplication()); h != 0 {
				want[h] = true
			}
		}
		if diff := cmp.Diff(want, known); diff != "" {
			t.Fatalf("at revision %d (-want +got):\n%s", revision, diff)
		}
	}
}

// A gateway of before ignores what it does not know, and says nothing of it.
func TestGatewaysOfBeforeAreSentEverything(t *testing.T) {
	p, h := publisher(t, PublisherOptions{})
	load(t, p, "i", 1, registered("d", "a", 1), registered("d", "b", 1), form("d", "f", "a", 1))
	for name, options := range map[string]SubscriberOptions{
		"of before": {MostRegistered: 1}, "of before, lean": {MostRegistered: 1, Lean: true},
	} {
		g := subscribe(t, h, name, options)
		g.mirror.await(t, "the form", func() bool { return len(g.mirror.held) == 1 })
	}
	g := subscribe(t, h, "of now", SubscriberOptions{MostRegistered: 1, Lean: true, BelongingsOnDemand: true})
	g.mirror.await(t, "nothing", func() bool { return g.mirror.revision == 1 && len(g.mirror.held) == 0 })
	apply(t, p, 2, form("d", "f", "a", 2))
	g.mirror.await(t, "a change of the form", func() bool { return g.mirror.revision == 2 && len(g.mirror.held) == 1 })
	if err := p.Apply(Batch{Revision: 3, Deletes: []*configv1.Key{key("d", "a").Proto()}}); err != nil {
		t.Fatal(err)
	}
	g.mirror.await(t, "a deletion", func() bool { return g.mirror.revision == 3 })
}
