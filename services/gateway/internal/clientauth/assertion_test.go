package clientauth_test

import (
	"context"
	"crypto"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/assembly"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const (
	issuer   = gatewaytest.PublicURL + "/acme/oidc"
	tokenURL = gatewaytest.PublicURL + "/acme/oauth/token"
)

// longSecret is long enough for every HMAC.
var longSecret = strings.Repeat("0123456789abcdef", 4)

func bySecret(a *configv1.Application) {
	a.Settings.Oauth.TokenEndpointAuthMethod = "client_secret_jwt"
	a.Secrets = []*configv1.ClientSecret{{Id: "s1", Hash: secret.Generated(longSecret), Key: []byte(longSecret)}}
}

// signed restricts the algorithm of a client's assertions.
func signed(alg string) func(*configv1.Application) {
	return func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthSigningAlg = alg }
}

func in(name profile.Name) func(*configv1.Application) {
	return func(a *configv1.Application) { a.Settings.Oauth.SecurityProfile = name }
}

func hmacKey(t *testing.T, alg jose.Algorithm, value string) *jose.Key {
	t.Helper()
	key, err := jose.NewHMACKey("", alg, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestC4AnAssertionIsCheckedInEveryRespect(t *testing.T) {
	es, rs, other := gatewaytest.ClientKey(t, "es", jose.ES256), gatewaytest.ClientKey(t, "rs", jose.RS256), gatewaytest.ClientKey(t, "es", jose.ES384)
	c := gatewaytest.NewAcme(t)
	c.App("key", gatewaytest.ByKey(t, es, rs))
	c.App("es-only", gatewaytest.ByKey(t, es, rs), signed("ES256"))
	c.App("secret", bySecret)
	c.App("hs512", bySecret, signed("HS512"))
	c.App("hash", bySecret, func(a *configv1.Application) { a.Secrets[0].Key = nil })
	c.App("nokeys", gatewaytest.ByKey(t, es), func(a *configv1.Application) { a.Settings.Oauth.Jwks = nil })
	c.App("basic")
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	now := h.Clock.Now()
	claims := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i+1 < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	hs256, hs512 := hmacKey(t, jose.HS256, longSecret), hmacKey(t, jose.HS512, longSecret)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	tests := []struct {
		name   string
		client string
		key    *jose.Key
		claims map[string]any
		form   []string
		ok     bool
	}{
		{"by a key", "key", es, nil, nil, true},
		{"by another key of the client", "key", rs, nil, nil, true},
		{"beside its client_id", "key", es, nil, []string{"client_id", "key"}, true},
		{"by the registered algorithm", "es-only", es, nil, nil, true},
		{"by the secret", "secret", hs256, nil, nil, true},
		{"by the secret and a longer hash", "secret", hs512, nil, nil, true},
		{"without an iat", "key", es, claims("iat", nil), nil, true},
		{"of an iat and nbf a little ahead", "key", es, claims("iat", at(10*time.Second), "nbf", at(10*time.Second)), nil, true},
		{"that has just expired by another clock", "key", es, claims("exp", at(-10*time.Second)), nil, true},
		{"that is good for an hour", "key", es, claims("exp", at(time.Hour)), nil, true},
		{"for several audiences", "key", es, claims("aud", []string{"https://other.example", issuer}), nil, true},

		{"of another client_id", "key", es, nil, []string{"client_id", "secret"}, false},
		{"without a type", "key", es, nil, []string{"client_assertion_type", ""}, false},
		{"of another type", "key", es, nil, []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, false},
		{"of a key that is not the client's", "key", other, nil, nil, false},
		{"by another algorithm than the registered one", "es-only", rs, nil, nil, false},
		{"by another HMAC than the registered one", "hs512", hs256, nil, nil, false},
		{"by a wrong secret", "secret", hmacKey(t, jose.HS256, strings.Repeat("x", 64)), nil, nil, false},
		{"by the hash of the secret", "hash", hmacKey(t, jose.HS256, secret.Generated(longSecret)), nil, nil, false},
		{"by a secret of which only the hash is left", "hash", hs256, nil, nil, false},
		{"by a secret where a key is registered", "key", hs256, nil, nil, false},
		{"by a key where the secret is registered", "secret", es, nil, nil, false},
		{"by a public key as secret", "key", hmacKey(t, jose.HS256, string(mustJWK(t, es))), nil, nil, false},
		{"of a client without keys", "nokeys", es, nil, nil, false},
		{"of a client with Basic", "basic", es, nil, nil, false},
		{"of a client that nobody knows", "nobody", es, nil, nil, false},
		{"without a subject", "key", es, claims("sub", nil), nil, false},
		{"without an issuer", "key", es, claims("iss", nil), nil, false},
		{"of another issuer", "key", es, claims("iss", "secret"), nil, false},
		{"without an audience", "key", es, claims("aud", nil), nil, false},
		{"for another audience", "key", es, claims("aud", "https://other.example"), nil, false},
		{"for the issuer with a slash", "key", es, claims("aud", issuer+"/"), nil, false},
		{"without an exp", "key", es, claims("exp", nil), nil, false},
		{"that is expired", "key", es, claims("exp", at(-31*time.Second)), nil, false},
		{"that is good for more than an hour", "key", es, claims("exp", at(time.Hour+31*time.Second)), nil, false},
		{"of an iat far ahead", "key", es, claims("iat", at(61*time.Second)), nil, false},
		{"of an nbf far ahead", "key", es, claims("nbf", at(61*time.Second)), nil, false},
		{"without a jti", "key", es, claims("jti", nil), nil, false},
		{"of a jti without end", "key", es, claims("jti", strings.Repeat("j", 600)), nil, false},
		{"without end", "key", es, claims("x", strings.Repeat("x", 9000)), nil, false},
	}
	for _, tt := range tests {
		t.Run("an assertion "+tt.name, func(t *testing.T) {
			form := h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), tt.key, tt.client, tt.claims)
			for i := 0; i+1 < len(tt.form); i += 2 {
				form.Set(tt.form[i], tt.form[i+1])
			}
			got := h.Post("/acme/oauth/token", form)
			switch {
			case tt.ok && got.Status != http.StatusOK:
				t.Errorf("%d %s", got.Status, got.Body)
			case !tt.ok && (got.Status != http.StatusUnauthorized || got.JSON(t)["error"] != "invalid_client" || got.Header.Get("WWW-Authenticate") != ""):
				t.Errorf("%d %s, want 401 invalid_client", got.Status, got.Body)
			}
		})
	}
	t.Run("other endpoints take it as well", func(t *testing.T) {
		for _, path := range []string{"/acme/oauth/introspect", "/acme/oauth/revoke"} {
			if got := h.Post(path, h.Asserting(gatewaytest.Form("token", "x"), es, "key")); got.Status != 200 {
				t.Errorf("%s: %d %s", path, got.Status, got.Body)
			}
		}
		pushed := gatewaytest.Form("response_type", "code", "redirect_uri", "https://key.example/cb", "scope", "openid")
		if got := h.Post("/acme/oauth/par", h.Asserting(pushed, es, "key")); got.Status != 201 {
			t.Errorf("a pushed request: %d %s", got.Status, got.Body)
		}
	})
	t.Run("unsigned it is nothing", func(t *testing.T) {
		form := h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), es, "key")
		parts := strings.Split(form.Get("client_assertion"), ".")
		form.Set("client_assertion", "eyJhbGciOiJub25lIn0."+parts[1]+".") // {"alg":"none"}
		if got := h.Post("/acme/oauth/token", form); got.Status != 401 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
	t.Run("what was signed for something else is none", func(t *testing.T) {
		for _, typ := range []string{"dpop+jwt", "oauth-authz-req+jwt", "at+jwt"} {
			form := h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), es, "key")
			_, claims, err := jose.Unverified(form.Get("client_assertion"))
			if err != nil {
				t.Fatal(err)
			}
			token, err := es.Sign(typ, []byte(`{"iss":"key","sub":"key","aud":"`+issuer+`","jti":"`+claims.ID+`","exp":4102444800}`))
			if err != nil {
				t.Fatal(err)
			}
			form.Set("client_assertion", token)
			if got := h.Post("/acme/oauth/token", form); got.Status != 401 {
				t.Errorf("%s: %d %s", typ, got.Status, got.Body)
			}
		}
	})
}

// mustJWK is the public part of a key as an attacker may take it for a secret.
func mustJWK(t *testing.T, key *jose.Key) []byte {
	t.Helper()
	set, err := jose.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	return set.JWKS()
}

func TestC4AnAssertionIsUsedOnceByAnyOfManyAtOnce(t *testing.T) {
	key := gatewaytest.ClientKey(t, "es", jose.ES256)
	c := gatewaytest.NewAcme(t)
	c.App("key", gatewaytest.ByKey(t, key))
	c.App("twin", gatewaytest.ByKey(t, key))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	jti := map[string]any{"jti": "once"}
	var good atomic.Int32
	var racers sync.WaitGroup
	start := make(chan struct{})
	for range 32 {
		form := h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), key, "key", jti)
		racers.Go(func() {
			<-start
			switch got := h.Post("/acme/oauth/token", form); {
			case got.Status == http.StatusOK:
				good.Add(1)
			case got.Status != http.StatusUnauthorized:
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
	close(start)
	racers.Wait()
	if good.Load() != 1 {
		t.Errorf("%d authenticated", good.Load())
	}
	if got := h.Post("/acme/oauth/token", h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), key, "twin", jti)); got.Status != 200 {
		t.Errorf("another client may use the same jti: %d %s", got.Status, got.Body)
	}
}

func TestC5TheAudienceIsTheIssuerOrAsTheProfileHasIt(t *testing.T) {
	key := gatewaytest.ClientKey(t, "es", jose.ES256)
	const mtls = "https://mtls.example"
	const par = gatewaytest.PublicURL + "/acme/oauth/par"
	tests := []struct {
		name    string
		profile profile.Name
		accept  bool
		path    string
		aud     any
		ok      bool
	}{
		{"none: the issuer", profile.None, false, "/oauth/token", issuer, true},
		{"none: the endpoint", profile.None, false, "/oauth/token", tokenURL, true},
		{"none: the endpoint where certificates are asked for", profile.None, false, "/oauth/token", mtls + "/acme/oauth/token", true},
		{"none: the token endpoint at another one", profile.None, false, "/oauth/par", tokenURL, true},
		{"none: another endpoint", profile.None, false, "/oauth/par", par, true},
		{"none: another endpoint than the one that is used", profile.None, false, "/oauth/token", par, false},
		{"oauth21: the issuer", profile.OAuth21, false, "/oauth/token", issuer, true},
		{"oauth21: the issuer among others", profile.OAuth21, false, "/oauth/token", []string{"https://x.example", issuer}, true},
		{"oauth21: the endpoint", profile.OAuth21, false, "/oauth/token", tokenURL, false},
		{"oauth21 with the switch: the endpoint", profile.OAuth21, true, "/oauth/token", tokenURL, true},
		{"fapi2: the issuer", profile.FAPI2, false, "/oauth/token", issuer, true},
		{"fapi2: the issuer as a list", profile.FAPI2, false, "/oauth/token", []string{issuer}, false},
		{"fapi2: the endpoint", profile.FAPI2, false, "/oauth/token", tokenURL, false},
		{"fapi2 with the switch: the endpoint", profile.FAPI2, true, "/oauth/token", tokenURL, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			c.Domain.Oidc.AcceptEndpointAsAssertionAudience = tt.accept
			c.App("key", gatewaytest.ByKey(t, key), in(tt.profile))
			h := gatewaytest.New(t, gatewaytest.Options{Certificates: assembly.Certificates{MTLSURL: mtls}}, c)
			form := gatewaytest.Form("grant_type", "client_credentials", "response_type", "code", "redirect_uri", "https://key.example/cb",
				"scope", "profile")
			got := h.Post("/acme"+tt.path, h.Asserting(form, key, "key", map[string]any{"aud": tt.aud}), h.Proof(gatewaytest.NewProver(t)))
			if authenticated := got.Status < 300; authenticated != tt.ok {
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
}

func TestE12ClocksMayDifferByHalfAMinute(t *testing.T) {
	key := gatewaytest.ClientKey(t, "es", jose.ES256)
	c := gatewaytest.NewAcme(t)
	c.App("key", gatewaytest.ByKey(t, key))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	for _, claim := range []string{"iat", "nbf"} {
		for ahead, want := range map[time.Duration]int{10 * time.Second: 200, 30 * time.Second: 200, 61 * time.Second: 401} {
			form := h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), key, "key", map[string]any{
				claim: h.Clock.Now().Add(ahead).Unix(), "exp": h.Clock.Now().Add(10 * time.Minute).Unix(),
			})
			if got := h.Post("/acme/oauth/token", form); got.Status != want {
				t.Errorf("%s %s ahead: %d %s", claim, ahead, got.Status, got.Body)
			}
		}
	}
	for past, want := range map[time.Duration]int{10 * time.Second: 200, 29 * time.Second: 200, 61 * time.Second: 401} {
		form := h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), key, "key", map[string]any{"exp": h.Clock.Now().Add(-past).Unix()})
		if got := h.Post("/acme/oauth/token", form); got.Status != want {
			t.Errorf("exp %s ago: %d %s", past, got.Status, got.Body)
		}
	}
}

func TestX5ASelfSignedCertificateIsKnownByTheClientsKeys(t *testing.T) {
	authority := gatewaytest.NewAuthority(t)
	own, other := authority.SelfSigned(), authority.SelfSigned()
	key, err := jose.NewKey(own.PrivateKey.(crypto.Signer), "tls", jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	c := gatewaytest.NewAcme(t)
	c.App("self", gatewaytest.ByKey(t, key), func(a *configv1.Application) {
		a.Settings.Oauth.TokenEndpointAuthMethod = "self_signed_tls_client_auth"
	})
	h := gatewaytest.New(t, gatewaytest.Options{Certificates: assembly.Certificates{Shown: true}}, c)
	base, pool := h.ServeTLS()
	if got := h.Shown(base, pool, own)("/acme/oauth/token", clientCredentials("self")); got.Status != 200 {
		t.Errorf("its own: %d %s", got.Status, got.Body)
	}
	if got := h.Shown(base, pool, other)("/acme/oauth/token", clientCredentials("self")); got.Status != 401 {
		t.Errorf("another: %d %s", got.Status, got.Body)
	}
	if got := h.Shown(base, pool)("/acme/oauth/token", clientCredentials("self")); got.Status != 401 {
		t.Errorf("none: %d %s", got.Status, got.Body)
	}
}

func FuzzAssertion(f *testing.F) {
	c := gatewaytest.NewAcme(f)
	c.App("key", gatewaytest.ByKey(f, gatewaytest.ClientKey(f, "es", jose.ES256)))
	c.App("secret", bySecret)
	h := gatewaytest.New(f, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	a := clientauth.New(clientauth.Options{Hasher: secret.NewHasher(), Keys: h.Keys, Memory: nothing{}, Now: h.Clock.Now})
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJrZXkifQ.AAAA")
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.AAAA")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJrZXkifQ.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, assertion string) {
		p, err := oauth2.ParamsOf(map[string][]string{"client_assertion": {assertion}, "client_assertion_type": {oauth2.ClientAssertionJWT}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/acme/oauth/token", nil)
		if got, err := a.Authenticate(r, d, p); err == nil {
			t.Errorf("%q authenticates %s", assertion, got.ClientID)
		} else if oauth2.CodeOf(err) != oauth2.InvalidClient {
			t.Errorf("%q: %v", assertion, err)
		}
	})
}

func FuzzSubject(f *testing.F) {
	for _, dn := range []string{`CN=a`, `CN=a\,b+OU=#0C0161,O=x`, `2.5.4.3=\C3\A4`, `CN=`, `=`, `CN=a\`} {
		f.Add(dn)
	}
	leaf := gatewaytest.NewAuthority(f).Client(nil).Leaf
	f.Fuzz(func(t *testing.T, dn string) {
		same := clientauth.SameSubject(leaf.RawSubject, dn)
		if again := clientauth.SameSubject(leaf.RawSubject, dn); same != again {
			t.Errorf("%q is the subject and is not", dn)
		}
	})
}

// nothing remembers nothing.
type nothing struct{}

func (nothing) CountFailure(context.Context, string, string, string, time.Duration) (state.Failures, error) {
	return state.Failures{}, nil
}

func (nothing) Once(context.Context, string, string, string, time.Duration) (bool, error) {
	return true, nil
}
