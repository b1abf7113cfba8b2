package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

const (
	safeBase  = gatewaytest.PublicURL + "/acme"
	safeQuery = "client_id=web&response_type=code&scope=openid&state=s&redirect_uri=https%3A%2F%2Fweb.example%2Fcb"
)

// doors is a gateway with everything by which people come in.
func doors(t *testing.T) (*gatewaytest.Harness, string) {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.People()
	c.App("web", func(app *configv1.Application) {
		app.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), RegisterEnabled: true, ForgotPasswordEnabled: true, RememberMeEnabled: true}
		app.Settings.Account = &configv1.AccountSettings{Inherited: proto.Bool(false), RememberMe: true, AutoLoginAfterResetPassword: true}
		app.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
		app.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "staff"}, {Identity: gatewaytest.DirectoryProvider}}
	})
	return gatewaytest.New(t, gatewaytest.Options{}, c), c.Domain.GetId()
}

// TestNoPageLeadsElsewhere opens and posts every page of the sign-in with parameters that other products take a target from.
func TestNoPageLeadsElsewhere(t *testing.T) {
	h, domain := doors(t)
	b := h.Browser("/acme")
	token := h.Directory.Invite(h.Directory.Person(domain, gatewaytest.DirectoryProvider, "carl"), directoryv1.Ticket_RESET_PASSWORD)
	paths := []string{
		"/login?client_id=web", "/login/identifier?client_id=web", "/register?client_id=web", "/forgotPassword?client_id=web",
		"/resetPassword?token=" + token, "/confirmRegistration?token=" + token, "/account/sessions?x=1", "/account/applications?x=1",
		"/oauth/consent?client_id=web", "/oauth/error?error=x", "/oauth/authorize?client_id=web&response_type=code", "/device?x=1",
	}
	for _, name := range []string{
		"redirect_uri", "redirectUri", "return_to", "returnUrl", "next", "url", "continue", "RelayState", "target", "target_url",
		"post_logout_redirect_uri", "goto", "error_uri", "action",
	} {
		for _, target := range []string{"https://evil.example/", "//evil.example/", `/\evil.example/`, "javascript:alert(1)//evil.example"} {
			for _, path := range paths {
				full := path + "&" + name + "=" + url.QueryEscape(target)
				for _, res := range []*browsertest.Response{b.Get(full), b.Post(full, url.Values{name: {target}})} {
					if at := res.Location(); at != "" && !strings.HasPrefix(at, safeBase+"/") {
						t.Errorf("%s leads to %s", full, at)
					}
					for _, bad := range []string{`="` + target, `="//evil`, "url=" + target} {
						if strings.Contains(res.Text, bad) {
							t.Errorf("%s: the page contains %s", full, bad)
						}
					}
				}
			}
		}
	}
	// Through a whole sign-in as well.
	evil := "client_id=web&response_type=code&redirect_uri=" + url.QueryEscape("https://evil.example/cb")
	res := b.Follow(b.SignIn(b.Get("/login?"+evil), "ann", gatewaytest.Password))
	if res.StatusCode != 400 || res.Location() != "" || strings.Contains(res.Text, `href="https://evil`) {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
}

// TestAttacksOnTheSignIn plays an attacker who has a browser, an account and a host beside ours, against a person.
func TestAttacksOnTheSignIn(t *testing.T) {
	const cookie, form = "GATEHOUSE_SESSION", "X-XSRF-TOKEN"
	tests := []struct {
		name string
		// attack returns a browser in which the attacker wants to be signed in as ann, or ann as the attacker.
		attack func(h *gatewaytest.Harness, domain string, victim, attacker *browsertest.Browser) *browsertest.Browser
	}{
		{"a visitor's cookie planted before the sign-in", func(_ *gatewaytest.Harness, _ string, victim, attacker *browsertest.Browser) *browsertest.Browser {
			attacker.Get("/login?client_id=web")
			victim.Cookies[cookie] = attacker.Cookies[cookie]
			victim.SignIn(victim.Get("/login?"+safeQuery), "ann", gatewaytest.Password)
			return attacker
		}},
		{"a made-up session planted before the sign-in", func(_ *gatewaytest.Harness, _ string, victim, attacker *browsertest.Browser) *browsertest.Browser {
			attacker.Cookies[cookie] = secret.NewToken()
			victim.Cookies[cookie] = attacker.Cookies[cookie]
			victim.SignIn(victim.Get("/login?"+safeQuery), "ann", gatewaytest.Password)
			return attacker
		}},
		{"a made-up remembered session planted before the sign-in", func(_ *gatewaytest.Harness, _ string, victim, attacker *browsertest.Browser) *browsertest.Browser {
			attacker.Cookies[cookie] = "r7fffffff" + secret.NewToken()
			victim.Cookies[cookie] = attacker.Cookies[cookie]
			f := victim.Form(victim.Get("/login?" + safeQuery))
			f.Values.Set("username", "ann")
			f.Values.Set("password", gatewaytest.Password)
			f.Values.Set("rememberMe", "true")
			victim.Post(f.Action, f.Values)
			return attacker
		}},
		{"the cookie of before a second sign-in", func(_ *gatewaytest.Harness, _ string, victim, attacker *browsertest.Browser) *browsertest.Browser {
			victim.SignIn(victim.Get("/login?"+safeQuery), "ann", gatewaytest.Password)
			attacker.Cookies[cookie] = victim.Cookies[cookie]
			victim.SignIn(victim.Get("/login?"+safeQuery), "ann", gatewaytest.Password)
			return attacker
		}},
		{"the cookie of before a sign-out", func(_ *gatewaytest.Harness, _ string, victim, attacker *browsertest.Browser) *browsertest.Browser {
			victim.SignIn(victim.Get("/login?"+safeQuery), "ann", gatewaytest.Password)
			attacker.Cookies[cookie] = victim.Cookies[cookie]
			victim.Get("/logout")
			return attacker
		}},
		{"a sign-in form of the attacker sent by the person's browser", func(_ *gatewaytest.Harness, _ string, victim, attacker *browsertest.Browser) *browsertest.Browser {
			f := attacker.Form(attacker.Get("/login?" + safeQuery))
			f.Values.Set("username", "bob")
			f.Values.Set("password", gatewaytest.Password)
			victim.Get("/login?" + safeQuery)
			victim.Post(f.Action, f.Values)
			return victim
		}},
		{"the same with the attacker's form cookie planted", func(_ *gatewaytest.Harness, _ string, victim, attacker *browsertest.Browser) *browsertest.Browser {
			f := attacker.Form(attacker.Get("/login?" + safeQuery))
			f.Values.Set("username", "bob")
			f.Values.Set("password", gatewaytest.Password)
			victim.Get("/login?" + safeQuery)
			victim.Cookies["XSRF-TOKEN"] = f.Values.Get(form)
			victim.Post(f.Action, f.Values)
			return victim
		}},
		{"a sign-in form sent by another site", func(_ *gatewaytest.Harness, _ string, victim, _ *browsertest.Browser) *browsertest.Browser {
			f := victim.Form(victim.Get("/login?" + safeQuery))
			f.Values.Set("username", "bob")
			f.Values.Set("password", gatewaytest.Password)
			victim.Headers["Origin"] = "https://evil.example"
			victim.Post(f.Action, f.Values)
			delete(victim.Headers, "Origin")
			return victim
		}},
		{"a link for a password of the attacker's, sent by another site", func(h *gatewaytest.Harness, domain string, victim, _ *browsertest.Browser) *browsertest.Browser {
			token := h.Directory.Invite(h.Directory.Person(domain, gatewaytest.DirectoryProvider, "eve"), directoryv1.Ticket_RESET_PASSWORD)
			h.Directory.Retarget(token, "web", safeQuery)
			f := victim.Form(victim.Get("/resetPassword?token=" + token))
			f.Values.Set("password", "another password")
			victim.Headers["Sec-Fetch-Site"] = "cross-site"
			victim.Post(f.Action, f.Values)
			delete(victim.Headers, "Sec-Fetch-Site")
			return victim
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, domain := doors(t)
			b := tt.attack(h, domain, h.Browser("/acme"), h.Browser("/acme"))
			if res := b.Get("/oauth/authorize?" + safeQuery + "&prompt=none"); res.Query().Get("error") != "login_required" {
				t.Errorf("the attack succeeded: %s", res.Location())
			}
		})
	}
}

// TestManySignInsAtOnce lets 64 people sign in at the same moment: passwords are hashed a few at a time, and who has to wait too
// long is told to come again, not that the password is wrong.
func TestManySignInsAtOnce(t *testing.T) {
	h, _ := doors(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	browsers := make([]*browsertest.Browser, 64)
	pages := make([]*browsertest.Response, len(browsers))
	for i := range browsers {
		browsers[i] = h.Browser("/acme")
		pages[i] = browsers[i].Get("/login?" + safeQuery)
	}
	for i, b := range browsers {
		group.Go(func() {
			res := b.SignIn(pages[i], "ann", gatewaytest.Password)
			mu.Lock()
			defer mu.Unlock()
			answers[res.StatusCode]++
			switch {
			case res.StatusCode == http.StatusServiceUnavailable && strings.Contains(res.Text, "Try again shortly"):
			case res.StatusCode == http.StatusFound && !strings.Contains(res.Location(), "error"):
			default:
				t.Errorf("status %d, %s", res.StatusCode, res.Location())
			}
		})
	}
	group.Wait()
	if answers[http.StatusFound] == 0 {
		t.Errorf("nobody came in: %v", answers)
	}
}
