package catalog

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// refusal runs the documented rules over an edited application.
func refusal(edit func(o *oauthSettings, a *configv1.Application, s *Scene)) (message, path string) {
	a, s := anApplication(), aScene()
	edit(a.Settings.Oauth, a, s)
	err := validateApplication(s, nil, a)
	if err == nil {
		return "", ""
	}
	body := fault.BodyOf(err)
	if len(body.Errors) > 0 {
		path = body.Errors[0].Path
	}
	return body.Message, path
}

func TestClientMetadata(t *testing.T) {
	jwks := func(t *testing.T, members map[string]any) *structpb.Struct {
		set, err := structpb.NewStruct(members)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	for _, tt := range []struct {
		name string
		edit func(o *oauthSettings)
		path string
		want string // a text that begins with … is compared with the beginning
	}{
		{"pairwise subjects at several hosts", func(o *oauthSettings) {
			o.SubjectType, o.RedirectUris = "pairwise", []string{"https://a.example/cb", "https://b.example/cb"}
		}, "sectorIdentifierUri", "sector_identifier_uri is required for pairwise subjects, because redirect_uris have several hosts."},
		{"pairwise subjects at several hosts of a sector", func(o *oauthSettings) {
			o.SubjectType, o.RedirectUris = "pairwise", []string{"https://a.example/cb", "https://b.example/cb"}
			o.SectorIdentifierUri = "https://a.example/sector.json"
		}, "", ""},
		{"the form of RFC 9068", func(o *oauthSettings) { o.AccessTokenProfile = "at+jwt" }, "", ""},
		{"a form of access tokens that nobody knows", func(o *oauthSettings) { o.AccessTokenProfile = "opaque" }, "accessTokenProfile", "[opaque: must be at+jwt or empty]"},
		{"a pairwise subject", func(o *oauthSettings) { o.SubjectType = "pairwise" }, "", ""},
		{"another subject type", func(o *oauthSettings) { o.SubjectType = "secret" }, "subjectType", "Unsupported subject type"},
		{"a request_uri with a fragment", func(o *oauthSettings) { o.RequestUris = []string{"https://x.example/r#1"} }, "", ""},
		{"a request_uri to localhost", func(o *oauthSettings) { o.RequestUris = []string{"https://localhost/r"} }, "requestUris[0]", "request_uri : localhost is forbidden"},
		{"a request_uri by http", func(o *oauthSettings) { o.RequestUris = []string{"http://x.example"} }, "requestUris[0]", "request_uri : Unsecured http scheme is forbidden"},
		{"a malformed request_uri", func(o *oauthSettings) { o.RequestUris = []string{"x"} }, "requestUris[0]", "request_uri : x is malformed"},
		{"a request_uri with a wildcard", func(o *oauthSettings) { o.RequestUris = []string{"https://x.example/*"} }, "requestUris[0]", "request_uri : Wildcard are forbidden"},
		{"a request_uri that is not on the web", func(o *oauthSettings) { o.RequestUris = []string{"urn:x:y"} }, "requestUris[0]", "request_uris: urn:x:y is not valid."},
		{"a sector without scheme", func(o *oauthSettings) { o.SectorIdentifierUri = "x" }, "sectorIdentifierUri", "sector_identifier_uri: x is not valid."},
		{"a sector by http", func(o *oauthSettings) { o.SectorIdentifierUri = "http://x.example/s" }, "sectorIdentifierUri", "Scheme must be https for sector_identifier_uri : http://x.example/s"},
		{"keys twice", func(o *oauthSettings) {
			o.JwksUri, o.Jwks = "https://x.example/jwks", jwks(t, map[string]any{"keys": []any{}})
		}, "jwks", "The jwks_uri and jwks parameters MUST NOT be used together."},
		{"keys from nowhere", func(o *oauthSettings) { o.JwksUri = "file:///etc/passwd" }, "jwksUri", "Unable to parse jwks from file:///etc/passwd"},
		{"no keys in the set", func(o *oauthSettings) { o.Jwks = jwks(t, map[string]any{"keys": []any{}}) }, "", ""},
		{"a set without keys", func(o *oauthSettings) { o.Jwks = jwks(t, map[string]any{}) }, "jwks", "…Unable to parse jwks content"},
		{"a private key", func(o *oauthSettings) {
			o.Jwks = jwks(t, map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "c2VjcmV0"}}})
		}, "jwks", "…Unable to parse jwks content"},
		{"userinfo that is not signed", func(o *oauthSettings) { o.UserinfoSignedResponseAlg = "none" }, "userinfoSignedResponseAlg", "Unsupported userinfo signing algorithm"},
		{"an unknown algorithm of authorization answers", func(o *oauthSettings) { o.AuthorizationSignedResponseAlg = "RS1" }, "authorizationSignedResponseAlg", "Unsupported authorization signing algorithm"},
		{"an unknown algorithm of request objects", func(o *oauthSettings) { o.RequestObjectSigningAlg = "none" }, "requestObjectSigningAlg", "Unsupported request object signing algorithm"},
		{"an unknown algorithm of assertions", func(o *oauthSettings) { o.TokenEndpointAuthSigningAlg = "none" }, "tokenEndpointAuthSigningAlg", "Unsupported token_endpoint_auth_signing algorithm"},
		{"an encryption without algorithm", func(o *oauthSettings) { o.UserinfoEncryptedResponseEnc = "A128GCM" }, "userinfoEncryptedResponseEnc", "When userinfo_encrypted_response_enc is included, userinfo_encrypted_response_alg MUST also be provided"},
		{"RSA1_5", func(o *oauthSettings) { o.UserinfoEncryptedResponseAlg = "RSA1_5" }, "userinfoEncryptedResponseAlg", "Unsupported userinfo_encrypted_response_alg value"},
		{"RSA-OAEP", func(o *oauthSettings) { o.IdTokenEncryptedResponseAlg = "RSA-OAEP" }, "idTokenEncryptedResponseAlg", "Unsupported id_token_encrypted_response_alg value"},
		{"RSA-OAEP-256", func(o *oauthSettings) {
			o.IdTokenEncryptedResponseAlg, o.IdTokenEncryptedResponseEnc = "RSA-OAEP-256", "A256GCM"
		}, "", ""},
		{"an unknown content encryption", func(o *oauthSettings) {
			o.AuthorizationEncryptedResponseAlg, o.AuthorizationEncryptedResponseEnc = "ECDH-ES", "ROT13"
		}, "authorizationEncryptedResponseEnc", "Unsupported authorization_encrypted_response_enc value"},
		{"an unknown encryption of request objects", func(o *oauthSettings) { o.RequestObjectEncryptionAlg = "x" }, "requestObjectEncryptionAlg", "Unsupported request_object_encryption_alg value"},
		{"an own certificate without keys", func(o *oauthSettings) { o.TokenEndpointAuthMethod = "self_signed_tls_client_auth" }, "tokenEndpointAuthMethod", "The self_signed_tls_client_auth requires at least a jwks or a valid jwks_uri."},
		{"an own certificate with keys", func(o *oauthSettings) {
			o.TokenEndpointAuthMethod, o.JwksUri = "self_signed_tls_client_auth", "https://x.example/jwks"
		}, "", ""},
		{"a login initiated by http", func(o *oauthSettings) { o.InitiateLoginUri = "http://x.example" }, "initiateLoginUri", "Scheme must be https for initiate_login_uri : http://x.example"},
		{"a picture that is a script", func(o *oauthSettings) { o.LogoUri = "javascript:alert(1)" }, "logoUri", "logo_uri: javascript:alert(1) is not valid."},
		{"a logout that is not on the web", func(o *oauthSettings) { o.BackchannelLogoutUri = "urn:x:y" }, "backchannelLogoutUri", "backchannel_logout_uri: urn:x:y is not valid."},
		{"a logout by http of a confidential client", func(o *oauthSettings) { o.BackchannelLogoutUri = "http://x.example/out?a=b" }, "", ""},
		{"a logout by http of a public client", func(o *oauthSettings) {
			o.TokenEndpointAuthMethod, o.BackchannelLogoutUri = "none", "http://x.example/out"
		}, "backchannelLogoutUri", "Scheme must be https for backchannel_logout_uri : http://x.example/out"},
		{"a logout with a fragment", func(o *oauthSettings) { o.BackchannelLogoutUri = "https://x.example/#out" }, "backchannelLogoutUri", "backchannel_logout_uri with fragment is forbidden"},
		{"a page at sign-out with a fragment", func(o *oauthSettings) { o.FrontchannelLogoutUri = "https://x.example/#out" }, "frontchannelLogoutUri", "frontchannel_logout_uri with fragment is forbidden"},
		{"a page at sign-out that is the application's", func(o *oauthSettings) {
			o.RedirectUris, o.FrontchannelLogoutUri = []string{"https://app.example.com/cb"}, "https://App.example.com:443/out?x=y"
		}, "", ""},
		{"a page at sign-out that is somebody else's", func(o *oauthSettings) {
			o.RedirectUris, o.FrontchannelLogoutUri = []string{"https://app.example.com/cb"}, "https://x.example/out"
		}, "frontchannelLogoutUri", "The frontchannel_logout_uri MUST have the scheme, host and port of a redirect_uri : https://x.example/out"},
		{"TLS without a member", func(o *oauthSettings) { o.TokenEndpointAuthMethod = "tls_client_auth" }, "tokenEndpointAuthMethod", "Missing TLS parameter for tls_client_auth."},
		{"TLS with a member", func(o *oauthSettings) {
			o.TokenEndpointAuthMethod, o.TlsClientAuthSanDns = "tls_client_auth", "x.example"
		}, "", ""},
		{"TLS with two members", func(o *oauthSettings) {
			o.TokenEndpointAuthMethod, o.TlsClientAuthSanDns, o.TlsClientAuthSubjectDn = "tls_client_auth", "x.example", "CN=x"
		}, "tokenEndpointAuthMethod", "The tls_client_auth must use exactly one of the TLS parameters."},
		{"two members without TLS", func(o *oauthSettings) { o.TlsClientAuthSanDns, o.TlsClientAuthSubjectDn = "x.example", "CN=x" }, "", ""},
		{"a method that needs the secret itself", func(o *oauthSettings) { o.TokenEndpointAuthMethod = "client_secret_jwt" }, "tokenEndpointAuthMethod", "client_secret_jwt can't be used by this application"},
		{"an algorithm that needs the secret itself", func(o *oauthSettings) { o.UserinfoSignedResponseAlg = "HS256" }, "userinfoSignedResponseAlg", "[userinfoSignedResponseAlg: needs a client secret whose value is known, and only a hash of it is left; renew a secret first]"},
		{"an encryption that needs the secret itself", func(o *oauthSettings) {
			o.UserinfoEncryptedResponseAlg, o.UserinfoEncryptedResponseEnc = "dir", "A128GCM"
		}, "userinfoEncryptedResponseAlg", "[userinfoEncryptedResponseAlg: needs a client secret whose value is known, and only a hash of it is left; renew a secret first]"},
		{"a reserved claim of userinfo", func(o *oauthSettings) {
			o.UserinfoCustomClaims = []*configv1.CustomClaim{{ClaimName: "sub", ClaimValue: "x"}}
		}, "userinfoCustomClaims[0].claimName", "Invalid token claims: sub"},
		{"a claim of userinfo that does not compile", func(o *oauthSettings) {
			o.UserinfoCustomClaims = []*configv1.CustomClaim{{ClaimName: "dept", ClaimValue: "{#nobody.x}"}}
		}, "userinfoCustomClaims[0].claimValue", "…[claimValue: line 1, column "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			message, path := refusal(func(o *oauthSettings, _ *configv1.Application, _ *Scene) { tt.edit(o) })
			want, prefix := strings.CutPrefix(tt.want, "…")
			if message != want && !(prefix && strings.HasPrefix(message, want)) {
				t.Errorf("%q, want %q", message, tt.want)
			}
			if tt.path != "" && path != "settings.oauth."+tt.path {
				t.Errorf("at %q, want settings.oauth.%s", path, tt.path)
			}
		})
	}
}

// TestRulesComeInTheirOrder breaks every documented rule at once and mends one after the other.
func TestRulesComeInTheirOrder(t *testing.T) {
	a, s := anApplication(), aScene()
	o := a.Settings.Oauth
	s.Domain.Oidc.ClientRegistrationSettings.AllowRedirectUriParamsExpressionLanguage = true
	o.TokenCustomClaims = []*configv1.CustomClaim{{TokenType: configv1.CustomClaim_ID_TOKEN, ClaimName: "sub", ClaimValue: "{#"}}
	o.GrantTypes, o.ResponseTypes, o.RedirectUris = nil, []string{"token"}, nil
	o.ScopeSettings = []*configv1.ScopeSetting{{Scope: "zip"}}
	o.TokenEndpointAuthMethod = "none"
	o.PostLogoutRedirectUris, o.RequestUris = []string{"x"}, []string{"y"}
	o.SubjectType = "odd"
	for _, step := range []struct {
		want string
		mend func()
	}{
		{"Invalid token claims: sub", func() { o.TokenCustomClaims[0].ClaimName = "dept" }},
		{"Missing or invalid grant type.", func() { o.GrantTypes = []string{"refresh_token", "client_credentials"} }},
		{
			"refresh_token grant type must be associated with one of authorization_code, password, " +
				"urn:ietf:params:oauth:grant-type:jwt-bearer", func() { o.GrantTypes = append(o.GrantTypes, "password") },
		},
		{"Missing or invalid redirect_uris.", func() {
			o.RedirectUris = []string{
				"https://x.example/a?b={#login}", "https://X.example/a", "nowhere", "http://localhost/*#x", "http://y.example/*#x", "https://y.example/*#x",
				"https://y.example/#x",
			}
		}},
		{"redirect_uri : nowhere is malformed", func() { o.RedirectUris = slices.Delete(o.RedirectUris, 2, 3) }},
		{"localhost is forbidden", func() { o.RedirectUris = slices.Delete(o.RedirectUris, 2, 3) }},
		{"Unsecured http scheme is forbidden", func() { o.RedirectUris = slices.Delete(o.RedirectUris, 2, 3) }},
		{"Wildcard are forbidden", func() { o.RedirectUris = slices.Delete(o.RedirectUris, 2, 3) }},
		{"redirect_uri with fragment is forbidden", func() { o.RedirectUris = slices.Delete(o.RedirectUris, 2, 3) }},
		{"Only one redirect URI with the same hostname and path is allowed.", func() {
			o.GrantTypes, o.ResponseTypes, o.RedirectUris = []string{"client_credentials"}, nil, nil
		}},
		{"At least one redirect_uri is required", func() { a.Type = configv1.Application_SERVICE }},
		{"scope zip is not valid.", func() { o.ScopeSettings = nil }},
		{
			"Invalid token_endpoint_auth_method for service application (client_credentials grant type)",
			func() { o.TokenEndpointAuthMethod = "tls_client_auth" },
		},
		{"Missing TLS parameter for tls_client_auth.", func() { o.TokenEndpointAuthMethod = "client_secret_jwt" }},
		{"post_logout_redirect_uri : x is malformed", func() { o.PostLogoutRedirectUris = nil }},
		{"request_uri : y is malformed", func() { o.RequestUris = nil }},
		{"client_secret_jwt can't be used by this application", func() { o.TokenEndpointAuthMethod = "client_secret_basic" }},
		{"[claimValue: line 1, column 1: {# without its closing brace]", func() { o.TokenCustomClaims = nil }},
		{"Unsupported subject type", func() { o.SubjectType = "public" }},
		{"", func() {}},
	} {
		got := ""
		if err := validateApplication(s, nil, a); err != nil {
			got = fault.BodyOf(err).Message
		}
		if got != step.want {
			t.Fatalf("%q, want %q", got, step.want)
		}
		step.mend()
	}
}

func TestEveryKnownGrantType(t *testing.T) {
	for _, grant := range []string{
		"authorization_code", "implicit", "refresh_token", "client_credentials", "password",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:uma-ticket",
		"urn:openid:params:grant-type:ciba",
	} {
		for _, suffix := range []string{"", "~anything"} {
			a := anApplication()
			a.Settings.Oauth.GrantTypes = append(a.Settings.Oauth.GrantTypes, grant+suffix)
			if err := checkGrantTypes(nil, nil, a); err != nil {
				t.Errorf("%s%s: %v", grant, suffix, err)
			}
		}
	}
}

func TestRedirectExpressions(t *testing.T) {
	for _, tt := range []struct{ name, uri, want string }{
		{"an expression", "https://x.example/cb?u={#login}&t=1", ""},
		{"an expression with a brace in a string", `https://x.example/cb?u={#login + "}#"}`, ""},
		{"an expression that does not compile", "https://x.example/cb?u={#logn}", "…[redirectUris: line 1, column "},
		{"an expression that is not closed", "https://x.example/cb?u={#login", "redirect_uri with fragment is forbidden"},
		{"a fragment behind an expression", "https://x.example/cb?u={#login}#x", "redirect_uri with fragment is forbidden"},
		{"an expression in the path", "https://x.example/{#login}", "redirect_uri with fragment is forbidden"},
	} {
		message, _ := refusal(func(o *oauthSettings, _ *configv1.Application, s *Scene) {
			s.Domain.Oidc.ClientRegistrationSettings.AllowRedirectUriParamsExpressionLanguage = true
			o.RedirectUris = []string{tt.uri}
		})
		want, prefix := strings.CutPrefix(tt.want, "…")
		if message != want && !(prefix && strings.HasPrefix(message, want)) {
			t.Errorf("%s: %q, want %q", tt.name, message, tt.want)
		}
	}
	// Without the switch an expression is a fragment.
	message, _ := refusal(func(o *oauthSettings, _ *configv1.Application, _ *Scene) {
		o.RedirectUris = []string{"https://x.example/cb?u={#login}"}
	})
	if message != "redirect_uri with fragment is forbidden" {
		t.Errorf("without the switch: %q", message)
	}
}

func TestEncryptionIsCompleted(t *testing.T) {
	a, s := anApplication(), aScene()
	a.Settings.Oauth.UserinfoEncryptedResponseAlg = "RSA-OAEP-256"
	if err := normalizeApplication(t.Context(), s, nil, a); err != nil || a.Settings.Oauth.UserinfoEncryptedResponseEnc != "A128CBC-HS256" ||
		a.Settings.Oauth.IdTokenEncryptedResponseEnc != "" {
		t.Errorf("%v, %v", a.Settings.Oauth, err)
	}
}

func TestLimitsOfFreeMetadata(t *testing.T) {
	many := map[string]string{}
	for i := range 101 {
		many[strings.Repeat("k", i+1)] = "v"
	}
	for _, tt := range []struct {
		name     string
		metadata map[string]string
		want     string
	}{
		{"some", map[string]string{"a.b": "", "c": strings.Repeat("v", 4096)}, ""},
		{"too many", many, "[metadata: must have at most 100 entries]"},
		{"a blank name", map[string]string{" ": "v"}, "[metadata: must have names of 1 to 255 bytes]"},
		{"a long value", map[string]string{"x": strings.Repeat("v", 4097)}, "[x: must have values of at most 4096 bytes]"},
	} {
		message, _ := refusal(func(_ *oauthSettings, a *configv1.Application, _ *Scene) { a.Metadata = tt.metadata })
		if message != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, message, tt.want)
		}
	}
}

func TestKeysAreHeldWhileTheyAreNeeded(t *testing.T) {
	a, s := anApplication(), aScene()
	s.Now = time.Now()
	o := a.Settings.Oauth
	plain := setGenerated(s, a, &configv1.ClientSecret{Id: "x"})
	c := &configv1.ClientSecret{Id: "s1", Hash: secret.Generated(plain)}
	a.Secrets = []*configv1.ClientSecret{c}
	s.Made = nil
	holds := func(what, want string) {
		t.Helper()
		holdKeys(s, a)
		if string(c.GetKey()) != want {
			t.Errorf("%s: the secret holds %d bytes", what, len(c.GetKey()))
		}
	}
	s.Fresh = map[string]string{"s1": plain}
	holds("a client that sends its secret", "")
	o.TokenEndpointAuthMethod = "client_secret_jwt"
	s.Fresh["s1"] = "an earlier value"
	holds("a value that was replaced", "")
	s.Fresh["s1"] = plain
	holds("a fresh value", plain)
	s.Fresh = nil
	holds("later", plain)
	if err := checkKeptSecret(s, nil, a); err != nil {
		t.Error(err)
	}
	c.ExpiresAt = timestamppb.New(s.Now.Add(-time.Second))
	if err := checkKeptSecret(s, nil, a); err == nil {
		t.Error("a secret that has ended is no key")
	}
	o.TokenEndpointAuthMethod = "client_secret_basic"
	holds("a client that sends its secret again", "")
}

// TestRegistrationHasOnlyServedMethods: an administrator may choose a method that is to come, a client that registers itself
// relies on what it is told.
func TestRegistrationHasOnlyServedMethods(t *testing.T) {
	for _, method := range append(oauth2.AuthMethods(), "magic") {
		a := anApplication()
		a.Settings.Oauth.TokenEndpointAuthMethod = string(method)
		err := checkAuthMethod(&Scene{Registering: true}, nil, a)
		if served := slices.Contains(servedMethods(), method); (err == nil) != served {
			t.Errorf("%s is served: %t, registered: %v", method, served, err)
		}
	}
}

// TestWhatWaitsIsSaid: what is accepted and not done yet is in the notices of answers, and nothing else is.
func TestWhatWaitsIsSaid(t *testing.T) {
	a := anApplication()
	o := a.Settings.Oauth
	if got := prototree.Waiting(a); got != nil {
		t.Errorf("an ordinary application waits at %q", got)
	}
	o.GrantTypes = []string{"password", "urn:openid:params:grant-type:ciba~x"}
	o.SilentReAuthentication = true
	want := []string{"settings.oauth.grantTypes[1]", "settings.oauth.silentReAuthentication"}
	if got := prototree.Waiting(a); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestASecretIsAsLongAsItsHash(t *testing.T) {
	for _, tt := range []struct {
		name, alg, method string
		length            int
		want              string
	}{
		{"HS256", "HS256", "", 32, ""},
		{"HS256 with a shorter one", "HS256", "", 31, "needs a client secret of at least 32 characters; renew a secret first"},
		{"HS384 with one for HS256", "HS384", "", 43, "needs a client secret of at least 48 characters; renew a secret first"},
		{"HS512 with a generated one", "HS512", "", len(secret.NewClientSecret()), ""},
		{"client_secret_jwt with a short one", "", "client_secret_jwt", 31, "needs a client secret of at least 32 characters; renew a secret first"},
		{"a signature, for which it does not matter", "RS256", "", 1, ""},
	} {
		a, s := anApplication(), aScene()
		s.Now = time.Now()
		a.Settings.Oauth.IdTokenSignedResponseAlg = tt.alg
		if tt.method != "" {
			a.Settings.Oauth.TokenEndpointAuthMethod = tt.method
		}
		a.Secrets = []*configv1.ClientSecret{{Id: "s1", Key: make([]byte, tt.length)}}
		err := checkKeptSecret(s, nil, a)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
