package profile

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Name is a profile's name in the configuration.
type Name = configv1.SecurityProfileSettings_Profile

// The profiles, the laxest first. Unspecified is None.
const (
	None                = configv1.SecurityProfileSettings_NONE
	OAuth21             = configv1.SecurityProfileSettings_OAUTH21
	MCP                 = configv1.SecurityProfileSettings_MCP
	FAPI2               = configv1.SecurityProfileSettings_FAPI2
	FAPI2MessageSigning = configv1.SecurityProfileSettings_FAPI2_MESSAGE_SIGNING
)

// Audience says what may stand in the audience of a client assertion (RFC 7523 §3) beside the issuer.
type Audience uint8

// The audiences of client assertions.
const (
	// EndpointAudience accepts the URL of the endpoint that is called as well.
	EndpointAudience Audience = iota
	// EndpointBySwitch accepts it where the domain says so.
	EndpointBySwitch
	// IssuerAlone accepts the issuer as one string and nothing else (FAPI 2.0 Security Profile §5.3.2.1).
	IssuerAlone
)

// Rotation says which refresh tokens are replaced when they are used.
type Rotation uint8

// The rotations of refresh tokens.
const (
	// RotateUnlessSwitchedOff rotates, unless the client switches it off.
	RotateUnlessSwitchedOff Rotation = iota
	// RotateUnbound rotates those of public clients that are bound to no key, whatever the client says; for others the client's
	// switch counts (RFC 9700 §2.2.2).
	RotateUnbound
	// RotatePublic rotates those of public clients alone (FAPI 2.0 Security Profile §5.3.2.1).
	RotatePublic
)

// Profile is what one security profile demands. It is never changed.
type Profile struct {
	Name Name

	// ResponseTypes can be asked for by clients that registered them.
	ResponseTypes []oauth2.ResponseType
	// RefusedGrants are neither served nor advertised (RFC 9700 §2.1.2, §2.4). A response type that is served needs no grant
	// type besides: `id_token` alone goes through with `implicit` refused.
	RefusedGrants []oauth2.GrantType
	// Challenges are the methods of PKCE. RequiresPKCE wants one with every code, not of public clients alone.
	Challenges   []oauth2.ChallengeMethod
	RequiresPKCE bool
	// ExactRedirect leaves no matching of redirect URIs but equality; RequiresRedirect wants one in every request.
	ExactRedirect, RequiresRedirect bool
	// RefusesQuery refuses parameters of the token endpoint, and access tokens, in a query (OAuth 2.1 §3.2, §5.2).
	RefusesQuery bool
	// SeeOther redirects with 303 after a form was posted (RFC 9700 §4.12).
	SeeOther bool
	// UnregisteredGrant is the error for a client that uses a grant which it has not registered.
	UnregisteredGrant oauth2.Code
	// RefusesForeignScopes refuses a refresh for scopes that were not granted, rather than dropping them.
	RefusesForeignScopes bool
	// Rotation of refresh tokens.
	Rotation Rotation
	// ScopeClaimsInIDToken puts the claims of scopes into ID tokens even where there is an access token to ask for them.
	ScopeClaimsInIDToken bool
	// JWTAccessTokens gives access tokens the form of RFC 9068, whatever the application says.
	JWTAccessTokens bool
	// IntrospectsOwnAudience lets a client introspect only tokens that are meant for it or were issued to it.
	IntrospectsOwnAudience bool
	// AssertionAudience of client assertions.
	AssertionAudience Audience
	// AuthMethods by which clients may authenticate.
	AuthMethods []oauth2.AuthMethod
	// SigningAlgs sign ID tokens, UserInfo, answers, request objects and proofs; SecretAlgs are the HMACs of client_secret_jwt.
	SigningAlgs, SecretAlgs []jose.Algorithm
	// RequiresPushed takes authorization requests by PAR alone (RFC 9126 §5), from clients that authenticate.
	RequiresPushed bool
	// RequiresBound binds every access token to a key of its client: by DPoP (RFC 9449) or its certificate (RFC 8705).
	RequiresBound bool
	// RequiresSignedRequest wants a signed request object (RFC 9101); RequiresSignedResponse answers by JARM alone.
	RequiresSignedRequest, RequiresSignedResponse bool
	// RequiresResource wants a resource indicator in every request of a domain that has protected resources (RFC 8707).
	RequiresResource bool
	// KeepsLogoutQuestion asks before a logout that nothing proves, whatever the domain says.
	KeepsLogoutQuestion bool
	// ShowsRegistration repeats the registration access token and the client's URI to the holder of the token (RFC 7592 §3).
	ShowsRegistration bool
	// EncryptsBySecret allows encryption with keys that come from the client secret.
	EncryptsBySecret bool
}

// Of returns the profile of a domain's settings. Unspecified, or unknown, is None.
func Of(name Name) *Profile {
	if i := slices.IndexFunc(table, func(p *Profile) bool { return p.Name == name }); i >= 0 {
		return table[i]
	}
	return table[0]
}

// ForClient returns the profile of an application in a domain: its own where that is the stricter one, never a laxer one than
// the domain's.
func ForClient(domain, client Name) *Profile {
	d, c := Of(domain), Of(client)
	if slices.Index(table, c) > slices.Index(table, d) {
		return c
	}
	return d
}

// Laxer reports whether a profile demands less than another one, so that an application of a domain with the other one may
// not have it.
func Laxer(name, than Name) bool {
	return slices.Index(table, Of(name)) < slices.Index(table, Of(than))
}

// All returns every profile, the laxest first.
func All() []*Profile { return slices.Clone(table) }

// Strict reports whether the profile is any but None.
func (p *Profile) Strict() bool { return p.Name != None }

// ServesGrant reports whether a grant type is served at all.
func (p *Profile) ServesGrant(g oauth2.GrantType) bool { return !slices.Contains(p.RefusedGrants, g) }

// ServesResponse reports whether a response type is served at all.
func (p *Profile) ServesResponse(t oauth2.ResponseType) bool {
	return slices.Contains(p.ResponseTypes, t)
}

// Accepts reports whether clients may authenticate by a method.
func (p *Profile) Accepts(m oauth2.AuthMethod) bool { return slices.Contains(p.AuthMethods, m) }

// Signs reports whether something may be signed with an algorithm.
func (p *Profile) Signs(a jose.Algorithm) bool { return slices.Contains(p.SigningAlgs, a) }

// Rotates reports whether a refresh token is replaced when it is used. The client's wish is what its switch says.
func (p *Profile) Rotates(public, bound, wish bool) bool {
	switch p.Rotation {
	case RotatePublic:
		return public
	case RotateUnbound:
		return wish || public && !bound
	default:
		return wish
	}
}
