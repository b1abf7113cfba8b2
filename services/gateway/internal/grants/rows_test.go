package grants_test

import (
	"math"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestT1AnswersAreJSONThatNobodyStores(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	for _, a := range []gatewaytest.Answer{
		r.token("web", "grant_type", "client_credentials"), r.token("web", "grant_type", "authorization_code", "code", "x"), r.token(""),
	} {
		if a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
			t.Errorf("status %d with header %v", a.Status, a.Header)
		}
		a.JSON(t)
	}
}

func TestT2ErrorsHaveTheirStatus(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	for _, tt := range []struct {
		client string
		pairs  []string
		status int
		code   string
	}{
		{"web", nil, 400, "invalid_request"},
		{"web", []string{"grant_type", "magic"}, 400, "unsupported_grant_type"},
		{"web", []string{"grant_type", "authorization_code", "code", "x"}, 400, "invalid_grant"},
		{"web", []string{"grant_type", "client_credentials", "scope", "nope"}, 400, "invalid_scope"},
		{"web", []string{"grant_type", "client_credentials", "resource", "https://x.example"}, 400, "invalid_target"},
		{"nobody", []string{"grant_type", "client_credentials"}, 401, "invalid_client"},
		{"", []string{"grant_type", "client_credentials"}, 401, "invalid_client"},
	} {
		a := r.token(tt.client, tt.pairs...)
		if a.Status != tt.status || a.JSON(t)["error"] != tt.code {
			t.Errorf("%s %v: %d %s, want %d %s", tt.client, tt.pairs, a.Status, a.Body, tt.status, tt.code)
		}
	}
}

func TestT3ACodeIsRedeemedByOneOfManyAtOnce(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	form := gatewaytest.Form("grant_type", "authorization_code", "code", r.Code(r.domain, "norefresh", "ann"))
	results := make(chan int)
	for range 32 {
		go func() { results <- r.Post("/acme/oauth/token", form, gatewaytest.Basic("norefresh")).Status }()
	}
	count := map[int]int{}
	for range 32 {
		count[<-results]++
	}
	if count[200] != 1 || count[400] != 31 {
		t.Errorf("statuses %v", count)
	}
}

func TestT4ASecondUseOfACodeRevokesItsTokens(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	const invalid = badRequest + "invalid_grant | The authorization code is invalid"
	code := r.Code(r.domain, "web", "ann")
	first := r.granted(r.token("web", "grant_type", "authorization_code", "code", code))
	second := r.granted(r.refresh("web", first.RefreshToken))
	r.refused(r.token("web", "grant_type", "authorization_code", "code", code), invalid)
	if r.alive(first.AccessToken) || r.alive(second.AccessToken) {
		t.Error("access tokens of the code are alive")
	}
	r.refused(r.refresh("web", second.RefreshToken), badRequest+"invalid_grant | Refresh token is invalid")
	if state.SpentFor != 10*time.Minute {
		t.Errorf("a used code is remembered for %v", state.SpentFor)
	}
}

func TestT5WhatACodeIsBoundTo(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	ask := func(client, code string, more ...string) gatewaytest.Answer {
		return r.token(client, append([]string{"grant_type", "authorization_code", "code", code}, more...)...)
	}
	sent := func(a *state.Authorization) { a.RedirectURISent = true }
	pkce := func(a *state.Authorization) { a.Challenge, a.ChallengeMethod = challenge, "S256" }
	r.refused(ask("other", r.Code(r.domain, "web", "ann")), badRequest+"invalid_grant | The authorization code is invalid")
	r.refused(ask("web", r.Code(r.domain, "web", "ann", sent), "redirect_uri", "https://web.example/other"), badRequest+"invalid_grant | Redirect URI mismatch.")
	r.refused(ask("web", r.Code(r.domain, "web", "ann", sent)), badRequest+"invalid_grant | Redirect URI is missing")
	r.refused(ask("web", r.Code(r.domain, "web", "ann", pkce), "code_verifier", challenge), badRequest+"invalid_grant | Invalid code_verifier")
	if id := r.claims(r.redeemed("web").IDToken); id["nonce"] != "n-0S6_WzA2Mj" {
		t.Errorf("ID token %v", id)
	}
	one, two := gatewaytest.NewProver(t), gatewaytest.NewProver(t)
	keyed := func(a *state.Authorization) { a.Confirmation.JKT = one.Thumbprint() }
	for _, tt := range []struct {
		name    string
		changes []gatewaytest.Change
		status  int
	}{
		{"the key of the request", []gatewaytest.Change{r.Proof(one)}, 200},
		{"another key", []gatewaytest.Change{r.Proof(two)}, 400},
		{"no key", nil, 400},
	} {
		form := gatewaytest.Form("grant_type", "authorization_code", "code", r.Code(r.domain, "web", "ann", keyed))
		if a := r.Post("/acme/oauth/token", form, append(tt.changes, gatewaytest.Basic("web"))...); a.Status != tt.status {
			t.Errorf("%s: %d %s", tt.name, a.Status, a.Body)
		}
	}
}

func TestT7AVerifierComesWithItsChallengeAlone(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	pkce := func(a *state.Authorization) { a.Challenge, a.ChallengeMethod = challenge, "S256" }
	ask := func(code string, more ...string) gatewaytest.Answer {
		return r.token("web", append([]string{"grant_type", "authorization_code", "code", code}, more...)...)
	}
	r.granted(ask(r.Code(r.domain, "web", "ann", pkce), "code_verifier", verifier))
	r.refused(ask(r.Code(r.domain, "web", "ann", pkce)), badRequest+"invalid_grant | Missing parameter: code_verifier")
	r.refused(ask(r.Code(r.domain, "web", "ann"), "code_verifier", verifier), badRequest+"invalid_grant | Invalid code_verifier")
}

func TestT14AClientActsForItself(t *testing.T) {
	r := newRig(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"})
	got := r.granted(r.token("service", "grant_type", "client_credentials", "scope", "read"))
	if claims := r.claims(got.AccessToken); claims["sub"] != "service" || got.RefreshToken != "" || got.IDToken != "" {
		t.Errorf("answer %+v, claims %v", got, claims)
	}
	r.refused(r.token("", "grant_type", "client_credentials", "client_id", "public"), missing)
	r.refused(r.token("service", "grant_type", "client_credentials", "scope", "openid"), badRequest+"invalid_scope | Invalid scope: OPENID")
}

// protected gives a domain three resources.
func protected(c *gatewaytest.Config) {
	c.Domain.Oidc.Resources = []*configv1.ProtectedResource{
		{Identifier: "https://api.example"}, {Identifier: "urn:acme:files", Scopes: []string{"read"}}, {Identifier: "https://ledger.example", Restricted: true},
	}
	c.App("web")
	c.App("bank", func(a *configv1.Application) { a.Settings.Oauth.Resources = []string{"https://ledger.example"} })
}

func TestT23TokensForResources(t *testing.T) {
	r := newRigOf(t, protected)
	for _, tt := range []struct {
		name, client string
		resources    []string
		want         any
		refused      string
	}{
		{"one", "web", []string{"https://api.example"}, "https://api.example", ""},
		{"several", "web", []string{"https://api.example", "urn:acme:files"}, []any{"https://api.example", "urn:acme:files"}, ""},
		{"one that is for others", "web", []string{"https://ledger.example"}, nil, "The resource [ https://ledger.example ] is not one that this client can ask for"},
		{"one that is for this client", "bank", []string{"https://ledger.example"}, "https://ledger.example", ""},
		{"one that nobody knows", "web", []string{"https://x.example"}, nil, "The resource [ https://x.example ] is not one that this client can ask for"},
		{"a relative one", "web", []string{"api"}, nil, "The resource [ api ] is not an absolute URI without a fragment"},
		{"one with a fragment", "web", []string{"https://api.example#x"}, nil, "The resource [ https://api.example#x ] is not an absolute URI without a fragment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, grant := range [][]string{{"grant_type", "client_credentials"}, {"grant_type", "password", "username", "ann", "password", gatewaytest.Password}} {
				pairs := grant
				for _, uri := range tt.resources {
					pairs = append(pairs, "resource", uri)
				}
				a := r.token(tt.client, pairs...)
				if tt.refused != "" {
					r.refused(a, badRequest+"invalid_target | "+tt.refused)
					continue
				}
				aud := r.claims(r.granted(a).AccessToken)["aud"]
				if want, several := tt.want.([]any); several && len(aud.([]any)) != len(want) || !several && aud != tt.want {
					t.Errorf("audience %v", aud)
				}
			}
		})
	}
}

func TestT24ATokenRequestStaysWithinWhatWasAuthorized(t *testing.T) {
	r := newRigOf(t, protected)
	both := func(a *state.Authorization) { a.Resources = []string{"https://api.example", "urn:acme:files"} }
	redeem := func(change func(*state.Authorization), more ...string) gatewaytest.Answer {
		return r.token("web", append([]string{"grant_type", "authorization_code", "code", r.Code(r.domain, "web", "ann", change)}, more...)...)
	}
	const foreign = badRequest + "invalid_target | The resource [ https://ledger.example ] was not part of the authorization"
	first := r.granted(redeem(both))
	if aud := r.claims(first.AccessToken)["aud"]; len(aud.([]any)) != 2 {
		t.Errorf("audience %v", aud)
	}
	narrow := r.granted(redeem(both, "resource", "urn:acme:files"))
	if claims := r.claims(narrow.AccessToken); claims["aud"] != "urn:acme:files" || claims["scope"] != "read" || narrow.Scope != "read" || narrow.IDToken == "" {
		t.Errorf("claims %v of %+v", claims, narrow)
	}
	r.refused(redeem(both, "resource", "https://ledger.example"), foreign)
	r.refused(redeem(func(*state.Authorization) {}, "resource", "https://ledger.example"), foreign)
	for range 2 { // a refusal does not use the token up
		r.refused(r.refresh("web", first.RefreshToken, "resource", "https://ledger.example"), foreign)
	}
	second := r.granted(r.refresh("web", first.RefreshToken, "resource", "urn:acme:files"))
	third := r.granted(r.refresh("web", second.RefreshToken))
	if r.claims(second.AccessToken)["aud"] != "urn:acme:files" || len(r.claims(third.AccessToken)["aud"].([]any)) != 2 {
		t.Errorf("audiences %v and %v", r.claims(second.AccessToken)["aud"], r.claims(third.AccessToken)["aud"])
	}
}

func TestT25AClientCanBeHeldToItsKey(t *testing.T) {
	r := newRigOf(t, func(c *gatewaytest.Config) {
		c.App("bound", func(a *configv1.Application) { a.Settings.Oauth.DpopBoundAccessTokens = true })
	})
	form := gatewaytest.Form("grant_type", "client_credentials")
	prover := gatewaytest.NewProver(t)
	if a := r.Post("/acme/oauth/token", form, gatewaytest.Basic("bound")); a.Status != http.StatusBadRequest {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	a := r.Post("/acme/oauth/token", form, gatewaytest.Basic("bound"), r.Proof(prover))
	if got := a.JSON(t); a.Status != http.StatusOK || got["token_type"] != "DPoP" {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
}

// TestE2CodesAndTokensCannotBeGuessed takes a thousand of each kind apart by position: a place where all are alike is not
// random, and what is random must come to 128 bits.
func TestE2CodesAndTokensCannotBeGuessed(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	unreserved := regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
	const n = 1000
	kinds := map[string]func() string{
		"authorization code": func() string { return r.Code(r.domain, "web", "ann") },
		"refresh token": func() string {
			token, err := r.Store.NewGrant(t.Context(), state.Authorization{Domain: r.domain, ApplicationID: "a", Grant: secret.NewToken()[:22]}, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return token
		},
		"device code": func() string {
			code, _, err := r.Store.NewDevice(t.Context(), state.DeviceRequest{Domain: r.domain, ApplicationID: "a"}, time.Minute, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			return code
		},
	}
	for name, make := range kinds {
		t.Run(name, func(t *testing.T) {
			made := map[string]bool{}
			var places []map[byte]int
			for range n {
				v := make()
				if !unreserved.MatchString(v) || made[v] {
					t.Fatalf("%q has reserved characters, or was made before", v)
				}
				made[v] = true
				for len(places) < len(v) {
					places = append(places, map[byte]int{})
				}
				for i := range len(v) {
					places[i][v[i]]++
				}
			}
			bits := 0.0
			for _, seen := range places {
				for _, count := range seen {
					p := float64(count) / n
					bits -= p * math.Log2(p)
				}
			}
			if bits < 128 {
				t.Errorf("%.0f bits", bits)
			}
		})
	}
}
