package possession_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// fapi is a gateway with a domain of FAPI 2.0 and the clients es, ps and rs, each with a key of that kind, basic and spa.
type fapi struct {
	*gatewaytest.Harness
	t      *testing.T
	domain string
	keys   map[string]*jose.Key
}

func newFAPI(t *testing.T) *fapi {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: profile.FAPI2}
	f := &fapi{t: t, domain: c.Domain.GetId(), keys: map[string]*jose.Key{}}
	for id, alg := range map[string]jose.Algorithm{"es": jose.ES256, "ps": jose.PS256, "ed": jose.EdDSA, "rs": jose.RS256, "es384": jose.ES384} {
		f.keys[id] = gatewaytest.ClientKey(t, id, alg)
		c.App(id, gatewaytest.ByKey(t, f.keys[id]), func(a *configv1.Application) {
			a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
		})
	}
	c.App("basic")
	c.App("spa", func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "none" })
	f.Harness = gatewaytest.New(t, gatewaytest.Options{}, c)
	return f
}

// ask sends a form of a client to a path with an assertion.
func (f *fapi) ask(path, client string, form url.Values, assertion map[string]any, changes ...gatewaytest.Change) gatewaytest.Answer {
	f.t.Helper()
	return f.Post("/acme/oauth/"+path, f.Asserting(form, f.keys[client], client, assertion), changes...)
}

func (f *fapi) code(client string, change ...func(*state.Authorization)) url.Values {
	return gatewaytest.Form("grant_type", "authorization_code", "code", f.Code(f.domain, client, "ann", change...))
}

func pushed(client string) url.Values {
	return gatewaytest.Form("response_type", "code", "redirect_uri", "https://"+client+".example/cb", "scope", "openid",
		"code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method", "S256")
}

func TestF3AssertionsAreForTheIssuerAlone(t *testing.T) {
	f := newFAPI(t)
	now := f.Clock.Now()
	const issuer = gatewaytest.PublicURL + "/acme/oidc"
	p := gatewaytest.NewProver(t)
	tests := []struct {
		name   string
		client string
		claims map[string]any
		want   int
	}{
		{"the issuer as one string", "es", nil, 200},
		{"the issuer in a list", "es", map[string]any{"aud": []string{issuer}}, 401},
		{"the issuer among others", "es", map[string]any{"aud": []string{issuer, "https://x.example"}}, 401},
		{"the token endpoint", "es", map[string]any{"aud": tokenURL}, 401},
		{"RS256", "rs", nil, 401},
		{"no sub", "es", map[string]any{"sub": nil}, 401},
		{"expired", "es", map[string]any{"exp": now.Add(-time.Minute).Unix()}, 401},
		{"nbf 8 s ahead", "es", map[string]any{"nbf": now.Add(8 * time.Second).Unix()}, 200},
		{"iat 10 s ahead", "es", map[string]any{"iat": now.Add(10 * time.Second).Unix()}, 200},
		{"iat 61 s ahead", "es", map[string]any{"iat": now.Add(61 * time.Second).Unix()}, 401},
		{"nbf 61 s ahead", "es", map[string]any{"nbf": now.Add(61 * time.Second).Unix()}, 401},
	}
	for _, tt := range tests {
		for path, form := range map[string]url.Values{"token": form(), "par": pushed(tt.client)} {
			t.Run(tt.name+" at "+path, func(t *testing.T) {
				want := tt.want
				if want == 200 && path == "par" {
					want = 201
				}
				if got := f.ask(path, tt.client, form, tt.claims, f.Proof(p)); got.Status != want {
					t.Errorf("%d %s, want %d", got.Status, got.Body, want)
				}
			})
		}
	}
}

func TestF4EveryAccessTokenIsBoundToAKey(t *testing.T) {
	f := newFAPI(t)
	p := gatewaytest.NewProver(t)
	if got := f.ask("token", "es", f.code("es"), nil); got.Status != 400 || got.JSON(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("without a proof: %d %s", got.Status, got.Body)
	}
	got := f.ask("token", "es", f.code("es"), nil, f.Proof(p))
	if got.Status != 200 || got.JSON(t)["token_type"] != "DPoP" {
		t.Fatalf("with a proof: %d %s", got.Status, got.Body)
	}
	token := got.JSON(t)["access_token"].(string)
	if got := f.Get("/acme/oidc/userinfo", f.HoldsToken(p, token)); got.Status != 200 {
		t.Errorf("used with its key: %d %s", got.Status, got.Body)
	}
	if got := f.Get("/acme/oidc/userinfo", f.HoldsToken(gatewaytest.NewProver(t), token)); got.Status != 401 {
		t.Errorf("used with another key: %d %s", got.Status, got.Body)
	}
}

func TestF5AProofAtPARBindsTheCode(t *testing.T) {
	f := newFAPI(t)
	p, other := gatewaytest.NewProver(t), gatewaytest.NewProver(t)
	withKey := func(jkt string) url.Values {
		form := pushed("es")
		form.Set("dpop_jkt", jkt)
		return form
	}
	if got := f.ask("par", "es", withKey(p.Thumbprint()), nil, f.Proof(p)); got.Status != 201 {
		t.Errorf("a proof by the key that is named: %d %s", got.Status, got.Body)
	}
	if got := f.ask("par", "es", withKey(other.Thumbprint()), nil, f.Proof(p)); got.Status != 400 || got.JSON(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("a proof by another key than is named: %d %s", got.Status, got.Body)
	}
	if got := f.ask("par", "es", pushed("es"), nil, f.Proof(p, map[string]any{"htu": tokenURL})); got.Status != 400 || got.JSON(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("a proof for another endpoint: %d %s", got.Status, got.Body)
	}

	t.Run("the code is worth something with that key alone", func(t *testing.T) {
		answer := f.ask("par", "es", pushed("es"), nil, f.Proof(p))
		if answer.Status != http.StatusCreated {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
		path := "/oauth/authorize?client_id=es&request_uri=" + url.QueryEscape(answer.JSON(t)["request_uri"].(string))
		b := f.Browser("/acme")
		page := b.Follow(b.SignIn(b.Follow(b.Get(path)), "ann", gatewaytest.Password))
		code := page.Query().Get("code")
		if code == "" {
			t.Fatalf("status %d, %s: %s", page.StatusCode, page.Location(), page.Text)
		}
		form := gatewaytest.Form("grant_type", "authorization_code", "code", code, "redirect_uri", "https://es.example/cb",
			"code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
		if got := f.ask("token", "es", form, nil, f.Proof(other)); got.Status != 400 || got.JSON(t)["error"] != "invalid_grant" {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
}

func TestF9WhatSignsIsStrongEnough(t *testing.T) {
	f := newFAPI(t)
	p := gatewaytest.NewProver(t)
	for client, want := range map[string]int{"es": 200, "ps": 200, "ed": 200, "rs": 401, "es384": 401} {
		if got := f.ask("token", client, form(), nil, f.Proof(p)); got.Status != want {
			t.Errorf("%s: %d %s", client, got.Status, got.Body)
		}
	}
	metadata := f.Get("/acme/oidc/.well-known/openid-configuration").JSON(t)
	for _, name := range []string{"token_endpoint_auth_signing_alg_values_supported", "dpop_signing_alg_values_supported"} {
		if got := metadata[name].([]any); len(got) != 3 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestF10ClientCredentialsObeyTheSameRules(t *testing.T) {
	f := newFAPI(t)
	if got := f.ask("token", "es", form(), nil); got.Status != 400 || got.JSON(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("without a proof: %d %s", got.Status, got.Body)
	}
	if got := f.ask("token", "es", form(), nil, f.Proof(gatewaytest.NewProver(t))); got.Status != 200 || got.JSON(t)["token_type"] != "DPoP" {
		t.Errorf("with a proof: %d %s", got.Status, got.Body)
	}
	if got := f.Post("/acme/oauth/token", form(), gatewaytest.Basic("basic"), f.Proof(gatewaytest.NewProver(t))); got.Status != 401 {
		t.Errorf("by Basic: %d %s", got.Status, got.Body)
	}
	public := form()
	public.Set("client_id", "spa")
	if got := f.Post("/acme/oauth/token", public, f.Proof(gatewaytest.NewProver(t))); got.Status != 401 {
		t.Errorf("a public client: %d %s", got.Status, got.Body)
	}
}
