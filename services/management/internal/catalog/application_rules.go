package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Where client metadata lies in an application. A gateway derives the protocol's error code from these paths.
const oauthPath = "settings.oauth."

// applicationRules are the documented rules; the first one that is broken is the answer.
var applicationRules = []func(s *Scene, a *configv1.Application) error{
	checkMembers,
	checkClaimNames,
	checkGrantTypes,
	func(_ *Scene, a *configv1.Application) error {
		correspond(a.GetSettings().GetOauth())
		return nil
	},
	checkRefreshGrant,
	checkImplicit,
	checkRedirectURIs,
	checkHasRedirectURI,
	checkScopes,
	checkAuthMethod,
	checkPostLogout,
	checkReferences,
	checkExpressions,
}

// validateApplication runs the rules. A change of nothing but secrets is possible in an application that breaks a rule
// which came later, or which its domain has changed since.
func validateApplication(s *Scene, _, a *configv1.Application) error {
	if s.SecretChange {
		return nil
	}
	for _, check := range applicationRules {
		if err := check(s, a); err != nil {
			return err
		}
	}
	return nil
}

// checkMembers holds constraints of single members.
func checkMembers(_ *Scene, a *configv1.Application) error {
	if err := required("name", a.GetName()); err != nil {
		return err
	}
	oauth := a.GetSettings().GetOauth()
	for _, m := range []struct {
		path   string
		number int64
	}{
		{oauthPath + "accessTokenValiditySeconds", int64(oauth.GetAccessTokenValiditySeconds())},
		{oauthPath + "refreshTokenValiditySeconds", int64(oauth.GetRefreshTokenValiditySeconds())},
		{oauthPath + "idTokenValiditySeconds", int64(oauth.GetIdTokenValiditySeconds())},
		{oauthPath + "defaultMaxAge", oauth.GetDefaultMaxAge()},
		{"settings.secretExpirationSettings.expiryTimeSeconds", a.GetSettings().GetSecretExpirationSettings().GetExpiryTimeSeconds()},
	} {
		if err := notNegative(m.path, m.number); err != nil {
			return err
		}
	}
	for i, s := range oauth.GetScopeSettings() {
		if err := notNegative(index(oauthPath+"scopeSettings", i)+".scopeApproval", int64(s.GetScopeApproval())); err != nil {
			return err
		}
	}
	if err := checkSigningAlgorithm(oauthPath+"idTokenSignedResponseAlg", oauth.GetIdTokenSignedResponseAlg()); err != nil {
		return fault.Invalidf("Unsupported id_token signing algorithm").At(oauthPath+"idTokenSignedResponseAlg", "is not supported")
	}
	return checkSigningAlgorithm(oauthPath+"accessTokenSigningAlg", oauth.GetAccessTokenSigningAlg())
}

// checkClaimNames refuses what the gateway alone sets: a custom value would say something untrue about the token.
func checkClaimNames(_ *Scene, a *configv1.Application) error {
	for i, c := range a.GetSettings().GetOauth().GetTokenCustomClaims() {
		path := index(oauthPath+"tokenCustomClaims", i)
		if c.GetTokenType() == configv1.CustomClaim_TOKEN_TYPE_UNSPECIFIED {
			return broken(path+".tokenType", "", "must not be null")
		}
		name := c.GetClaimName()
		if name == "" || len(name) > 256 || oauth2.ReservedClaim(name) ||
			strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return fault.Invalidf("Invalid token claims: %s", name).At(path+".claimName", "is reserved or no name of a claim")
		}
	}
	return nil
}

// knownGrantTypes can be registered; a gateway serves those that it implements.
var knownGrantTypes = []string{
	string(oauth2.GrantAuthorizationCode),
	string(oauth2.GrantImplicit),
	string(oauth2.GrantRefreshToken),
	string(oauth2.GrantClientCredentials),
	string(oauth2.GrantPassword),
	string(oauth2.GrantJWTBearer),
	string(oauth2.GrantDeviceCode),
	string(oauth2.GrantTokenExchange),
	string(oauth2.GrantCIBA),
	"urn:ietf:params:oauth:grant-type:uma-ticket",
}

func checkGrantTypes(_ *Scene, a *configv1.Application) error {
	refuse := func(path string) error {
		return fault.Invalidf("Missing or invalid grant type.").At(path, "is missing or no known grant type")
	}
	grants := a.GetSettings().GetOauth().GetGrantTypes()
	if len(grants) == 0 {
		return refuse(oauthPath + "grantTypes")
	}
	for i, g := range grants {
		base, _, _ := strings.Cut(g, "~")
		if !slices.Contains(knownGrantTypes, base) {
			return refuse(index(oauthPath+"grantTypes", i))
		}
	}
	for i, r := range a.GetSettings().GetOauth().GetResponseTypes() {
		if !slices.Contains(codeFamily, r) && !slices.Contains(implicitFamily, r) {
			return fault.Invalidf("Invalid response type.").At(index(oauthPath+"responseTypes", i), "is no known response type")
		}
	}
	return nil
}

func checkRefreshGrant(_ *Scene, a *configv1.Application) error {
	grants := a.GetSettings().GetOauth().GetGrantTypes()
	if !slices.Contains(grants, string(oauth2.GrantRefreshToken)) {
		return nil
	}
	for _, partner := range []oauth2.GrantType{
		oauth2.GrantAuthorizationCode, oauth2.GrantPassword, oauth2.GrantJWTBearer, oauth2.GrantDeviceCode,
	} {
		if hasGrant(grants, string(partner)) {
			return nil
		}
	}
	return fault.Invalidf("refresh_token grant type must be associated with one of authorization_code, password, "+
		"urn:ietf:params:oauth:grant-type:jwt-bearer").At(oauthPath+"grantTypes", "refresh_token stands alone")
}

// hasGrant ignores what stands behind a tilde.
func hasGrant(grants []string, grant string) bool {
	return slices.ContainsFunc(grants, func(g string) bool {
		base, _, _ := strings.Cut(g, "~")
		return base == grant
	})
}

func checkScopes(s *Scene, a *configv1.Application) error {
	for i, setting := range a.GetSettings().GetOauth().GetScopeSettings() {
		if !hasScope(s.Scopes, setting.GetScope()) {
			return invalidScope(i, setting.GetScope())
		}
	}
	return nil
}

func invalidScope(i int, key string) error {
	text := fmt.Sprintf("scope %s is not valid.", key)
	return fault.Invalidf("%s", text).At(index(oauthPath+"scopeSettings", i)+".scope", text)
}

func checkAuthMethod(_ *Scene, a *configv1.Application) error {
	oauth := a.GetSettings().GetOauth()
	const path = oauthPath + "tokenEndpointAuthMethod"
	switch method := oauth2.AuthMethod(oauth.GetTokenEndpointAuthMethod()); method {
	case oauth2.AuthNone:
		if a.GetType() == configv1.Application_SERVICE ||
			slices.Contains(oauth.GetGrantTypes(), string(oauth2.GrantClientCredentials)) {
			text := "Invalid token_endpoint_auth_method for service application (client_credentials grant type)"
			return fault.Invalidf("%s", text).At(path, text)
		}
	case "", oauth2.AuthBasic, oauth2.AuthPost:
	default:
		return broken(path, string(method), "must be one of client_secret_basic, client_secret_post, none")
	}
	return nil
}

func checkReferences(s *Scene, a *configv1.Application) error {
	for i, p := range a.GetIdentityProviders() {
		if !slices.ContainsFunc(s.Providers, func(q *configv1.IdentityProvider) bool { return q.GetId() == p.GetIdentity() }) {
			return dangling(index("identityProviders", i)+".identity", "Identity Provider", p.GetIdentity())
		}
	}
	if id := a.GetCertificate(); id != "" && certificateByID(s.Certificates, id) == nil {
		return dangling("certificate", "Certificate", id)
	}
	return nil
}

// checkExpressions compiles every expression as a gateway will.
func checkExpressions(_ *Scene, a *configv1.Application) error {
	for i, p := range a.GetIdentityProviders() {
		if _, err := rules.CompileRule(rules.SelectionRule, p.GetSelectionRule()); err != nil {
			return badExpression(index("identityProviders", i)+".selectionRule", err)
		}
	}
	for i, c := range a.GetSettings().GetOauth().GetTokenCustomClaims() {
		if _, err := rules.CompileTemplate(rules.Claim, c.GetClaimValue()); err != nil {
			return badExpression(index(oauthPath+"tokenCustomClaims", i)+".claimValue", err)
		}
	}
	return nil
}

// badExpression is the refusal of an expression that does not compile: text with line and column.
func badExpression(path string, err error) error {
	detail := fault.Detail{Path: path, Detail: err.Error()}
	var e *rules.Error
	if errors.As(err, &e) {
		detail.Detail, detail.Line, detail.Column = e.Detail, e.Line, e.Column
	}
	return fault.Invalidf("[%s: %s]", leaf(path), err.Error()).With(detail)
}
