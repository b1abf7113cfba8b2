package flows_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestFlowsOfTheDomainComeFirst(t *testing.T) {
	for _, tt := range []struct {
		name    string
		inherit *bool
		partner string
	}{
		{"where nothing is said", nil, "domain, own"},
		{"where they are inherited", proto.Bool(true), "domain, own"},
		{"unless the application does without them", proto.Bool(false), "none, own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared := pre(flows.Login, set("partner", `"domain"`))
			shared.Application = "domain"
			own := pre(flows.Login, set("partner", `("partner" in context.attributes ? string(context.attributes["partner"]) : "none") + ", own"`))
			r := start(t, []*configv1.Flow{own, shared}, func(a *configv1.Application) { a.Settings.Advanced.FlowsInherited = tt.inherit })
			if got := r.claims(r.login(r.Browser("/acme")))["partner"]; got != tt.partner {
				t.Errorf("partner is %v, want %v", got, tt.partner)
			}
		})
	}
}

func TestAttributesDecideAboutProviders(t *testing.T) {
	r := start(t, []*configv1.Flow{post(flows.Identifier, set("partner", `login == "ann" ? "north" : "south"`))}, nameFirst, func(a *configv1.Application) {
		a.IdentityProviders[0].SelectionRule = `context.attributes["partner"] == "north"`
	})
	if got := r.claims(r.login(r.Browser("/acme")))["partner"]; got != "north" {
		t.Errorf("partner is %v", got)
	}
}

// The guide: "When coupled with flows you can decide which provider will be used".
func TestAttributesDecideAboutSites(t *testing.T) {
	sites := map[string]*gatewaytest.Site{"north": gatewaytest.NewSite(t), "south": gatewaytest.NewSite(t)}
	c := gatewaytest.NewAcme(t)
	for id, s := range sites {
		c.Elsewhere(id, s)
	}
	c.App("web", web, nameFirst, func(a *configv1.Application) {
		for i, id := range []string{"north", "south"} {
			a.IdentityProviders = append(a.IdentityProviders, &configv1.ApplicationIdentityProvider{
				Identity: id, Priority: int32(i), SelectionRule: `context.attributes["partner"] == identityProvider.id`,
			})
		}
	})
	c.Add(place(c, post(flows.Identifier, set("partner", `login == "ann" ? "north" : login == "bob" ? "south" : "none"`)), 0))
	g := gatewaytest.New(t, gatewaytest.Options{}, c)
	for name, want := range map[string]string{"ann": "north", "bob": "south", "eve": ""} {
		b := g.Browser("/acme")
		f := b.Form(b.Follow(b.Get(authorize(""))))
		f.Values.Set("username", name)
		res, got := b.Follow(b.Post(f.Action, f.Values)), ""
		for id, s := range sites {
			if strings.HasPrefix(res.Location(), s.URL+"/authorize?") {
				got = id
			}
		}
		if got != want {
			t.Errorf("%s is sent to %q, want %q: %d %s", name, got, want, res.StatusCode, res.Location())
		}
	}
}

func TestAChangeCountsFromTheNextStep(t *testing.T) {
	rule := func(text string) resource.Resource {
		return gatewaytest.NewApp("", "web", web, func(a *configv1.Application) { a.IdentityProviders[0].SelectionRule = text })
	}
	begin := func(t *testing.T, list ...*configv1.Flow) (*rig, func() string) {
		t.Helper()
		r := start(t, list)
		b := r.Browser("/acme")
		page := b.Follow(b.Get(authorize("")))
		return r, func() string {
			res := b.Follow(b.SignIn(page, "ann", gatewaytest.Password))
			if res.StatusCode != http.StatusFound {
				return res.Text
			}
			if res.Query().Has("error") {
				return res.Location()
			}
			return r.claims(res)["partner"].(string)
		}
	}
	t.Run("of a rule, between the page and its answer", func(t *testing.T) {
		r, signIn := begin(t)
		app := rule("false").(*configv1.Application)
		app.Domain = r.config.Domain.GetId()
		r.apply(app)
		if got := signIn(); !strings.Contains(got, "role=\"alert\"") {
			t.Errorf("the old rule counts: %s", got)
		}
	})
	t.Run("of a flow: what it refuses now is refused at the next step", func(t *testing.T) {
		r, signIn := begin(t, pre(flows.Login, set("partner", `"old"`)))
		r.apply(place(r.config, pre(flows.Login, deny("", "closed", "")), 0))
		if got := signIn(); !strings.Contains(got, "error=closed") {
			t.Errorf("the old flow counts: %s", got)
		}
	})
	t.Run("of a flow: what it set stays, until it sets it again", func(t *testing.T) {
		r, signIn := begin(t, pre(flows.Root, set("partner", `"old"`)))
		other := place(r.config, post(flows.Login, set("seen", `context.attributes["partner"]`)), 1)
		r.apply(other)
		if got := signIn(); got != "old" {
			t.Errorf("partner is %s", got)
		}
		r, signIn = begin(t, pre(flows.Root, set("partner", `"old"`)))
		r.apply(place(r.config, pre(flows.Root, set("partner", `"new"`)), 0))
		if got := signIn(); got != "new" {
			t.Errorf("partner is %s", got)
		}
	})
	t.Run("of all flows: with the last one nothing is left", func(t *testing.T) {
		r, signIn := begin(t, pre(flows.Root, set("partner", `"old"`)))
		off := place(r.config, pre(flows.Root, set("partner", `"old"`)), 0)
		off.Enabled = proto.Bool(false)
		r.apply(off)
		if got := signIn(); got != "-" {
			t.Errorf("partner is %s", got)
		}
	})
}

func TestAFlowThatCannotBeUsedStopsItsPoint(t *testing.T) {
	r := start(t, nil)
	bad := place(r.config, pre(flows.Login, deny(`nothing.like == "this"`, "", "")), 0)
	bad.Revision = 2
	if rejected := r.Domains.Apply(t.Context(), gatewaytest.Upserts(2, bad)); len(rejected) != 1 {
		t.Fatalf("rejected: %v", rejected)
	}
	b := r.Browser("/acme")
	res := b.Follow(b.Get(authorize("")))
	if res.StatusCode != http.StatusInternalServerError || strings.Contains(res.Text, `id="password"`) {
		t.Errorf("status %d: the door is open", res.StatusCode)
	}
	for _, s := range r.Domains.Statuses() {
		for _, p := range s.Parts {
			if p.ID == bad.GetId() && p.Type == "flow" && !p.Success && strings.Contains(p.Message, "nothing") {
				return
			}
		}
	}
	t.Errorf("the status does not say so: %+v", r.Domains.Statuses())
}

func TestALoginGoesOnAtAnotherGateway(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", web, nameFirst)
	c.Add(place(c, post(flows.Identifier, set("partner", `login`)), 0))
	first, second := gatewaytest.New(t, gatewaytest.Options{}, c), gatewaytest.New(t, gatewaytest.Options{}, c)
	b := first.Browser("/acme")
	page := b.Follow(b.Get(authorize("")))
	f := b.Form(page)
	f.Values.Set("username", "ann")
	named := b.Post(f.Action, f.Values)

	other := second.Browser("/acme")
	other.Cookies = b.Cookies
	r := &rig{Harness: second, t: t, config: c}
	if got := r.claims(r.goOn(other, named))["partner"]; got != "ann" {
		t.Errorf("partner is %v", got)
	}
}

func TestALoginWithoutRedisIsPutOff(t *testing.T) {
	redis := gatewaytest.StartRedis(t)
	r := startWith(t, gatewaytest.Options{RedisURL: redis.URL}, []*configv1.Flow{pre(flows.Root, set("partner", `"north"`))})
	b := r.Browser("/acme")
	page := b.Follow(b.Get(authorize("")))
	redis.Kill(t)
	res := b.SignIn(page, "ann", gatewaytest.Password)
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", res.StatusCode)
	}
	if len(b.Cookies["GATEHOUSE_SESSION"]) == 43 {
		t.Error("somebody is signed in by half")
	}
}
