package domain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// parted is a large domain each of whose registered clients has a page and a flow of its own, which are on demand as they are.
type parted struct {
	*large
	own map[string][]resource.Resource // by client identifier
	// silent is a management of before, which does not tell what belongs to a client together with it; mute one that tells it never.
	silent, mute bool
	found        int // questions about belongings alone
}

func newParted(t *testing.T, held, clients int) *parted {
	t.Helper()
	p := &parted{
		large: &large{clock: gatewaytest.NewClock(), known: map[string]*configv1.Application{}, asked: map[string]int{}},
		own:   map[string][]resource.Resource{},
	}
	p.rig = newRig(t, domain.Options{
		Resolve: func(ctx context.Context, q *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
			p.mu.Lock()
			own := belongings(p.own[q.GetClientId()]...)
			p.mu.Unlock()
			app, err := p.resolve(ctx, q.GetDomain(), q.GetClientId())
			if err != nil {
				return nil, err
			}
			answer := &registrationv1.ResolveResponse{Application: app}
			if q.GetBelongings() && !p.silent && !p.mute {
				answer.Belongings = own
			}
			return answer, nil
		},
		Belongings: func(_ context.Context, _, application string) (*registrationv1.Belongings, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.found++
			for id, app := range p.known {
				if app.GetId() == application && !p.mute {
					return belongings(p.own[id]...), nil
				}
			}
			return nil, fault.Unavailablef("unimplemented")
		},
		Now: p.clock.Now, MostRegistered: held,
	}, "web")
	for i := range clients {
		id := fmt.Sprint("r", i)
		app := stamped(p.app(id, self, copied), 5)
		p.known[id] = app
		p.own[id] = []resource.Resource{pageOf(app, "page-"+id, "<p>1</p>", 4), denying(app, "flow-"+id, 5)}
	}
	p.accept(p.reset(11))
	return p
}

// reset is what the stream sends when it begins anew.
func (p *parted) reset(revision int64) configsync.Batch {
	b := p.large.reset(revision)
	b.BelongingsOnDemand = true
	return b
}

// news makes a batch of what changed at management.
func (p *parted) news(upserts []resource.Resource, deletes ...resource.Resource) configsync.Batch {
	b := gatewaytest.Upserts(p.revision+1, upserts...)
	b.BelongingsOnDemand = true
	seen := configsync.Registered{Domain: p.id}
	for _, r := range upserts {
		switch r := r.(type) {
		case *configv1.Form:
			seen.Owners = append(seen.Owners, r.GetApplication())
		case *configv1.Flow:
			seen.Owners = append(seen.Owners, r.GetApplication())
		}
	}
	for _, r := range deletes {
		b.Deletes = append(b.Deletes, resource.KeyOf(r).Proto())
		if a, ok := r.(*configv1.Application); ok {
			seen.Gone = append(seen.Gone, configsync.ClientHash(a))
		}
	}
	b.Registered = []configsync.Registered{seen}
	return b
}

// repaint gives a client another page at management, and returns the batch that says so.
func (p *parted) repaint(clientID string) configsync.Batch {
	page := pageOf(p.known[clientID], "page-"+clientID, fmt.Sprintf("<p>%d</p>", p.revision+1), 0)
	b := p.news([]resource.Resource{page})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own[clientID] = []resource.Resource{proto.CloneOf(page), p.own[clientID][1]}
	return b
}

// disarm deletes the flow of a client at management, and returns the batch that says so.
func (p *parted) disarm(clientID string) configsync.Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.news(nil, p.own[clientID][1])
	p.own[clientID] = p.own[clientID][:1]
	return b
}

// page is the revision of the page that a client has.
func (p *parted) page(when, clientID string) int64 {
	p.t.Helper()
	d := p.Domain(p.id)
	c, err := d.Client(p.t.Context(), clientID)
	if err != nil {
		p.t.Fatalf("%s: %v", when, err)
	}
	f := d.Form(c, "login")
	if f == nil {
		p.t.Fatalf("%s: there is no page", when)
	}
	return f.Revision
}

func (p *parted) held(when string, want int) {
	p.t.Helper()
	if n := domain.Belonging(p.Set, p.id); n != want {
		p.t.Errorf("%s: %d forms and flows are held, want %d", when, n, want)
	}
}

func (p *parted) unavailable(when, clientID string) {
	p.t.Helper()
	if c, err := p.Domain(p.id).Client(p.t.Context(), clientID); oauth2.CodeOf(err) != oauth2.TemporarilyUnavailable {
		p.t.Errorf("%s: client %v, error %v; want temporarily_unavailable", when, c, err)
	}
}

func TestWhatBelongsToAClientOnDemandComesAndGoesWithIt(t *testing.T) {
	p := newParted(t, 2, 10)
	p.held("before anybody asks", 0)
	p.has("asked for", "r1", true, true)
	p.held("of one", 2)
	for i := range 10 {
		p.has("one after the other", fmt.Sprint("r", i), true, true)
	}
	p.held("of as many as may be", 4)
	p.has("evicted and asked again", "r1", true, true)
	if n := p.questions("r1"); n < 2 {
		t.Errorf("%d questions about a client that was evicted", n)
	}
	if p.found != 0 {
		t.Errorf("%d questions about what the first answers told", p.found)
	}
	gone := p.known["r1"]
	p.accept(p.news(nil, append(p.own["r1"], resource.Resource(gone))...))
	delete(p.known, "r1")
	p.wantClient("r1", "")
	p.held("of the other one", 2)
}

func TestChangesOfWhatBelongsToAHeldClientTakeEffectWithTheBatch(t *testing.T) {
	p := newParted(t, 2, 10)
	p.has("asked for", "r1", true, true)
	p.accept(p.repaint("r1"))
	if n := p.page("changed", "r1"); n != p.revision {
		t.Errorf("the page is that of revision %d, want %d", n, p.revision)
	}
	p.accept(p.disarm("r1"))
	p.has("its flow is deleted", "r1", true, false)
	p.accept(p.news([]resource.Resource{denying(p.known["r1"], "another", 0)}))
	p.has("another flow is made", "r1", true, true)
	if n := p.questions("r1"); n != 1 {
		t.Errorf("%d questions about a client that is held", n)
	}
}

func TestChangesOfWhatBelongsToOthersAreNotKept(t *testing.T) {
	p := newParted(t, 5, 10)
	p.accept(p.repaint("r1"))
	p.held("a page of a client that is not held", 0)
	p.accept(p.change("r2", "renamed"))
	if n := domain.Held(p.Set, p.id); n != 0 {
		t.Errorf("%d clients are held of which nobody has asked for any", n)
	}
	// A registration somewhere else brings page, flow and client at once, or one after the other.
	fresh := p.app("fresh", self, copied)
	p.own["fresh"] = []resource.Resource{pageOf(fresh, "page-fresh", "<p>1</p>", 0), denying(fresh, "flow-fresh", 0)}
	p.known["fresh"] = fresh
	early := gatewaytest.Upserts(p.revision+1, p.own["fresh"]...) // management does not know yet whose these are
	early.BelongingsOnDemand = true
	p.accept(early)
	p.accept(p.news([]resource.Resource{fresh}))
	p.held("of a registration somewhere else", 0)
	p.has("asked for", "fresh", true, true)
	if n := p.page("changed before", "r1"); n != 12 {
		t.Errorf("the page is that of revision %d, want 12", n)
	}
	p.held("of two", 4)
}

// What changes between question and answer must not be lost: the answer may be older than the batch that overtook it.
func TestAnAnswerWhoseBelongingsABatchOvertookIsNotBelieved(t *testing.T) {
	tests := []struct {
		name  string
		then  func(p *parted)
		page  int64
		flow  bool
		asked int
	}{
		{"its page changed", func(p *parted) { p.accept(p.repaint("r1")) }, 12, true, 2},
		{"its flow was deleted", func(p *parted) { p.accept(p.disarm("r1")) }, 4, false, 2},
		{"it got a flow", func(p *parted) {
			flow := denying(p.known["r1"], "more", 0)
			p.accept(p.news([]resource.Resource{flow}))
			p.own["r1"] = append(p.own["r1"], flow)
		}, 4, true, 2},
		{"the page of another one changed", func(p *parted) { p.accept(p.repaint("r2")) }, 4, true, 1},
		{"the stream began anew", func(p *parted) {
			p.repaint("r1")
			p.accept(p.reset(p.revision + 1))
		}, 12, true, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newParted(t, 2, 10)
			first := true
			p.meanwhile = func(clientID string) {
				if clientID == "r1" && first {
					first = false
					tt.then(p)
				}
			}
			if n := p.page("asked for", "r1"); n != tt.page {
				t.Errorf("the page is that of revision %d, want %d", n, tt.page)
			}
			p.has("asked for", "r1", true, tt.flow)
			if n := p.questions("r1"); n != tt.asked {
				t.Errorf("%d questions, want %d", n, tt.asked)
			}
		})
	}
}

// A management of before brings everything and is not asked; whoever was told that it need not hold everything asks another way.
func TestManagementsOfBefore(t *testing.T) {
	t.Run("brings what belongs to clients that it does not bring", func(t *testing.T) {
		p := newParted(t, 2, 3)
		b := p.large.reset(20)
		for _, own := range p.own {
			for _, r := range own {
				b.Upserts = append(b.Upserts, resource.Wrap(r))
			}
		}
		p.silent, p.mute = true, true
		p.accept(b)
		for i := range 9 {
			p.has("one after the other", fmt.Sprint("r", i%3), true, true)
		}
		p.held("of all", 6)
		if p.found != 0 {
			t.Errorf("%d questions about what was brought", p.found)
		}
	})
	t.Run("takes over from one that did not bring it", func(t *testing.T) {
		p := newParted(t, 2, 5)
		p.silent = true
		p.has("asked for", "r1", true, true)
		if p.found != 1 {
			t.Errorf("%d questions about belongings, want 1", p.found)
		}
		b := p.repaint("r2")
		b.BelongingsOnDemand, b.Registered = false, nil
		p.accept(b) // which keeps the page of a client that is not held
		p.has("of which a part was brought", "r2", true, true)
		p.has("evicts another one", "r3", true, true)
		p.mute = true
		p.unavailable("whose flows nobody can tell", "r4")
		p.mute = false
		p.has("whose flows somebody tells", "r4", true, true)
	})
	t.Run("brought everything, before one that does not took over", func(t *testing.T) {
		p := newParted(t, 2, 0)
		var all []resource.Resource
		for i := range 4 {
			id := fmt.Sprint("g", i)
			app := stamped(p.app(id, self, copied), 12)
			p.known[id] = app
			p.own[id] = []resource.Resource{pageOf(app, "page-"+id, "<p>1</p>", 12), denying(app, "flow-"+id, 12)}
			all = append(append(all, p.own[id]...), app)
		}
		b := p.config.Batch(12)
		p.accept(b)
		p.accept(gatewaytest.Upserts(13, all...))
		p.held("of all", 8)
		p.accept(p.news(nil))
		for range 2 {
			for i := range 4 {
				p.has("one after the other", fmt.Sprint("g", i), true, true)
			}
		}
		p.accept(p.repaint("g0"))
		if n := p.page("changed", "g0"); n != p.revision {
			t.Errorf("the page is that of revision %d, want %d", n, p.revision)
		}
	})
}

func TestADomainThatGrowsBeyondTheBoundLetsBelongingsGo(t *testing.T) {
	p := newParted(t, 2, 0)
	b := p.config.Batch(12)
	b.BelongingsOnDemand = true
	p.accept(b) // everything is brought
	for i := range 6 {
		id := fmt.Sprint("g", i)
		app := p.app(id, self, copied)
		p.known[id] = app
		p.own[id] = []resource.Resource{pageOf(app, "page-"+id, "<p>1</p>", 0), denying(app, "flow-"+id, 0)}
		b := p.news(append([]resource.Resource{app}, p.own[id]...))
		p.accept(b)
	}
	p.held("of as many as may be", 4)
	for i := range 6 {
		p.has("one after the other", fmt.Sprint("g", i), true, true)
	}
	p.held("of as many as may be", 4)
}

// A client that is changed here while it is not held, as by its owner, is served with its flows or not at all.
func TestAClientThatIsLearnedHasWhatBelongsToIt(t *testing.T) {
	p := newParted(t, 2, 10)
	app := stamped(proto.CloneOf(p.known["r1"]), p.revision+4)
	app.Name = "renamed"
	p.mute = true
	p.Learn(t.Context(), app, nil)
	p.unavailable("while its flows are not known", "r1")
	p.mute = false
	p.Learn(t.Context(), app, nil)
	p.has("changed here", "r1", true, true)
	if got := p.name("r1"); got != "renamed" {
		t.Errorf("it is called %q", got)
	}
	// The stream begins anew at a revision before that.
	p.known["r1"] = app
	p.accept(p.reset(p.revision + 1))
	p.held("after a reset", 0)
	p.has("after a reset", "r1", true, true)
	if got := p.name("r1"); got != "renamed" {
		t.Errorf("it is called %q after a reset", got)
	}
}

// TestATemplateThatIsNoneAnyMore: as long as it is one it is held, and what belonged to it before may not have been brought.
func TestATemplateThatIsNoneAnyMore(t *testing.T) {
	p := newParted(t, 5, 10)
	template := func(is bool) {
		app := p.app("r1", self, copied, func(a *configv1.Application) { a.Template = is })
		b := p.news([]resource.Resource{app})
		if is {
			b.Registered[0].Gone = []uint64{configsync.HashClient("r1")}
		}
		p.known["r1"] = app
		p.accept(b)
	}
	template(true)
	p.wantClient("r1", "")
	template(false)
	p.has("no template any more", "r1", true, true)
}

func TestAClientThatWasDeletedIsRefusedAtOnceAndForgotten(t *testing.T) {
	p := newParted(t, 2, 10)
	p.has("held", "r1", true, true)
	if n := domain.Beyond(p.Set, p.id); n != 10 {
		t.Errorf("%d clients are known, want 10", n)
	}
	for _, id := range []string{"r1", "r2", "r3"} {
		gone := p.known[id]
		p.mu.Lock()
		delete(p.known, id)
		p.mu.Unlock()
		p.accept(p.news(nil, gone, p.own[id][0], p.own[id][1]))
	}
	if n := domain.Beyond(p.Set, p.id); n != 7 {
		t.Errorf("%d clients are known after 3 were deleted, want 7", n)
	}
	for _, id := range []string{"r1", "r2", "r3"} {
		if c, err := p.Domain(p.id).Client(t.Context(), id); !errors.Is(err, domain.ErrNoClient) {
			t.Errorf("a client that was deleted: %v, %v", c, err)
		}
	}
	p.held("of clients that were deleted", 0)
	// Questions about them are those about invented identifiers, which have a bound of their own.
	for i := range 1000 {
		_, _ = p.Domain(p.id).Client(t.Context(), fmt.Sprint("invented-", i))
	}
	p.clock.Forward(1e9)
	for i := range 300 {
		_, _ = p.Domain(p.id).Client(t.Context(), fmt.Sprint("more-", i))
	}
	p.unavailable("one of too many invented ones", "r2")
	p.has("that is there", "r5", true, true)
	// A batch that says of one client_id that it is gone and that it is there means another application that has it now.
	b := p.change("r9", "again")
	b.Registered = []configsync.Registered{{Domain: p.id, Gone: []uint64{configsync.HashClient("r9")}}}
	b.BelongingsOnDemand = true
	before := domain.Beyond(p.Set, p.id)
	p.accept(b)
	if n := domain.Beyond(p.Set, p.id); n != before {
		t.Errorf("%d clients are known, want %d", n, before)
	}
}

// TestATemplateThatIsNoneAnyMoreIsLearnedWithItsPage: what belongs to a client was left out before it became a template, and who learns
// that it is a client again, before the stream says so, asks for it.
func TestATemplateThatIsNoneAnyMoreIsLearnedWithItsPage(t *testing.T) {
	p := newParted(t, 3, 12)
	become := func(template bool, revision int64) *configv1.Application {
		p.mu.Lock()
		defer p.mu.Unlock()
		app := proto.CloneOf(p.known["r5"])
		app.Template, app.Revision = template, revision
		p.known["r5"] = app
		return app
	}
	p.accept(p.news([]resource.Resource{become(true, p.revision+1)}))
	p.Learn(t.Context(), become(false, p.revision+7), nil)
	p.page("learned", "r5")
	if c, err := p.Domain(p.id).Client(t.Context(), "r5"); err != nil || c.Flows == nil || p.found != 1 {
		t.Errorf("%v with %d questions, %v", c, p.found, err)
	}
}
