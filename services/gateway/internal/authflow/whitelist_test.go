package authflow

import (
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

func TestWhoIsOnTheWhitelist(t *testing.T) {
	generic := func(scopes ...string) *configv1.IdentityProvider {
		return &configv1.IdentityProvider{Config: &configv1.IdentityProvider_Oauth2{Oauth2: &configv1.OAuth2Provider{Scopes: scopes}}}
	}
	azure := func(tenant string) *configv1.IdentityProvider {
		return &configv1.IdentityProvider{Config: &configv1.IdentityProvider_AzureAd{AzureAd: &configv1.AzureADProvider{TenantId: tenant}}}
	}
	google := &configv1.IdentityProvider{Config: &configv1.IdentityProvider_Google{Google: &configv1.SocialProvider{}}}
	facebook := &configv1.IdentityProvider{Config: &configv1.IdentityProvider_Facebook{Facebook: &configv1.SocialProvider{}}}
	const in, out = "eve@ACME.example", "eve@evil.example"
	for _, tt := range []struct {
		name            string
		provider        *configv1.IdentityProvider
		username, email string
		verified        any // nil: the provider does not say
		want            bool
	}{
		{"a verified address", google, in, in, true, true},
		{"an address that is not verified", google, in, in, false, false},
		{"an address of a site that verifies none", facebook, in, in, nil, false},
		{"a chosen name beside a verified address", generic("openid"), in, out, true, false},
		{"a chosen name of an OpenID Provider that says nothing", generic("openid"), in, out, nil, false},
		{"an address of an OpenID Provider that says nothing", generic("openid"), "eve", in, nil, true},
		{"names that an OpenID Provider has not verified", generic("openid"), in, in, "false", false},
		{"a name of an OAuth 2.0 server", generic("user"), in, "", nil, true},
		{"a name of one directory", azure("acme.example"), in, "", nil, true},
		{"a name of any directory", azure("common"), in, in, nil, false},
		{"another domain that ends alike", google, "", "eve@notacme.example", true, false},
	} {
		tt.provider.DomainWhitelist = []string{"acme.example"}
		a := &idp.Assertion{Identity: &idp.Identity{Username: tt.username, Email: tt.email}, Profile: map[string]any{}}
		if tt.verified != nil {
			a.Profile["email_verified"] = tt.verified
		}
		if got := whitelisted(tt.provider, a); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		tt.provider.DomainWhitelist = nil
		if !whitelisted(tt.provider, a) {
			t.Errorf("%s: refused by an empty list", tt.name)
		}
	}
}
