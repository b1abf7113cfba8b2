package oauth2

import (
	"slices"
	"strings"
)

// Issuer is the issuer identifier of a domain: the same string, byte for byte, wherever it appears.
type Issuer string

// GrantType is a value of the token request parameter grant_type.
type GrantType string

// The grant types, by their registered names.
const (
	GrantAuthorizationCode GrantType = "authorization_code"
	GrantImplicit          GrantType = "implicit"
	GrantRefreshToken      GrantType = "refresh_token"
	GrantClientCredentials GrantType = "client_credentials"
	GrantPassword          GrantType = "password"
	GrantJWTBearer         GrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	GrantSAML2Bearer       GrantType = "urn:ietf:params:oauth:grant-type:saml2-bearer"
	GrantDeviceCode        GrantType = "urn:ietf:params:oauth:grant-type:device_code"
	GrantTokenExchange     GrantType = "urn:ietf:params:oauth:grant-type:token-exchange"
	GrantCIBA              GrantType = "urn:openid:params:grant-type:ciba"
)

// GrantTypes returns every grant type named here, sorted. A product may serve fewer of them.
func GrantTypes() []GrantType {
	return []GrantType{
		GrantAuthorizationCode, GrantClientCredentials, GrantImplicit, GrantPassword, GrantRefreshToken,
		GrantDeviceCode, GrantJWTBearer, GrantSAML2Bearer, GrantTokenExchange, GrantCIBA,
	}
}

// ParseGrantType returns the grant type with exactly this registered name.
func ParseGrantType(s string) (GrantType, bool) {
	g := GrantType(s)
	return g, slices.Contains(GrantTypes(), g)
}

// ClientAssertionJWT is the client_assertion_type of private_key_jwt and client_secret_jwt (RFC 7523 §2.2).
const ClientAssertionJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// AuthMethod is a way in which a client authenticates (token_endpoint_auth_method).
type AuthMethod string

// The client authentication methods (RFC 7591 §2, OpenID Connect Core §9, RFC 8705 §2).
const (
	AuthBasic         AuthMethod = "client_secret_basic"
	AuthPost          AuthMethod = "client_secret_post"
	AuthSecretJWT     AuthMethod = "client_secret_jwt"
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
	AuthTLS           AuthMethod = "tls_client_auth"
	AuthSelfSignedTLS AuthMethod = "self_signed_tls_client_auth"
	AuthNone          AuthMethod = "none"
)

// AuthMethods returns every client authentication method.
func AuthMethods() []AuthMethod {
	return []AuthMethod{
		AuthBasic, AuthPost, AuthSecretJWT, AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS, AuthNone,
	}
}

// ParseAuthMethod returns the method with exactly this registered name.
func ParseAuthMethod(s string) (AuthMethod, bool) {
	m := AuthMethod(s)
	return m, slices.Contains(AuthMethods(), m)
}

// UsesSecret reports whether the client proves itself with its client secret.
func (m AuthMethod) UsesSecret() bool {
	return m == AuthBasic || m == AuthPost || m == AuthSecretJWT
}

// Token type hints of introspection and revocation (RFC 7009 §2.1) and token types of an answer.
const (
	HintAccessToken  = "access_token"
	HintRefreshToken = "refresh_token"

	TokenTypeBearer = "bearer"
	TokenTypeDPoP   = "DPoP"
)

// TokenNotApplicable is the token_type of an answer whose token is no access token (RFC 8693 §2.2.1).
const TokenNotApplicable = "N_A"

// TokenType is the identifier of a kind of token (RFC 8693 §3).
type TokenType string

// The kinds of token.
const (
	TypeAccessToken  TokenType = "urn:ietf:params:oauth:token-type:access_token"
	TypeRefreshToken TokenType = "urn:ietf:params:oauth:token-type:refresh_token"
	TypeIDToken      TokenType = "urn:ietf:params:oauth:token-type:id_token"
	TypeJWT          TokenType = "urn:ietf:params:oauth:token-type:jwt"
)

// Scopes with a meaning of their own.
const (
	ScopeOpenID        = "openid"
	ScopeOfflineAccess = "offline_access"
	ScopeDCR           = "dcr"
	ScopeDCRAdmin      = "dcr_admin"
)

// Prompt is a set of values of the authorization request parameter prompt.
type Prompt uint8

// The prompt values (OpenID Connect Core §3.1.2.1).
const (
	PromptNone Prompt = 1 << iota
	PromptLogin
	PromptConsent
	PromptSelectAccount
)

var promptNames = map[string]Prompt{
	"none":           PromptNone,
	"login":          PromptLogin,
	"consent":        PromptConsent,
	"select_account": PromptSelectAccount,
}

// Has reports whether the set holds every value of q.
func (p Prompt) Has(q Prompt) bool { return p&q == q }

// ParsePrompt reads a prompt parameter: values separated by spaces, in any order, none only alone. An empty text is
// the empty set; anything unknown is an invalid_request error.
func ParsePrompt(s string) (Prompt, error) {
	var p Prompt
	for word := range strings.FieldsSeq(s) {
		v, ok := promptNames[word]
		if !ok {
			return 0, InvalidRequest.Errorf("Invalid parameter: prompt")
		}
		p |= v
	}
	if p.Has(PromptNone) && p != PromptNone {
		return 0, InvalidRequest.Errorf("Invalid parameter: prompt")
	}
	return p, nil
}
