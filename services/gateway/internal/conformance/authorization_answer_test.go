package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// everything registers every response type.
func everything(o *configv1.OAuthSettings) {
	o.GrantTypes = append(o.GrantTypes, "implicit")
	o.ResponseTypes = nil
	for _, r := range oauth2.ResponseTypes() {
		o.ResponseTypes = append(o.ResponseTypes, string(r))
	}
}

func TestP2FormPostIsAFormWithItsScriptAndAButton(t *testing.T) {
	s := newSite(t, profile.None)
	b := s.signedIn()
	const state = `"><script>alert(1)</script>&amp;'`
	for _, tt := range []struct{ client, target, source string }{
		{"web", "https://web.example/cb?tenant=1&x=%20", "https:"},
		{"two", "com.two.app:/cb", "com.two.app:"},
		{"native", "http://127.0.0.1:51004/cb", "http: https:"},
		{"native", "http://[::1]:51004/cb", "http: https:"},
	} {
		for _, more := range []string{"", "none login"} { // an answer and an error
			page := b.Get("/oauth/authorize?" + of(tt.client, "redirect_uri", tt.target, "response_mode", "form_post", "state", state, "prompt", more).Encode())
			script := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllStringSubmatch(page.Text, -1)
			if page.StatusCode != http.StatusOK || len(script) != 1 || strings.Count(page.Text, "<script") != 1 {
				t.Fatalf("%s: status %d\n%s", tt.target, page.StatusCode, page.Text)
			}
			if script[0][1] != "document.forms[0].submit()" {
				t.Errorf("%s: script %s", tt.target, script[0][1])
			}
			policy := map[string]string{}
			for directive := range strings.SplitSeq(page.Header.Get("Content-Security-Policy"), "; ") {
				name, value, _ := strings.Cut(directive, " ")
				policy[name] = value
			}
			sum := sha256.Sum256([]byte(script[0][1]))
			if policy["script-src"] != "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'" || policy["form-action"] != tt.source || policy["default-src"] != "'none'" {
				t.Errorf("%s: policy %v, want posts to %s", tt.target, policy, tt.source)
			}
			form := b.Form(page)
			if form.Action != tt.target || form.Values.Get("state") != state || form.Values.Get("iss") != issuer ||
				form.Values.Has("code") != (more == "") || form.Values.Has("error") != (more != "") {
				t.Errorf("%s: form %+v", tt.target, form)
			}
			if !regexp.MustCompile(`<form [^>]*method="post"`).MatchString(page.Text) ||
				!regexp.MustCompile(`<button [^>]*id="form-post-submit" type="submit">[A-Z]`).MatchString(page.Text) {
				t.Errorf("%s: nothing to press where scripts do not run:\n%s", tt.target, page.Text)
			}
		}
	}
}

func TestX2TokensThatMustBeBoundDoNotComeFromTheAuthorizationEndpoint(t *testing.T) {
	for name, bind := range map[string]func(*configv1.OAuthSettings){
		"to a key of DPoP": func(o *configv1.OAuthSettings) { o.DpopBoundAccessTokens = true },
		"to a certificate": func(o *configv1.OAuthSettings) { o.TlsClientCertificateBoundAccessTokens = true },
	} {
		c := gatewaytest.NewAcme(t)
		c.App("web", silent(everything, bind))
		b := gatewaytest.New(t, gatewaytest.Options{}, c).Browser("/acme")
		enter(t, b, "web", "")
		for _, kind := range oauth2.ResponseTypes() {
			r := b.Get("/oauth/authorize?" + of("web", "response_type", string(kind)).Encode())
			q := r.Query()
			switch {
			case q.Has("access_token"), kind.HasToken() != (q.Get("error") == "unauthorized_client"), kind.HasToken() && !strings.Contains(q.Get("error_description"), "bound to a key"):
				t.Errorf("%s, %s: %s", name, kind, r.Location())
			case kind.HasToken() && (q.Has("code") || q.Has("id_token") || !strings.HasPrefix(r.Location(), "https://web.example/cb#error=")):
				t.Errorf("%s, %s: a refusal gives something, or goes elsewhere: %s", name, kind, r.Location())
			}
		}
	}
}

func TestA19ARefusalIsAccessDeniedWithStateAndWithoutACode(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", func(a *configv1.Application) { everything(a.Settings.Oauth) })
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	for _, tt := range []struct{ kind, mode, part string }{
		{"code", "", "?"}, {"code", "fragment", "#"}, {"code", "form_post", ""}, {"code id_token", "", "#"}, {"token", "", "#"},
	} {
		b := h.Browser("/acme")
		page := b.Follow(b.Get("/oauth/authorize?" + of("web", "response_type", tt.kind, "response_mode", tt.mode).Encode()))
		question := b.Follow(b.SignIn(page, "ann", gatewaytest.Password))
		if !strings.Contains(question.Text, `id="consent-deny"`) {
			t.Fatalf("%s: status %d, no question\n%s", tt.kind, question.StatusCode, question.Text)
		}
		form := b.Form(question)
		form.Values.Set("user_oauth_approval", "false")
		r := b.Follow(b.Post(form.Action, form.Values))
		q := r.Query()
		if tt.mode == "form_post" {
			q = b.Form(r).Values
		} else if !strings.HasPrefix(r.Location(), "https://web.example/cb"+tt.part+"error=access_denied&") {
			t.Errorf("%s %s: %d %s", tt.kind, tt.mode, r.StatusCode, r.Location())
		}
		if q.Get("error") != "access_denied" || q.Get("state") != "s t&a=t+e" || q.Has("code") || q.Has("id_token") || q.Has("access_token") {
			t.Errorf("%s %s: %v", tt.kind, tt.mode, q)
		}
	}
}

func TestA21TheRegisteredQueryStays(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	uris := []string{"https://web.example/cb?tenant=1&x=%20&code=mine", "https://web.example/cb?", "https://web.example/cb?a=1&"}
	c.App("web", silent(everything, func(o *configv1.OAuthSettings) { o.RedirectUris = append(uris, o.RedirectUris...) }))
	b := gatewaytest.New(t, gatewaytest.Options{}, c).Browser("/acme")
	enter(t, b, "web", "")
	for _, uri := range uris {
		joint := "&"
		if strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&") {
			joint = ""
		}
		for kind, begin := range map[string]string{"code": uri + joint, "id_token": uri + "#"} {
			for more, first := range map[string]string{"": kind + "=", "none login": "error="} {
				r := b.Get("/oauth/authorize?" + of("web", "redirect_uri", uri, "response_type", kind, "prompt", more).Encode())
				if !strings.HasPrefix(r.Location(), begin+first) {
					t.Errorf("%s by %s: %s", kind, uri, r.Location())
				}
			}
		}
		page := b.Get("/oauth/authorize?" + of("web", "redirect_uri", uri, "response_mode", "form_post").Encode())
		if form := b.Form(page); form.Action != uri {
			t.Errorf("a form goes to %s, want %s", form.Action, uri)
		}
	}
}

func TestA27AnswersCarryTheSessionStateWhereSessionsAreWatched(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.Domain.Oidc.SessionManagementEnabled = true
	c.App("web", silent(everything))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	if r := h.Browser("/acme").Get(askFor("web", "&prompt=none")); r.Query().Has("session_state") || r.Query().Get("error") != "login_required" {
		t.Errorf("nobody is signed in: %s", r.Location())
	}
	enter(t, b, "web", "")
	for _, kind := range oauth2.ResponseTypes() {
		for _, more := range []string{"", "none login"} {
			r := b.Get("/oauth/authorize?" + of("web", "response_type", string(kind), "prompt", more).Encode())
			got, salt, _ := strings.Cut(r.Query().Get("session_state"), ".")
			sum := sha256.Sum256([]byte("web https://web.example " + b.Cookies["GATEHOUSE_SESSION_STATE"] + " " + salt))
			if salt == "" || got != base64.RawURLEncoding.EncodeToString(sum[:]) || !strings.HasSuffix(r.Location(), "&iss="+url.QueryEscape(issuer)) {
				t.Errorf("%s: %s", kind, r.Location())
			}
		}
	}
	signed := b.Get("/oauth/authorize?" + of("web", "response_mode", "jwt").Encode()).Query()
	if state, _ := claimsOf(t, signed.Get("response"))["session_state"].(string); !strings.Contains(state, ".") || signed.Has("session_state") {
		t.Errorf("by JARM: %v", signed)
	}
	if r := newSite(t, profile.None).signedIn().Get("/oauth/authorize?" + ask().Encode()); r.Query().Has("session_state") {
		t.Errorf("sessions are not watched: %s", r.Location())
	}
}
