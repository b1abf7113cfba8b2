package possession_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// bearer sends a token with the scheme Bearer.
func bearer(token string) gatewaytest.Change {
	return gatewaytest.Header("Authorization", "Bearer "+token)
}

func TestX2AccessTokensNameTheKeyOfTheProof(t *testing.T) {
	r := newRig(t)
	p := gatewaytest.NewProver(t)
	answer := r.token("web", gatewaytest.Basic("web"), r.Proof(p))
	if answer["token_type"] != "DPoP" {
		t.Errorf("token_type %v", answer["token_type"])
	}
	seen := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", answer["access_token"].(string)), gatewaytest.Basic("web")).JSON(t)
	if seen["token_type"] != "DPoP" {
		t.Errorf("introspection says %v", seen["token_type"])
	}
	if diff := cmp.Diff(map[string]any{"jkt": p.Thumbprint()}, seen["cnf"]); diff != "" {
		t.Errorf("cnf (-want +got):\n%s", diff)
	}
	plain := r.token("web", gatewaytest.Basic("web"))
	seen = r.Post("/acme/oauth/introspect", gatewaytest.Form("token", plain["access_token"].(string)), gatewaytest.Basic("web")).JSON(t)
	if plain["token_type"] != "bearer" || seen["token_type"] != "bearer" || seen["cnf"] != nil {
		t.Errorf("without a proof: token_type %v, introspected %v, cnf %v", plain["token_type"], seen["token_type"], seen["cnf"])
	}
}

func TestX2ACodeIsRedeemedByItsKeyAlone(t *testing.T) {
	r := newRig(t)
	p := gatewaytest.NewProver(t)
	bound := func(a *state.Authorization) { a.Confirmation.JKT = p.Thumbprint() }
	if got := r.Post("/acme/oauth/token", r.code("web", bound), gatewaytest.Basic("web"), r.Proof(p)); got.Status != 200 {
		t.Errorf("by its key: %d %s", got.Status, got.Body)
	}
	for name, change := range map[string]gatewaytest.Change{"by another key": r.Proof(gatewaytest.NewProver(t)), "without a proof": nil} {
		got := r.Post("/acme/oauth/token", r.code("web", bound), gatewaytest.Basic("web"), change)
		if got.Status != 400 || got.JSON(t)["error"] != "invalid_grant" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
}

func TestX2ClientsThatNeedItGetNoOtherTokens(t *testing.T) {
	r := newRig(t)
	got := r.Post("/acme/oauth/token", form(), gatewaytest.Basic("bound"))
	if got.Status != 400 || got.JSON(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := r.Post("/acme/oauth/token", form(), gatewaytest.Basic("bound"), r.Proof(gatewaytest.NewProver(t))); got.Status != 200 {
		t.Errorf("with a proof: %d %s", got.Status, got.Body)
	}
}

func TestX3ADomainCanWantItsNonceInProofs(t *testing.T) {
	nonces := func(d *configv1.Domain) { d.Oidc.DpopSettings = &configv1.DPoPSettings{NonceRequired: true} }
	r := newRig(t, nonces)
	p := gatewaytest.NewProver(t)
	ask := func(nonce any) gatewaytest.Answer {
		claims := p.Claims("POST", tokenURL, r.Clock.Now())
		if nonce != nil {
			claims["nonce"] = nonce
		}
		return r.ask(p.Sign(claims, nil))
	}
	first := ask(nil)
	nonce := first.Header.Get("DPoP-Nonce")
	if first.Status != 400 || first.JSON(t)["error"] != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("%d %s with nonce %q", first.Status, first.Body, nonce)
	}
	if got := ask(nonce); got.Status != 200 || got.Header.Get("DPoP-Nonce") != "" {
		t.Errorf("with the nonce: %d %s, and another nonce %q", got.Status, got.Body, got.Header.Get("DPoP-Nonce"))
	}
	if got := ask(nonce); got.Status != 200 {
		t.Errorf("with the nonce again: %d %s", got.Status, got.Body)
	}
	for name, bad := range map[string]any{"made up": "nonce", "changed": nonce[:8] + "AAAA" + nonce[12:], "of another domain": newRig(t, nonces).ask(p.Sign(p.Claims("POST", tokenURL, r.Clock.Now()), nil)).Header.Get("DPoP-Nonce")} {
		if got := ask(bad); got.Status != 400 || got.JSON(t)["error"] != "use_dpop_nonce" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}

	t.Run("another gateway of the domain knows it", func(t *testing.T) {
		other := gatewaytest.New(t, gatewaytest.Options{}, r.config)
		claims := p.Claims("POST", tokenURL, other.Clock.Now())
		claims["nonce"] = nonce
		if got := other.Post("/acme/oauth/token", form(), gatewaytest.Basic("web"), gatewaytest.Header("DPoP", p.Sign(claims, nil))); got.Status != 200 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
	t.Run("a client without a proof gets one where it must have a proof", func(t *testing.T) {
		got := r.Post("/acme/oauth/token", form(), gatewaytest.Basic("bound"))
		if got.Status != 400 || got.Header.Get("DPoP-Nonce") == "" {
			t.Errorf("%d %s, nonce %q", got.Status, got.Body, got.Header.Get("DPoP-Nonce"))
		}
	})
	t.Run("protected endpoints want it too", func(t *testing.T) {
		access := r.token("web", gatewaytest.Basic("web"), r.Proof(p, map[string]any{"nonce": nonce}))["access_token"].(string)
		got := r.Get("/acme/oidc/userinfo", r.HoldsToken(p, access))
		if want := `error="use_dpop_nonce"`; got.Status != 401 || !strings.Contains(got.Header.Get("WWW-Authenticate"), want) || got.Header.Get("DPoP-Nonce") == "" {
			t.Errorf("%d %s, challenge %q", got.Status, got.Body, got.Header.Get("WWW-Authenticate"))
		}
		if got := r.Get("/acme/oidc/userinfo", r.HoldsToken(p, access, map[string]any{"nonce": nonce})); got.Status != 200 {
			t.Errorf("with the nonce: %d %s", got.Status, got.Body)
		}
	})
	t.Run("it is renewed in time and ends", func(t *testing.T) {
		r.Clock.Forward(150 * time.Second)
		got := ask(nonce)
		next := got.Header.Get("DPoP-Nonce")
		if got.Status != 200 || next == "" || next == nonce {
			t.Errorf("after half its life: %d %s, next nonce %q", got.Status, got.Body, next)
		}
		r.Clock.Forward(150 * time.Second)
		if got := ask(nonce); got.Status != 400 || got.JSON(t)["error"] != "use_dpop_nonce" {
			t.Errorf("after its life: %d %s", got.Status, got.Body)
		}
		if got := ask(next); got.Status != 200 {
			t.Errorf("the next one: %d %s", got.Status, got.Body)
		}
	})
}

func TestX4ABoundTokenIsWorthNothingWithoutItsKey(t *testing.T) {
	r := newRig(t)
	p := gatewaytest.NewProver(t)
	access := r.token("web", gatewaytest.Basic("web"), r.Proof(p))["access_token"].(string)
	plain := r.token("web", gatewaytest.Basic("web"))["access_token"].(string)
	once := r.HoldsToken(p, access, map[string]any{"jti": "once"})
	tests := []struct {
		name      string
		change    gatewaytest.Change
		status    int
		challenge string
	}{
		{"with its proof", r.HoldsToken(p, access), 200, ""},
		{"with the scheme in another case", func(q *http.Request) {
			r.HoldsToken(p, access)(q)
			q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), "DPoP", "dpop", 1))
		}, 200, ""},
		{"as Bearer", bearer(access), 401, `error="invalid_token"`},
		{"as Bearer with a proof", func(q *http.Request) { r.HoldsToken(p, access)(q); bearer(access)(q) }, 401, `error="invalid_token"`},
		{"without a proof", gatewaytest.Header("Authorization", "DPoP "+access), 401, `error="invalid_dpop_proof"`},
		{"with the proof of another key", r.HoldsToken(gatewaytest.NewProver(t), access), 401, `error="invalid_token"`},
		{"with a proof for another method", r.HoldsToken(p, access, map[string]any{"htm": "POST"}), 401, `error="invalid_dpop_proof"`},
		{"with a proof that is new", once, 200, ""},
		{"with a proof that was used", once, 401, `error="invalid_dpop_proof"`},
		{"a token without a key as Bearer", bearer(plain), 200, ""},
		{"a token without a key with the scheme DPoP", r.HoldsToken(p, plain), 401, `error="invalid_token"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.Get("/acme/oidc/userinfo", tt.change)
			if got.Status != tt.status {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			header := got.Header.Get("WWW-Authenticate")
			if tt.challenge != "" && (!strings.HasPrefix(header, `DPoP realm="gatehouse", algs="ES256 `) || !strings.Contains(header, tt.challenge)) {
				t.Errorf("challenge %q, want DPoP with %s", header, tt.challenge)
			}
		})
	}
	t.Run("in the form of a request", func(t *testing.T) {
		got := r.Post("/acme/oidc/userinfo", gatewaytest.Form("access_token", access))
		if got.Status != 401 || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "DPoP ") {
			t.Errorf("%d, challenge %q", got.Status, got.Header.Get("WWW-Authenticate"))
		}
	})
	t.Run("who shows no token may choose", func(t *testing.T) {
		got := r.Get("/acme/oidc/userinfo")
		if want := []string{`Bearer realm="gatehouse"`, `DPoP realm="gatehouse", algs="ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512"`}; got.Status != 401 ||
			!cmp.Equal(got.Header["Www-Authenticate"], want) {
			t.Errorf("%d, challenges %q", got.Status, got.Header["Www-Authenticate"])
		}
	})
}
