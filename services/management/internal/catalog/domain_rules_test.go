package catalog

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// publicKey is the example of RFC 7517, appendix A.1.
const publicKey = `{"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "kid": "1"}`

func TestDomainSettings(t *testing.T) {
	const notNegative = "must be greater than or equal to 0"
	for _, tt := range []struct{ name, body, path, want string }{
		{"a negative number of attempts", `{"accountSettings": {"maxLoginAttempts": -1}}`, "accountSettings.maxLoginAttempts", "[maxLoginAttempts: " + notNegative + "]"},
		{"a negative time of blocking", `{"accountSettings": {"accountBlockedDuration": -1}}`, "accountSettings.accountBlockedDuration", "[accountBlockedDuration: " + notNegative + "]"},
		{"a redirect that is a script", `{"accountSettings": {"redirectUriAfterResetPassword": "javascript:x"}}`, "accountSettings.redirectUriAfterResetPassword", "[javascript:x: must be an http or https URL]"},
		{"a brand", `{"branding": {"displayName": "Acme", "primaryColor": "#FFD400", "logoUri": "https://a.example/l.png", "font": "serif", "cornerRadius": 0}}`, "", ""},
		{"a colour by name", `{"branding": {"primaryColor": "red"}}`, "branding.primaryColor", "[red: must be a colour such as #3346c4]"},
		{"a logo over http", `{"branding": {"logoUri": "http://a.example/l.png"}}`, "branding.logoUri", "[http://a.example/l.png: must be an https URL]"},
		{"a link to a script", `{"branding": {"links": [{"label": "x", "uri": "javascript:x"}]}}`, "branding.links[0].uri", "[javascript:x: must be an https URL]"},
		{"lock-out without numbers", `{"accountSettings": {"loginAttemptsDetectionEnabled": true}}`, "", ""},
		{"a negative length", `{"passwordSettings": {"minLength": -1}}`, "passwordSettings.minLength", "[minLength: " + notNegative + "]"},
		{"lengths that fit", `{"passwordSettings": {"minLength": 12, "maxLength": 128}}`, "", ""},
		{"lengths that cross", `{"passwordSettings": {"minLength": 20, "maxLength": 10}}`, "passwordSettings.minLength", "[minLength: must be less than or equal to maxLength]"},
		{"a length beyond the product's", `{"passwordSettings": {"minLength": 65}}`, "passwordSettings.minLength", "[minLength: must be less than or equal to maxLength]"},
		{"a length below the product's", `{"passwordSettings": {"maxLength": 7}}`, "passwordSettings.maxLength", "[maxLength: must be greater than or equal to minLength]"},
		{"a length that cannot be hashed", `{"passwordSettings": {"maxLength": 1025}}`, "passwordSettings.maxLength", "[maxLength: must be less than or equal to 1024]"},
		{"too many old passwords", `{"passwordSettings": {"oldPasswords": 25}}`, "passwordSettings.oldPasswords", "[oldPasswords: must be less than or equal to 24]"},
		{"a negative age of a proof", `{"oidc": {"dpopSettings": {"maxAgeSeconds": -1}}}`, "oidc.dpopSettings.maxAgeSeconds", "[maxAgeSeconds: " + notNegative + "]"},
		{"a form of access tokens that nobody knows", `{"oidc": {"accessTokenProfile": "jwt"}}`, "oidc.accessTokenProfile", "[jwt: must be at+jwt or empty]"},
		{"the form of RFC 9068, for an audience", `{"oidc": {"accessTokenProfile": "at+jwt", "defaultAudience": "urn:api"}}`, "", ""},
		{"an audience that is no URI", `{"oidc": {"defaultAudience": "api"}}`, "oidc.defaultAudience", "[api: must be an absolute URI without a fragment]"},
		{"an audience with a fragment", `{"oidc": {"defaultAudience": "https://x.example#a"}}`, "oidc.defaultAudience", "[https://x.example#a: must be an absolute URI without a fragment]"},
		{"a request_uri by http", `{"oidc": {"requestUris": ["http://x.example"]}}`, "oidc.requestUris[0]", "request_uri : Unsecured http scheme is forbidden"},
		{"a post-logout URI to localhost", `{"oidc": {"postLogoutRedirectUris": ["https://localhost"]}}`, "oidc.postLogoutRedirectUris[0]", "post_logout_redirect_uri : localhost is forbidden"},
		{"a blank tag", `{"tags": ["a", " "]}`, "tags[1]", "[tags: must have 1 to 255 bytes and not be blank]"},
		{"a tag twice", `{"tags": ["a", "a"]}`, "tags[1]", "[a: must be unique]"},
		{"a negative chain", `{"tokenExchangeSettings": {"maxDelegationDepth": -1}}`, "tokenExchangeSettings.maxDelegationDepth", "[maxDelegationDepth: " + notNegative + "]"},
		{
			"an unknown type of token", `{"tokenExchangeSettings": {"allowedActorTokenTypes": ["urn:x:y"]}}`, "tokenExchangeSettings.allowedActorTokenTypes[0]",
			"[urn:x:y: must be one of urn:ietf:params:oauth:token-type:access_token, urn:ietf:params:oauth:token-type:refresh_token, " +
				"urn:ietf:params:oauth:token-type:id_token, urn:ietf:params:oauth:token-type:jwt]",
		},
		{"a negative age of refresh tokens", `{"oidc": {"refreshTokenMaxAgeSeconds": -1}}`, "oidc.refreshTokenMaxAgeSeconds", "[refreshTokenMaxAgeSeconds: " + notNegative + "]"},
		{"a negative grace", `{"oidc": {"refreshTokenGraceSeconds": -1}}`, "oidc.refreshTokenGraceSeconds", "[refreshTokenGraceSeconds: " + notNegative + "]"},
		{"no grace", `{"oidc": {"refreshTokenGraceSeconds": 0}}`, "", ""},
		{"an issuer with published keys", `{"oidc": {"trustedIssuers": [{"issuer": "https://a.example", "jwksUri": "https://a.example/keys", "algorithms": ["ES256"]}]}}`, "", ""},
		{"an issuer with keys by value", `{"oidc": {"trustedIssuers": [{"issuer": "a", "jwks": {"keys": [` + publicKey + `]}}]}}`, "", ""},
		{"an issuer without a name", `{"oidc": {"trustedIssuers": [{"issuer": " "}]}}`, "oidc.trustedIssuers[0].issuer", "[issuer: must have 1 to 2048 bytes and not be blank]"},
		{"an issuer of software statements", `{"oidc": {"clientRegistrationSettings": {"isSoftwareStatementRequired": true, "softwareStatementIssuers": [{"issuer": "a", "jwksUri": "https://a.example/keys"}]}}}`, "", ""},
		{"required statements of nobody", `{"oidc": {"clientRegistrationSettings": {"isSoftwareStatementRequired": true}}}`, "oidc.clientRegistrationSettings.softwareStatementIssuers", "…[softwareStatementIssuers: must not be empty where isSoftwareStatementRequired is true: nobody could register]"},
		{"an issuer of software statements without keys", `{"oidc": {"clientRegistrationSettings": {"softwareStatementIssuers": [{"issuer": "a"}]}}}`, "oidc.clientRegistrationSettings.softwareStatementIssuers[0].jwksUri", "[jwksUri: must not be empty where there is no jwks]"},
		{"an issuer twice", `{"oidc": {"trustedIssuers": [{"issuer": "a", "jwksUri": "https://a.example"}, {"issuer": "a", "jwksUri": "https://b.example"}]}}`, "oidc.trustedIssuers[1].issuer", "[a: must be unique]"},
		{"an issuer without keys", `{"oidc": {"trustedIssuers": [{"issuer": "a"}]}}`, "oidc.trustedIssuers[0].jwksUri", "[jwksUri: must not be empty where there is no jwks]"},
		{"an issuer with keys twice", `{"oidc": {"trustedIssuers": [{"issuer": "a", "jwksUri": "https://a.example", "jwks": {"keys": []}}]}}`, "oidc.trustedIssuers[0].jwksUri", "[https://a.example: must be empty where there is a jwks]"},
		{"keys by http", `{"oidc": {"trustedIssuers": [{"issuer": "a", "jwksUri": "http://a.example"}]}}`, "oidc.trustedIssuers[0].jwksUri", "[http://a.example: must be an https URL without user and fragment]"},
		{"keys that are none", `{"oidc": {"trustedIssuers": [{"issuer": "a", "jwks": {}}]}}`, "oidc.trustedIssuers[0].jwks", "…[jwks: must be a JWK set (RFC 7517): "},
		{"no key", `{"oidc": {"trustedIssuers": [{"issuer": "a", "jwks": {"keys": []}}]}}`, "oidc.trustedIssuers[0].jwks", "[jwks: must have at least one key that can be used]"},
		{"an algorithm with a shared secret", `{"oidc": {"trustedIssuers": [{"issuer": "a", "jwksUri": "https://a.example", "algorithms": ["HS256"]}]}}`, "oidc.trustedIssuers[0].algorithms[0]", "…[HS256: must be one of "},
		{"a grant for which nobody is trusted", `{"oidc": {"trustedIssuers": [{"issuer": "a", "jwksUri": "https://a.example", "grantTypes": ["password"]}]}}`, "oidc.trustedIssuers[0].grantTypes[0]", "…[password: must be one of "},
		{"resources", `{"oidc": {"resources": [{"identifier": "https://api.example/v1"}, {"identifier": "urn:acme:files"}]}}`, "", ""},
		{"a resource that is relative", `{"oidc": {"resources": [{"identifier": "/v1"}]}}`, "oidc.resources[0].identifier", "[/v1: must be an absolute URI without a fragment]"},
		{"a resource with a fragment", `{"oidc": {"resources": [{"identifier": "https://a.example#"}]}}`, "oidc.resources[0].identifier", "[https://a.example#: must be an absolute URI without a fragment]"},
		{"a resource twice", `{"oidc": {"resources": [{"identifier": "urn:a"}, {"identifier": "urn:a"}]}}`, "oidc.resources[1].identifier", "[urn:a: must be unique]"},
		{"a rule that does not compile", `{"scim": {"idpSelectionRule": "nobody.x"}}`, "scim.idpSelectionRule", "…[idpSelectionRule: line 1, column "},
		{"virtual hosts without any", `{"vhostMode": true}`, "vhosts", "[vhosts: must not be empty while vhostMode is on]"},
		{"a virtual host", `{"vhostMode": true, "vhosts": [{"host": " Login.Example.com:8443 ", "path": "a/"}, {"host": "127.0.0.1:80"}]}`, "", ""},
		{"a host with a scheme", `{"vhosts": [{"host": "https://x.example"}]}`, "vhosts[0].host", "[https://x.example: must be a host name such as login.example.com, with an optional port]"},
		{"a host that is a wildcard", `{"vhosts": [{"host": "*.example.com"}]}`, "vhosts[0].host", "[*.example.com: must be a host name such as login.example.com, with an optional port]"},
		{"no host", `{"vhosts": [{"path": "/x"}]}`, "vhosts[0].host", "[host: must be a host name such as login.example.com, with an optional port]"},
		{"a port that is none", `{"vhosts": [{"host": "x.example:70000"}]}`, "vhosts[0].host", "[x.example:70000: must be a host name such as login.example.com, with an optional port]"},
		{"a virtual path with a space", `{"vhosts": [{"host": "x.example", "path": "/a b"}]}`, "vhosts[0].path", "[/a b: must be a slash, or one or more segments of letters, digits, '-', '.', '_' and '~']"},
		{"a virtual path that takes endpoints away", `{"vhosts": [{"host": "x.example", "path": "/a/oauth"}]}`, "vhosts[0].path", "[/a/oauth: " + taking("oauth") + "]"},
		{"a virtual host twice", `{"vhosts": [{"host": "x.example"}, {"host": "X.example", "path": "/"}]}`, "vhosts[1]", "[x.example/: must be unique]"},
		{"two that override", `{"vhosts": [{"host": "x.example", "overrideEntrypoint": true}, {"host": "y.example", "overrideEntrypoint": true}]}`, "vhosts[1].overrideEntrypoint", "[overrideEntrypoint: must be on for at most one of them]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := prototree.Parse([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			d := &configv1.Domain{}
			if err := prototree.Management.Decode(body, d); err != nil {
				t.Fatal(err)
			}
			d.Name, d.Path = "x", "/x"
			if err := normalizeDomain(t.Context(), &Scene{}, nil, d); err != nil {
				t.Fatal(err)
			}
			err = validateDomain(&Scene{}, nil, d)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			body2 := fault.BodyOf(err)
			want, prefix := strings.CutPrefix(tt.want, "…")
			if body2.Message != want && !(prefix && strings.HasPrefix(body2.Message, want)) || !fault.Is(err, fault.Invalid) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if len(body2.Errors) != 1 || body2.Errors[0].Path != tt.path {
				t.Errorf("at %v, want %s", body2.Errors, tt.path)
			}
		})
	}
}

// TestRedirectExpressionsNeedDistinctURIs: the switch is refused while an application has two URIs that it would mix up.
func TestRedirectExpressionsNeedDistinctURIs(t *testing.T) {
	off := &configv1.Domain{Oidc: &configv1.OpenIDSettings{ClientRegistrationSettings: &configv1.ClientRegistrationSettings{}}}
	on := proto.CloneOf(off)
	on.Oidc.ClientRegistrationSettings.AllowRedirectUriParamsExpressionLanguage = true
	a := anApplication()
	s := &Scene{Applications: []*configv1.Application{a}}
	if err := checkRedirectSwitch(s, off, on); err != nil {
		t.Error(err)
	}
	a.Settings.Oauth.RedirectUris = []string{"https://x.example/cb?a=1", "https://x.example/cb?a=2"}
	err := checkRedirectSwitch(s, off, on)
	if want := "Only one redirect URI with the same hostname and path is allowed."; err == nil || fault.BodyOf(err).Message != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := checkRedirectSwitch(s, on, on); err != nil {
		t.Errorf("a domain where it is on already: %v", err)
	}
}

func TestEntrypointURLs(t *testing.T) {
	d := &configv1.Domain{Path: "/acme", Vhosts: []*configv1.VirtualHost{{Host: "login.example.com", Path: "/"}, {Host: "x.example:8443", Path: "/eu"}}}
	if got := EntrypointURLs(d, "https://gate.example"); len(got) != 1 || got[0] != "https://gate.example" {
		t.Errorf("by path: %q", got)
	}
	d.VhostMode = true
	if got := strings.Join(EntrypointURLs(d, "https://gate.example"), " "); got != "https://login.example.com https://x.example:8443/eu" {
		t.Errorf("by host: %s", got)
	}
}
