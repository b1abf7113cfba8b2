package domain

import configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"

// AccessTokenJWT is the accessTokenProfile of access tokens in the form of RFC 9068.
const AccessTokenJWT = "at+jwt"

// compileAccess decides about the form of the client's access tokens, and for whom they are where no resource is asked for. The
// default audience of the domain counts in the form of RFC 9068 alone: clients of the compatible form expect their own name.
func (c *Client) compileAccess(core *Core, o *configv1.OAuthSettings) {
	oidc := core.Settings.GetOidc()
	form := o.GetAccessTokenProfile()
	if form == "" {
		form = oidc.GetAccessTokenProfile()
	}
	c.JWTProfile = form == AccessTokenJWT || c.Profile.JWTAccessTokens
	c.Audience = c.ClientID
	if audience := oidc.GetDefaultAudience(); c.JWTProfile && audience != "" {
		c.Audience = audience
	}
}
