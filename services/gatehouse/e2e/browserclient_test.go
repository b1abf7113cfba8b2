package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestBrowserClient lets a page of another origin, with npm's oidc-client-ts in a real browser, sign a person in, ask
// for UserInfo, renew silently in a frame, refresh, watch the session and sign out; clients/page.html is its part.
func TestBrowserClient(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "browser")
	s.bob()
	files := nodeClients(t)
	var settings []byte
	page := http.NewServeMux()
	page.HandleFunc("/oidc-client-ts.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(files, "node_modules", "oidc-client-ts", "dist", "browser", "oidc-client-ts.min.js"))
	})
	page.HandleFunc("/settings.json", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(settings) })
	page.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(files, "page.html")) })
	app := httptest.NewServer(page)
	defer app.Close()

	origin := app.URL // another port: another origin of the same site, whose frames get the gateway's cookies without https
	s.patch("", proc.Object{
		"corsSettings": proc.Object{"enabled": true, "allowedOrigins": []string{origin}},
		"oidc":         proc.Object{"sessionManagementEnabled": true},
	})
	client := s.application(
		proc.Object{"name": "page", "type": "BROWSER", "redirectUris": []string{origin + "/"}},
		proc.Object{
			"identityProviders": []proc.Object{{"identity": "default-idp-" + s.id}},
			"settings": proc.Object{
				"advanced": proc.Object{"skipConsent": true},
				"oauth": proc.Object{
					"grantTypes":             []string{"authorization_code", "refresh_token"},
					"postLogoutRedirectUris": []string{origin + "/?signed_out=yes"},
					"scopeSettings":          []proc.Object{{"scope": "openid"}, {"scope": "profile"}, {"scope": "email"}},
				},
			},
		})
	s.settle()
	settings, _ = json.Marshal(map[string]any{ // strings always have a JSON form
		"authority": s.issuer, "client_id": client.id, "redirect_uri": origin + "/", "silent_redirect_uri": origin + "/",
		"post_logout_redirect_uri": origin + "/?signed_out=yes", "scope": "openid profile email",
	})

	ctx := openBrowser(t)
	step(ctx, t, "ready", chromedp.Navigate(origin+"/"), says("ready"))
	step(ctx, t, "sign-in", chromedp.Click("#in"), chromedp.WaitVisible("#login-submit"))
	step(ctx, t, "signed-in",
		chromedp.SendKeys("#username", "bob"),
		chromedp.SendKeys("#password", bobPassword),
		chromedp.Click("#login-submit"),
		says("signed in: "+bobEmail+" session watched"))
	step(ctx, t, "renewed", chromedp.Click("#silent"), says("renewed: true"))
	step(ctx, t, "refreshed", chromedp.Click("#refresh"), says("refreshed: true"))
	step(ctx, t, "signed-out", chromedp.Click("#out"), says("signed out: yes"))
	step(ctx, t, "asked-again", chromedp.Click("#in"), chromedp.WaitVisible("#password"))
}

// says waits until the page has said something.
func says(text string) chromedp.Action[chromedp.Void] {
	return until("#said", func(now string) bool { return strings.Contains(now, text) })
}
