package profile

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

var (
	asymmetric = []jose.Algorithm{
		jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.RS256, jose.RS384, jose.RS512,
	}
	hmacs = []jose.Algorithm{jose.HS256, jose.HS384, jose.HS512}
)

// table is every profile, the laxest first: each demands at least what those before it do. What stands in `none` is the
// behaviour that existing clients know.
var table = func() []*Profile {
	none := Profile{
		Name:                 None,
		ResponseTypes:        oauth2.ResponseTypes(),
		Challenges:           []oauth2.ChallengeMethod{oauth2.ChallengePlain, oauth2.ChallengeS256},
		UnregisteredGrant:    oauth2.UnsupportedGrantType,
		Rotation:             RotateUnlessSwitchedOff,
		ScopeClaimsInIDToken: true,
		AssertionAudience:    EndpointAudience,
		AuthMethods:          oauth2.AuthMethods(),
		SigningAlgs:          slices.Concat(asymmetric, hmacs),
		SecretAlgs:           hmacs,
		EncryptsBySecret:     true,
	}

	// OAuth 2.1 and the best current practice (RFC 9700).
	oauth21 := none
	oauth21.Name = OAuth21
	oauth21.ResponseTypes = []oauth2.ResponseType{oauth2.ResponseCode, oauth2.ResponseCodeIDToken, oauth2.ResponseIDToken}
	oauth21.RefusedGrants = []oauth2.GrantType{oauth2.GrantPassword, oauth2.GrantImplicit}
	oauth21.Challenges = []oauth2.ChallengeMethod{oauth2.ChallengeS256}
	oauth21.RequiresPKCE = true
	oauth21.ExactRedirect, oauth21.RequiresRedirect = true, true
	oauth21.RefusesQuery = true
	oauth21.SeeOther = true
	oauth21.UnregisteredGrant = oauth2.UnauthorizedClient
	oauth21.RefusesForeignScopes = true
	oauth21.Rotation = RotateUnbound
	oauth21.ScopeClaimsInIDToken = false
	oauth21.JWTAccessTokens = true
	oauth21.IntrospectsOwnAudience = true
	oauth21.AssertionAudience = EndpointBySwitch
	oauth21.SigningAlgs = asymmetric
	oauth21.KeepsLogoutQuestion = true
	oauth21.ShowsRegistration = true

	// The authorization of the Model Context Protocol: OAuth 2.1 with tokens for the resource that they are used at.
	mcp := oauth21
	mcp.Name = MCP
	mcp.RequiresResource = true

	// FAPI 2.0 Security Profile.
	fapi2 := oauth21
	fapi2.Name = FAPI2
	fapi2.ResponseTypes = []oauth2.ResponseType{oauth2.ResponseCode}
	fapi2.Rotation = RotatePublic
	fapi2.AssertionAudience = IssuerAlone
	fapi2.AuthMethods = []oauth2.AuthMethod{oauth2.AuthPrivateKeyJWT, oauth2.AuthTLS, oauth2.AuthSelfSignedTLS}
	fapi2.SigningAlgs = []jose.Algorithm{jose.EdDSA, jose.ES256, jose.PS256}
	fapi2.SecretAlgs = nil
	fapi2.RequiresPushed = true
	fapi2.RequiresBound = true
	fapi2.EncryptsBySecret = false

	// FAPI 2.0 Message Signing.
	signing := fapi2
	signing.Name = FAPI2MessageSigning
	signing.RequiresSignedRequest, signing.RequiresSignedResponse = true, true

	return []*Profile{&none, &oauth21, &mcp, &fapi2, &signing}
}()
