package portal_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// shelf has pictures by digest.
type shelf struct {
	mu       sync.Mutex
	pictures map[string]string
	asked    int
	away     bool
}

func (s *shelf) Icon(_ context.Context, _, digest string) (string, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	content, ok := s.pictures[digest]
	switch {
	case s.away:
		return "", nil, fault.Unavailablef("away")
	case !ok:
		return "", nil, fault.NotFoundf("icon")
	}
	return "image/svg+xml", []byte(content), nil
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func TestIcons(t *testing.T) {
	const svg = `<svg xmlns="http://www.w3.org/2000/svg"/>`
	good, wrong, gone := digestOf(svg), digestOf("other"), digestOf("gone")
	store := &shelf{pictures: map[string]string{good: svg, wrong: "something else", digestOf("unused"): "unused"}}
	config := gatewaytest.NewAcme(t)
	s := &site{gatewaytest.New(t, gatewaytest.Options{Icons: store}, config), t, config, config.Domain.GetId(), 1}
	pictured := func(light, dark string) func(*configv1.Application) {
		return func(a *configv1.Application) { a.Icon = &configv1.Icon{Light: light, Dark: dark} }
	}
	s.put(s.app("one", pictured(good, gone)), s.app("two", pictured(good, wrong)), s.app("three"))
	b := s.Browser("/acme")
	for range 3 {
		got := b.Get("/assets/" + good)
		if got.StatusCode != http.StatusOK || got.Text != svg || len(got.Cookies()) != 0 {
			t.Fatalf("%d %s", got.StatusCode, got.Text)
		}
		for name, want := range map[string]string{
			"Content-Type": "image/svg+xml", "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox", "ETag": `"` + good + `"`,
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
			}
		}
	}
	if store.asked != 1 {
		t.Errorf("management was asked %d times", store.asked)
	}
	b.Headers["If-None-Match"] = `"` + good + `"`
	if got := b.Get("/assets/" + good); got.StatusCode != http.StatusNotModified {
		t.Errorf("a known picture: %d", got.StatusCode)
	}
	delete(b.Headers, "If-None-Match")
	store.asked = 0
	for _, digest := range []string{digestOf("unused"), "x", "..%2f" + good, good + "/x", strings.ToUpper(good)} {
		if got := b.Get("/assets/" + digest); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", digest, got.StatusCode)
		}
	}
	if store.asked != 0 {
		t.Errorf("strangers made the gateway ask %d times", store.asked)
	}
	for digest, want := range map[string]int{gone: http.StatusNotFound, wrong: http.StatusInternalServerError} {
		if got := b.Get("/assets/" + digest); got.StatusCode != want || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", digest, got.StatusCode, got.Header.Get("Cache-Control"))
		}
	}
	store.away = true
	if got := b.Get("/assets/" + gone); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without management: %d", got.StatusCode)
	}
	page := s.signedIn().Get("/portal")
	for _, want := range []string{`<img src="` + gatewaytest.PublicURL + "/acme/assets/" + good + `"`, `srcset="` + gatewaytest.PublicURL + "/acme/assets/" + wrong + `"`, `class="icon c`, ">T<"} {
		if !strings.Contains(page.Text, want) {
			t.Errorf("the page has no %s:\n%s", want, page.Text)
		}
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "img-src 'self'") || strings.Contains(policy, "script") {
		t.Errorf("policy %s", policy)
	}
	// A picture that nobody has any more is gone at once.
	s.put(s.app("one"), s.app("two"))
	if got := b.Get("/assets/" + good); got.StatusCode != http.StatusNotFound {
		t.Errorf("a picture that was taken away: %d", got.StatusCode)
	}
}
