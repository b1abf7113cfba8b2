package oidc_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/generic"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

// rig is a site and a provider that leads to it.
type rig struct {
	*oidc.Provider
	site  *gatewaytest.Site
	clock *gatewaytest.Clock
	t     *testing.T
}

func tools(t *testing.T, now func() time.Time) oidc.Tools {
	t.Helper()
	// Nothing is allowed beside what the configuration names, which is how gateways are set up.
	fetch, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return oidc.Tools{Fetch: fetch, Now: now}
}

func newRig(t *testing.T, adjust ...func(*configv1.OAuth2Provider)) *rig {
	t.Helper()
	r := &rig{t: t, site: gatewaytest.NewSite(t), clock: gatewaytest.NewClock()}
	r.site.Now = r.clock.Now
	config := r.site.Provider()
	for _, f := range adjust {
		f(config)
	}
	var err error
	if r.Provider, err = generic.New("site", config, tools(t, r.clock.Now)); err != nil {
		t.Fatal(err)
	}
	return r
}

func newLeg() idp.Leg {
	return idp.Leg{Callback: "https://gw.example/acme/login/callback?provider=site", State: secret.NewToken()}
}

// travel makes a whole journey; change may tamper with the answer.
func (r *rig) travel(leg idp.Leg, change ...func(url.Values)) (*idp.Assertion, error) {
	r.t.Helper()
	location, memo, err := r.Begin(r.t.Context(), leg)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(r.site.Authorize(location))
	if err != nil {
		r.t.Fatal(err)
	}
	answer := u.Query()
	answer.Del("provider")
	for _, f := range change {
		f(answer)
	}
	return r.Finish(r.t.Context(), leg, answer, memo)
}

func TestAJourney(t *testing.T) {
	r := newRig(t)
	at := r.clock.Now().Add(-time.Hour)
	r.site.ID = map[string]any{"amr": []any{"pwd", "otp", 7, "pwd", strings.Repeat("x", 65), "a\x00"}, "auth_time": at.Unix(), "family_name": nil}
	got, err := r.travel(newLeg())
	if err != nil {
		t.Fatal(err)
	}
	want := &idp.Identity{
		Source: "site", ExternalId: "eve-1", Username: "eve", Email: "eve@partner.example", EmailVerified: true,
		FirstName: "Eve", LastName: "Doe", DisplayName: "Eve Doe",
	}
	if diff := cmp.Diff(want, got.Identity, protocmp.Transform()); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"pwd", "otp"}, got.AMR); diff != "" || !got.AuthTime.Equal(at) || got.Profile["email_verified"] != true || got.Profile["iss"] != r.site.URL {
		t.Errorf("amr %v, auth_time %s, profile %v", got.AMR, got.AuthTime, got.Profile)
	}
	for range 5 {
		if _, err := r.travel(newLeg()); err != nil {
			t.Fatal(err)
		}
	}
	if m, k := r.site.Calls("/.well-known/openid-configuration"), r.site.Calls("/keys"); m != 1 || k != 1 {
		t.Errorf("metadata was fetched %d times and keys %d times for 6 sign-ins", m, k)
	}
}

// TestAttacks has a row for each way in which what comes back can be made to say what it does not.
func TestAttacks(t *testing.T) {
	other := gatewaytest.ClientKey(t, "another site", jose.RS256)
	sign := func(k *jose.Key, typ string) func(*rig) {
		return func(r *rig) {
			r.site.Sign = func(claims []byte) string {
				token, err := k.Sign(typ, claims)
				if err != nil {
					t.Error(err)
				}
				return token
			}
		}
	}
	id := func(name string, v any) func(*rig) { return func(r *rig) { r.site.ID = map[string]any{name: v} } }
	set := func(name, v string) func(url.Values) { return func(q url.Values) { q.Set(name, v) } }
	long := func(w http.ResponseWriter) {
		_, _ = w.Write([]byte(`{"access_token":"` + strings.Repeat("x", 200<<10) + `"}`))
	}
	at := func(path string, do func(http.ResponseWriter)) func(*rig) {
		return func(r *rig) {
			r.site.Handle = func(w http.ResponseWriter, request *http.Request) bool {
				if request.URL.Path != path {
					return false
				}
				do(w)
				return true
			}
		}
	}
	refused, away := idp.ErrRefused, idp.ErrUnavailable
	tests := []struct {
		name  string
		setup func(*rig)
		leg   func(url.Values)
		want  error // nil = it is let in; errAny = whatever error
	}{
		{"nothing is wrong", nil, nil, nil},
		{"another state", nil, set("state", secret.NewToken()), refused},
		{"no state", nil, set("state", ""), refused},
		{"a state that stands twice", nil, func(q url.Values) { q.Add("state", q.Get("state")) }, refused},
		{"another site's answer, by iss", nil, set("iss", "https://evil.example"), refused},
		{"no iss, although the site sends it", nil, func(q url.Values) { q.Del("iss") }, refused},
		{"an error", nil, set("error", "access_denied"), refused},
		{"an error with trouble", nil, set("error", "temporarily_unavailable"), away},
		{"no code", nil, func(q url.Values) { q.Del("code") }, refused},
		{"a made-up code", nil, set("code", "x"), refused},
		{"an endless code", nil, set("code", strings.Repeat("x", 9<<10)), refused},
		{"another nonce", id("nonce", "x"), nil, refused},
		{"no nonce", id("nonce", nil), nil, refused},
		{"for another audience", id("aud", "somebody"), nil, refused},
		{"for no audience", id("aud", nil), nil, refused},
		{"for several, without azp", id("aud", []any{gatewaytest.SiteClient, "other"}), nil, refused},
		{"for several, with our azp", func(r *rig) {
			r.site.ID = map[string]any{"aud": []any{gatewaytest.SiteClient, "other"}, "azp": gatewaytest.SiteClient}
		}, nil, nil},
		{"issued to another party", id("azp", "other"), nil, refused},
		{"issued to something odd", id("azp", 7), nil, refused},
		{"of another issuer", id("iss", "https://evil.example"), nil, refused},
		{"of an issuer that looks alike", func(r *rig) { r.site.ID = map[string]any{"iss": r.site.URL + "/"} }, nil, refused},
		{"of no issuer", id("iss", nil), nil, refused},
		{"expired", func(r *rig) { r.site.ID = map[string]any{"exp": r.clock.Now().Add(-31 * time.Second).Unix()} }, nil, refused},
		{"expired within what clocks may differ", func(r *rig) { r.site.ID = map[string]any{"exp": r.clock.Now().Add(-29 * time.Second).Unix()} }, nil, nil},
		{"without an end", id("exp", nil), nil, refused},
		{"of tomorrow", func(r *rig) { r.site.ID = map[string]any{"iat": r.clock.Now().Add(24 * time.Hour).Unix()} }, nil, refused},
		{"without iat", id("iat", nil), nil, refused},
		{"about nobody", id("sub", nil), nil, refused},
		{"about somebody endless", id("sub", strings.Repeat("x", 256)), nil, refused},
		{"about another than UserInfo", id("sub", "root"), nil, refused},
		{"another access token's at_hash", id("at_hash", "x"), nil, refused},
		{"an at_hash that is no text", id("at_hash", 7), nil, refused},
		{"without at_hash", id("at_hash", nil), nil, nil},
		{"another code's c_hash", id("c_hash", "x"), nil, refused},
		{"alg none", func(r *rig) {
			r.site.Sign = func(claims []byte) string { return encode(`{"alg":"none"}`) + "." + encode(string(claims)) + "." }
		}, nil, refused},
		{"HS256 with the public key", func(r *rig) {
			set, err := jose.NewKeySet(r.site.Key)
			if err != nil {
				t.Fatal(err)
			}
			key, err := jose.NewHMACKey("site", jose.HS256, set.JWKS())
			if err != nil {
				t.Fatal(err)
			}
			sign(key, jose.TypeJWT)(r)
		}, nil, refused},
		{"HS256 with the client secret, which nobody configured", func(r *rig) {
			key, err := jose.NewHMACKey("site", jose.HS256, []byte(gatewaytest.Secret+strings.Repeat(" ", 32)))
			if err != nil {
				t.Fatal(err)
			}
			sign(key, jose.TypeJWT)(r)
		}, nil, refused},
		{"signed by another's key", sign(other, jose.TypeJWT), nil, refused},
		{"signed by another's key under our kid", sign(other.WithID("site"), jose.TypeJWT), nil, refused},
		{"an access token in its place", func(r *rig) { sign(r.site.Key, "at+jwt")(r) }, nil, refused},
		{"a logout token in its place", func(r *rig) { sign(r.site.Key, "logout+jwt")(r) }, nil, refused},
		{"half a token", func(r *rig) { r.site.Sign = func([]byte) string { return "a.b" } }, nil, refused},
		{"no ID token", at("/token", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"access_token":"at-eve"}`)) }), nil, refused},
		{"no access token", at("/token", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{}`)) }), nil, errAny},
		{"another type of token", at("/token", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"access_token":"x","token_type":"mac"}`)) }), nil, errAny},
		{"an endless token answer", at("/token", long), nil, away},
		{"a token answer that is no JSON", at("/token", func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }), nil, away},
		{"a token endpoint that redirects", at("/token", func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}), nil, errAny},
		{"a token endpoint in trouble", at("/token", func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }), nil, away},
		{"an endless UserInfo", at("/userinfo", long), nil, away},
		{"a UserInfo that redirects", at("/userinfo", func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(http.StatusFound)
		}), nil, errAny},
		{"a UserInfo in a JWT that another signed", at("/userinfo", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/jwt")
			token, _ := other.Sign(jose.TypeJWT, []byte(`{"sub":"eve-1"}`))
			_, _ = w.Write([]byte(token))
		}), nil, refused},
		{"keys that are no keys", at("/keys", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)) }), nil, away},
		{"metadata without an issuer", func(r *rig) { r.site.Metadata = map[string]any{"issuer": nil} }, nil, away},
		{"metadata that leads to odd places", func(r *rig) { r.site.Metadata = map[string]any{"token_endpoint": "file:///etc/passwd"} }, nil, away},
		{"metadata that leads inside", func(r *rig) { r.site.Metadata = map[string]any{"token_endpoint": "http://169.254.169.254/token"} }, nil, away},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			if tt.setup != nil {
				tt.setup(r)
			}
			var change []func(url.Values)
			if tt.leg != nil {
				change = append(change, tt.leg)
			}
			got, err := r.travel(newLeg(), change...)
			switch {
			case tt.want == nil && err != nil, tt.want != nil && err == nil:
				t.Errorf("assertion %v, error %v", got, err)
			case tt.want != nil && !errors.Is(tt.want, errAny) && !errors.Is(err, tt.want):
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), gatewaytest.Secret) {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

var errAny = errors.New("any error")

func TestACodeOfAnotherJourneyIsRefused(t *testing.T) {
	r := newRig(t)
	location, _, err := r.Begin(t.Context(), newLeg())
	if err != nil {
		t.Fatal(err)
	}
	stolen, _ := url.Parse(r.site.Authorize(location))
	if _, err := r.travel(newLeg(), func(q url.Values) { q.Set("code", stolen.Query().Get("code")) }); !errors.Is(err, idp.ErrRefused) {
		t.Errorf("error %v", err)
	}
}

func TestKeysThatRotate(t *testing.T) {
	r := newRig(t)
	if _, err := r.travel(newLeg()); err != nil {
		t.Fatal(err)
	}
	r.site.Key = gatewaytest.ClientKey(t, "site's next", jose.RS256)
	r.clock.Forward(11 * time.Second)
	if _, err := r.travel(newLeg()); err != nil {
		t.Errorf("a new key: %v", err)
	}
	fetched := r.site.Calls("/keys")
	r.site.Sign = func(claims []byte) string {
		token, _ := gatewaytest.ClientKey(t, "nobody's", jose.RS256).Sign(jose.TypeJWT, claims)
		return token
	}
	for range 20 {
		if _, err := r.travel(newLeg()); !errors.Is(err, idp.ErrRefused) {
			t.Fatal(err)
		}
	}
	if more := r.site.Calls("/keys") - fetched; more > 1 {
		t.Errorf("made-up keys had the site asked %d times", more)
	}
}

func TestASiteThatIsAway(t *testing.T) {
	r := newRig(t)
	r.site.Handle = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	for range 10 {
		if _, _, err := r.Begin(t.Context(), newLeg()); !errors.Is(err, idp.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if n := r.site.Calls("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("it was asked %d times within ten seconds", n)
	}
	r.site.Handle = nil
	r.clock.Forward(11 * time.Second)
	if _, err := r.travel(newLeg()); err != nil {
		t.Fatal(err)
	}
	// What is known is used on while it cannot be fetched again.
	r.clock.Forward(20 * time.Minute)
	r.site.Handle = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasPrefix(q.URL.Path, "/.well-known") || q.URL.Path == "/keys" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	if _, err := r.travel(newLeg()); err != nil {
		t.Error(err)
	}
	slow := newRig(t, func(c *configv1.OAuth2Provider) { c.IdleTimeout = 50 })
	slow.site.Handle = func(_ http.ResponseWriter, q *http.Request) bool {
		if q.URL.Path == "/token" {
			_ = q.ParseForm() // a server notices that its caller has left once the body is read
			<-q.Context().Done()
		}
		return false
	}
	if _, err := slow.travel(newLeg()); !errors.Is(err, idp.ErrUnavailable) {
		t.Errorf("a slow token endpoint: %v", err)
	}
}

func TestConfigurations(t *testing.T) {
	claims := map[string]any{"sub": "eve-1", "login": "eve", "email": "eve@partner.example"}
	for _, tt := range []struct {
		name   string
		adjust func(*configv1.OAuth2Provider, *gatewaytest.Site)
		want   bool
	}{
		{"client_secret_post", func(c *configv1.OAuth2Provider, _ *gatewaytest.Site) {
			c.ClientAuthenticationMethod = "client_secret_post"
		}, true},
		{"the wrong secret", func(c *configv1.OAuth2Provider, _ *gatewaytest.Site) { c.ClientSecret = "x" }, false},
		{"post, because the metadata knows no Basic", func(_ *configv1.OAuth2Provider, s *gatewaytest.Site) {
			s.Metadata = map[string]any{"token_endpoint_auth_methods_supported": []any{"client_secret_post"}}
			s.Handle = func(w http.ResponseWriter, r *http.Request) bool {
				if _, _, basic := r.BasicAuth(); basic {
					w.WriteHeader(http.StatusUnauthorized)
					return true
				}
				return false
			}
		}, true},
		{"PKCE plain", func(c *configv1.OAuth2Provider, _ *gatewaytest.Site) { c.CodeChallengeMethod = "plain" }, true},
		{"the ID token alone", func(c *configv1.OAuth2Provider, s *gatewaytest.Site) {
			c.UseIdTokenForUserInfo = true
			s.Handle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/userinfo" {
					w.WriteHeader(http.StatusTeapot)
				}
				return r.URL.Path == "/userinfo"
			}
		}, true},
		{"explicit addresses win over the metadata's", func(c *configv1.OAuth2Provider, s *gatewaytest.Site) {
			s.Metadata = map[string]any{"token_endpoint": s.URL + "/nowhere", "userinfo_endpoint": s.URL + "/nowhere", "jwks_uri": s.URL + "/nowhere"}
			c.AccessTokenUri, c.UserProfileUri = s.URL+"/token", s.URL+"/userinfo"
			c.PublicKeyResolver, c.ResolverParameter = "JWKS_URL", s.URL+"/keys"
		}, true},
		{"a given key", func(c *configv1.OAuth2Provider, s *gatewaytest.Site) {
			jwk, _ := json.Marshal(s.Key.WithID("").PublicJWK())
			c.PublicKeyResolver, c.ResolverParameter, c.Signature = "GIVEN_KEY", string(jwk), "RSA_RS256"
		}, true},
		{"a given key and another algorithm", func(c *configv1.OAuth2Provider, s *gatewaytest.Site) {
			jwk, _ := json.Marshal(s.Key.WithID("").PublicJWK())
			c.PublicKeyResolver, c.ResolverParameter, c.Signature = "GIVEN_KEY", string(jwk), "PS256"
		}, false},
		{"another given key", func(c *configv1.OAuth2Provider, _ *gatewaytest.Site) {
			jwk, _ := json.Marshal(gatewaytest.ClientKey(t, "another site", jose.RS256).PublicJWK())
			c.PublicKeyResolver, c.ResolverParameter = "GIVEN_KEY", string(jwk)
		}, false},
		{"plain OAuth 2.0, without metadata and without openid", func(c *configv1.OAuth2Provider, s *gatewaytest.Site) {
			c.WellKnownUri, c.Scopes, s.Claims = "", []string{"user"}, maps.Clone(claims)
			c.UserAuthorizationUri, c.AccessTokenUri, c.UserProfileUri = s.URL+"/authorize?x=1", s.URL+"/token", s.URL+"/userinfo"
		}, true},
		{"plain OAuth 2.0 with openid among the scopes, whose ID token nobody can verify", func(c *configv1.OAuth2Provider, s *gatewaytest.Site) {
			c.WellKnownUri, s.ID = "", map[string]any{"sub": "root"}
			c.UserAuthorizationUri, c.AccessTokenUri, c.UserProfileUri = s.URL+"/authorize?x=1", s.URL+"/token", s.URL+"/userinfo"
		}, true},
		{"an HMAC by the client secret, where it is configured", func(c *configv1.OAuth2Provider, s *gatewaytest.Site) {
			c.Signature, c.ClientSecret = "HMAC_HS256", gatewaytest.Secret
		}, false}, // the secret of the tests is too short to be a key
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := gatewaytest.NewSite(t)
			config := s.Provider()
			tt.adjust(config, s)
			p, err := generic.New("site", config, tools(t, time.Now))
			if err == nil {
				r := &rig{Provider: p, site: s, t: t}
				var got *idp.Assertion
				if got, err = r.travel(newLeg()); err == nil && got.Identity.GetExternalId() != "eve-1" {
					t.Errorf("identity %v", got.Identity)
				}
			}
			if (err == nil) != tt.want {
				t.Errorf("error %v", err)
			}
		})
	}
	for name, c := range map[string]*configv1.OAuth2Provider{
		"nothing":                     {ClientId: "c"},
		"an ID token without keys":    {UserAuthorizationUri: "https://op.example/a", AccessTokenUri: "https://op.example/t", UseIdTokenForUserInfo: true},
		"nobody says who somebody is": {UserAuthorizationUri: "https://op.example/a", AccessTokenUri: "https://op.example/t"},
		"an algorithm that is none":   {WellKnownUri: "https://op.example/m", Signature: "none"},
		"a given key that is none":    {WellKnownUri: "https://op.example/m", PublicKeyResolver: "GIVEN_KEY", ResolverParameter: "x"},
		"an HMAC with a short secret": {WellKnownUri: "https://op.example/m", Signature: "HS256", ClientSecret: "short"},
	} {
		if _, err := generic.New("site", c, tools(t, time.Now)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestSuite(t *testing.T) {
	idptest.Federation(t, func(t *testing.T) *idptest.Journeys {
		r := newRig(t)
		return &idptest.Journeys{Federator: r.Provider, Source: "site", ExternalID: "eve-1", Authorize: r.site.Authorize, Break: r.site.Break}
	})
}

func encode(s string) string {
	return strings.TrimRight(jsonBase64(s), "=")
}

func jsonBase64(s string) string {
	b, _ := json.Marshal([]byte(s))
	return strings.NewReplacer("+", "-", "/", "_", `"`, "").Replace(string(b))
}
