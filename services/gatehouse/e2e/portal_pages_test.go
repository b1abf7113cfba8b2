package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func axe(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(nodeClients(t), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// TestPortalPages looks at My applications and at the pages of launch links as TestPages does, and uses them by keyboard.
func TestPortalPages(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "Example")
	s.bob()
	script := axe(t)
	s.settle()
	ctx := openBrowser(t)
	look := func(name, address string) {
		t.Helper()
		shown(ctx, t, script, name, address)
	}
	step(ctx, t, "sign-in at the portal", chromedp.Navigate(s.base+"/portal"), chromedp.WaitVisible("#login-submit"),
		chromedp.SendKeys("#username", "bob"), chromedp.SendKeys("#password", bobPassword), chromedp.Click("#login-submit"), chromedp.WaitVisible("#count"))
	look("portal-empty", s.base+"/portal")

	heading := func(name string) string {
		return s.api.Do("POST", s.path("/application-groups"), proc.Object{"name": name}).Text("id")
	}
	bookmark := func(name, group string, more proc.Object) string {
		id := s.api.Do("POST", s.path("/applications"), proc.Object{"name": name, "type": "BOOKMARK"}).Text("id")
		patch := proc.Object{"launchUrl": s.base + "/oidc/.well-known/openid-configuration"}
		if group != "" {
			patch["group"] = group
		}
		maps.Copy(patch, more)
		s.patch("/applications/"+id, patch)
		return id
	}
	bookmark("Wiki", "", nil)
	bookmark("Time off", "", proc.Object{"description": "Holidays and sick leave.", "publisher": "Example Software GmbH", "openInNewTab": true})
	s.settle()
	look("portal-few", s.base+"/portal")
	for i, name := range []string{"Finance", "Engineering", "People & Culture", "Customer operations"} {
		id := heading(name)
		for k := range 3 {
			bookmark(fmt.Sprintf("%s tool %d", []string{"Invoice", "Build", "Learning", "Telephony"}[i], k), id, nil)
		}
	}
	bookmark("Procurement with an exceptionally long name that wraps over several lines", heading("Administration"), proc.Object{"description": strings.Repeat("Where orders are approved. ", 8)})
	group := s.api.Do("POST", s.path("/groups"), proc.Object{"name": "finance"}).Text("id")
	closed := bookmark("Treasury", "", nil)
	s.api.Do("POST", s.path("/applications/"+closed+"/bindings"), proc.Object{"group": group, "message": proc.Object{"default": "Ask the finance desk.", "de": "Fragen Sie die Buchhaltung."}})
	strong := s.api.Do("POST", s.path("/policies"), proc.Object{"name": "fresh", "type": "authentication-strength", "configuration": proc.Object{"maxAgeSeconds": 1}}).Text("id")
	locked := bookmark("Vault", "", nil)
	s.api.Do("POST", s.path("/applications/"+locked+"/bindings"), proc.Object{"policy": strong})
	bookmark("Archive", "", proc.Object{"enabled": false})
	bookmark("Desk", "", proc.Object{"launchUrl": "https://desk.example/{{user.attributes.desk}}/"})
	s.settle()

	look("portal-many", s.base+"/portal")
	look("portal-search", s.base+"/portal?search="+url.QueryEscape("tol invioce"))
	look("portal-nothing", s.base+"/portal?search=zebra")
	look("portal-paged", s.base+"/portal?size=6&page=1")
	look("launch-denied", s.base+"/application/launch/treasury/")
	look("launch-disabled", s.base+"/application/launch/archive/")
	look("launch-unknown", s.base+"/application/launch/nothing/")
	look("launch-incomplete", s.base+"/application/launch/desk/")
	look("launch-step-up", s.base+"/application/launch/vault/")

	t.Run("TestAcceptance37 by keyboard alone", func(t *testing.T) { byKeyboard(ctx, t, s) })

	step(ctx, t, "signed out", chromedp.Navigate(s.base+"/logout"), chromedp.WaitVisible("main > .card"))
	look("launch-sign-in", s.base+"/application/launch/wiki/")
	look("portal-sign-in", s.base+"/portal")
}

// byKeyboard shows that keys are enough: the skip link is the first stop, every application can be reached and opened, a search is announced by the
// heading, and what has the focus is seen.
func byKeyboard(ctx context.Context, t *testing.T, s *site) {
	focused := func() string {
		t.Helper()
		said, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
			const e = document.activeElement, o = getComputedStyle(e);
			return [e.tagName, e.id || e.getAttribute("href") || "", (e.getAttribute("aria-label") || e.textContent || "").trim().replace(/\s+/g, " "), o.outlineStyle === "none" ? "unseen" : "seen"].join("|");
		})()`))
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	tab := func() string {
		t.Helper()
		step(ctx, t, "tab", chromedp.KeyEvent(kb.Tab))
		return focused()
	}
	step(ctx, t, "portal", chromedp.EmulateViewport(1000, 860), chromedp.Navigate(s.base+"/portal"), chromedp.WaitVisible("#search"))
	if got := tab(); !strings.Contains(got, "#applications") || !strings.HasSuffix(got, "|seen") {
		t.Errorf("the first stop is %q, want the skip link", got)
	}
	step(ctx, t, "skip", chromedp.KeyEvent(kb.Enter))
	if got := tab(); !strings.Contains(got, "/application/launch/") || !strings.HasSuffix(got, "|seen") {
		t.Errorf("after skipping: %q, want the first application", got)
	}
	reached := map[string]bool{}
	for range 60 {
		got := tab()
		if strings.Contains(got, "/application/launch/") {
			reached[got] = true
		}
		if strings.Contains(got, "BODY") {
			break
		}
	}
	want, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll("a.tile").length`))
	if err != nil || len(reached)+1 < want {
		t.Errorf("%d of %d applications were reached after the first, %v", len(reached), want, err)
	}
	step(ctx, t, "search", chromedp.Navigate(s.base+"/portal"), chromedp.WaitVisible("#search"), chromedp.Focus("#search"), chromedp.KeyEvent("build"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#search-clear"))
	said, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector("h2#count").textContent + "|" + document.querySelector("a.tile").textContent.trim()`))
	if err != nil || !strings.Contains(said, "3 ") || !strings.Contains(said, "Build tool 0") {
		t.Errorf("the search says %q, %v", said, err)
	}
	step(ctx, t, "open", chromedp.Focus("a.tile"), chromedp.KeyEvent(kb.Enter), elsewhere(s.base+"/portal"))
}

// TestAccountPages looks at the pages of accounts, and at sign-in with buttons of other sites.
func TestAccountPages(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "Example")
	s.bob()
	script := axe(t)
	for _, name := range []string{"Partner", "Sonnenschein Energie und Wasser GmbH"} {
		s.api.Do("POST", s.path("/identities"), proc.Object{
			"name": name, "type": "oauth2-generic-am-idp", "configuration": proc.Object{
				"clientId": "gatehouse", "clientSecret": "secret", "userAuthorizationUri": "https://partner.example/authorize",
				"accessTokenUri": "https://partner.example/token", "userProfileUri": "https://partner.example/userinfo", "scopes": []string{"profile"},
			},
		})
	}
	identities := s.api.Do("GET", s.path("/identities?size=50"), nil)
	var providers []proc.Object
	list, _ := identities["data"].([]any)
	for _, one := range list {
		if id, ok := one.(map[string]any)["id"].(string); ok {
			providers = append(providers, proc.Object{"identity": id})
		}
	}
	app := s.application(proc.Object{"name": "Orders", "type": "WEB", "redirectUris": []string{callback}}, proc.Object{
		"identityProviders": providers, "settings": proc.Object{"login": proc.Object{
			"inherited": false, "registerEnabled": true, "forgotPasswordEnabled": true,
		}},
	})
	s.settle()
	ctx := openBrowser(t)
	look := func(name, address string) {
		t.Helper()
		shown(ctx, t, script, name, address)
	}
	query := "?" + url.Values{"client_id": {app.id}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}}.Encode()
	look("login-providers", s.base+"/login"+query)
	look("register", s.base+"/register"+query)
	look("forgot", s.base+"/forgotPassword"+query)
	look("link-over", s.base+"/resetPassword?token=none")
	look("sessions-signed-out", s.base+"/account/sessions")
	step(ctx, t, "sign-in", chromedp.Navigate(s.base+"/portal"), chromedp.WaitVisible("#login-submit"),
		chromedp.SendKeys("#username", "bob"), chromedp.SendKeys("#password", bobPassword), chromedp.Click("#login-submit"), chromedp.WaitVisible("#count"))
	look("sessions", s.base+"/account/sessions")
}
