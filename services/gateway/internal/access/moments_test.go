package access_test

import (
	"net/http"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestWhoIsDeniedIsAskedForNoConsent(t *testing.T) {
	r := newRig(t, func(_ *gatewaytest.Config, a *configv1.Application) { a.Settings.Advanced.SkipConsent = false })
	consent := strings.Replace(authorize("pay"), "/oauth/authorize", "/oauth/consent", 1)
	bob := r.Browser("/acme")
	r.enter(bob, "bob", authorize("pay"))
	page := bob.Follow(bob.Get(consent))
	if strings.Contains(page.Text, "user_oauth_approval") || page.StatusCode != http.StatusForbidden {
		t.Errorf("the page of the consent: %d\n%s", page.StatusCode, page.Text)
	}

	// Who could use the application when the form was made cannot send it any more.
	ann := r.Browser("/acme")
	form := ann.Form(r.enter(ann, "ann", authorize("pay")))
	form.Values.Set("user_oauth_approval", "true")
	r.put(2, func(a *configv1.Application) {
		a.Settings.Advanced.SkipConsent = false
		a.Bindings = append(a.Bindings, &configv1.Binding{Id: "ban", Group: "finance", Effect: configv1.Binding_DENY})
		a.Revision = 2
	})
	if answer := ann.Follow(ann.Post(form.Action, form.Values)); answer.StatusCode != http.StatusForbidden {
		t.Errorf("the form is answered %d %s", answer.StatusCode, answer.Location())
	}
	if list := ann.Get("/account/applications"); list.StatusCode != http.StatusOK || strings.Contains(list.Text, "Payroll") {
		t.Errorf("a consent was kept: %d\n%s", list.StatusCode, list.Text)
	}
}

func TestAnExchangeEndsTheGrantOfAnotherForItsOwnScopesAlone(t *testing.T) {
	r := newRig(t, func(c *gatewaytest.Config, a *configv1.Application) {
		a.Settings.Oauth.TokenExchangeOauthSettings = &configv1.TokenExchangeOAuthSettings{Inherited: new(bool), ScopeHandling: "permissive"}
		a.Bindings = nil
		c.Add(&configv1.Policy{Id: "no-write", Domain: c.Domain.GetId(), Name: "no-write", Config: &configv1.Policy_ByExpression{
			ByExpression: &configv1.ExpressionPolicy{Expression: `!("write" in request.scopes)`},
		}})
	})
	r.Apply(gatewaytest.Upserts(2, gatewaytest.NewApp(r.domain, "open", restricted, func(a *configv1.Application) {
		a.Bindings = []*configv1.Binding{{Id: "b", Policy: "no-write"}}
		a.Settings.Oauth.TokenCustomClaims = []*configv1.CustomClaim{{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "aud", ClaimValue: "pay"}}
		a.Revision = 2
	})))
	tokens := r.tokens(r.Browser("/acme"), "bob", "open")
	token, _ := tokens["access_token"].(string)
	got := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", exchange, "subject_token", token, "subject_token_type", accessType, "scope", "write"),
		gatewaytest.Basic("pay"))
	if got.Status != http.StatusOK {
		t.Errorf("pay is open, and the rule of open says nothing about what pay asks for: %d %s", got.Status, got.Body)
	}
	if a := r.refresh("open", tokens); a.Status != http.StatusOK {
		t.Errorf("the grant of open has ended: %d %s", a.Status, a.Body)
	}
}
