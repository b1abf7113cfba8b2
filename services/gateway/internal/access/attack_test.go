package access_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestSomebodyDeniedMeanwhileGetsNothingAnywhere holds a session, a code, refresh tokens and an approved device of somebody against
// every endpoint that gives something for them.
func TestSomebodyDeniedMeanwhileGetsNothingAnywhere(t *testing.T) {
	consents := func(_ *gatewaytest.Config, a *configv1.Application) {
		a.Settings.Advanced.SkipConsent = false
		a.Settings.Oauth.ResponseTypes = append(a.Settings.Oauth.ResponseTypes, "token", "id_token", "code id_token")
		a.Settings.Oauth.GrantTypes = append(a.Settings.Oauth.GrantTypes, "implicit")
	}
	r := newRig(t, consents)
	b := r.Browser("/acme")
	consent := r.enter(b, "ann", authorize("pay"))
	if !strings.Contains(consent.Text, `id="consent-allow"`) {
		t.Fatalf("status %d\n%s", consent.StatusCode, consent.Text)
	}
	r.leave("ann")
	attempts := map[string]string{
		"code":                     authorize("pay"),
		"prompt=none":              authorize("pay", "prompt", "none"),
		"prompt=consent":           authorize("pay", "prompt", "consent"),
		"prompt=consent and none":  authorize("pay", "prompt", "none", "scope", "openid offline_access"),
		"an implicit answer":       authorize("pay", "response_type", "id_token", "nonce", "n"),
		"a token":                  authorize("pay", "response_type", "token"),
		"a hybrid answer":          authorize("pay", "response_type", "code id_token", "nonce", "n"),
		"an answer by a form":      authorize("pay", "response_mode", "form_post"),
		"a JWT":                    authorize("pay", "response_mode", "jwt"),
		"the way of a denied page": strings.Replace(authorize("pay"), "/oauth/authorize", "/oauth/denied", 1),
	}
	for name, target := range attempts {
		page := b.Follow(b.Get(target))
		all := page.Location() + page.Text
		for _, loot := range []string{"code=", "access_token=", "id_token=", `name="code"`, `id="consent-allow"`} {
			if strings.Contains(all, loot) {
				t.Errorf("%s: status %d, %s in %q", name, page.StatusCode, loot, page.Location())
			}
		}
	}
	form := b.Form(consent)
	form.Values.Set("user_oauth_approval", "true")
	if page := b.Follow(b.Post(form.Action, form.Values)); page.StatusCode != http.StatusForbidden {
		t.Errorf("a consent that was asked for before: status %d, location %q", page.StatusCode, page.Location())
	}
}

func TestPromptNoneLeaksNothing(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	r.tokens(b, "bob", "open")
	page := b.Get(authorize("pay", "prompt", "none"))
	for _, text := range []string{"finance", "binding", "Ask", "bob", "group"} {
		if strings.Contains(page.Location()+page.Text, text) {
			t.Errorf("%q in %q", text, page.Location())
		}
	}
	if page.StatusCode != http.StatusFound || !strings.HasPrefix(page.Location(), "https://pay.example/cb?error=access_denied&") {
		t.Errorf("status %d, location %q", page.StatusCode, page.Location())
	}
	stranger := r.Browser("/acme").Get(authorize("pay", "prompt", "none"))
	want(t, "a stranger", stranger.Query().Get("error"), "login_required")
}

func TestANegatedGroupLetsNoAnonymousVisitorInAndNobodyWhoseGroupIsGone(t *testing.T) {
	r := newRig(t, func(_ *gatewaytest.Config, a *configv1.Application) {
		a.Bindings = []*configv1.Binding{{Id: "not-banned", Group: "banned", Negate: true}}
	})
	b := r.Browser("/acme")
	page := b.Follow(b.Get(authorize("pay")))
	if !strings.Contains(page.Text, `id="password"`) {
		t.Errorf("a stranger: status %d, location %q", page.StatusCode, page.Location())
	}
	if page := b.Follow(b.SignIn(page, "bob", gatewaytest.Password)); page.Query().Get("code") == "" {
		t.Errorf("somebody who is not banned: status %d", page.StatusCode)
	}
	r.Apply(gatewaytest.Deletes(2, &configv1.Group{Id: "banned", Domain: r.domain}))
	if page := b.Get(authorize("pay")); page.StatusCode != http.StatusForbidden {
		t.Errorf("once the group is gone: status %d, location %q", page.StatusCode, page.Location())
	}
	r.Apply(gatewaytest.Upserts(3, &configv1.Group{Id: "banned", Domain: r.domain, Name: "banned"}))
	if page := b.Get(authorize("pay")); page.Query().Get("code") == "" {
		t.Errorf("and once it is back: status %d", page.StatusCode)
	}
}

func TestThirtyTwoRefreshesOfSomebodyDeniedMeanwhile(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	var all []map[string]any
	for range 8 {
		all = append(all, r.tokens(b, "ann", "pay"))
	}
	r.leave("ann")
	answers := make([]int, 32)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { answers[i] = r.refresh("pay", all[i%len(all)]).Status })
	}
	group.Wait()
	for i, status := range answers {
		if status != http.StatusBadRequest {
			t.Errorf("racer %d: status %d", i, status)
		}
	}
	r.join("ann")
	for i, tokens := range all {
		want(t, "grant "+string(rune('a'+i)), r.refresh("pay", tokens).Error(t), revoked)
	}
}

func TestPeopleWhoAreDisabledOrGoneGetNothing(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"disabled": func(r *rig) {
			user := person(r, "ann")
			user.Enabled = new(bool)
			r.Directory.Put(r.domain, user)
		},
		"gone": func(r *rig) { r.Directory.Remove(r.domain, gatewaytest.Subject("staff", "ann")) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			tokens := r.tokens(r.Browser("/acme"), "ann", "pay")
			change(r)
			r.Clock.Forward(time.Second)
			want(t, "refresh", r.refresh("pay", tokens).Error(t), revoked)
		})
	}
}

func TestAPolicyThatDoesNotCompileLetsNobodyIn(t *testing.T) {
	r := newRig(t)
	bad := &configv1.Policy{Id: "bad", Domain: r.domain, Name: "bad", Config: &configv1.Policy_ByExpression{ByExpression: &configv1.ExpressionPolicy{Expression: "1 +"}}}
	if rejected := r.Domains.Apply(t.Context(), gatewaytest.Upserts(2, bad)); len(rejected) != 1 {
		t.Errorf("rejections %v", rejected)
	}
	r.Domains.Apply(t.Context(), gatewaytest.Upserts(3, gatewaytest.NewApp(r.domain, "pay", restricted, func(a *configv1.Application) {
		a.Bindings = []*configv1.Binding{{Id: "b", Policy: "bad"}, {Id: "c", Policy: "bad", Negate: true}}
	})))
	want(t, "ann", r.password("pay", "ann").Error(t), "Bad Request | invalid_grant | The person may not use this application")
}
