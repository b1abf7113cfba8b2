package conformance_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestTheWishToBeRememberedIsKept over the page that asks for the name, the login page and another site.
func TestTheWishToBeRememberedIsKept(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	s := gatewaytest.NewSite(t)
	c.Elsewhere("p1", s)
	for id, offered := range map[string]bool{"web": true, "unwilling": false} {
		c.App(id, lists(ruled("staff", "", 0), ruled("p1", `login == "eve" || login == "late" && request.path == "/acme/login"`, 1)),
			signingIn(&configv1.LoginSettings{IdentifierFirstEnabled: true, SelectionRulesOnLoginPage: true, RememberMeEnabled: offered}),
			func(a *configv1.Application) {
				a.Settings.Account = &configv1.AccountSettings{Inherited: proto.Bool(false), RememberMe: true}
			})
	}
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	s.Now = h.Clock.Now
	// name answers the page that asks for it.
	name := func(b *browsertest.Browser, client, name string, remember bool) *browsertest.Response {
		t.Helper()
		page := b.Follow(b.Get(authorizing(client, "")))
		if got := strings.Contains(page.Text, `id="rememberMe"`); got != (client == "web") {
			t.Errorf("%s: the box is offered: %v", client, got)
		}
		f := b.Form(page)
		f.Values.Set("username", name)
		f.Values.Del("rememberMe")
		if remember {
			f.Values.Set("rememberMe", "true")
		}
		return b.Follow(b.Post(f.Action, f.Values))
	}
	kept := func(res *browsertest.Response) bool {
		if !strings.HasPrefix(res.Location(), gatewaytest.PublicURL+"/acme/oauth/authorize?") {
			t.Errorf("not signed in: %d %s", res.StatusCode, res.Location())
		}
		return strings.Contains(strings.Join(res.Header.Values("Set-Cookie"), "\n"), "; Max-Age=1209600;")
	}
	for _, tt := range []struct {
		name, client, login string
		ticked, want        bool
	}{
		{"over the site that rules choose for the name", "web", "eve", true, true},
		{"over the site that rules choose on the login page", "web", "late", true, true},
		{"where it was told alone", "web", "eve", false, false},
		{"on the login page too", "web", "late", false, false},
		{"where it is offered alone", "unwilling", "eve", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := h.Browser("/acme")
			res := name(b, tt.client, tt.login, tt.ticked)
			if strings.Contains(res.Location(), "remember") {
				t.Errorf("the site hears of it: %s", res.Location())
			}
			if got := kept(b.Get(s.Authorize(res.Location()))); got != tt.want {
				t.Errorf("remembered: %v, want %v", got, tt.want)
			}
		})
	}
	const ticked = `value="true" checked>`
	t.Run("to the box of the login page, which counts there", func(t *testing.T) {
		for _, stays := range []bool{true, false} {
			b := h.Browser("/acme")
			page := name(b, "web", "ann", true)
			if !strings.Contains(page.Text, ticked) {
				t.Fatalf("the box is not ticked:\n%s", page.Text)
			}
			f := b.Form(page)
			f.Values.Set("password", gatewaytest.Password)
			if !stays {
				f.Values.Del("rememberMe")
			}
			if got := kept(b.Post(f.Action, f.Values)); got != stays {
				t.Errorf("remembered: %v, want %v", got, stays)
			}
		}
		if page := name(h.Browser("/acme"), "web", "ann", false); strings.Contains(page.Text, ticked) {
			t.Error("the box is ticked for somebody who did not")
		}
	})
	t.Run("not by a button, which is a link", func(t *testing.T) {
		b := h.Browser("/acme")
		_, link, _ := strings.Cut(name(b, "web", "ann", true).Text, `href="`+gatewaytest.PublicURL+`/acme/login/provider/p1?`)
		link, _, ok := strings.Cut(link, `"`)
		if !ok || strings.Contains(link, "remember") {
			t.Fatalf("link %q", link)
		}
		res := b.Get("/login/provider/p1?" + strings.ReplaceAll(link, "&amp;", "&"))
		if kept(b.Get(s.Authorize(res.Location()))) {
			t.Error("remembered")
		}
	})
	t.Run("and nobody else's: a link ticks no box", func(t *testing.T) {
		_, query, _ := strings.Cut(authorizing("web", "&login_hint=ann&rememberMe="), "?")
		other := name(h.Browser("/acme"), "web", "ann", true)
		_, seal, _ := strings.Cut(other.Text, "rememberMe=")
		seal, _, _ = strings.Cut(seal, `"`)
		for _, value := range []string{"true", seal} {
			if page := h.Browser("/acme").Get("/login?" + query + value); strings.Contains(page.Text, ticked) || page.StatusCode != 200 {
				t.Errorf("%q: %d", value, page.StatusCode)
			}
		}
	})
}
