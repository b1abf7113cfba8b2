package revocation_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

type rig struct {
	*gatewaytest.Harness
	t      *testing.T
	domain string
}

func newRig(t *testing.T, redis string) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.App("web")
	c.App("other")
	c.App("pairwise", func(a *configv1.Application) {
		a.Settings.Oauth.SubjectType, a.Settings.Oauth.AccessTokenProfile = "pairwise", "at+jwt"
	})
	c.App("public", func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "none" })
	return &rig{gatewaytest.New(t, gatewaytest.Options{RedisURL: redis}, c), t, c.Domain.GetId()}
}

func (r *rig) tokens(pairs ...string) (access, refresh string) {
	r.t.Helper()
	a := r.Post("/acme/oauth/token", gatewaytest.Form(pairs...), gatewaytest.Basic("web"))
	if a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	members := a.JSON(r.t)
	refresh, _ = members["refresh_token"].(string)
	return members["access_token"].(string), refresh
}

func (r *rig) signIn() (access, refresh string) {
	r.t.Helper()
	return r.tokens("grant_type", "password", "username", "ann", "password", gatewaytest.Password)
}

func (r *rig) revoke(client, token string, more ...string) {
	r.t.Helper()
	a := r.Post("/acme/oauth/revoke", gatewaytest.Form(append(more, "token", token)...), gatewaytest.Basic(client))
	if a.Status != http.StatusOK || a.Body != "" || a.Header.Get("Content-Length") != "0" || a.Header.Get("Cache-Control") != "no-store" {
		r.t.Errorf("status %d, body %q, header %v", a.Status, a.Body, a.Header)
	}
}

func (r *rig) alive(token string) bool {
	r.t.Helper()
	a := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", token), gatewaytest.Basic("other"))
	return a.JSON(r.t)["active"] == true
}

func TestI3RevocationEndsTokens(t *testing.T) {
	r := newRig(t, "")
	t.Run("an access token ends alone", func(t *testing.T) {
		access, refresh := r.signIn()
		r.revoke("web", access)
		if r.alive(access) || !r.alive(refresh) {
			t.Error("the access token is alive, or the refresh token is not")
		}
		second, _ := r.tokens("grant_type", "refresh_token", "refresh_token", refresh)
		if !r.alive(second) {
			t.Error("a token made later is dead")
		}
		r.revoke("web", access) // once more
	})
	t.Run("a client's own token ends", func(t *testing.T) {
		access, _ := r.tokens("grant_type", "client_credentials")
		another, _ := r.tokens("grant_type", "client_credentials")
		r.revoke("web", access)
		if r.alive(access) || !r.alive(another) {
			t.Error("the wrong token ended")
		}
	})
	t.Run("a refresh token ends with the access tokens of its grant", func(t *testing.T) {
		access, refresh := r.signIn()
		second, next := r.tokens("grant_type", "refresh_token", "refresh_token", refresh)
		otherAccess, otherRefresh := r.signIn()
		r.revoke("web", next)
		for _, dead := range []string{access, second, next} {
			if r.alive(dead) {
				t.Error("a token of the grant is alive")
			}
		}
		if !r.alive(otherAccess) || !r.alive(otherRefresh) {
			t.Error("another grant ended too")
		}
	})
	t.Run("a rotated refresh token stands for its grant", func(t *testing.T) {
		_, refresh := r.signIn()
		_, next := r.tokens("grant_type", "refresh_token", "refresh_token", refresh)
		r.revoke("web", refresh)
		if r.alive(next) {
			t.Error("the successor is alive")
		}
	})
	t.Run("the hint is only a hint", func(t *testing.T) {
		access, refresh := r.signIn()
		r.revoke("web", access, "token_type_hint", "refresh_token")
		r.revoke("web", refresh, "token_type_hint", "pigeon")
		if r.alive(access) || r.alive(refresh) {
			t.Error("a token is alive")
		}
	})
	t.Run("what is unknown is revoked already", func(t *testing.T) {
		_, refresh := r.signIn()
		parts := strings.Split(refresh, ".")
		for _, token := range []string{"x", "eyJhbGciOiJub25lIn0.e30.", parts[0] + "." + strings.Repeat("b", 22) + "." + parts[2], strings.Repeat("z", 5000)} {
			r.revoke("web", token)
		}
		if !r.alive(refresh) {
			t.Error("a guess revoked something")
		}
	})
	t.Run("another client's tokens are not its business", func(t *testing.T) {
		access, refresh := r.signIn()
		for _, token := range []string{access, refresh} {
			a := r.Post("/acme/oauth/revoke", gatewaytest.Form("token", token), gatewaytest.Basic("other"))
			if got := a.Error(t); got != "Bad Request | invalid_grant | Cannot revoke tokens issued to other clients." {
				t.Errorf("refused with %q", got)
			}
			if !r.alive(token) {
				t.Error("it is revoked all the same")
			}
		}
	})
	t.Run("the tokens of a pairwise client are its own too", func(t *testing.T) {
		a := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", "ann", "password", gatewaytest.Password), gatewaytest.Basic("pairwise"))
		access, refresh := a.JSON(t)["access_token"].(string), a.JSON(t)["refresh_token"].(string)
		if !r.alive(access) || !r.alive(refresh) {
			t.Fatal("the tokens are dead from the beginning")
		}
		r.revoke("pairwise", refresh)
		if r.alive(access) || r.alive(refresh) {
			t.Error("a token is alive")
		}
	})
	t.Run("an ID token cannot be revoked", func(t *testing.T) {
		a := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", "ann", "password", gatewaytest.Password, "scope", "openid"), gatewaytest.Basic("web"))
		id := a.JSON(t)["id_token"].(string)
		a = r.Post("/acme/oauth/revoke", gatewaytest.Form("token", id), gatewaytest.Basic("web"))
		if got := a.Error(t); got != "Bad Request | unsupported_token_type | Access tokens and refresh tokens can be revoked, and this is another token" {
			t.Errorf("refused with %q", got)
		}
	})
	t.Run("an access token that has expired is revoked already", func(t *testing.T) {
		access, _ := r.signIn()
		r.Clock.Forward(3 * time.Hour)
		r.revoke("web", access)
		r.Clock.Forward(-3 * time.Hour)
	})
	t.Run("a public client may revoke", func(t *testing.T) {
		a := r.Post("/acme/oauth/revoke", gatewaytest.Form("token", "x", "client_id", "public"))
		if a.Status != http.StatusOK {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
}

func TestI1WhoMayRevoke(t *testing.T) {
	r := newRig(t, "redis://127.0.0.1:1")
	basic := []gatewaytest.Change{gatewaytest.Basic("web")}
	tests := []struct {
		name   string
		pairs  []string
		change []gatewaytest.Change
		want   string
	}{
		{"nobody asks", []string{"token", "x"}, nil, "Unauthorized | invalid_client | Invalid client: missing or unsupported authentication method"},
		{"a wrong secret", []string{"token", "x"}, []gatewaytest.Change{gatewaytest.BasicWith("web", "wrong")}, "Unauthorized | invalid_client | Client authentication failed due to unknown clientId, expired or invalid client secret"},
		{"no token", nil, basic, "Bad Request | invalid_request | Missing parameter: token"},
		{"a repeated parameter", []string{"token", "x", "token", "x"}, basic, "Bad Request | invalid_request | Parameter [token] is included more than once"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Post("/acme/oauth/revoke", gatewaytest.Form(tt.pairs...), tt.change...).Error(t); got != tt.want {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("Redis is away", func(t *testing.T) {
		access, _ := r.tokens("grant_type", "client_credentials")
		a := r.Post("/acme/oauth/revoke", gatewaytest.Form("token", access), basic...)
		if a.Status != 503 || a.JSON(t)["error"] != "temporarily_unavailable" {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
}
