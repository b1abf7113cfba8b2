package catalog

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

type oauthSettings = configv1.OAuthSettings

// anApplication breaks no rule.
func anApplication() *configv1.Application {
	return &configv1.Application{
		Id: "a1", Domain: "d1", Name: "App", Type: configv1.Application_WEB,
		Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
			ClientId:                "c1",
			RedirectUris:            []string{"https://app.example.com/cb"},
			GrantTypes:              []string{"authorization_code"},
			ResponseTypes:           []string{"code"},
			TokenEndpointAuthMethod: "client_secret_basic",
		}},
	}
}

func aScene() *Scene {
	return &Scene{
		Domain: &configv1.Domain{Id: "d1", Oidc: &configv1.OpenIDSettings{
			ClientRegistrationSettings: &configv1.ClientRegistrationSettings{},
		}},
		Scopes:    []*configv1.Scope{{Key: "openid"}},
		Providers: []*configv1.IdentityProvider{{Id: "idp"}},
	}
}

func TestValidateApplication(t *testing.T) {
	type settings = configv1.ClientRegistrationSettings
	uris := func(list ...string) func(*configv1.Application, *settings) {
		return func(a *configv1.Application, _ *settings) { a.Settings.Oauth.RedirectUris = list }
	}
	oauth := func(edit func(o *oauthSettings)) func(*configv1.Application, *settings) {
		return func(a *configv1.Application, _ *settings) { edit(a.Settings.Oauth) }
	}
	claim := func(name, value string) func(*configv1.Application, *settings) {
		return oauth(func(o *oauthSettings) {
			o.TokenCustomClaims = []*configv1.CustomClaim{{TokenType: configv1.CustomClaim_ID_TOKEN, ClaimName: name, ClaimValue: value}}
		})
	}
	const refreshText = "refresh_token grant type must be associated with one of authorization_code, password, urn:ietf:params:oauth:grant-type:jwt-bearer"
	for _, tt := range []struct {
		name string
		edit func(*configv1.Application, *settings)
		want string // a text that begins with … is compared with the beginning
	}{
		{"a valid application", func(*configv1.Application, *settings) {}, ""},
		{"a reserved claim", claim("sub", "x"), "Invalid token claims: sub"},
		{"a claim that introspection adds", claim("username", "x"), "Invalid token claims: username"},
		{"a claim about the sign-in", claim("acr", "x"), "Invalid token claims: acr"},
		{"a claim with a space", claim("a b", "x"), "Invalid token claims: a b"},
		{"a custom audience", claim("aud", "x"), ""},
		{"a claim named by a URL", claim("https://claims.example/dept", "{#user.email}"), ""},
		{"no grant type", oauth(func(o *oauthSettings) { o.GrantTypes = nil }), "Missing or invalid grant type."},
		{"an unknown grant type", oauth(func(o *oauthSettings) { o.GrantTypes = []string{"authorization_code", "magic"} }), "Missing or invalid grant type."},
		{"a suffix after a tilde", oauth(func(o *oauthSettings) {
			o.GrantTypes = append(o.GrantTypes, "urn:ietf:params:oauth:grant-type:jwt-bearer~idp")
		}), ""},
		{"refresh_token with client_credentials alone", func(a *configv1.Application, _ *settings) {
			a.Type = configv1.Application_SERVICE
			a.Settings.Oauth.GrantTypes, a.Settings.Oauth.ResponseTypes = []string{"client_credentials", "refresh_token"}, nil
		}, refreshText},
		{"refresh_token with device_code", oauth(func(o *oauthSettings) {
			o.GrantTypes, o.ResponseTypes = []string{"refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}, nil
		}), ""},
		{"implicit without redirect URIs", oauth(func(o *oauthSettings) {
			o.ResponseTypes, o.RedirectUris = []string{"token"}, nil
		}), "Missing or invalid redirect_uris."},
		{"a relative URI", uris("/cb"), "redirect_uri : /cb is malformed"},
		{"an unparsable URI", uris("https://[::1"), "redirect_uri : https://[::1 is malformed"},
		{"a URI without host", uris("https:///cb"), "redirect_uri : https:///cb is malformed"},
		{"a URI that a browser executes", uris("javascript:alert(1)"), "redirect_uri : javascript:alert(1) is malformed"},
		{"http to localhost: localhost comes first", uris("http://localhost:8080/cb"), "localhost is forbidden"},
		{"https to 127.0.0.1", uris("https://127.0.0.1/cb"), "localhost is forbidden"},
		{"https to LOCALHOST", uris("https://LOCALHOST/cb"), "localhost is forbidden"},
		{"http", uris("http://app.example.com/cb"), "Unsecured http scheme is forbidden"},
		{"a wildcard in the host", uris("https://*.example.com/cb"), "Wildcard are forbidden"},
		{"a wildcard in the path", uris("https://app.example.com/*"), "Wildcard are forbidden"},
		{"a wildcard in the query", uris("https://app.example.com/cb?x=*"), ""},
		{"a space in the path", uris("https://app.example.com/c b"), "redirect_uri : https://app.example.com/c b is malformed"},
		{"a space at the end", uris("https://app.example.com/cb "), "redirect_uri : https://app.example.com/cb  is malformed"},
		{"a control character", uris("https://app.example.com/\u0085"), "redirect_uri : https://app.example.com/\u0085 is malformed"},
		{"a fragment", uris("https://app.example.com/cb#x"), "redirect_uri with fragment is forbidden"},
		{"a private-use scheme", uris("com.example.app:/cb", "com.example.app://localhost/cb"), ""},
		{"the first bad one counts", uris("https://ok.example/cb", "http://x.example/", "/y"), "Unsecured http scheme is forbidden"},
		{"what the domain allows", func(a *configv1.Application, s *settings) {
			s.AllowLocalhostRedirectUri, s.AllowHttpSchemeRedirectUri, s.AllowWildCardRedirectUri = true, true, true
			a.Settings.Oauth.RedirectUris = []string{"http://localhost/cb", "http://*.example.com/*"}
		}, ""},
		{"no redirect URI", uris(), "At least one redirect_uri is required"},
		{"an unknown scope", oauth(func(o *oauthSettings) {
			o.ScopeSettings = []*configv1.ScopeSetting{{Scope: "openid"}, {Scope: "zip"}}
		}), "scope zip is not valid."},
		{"client_credentials with method none", oauth(func(o *oauthSettings) {
			o.GrantTypes, o.TokenEndpointAuthMethod = append(o.GrantTypes, "client_credentials"), "none"
		}), "Invalid token_endpoint_auth_method for service application (client_credentials grant type)"},
		{"a service with method none", func(a *configv1.Application, _ *settings) {
			a.Type, a.Settings.Oauth.TokenEndpointAuthMethod = configv1.Application_SERVICE, "none"
		}, "Invalid token_endpoint_auth_method for service application (client_credentials grant type)"},
		{"an unknown method", oauth(func(o *oauthSettings) { o.TokenEndpointAuthMethod = "telepathy" }), "…[telepathy: must be one of"},
		{"a post-logout URI to localhost", oauth(func(o *oauthSettings) {
			o.PostLogoutRedirectUris = []string{"https://localhost/"}
		}), "post_logout_redirect_uri : localhost is forbidden"},
		{"a malformed post-logout URI", oauth(func(o *oauthSettings) {
			o.PostLogoutRedirectUris = []string{"nowhere"}
		}), "post_logout_redirect_uri : nowhere is malformed"},
		{"a space in a post-logout URI", oauth(func(o *oauthSettings) {
			o.PostLogoutRedirectUris = []string{"https://app.example.com/a b"}
		}), "post_logout_redirect_uri : https://app.example.com/a b is malformed"},
		{"a scope given twice", oauth(func(o *oauthSettings) {
			o.ScopeSettings = []*configv1.ScopeSetting{{Scope: "openid"}, {Scope: "openid"}}
		}), "[openid: must be given once]"},
		{"a provider given twice", func(a *configv1.Application, _ *settings) {
			a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "idp"}, {Identity: "idp", Priority: 1}}
		}, "[idp: must be given once]"},
		{"an unknown provider", func(a *configv1.Application, _ *settings) {
			a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "x"}}
		}, "Identity Provider [x] can not be found."},
		{"a blank rule", func(a *configv1.Application, _ *settings) {
			a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "idp", SelectionRule: "  "}}
		}, ""},
		{"a rule that is no condition", func(a *configv1.Application, _ *settings) {
			a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "idp", SelectionRule: "login"}}
		}, "…[selectionRule: line 1, column "},
		{"a negative lifetime", oauth(func(o *oauthSettings) { o.AccessTokenValiditySeconds = -1 }), "[accessTokenValiditySeconds: must be greater than or equal to 0]"},
		{"an unknown algorithm of ID tokens", oauth(func(o *oauthSettings) { o.IdTokenSignedResponseAlg = "none" }), "Unsupported id_token signing algorithm"},

		{"claims before grant types", func(a *configv1.Application, s *settings) {
			claim("iss", "x")(a, s)
			a.Settings.Oauth.GrantTypes = nil
		}, "Invalid token claims: iss"},
		{"grant types before redirect URIs", func(a *configv1.Application, _ *settings) {
			a.Settings.Oauth.GrantTypes, a.Settings.Oauth.RedirectUris = []string{"magic"}, []string{"http://localhost"}
		}, "Missing or invalid grant type."},
		{"redirect URIs before scopes", func(a *configv1.Application, _ *settings) {
			a.Settings.Oauth.RedirectUris = []string{"http://x.example"}
			a.Settings.Oauth.ScopeSettings = []*configv1.ScopeSetting{{Scope: "zip"}}
		}, "Unsecured http scheme is forbidden"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, s := anApplication(), aScene()
			tt.edit(a, s.Domain.GetOidc().GetClientRegistrationSettings())
			err := validateApplication(s, nil, a)
			got := ""
			if err != nil {
				got = fault.BodyOf(err).Message
				if !fault.Is(err, fault.Invalid) {
					t.Errorf("kind %v", fault.KindOf(err))
				}
			}
			want, prefix := strings.CutPrefix(tt.want, "…")
			if got != want && !(prefix && strings.HasPrefix(got, want)) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestPathsTellTheErrorCode: a gateway chooses the protocol's error code by the place.
func TestPathsTellTheErrorCode(t *testing.T) {
	for _, tt := range []struct {
		edit func(*oauthSettings)
		want string
	}{
		{func(o *oauthSettings) { o.RedirectUris = nil }, "settings.oauth.redirectUris"},
		{func(o *oauthSettings) { o.RedirectUris = []string{"https://ok.example", "/"} }, "settings.oauth.redirectUris[1]"},
		{func(o *oauthSettings) { o.RedirectUris, o.ResponseTypes = nil, []string{"token"} }, "settings.oauth.redirectUris"},
		{func(o *oauthSettings) { o.PostLogoutRedirectUris = []string{"/"} }, "settings.oauth.postLogoutRedirectUris[0]"},
		{func(o *oauthSettings) { o.GrantTypes = nil }, "settings.oauth.grantTypes"},
		{func(o *oauthSettings) {
			o.ScopeSettings = []*configv1.ScopeSetting{{Scope: "openid"}, {Scope: "openid"}}
		}, "settings.oauth.scopeSettings[1].scope"},
	} {
		a := anApplication()
		tt.edit(a.Settings.Oauth)
		details := fault.BodyOf(validateApplication(aScene(), nil, a)).Errors
		if len(details) != 1 || details[0].Path != tt.want {
			t.Errorf("details %v, want the path %s", details, tt.want)
		}
	}
}

func TestCorrespondence(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		grants, responses, wanted string
		wantedResponses           string
	}{
		{"both empty", "", "", "authorization_code", "code"},
		{"nothing to do keeps the order", "authorization_code,implicit", "code,token", "authorization_code,implicit", "code,token"},
		{"code is missing its grant", "password", "code", "password,authorization_code", "code"},
		{"hybrid needs the code grant only", "implicit,refresh_token", "code id_token token", "refresh_token,authorization_code", "code id_token token"},
		{"token needs implicit", "authorization_code", "token", "implicit", "token"},
		{"a code grant without its response is removed", "client_credentials,authorization_code", "", "client_credentials", ""},
		{"a changed list is put in order", "x,authorization_code,client_credentials,password,refresh_token", "id_token", "implicit,refresh_token,password,client_credentials,x", "id_token"},
	} {
		o := &oauthSettings{GrantTypes: list(tt.grants), ResponseTypes: list(tt.responses)}
		correspond(o)
		if got := strings.Join(o.GetGrantTypes(), ","); got != tt.wanted {
			t.Errorf("%s: grant types %s, want %s", tt.name, got, tt.wanted)
		}
		if got := strings.Join(o.GetResponseTypes(), ","); got != tt.wantedResponses {
			t.Errorf("%s: response types %s, want %s", tt.name, got, tt.wantedResponses)
		}
	}
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func TestTypeDefaults(t *testing.T) {
	const family = "code,code id_token token,code id_token,code token"
	for _, tt := range []struct {
		kind                                       configv1.Application_Type
		grants, responses, method, applicationType string
		pkce                                       bool
	}{
		{configv1.Application_WEB, "authorization_code,password", family, "client_secret_basic", "web", false},
		{configv1.Application_NATIVE, "authorization_code", family, "none", "native", true},
		{configv1.Application_BROWSER, "authorization_code", family, "none", "web", true},
		{configv1.Application_SERVICE, "client_credentials", "", "client_secret_basic", "web", false},
		{configv1.Application_RESOURCE_SERVER, "authorization_code,password,client_credentials", family, "client_secret_basic", "web", false},
	} {
		for _, was := range []configv1.Application_Type{tt.kind, configv1.Application_NATIVE, configv1.Application_SERVICE} {
			a := &configv1.Application{}
			SetType(aScene(), a, was)
			SetType(aScene(), a, tt.kind)
			o := a.GetSettings().GetOauth()
			if strings.Join(o.GetGrantTypes(), ",") != tt.grants || strings.Join(o.GetResponseTypes(), ",") != tt.responses ||
				o.GetTokenEndpointAuthMethod() != tt.method || o.GetApplicationType() != tt.applicationType ||
				o.GetForcePkce() != tt.pkce || o.GetForceS256CodeChallengeMethod() != tt.pkce {
				t.Errorf("%v from %v: %v", tt.kind, was, o)
			}
		}
	}
	for k := range configv1.Application_Type_name {
		if _, ok := defaultsOfType[configv1.Application_Type(k)]; !ok && k != 0 && k != int32(configv1.Application_BOOKMARK) {
			t.Errorf("%v has no defaults", configv1.Application_Type(k))
		}
	}
}

func TestUnforcedDefaults(t *testing.T) {
	a := anApplication()
	a.Settings.Oauth.GrantTypes = []string{"client_credentials", "implicit"}
	a.Settings.Oauth.TokenEndpointAuthMethod = "client_secret_post"
	applyType(aScene(), a, false)
	o := a.GetSettings().GetOauth()
	if got, want := o.GetResponseTypes(), []string{"id_token token", "id_token", "token"}; !slices.Equal(got, want) {
		t.Errorf("response types %q, want %q", got, want)
	}
	if o.GetTokenEndpointAuthMethod() != "client_secret_post" {
		t.Error("the method was overwritten")
	}
	// One response type of a family is enough.
	a.Settings.Oauth.GrantTypes, a.Settings.Oauth.ResponseTypes = []string{"authorization_code"}, []string{"code token"}
	applyType(aScene(), a, false)
	if got := o.GetResponseTypes(); !slices.Equal(got, []string{"code token"}) {
		t.Errorf("response types %q", got)
	}
}

func TestDerivedType(t *testing.T) {
	for _, tt := range []struct {
		grants, responses, applicationType string
		want                               configv1.Application_Type
	}{
		{"client_credentials", "", "web", configv1.Application_SERVICE},
		{"authorization_code", "", "web", configv1.Application_SERVICE}, // no grant type is left
		{"authorization_code", "token", "web", configv1.Application_BROWSER},
		{"implicit", "id_token", "native", configv1.Application_BROWSER},
		{"authorization_code,client_credentials", "code", "web", configv1.Application_WEB},
		{"authorization_code", "code", "native", configv1.Application_NATIVE},
		{"authorization_code", "code", "browser", configv1.Application_BROWSER},
		{"authorization_code", "code", "server", configv1.Application_SERVICE},
	} {
		o := &oauthSettings{GrantTypes: list(tt.grants), ResponseTypes: list(tt.responses), ApplicationType: tt.applicationType}
		was := proto.CloneOf(o)
		if got := derivedType(o); got != tt.want {
			t.Errorf("%v: %v, want %v", tt, got, tt.want)
		}
		if !proto.Equal(was, o) {
			t.Errorf("%v was changed to %v", was, o)
		}
	}
}

func TestDefaultCertificate(t *testing.T) {
	c := func(id, name string, system bool) *configv1.Certificate {
		return &configv1.Certificate{Id: id, Name: name, System: system}
	}
	for _, tt := range []struct {
		name string
		all  []*configv1.Certificate
		want string
	}{
		{"none", nil, ""},
		{"the first", []*configv1.Certificate{c("2", "x", false), c("1", "x", false)}, "1"},
		{"one called Default", []*configv1.Certificate{c("1", "x", false), c("2", "Default", false)}, "2"},
		{"the oldest system one", []*configv1.Certificate{c("1", "Default", false), c("3", "x", true), c("2", "x", true)}, "2"},
	} {
		if got := defaultCertificate(tt.all); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
