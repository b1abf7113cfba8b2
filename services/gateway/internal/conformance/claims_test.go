package conformance

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestU3ClaimsAskedForOneByOneNeedConsent: a claim without its scope is asked of the person like the scope, is not given where it
// was not allowed, and does not widen the tokens' scope.
func TestU3ClaimsAskedForOneByOneNeedConsent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		allow []string
		email bool
	}{
		{"allowed", []string{"openid", "email"}, true},
		{"not allowed", []string{"openid"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			c.App("web")
			h := gatewaytest.New(t, gatewaytest.Options{}, c)
			b := h.Browser("/acme")
			request := "/oauth/authorize?" + url.Values{
				"client_id": {"web"}, "redirect_uri": {"https://web.example/cb"}, "response_type": {"code"}, "scope": {"openid"},
				"claims": {`{"userinfo":{"email":null},"id_token":{"email":null}}`},
			}.Encode()
			question := b.Follow(b.SignIn(b.Follow(b.Get(request)), "ann", gatewaytest.Password))
			for _, scope := range []string{"scope.openid", "scope.email"} {
				if !strings.Contains(question.Text, scope) {
					t.Fatalf("%s is not asked for:\n%s", scope, question.Text)
				}
			}
			form := b.Form(question)
			form.Values.Set("user_oauth_approval", "true")
			for _, scope := range []string{"openid", "email"} {
				form.Values.Del("scope." + scope)
				if slices.Contains(tt.allow, scope) {
					form.Values.Set("scope."+scope, "true")
				}
			}
			code := b.Follow(b.Post(form.Action, form.Values)).Query().Get("code")
			answer := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", code,
				"redirect_uri", "https://web.example/cb"), gatewaytest.Basic("web")).JSON(t)
			if answer["scope"] != "openid" {
				t.Errorf("the scope is %v", answer["scope"])
			}
			token, _ := answer["access_token"].(string)
			info := h.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+token)).JSON(t)
			if _, given := info["email"]; given != tt.email {
				t.Errorf("UserInfo says %v", info)
			}
			if _, given := claimsOf(t, answer["id_token"])["email"]; given != tt.email {
				t.Error("the ID token differs from what was allowed")
			}
		})
	}
}
