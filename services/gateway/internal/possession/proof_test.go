package possession_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const (
	tokenURL    = gatewaytest.PublicURL + "/acme/oauth/token"
	userinfoURL = gatewaytest.PublicURL + "/acme/oidc/userinfo"
)

// rig is a gateway with the clients that tests of possession need.
type rig struct {
	*gatewaytest.Harness
	t      *testing.T
	config *gatewaytest.Config
}

func newRig(t *testing.T, change ...func(*configv1.Domain)) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	for _, f := range change {
		f(c.Domain)
	}
	c.App("web")
	c.App("spa", func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "none" })
	c.App("bound", func(a *configv1.Application) { a.Settings.Oauth.DpopBoundAccessTokens = true })
	return &rig{gatewaytest.New(t, gatewaytest.Options{}, c), t, c}
}

// form is a request for a token by the client itself.
func form() url.Values { return gatewaytest.Form("grant_type", "client_credentials") }

// ask asks for a token with headers DPoP.
func (r *rig) ask(proofs ...string) gatewaytest.Answer {
	r.t.Helper()
	return r.Post("/acme/oauth/token", form(), gatewaytest.Basic("web"), func(q *http.Request) { q.Header["Dpop"] = proofs })
}

// token redeems a code of ann for a client and returns the members of the answer.
func (r *rig) token(client string, changes ...gatewaytest.Change) map[string]any {
	r.t.Helper()
	got := r.Post("/acme/oauth/token", r.code(client), changes...)
	if got.Status != http.StatusOK {
		r.t.Fatalf("%d %s", got.Status, got.Body)
	}
	return got.JSON(r.t)
}

func (r *rig) code(client string, change ...func(*state.Authorization)) url.Values {
	return gatewaytest.Form("grant_type", "authorization_code", "code", r.Code(r.config.Domain.GetId(), client, "ann", change...),
		"client_id", client)
}

func TestX1WhatAProofOfDPoPMustBe(t *testing.T) {
	r := newRig(t)
	p, other := gatewaytest.NewProver(t), gatewaytest.NewProver(t)
	now := r.Clock.Now()
	claims := func(change ...any) map[string]any {
		all := p.Claims("POST", tokenURL, now)
		for i := 0; i+1 < len(change); i += 2 {
			if all[change[i].(string)] = change[i+1]; change[i+1] == nil {
				delete(all, change[i].(string))
			}
		}
		return all
	}
	sign := func(change ...any) []string { return []string{p.Sign(claims(change...), nil)} }
	header := func(change map[string]any) []string { return []string{p.Sign(claims(), change)} }
	hmacKey, err := jose.NewHMACKey("", jose.HS256, []byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	hmac, err := hmacKey.Sign("dpop+jwt", []byte(`{"jti":"1","htm":"POST","htu":"`+tokenURL+`","iat":1}`))
	if err != nil {
		t.Fatal(err)
	}
	jwk := func(text string) map[string]any {
		return map[string]any{"jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": text, "y": text}}
	}
	forged := p.Sign(claims(), nil)
	forged = forged[:strings.LastIndexByte(forged, '.')] + other.Sign(claims(), nil)[strings.LastIndexByte(other.Sign(claims(), nil), '.'):]
	const window = 60
	tests := []struct {
		name   string
		proofs []string
		ok     bool
	}{
		{"a proof for the request passes", sign(), true},
		{"typ is compared without regard to case", header(map[string]any{"typ": "DPoP+JWT"}), true},
		{"the htu's scheme and host may be in any case", sign("htu", "HTTPS://GW.example/acme/oauth/token"), true},
		{"the htu may name the usual port", sign("htu", "https://gw.example:443/acme/oauth/token"), true},
		{"the htu's query and fragment do not count", sign("htu", tokenURL+"?a=b#c"), true},
		{"the htu may encode what needs no encoding", sign("htu", "https://gw.example/%61cme/oauth/token"), true},
		{"iat at the old end of the window", sign("iat", now.Unix()-window), true},
		{"iat at the new end of the window", sign("iat", now.Unix()+window), true},
		{"iat with a fraction", sign("iat", float64(now.Unix())+0.5), true},
		{"exp ahead", sign("exp", now.Unix()+10), true},
		{"nbf a little ahead, as clocks differ", sign("nbf", now.Unix()+10), true},
		{"claims that nobody knows", sign("x", []string{"y"}), true},

		{"two headers", []string{p.Sign(claims(), nil), p.Sign(claims(), nil)}, false},
		{"two proofs in one header", []string{p.Sign(claims(), nil) + ", " + p.Sign(claims(), nil)}, false},
		{"an empty header", []string{""}, false},
		{"no JWT", []string{"proof"}, false},
		{"another type", header(map[string]any{"typ": "JWT"}), false},
		{"no type", header(map[string]any{"typ": nil}), false},
		{"no key", header(map[string]any{"jwk": nil}), false},
		{"a key that is not on its curve", header(jwk("AQ")), false},
		{"a private key", header(map[string]any{"jwk": map[string]any{"kty": "EC", "crv": "P-256", "d": "AQ"}}), false},
		{"the algorithm none", header(map[string]any{"alg": "none"}), false},
		{"another algorithm than the signature's", header(map[string]any{"alg": "PS256"}), false},
		{"an HMAC", []string{hmac}, false},
		{"the signature of another key", []string{forged}, false},
		{"a critical extension", header(map[string]any{"crit": []string{"b64"}}), false},
		{"no jti", sign("jti", nil), false},
		{"a jti that is no text", sign("jti", 1), false},
		{"a jti without end", sign("jti", strings.Repeat("j", 600)), false},
		{"no htm", sign("htm", nil), false},
		{"another method", sign("htm", "GET"), false},
		{"the method in lower case", sign("htm", "post"), false},
		{"no htu", sign("htu", nil), false},
		{"an htu that is no text", sign("htu", []string{tokenURL}), false},
		{"another endpoint", sign("htu", userinfoURL), false},
		{"another host", sign("htu", "https://evil.example/acme/oauth/token"), false},
		{"another scheme", sign("htu", "http://gw.example/acme/oauth/token"), false},
		{"another port", sign("htu", "https://gw.example:8443/acme/oauth/token"), false},
		{"a user in the htu", sign("htu", "https://gw.example@gw.example/acme/oauth/token"), false},
		{"a relative htu", sign("htu", "/acme/oauth/token"), false},
		{"no iat", sign("iat", nil), false},
		{"iat before the window", sign("iat", now.Unix()-window-1), false},
		{"iat after the window", sign("iat", now.Unix()+window+1), false},
		{"iat that is no number", sign("iat", "now"), false},
		{"exp past", sign("exp", now.Unix()-31), false},
		{"nbf far ahead", sign("nbf", now.Unix()+31), false},
		{"a proof without end", sign("x", strings.Repeat("x", 9000)), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.ask(tt.proofs...)
			if tt.ok {
				if got.Status != http.StatusOK || got.JSON(t)["token_type"] != "DPoP" {
					t.Errorf("%d %s", got.Status, got.Body)
				}
				return
			}
			if got.Status != http.StatusBadRequest || got.JSON(t)["error"] != "invalid_dpop_proof" {
				t.Errorf("%d %s, want 400 invalid_dpop_proof", got.Status, got.Body)
			}
		})
	}
}

func TestX1AProofIsUsedOnceByAnyOfManyAtOnce(t *testing.T) {
	r := newRig(t)
	p := gatewaytest.NewProver(t)
	claims := p.Claims("POST", tokenURL, r.Clock.Now())
	var good, used atomic.Int32
	var racers sync.WaitGroup
	start := make(chan struct{})
	for range 32 {
		racers.Go(func() {
			<-start
			switch got := r.ask(p.Sign(claims, nil)); { // a signature of its own, the same jti
			case got.Status == http.StatusOK:
				good.Add(1)
			case strings.Contains(got.Body, "used before"):
				used.Add(1)
			}
		})
	}
	close(start)
	racers.Wait()
	if good.Load() != 1 || used.Load() != 31 {
		t.Errorf("%d got a token, %d were told that the proof was used", good.Load(), used.Load())
	}

	// Another key may use the same identifier.
	if got := r.ask(gatewaytest.NewProver(t).Sign(claims, nil)); got.Status != http.StatusOK {
		t.Errorf("the jti of another key: %d %s", got.Status, got.Body)
	}
}

func TestX1TheWindowIsTheDomainsAndNeverUnderTheSkewOfClocks(t *testing.T) {
	r := newRig(t, func(d *configv1.Domain) { d.Oidc.DpopSettings = &configv1.DPoPSettings{MaxAgeSeconds: 3} })
	p := gatewaytest.NewProver(t)
	for ahead, want := range map[time.Duration]int{10 * time.Second: 200, -10 * time.Second: 200, 11 * time.Second: 400, -11 * time.Second: 400} {
		if got := r.ask(p.Sign(p.Claims("POST", tokenURL, r.Clock.Now().Add(ahead)), nil)); got.Status != want {
			t.Errorf("%s ahead: %d %s", ahead, got.Status, got.Body)
		}
	}
}

func TestX1ProtectedEndpointsWantTheHashOfTheToken(t *testing.T) {
	r := newRig(t)
	p := gatewaytest.NewProver(t)
	access := r.token("web", gatewaytest.Basic("web"), r.Proof(p))["access_token"].(string)
	tests := []struct {
		name   string
		claims map[string]any
		status int
	}{
		{"its own", nil, 200},
		{"that of another token", map[string]any{"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}, 401},
		{"none", map[string]any{"ath": ""}, 401},
		{"something that is no text", map[string]any{"ath": 1}, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.Get("/acme/oidc/userinfo", r.HoldsToken(p, access, tt.claims))
			if got.Status != tt.status {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			if want := `DPoP realm="gatehouse", algs="`; tt.status != 200 && !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), want) {
				t.Errorf("challenge %q", got.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestADomainWithoutDPoPIssuesBearerTokens(t *testing.T) {
	r := newRig(t, func(d *configv1.Domain) { d.Oidc.DpopSettings = &configv1.DPoPSettings{Enabled: proto.Bool(false)} })
	p := gatewaytest.NewProver(t)
	if got := r.ask(p.Sign(p.Claims("POST", tokenURL, r.Clock.Now()), nil)); got.Status != 200 || got.JSON(t)["token_type"] != "bearer" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	got := r.Post("/acme/oauth/token", form(), gatewaytest.Basic("bound"), r.Proof(p))
	if want := "Bad Request | invalid_request | The client's tokens are bound by DPoP, which this domain has switched off"; got.Error(t) != want {
		t.Errorf("a client that needs it: %s", got.Error(t))
	}
}
