package logout_test

import (
	"regexp"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
)

func TestS6ThePageMayBeFramedAndRunsItsOwnScriptAlone(t *testing.T) {
	env := browsertest.New(t, func(d *configv1.Domain) { d.Oidc.SessionManagementEnabled = true })
	b := browsertest.NewBrowser(t, serve(env))
	res := b.Get("/oidc/check_session")
	nonce := regexp.MustCompile(`<script nonce="([A-Z2-7]{26})">`).FindStringSubmatch(res.Text)
	if res.StatusCode != 200 || nonce == nil {
		t.Fatalf("status %d\n%s", res.StatusCode, res.Text)
	}
	want := "default-src 'none'; script-src 'nonce-" + nonce[1] + "'; base-uri 'none'; form-action 'none'; frame-ancestors *"
	if got := res.Header.Get("Content-Security-Policy"); got != want || res.Header.Get("X-Frame-Options") != "" {
		t.Errorf("policy %s, frames %s", got, res.Header.Get("X-Frame-Options"))
	}
	if !strings.Contains(res.Text, `"GATEHOUSE_SESSION_STATE"`) {
		t.Errorf("the page does not read the cookie:\n%s", res.Text)
	}
	if again := b.Get("/oidc/check_session"); strings.Contains(again.Text, nonce[1]) {
		t.Error("the nonce is the same twice")
	}
	if len(b.Cookies) != 0 {
		t.Errorf("the page sets cookies: %v", b.Cookies)
	}
}

func TestS6ThereIsNoPageWhileSessionManagementIsOff(t *testing.T) {
	env := browsertest.New(t, nil)
	if res := browsertest.NewBrowser(t, serve(env)).Get("/oidc/check_session"); res.StatusCode != 404 {
		t.Errorf("status %d", res.StatusCode)
	}
}
