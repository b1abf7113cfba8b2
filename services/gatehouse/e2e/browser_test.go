package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestBrowser follows the printed link in a real browser: sign in, allow, see the claims, refresh, sign out. With
// `go test -artifacts` the pages are kept as pictures.
func TestBrowser(t *testing.T) {
	g := proc.StartGatehouse(t)
	demo := g.Demonstration()
	link := regexp.MustCompile(`(?m)^\s+(http://\S+/login)$`).FindStringSubmatch(g.Stdout())
	if link == nil {
		t.Fatalf("no link in\n%s", g.Stdout())
	}
	ctx := openBrowser(t)

	step(ctx, t, "wrong-password",
		chromedp.Navigate(link[1]),
		chromedp.WaitVisible("#login-submit"),
		chromedp.SendKeys("#username", demo.User.Name),
		chromedp.SendKeys("#password", "something else"),
		chromedp.Click("#login-submit"),
		chromedp.WaitVisible("#message, [role=alert]"),
	)
	step(ctx, t, "consent",
		chromedp.SetValue("#username", demo.User.Name),
		chromedp.SendKeys("#password", demo.User.Password),
		chromedp.Click("#login-submit"),
		chromedp.WaitVisible("#consent-allow"),
	)
	step(ctx, t, "signed-in", chromedp.Click("#consent-allow"), chromedp.WaitVisible("#signed-in"))
	text, err := chromedp.Run(ctx, chromedp.Text("main"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Hello, Alice", "alice@example.com", demo.Web.ClientID, g.GatewayURL + "/demo/oidc"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
	step(ctx, t, "refreshed", chromedp.Click("#refresh"), changed("main", text))
	step(ctx, t, "signed-out", chromedp.Click("#logout"), chromedp.WaitVisible("#login"))

	// Signed out at the gateway too: the next sign-in asks again.
	step(ctx, t, "asked-again", chromedp.Click("#login"), chromedp.WaitVisible("#password"))
}

// changed waits until the text of an element is another one.
func changed(selector, before string) chromedp.Action[chromedp.Void] {
	return until(selector, func(now string) bool { return now != before })
}

// until waits until the text of an element is as it should be, over any number of pages.
func until(selector string, good func(text string) bool) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			// While the page is being replaced there may be no element.
			if now, err := chromedp.Text(selector)(ctx, target); err == nil && good(now) {
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

// step acts and then takes a picture of what came of it.
func step(ctx context.Context, t *testing.T, name string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	err := chromedp.Do(ctx, actions...)
	shown, stop := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer stop()
	if picture, failure := chromedp.Run(shown, chromedp.FullScreenshot(100)); failure == nil {
		if failure := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), picture, 0o600); failure != nil {
			t.Error(failure)
		}
	}
	if err != nil {
		where, _ := chromedp.Run(shown, chromedp.Location())
		page, _ := chromedp.Run(shown, chromedp.OuterHTML("html"))
		t.Fatalf("%s: %v\nat %s\n%s", name, err, where, page)
	}
}

// openBrowser starts a browser with a profile of its own that ends with the test.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	path, err := findBrowser()
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.DisableGPU,
		chromedp.WindowSize(1000, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // the sandbox refuses to work for root
	}
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser's end
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no browser in the PATH; scripts/ensure.sh chromium installs one")
}
