package flows_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// evaluate has rules looked at where that is not done anyway.
func evaluate(condition string) *configv1.FlowStep {
	return &configv1.FlowStep{Name: "rules", Condition: condition, Config: &configv1.FlowStep_EvaluateRules{EvaluateRules: &configv1.EvaluateRulesStep{}}}
}

func TestRulesOfOtherSitesAreLookedAtOnTheLoginPageWhereAFlowWantsThat(t *testing.T) {
	site := gatewaytest.NewSite(t)
	c := gatewaytest.NewAcme(t)
	c.Elsewhere("partner", site)
	c.App("web", web, func(a *configv1.Application) {
		a.IdentityProviders = append(a.IdentityProviders, &configv1.ApplicationIdentityProvider{
			Identity: "partner", Priority: 9, SelectionRule: `context.attributes["tenant"] == "north"`,
		})
	})
	c.Add(place(c, pre(flows.Login, set("tenant", `request.params["tenant"][0]`), evaluate(`"rules" in request.params`)), 0))
	g := gatewaytest.New(t, gatewaytest.Options{}, c)
	for more, away := range map[string]bool{
		"&tenant=north&rules=1": true, "&tenant=south&rules=1": false, "&tenant=north": false, "&rules=1": false,
	} {
		b := g.Browser("/acme")
		res := b.Follow(b.Get(authorize(more)))
		if got := strings.HasPrefix(res.Location(), site.URL+"/authorize?"); got != away {
			t.Errorf("%s: %d %s, want to be sent away: %v", more, res.StatusCode, res.Location(), away)
		}
	}
}

func TestTheRuleOfAProviderIsLookedAtAgainBeforeSomebodyIsSignedIn(t *testing.T) {
	for role, in := range map[string]bool{"staff": true, "guest": false} {
		r := start(t, []*configv1.Flow{post(flows.Login, set("role", `"`+role+`"`), evaluate(""))}, func(a *configv1.Application) {
			a.IdentityProviders[0].SelectionRule = `!("role" in context.attributes) || context.attributes["role"] == "staff"`
		})
		b := r.Browser("/acme")
		res := b.Follow(b.Get(authorize("")))
		res = b.Follow(b.SignIn(res, "ann", gatewaytest.Password))
		location, err := url.Parse(res.Location())
		if err != nil {
			t.Fatal(err)
		}
		if got := res.StatusCode == http.StatusFound && location.Query().Has("code"); got != in {
			t.Errorf("%s: %d %s, want to be signed in: %v", role, res.StatusCode, res.Location(), in)
		}
		if !in && !strings.Contains(res.Text, "This way of signing in is not open to you") {
			t.Errorf("%s: %s", role, res.Text)
		}
	}
}

func TestFlowsOfTheSignInRunForWhomOtherSitesAssert(t *testing.T) {
	site := gatewaytest.NewSite(t)
	c := gatewaytest.NewAcme(t)
	c.Elsewhere("partner", site)
	c.App("web", web, func(a *configv1.Application) {
		a.IdentityProviders = append(a.IdentityProviders, &configv1.ApplicationIdentityProvider{Identity: "partner", Priority: 9})
	})
	c.Add(place(c, post(flows.Login, set("partner", `user.source`), deny(`"closed" in request.params`, "", "Closed for partners")), 0))
	r := &rig{Harness: gatewaytest.New(t, gatewaytest.Options{}, c), t: t, config: c, revision: 1}
	site.Now = r.Clock.Now
	query := func(more string) string { return strings.SplitN(authorize(more), "?", 2)[1] }

	b := r.Browser("/acme")
	back := site.Authorize(b.Get("/login/provider/partner?" + query("")).Location())
	if got := r.claims(b.Follow(b.Get(back)))["partner"]; got != "partner" {
		t.Errorf("partner is %v", got)
	}
	b = r.Browser("/acme")
	back = site.Authorize(b.Get("/login/provider/partner?" + query("&closed=1")).Location())
	if res := b.Follow(b.Get(back)); !strings.Contains(res.Text, "Closed for partners") || res.StatusCode != http.StatusOK {
		t.Errorf("%d %s\n%s", res.StatusCode, res.Location(), res.Text)
	}
}
