package domain_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

func oauthOf(change func(*configv1.OAuthSettings)) func(*configv1.Application) {
	return func(a *configv1.Application) { change(a.GetSettings().GetOauth()) }
}

// kept gives an application a secret whose value is known.
func kept(value string, ends time.Time) func(*configv1.Application) {
	return func(a *configv1.Application) {
		s := &configv1.ClientSecret{Id: value, Hash: a.GetSecrets()[0].GetHash(), Key: []byte(value)}
		if !ends.IsZero() {
			s.ExpiresAt = timestamppb.New(ends)
		}
		a.Secrets = append(a.Secrets, s)
	}
}

func TestWhichKeysSignForAClient(t *testing.T) {
	r := newRig(t, domain.Options{})
	r.upsert(r.config.Certificate("ps", jose.PS256))
	long := strings.Repeat("0123456789abcdef", 4)
	registered := func(id, userinfo, authorization string) func(*configv1.Application) {
		return oauthOf(func(o *configv1.OAuthSettings) {
			o.IdTokenSignedResponseAlg, o.UserinfoSignedResponseAlg, o.AuthorizationSignedResponseAlg = id, userinfo, authorization
		})
	}
	profiled := func(p configv1.SecurityProfileSettings_Profile) func(*configv1.Application) {
		return oauthOf(func(o *configv1.OAuthSettings) { o.SecurityProfile = p })
	}
	tests := []struct {
		name                              string
		change                            []func(*configv1.Application)
		access, id, userinfo, authorizing string // algorithms
	}{
		{"nothing registered: the default, and RS256 for JARM", nil, "ES256", "ES256", "", "RS256"},
		{"one for each", []func(*configv1.Application){registered("RS256", "PS256", "ES256")}, "ES256", "RS256", "PS256", "ES256"},
		{"an HMAC for each", []func(*configv1.Application){registered("HS256", "HS384", "HS512"), kept(long, time.Time{})},
			"ES256", "HS256", "HS384", "HS512"},
		{"an HMAC for ID tokens alone", []func(*configv1.Application){registered("HS256", "", ""), kept(long, time.Time{})},
			"ES256", "HS256", "", "RS256"},
		{"an HMAC without the value of a secret", []func(*configv1.Application){registered("HS256", "", "")}, "ES256", "ES256", "", "RS256"},
		{"an HMAC with a secret that is too short", []func(*configv1.Application){registered("HS512", "", ""), kept(long[:43], time.Time{})},
			"ES256", "ES256", "", "RS256"},
		{"OAuth 2.1", []func(*configv1.Application){profiled(configv1.SecurityProfileSettings_OAUTH21)}, "ES256", "RS256", "", "RS256"},
		{"FAPI 2.0, which does not allow RS256", []func(*configv1.Application){
			profiled(configv1.SecurityProfileSettings_FAPI2),
			func(a *configv1.Application) { a.Certificate = "rs" },
		}, "ES256", "ES256", "", "ES256"},
	}
	alg := func(k *jose.Key) string {
		if k == nil {
			return ""
		}
		return string(k.Algorithm())
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.upsert(r.app("client", tt.change...))
			c, err := r.Domain(r.id).Client(t.Context(), "client")
			if err != nil {
				t.Fatal(err)
			}
			got := []string{alg(c.AccessKey), alg(c.IDKey), alg(c.UserInfoKey), alg(c.AuthorizationKey)}
			if diff := cmp.Diff([]string{tt.access, tt.id, tt.userinfo, tt.authorizing}, got); diff != "" {
				t.Errorf("access token, ID token, UserInfo, JARM (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSecretThatLivesLongestIsTheKey(t *testing.T) {
	r := newRig(t, domain.Options{})
	now := time.Now()
	letters := func(s string) string { return strings.Repeat(s, 64) }
	r.upsert(r.app("client", oauthOf(func(o *configv1.OAuthSettings) { o.IdTokenSignedResponseAlg = "HS256" }),
		kept(letters("a"), now.Add(time.Hour)), kept(letters("b"), time.Time{}), kept(letters("c"), time.Time{}), kept(letters("d"), now.Add(-time.Hour))))
	c, err := r.Domain(r.id).Client(t.Context(), "client")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{letters("c"), letters("b"), letters("a")}, c.SecretValues(now)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	token, err := c.IDKey.Sign(jose.TypeJWT, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.VerifyWithSecret(token, letters("c"), jose.Check{Algorithms: []jose.Algorithm{jose.HS256}}); err != nil {
		t.Error(err)
	}
}

func TestKeysByValueAreReadOnce(t *testing.T) {
	r := newRig(t, domain.Options{})
	key, err := jose.GenerateKey(jose.ES256, "mine")
	if err != nil {
		t.Fatal(err)
	}
	set := func(jwk map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(map[string]any{"keys": []any{jwk}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r.upsert(
		r.app("value", oauthOf(func(o *configv1.OAuthSettings) { o.Jwks = set(key.PublicJWK()) })),
		r.app("uri", oauthOf(func(o *configv1.OAuthSettings) { o.JwksUri = "https://app.example/jwks" })),
		r.app("bad", oauthOf(func(o *configv1.OAuthSettings) { o.Jwks = set(map[string]any{"kty": "oct", "k": "AAAA"}) })),
	)
	d := r.Domain(r.id)
	for name, want := range map[string]struct {
		keys bool
		uri  string
	}{"value": {true, ""}, "uri": {false, "https://app.example/jwks"}, "bad": {false, ""}} {
		c, err := d.Client(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if (c.Keys != nil) != want.keys || c.KeysURI != want.uri || (want.keys && !c.Keys.Has("mine")) {
			t.Errorf("%s: keys %v, address %q", name, c.Keys, c.KeysURI)
		}
	}
}
