package e2e

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// maxPage is how large a page may be with its style, in bytes.
const maxPage = 20_000

// TestPages looks at every page that people see in a real browser: on light and dark screens, on a desktop and on the narrowest
// phone, in two languages, as the product's own and branded. axe-core finds nothing to complain of, nothing is wider than the
// screen, and pages are small. With `go test -artifacts` the pages are kept as pictures.
func TestPages(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "Example")
	s.bob()
	axe, err := os.ReadFile(filepath.Join(nodeClients(t), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	client := func(name string, settings proc.Object) credentials {
		settings["oauth"] = proc.Object{
			"grantTypes":    []string{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code"},
			"scopeSettings": []proc.Object{{"scope": "openid"}, {"scope": "profile"}, {"scope": "email"}, {"scope": "offline_access"}},
			"policyUri":     "https://app.example/privacy", "tosUri": "https://app.example/terms",
		}
		return s.application(
			proc.Object{"name": name, "type": "WEB", "redirectUris": []string{callback}},
			proc.Object{"identityProviders": []proc.Object{{"identity": "default-idp-" + s.id}}, "settings": settings})
	}
	plain := client("Orders", proc.Object{})
	branded := client("Bakery", proc.Object{
		"login": proc.Object{"inherited": false, "identifierFirstEnabled": true},
		"branding": proc.Object{
			"displayName": "Bäckerei Sonne", "primaryColor": "#f7c948", "backgroundColor": "#fff3d6", "cornerRadius": 20, "font": "rounded",
			"supportEmail": "hilfe@sonne.example", "links": []proc.Object{{"label": "Impressum", "uri": "https://sonne.example/impressum"}},
		},
	})
	closed := client("Payroll", proc.Object{})
	group := s.api.Do("POST", s.path("/groups"), proc.Object{"name": "Finance"}).Text("id")
	s.api.Do("POST", s.path("/applications/"+closed.app+"/bindings"), proc.Object{"group": group, "message": proc.Object{
		"default": "Only the finance department works here. Ask your manager.", "de": "Hier arbeitet nur die Buchhaltung. Fragen Sie Ihre Vorgesetzte.",
	}})
	s.patch("", proc.Object{"accessSettings": proc.Object{"helpContact": "help@example.com"}})
	s.settle()
	authorize := func(c credentials, more string) string {
		return s.base + "/oauth/authorize?" + url.Values{
			"client_id": {c.id}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile email offline_access"},
		}.Encode() + more
	}
	root, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	ctx := openBrowser(t)
	look := func(name, address string) {
		t.Helper()
		shown(ctx, t, string(axe), name, address)
	}

	look("login", authorize(plain, ""))
	look("identifier-branded", authorize(branded, ""))
	look("identifier-hinted", authorize(branded, "&login_hint=bob&prompt=login"))
	look("error", authorize(plain, "&response_mode=strange&redirect_uri=https%3A%2F%2Felsewhere.example"))
	look("device", s.base+"/device")
	look("applications-signed-out", s.base+"/account/applications")
	look("signed-out", root.Scheme+"://"+root.Host+"/")

	step(ctx, t, "wrong password", chromedp.Navigate(authorize(plain, "")), chromedp.WaitVisible("#login-submit"),
		chromedp.SendKeys("#username", "bob"), chromedp.SendKeys("#password", "wrong"), chromedp.Click("#login-submit"), chromedp.WaitVisible("#message"))
	where, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		t.Fatal(err)
	}
	look("login-refused", where)
	step(ctx, t, "right password", chromedp.SendKeys("#username", "bob"), chromedp.SendKeys("#password", bobPassword), chromedp.Click("#login-submit"), chromedp.WaitVisible("#consent-allow"))
	look("consent", authorize(plain, ""))
	look("consent-branded", authorize(branded, ""))
	look("denied", authorize(closed, "&state=s"))
	look("login-account", authorize(plain, "&prompt=select_account"))
	device := s.post(t, "/oauth/device_authorization", plain, url.Values{"scope": {"openid email"}})
	look("device-question", device.JSON().Text("verification_uri_complete"))
	look("logout", s.base+"/logout?"+url.Values{"client_id": {plain.id}, "post_logout_redirect_uri": {callback}}.Encode())
	step(ctx, t, "allowed", chromedp.Navigate(authorize(plain, "")), chromedp.WaitVisible("#consent-allow"), chromedp.Click("#consent-allow"), elsewhere(s.base))
	look("applications", s.base+"/account/applications")
}

// elsewhere waits until the browser has left.
func elsewhere(base string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			if where, err := chromedp.Location()(ctx, target); err == nil && !strings.HasPrefix(where, base) {
				return chromedp.Void{}, nil
			}
			select {
			case <-ctx.Done():
				return chromedp.Void{}, ctx.Err()
			case <-tick.C:
			}
		}
	}
}

// shown looks at one page in all its forms.
func shown(ctx context.Context, t *testing.T, axe, name, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, language := range []string{"en", "de"} {
		if err := call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}}); err != nil {
			t.Fatal(err)
		}
		for _, screen := range []struct {
			name   string
			width  int64
			height int64
		}{{"desktop", 1000, 860}, {"phone", 320, 640}} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(screen.width, screen.height), chromedp.Navigate(address), chromedp.WaitVisible("main > div")); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, scheme := range []string{"light", "dark"} {
				// Without motion colours change at once.
				features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
				if err := call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
					t.Fatal(err)
				}
				which := strings.Join([]string{name, language, screen.name, scheme}, "-")
				picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatalf("%s: %v", which, err)
				}
				if err := os.WriteFile(filepath.Join(t.ArtifactDir(), which+".png"), picture, 0o600); err != nil {
					t.Error(err)
				}
				if language == "de" { // the longer texts; colours and structure are the same
					judge(ctx, t, axe, which)
				}
			}
		}
	}
	said, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[document.documentElement.lang, document.title].join(" ")`))
	if err != nil || !strings.HasPrefix(said, "de ") {
		t.Errorf("%s: %q, %v", name, said, err)
	}
}

// judge runs axe-core over the page, and measures it.
func judge(ctx context.Context, t *testing.T, axe, which string) {
	t.Helper()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(async () => {
		if (!window.axe) { `+axe+` }
		const r = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
		const small = [...document.querySelectorAll("button, input:not([type=hidden]):not([type=checkbox]):not(.unseen), a.primary, a.account")]
			.filter(e => e.getBoundingClientRect().height < 44).map(e => "lower than 44 pixels: " + (e.id || e.textContent));
		return JSON.stringify({
			violations: r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("; ")).concat(small),
			passes: r.passes.length, wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
			bytes: performance.getEntriesByType("navigation")[0].decodedBodySize,
		});
	})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", which, err)
	}
	var result struct {
		Violations          []string
		Passes, Wide, Bytes int
	}
	if err := json.Unmarshal([]byte(found), &result); err != nil {
		t.Fatal(err)
	}
	for _, v := range result.Violations {
		t.Errorf("%s: %s", which, v)
	}
	if result.Passes < 10 || result.Wide > 0 || result.Bytes == 0 || result.Bytes > maxPage {
		t.Errorf("%s: %d checks passed, %d pixels too wide, %d bytes", which, result.Passes, result.Wide, result.Bytes)
	}
}

// call runs a command of the browser's protocol.
func call[P, R any](ctx context.Context, command cdp.Command[P, R], params P) error {
	_, err := chromedp.Call(ctx, command, params)
	return err
}
