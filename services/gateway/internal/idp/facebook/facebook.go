// Package facebook signs people in with Facebook accounts (Facebook Login, OAuth 2.0; the Graph API tells who somebody is).
package facebook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/generic"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

// The documented addresses, without a version: the oldest that the application may use answers.
const (
	authorize = "https://www.facebook.com/dialog/oauth"
	token     = "https://graph.facebook.com/oauth/access_token"
	user      = "https://graph.facebook.com/me"
	fields    = "id,name,first_name,middle_name,last_name,email,picture"
)

// New returns the provider.
func New(id string, c *configv1.SocialProvider, t oidc.Tools) (*oidc.Provider, error) {
	scopes := c.GetScopes()
	if len(scopes) == 0 {
		scopes = []string{"public_profile", "email"}
	}
	secret := c.GetClientSecret()
	return oidc.New(oidc.Site{
		Provider: id, ClientID: c.GetClientId(), ClientSecret: secret,
		ClientAuth:    generic.First(generic.ClientAuth(c), "client_secret_post"),
		Authorization: generic.First(c.GetUserAuthorizationUri(), authorize), Token: generic.First(c.GetAccessTokenUri(), token),
		UserInfo: generic.First(c.GetUserProfileUri(), user),
		Scopes:   scopes, Delimiter: ",", Method: c.GetCodeChallengeMethod(), Timeout: generic.Timeout(c),
		Anew: url.Values{"auth_type": {"reauthenticate"}},
		// The proof shows that the application itself asks, with a token that could have been stolen.
		UserInfoQuery: func(accessToken string) url.Values {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(accessToken))
			return url.Values{"fields": {fields}, "appsecret_proof": {hex.EncodeToString(mac.Sum(nil))}}
		},
		Describe: func(_ context.Context, _ *oidc.Asker, claims map[string]any) (*idp.Identity, error) {
			return describe(claims)
		},
	}, t)
}

// describe reads a user of the Graph API. Facebook does not say whether it has verified an address.
func describe(claims map[string]any) (*idp.Identity, error) {
	text := func(name string) string { return oidc.Text(claims, name) }
	id := &idp.Identity{
		ExternalId: text("id"), Email: text("email"), FirstName: text("first_name"), MiddleName: text("middle_name"),
		LastName: text("last_name"), DisplayName: text("name"),
	}
	if picture, ok := claims["picture"].(map[string]any); ok {
		if data, ok := picture["data"].(map[string]any); ok {
			id.Picture = oidc.Text(data, "url")
		}
	}
	return oidc.Named(id)
}
