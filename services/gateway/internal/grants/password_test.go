package grants_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestPassword(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	t.Run("a person gets tokens", func(t *testing.T) {
		got := r.granted(r.token("web", "grant_type", "password", "username", "ANN", "password", gatewaytest.Password, "scope", "openid email read"))
		if got.Scope != "openid email read" || got.RefreshToken == "" || got.IDToken == "" {
			t.Errorf("answer %+v", got)
		}
		subject := gatewaytest.Subject("staff", "ann")
		access, id := r.claims(got.AccessToken), r.claims(got.IDToken)
		if access["sub"] != subject || access["gis"] != "staff:ann" || access["aud"] != "web" || access["email"] != nil || access["username"] != nil {
			t.Errorf("access token %v", access)
		}
		if id["sub"] != subject || id["email"] != "ann@acme.example" || id["auth_time"] != float64(r.Clock.Now().Unix()) || id["nonce"] != nil ||
			id["client_id"] != nil || id["jti"] != nil || id["gis"] != nil || id["name"] != nil {
			t.Errorf("ID token %v", id)
		}
		refreshed := r.granted(r.token("web", "grant_type", "refresh_token", "refresh_token", got.RefreshToken))
		if r.claims(refreshed.IDToken)["auth_time"] != id["auth_time"] {
			t.Error("a refresh moved auth_time")
		}
	})
	t.Run("without openid there is no ID token, without the grant no refresh token", func(t *testing.T) {
		if got := r.granted(r.token("norefresh", "grant_type", "password", "username", "ann", "password", gatewaytest.Password)); got.IDToken != "" || got.RefreshToken != "" || got.Scope != "" {
			t.Errorf("answer %+v", got)
		}
	})
	t.Run("a rule sees the request", func(t *testing.T) {
		r.granted(r.token("ruled", "grant_type", "password", "username", "ann", "password", gatewaytest.Password))
		r.refused(r.token("ruled", "grant_type", "password", "username", "bob", "password", gatewaytest.Password), badRequest+"invalid_grant | No identity provider found for client : ruled")
	})
	for _, tt := range []struct{ name, client, username, password, scope, want string }{
		{"no name", "web", "", "x", "", badRequest + "invalid_request | Missing parameter: username"},
		{"no password", "web", "ann", "", "", badRequest + "invalid_request | Missing parameter: password"},
		{"a wrong password", "web", "ann", "wrong", "", badRequest + "invalid_grant | The credentials entered are invalid"},
		{"nobody of this name", "web", "eve", gatewaytest.Password, "", badRequest + "invalid_grant | The credentials entered are invalid"},
		{"no provider", "closed", "ann", gatewaytest.Password, "", badRequest + "invalid_grant | No identity provider found for client : closed"},
		{"only a provider that does not run yet", "waiting", "ann", gatewaytest.Password, "", badRequest + "invalid_grant | No identity provider found for client : waiting"},
		{"a scope the client has not", "web", "ann", gatewaytest.Password, "nope", badRequest + "invalid_scope | Invalid scope(s): nope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.refused(r.token(tt.client, "grant_type", "password", "username", tt.username, "password", tt.password, "scope", tt.scope), tt.want)
		})
	}
	t.Run("a disabled account", func(t *testing.T) {
		user, err := r.Directory.SignIn(t.Context(), r.domain, "", gatewaytest.Identity("bob"))
		if err != nil {
			t.Fatal(err)
		}
		user.Enabled = proto.Bool(false)
		r.Directory.Put(r.domain, user)
		r.refused(r.token("web", "grant_type", "password", "username", "bob", "password", gatewaytest.Password), badRequest+"invalid_grant | The account is disabled")
	})
	t.Run("management is away", func(t *testing.T) {
		r.Directory.Away(fault.Unavailablef("away"))
		defer r.Directory.Away(nil)
		a := r.token("web", "grant_type", "password", "username", "ann", "password", gatewaytest.Password)
		if got := a.JSON(t)["error"]; a.Status != 503 || got != "temporarily_unavailable" {
			t.Errorf("status %d, error %v", a.Status, got)
		}
	})
}
