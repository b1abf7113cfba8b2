package logo_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// The beginnings of pictures, by which they are told.
var samples = map[string]string{
	"png":  "\x89PNG\x0D\x0A\x1A\x0A....",
	"jpeg": "\xFF\xD8\xFF....",
	"gif":  "GIF89a....",
	"webp": "RIFF....WEBPVP....",
	"svg":  `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
	"html": "<!DOCTYPE html><script>alert(1)</script>",
	"text": "hello",
}

func serveLogos(t *testing.T) (*gatewaytest.Harness, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		name := strings.TrimPrefix(r.URL.Path, "/")
		w.Header().Set("Content-Type", "image/svg+xml") // whatever it says
		switch content, ok := samples[name]; {
		case name == "large":
			_, _ = w.Write([]byte(samples["png"] + strings.Repeat("x", 512<<10)))
		case !ok:
			http.NotFound(w, r)
		default:
			_, _ = w.Write([]byte(content))
		}
	}))
	t.Cleanup(site.Close)
	c := gatewaytest.NewAcme(t)
	for _, name := range []string{"png", "jpeg", "gif", "webp", "svg", "html", "text", "large", "missing"} {
		c.App(name, func(a *configv1.Application) { a.GetSettings().GetOauth().LogoUri = site.URL + "/" + name })
	}
	c.App("none")
	c.App("inside", func(a *configv1.Application) { a.GetSettings().GetOauth().LogoUri = "https://169.254.169.254/logo.png" })
	c.App("a/b c", func(a *configv1.Application) {
		a.Id = "odd"
		a.GetSettings().GetOauth().LogoUri = site.URL + "/png"
	})
	return gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c), &asked
}

func TestO6OnlyPicturesAreServedAgain(t *testing.T) {
	h, asked := serveLogos(t)
	for client, want := range map[string]string{
		"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "a/b c": "image/png",
		"svg": "", "html": "", "text": "", "large": "", "missing": "", "none": "", "inside": "", "nobody": "",
	} {
		a := h.Get("/acme/oauth/logo/" + url.PathEscape(client))
		if a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: without nosniff", client)
		}
		if want == "" {
			if a.Status != http.StatusNotFound || a.Body != "" {
				t.Errorf("%s: status %d, %d bytes", client, a.Status, len(a.Body))
			}
			continue
		}
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != want || a.Header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
			t.Errorf("%s: status %d, %v", client, a.Status, a.Header)
		}
	}
	before := asked.Load()
	for _, client := range []string{"png", "svg", "missing"} {
		h.Get("/acme/oauth/logo/" + client)
	}
	if got := asked.Load(); got != before {
		t.Errorf("%d fetches of what is known", got-before)
	}
	h.Clock.Forward(2 * time.Hour)
	if a := h.Get("/acme/oauth/logo/png"); a.Status != http.StatusOK || asked.Load() != before+1 {
		t.Errorf("status %d after %d fetches", a.Status, asked.Load()-before)
	}
	if a := h.Get("/acme/oauth/logo/png?url=https://elsewhere.example/x.png"); a.Status != http.StatusOK {
		t.Errorf("status %d", a.Status)
	}
}

func TestP4PagesShowWhatTheClientRegistered(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", func(a *configv1.Application) {
		o := a.GetSettings().GetOauth()
		o.LogoUri, o.PolicyUri, o.TosUri = "https://web.example/logo.png", `https://web.example/policy?a="b"`, "https://web.example/terms"
	})
	c.App("bad", func(a *configv1.Application) {
		o := a.GetSettings().GetOauth()
		o.LogoUri, o.PolicyUri, o.TosUri = "javascript:alert(1)", "javascript:alert(1)", "data:text/html,x"
	})
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	page := func(client string) gatewaytest.Answer {
		b := h.Browser("/acme")
		r := b.Get("/oauth/authorize?" + gatewaytest.Form("client_id", client, "response_type", "code", "scope", "openid",
			"redirect_uri", "https://"+client+".example/cb").Encode())
		for r.StatusCode == http.StatusFound {
			r = b.Get(r.Header.Get("Location"))
		}
		return gatewaytest.Answer{Status: r.StatusCode, Header: r.Header, Body: r.Text}
	}
	good := page("web")
	for _, want := range []string{
		`src="` + gatewaytest.PublicURL + `/acme/oauth/logo/web"`,
		`href="https://web.example/policy?a=%22b%22" target="_blank" rel="noopener noreferrer"`,
		`href="https://web.example/terms" target="_blank" rel="noopener noreferrer"`,
	} {
		if !strings.Contains(good.Body, want) {
			t.Errorf("the page has no %s:\n%s", want, good.Body)
		}
	}
	if !strings.Contains(good.Header.Get("Content-Security-Policy"), "img-src 'self'") || strings.Contains(good.Body, "logo.png") {
		t.Errorf("the logo does not come from the gateway: %s", good.Header.Get("Content-Security-Policy"))
	}
	bad := page("bad")
	if bad.Status != http.StatusOK || strings.Contains(bad.Body, "alert(1)") || strings.Contains(bad.Body, "data:text") || strings.Contains(bad.Body, "<img") {
		t.Errorf("links that are no links to the web are shown: %s", bad.Body)
	}
	if strings.Contains(bad.Header.Get("Content-Security-Policy"), "img-src") {
		t.Error("a page without a picture allows one")
	}
}
