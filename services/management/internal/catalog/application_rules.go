package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Where client metadata lies in an application. A gateway derives the protocol's error code from these paths.
const oauthPath = "settings.oauth."

// applicationRules are the documented rules; the first one that is broken is the answer.
var applicationRules = append([]func(s *Scene, old, a *configv1.Application) error{
	checkMembers,
	checkShown,
}, signInRules...)

// signInRules are those about clients.
var signInRules = []func(s *Scene, old, a *configv1.Application) error{
	checkClaimNames,
	checkGrantTypes,
	checkCorrespondence,
	checkRefreshGrant,
	checkImplicit,
	checkRedirectURIs,
	checkDistinctRedirects,
	checkHasRedirectURI,
	checkScopes,
	checkAuthMethod,
	checkTLS,
	checkPostLogout,
	checkRequestURIs,
	checkKeptSecret,
	checkReferences,
	checkExpressions,
	checkMetadata,
	checkPairwise,
	checkTokenForm,
	checkProfile,
}

// validateApplication runs the rules.
func validateApplication(s *Scene, old, a *configv1.Application) error {
	if s.Unjudged {
		return nil
	}
	if !s.MayAdminister {
		if err := checkAdministrativeScopes(old, a); err != nil {
			return err
		}
	}
	if !s.MayBind {
		if err := checkRuleStays(old, a); err != nil {
			return err
		}
	}
	rules := applicationRules
	switch {
	case IsBookmark(a):
		rules = bookmarkRules
	case IsProvider(a):
		rules = providerRules
	}
	for _, check := range rules {
		if err := check(s, old, a); err != nil {
			return err
		}
	}
	return nil
}

// checkRuleStays refuses a change of the switches of the rule, which whoever asks may not change. They come into being with the
// application, like everything.
func checkRuleStays(old, a *configv1.Application) error {
	completed := func(x *configv1.Application) *configv1.ApplicationAccess {
		access := proto.CloneOf(x.GetAccess())
		if access == nil {
			access = &configv1.ApplicationAccess{}
		}
		CheckAccess(&Faults{}, "", access)
		return access
	}
	if old.GetId() == "" || proto.Equal(completed(old), completed(a)) {
		return nil
	}
	return fault.Deniedf("Permission denied: access needs binding:update").At("access", "needs binding:update")
}

// maxApplicationName is how long the name of an application may be, in characters.
const maxApplicationName = 200

// checkApplicationName refuses a name that nobody could use. One that was there before may stay.
func checkApplicationName(old, name string) error {
	if err := required("name", name); err != nil || name == old {
		return err
	}
	if utf8.RuneCountInString(name) > maxApplicationName {
		return broken("name", "", fmt.Sprintf("size must be at most %d", maxApplicationName))
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return broken("name", "", "must not contain control characters")
	}
	return nil
}

// checkMembers holds constraints of single members.
func checkMembers(_ *Scene, old, a *configv1.Application) error {
	if err := checkApplicationName(old.GetName(), a.GetName()); err != nil {
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
	if err := checkSettings(a.GetSettings()); err != nil {
		return err
	}
	if err := checkFreeMetadata(a.GetMetadata()); err != nil {
		return err
	}
	return checkSigningAlgorithm(oauthPath+"accessTokenSigningAlg", oauth.GetAccessTokenSigningAlg())
}

// checkClaimNames refuses what the gateway alone sets: a custom value would say something untrue about the token.
func checkClaimNames(_ *Scene, _, a *configv1.Application) error {
	oauth := a.GetSettings().GetOauth()
	for i, c := range oauth.GetTokenCustomClaims() {
		path := index(oauthPath+"tokenCustomClaims", i)
		if c.GetTokenType() == configv1.CustomClaim_TOKEN_TYPE_UNSPECIFIED {
			return broken(path+".tokenType", "", "must not be null")
		}
		if err := checkClaimName(path, c.GetClaimName()); err != nil {
			return err
		}
	}
	for i, c := range oauth.GetUserinfoCustomClaims() {
		if err := checkClaimName(index(oauthPath+"userinfoCustomClaims", i), c.GetClaimName()); err != nil {
			return err
		}
	}
	return nil
}

func checkClaimName(path, name string) error {
	if name == "" || len(name) > 256 || oauth2.ReservedClaim(name) ||
		strings.ContainsFunc(name, isBlankOrControl) {
		return fault.Invalidf("Invalid token claims: %s", name).At(path+".claimName", "is reserved or no name of a claim")
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

// checkCorrespondence lets the grant types follow the response types, unless it is a client that asks and a software statement that says
// what they are (RFC 7591 §2.3). A registered client that has neither keeps having neither.
func checkCorrespondence(s *Scene, old, a *configv1.Application) error {
	oauth := a.GetSettings().GetOauth()
	if s.Registering && old.GetId() != "" && hasNoTypes(old.GetSettings().GetOauth()) && hasNoTypes(oauth) {
		return nil
	}
	before := slices.Clone(oauth.GetGrantTypes())
	correspond(oauth)
	if s.Registering && clientmeta.Claimed(oauth, "grant_types") && !slices.Equal(before, oauth.GetGrantTypes()) {
		const text = "grant_types is what the software statement says, and response_types ask for others"
		return fault.Invalidf("%s", text).At(oauthPath+"grantTypes", text)
	}
	return nil
}

func hasNoTypes(o *configv1.OAuthSettings) bool {
	return len(o.GetGrantTypes()) == 0 && len(o.GetResponseTypes()) == 0
}

func checkGrantTypes(s *Scene, old, a *configv1.Application) error {
	refuse := func(path string) error {
		return fault.Invalidf("Missing or invalid grant type.").At(path, "is missing or no known grant type")
	}
	grants := a.GetSettings().GetOauth().GetGrantTypes()
	// A client that registered without response types may have no grant types left; other changes are possible all the same.
	if len(grants) == 0 && !(s.Registering && old.GetId() != "" && len(old.GetSettings().GetOauth().GetGrantTypes()) == 0) {
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

func checkRefreshGrant(_ *Scene, _, a *configv1.Application) error {
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

// checkScopes lets a scope stay that is gone: it was deleted at the same time, and keeps nobody from changing the rest.
func checkScopes(s *Scene, old, a *configv1.Application) error {
	before := map[string]int{}
	for _, setting := range old.GetSettings().GetOauth().GetScopeSettings() {
		before[setting.GetScope()]++
	}
	given := map[string]int{}
	for i, setting := range a.GetSettings().GetOauth().GetScopeSettings() {
		key := setting.GetScope()
		if before[key] == 0 && !hasScope(s.Scopes, key) {
			return invalidScope(i, key)
		}
		if given[key]++; given[key] > max(1, before[key]) {
			return broken(index(oauthPath+"scopeSettings", i)+".scope", key, givenOnce)
		}
	}
	return nil
}

// checkAdministrativeScopes refuses administrative scopes that an application did not have before. Otherwise whoever owns
// one application would come to power over all clients of its domain.
func checkAdministrativeScopes(old, a *configv1.Application) error {
	had := old.GetSettings().GetOauth().GetScopeSettings()
	for i, setting := range a.GetSettings().GetOauth().GetScopeSettings() {
		key := setting.GetScope()
		if !slices.Contains(administrativeScopes, key) ||
			slices.ContainsFunc(had, func(s *configv1.ScopeSetting) bool { return s.GetScope() == key }) {
			continue
		}
		return fault.Deniedf("Permission denied: the scope %s is given by those who may change the domain (domain:update)", key).
			At(index(oauthPath+"scopeSettings", i), "is an administrative scope")
	}
	return nil
}

func invalidScope(i int, key string) error {
	text := fmt.Sprintf("scope %s is not valid.", key)
	return fault.Invalidf("%s", text).At(index(oauthPath+"scopeSettings", i)+".scope", text)
}

func checkAuthMethod(s *Scene, _, a *configv1.Application) error {
	oauth := a.GetSettings().GetOauth()
	const path = oauthPath + "tokenEndpointAuthMethod"
	name := oauth.GetTokenEndpointAuthMethod()
	methods := oauth2.AuthMethods()
	if s.Registering {
		methods = servedMethods()
	}
	switch method := oauth2.AuthMethod(name); {
	case name == "":
		return nil
	case !slices.Contains(methods, method):
		return broken(path, name, "must be one of "+listed(methods))
	case method == oauth2.AuthNone && (a.GetType() == configv1.Application_SERVICE ||
		hasGrant(oauth.GetGrantTypes(), string(oauth2.GrantClientCredentials))):
		text := "Invalid token_endpoint_auth_method for service application (client_credentials grant type)"
		return fault.Invalidf("%s", text).At(path, text)
	}
	return nil
}

// servedMethods are the methods of client authentication that wait for nothing.
var servedMethods = sync.OnceValue(func() []oauth2.AuthMethod {
	f := (&configv1.OAuthSettings{}).ProtoReflect().Descriptor().Fields().ByName("token_endpoint_auth_method")
	waiting := prototree.MarksOf(f).WaitingValues
	return slices.DeleteFunc(oauth2.AuthMethods(), func(m oauth2.AuthMethod) bool { return slices.Contains(waiting, string(m)) })
})

// listed writes names one after the other.
func listed[S ~string](names []S) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	return strings.Join(texts, ", ")
}

// checkTLS wants exactly one of the ways to recognise a certificate (RFC 8705 §2.1.2).
func checkTLS(_ *Scene, _, a *configv1.Application) error {
	oauth := a.GetSettings().GetOauth()
	if oauth.GetTokenEndpointAuthMethod() != string(oauth2.AuthTLS) {
		return nil
	}
	given := 0
	for _, value := range []string{
		oauth.GetTlsClientAuthSubjectDn(), oauth.GetTlsClientAuthSanDns(), oauth.GetTlsClientAuthSanUri(),
		oauth.GetTlsClientAuthSanIp(), oauth.GetTlsClientAuthSanEmail(),
	} {
		if value != "" {
			given++
		}
	}
	text := ""
	switch {
	case given == 0:
		text = "Missing TLS parameter for tls_client_auth."
	case given > 1:
		text = "The tls_client_auth must use exactly one of the TLS parameters."
	default:
		return nil
	}
	return fault.Invalidf("%s", text).At(oauthPath+"tokenEndpointAuthMethod", text)
}

// checkReferences lets references stay that lead nowhere any more, as checkScopes does.
func checkReferences(s *Scene, old, a *configv1.Application) error {
	before := map[string]int{}
	for _, p := range old.GetIdentityProviders() {
		before[p.GetIdentity()]++
	}
	given := map[string]int{}
	for i, p := range a.GetIdentityProviders() {
		id, path := p.GetIdentity(), index("identityProviders", i)+".identity"
		known := func(q *configv1.IdentityProvider) bool { return q.GetId() == id }
		if before[id] == 0 && !slices.ContainsFunc(s.Providers, known) {
			return dangling(path, "Identity Provider", id)
		}
		if given[id]++; given[id] > max(1, before[id]) {
			return broken(path, id, givenOnce)
		}
	}
	if id := a.GetCertificate(); id != "" && id != old.GetCertificate() && certificateByID(s.Certificates, id) == nil {
		return dangling("certificate", "Certificate", id)
	}
	return nil
}

// checkExpressions compiles every expression as a gateway will.
func checkExpressions(s *Scene, _, a *configv1.Application) error {
	for i, p := range a.GetIdentityProviders() {
		if _, err := rules.CompileRule(rules.SelectionRule, p.GetSelectionRule()); err != nil {
			return badExpression(index("identityProviders", i)+".selectionRule", err)
		}
	}
	oauth := a.GetSettings().GetOauth()
	for _, list := range []struct {
		name   string
		claims []*configv1.CustomClaim
	}{
		{"tokenCustomClaims", oauth.GetTokenCustomClaims()},
		{"userinfoCustomClaims", oauth.GetUserinfoCustomClaims()},
	} {
		for i, c := range list.claims {
			if _, err := rules.CompileTemplate(rules.Claim, c.GetClaimValue()); err != nil {
				return badExpression(index(oauthPath+list.name, i)+".claimValue", err)
			}
		}
	}
	return checkRedirectExpressions(s, oauth.GetRedirectUris())
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
