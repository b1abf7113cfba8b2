package profile

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Violation is a setting of an application that a profile does not allow.
type Violation struct {
	// Member is the member of settings.oauth as REST bodies spell it.
	Member string
	// Clause names what demands something else: RFC 9700 §2.1.2.
	Clause string
	// Why it matters, as one sentence without a full stop.
	Why string
	// Cure is the value with which the member breaks nothing: a string, a bool, a list of strings, or nil for none.
	Cure any
}

// Path is the place of the member in an application.
func (v Violation) Path() string { return "settings.oauth." + v.Member }

// Lint returns what of an application breaks a profile, in the order of the rules. A switch that a profile sets by itself,
// whatever the application says, breaks nothing: codes need a challenge, requests are pushed and tokens bound where the
// profile demands it.
func Lint(p *Profile, o *configv1.OAuthSettings) []Violation {
	if !p.Strict() {
		return nil
	}
	var found []Violation
	for _, r := range lints {
		if cure, broken := r.judge(p, o); broken {
			found = append(found, Violation{Member: r.member, Clause: r.clause(p), Why: r.why, Cure: cure})
		}
	}
	return found
}

// Linted returns the members that rules look at, in their order.
func Linted() []string {
	members := make([]string, len(lints))
	for i, r := range lints {
		members[i] = r.member
	}
	return members
}

// Changed reports whether two applications differ in the member that a violation is about.
func (v Violation) Changed(old, fresh *configv1.OAuthSettings) bool {
	f := (&configv1.OAuthSettings{}).ProtoReflect().Descriptor().Fields().ByJSONName(v.Member)
	return !equal(f, old.ProtoReflect(), fresh.ProtoReflect())
}

func equal(f protoreflect.FieldDescriptor, a, b protoreflect.Message) bool {
	return a.Has(f) == b.Has(f) && a.Get(f).Equal(b.Get(f))
}

// DefaultAuthMethod is the method of client authentication of applications that choose none.
func (p *Profile) DefaultAuthMethod() oauth2.AuthMethod {
	if p.Accepts(oauth2.AuthBasic) {
		return oauth2.AuthBasic
	}
	return p.AuthMethods[0]
}

// lint is one rule. Gateways refuse, or overrule, at a request what it finds.
type lint struct {
	member string
	clause func(*Profile) string
	why    string
	judge  func(*Profile, *configv1.OAuthSettings) (cure any, broken bool)
}

// lints are the rules, in the order in which they are told.
var lints = []lint{
	{
		member: "securityProfile", clause: always("OAuth 2.1"),
		why: "an application is only ever stricter than its domain",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			own := o.GetSecurityProfile()
			return nil, own != configv1.SecurityProfileSettings_PROFILE_UNSPECIFIED && Laxer(own, p.Name)
		},
	},
	{
		member: "responseTypes", clause: fapi("RFC 9700 §2.1.2", "FAPI 2.0 Security Profile §5.3.2.2"),
		why: "tokens in a redirect leak through histories, logs and referrers, and cannot be bound to whom they were meant for",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			return kept(o.GetResponseTypes(), func(t string) bool {
				known, ok := oauth2.ParseResponseType(t)
				return ok && p.ServesResponse(known)
			})
		},
	},
	{
		member: "grantTypes", clause: always("RFC 9700 §2.1.2, §2.4"),
		why: "a password that a client sees is no longer the person's alone, and the implicit grant gives tokens to whoever holds the redirect",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			return kept(o.GetGrantTypes(), func(name string) bool {
				base, _, _ := strings.Cut(name, "~")
				// A response type that is served brings its grant type along, see RefusedGrants.
				return p.ServesGrant(oauth2.GrantType(base)) || base == string(oauth2.GrantImplicit) && implied(p, o)
			})
		},
	},
	{
		member: "tokenEndpointAuthMethod", clause: always("FAPI 2.0 Security Profile §5.3.2.1"),
		why: "a secret that travels, or none, does not prove who the client is: only a key that it keeps does",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			method := oauth2.AuthMethod(o.GetTokenEndpointAuthMethod())
			if method == "" { // Basic and post
				method = oauth2.AuthBasic
			}
			return string(p.DefaultAuthMethod()), !p.Accepts(method)
		},
	},
	{
		member: "tokenEndpointAuthSigningAlg", clause: fapi("RFC 8725 §3.1", "FAPI 2.0 Security Profile §5.4.1"),
		why: "an assertion that is signed with an algorithm which is not accepted authenticates nobody",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			alg, accepted := o.GetTokenEndpointAuthSigningAlg(), p.SigningAlgs
			if o.GetTokenEndpointAuthMethod() == string(oauth2.AuthSecretJWT) {
				accepted = p.SecretAlgs
			}
			return nil, alg != "" && !contains(accepted, alg)
		},
	},
	signed("idTokenSignedResponseAlg", (*configv1.OAuthSettings).GetIdTokenSignedResponseAlg),
	signed("accessTokenSigningAlg", (*configv1.OAuthSettings).GetAccessTokenSigningAlg),
	signed("userinfoSignedResponseAlg", (*configv1.OAuthSettings).GetUserinfoSignedResponseAlg),
	signed("authorizationSignedResponseAlg", (*configv1.OAuthSettings).GetAuthorizationSignedResponseAlg),
	signed("requestObjectSigningAlg", (*configv1.OAuthSettings).GetRequestObjectSigningAlg),
	encrypted("idTokenEncryptedResponseAlg", (*configv1.OAuthSettings).GetIdTokenEncryptedResponseAlg),
	encrypted("userinfoEncryptedResponseAlg", (*configv1.OAuthSettings).GetUserinfoEncryptedResponseAlg),
	encrypted("authorizationEncryptedResponseAlg", (*configv1.OAuthSettings).GetAuthorizationEncryptedResponseAlg),
	encrypted("requestObjectEncryptionAlg", (*configv1.OAuthSettings).GetRequestObjectEncryptionAlg),
	{
		member: "redirectUris", clause: always("RFC 9700 §2.1, §4.1.3"),
		why: "whoever controls one address that a pattern covers receives the codes of everybody",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			if !p.ExactRedirect {
				return nil, false
			}
			return kept(o.GetRedirectUris(), func(uri string) bool { return !wildcard(uri) })
		},
	},
	{
		member: "disableRefreshTokenRotation", clause: always("RFC 9700 §2.2.2"),
		why: "a stolen refresh token of a public client is noticed only when it is used twice",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			public := o.GetTokenEndpointAuthMethod() == string(oauth2.AuthNone)
			bound := p.RequiresBound || o.GetDpopBoundAccessTokens() || o.GetTlsClientCertificateBoundAccessTokens()
			return false, o.GetDisableRefreshTokenRotation() && p.Rotates(public, bound, false)
		},
	},
	{
		member: "accessTokenProfile", clause: always("RFC 9068 §2"),
		why: "a resource server tells access tokens from other tokens of the same issuer by their type",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			form := o.GetAccessTokenProfile()
			return nil, p.JWTAccessTokens && form != "" && form != "at+jwt"
		},
	},
}

func always(clause string) func(*Profile) string { return func(*Profile) string { return clause } }

// fapi names another clause for the profiles of FAPI, which are those that bind every token.
func fapi(clause, inFAPI string) func(*Profile) string {
	return func(p *Profile) string {
		if p.RequiresBound {
			return inFAPI
		}
		return clause
	}
}

// signed judges the algorithm that signs something. None is left to the gateway.
func signed(member string, alg func(*configv1.OAuthSettings) string) lint {
	return lint{
		member: member, clause: fapi("RFC 8725 §3.1, §3.2", "FAPI 2.0 Security Profile §5.4.1"),
		why: "a key that both sides know proves to nobody else who signed, and old algorithms are the first to break",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			return nil, alg(o) != "" && !contains(p.SigningAlgs, alg(o))
		},
	}
}

// encrypted judges the algorithm that protects the key of something.
func encrypted(member string, alg func(*configv1.OAuthSettings) string) lint {
	return lint{
		member: member, clause: always("FAPI 2.0 Security Profile §5.4.1; OpenID Connect Core §10.2"),
		why: "a key that is made of the client secret is as weak as the secret, and the secret is not used any more",
		judge: func(p *Profile, o *configv1.OAuthSettings) (any, bool) {
			return nil, !p.EncryptsBySecret && bySecret(alg(o))
		},
	}
}

// bySecret reports algorithms whose key is made of the client secret (RFC 7518 §4).
func bySecret(alg string) bool {
	return alg == "dir" || strings.HasPrefix(alg, "A") || strings.HasPrefix(alg, "PBES2")
}

// kept returns the values that pass, and whether there are others.
func kept(values []string, passes func(string) bool) (any, bool) {
	left := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !passes(v) })
	return left, len(left) < len(values)
}

// implied reports whether a response type of the implicit grant is registered and served.
func implied(p *Profile, o *configv1.OAuthSettings) bool {
	return slices.ContainsFunc(o.GetResponseTypes(), func(t string) bool {
		known, ok := oauth2.ParseResponseType(t)
		return ok && !known.HasCode() && p.ServesResponse(known)
	})
}

func contains[S ~string](list []S, v string) bool { return slices.Contains(list, S(v)) }

// wildcard reports a star in the host or the path of a URI.
func wildcard(uri string) bool {
	before, _, _ := strings.Cut(uri, "?")
	return strings.Contains(before, "*")
}
