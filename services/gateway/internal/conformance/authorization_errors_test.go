package conformance

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// answerModes are the ways in which an answer travels, and where it is then.
var answerModes = []struct{ mode, where string }{
	{"", "query"}, {"query", "query"}, {"fragment", "fragment"}, {"form_post", "form"},
	{"jwt", "query"}, {"query.jwt", "query"}, {"fragment.jwt", "fragment"}, {"form_post.jwt", "form"},
}

// fields are the parameters of an answer, and where they are: in a query, a fragment or a form.
func fields(t *testing.T, b *browsertest.Browser, r *browsertest.Response) (where string, target string, values url.Values) {
	t.Helper()
	if r.StatusCode == http.StatusOK {
		form := b.Form(r)
		return "form", form.Action, form.Values
	}
	where, at := "query", strings.IndexAny(r.Location(), "?#")
	if at < 0 {
		t.Fatalf("status %d to %q", r.StatusCode, r.Location())
	}
	if r.Location()[at] == '#' {
		where = "fragment"
	}
	values, err := url.ParseQuery(r.Location()[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	return where, r.Location()[:at], values
}

func TestE8TheErrorsOfTheAuthorizationEndpoint(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent())
	c.App("asks")
	c.App("few", func(a *configv1.Application) {
		a.Settings.Oauth.GrantTypes, a.Settings.Oauth.ResponseTypes = []string{"implicit"}, []string{"id_token"}
	})
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	stranger, ann := h.Browser("/acme"), h.Browser("/acme")
	enter(t, ann, "web", "")
	away := func() { h.Directory.Away(fault.Unavailablef("the directory is away")) }
	broken := func() { h.Directory.Away(errors.New("broken")) }
	tests := []struct {
		want, client string
		by           *browsertest.Browser
		prepare      func()
		changes      []string
	}{
		{"invalid_request", "web", stranger, nil, []string{"code_challenge_method", "S1"}},
		{"unauthorized_client", "few", stranger, nil, nil},
		{"unsupported_response_type", "web", stranger, nil, []string{"response_type", "cod"}},
		{"invalid_scope", "web", ann, nil, []string{"scope", "openid nonsense"}},
		{"invalid_target", "web", stranger, nil, []string{"resource", "nowhere"}},
		{"login_required", "web", stranger, nil, []string{"prompt", "none"}},
		{"interaction_required", "asks", ann, nil, []string{"prompt", "none"}},
		{"unmet_authentication_requirements", "web", ann, nil, []string{"claims", `{"id_token":{"acr":{"essential":true,"values":["gold"]}}}`}},
		{"invalid_request_object", "web", stranger, nil, []string{"request", "x"}},
		{"invalid_request_uri", "web", stranger, nil, []string{"request_uri", "https://web.example/object"}},
		{"temporarily_unavailable", "asks", ann, away, []string{"prompt", "none"}},
		{"server_error", "asks", ann, broken, []string{"prompt", "none"}},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			if tt.prepare != nil {
				tt.prepare()
				defer h.Directory.Away(nil)
			}
			for _, m := range answerModes {
				form := of(tt.client, append([]string{"response_mode", m.mode}, tt.changes...)...)
				r := tt.by.Get("/oauth/authorize?" + form.Encode())
				where, target, values := fields(t, tt.by, r)
				if where != m.where || target != "https://"+tt.client+".example/cb" {
					t.Errorf("by %q: in the %s of %s (%d %s)", m.mode, where, target, r.StatusCode, r.Location())
				}
				get := values.Get
				if strings.HasSuffix(m.mode, "jwt") {
					claims := claimsOf(t, values.Get("response"))
					get = func(name string) string { text, _ := claims[name].(string); return text }
					if len(values) != 1 || claims["aud"] != tt.client {
						t.Errorf("by %q: %v with %v", m.mode, values, claims)
					}
				}
				if get("error") != tt.want || get("state") != "s t&a=t+e" || get("iss") != issuer || get("code") != "" {
					t.Errorf("by %q: %d %s", m.mode, r.StatusCode, r.Location())
				}
				if text := get("error_description"); strings.Contains(text, "directory") || strings.Contains(text, "broken") || text == "" && tt.prepare == nil {
					t.Errorf("by %q: description %q", m.mode, text)
				}
				for name, untrusted := range map[string][]string{
					"a foreign redirect URI": {"redirect_uri", "https://evil.example/cb"}, "an unknown client": {"client_id", "nobody"}, "no client": {"client_id", ""},
				} {
					for i := 0; i+1 < len(untrusted); i += 2 {
						if form.Del(untrusted[i]); untrusted[i+1] != "" {
							form.Set(untrusted[i], untrusted[i+1])
						}
					}
					if r := tt.by.Get("/oauth/authorize?" + form.Encode()); !strings.HasPrefix(r.Location(), gatewaytest.PublicURL+"/acme/oauth/error?") {
						t.Errorf("%s by %q: %d %s", name, m.mode, r.StatusCode, r.Location())
					}
				}
			}
		})
	}
	t.Run("unsupported_response_mode goes the usual way", func(t *testing.T) {
		r := stranger.Get("/oauth/authorize?" + of("web", "response_mode", "pigeon").Encode())
		if where, target, values := fields(t, stranger, r); where != "query" || target != "https://web.example/cb" || values.Get("error") != "unsupported_response_mode" {
			t.Errorf("%d %s", r.StatusCode, r.Location())
		}
	})
	t.Run("what is our fault is a page, where pages may be shown", func(t *testing.T) {
		for _, tt := range []struct {
			prepare func()
			status  int
		}{{away, http.StatusServiceUnavailable}, {broken, http.StatusInternalServerError}} {
			tt.prepare()
			if r := ann.Get("/oauth/authorize?" + of("asks").Encode()); r.StatusCode != tt.status || strings.Contains(r.Text, "directory is away") || strings.Contains(r.Text, "broken") {
				t.Errorf("%d %s", r.StatusCode, r.Text)
			}
		}
		h.Directory.Away(nil)
	})
}

func TestE8TheErrorsOfTheTokenEndpoint(t *testing.T) {
	for name, unregistered := range map[profile.Name]string{profile.None: "unsupported_grant_type", profile.OAuth21: "unauthorized_client"} {
		t.Run(strings.ToLower(name.String()), func(t *testing.T) { errorsOfTokens(t, name, unregistered) })
	}
}

// errorsOfTokens tries what the token endpoint of a profile refuses; unregistered is the error for a grant that exists and that the
// client has not.
func errorsOfTokens(t *testing.T, name profile.Name, unregistered string) {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: name}
	c.App("web")
	c.App("few", func(a *configv1.Application) { a.Settings.Oauth.GrantTypes = []string{"authorization_code"} })
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	web, few := gatewaytest.Basic("web"), gatewaytest.Basic("few")
	for _, tt := range []struct {
		want   string
		status int
		form   url.Values
		by     gatewaytest.Change
	}{
		{"invalid_request", 400, gatewaytest.Form("scope", "read"), web},
		{"invalid_request", 400, gatewaytest.Form("grant_type", "authorization_code"), web},
		{"invalid_client", 401, gatewaytest.Form("grant_type", "client_credentials"), gatewaytest.BasicWith("web", "wrong")},
		{"invalid_client", 401, gatewaytest.Form("grant_type", "client_credentials"), gatewaytest.Basic("nobody")},
		{"invalid_grant", 400, gatewaytest.Form("grant_type", "authorization_code", "code", "wrong"), web},
		{"invalid_grant", 400, gatewaytest.Form("grant_type", "refresh_token", "refresh_token", "wrong"), web},
		{unregistered, 400, gatewaytest.Form("grant_type", "client_credentials"), few},
		{"unsupported_grant_type", 400, gatewaytest.Form("grant_type", "wish"), web},
		{"invalid_scope", 400, gatewaytest.Form("grant_type", "client_credentials", "scope", "nonsense"), web},
		{"invalid_target", 400, gatewaytest.Form("grant_type", "client_credentials", "resource", "nowhere"), web},
	} {
		got := h.Post("/acme/oauth/token", tt.form, tt.by)
		if got.Status != tt.status || got.JSON(t)["error"] != tt.want || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v: %d %s, want %s", tt.form, got.Status, got.Body, tt.want)
		}
		if challenge := got.Header.Get("WWW-Authenticate"); (challenge != "") != (tt.status == 401) {
			t.Errorf("%v: challenge %q", tt.form, challenge)
		}
	}
}

func TestF8AnswersNameTheIssuerAndGoNowhereElseBy303(t *testing.T) {
	s := newSigning(t, profile.FAPI2, nil, nil)
	good := func(changes ...string) url.Values {
		return ask(append([]string{"redirect_uri", "https://web.example/cb"}, changes...)...)
	}
	by := func(b *browsertest.Browser, form url.Values) *browsertest.Response {
		return b.PostBody("/oauth/authorize", "application/x-www-form-urlencoded", s.pushed(form).Encode())
	}
	b := s.Browser("/acme")
	r := by(b, good())
	for r.StatusCode != http.StatusOK { // the way to the page where the password is asked for
		if r.StatusCode != http.StatusSeeOther && r.StatusCode != http.StatusFound || !strings.HasPrefix(r.Location(), gatewaytest.PublicURL) {
			t.Fatalf("on the way: %d %s", r.StatusCode, r.Location())
		}
		r = b.Get(r.Location())
	}
	if r = b.SignIn(r, "ann", gatewaytest.Password); r.StatusCode != http.StatusSeeOther {
		t.Errorf("after the password: %d %s", r.StatusCode, r.Location())
	}
	first := b.Follow(r)
	answers := map[string]*browsertest.Response{
		"code": by(b, good()), "login_required": by(s.Browser("/acme"), good("prompt", "none")),
	}
	for want, r := range answers {
		if r.StatusCode != http.StatusSeeOther {
			t.Errorf("%s after a post: %d %s", want, r.StatusCode, r.Location())
		}
	}
	answers["code after the password"] = first
	for want, r := range answers {
		q, want := r.Query(), strings.Fields(want)[0]
		if !strings.HasPrefix(r.Location(), "https://web.example/cb?") || !(q.Has(want) || q.Get("error") == want) ||
			!strings.HasSuffix(r.Location(), "&iss="+url.QueryEscape(issuer)) {
			t.Errorf("%s: %d %s", want, r.StatusCode, r.Location())
		}
	}
	for name, form := range map[string]url.Values{
		"nothing pushed":                    good("redirect_uri", "https://evil.example/"),
		"nothing pushed, a registered URI":  good(),
		"a reference that nobody was given": gatewaytest.Form("client_id", "web", "request_uri", "urn:ietf:params:oauth:request_uri:x", "redirect_uri", "https://evil.example/"),
	} {
		if r := s.Browser("/acme").Get("/oauth/authorize?" + form.Encode()); !strings.HasPrefix(r.Location(), gatewaytest.PublicURL+"/acme/oauth/error?") {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.Location())
		}
	}
	if a := s.par(good("redirect_uri", "https://evil.example/")); a.Status != http.StatusBadRequest {
		t.Errorf("a foreign redirect URI is pushed: %d %s", a.Status, a.Body)
	}
}
