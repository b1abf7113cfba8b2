package grants_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestClientCredentials has no Redis behind it: the grant needs none.
func TestClientCredentials(t *testing.T) {
	r := newRig(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"})
	t.Run("the token is the client's own", func(t *testing.T) {
		got := r.granted(r.token("service", "grant_type", "client_credentials", "scope", "write  read", "unknown", "parameter"))
		if got.Scope != "write read" || got.RefreshToken != "" || got.IDToken != "" {
			t.Errorf("answer %+v", got)
		}
		claims := r.claims(got.AccessToken)
		now := float64(r.Clock.Now().Unix())
		for name, want := range map[string]any{
			"iss": "https://gw.example/acme/oidc", "sub": "service", "aud": "service", "client_id": "service", "domain": r.domain,
			"scope": "write read", "iat": now, "exp": now + 7200,
		} {
			if claims[name] != want {
				t.Errorf("%s is %v, want %v", name, claims[name], want)
			}
		}
		if jti, _ := claims["jti"].(string); len(claims) != 9 || len(jti) < 22 {
			t.Errorf("claims %v", claims)
		}
		if again := r.claims(r.granted(r.token("service", "grant_type", "client_credentials")).AccessToken); again["jti"] == claims["jti"] || again["scope"] != nil {
			t.Errorf("claims %v", again)
		}
	})
	t.Run("the answer has only what there is, in order", func(t *testing.T) {
		body := r.token("service", "grant_type", "client_credentials").Body
		if !strings.HasPrefix(body, `{"access_token":"eyJ`) || !strings.HasSuffix(body, `","token_type":"bearer","expires_in":7200}`) {
			t.Errorf("answer %s", body)
		}
	})
	t.Run("parameters may be in the query of an empty post", func(t *testing.T) {
		req, err := http.NewRequest(http.MethodPost, r.URL+"/acme/oauth/token?grant_type=client_credentials&scope=read", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.granted(r.Do(req, gatewaytest.Basic("web"))); got.Scope != "read" {
			t.Errorf("answer %+v", got)
		}
	})
	t.Run("default scopes", func(t *testing.T) {
		if got := r.granted(r.token("defaults", "grant_type", "client_credentials")); got.Scope != "read" {
			t.Errorf("answer %+v", got)
		}
	})
	for _, tt := range []struct {
		name, client string
		more         []string
		want         string
	}{
		{"openid is for people", "service", []string{"scope", "read openid"}, "invalid_scope | Invalid scope: OPENID"},
		{"openid by default is for people too", "openid", nil, "invalid_scope | Invalid scope: OPENID"},
		{"a scope the client has not", "service", []string{"scope", "read nope"}, "invalid_scope | Invalid scope(s): nope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.refused(r.token(tt.client, append(tt.more, "grant_type", "client_credentials")...), badRequest+tt.want)
		})
	}
	t.Run("a public client cannot act for itself", func(t *testing.T) {
		r.refused(r.token("", "grant_type", "client_credentials", "client_id", "public"), missing)
	})
}
