package conformance_test

import (
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// letsIn replaces an application's identity providers.
func letsIn(list ...*configv1.ApplicationIdentityProvider) func(*configv1.Application) {
	return func(a *configv1.Application) {
		a.IdentityProviders = list
		a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
	}
}

func use(id string) *configv1.ApplicationIdentityProvider {
	return &configv1.ApplicationIdentityProvider{Identity: id}
}

// signingIn sets an application's login settings.
func signingIn(l *configv1.LoginSettings) func(*configv1.Application) {
	return func(a *configv1.Application) {
		l.Inherited = proto.Bool(false)
		a.Settings.Login = l
	}
}

// authorizing is an authorization request of a client.
func authorizing(client, more string) string {
	return "/oauth/authorize?client_id=" + client + "&response_type=code&scope=openid&state=s&redirect_uri=" + url.QueryEscape("https://"+client+".example/cb") + more
}

// authorized returns the authorization behind the code that a client got.
func authorized(t *testing.T, h *gatewaytest.Harness, domain, client string, res *browsertest.Response) state.Authorization {
	t.Helper()
	if !strings.HasPrefix(res.Location(), "https://"+client+".example/cb?code=") || res.Query().Get("state") != "s" {
		t.Fatalf("status %d, answer %s\n%s", res.StatusCode, res.Location(), res.Text)
	}
	a, err := h.Store.Redeem(t.Context(), domain, "app-"+client, res.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// journey begins a request and follows it until the browser is sent to another origin.
func journey(t *testing.T, b *browsertest.Browser, client, more string) string {
	t.Helper()
	res := b.Follow(b.Get(authorizing(client, more)))
	if strings.Contains(res.Text, `id="provider-site"`) {
		res = b.Get("/login/provider/site?" + strings.SplitN(authorizing(client, more), "?", 2)[1])
	}
	if res.Location() == "" {
		t.Fatalf("status %d\n%s", res.StatusCode, res.Text)
	}
	return res.Location()
}

func TestSigningInAtAnotherDomain(t *testing.T) {
	rp := gatewaytest.NewAcme(t)
	op := gatewaytest.NewConfig(t, "op-"+rp.Domain.GetId(), "/partner")
	op.Certificate("rs", "RS256")
	op.Scopes("openid", "profile", "email")
	op.Inline("people", "eve")
	h := gatewaytest.New(t, gatewaytest.Options{Local: true})
	op.App("gatehouse", letsIn(use("people")), func(a *configv1.Application) {
		a.Settings.Oauth.RedirectUris = []string{h.Public + "/acme/login/callback?provider=partner"}
		a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
	})
	rp.Add(&configv1.IdentityProvider{
		Id: "partner", Domain: rp.Domain.GetId(), Name: "Partner", External: true,
		Config: &configv1.IdentityProvider_Oauth2{Oauth2: &configv1.OAuth2Provider{
			ClientId: "gatehouse", ClientSecret: gatewaytest.Secret, WellKnownUri: h.Public + "/partner/oidc/.well-known/openid-configuration",
			Scopes: []string{"openid", "profile", "email"},
		}},
	})
	rp.App("web", letsIn(use("staff"), use("partner")))
	batch := rp.Batch(1)
	batch.Upserts = append(batch.Upserts, op.Batch(1).Upserts...)
	h.Apply(batch)

	here, there := h.Browser("/acme"), h.Browser("/partner")
	page := here.Follow(here.Get(authorizing("web", "")))
	button := h.Public + "/acme/login/provider/partner?"
	if !strings.Contains(page.Text, `id="provider-partner"`) || !strings.Contains(page.Text, `href="`+button) || !strings.Contains(page.Text, "<strong>Partner</strong>") {
		t.Fatalf("no button:\n%s", page.Text)
	}
	res := here.Get(button + strings.SplitN(authorizing("web", ""), "?", 2)[1])
	q := res.Query()
	if !strings.HasPrefix(res.Location(), h.Public+"/partner/oauth/authorize?") || q.Get("nonce") == "" || q.Get("code_challenge_method") != "S256" ||
		q.Get("redirect_uri") != h.Public+"/acme/login/callback?provider=partner" || q.Get("scope") != "openid profile email" {
		t.Fatalf("sent to %s", res.Location())
	}
	res = there.Follow(there.Get(res.Location()))
	res = there.Follow(there.SignIn(res, "eve", gatewaytest.Password))
	if !strings.HasPrefix(res.Location(), h.Public+"/acme/login/callback?provider=partner&code=") {
		t.Fatalf("sent back to %s\n%s", res.Location(), res.Text)
	}
	a := authorized(t, h, rp.Domain.GetId(), "web", here.Follow(here.Get(res.Location())))
	if a.Person.Source != "partner" || a.ACR != signin.ACRFederated || cmp.Diff([]string{"pwd"}, a.AMR) != "" || a.AuthTime != h.Clock.Now().Unix() {
		t.Errorf("authorization %+v", a)
	}
	user, err := h.Directory.User(t.Context(), rp.Domain.GetId(), a.Person.Subject)
	if err != nil || user.GetEmail() != "eve@acme.example" || user.GetExternalId() != gatewaytest.Subject("people", "eve") {
		t.Errorf("user %v, %v", user, err)
	}
}

// rig is a gateway whose domain sends people to a site.
type rig struct {
	*gatewaytest.Harness
	config *gatewaytest.Config
	site   *gatewaytest.Site
	domain string
}

func newRig(t *testing.T, adjust ...func(*configv1.OAuth2Provider)) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	s := gatewaytest.NewSite(t)
	c.Elsewhere("site", s, adjust...)
	c.Elsewhere("other", s)
	c.App("web", letsIn(use("staff"), use("site"), use("other")))
	c.App("hidden", letsIn(use("staff"), use("site")), signingIn(&configv1.LoginSettings{HideForm: true}))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	s.Now = h.Clock.Now
	return &rig{h, c, s, c.Domain.GetId()}
}

// pagesError is the error that a redirect to one of our pages carries; empty if it leads elsewhere.
func pagesError(res *browsertest.Response, path string) string {
	if !strings.HasPrefix(res.Location(), gatewaytest.PublicURL+"/acme"+path+"?") {
		return ""
	}
	q := res.Query()
	return strings.TrimRight(q.Get("error")+" "+q.Get("error_code")+" "+q.Get("error_description"), " ")
}

const failedCallback = "social_authentication_failed login_callback_failed could not authenticate user"

func TestCallback(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	back := r.site.Authorize(journey(t, b, "web", ""))
	cookie := b.Cookies[browser.SessionCookie]
	res := b.Get(back)
	if !strings.HasPrefix(res.Location(), gatewaytest.PublicURL+"/acme/oauth/authorize?client_id=web") || b.Cookies[browser.SessionCookie] == cookie {
		t.Fatalf("location %s", res.Location())
	}
	a := authorized(t, r.Harness, r.domain, "web", b.Follow(res))
	if a.Person.Source != "site" || a.Person.Username != "eve" || a.Person.Subject != gatewaytest.Subject("site", "eve-1") {
		t.Errorf("person %+v", a.Person)
	}

	t.Run("used again it leads nowhere", func(t *testing.T) {
		for _, in := range []*browsertest.Browser{b, r.Browser("/acme")} {
			res := in.Get(back)
			if got := pagesError(res, "/oauth/error"); !strings.HasPrefix(got, "invalid_request") || in.Follow(res).StatusCode != 400 {
				t.Errorf("location %s", res.Location())
			}
		}
	})
	t.Run("one that was never begun leads nowhere", func(t *testing.T) {
		for _, query := range []string{"", "?provider=site", "?provider=site&code=x&state=" + strings.Repeat("a", 43), "?code=x&state=%00"} {
			if got := pagesError(r.Browser("/acme").Get("/login/callback"+query), "/oauth/error"); !strings.HasPrefix(got, "invalid_request") {
				t.Errorf("%q: %q", query, got)
			}
		}
	})
	t.Run("in another browser signs nobody in", func(t *testing.T) {
		victim := r.Browser("/acme")
		back := r.site.Authorize(journey(t, r.Browser("/acme"), "web", ""))
		if got := pagesError(victim.Get(back), "/login"); !strings.HasPrefix(got, "social_authentication_failed session_expired") {
			t.Errorf("error %q", got)
		}
		if got := victim.Get(authorizing("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
			t.Errorf("the victim is signed in: %q", got)
		}
	})
	t.Run("in a browser that has begun one as well signs nobody in by the other's", func(t *testing.T) {
		victim, attacker := r.Browser("/acme"), r.Browser("/acme")
		journey(t, victim, "web", "")
		if got := pagesError(victim.Get(r.site.Authorize(journey(t, attacker, "web", ""))), "/login"); !strings.HasPrefix(got, "social_authentication_failed") {
			t.Errorf("error %q", got)
		}
	})
	t.Run("a code of another journey is refused", func(t *testing.T) {
		attacker, victim := r.Browser("/acme"), r.Browser("/acme")
		stolen, _ := url.Parse(r.site.Authorize(journey(t, victim, "web", "")))
		own, _ := url.Parse(r.site.Authorize(journey(t, attacker, "web", "")))
		q := own.Query()
		q.Set("code", stolen.Query().Get("code"))
		own.RawQuery = q.Encode()
		if got := pagesError(attacker.Get(own.String()), "/login"); got != failedCallback {
			t.Errorf("error %q", got)
		}
	})
	t.Run("the answer of another provider is refused", func(t *testing.T) {
		b := r.Browser("/acme")
		back := strings.Replace(r.site.Authorize(journey(t, b, "web", "")), "provider=site", "provider=other", 1)
		if got := pagesError(b.Get(back), "/login"); got != failedCallback {
			t.Errorf("error %q", got)
		}
	})
	t.Run("an error of the site goes back to the login page, which says so", func(t *testing.T) {
		b := r.Browser("/acme")
		u, _ := url.Parse(journey(t, b, "web", ""))
		res := b.Get(u.Query().Get("redirect_uri") + "&error=access_denied&error_description=%3Cscript%3E&state=" + u.Query().Get("state") + "&iss=" + url.QueryEscape(r.site.URL))
		if got := pagesError(res, "/login"); got != failedCallback {
			t.Errorf("error %q", got)
		}
		if page := b.Follow(res); !strings.Contains(page.Text, "could not authenticate user") || strings.Contains(page.Text, "script") {
			t.Errorf("page\n%s", page.Text)
		}
	})
	t.Run("as a posted form it counts as well", func(t *testing.T) {
		b := r.Browser("/acme")
		u, _ := url.Parse(r.site.Authorize(journey(t, b, "web", "")))
		form := u.Query()
		form.Del("provider")
		b.Headers["Origin"], b.Headers["Sec-Fetch-Site"] = r.site.URL, "cross-site"
		authorized(t, r.Harness, r.domain, "web", b.Follow(b.Post("/login/callback?provider=site", form)))
	})
	t.Run("it leads to no other site", func(t *testing.T) {
		b := r.Browser("/acme")
		back := r.site.Authorize(journey(t, b, "web", ""))
		res := b.Get(back + "&redirect_uri=https%3A%2F%2Fevil.example&client_id=evil&return_to=//evil.example")
		if !strings.HasPrefix(res.Location(), gatewaytest.PublicURL+"/acme/oauth/authorize?client_id=web") {
			t.Errorf("location %s", res.Location())
		}
	})
	t.Run("a provider that the application does not use is none", func(t *testing.T) {
		for _, id := range []string{"staff", "nobody", "..%2Fx", "site/x"} {
			res := r.Browser("/acme").Get("/login/provider/" + id + "?client_id=web")
			if got := pagesError(res, "/oauth/error"); !strings.HasPrefix(got, "invalid_request  The application has no such identity provider") {
				t.Errorf("%s: %s", id, res.Location())
			}
		}
	})
	t.Run("one gateway goes on with what another began", func(t *testing.T) {
		second := gatewaytest.New(t, gatewaytest.Options{}, r.config)
		b := r.Browser("/acme")
		back := r.site.Authorize(journey(t, b, "web", ""))
		other := second.Browser("/acme")
		other.Cookies = b.Cookies
		authorized(t, second, r.domain, "web", other.Follow(other.Get(back)))
	})
	t.Run("of 32 that arrive at once one signs in", func(t *testing.T) {
		b := r.Browser("/acme")
		back := r.site.Authorize(journey(t, b, "web", ""))
		var wg sync.WaitGroup
		var in atomic.Int32
		for range 32 {
			wg.Go(func() {
				racer := r.Browser("/acme")
				racer.Cookies[browser.SessionCookie] = b.Cookies[browser.SessionCookie]
				if strings.Contains(racer.Get(back).Location(), "/oauth/authorize?") {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		if in.Load() != 1 {
			t.Errorf("%d signed in", in.Load())
		}
	})
	t.Run("after a quarter of an hour it is over", func(t *testing.T) {
		b := r.Browser("/acme")
		back := r.site.Authorize(journey(t, b, "web", ""))
		r.Clock.Forward(state.LegLife + time.Second)
		if got := pagesError(b.Get(back), "/oauth/error"); !strings.HasPrefix(got, "invalid_request") {
			t.Errorf("error %q", got)
		}
	})
}
