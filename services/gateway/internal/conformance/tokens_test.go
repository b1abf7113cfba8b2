package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// redeem exchanges the code of an answer, which is by web.
func (s *site) redeem(r *browsertest.Response, clientID, redirectURI string) map[string]any {
	s.t.Helper()
	code := r.Query().Get("code")
	a := s.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI, "code_verifier", verifier),
		gatewaytest.Basic(clientID))
	if a.Status != http.StatusOK {
		s.t.Fatalf("code %q of %s: status %d: %s", code, r.Location(), a.Status, a.Body)
	}
	return a.JSON(s.t)
}

func claimsOf(t *testing.T, token any) map[string]any {
	t.Helper()
	text, _ := token.(string)
	_, claims, err := jose.Unverified(text)
	if err != nil {
		t.Fatalf("token %q: %v", text, err)
	}
	return claims.Map()
}

func TestK1TheHeaderOfAnIDTokenNamesOnePublishedKey(t *testing.T) {
	tests := []struct {
		name       string
		profile    profile.Name
		registered string
		want       jose.Algorithm
	}{
		{"nothing registered, under a strict profile", profile.OAuth21, "", jose.RS256},
		{"nothing registered, where the application's certificate decides", profile.None, "", jose.RS256},
		{"another one registered", profile.None, "ES256", jose.ES256},
		{"RS256 registered", profile.OAuth21, "RS256", jose.RS256},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewConfig(t, "k1", "/acme")
			c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: tt.profile}
			c.Certificate("rs", jose.RS256) // the first of a new domain, and so its default
			c.Certificate("es", jose.ES256)
			c.Scopes("openid")
			c.App("web", func(a *configv1.Application) { a.Settings.Oauth.IdTokenSignedResponseAlg = tt.registered })
			h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
			d := h.Domains.Domain("k1")
			client, err := d.Client(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			made, err := h.Minter.Mint(t.Context(), d, tokens.Authorization{Client: client, Person: &state.Person{Subject: "ann"}, Scopes: []string{"openid"}})
			if err != nil {
				t.Fatal(err)
			}
			header, _, err := jose.Unverified(made.IDToken)
			if err != nil {
				t.Fatal(err)
			}
			if header.Algorithm != tt.want || header.Type != "JWT" {
				t.Errorf("header %+v, want %s", header, tt.want)
			}
			var published struct {
				Keys []struct{ Kid, Alg string }
			}
			if err := json.Unmarshal([]byte(h.Get("/acme/oidc/.well-known/jwks.json").Body), &published); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, k := range published.Keys {
				if k.Kid == header.KeyID && k.Alg == string(header.Algorithm) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d published keys are called %q: %+v", n, header.KeyID, published.Keys)
			}
		})
	}
}

// TestK4NoTokenIsTakenForAnother presents every kind of token in every place that takes one.
func TestK4NoTokenIsTakenForAnother(t *testing.T) {
	s := newSite(t, profile.None, func(d *configv1.Domain) {
		d.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{DynamicClientRegistrationEnabled: true}
	})
	d := s.Domains.Domain(s.domain)
	client, err := d.Client(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	b := s.signedIn()
	answer := s.redeem(b.Follow(b.Get("/oauth/authorize?"+ask("scope", "openid profile").Encode())), "web", "https://web.example/cb?tenant=1&x=%20")
	access, id, refresh := answer["access_token"].(string), answer["id_token"].(string), answer["refresh_token"].(string)
	sign := func(typ string, change map[string]any) string {
		now := s.Clock.Now().Unix()
		claims := map[string]any{"iss": d.Issuer, "sub": claimsOf(t, id)["sub"], "aud": "web", "iat": now, "exp": now + 600}
		for name, v := range change {
			claims[name] = v
		}
		body, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		token, err := client.AccessKey.Sign(typ, body)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	all := map[string]string{
		"an ID token":            id,
		"an access token":        access,
		"a refresh token":        refresh,
		"an RFC 9068 token":      sign(jose.TypeAccessToken, map[string]any{"jti": "1", "client_id": "web", "scope": "openid read"}),
		"a logout token":         sign(jose.TypeLogoutToken, map[string]any{"jti": "1", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}),
		"an untyped event":       sign(jose.TypeJWT, map[string]any{"jti": "1", "events": map[string]any{}}),
		"a registration token":   sign(jose.TypeJWT, map[string]any{"jti": "1", "sub": "web", "domain": s.domain, "scope": "dcr"}),
		"signed UserInfo":        sign(jose.TypeNone, map[string]any{"email": "ann@acme.example"}),
		"an answer by JARM":      sign(jose.TypeJWT, map[string]any{"code": "x", "sub": nil}),
		"a signed introspection": sign("token-introspection+jwt", map[string]any{"token_introspection": map[string]any{"active": true}}),
	}
	bearer := func(token string) gatewaytest.Change {
		return gatewaytest.Header("Authorization", "Bearer "+token)
	}
	hint := func(token string) bool {
		to := b.Get("/oauth/authorize?" + ask("prompt", "none", "id_token_hint", token).Encode()).Query()
		if to.Has("error") && to.Get("error_description") != "Invalid parameter: id_token_hint" {
			t.Errorf("refused for another reason: %v", to)
		}
		return to.Has("code")
	}
	places := []struct {
		name  string
		takes func(token string) bool
		kinds []string
	}{
		{"UserInfo", func(token string) bool { return s.Get("/acme/oidc/userinfo", bearer(token)).Status == http.StatusOK },
			[]string{"an access token", "an RFC 9068 token"}},
		{"introspection", func(token string) bool {
			return s.Post("/acme/oauth/introspect", gatewaytest.Form("token", token), gatewaytest.Basic("web")).JSON(t)["active"] == true
		}, []string{"an access token", "a refresh token", "an RFC 9068 token"}},
		{"id_token_hint of the authorization endpoint", hint, []string{"an ID token"}},
		{"id_token_hint of logout", func(token string) bool {
			to := s.Browser("/acme").Get("/logout?post_logout_redirect_uri=https%3A%2F%2Fweb.example%2Fbye&id_token_hint=" + token)
			return to.Query().Get("error_description") != "Invalid parameter: id_token_hint"
		}, []string{"an ID token"}},
		{"a token of a registered client", func(token string) bool {
			return s.Get("/acme/oidc/register/web", bearer(token)).JSON(t)["error"] != "invalid_token"
		}, []string{"an access token", "an RFC 9068 token", "a registration token"}}, // the first two lack a scope, which is another error
		{"the refresh grant", func(token string) bool {
			return s.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "refresh_token", "refresh_token", token), gatewaytest.Basic("web")).Status == http.StatusOK
		}, []string{"a refresh token"}},
	}
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			for kind, token := range all {
				if took, want := place.takes(token), slices.Contains(place.kinds, kind); took != want {
					t.Errorf("%s: taken %t, want %t", kind, took, want)
				}
			}
		})
	}
}

func TestK7ASessionHasOneNameAtEachClient(t *testing.T) {
	s := newSite(t, profile.None)
	sid := func(b *browsertest.Browser, clientID string) string {
		t.Helper()
		request, uri := of(clientID), "https://"+clientID+".example/cb"
		if clientID == "two" {
			uri = "https://two.example/a"
			request = of(clientID, "redirect_uri", uri)
		}
		if clientID == "web" {
			uri = "https://web.example/cb?tenant=1&x=%20"
			request = ask()
		}
		page := b.Follow(b.Get("/oauth/authorize?" + request.Encode()))
		got, _ := claimsOf(t, s.redeem(page, clientID, uri)["id_token"])["sid"].(string)
		if got == "" {
			t.Fatal("the ID token names no session")
		}
		return got
	}
	b := s.signedIn()
	first := sid(b, "web")
	if again := sid(b, "web"); again != first {
		t.Errorf("the session is %q first and %q later", first, again)
	}
	if other := sid(b, "two"); other == first {
		t.Error("two clients know the session by the same name")
	}
	if elsewhere := sid(s.signedIn(), "web"); elsewhere == first {
		t.Error("another session has the same name")
	}
	page := b.Follow(b.Get("/oauth/authorize?" + ask("prompt", "login").Encode()))
	done := b.Follow(b.SignIn(page, "bob", gatewaytest.Password))
	if done.Query().Get("code") == "" {
		t.Fatalf("bob: status %d to %s", done.StatusCode, done.Location())
	}
	if after := sid(b, "web"); after == first {
		t.Error("the session kept its name although somebody else signed in")
	}
}

// TestK2WhereTheClaimsOfScopesAre follows the profile: UserInfo always has them.
func TestK2WhereTheClaimsOfScopesAre(t *testing.T) {
	for _, tt := range []struct {
		profile profile.Name
		inID    bool
	}{{profile.None, true}, {profile.OAuth21, false}} {
		t.Run(strings.ToLower(tt.profile.String()), func(t *testing.T) {
			s := newSite(t, tt.profile)
			b := s.signedIn()
			answer := s.redeem(b.Follow(b.Get("/oauth/authorize?"+ask("scope", "openid profile email").Encode())), "web", "https://web.example/cb?tenant=1&x=%20")
			id := claimsOf(t, answer["id_token"])
			said := s.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+answer["access_token"].(string))).JSON(t)
			for _, name := range []string{"name", "given_name", "email", "email_verified"} {
				if said[name] == nil || (id[name] != nil) != tt.inID {
					t.Errorf("%s is %v in UserInfo and %v in the ID token", name, said[name], id[name])
				}
			}
		})
	}
}
