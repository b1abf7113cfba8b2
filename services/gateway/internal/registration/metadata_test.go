package registration

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

type settings = configv1.OAuthSettings

type site map[string]string

func (s site) Get(_ context.Context, address string, l outbound.Limits) (*outbound.Answer, error) {
	body, there := s[address]
	if !there || l.Bytes == 0 || l.Redirects > 3 {
		return nil, errors.New("not found")
	}
	return &outbound.Answer{Body: []byte(body)}, nil
}

const (
	aKey  = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	jwks  = "https://client.example/jwks"
	list  = "https://client.example/sector"
	other = "https://other.example/cb"
)

func world() site {
	return site{
		jwks: aKey, list: `["https://client.example/cb"]`, "https://client.example/empty": `{"keys":[]}`,
		"https://client.example/html": "<html>", "https://client.example/private": `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		"https://client.example/object": `{}`, "https://client.example/numbers": `[1]`,
	}
}

// creating is a registration with the given members besides redirect_uris.
func creating(t *testing.T, name profile.Name, edit func(*settings), given ...string) *request {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256, "k")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jose.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	o := &settings{
		RedirectUris: []string{"https://client.example/cb"}, ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code"},
		TokenEndpointAuthMethod: "client_secret_basic",
	}
	if edit != nil {
		edit(o)
	}
	r := &request{
		Context: t.Context(), domain: &domain.Core{Registration: &configv1.ClientRegistrationSettings{}, Keys: keys}, profile: profile.Of(name),
		fetch: world(), oauth: o, given: clientmeta.Members{"redirect_uris": clientmeta.Value},
	}
	for _, g := range given {
		r.given[g] = clientmeta.Value
	}
	return r
}

// TestMetadata has the documented refusals, each with its text, in the order in which they are looked for.
func TestMetadata(t *testing.T) {
	const meta = oauth2.InvalidClientMetadata
	tests := []struct {
		name string
		edit func(*settings)
		code oauth2.Code
		text string
	}{
		{"a subject type of its own", func(o *settings) { o.SubjectType = "private" }, meta, "Unsupported subject type"},
		{"pairwise subjects", func(o *settings) { o.SubjectType = "pairwise" }, "", ""},
		{"a request_uri that is no address", func(o *settings) { o.RequestUris = []string{"urn:x"} }, meta, "request_uris: urn:x is not valid."},
		{"a request_uri", func(o *settings) { o.RequestUris = []string{"https://client.example/r#v1"} }, "", ""},
		{"a malformed sector", func(o *settings) { o.SectorIdentifierUri = "sector" }, meta, "sector_identifier_uri: sector is not valid."},
		{"a sector by http", func(o *settings) { o.SectorIdentifierUri = "http://client.example/s" }, meta, "Scheme must be https for sector_identifier_uri : http://client.example/s"},
		{"a sector that is not there", func(o *settings) { o.SectorIdentifierUri = "https://nowhere.example/s" }, meta, "Unable to parse sector_identifier_uri : https://nowhere.example/s"},
		{"a sector that is no list", func(o *settings) { o.SectorIdentifierUri = "https://client.example/object" }, meta, "Unable to parse sector_identifier_uri : https://client.example/object"},
		{"a sector that is a list of something else", func(o *settings) { o.SectorIdentifierUri = "https://client.example/numbers" }, meta, "Unable to parse sector_identifier_uri : https://client.example/numbers"},
		{"a sector that lists all redirect URIs", func(o *settings) { o.SectorIdentifierUri = list }, "", ""},
		{"a redirect URI that the sector does not list", func(o *settings) { o.SectorIdentifierUri, o.RedirectUris = list, append(o.RedirectUris, other) }, oauth2.InvalidRedirectURI, "redirect uris are not allowed according to sector_identifier_uri: " + other},
		{"keys in two places", func(o *settings) { o.Jwks, o.JwksUri = &structpb.Struct{}, jwks }, meta, "The jwks_uri and jwks parameters MUST NOT be used together."},
		{"keys that are not there", func(o *settings) { o.JwksUri = "https://nowhere.example/k" }, meta, "Unable to parse jwks from https://nowhere.example/k"},
		{"a place of keys that is none", func(o *settings) { o.JwksUri = "file:///etc/passwd" }, meta, "Unable to parse jwks from file:///etc/passwd"},
		{"keys that are a page", func(o *settings) { o.JwksUri = "https://client.example/html" }, meta, "Unable to parse jwks from https://client.example/html"},
		{"keys that are secret", func(o *settings) { o.JwksUri = "https://client.example/private" }, meta, "Unable to parse jwks from https://client.example/private"},
		{"a set without keys", func(o *settings) { o.JwksUri = "https://client.example/empty" }, meta, "No JWK found behind jws urihttps://client.example/empty"},
		{"keys", func(o *settings) { o.JwksUri = jwks }, "", ""},
		{"UserInfo that is not signed", func(o *settings) { o.UserinfoSignedResponseAlg = "none" }, meta, "Unsupported userinfo signing algorithm"},
		{"UserInfo encrypted with nothing", func(o *settings) { o.UserinfoEncryptedResponseEnc = "A128GCM" }, meta, "When userinfo_encrypted_response_enc is included, userinfo_encrypted_response_alg MUST also be provided"},
		{"UserInfo by an old algorithm", func(o *settings) { o.UserinfoEncryptedResponseAlg = "RSA1_5" }, meta, "Unsupported userinfo_encrypted_response_alg value"},
		{"UserInfo by SHA-1", func(o *settings) { o.UserinfoEncryptedResponseAlg = "RSA-OAEP" }, meta, "Unsupported userinfo_encrypted_response_alg value"},
		{"UserInfo with unknown content", func(o *settings) { o.UserinfoEncryptedResponseAlg, o.UserinfoEncryptedResponseEnc = "dir", "A1" }, meta, "Unsupported userinfo_encrypted_response_enc value"},
		{"ID tokens that are not signed", func(o *settings) { o.IdTokenSignedResponseAlg = "none" }, meta, "Unsupported id_token signing algorithm"},
		{"ID tokens by any of the algorithms", func(o *settings) { o.IdTokenSignedResponseAlg = "PS384" }, "", ""},
		{"ID tokens by the secret", func(o *settings) { o.IdTokenSignedResponseAlg = "HS256" }, "", ""},
		{"ID tokens encrypted with nothing", func(o *settings) { o.IdTokenEncryptedResponseEnc = "A128GCM" }, meta, "When id_token_encrypted_response_enc is included, id_token_encrypted_response_alg MUST also be provided"},
		{"ID tokens by an unknown algorithm", func(o *settings) { o.IdTokenEncryptedResponseAlg = "x" }, meta, "Unsupported id_token_encrypted_response_alg value"},
		{"ID tokens with unknown content", func(o *settings) { o.IdTokenEncryptedResponseAlg, o.IdTokenEncryptedResponseEnc = "ECDH-ES", "x" }, meta, "Unsupported id_token_encrypted_response_enc value"},
		{"a certificate that nothing describes", func(o *settings) { o.TokenEndpointAuthMethod = "tls_client_auth" }, meta, "Missing TLS parameter for tls_client_auth."},
		{"a certificate described twice", func(o *settings) {
			o.TokenEndpointAuthMethod, o.TlsClientAuthSanDns, o.TlsClientAuthSubjectDn = "tls_client_auth", "a", "CN=a"
		}, meta, "The tls_client_auth must use exactly one of the TLS parameters."},
		{"a certificate", func(o *settings) { o.TokenEndpointAuthMethod, o.TlsClientAuthSanDns = "tls_client_auth", "a" }, "", ""},
		{"a certificate of its own without keys", func(o *settings) { o.TokenEndpointAuthMethod = "self_signed_tls_client_auth" }, meta, "The self_signed_tls_client_auth requires at least a jwks or a valid jwks_uri."},
		{"a certificate of its own", func(o *settings) { o.TokenEndpointAuthMethod, o.JwksUri = "self_signed_tls_client_auth", jwks }, "", ""},
		{"answers that are not signed", func(o *settings) { o.AuthorizationSignedResponseAlg = "none" }, meta, "Unsupported authorization signing algorithm"},
		{"answers encrypted with nothing", func(o *settings) { o.AuthorizationEncryptedResponseEnc = "A128GCM" }, meta, "When authorization_encrypted_response_enc is included, authorization_encrypted_response_alg MUST also be provided"},
		{"answers by an unknown algorithm", func(o *settings) { o.AuthorizationEncryptedResponseAlg = "x" }, meta, "Unsupported authorization_encrypted_response_alg value"},
		{"answers with unknown content", func(o *settings) {
			o.AuthorizationEncryptedResponseAlg, o.AuthorizationEncryptedResponseEnc = "ECDH-ES", "x"
		}, meta, "Unsupported authorization_encrypted_response_enc value"},
		{"request objects that are not signed", func(o *settings) { o.RequestObjectSigningAlg = "none" }, meta, "Unsupported request object signing algorithm"},
		{"request objects encrypted with nothing", func(o *settings) { o.RequestObjectEncryptionEnc = "A128GCM" }, meta, "When request_object_encryption_enc is included, request_object_encryption_alg MUST also be provided"},
		{"request objects by an unknown algorithm", func(o *settings) { o.RequestObjectEncryptionAlg = "x" }, meta, "Unsupported request_object_encryption_alg value"},
		{"request objects with unknown content", func(o *settings) { o.RequestObjectEncryptionAlg, o.RequestObjectEncryptionEnc = "ECDH-ES", "x" }, meta, "Unsupported request_object_encryption_enc value"},
		{"the grant of CIBA", func(o *settings) { o.GrantTypes = []string{"urn:openid:params:grant-type:ciba"} }, meta, "CIBA flow not supported"},
		{"a login that is begun by http", func(o *settings) { o.InitiateLoginUri = "http://client.example" }, meta, "Scheme must be https for initiate_login_uri : http://client.example"},
		{"a login that others begin", func(o *settings) { o.InitiateLoginUri = "https://client.example/login" }, "", ""},
	}
	// What is looked for later breaks as well, and is not told.
	var after func(*settings)
	for i := len(tests) - 1; i >= 0; i-- {
		tt := tests[i]
		err := check(creating(t, profile.None, tt.edit))
		if (err == nil) != (tt.code == "") || err != nil && (oauth2.CodeOf(err) != tt.code || oauth2.AsError(err).Description != oauth2.Describe(tt.text)) {
			t.Errorf("%s: %v, want %s %q", tt.name, err, tt.code, tt.text)
		}
		if tt.code == "" {
			continue
		}
		if last := after; last != nil {
			both := check(creating(t, profile.None, func(o *settings) { last(o); tt.edit(o) }))
			if both == nil {
				t.Errorf("%s, and what comes later: it is accepted", tt.name)
			}
		}
		after = tt.edit
	}
}

func TestTheFirstBrokenRuleIsTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*settings)
		text string
	}{
		{"a bad jwks_uri hides a bad algorithm", func(o *settings) { o.JwksUri, o.IdTokenSignedResponseAlg = "https://nowhere.example/k", "none" }, "Unable to parse jwks from https://nowhere.example/k"},
		{"a bad sector hides a bad jwks_uri", func(o *settings) { o.JwksUri, o.SectorIdentifierUri = "https://nowhere.example/k", "x" }, "sector_identifier_uri: x is not valid."},
		{"UserInfo comes before the ID token", func(o *settings) { o.UserinfoSignedResponseAlg, o.IdTokenSignedResponseAlg = "none", "none" }, "Unsupported userinfo signing algorithm"},
		{"an unreachable jwks_uri is hidden by a bad response type", func(o *settings) { o.JwksUri, o.ResponseTypes = "https://nowhere.example/k", []string{"x"} }, "Invalid response type."},
	} {
		if err := check(creating(t, profile.None, tt.edit)); err == nil || oauth2.AsError(err).Description != tt.text {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestWhatRulesComplete(t *testing.T) {
	r := creating(t, profile.None, func(o *settings) {
		o.IdTokenEncryptedResponseAlg, o.UserinfoEncryptedResponseAlg = "ECDH-ES", "dir"
		o.AuthorizationEncryptedResponseAlg, o.RequestObjectEncryptionAlg = "A128KW", "RSA-OAEP-256"
		o.TlsClientAuthSubjectDn, o.TlsClientAuthSanIp = "CN=a", "192.0.2.1"
	})
	if err := check(r); err != nil {
		t.Fatal(err)
	}
	want := &settings{
		RedirectUris: []string{"https://client.example/cb"}, ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code"},
		TokenEndpointAuthMethod: "client_secret_basic", StandardScopes: true,
		IdTokenEncryptedResponseAlg: "ECDH-ES", UserinfoEncryptedResponseAlg: "dir", AuthorizationEncryptedResponseAlg: "A128KW", RequestObjectEncryptionAlg: "RSA-OAEP-256",
		IdTokenEncryptedResponseEnc: "A128CBC-HS256", UserinfoEncryptedResponseEnc: "A128CBC-HS256", AuthorizationEncryptedResponseEnc: "A128CBC-HS256", RequestObjectEncryptionEnc: "A128CBC-HS256",
	}
	r.oauth.AuthorizationSignedResponseAlg = "" // has a test of its own
	if diff := cmp.Diff(want, r.oauth, protocmp.Transform()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestAlgorithmsFollowTheProfile(t *testing.T) {
	for _, p := range profile.All() {
		for _, alg := range []string{"RS256", "HS256", "PS256", "ES384", "EdDSA", "none"} {
			for name, edit := range map[string]func(*settings){
				"userinfo":      func(o *settings) { o.UserinfoSignedResponseAlg = alg },
				"id_token":      func(o *settings) { o.IdTokenSignedResponseAlg = alg },
				"authorization": func(o *settings) { o.AuthorizationSignedResponseAlg = alg },
				"request":       func(o *settings) { o.RequestObjectSigningAlg = alg },
			} {
				if err := check(creating(t, p.Name, edit)); (err == nil) != p.Signs(jose.Algorithm(alg)) {
					t.Errorf("%s: %s by %s: %v", p.Name, name, alg, err)
				}
			}
		}
	}
}

// TestG8TheSectorIsCheckedWheneverRedirectURIsChange: otherwise a client could leave its sector after it registered.
func TestG8TheSectorIsCheckedWheneverRedirectURIsChange(t *testing.T) {
	changing := func(uris []string, given ...string) error {
		r := creating(t, profile.None, func(o *settings) { o.SectorIdentifierUri, o.RedirectUris = list, uris })
		r.merge, r.stored, r.given = true, &settings{}, clientmeta.Members{}
		for _, g := range given {
			r.given[g] = clientmeta.Value
		}
		return check(r)
	}
	if err := changing([]string{other}, "redirect_uris"); oauth2.CodeOf(err) != oauth2.InvalidRedirectURI {
		t.Errorf("redirect URIs of another sector: %v", err)
	}
	if err := changing([]string{other}, "sector_identifier_uri"); oauth2.CodeOf(err) != oauth2.InvalidRedirectURI {
		t.Errorf("another sector: %v", err)
	}
	if err := changing([]string{other}, "client_name"); err != nil {
		t.Errorf("another name: %v", err)
	}
	if err := check(creating(t, profile.None, func(o *settings) { o.SectorIdentifierUri, o.RedirectUris = list, []string{other} })); oauth2.CodeOf(err) != oauth2.InvalidRedirectURI {
		t.Errorf("at registration: %v", err)
	}
}

// TestOnlyWhatIsDecidedIsFetched: an address that is away keeps nobody from changing something else.
func TestOnlyWhatIsDecidedIsFetched(t *testing.T) {
	r := creating(t, profile.None, func(o *settings) {
		o.JwksUri, o.SectorIdentifierUri = "https://nowhere.example/k", "https://nowhere.example/s"
	})
	r.merge, r.stored, r.given = true, &settings{}, clientmeta.Members{"client_name": clientmeta.Value}
	if err := check(r); err != nil {
		t.Error(err)
	}
}

func TestKeysByValueAreReadWithTheBody(t *testing.T) {
	set := func(body string) *structpb.Struct {
		s := &structpb.Struct{}
		if err := s.UnmarshalJSON([]byte(body)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := checkKeys(set(aKey)); err != nil {
		t.Error(err)
	}
	for _, body := range []string{`{}`, `{"keys":{}}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`} {
		err := checkKeys(set(body))
		if oauth2.CodeOf(err) != oauth2.InvalidClientMetadata || len(oauth2.AsError(err).Description) < len("Unable to parse jwks content: ") {
			t.Errorf("%s: %v", body, err)
		}
	}
}
