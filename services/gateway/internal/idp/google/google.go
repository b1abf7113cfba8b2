// Package google signs people in with Google accounts (Google Identity, OpenID Connect).
package google

import (
	"net/url"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/generic"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

const metadata = "https://accounts.google.com/.well-known/openid-configuration"

// New returns the provider.
func New(id string, c *configv1.SocialProvider, t oidc.Tools) (*oidc.Provider, error) {
	return open(id, c, t, metadata)
}

func open(id string, c *configv1.SocialProvider, t oidc.Tools, metadata string) (*oidc.Provider, error) {
	scopes := c.GetScopes()
	if len(scopes) == 0 {
		scopes = []string{"openid", "profile", "email"}
	} else if !slices.Contains(scopes, "openid") {
		scopes = append([]string{"openid"}, scopes...)
	}
	return oidc.New(oidc.Site{
		Provider: id, ClientID: c.GetClientId(), ClientSecret: c.GetClientSecret(), ClientAuth: generic.ClientAuth(c),
		Metadata: metadata, Authorization: c.GetUserAuthorizationUri(), Token: c.GetAccessTokenUri(), UserInfo: c.GetUserProfileUri(),
		Scopes: scopes, Method: c.GetCodeChallengeMethod(), Timeout: generic.Timeout(c),
		Algorithms: []jose.Algorithm{jose.RS256},
		// Google writes its issuer with and without the scheme, and documents both.
		CheckIssuer: func(metadata string, claims *jose.Claims) bool {
			return claims.Issuer == metadata || "https://"+claims.Issuer == metadata
		},
		// There is no prompt=login; the closest is to have the account chosen.
		Anew: url.Values{"prompt": {"select_account"}}, NoMaxAge: true,
	}, t)
}
