package access_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// strength is a policy on how somebody signed in.
func strength(change func(*configv1.AuthenticationStrengthPolicy)) *configv1.Policy {
	s := &configv1.AuthenticationStrengthPolicy{}
	change(s)
	return &configv1.Policy{Id: "strong", Name: "strong", Config: &configv1.Policy_AuthenticationStrength{AuthenticationStrength: s}}
}

// asks lets only members in who have signed in well enough.
func asks(a *configv1.Application) {
	a.Access.Mode = configv1.ApplicationAccess_ALL
	a.Bindings = append(a.Bindings, &configv1.Binding{Id: "strong-1", Policy: "strong", Message: map[string]string{"default": "Not strong enough"}})
}

func outcome(page *browsertest.Response) string {
	q := page.Query()
	switch {
	case q.Get("code") != "":
		return "code"
	case q.Get("error") != "":
		return q.Get("error")
	case strings.Contains(page.Text, `id="password"`):
		return "sign in"
	}
	return fmt.Sprint(page.StatusCode)
}

func TestAcceptance15AStrengthPolicyLeadsToStepUpWhereThatHelpsAndToDenialWhereNot(t *testing.T) {
	maxAge := func(s *configv1.AuthenticationStrengthPolicy) { s.MaxAgeSeconds = 60 }
	tests := []struct {
		name   string
		policy func(*configv1.AuthenticationStrengthPolicy)
		person string
		// later is how long after the sign-in the person comes back. First is what they get then, silent what prompt=none gets,
		// again what they get after they have signed in once more; "" = they are not asked.
		later                time.Duration
		first, silent, again string
	}{
		{"a fresh sign-in is fresh enough", maxAge, "ann", 30 * time.Second, "code", "code", ""},
		{"an old one is repeated, and then it helps", maxAge, "ann", 2 * time.Minute, "sign in", "interaction_required", "code"},
		{"nobody is asked who would be refused all the same", maxAge, "bob", 2 * time.Minute, "403", "access_denied", ""},
		{"a class that no provider gives cannot be met", func(s *configv1.AuthenticationStrengthPolicy) { s.AcrValues = []string{"urn:gold"} }, "ann", 0, "403", "access_denied", ""},
		{"nor a method", func(s *configv1.AuthenticationStrengthPolicy) { s.Amr = []string{"otp"} }, "ann", 0, "403", "access_denied", ""},
		{"nor another provider than the application's", func(s *configv1.AuthenticationStrengthPolicy) { s.IdentityProviders = []string{"corporate"} }, "ann", 0, "403", "access_denied", ""},
		{"the class of a password is met", func(s *configv1.AuthenticationStrengthPolicy) { s.AcrValues = []string{"urn:gatehouse:acr:password"} }, "ann", 0, "code", "code", ""},
		{"a class that the domain describes is met too", func(s *configv1.AuthenticationStrengthPolicy) { s.AcrValues = []string{"urn:silver"} }, "ann", 0, "code", "code", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *gatewaytest.Config, a *configv1.Application) {
				c.Domain.Oidc.AuthenticationContexts = []*configv1.AuthenticationContext{
					{Name: "urn:silver", Methods: []string{"pwd"}}, {Name: "urn:bronze"},
				}
				p := strength(tt.policy)
				p.Domain = c.Domain.GetId()
				c.Add(p)
				asks(a)
			})
			b := r.Browser("/acme")
			r.tokens(b, tt.person, "open")
			r.Clock.Forward(tt.later)
			want(t, "silent", outcome(b.Get(authorize("pay", "prompt", "none"))), tt.silent)
			page := b.Follow(b.Get(authorize("pay")))
			want(t, "first", outcome(page), tt.first)
			if tt.again == "" {
				return
			}
			if !strings.Contains(page.Text, "asks you to sign in once more") {
				t.Errorf("the page does not say why:\n%s", page.Text)
			}
			want(t, "without having signed in", outcome(b.Follow(b.Get(authorize("pay")))), tt.first)
			want(t, "again", outcome(b.Follow(b.SignIn(page, tt.person, gatewaytest.Password))), tt.again)
			r.Clock.Forward(2 * time.Minute)
			want(t, "and when that is old", outcome(b.Follow(b.Get(authorize("pay")))), tt.first)
		})
	}
}

func TestASignInThatDidNotHelpIsADenialAndNoLoop(t *testing.T) {
	site := gatewaytest.NewSite(t)
	site.ID = map[string]any{"amr": []any{"pwd"}}
	r := newRig(t, func(c *gatewaytest.Config, a *configv1.Application) {
		c.Elsewhere("corporate", site)
		p := strength(func(s *configv1.AuthenticationStrengthPolicy) { s.Amr = []string{"otp"} })
		p.Domain = c.Domain.GetId()
		c.Add(p)
		a.Bindings = []*configv1.Binding{{Id: "strong-1", Policy: "strong"}}
		a.IdentityProviders = append(a.IdentityProviders, &configv1.ApplicationIdentityProvider{Identity: "corporate", Priority: 1})
	})
	b := r.Browser("/acme")
	r.tokens(b, "ann", "open")
	// Only the other site could have used another method, so the browser goes there at once, and is to sign in anew.
	page := b.Follow(b.Get(authorize("pay")))
	if !strings.HasPrefix(page.Location(), site.URL) || page.Query().Get("prompt") != "login" {
		t.Fatalf("status %d, location %q", page.StatusCode, page.Location())
	}
	page = b.Follow(b.Get(site.Authorize(page.Location())))
	// There it was eve who came back: another person, who is asked for herself, once.
	if !strings.HasPrefix(page.Location(), site.URL) {
		t.Fatalf("status %d, location %q\n%s", page.StatusCode, page.Location(), page.Text)
	}
	page = b.Follow(b.Get(site.Authorize(page.Location())))
	if page.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, location %q", page.StatusCode, page.Location())
	}
	site.ID = map[string]any{"amr": []any{"pwd", "otp"}}
	page = b.Follow(b.Get(authorize("pay", "state", "s-2")))
	page = b.Follow(b.Get(site.Authorize(page.Location())))
	want(t, "with the method", outcome(page), "code")
}

func TestARefreshAsksForAnotherSignInAndKeepsTheGrant(t *testing.T) {
	r := newRig(t, func(c *gatewaytest.Config, a *configv1.Application) {
		p := strength(func(s *configv1.AuthenticationStrengthPolicy) { s.MaxAgeSeconds = 60 })
		p.Domain = c.Domain.GetId()
		c.Add(p)
		asks(a)
	})
	b := r.Browser("/acme")
	tokens := r.tokens(b, "ann", "pay")
	answer := r.refresh("pay", tokens)
	if answer.Status != http.StatusOK {
		t.Fatalf("in time: %s", answer.Body)
	}
	tokens = answer.JSON(t)
	r.Clock.Forward(2 * time.Minute)
	for range 2 { // the token is not used up
		want(t, "too late", r.refresh("pay", tokens).Error(t),
			"Bad Request | insufficient_user_authentication | The person has to sign in again: ask with max_age=60")
	}
	r.put(2, func(*configv1.Application) {})
	if a := r.refresh("pay", tokens); a.Status != http.StatusOK {
		t.Errorf("once that is not asked for any more: %s", a.Body)
	}
}

func TestStepUpForDevices(t *testing.T) {
	r := newRig(t, func(c *gatewaytest.Config, a *configv1.Application) {
		p := strength(func(s *configv1.AuthenticationStrengthPolicy) { s.MaxAgeSeconds = 60 })
		p.Domain = c.Domain.GetId()
		c.Add(p)
		asks(a)
	})
	b := r.Browser("/acme")
	r.tokens(b, "ann", "open")
	r.Clock.Forward(2 * time.Minute)
	a := r.Post("/acme/oauth/device_authorization", gatewaytest.Form("scope", "openid"), gatewaytest.Basic("pay")).JSON(t)
	page := b.Follow(b.Get(a["verification_uri_complete"].(string)))
	want(t, "the page", outcome(page), "sign in")
	page = b.Follow(b.SignIn(page, "ann", gatewaytest.Password))
	if !strings.Contains(page.Text, `id="device-allow"`) {
		t.Errorf("status %d\n%s", page.StatusCode, page.Text)
	}
}

func TestTheSituationOfTokensIsThatOfTheSignIn(t *testing.T) {
	office := &configv1.Policy{Id: "office", Name: "office", Config: &configv1.Policy_Network{
		Network: &configv1.NetworkPolicy{Ranges: []string{"192.0.2.0/24"}},
	}}
	firefox := &configv1.Policy{Id: "firefox", Name: "firefox", Config: &configv1.Policy_ByExpression{
		ByExpression: &configv1.ExpressionPolicy{
			Expression: `request.userAgent.contains("Firefox") && auth.identityProvider == "staff" && auth.method == "password" && request.protocol == "oauth2"`},
	}}
	r := newRig(t, func(c *gatewaytest.Config, a *configv1.Application) {
		office.Domain, firefox.Domain = c.Domain.GetId(), c.Domain.GetId()
		c.Add(office)
		c.Add(firefox)
		a.Access.Mode = configv1.ApplicationAccess_ALL
		a.Bindings = []*configv1.Binding{{Id: "office-1", Policy: "office"}, {Id: "firefox-1", Policy: "firefox"}}
	})
	b := r.Browser("/acme")
	b.Headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	b.Address = "192.0.2.7:4711"
	tokens := r.tokens(b, "ann", "pay") // the backend, which redeems the code, is somewhere else
	if a := r.refresh("pay", tokens); a.Status != http.StatusOK {
		t.Errorf("refresh: %s", a.Body)
	} else {
		tokens = a.JSON(t)
	}
	for kind, name := range map[string]string{accessType: "access_token", refreshType: "refresh_token"} {
		a := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", exchange, "subject_token", tokens[name].(string), "subject_token_type", kind),
			gatewaytest.Basic("pay"))
		if a.Status != http.StatusOK {
			t.Errorf("exchange of an %s: %s", name, a.Body)
		}
	}
	b.Address = "203.0.113.9:4711"
	if page := b.Get(authorize("pay")); page.StatusCode != http.StatusForbidden {
		t.Errorf("from home: status %d", page.StatusCode)
	}
	if a := r.password("pay", "ann"); a.Status == http.StatusOK {
		t.Error("a backend speaks for people at the office")
	}
}
