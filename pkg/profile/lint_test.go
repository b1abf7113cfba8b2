package profile_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

type settings = configv1.OAuthSettings

// fits breaks no profile.
func fits() *settings {
	return &settings{
		ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code", "refresh_token"},
		TokenEndpointAuthMethod: "private_key_jwt", TokenEndpointAuthSigningAlg: "PS256", IdTokenSignedResponseAlg: "ES256",
		RedirectUris: []string{"https://app.example/callback"}, AccessTokenProfile: "at+jwt",
	}
}

// breaking has, for each member that a rule looks at, what breaks the profiles that are named, and keeps the others.
var breaking = []struct {
	name, member string
	edit         func(*settings)
	in           string // profiles, separated by spaces
}{
	{"an own profile that is laxer", "securityProfile", func(o *settings) { o.SecurityProfile = profile.None }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"an own profile between them", "securityProfile", func(o *settings) { o.SecurityProfile = profile.MCP }, "fapi2 fapi2_message_signing"},
	{"tokens from the authorization endpoint", "responseTypes", func(o *settings) { o.ResponseTypes = []string{"code", "code token"} }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"an ID token from the authorization endpoint", "responseTypes", func(o *settings) { o.ResponseTypes = []string{"code id_token"} }, "fapi2 fapi2_message_signing"},
	{"the password grant", "grantTypes", func(o *settings) { o.GrantTypes = []string{"password", "authorization_code"} }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"an extension of the password grant", "grantTypes", func(o *settings) { o.GrantTypes = []string{"password~own"} }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"the implicit grant", "grantTypes", func(o *settings) { o.GrantTypes = []string{"implicit"} }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"a public client", "tokenEndpointAuthMethod", func(o *settings) { o.TokenEndpointAuthMethod = "none" }, "fapi2 fapi2_message_signing"},
	{"a secret that travels", "tokenEndpointAuthMethod", func(o *settings) { o.TokenEndpointAuthMethod = "" }, "fapi2 fapi2_message_signing"},
	{"assertions signed by RSA with PKCS #1", "tokenEndpointAuthSigningAlg", func(o *settings) { o.TokenEndpointAuthSigningAlg = "RS256" }, "fapi2 fapi2_message_signing"},
	{"a private key in name alone", "tokenEndpointAuthSigningAlg", func(o *settings) { o.TokenEndpointAuthSigningAlg = "HS256" }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"ID tokens by HMAC", "idTokenSignedResponseAlg", func(o *settings) { o.IdTokenSignedResponseAlg = "HS256" }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"access tokens by RSA with PKCS #1", "accessTokenSigningAlg", func(o *settings) { o.AccessTokenSigningAlg = "RS512" }, "fapi2 fapi2_message_signing"},
	{"UserInfo by HMAC", "userinfoSignedResponseAlg", func(o *settings) { o.UserinfoSignedResponseAlg = "HS512" }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"answers by RSA with PKCS #1", "authorizationSignedResponseAlg", func(o *settings) { o.AuthorizationSignedResponseAlg = "RS256" }, "fapi2 fapi2_message_signing"},
	{"request objects by HMAC", "requestObjectSigningAlg", func(o *settings) { o.RequestObjectSigningAlg = "HS384" }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"ID tokens encrypted by the secret", "idTokenEncryptedResponseAlg", func(o *settings) { o.IdTokenEncryptedResponseAlg = "dir" }, "fapi2 fapi2_message_signing"},
	{"UserInfo encrypted by the secret", "userinfoEncryptedResponseAlg", func(o *settings) { o.UserinfoEncryptedResponseAlg = "A256GCMKW" }, "fapi2 fapi2_message_signing"},
	{"answers encrypted by the secret", "authorizationEncryptedResponseAlg", func(o *settings) { o.AuthorizationEncryptedResponseAlg = "A128KW" }, "fapi2 fapi2_message_signing"},
	{"request objects encrypted by the secret", "requestObjectEncryptionAlg", func(o *settings) { o.RequestObjectEncryptionAlg = "PBES2-HS256+A128KW" }, "fapi2 fapi2_message_signing"},
	{"a pattern of redirect URIs", "redirectUris", func(o *settings) { o.RedirectUris = append(o.RedirectUris, "https://*.example/cb") }, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"refresh tokens of a public client that stay", "disableRefreshTokenRotation", func(o *settings) {
		o.TokenEndpointAuthMethod, o.TokenEndpointAuthSigningAlg, o.DisableRefreshTokenRotation = "none", "", true
	}, "oauth21 mcp fapi2 fapi2_message_signing"},
	{"access tokens of another form", "accessTokenProfile", func(o *settings) { o.AccessTokenProfile = "jwt" }, "oauth21 mcp fapi2 fapi2_message_signing"},
}

// TestEveryRuleOfEveryProfile walks the profiles and the rules: each has an application that breaks it, and one that does not.
func TestEveryRuleOfEveryProfile(t *testing.T) {
	judged := map[string]bool{}
	for _, p := range profile.All() {
		if found := profile.Lint(p, fits()); len(found) > 0 {
			t.Fatalf("%s: an application that fits breaks %v", p.Name, found)
		}
		for _, tt := range breaking {
			o := fits()
			tt.edit(o)
			v := about(profile.Lint(p, o), tt.member)
			want := strings.Contains(" "+tt.in+" ", " "+strings.ToLower(p.Name.String())+" ")
			if (v != nil) != want {
				t.Errorf("%s: %s breaks it: %t, want %t", p.Name, tt.name, v != nil, want)
			}
			if v == nil {
				continue
			}
			judged[p.Name.String()+" "+tt.member] = true
			if v.Clause == "" || v.Why == "" || v.Path() != "settings.oauth."+tt.member {
				t.Errorf("%s: %s: %+v does not say what and why", p.Name, tt.name, v)
			}
			cure(t, o, *v)
			if left := about(profile.Lint(p, o), tt.member); left != nil {
				t.Errorf("%s: %s: %v does not cure it", p.Name, tt.name, v.Cure)
			}
		}
	}
	for _, p := range profile.All()[1:] {
		for _, member := range profile.Linted() {
			// EncryptsBySecret and the methods of authentication are demands of FAPI alone.
			free := !p.RequiresBound && (strings.HasSuffix(member, "EncryptedResponseAlg") || member == "requestObjectEncryptionAlg" ||
				member == "tokenEndpointAuthMethod" || member == "accessTokenSigningAlg" || member == "authorizationSignedResponseAlg")
			if !judged[p.Name.String()+" "+member] && !free {
				t.Errorf("%s: no application of this test breaks the rule about %s", p.Name, member)
			}
		}
	}
}

// TestAPublicClientIsJudgedAsPublic has what is good enough for a confidential client and not for a public one.
func TestAPublicClientIsJudgedAsPublic(t *testing.T) {
	o := fits()
	o.TokenEndpointAuthMethod, o.DisableRefreshTokenRotation = "client_secret_basic", true
	if found := profile.Lint(profile.Of(profile.OAuth21), o); len(found) > 0 {
		t.Errorf("a confidential client breaks %v", found)
	}
	o.TokenEndpointAuthMethod = "none"
	if about(profile.Lint(profile.Of(profile.OAuth21), o), "disableRefreshTokenRotation") == nil {
		t.Error("a public client keeps its refresh tokens")
	}
	o.DpopBoundAccessTokens = true
	if found := profile.Lint(profile.Of(profile.OAuth21), o); len(found) > 0 {
		t.Errorf("a public client whose tokens are bound breaks %v", found)
	}
}

// TestIDTokensAloneKeepTheirGrant: registration gives every client with the response type id_token the implicit grant.
func TestIDTokensAloneKeepTheirGrant(t *testing.T) {
	o := fits()
	o.ResponseTypes, o.GrantTypes = []string{"code", "id_token"}, []string{"implicit", "authorization_code"}
	if found := profile.Lint(profile.Of(profile.OAuth21), o); len(found) > 0 {
		t.Errorf("it breaks %v", found)
	}
	if found := profile.Lint(profile.Of(profile.FAPI2), o); len(found) != 2 {
		t.Errorf("under fapi2 it breaks %v", found)
	}
}

func TestAViolationKnowsWhetherItsMemberChanged(t *testing.T) {
	old, fresh := fits(), fits()
	v := profile.Violation{Member: "responseTypes"}
	fresh.GrantTypes = nil
	if v.Changed(old, fresh) {
		t.Error("another member was changed")
	}
	if fresh.ResponseTypes = []string{"code", "token"}; !v.Changed(old, fresh) {
		t.Error("the member was changed")
	}
}

func about(found []profile.Violation, member string) *profile.Violation {
	for _, v := range found {
		if v.Member == member {
			return &v
		}
	}
	return nil
}

// cure sets the member of a violation to the value that is said to cure it.
func cure(t *testing.T, o *settings, v profile.Violation) {
	t.Helper()
	m := o.ProtoReflect()
	f := m.Descriptor().Fields().ByJSONName(v.Member)
	switch value := v.Cure.(type) {
	case nil:
		m.Clear(f)
	case []string:
		list := m.NewField(f).List()
		for _, one := range value {
			list.Append(protoreflect.ValueOfString(one))
		}
		m.Set(f, protoreflect.ValueOfList(list))
	default:
		m.Set(f, protoreflect.ValueOf(value))
	}
}
