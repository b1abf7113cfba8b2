package catalog

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func (c *configuration) inline(p *configv1.InlineProvider) {
	if c.err == nil {
		c.err = validateInline(p)
	}
}

func (c *configuration) http(p *configv1.HTTPProvider) {
	c.request("authenticationResource", p.GetAuthenticationResource(), true)
	users := p.GetUserResource()
	if base := users.GetBaseUrl(); base != "" || users.GetEnabled() {
		c.required("userResource.baseURL", base)
		c.uri("userResource.baseURL", base, "https", "http")
	}
	c.headers("userResource.httpHeaders", users.GetHttpHeaders())
	paths := users.GetPaths()
	for _, r := range []struct {
		name     string
		resource *configv1.HTTPResource
	}{
		{"createResource", paths.GetCreateResource()}, {"readResource", paths.GetReadResource()},
		{"readResourceByEmail", paths.GetReadResourceByEmail()}, {"updateResource", paths.GetUpdateResource()},
		{"deleteResource", paths.GetDeleteResource()}, {"updatePasswordResource", paths.GetUpdatePasswordResource()},
	} {
		c.request("userResource.paths."+r.name, r.resource, false)
	}
	c.pool(p.GetConnectTimeout(), p.GetIdleTimeout(), p.GetMaxPoolSize())
}

// request checks one request of an HTTP provider. What is not whole has a path in the place of its URL.
func (c *configuration) request(path string, r *configv1.HTTPResource, whole bool) {
	at := func(name string) string { return path + "." + name }
	if r == nil {
		return
	}
	if whole {
		c.required(at("baseURL"), r.GetBaseUrl())
	}
	c.template(at("baseURL"), rules.ProviderRequest, r.GetBaseUrl())
	if whole {
		c.uri(at("baseURL"), rules.Literal(r.GetBaseUrl(), "x"), "https", "http")
	}
	c.oneOf(at("httpMethod"), r.GetHttpMethod(), "GET", "POST", "PUT", "PATCH", "DELETE")
	c.headers(at("httpHeaders"), r.GetHttpHeaders())
	c.template(at("httpBody"), rules.ProviderRequest, r.GetHttpBody())
	if whole {
		c.stands(at("baseURL"), rules.CheckURL(r.GetBaseUrl()))
		contentType := ""
		for _, h := range r.GetHttpHeaders() {
			if strings.EqualFold(h.GetName(), "Content-Type") {
				contentType = h.GetValue()
			}
		}
		c.stands(at("httpBody"), rules.CheckBody(r.GetHttpBody(), contentType))
	}
	for i, e := range r.GetHttpResponseErrorConditions() {
		condition := prototree.Index(at("httpResponseErrorConditions"), i) + ".value"
		c.required(condition, e.GetValue())
		c.condition(condition, rules.ProviderAnswer, e.GetValue())
	}
}

func (c *configuration) headers(path string, headers []*configv1.HTTPHeader) {
	for i, h := range headers {
		at := prototree.Index(path, i)
		c.required(at+".name", h.GetName())
		if strings.ContainsFunc(h.GetName(), func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
		}) {
			c.fail(at+".name", h.GetName(), "must be the name of a header")
		}
		if strings.ContainsAny(h.GetValue(), "\r\n\x00") {
			c.fail(at+".value", "", "must be one line")
		}
		c.template(at+".value", rules.ProviderRequest, h.GetValue())
	}
}

func (c *configuration) ldap(p *configv1.LDAPProvider) {
	c.uri("contextSourceUrl", p.GetContextSourceUrl(), "ldap", "ldaps")
	c.dn("contextSourceBase", p.GetContextSourceBase())
	// Active Directory also takes DOMAIN\name and name@domain.
	if name := p.GetContextSourceUsername(); strings.Contains(name, "=") {
		c.dn("contextSourceUsername", name)
	}
	if p.GetContextSourceUsername() != "" {
		c.required("contextSourcePassword", p.GetContextSourcePassword())
	}
	c.dn("userSearchBase", p.GetUserSearchBase())
	c.filter("userSearchFilter", p.GetUserSearchFilter())
	c.dn("groupSearchBase", p.GetGroupSearchBase())
	c.filter("groupSearchFilter", p.GetGroupSearchFilter())
	if p.GetStartTls() && strings.HasPrefix(strings.ToLower(p.GetContextSourceUrl()), "ldaps:") {
		c.fail("startTLS", "", "can not be used with ldaps, which is TLS from the beginning")
	}
	c.certificates("trustedCertificates", p.GetTrustedCertificates())
	c.pool(p.GetConnectTimeout(), 0, p.GetMaxPoolSize())
	c.between("responseTimeout", p.GetResponseTimeout(), 3_600_000)
}

func (c *configuration) oauth2(p *configv1.OAuth2Provider) {
	c.oneOf("clientAuthenticationMethod", p.GetClientAuthenticationMethod(), "client_secret_basic", "client_secret_post", "none")
	if !strings.EqualFold(p.GetClientAuthenticationMethod(), "none") {
		c.required("clientSecret", p.GetClientSecret())
	}
	if p.GetWellKnownUri() == "" {
		c.required("userAuthorizationUri", p.GetUserAuthorizationUri(), "accessTokenUri", p.GetAccessTokenUri())
		if !p.GetUseIdTokenForUserInfo() {
			c.required("userProfileUri", p.GetUserProfileUri())
		}
	}
	c.uri("wellKnownUri", p.GetWellKnownUri(), "https")
	c.endpoints(p)
	c.uri("logoutUri", p.GetLogoutUri(), "https")
	c.scopes(p.GetScopes())
	c.oneOf("responseType", p.GetResponseType(), "code")
	c.oneOf("responseMode", p.GetResponseMode(), "default", "query", "form_post")
	c.oneOf("publicKeyResolver", p.GetPublicKeyResolver(), "GIVEN_KEY", "JWKS_URL")
	c.oneOf("codeChallengeMethod", p.GetCodeChallengeMethod(), "S256", "plain")
	c.pool(p.GetConnectTimeout(), p.GetIdleTimeout(), p.GetMaxPoolSize())
	if alg := c.signature(p.GetSignature()); alg.Symmetric() {
		if p.GetPublicKeyResolver() != "" {
			c.fail("publicKeyResolver", "", "must be empty with an HMAC, whose key is the client secret")
		}
		c.required("clientSecret", p.GetClientSecret())
		if n := alg.SecretSize(); len(p.GetClientSecret()) < n {
			c.fail("clientSecret", "", fmt.Sprintf("must have at least %d bytes to be the key of %s", n, alg))
		}
		return
	}
	switch strings.ToUpper(p.GetPublicKeyResolver()) {
	case "JWKS_URL":
		c.required("resolverParameter", p.GetResolverParameter())
		c.uri("resolverParameter", p.GetResolverParameter(), "https")
	case "GIVEN_KEY":
		c.required("resolverParameter", p.GetResolverParameter())
		if _, err := jose.ParseGivenKey(p.GetResolverParameter()); err != nil && p.GetResolverParameter() != "" {
			c.fail("resolverParameter", "", "must be a public key in PEM, as a JWK, or the base64 of its DER")
		}
	default:
		if p.GetUseIdTokenForUserInfo() && p.GetWellKnownUri() == "" {
			c.fail("useIdTokenForUserInfo", "", "needs wellKnownUri or publicKeyResolver, which say by which keys ID tokens are verified")
		}
	}
}

// signature reads the name of an algorithm: both RS256 and the documented RSA_RS256 name it.
func (c *configuration) signature(s string) jose.Algorithm {
	short := s[strings.LastIndexByte(s, '_')+1:]
	for _, alg := range jose.Algorithms() {
		if strings.EqualFold(short, string(alg)) {
			return alg
		}
	}
	if s != "" {
		c.fail("signature", s, "must be a JWS algorithm, such as RS256")
	}
	return ""
}

// endpoints are what providers that redirect have in common.
func (c *configuration) endpoints(p interface {
	GetUserAuthorizationUri() string
	GetAccessTokenUri() string
	GetUserProfileUri() string
}) {
	c.uri("userAuthorizationUri", p.GetUserAuthorizationUri(), "https")
	c.uri("accessTokenUri", p.GetAccessTokenUri(), "https")
	c.uri("userProfileUri", p.GetUserProfileUri(), "https")
}

func (c *configuration) social(p *configv1.SocialProvider) {
	c.endpoints(p)
	c.scopes(p.GetScopes())
	c.oneOf("clientAuthenticationMethod", p.GetClientAuthenticationMethod(), "client_secret_basic", "client_secret_post")
	c.oneOf("codeChallengeMethod", p.GetCodeChallengeMethod(), "S256", "plain")
	c.pool(p.GetConnectTimeout(), p.GetIdleTimeout(), p.GetMaxPoolSize())
}

func (c *configuration) azure(p *configv1.AzureADProvider) {
	if strings.ContainsFunc(p.GetTenantId(), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}) {
		c.fail("tenantId", p.GetTenantId(), "must be the id or a domain of a directory, or common, organizations, consumers")
	}
	c.scopes(p.GetScopes())
	c.oneOf("clientAuthenticationMethod", p.GetClientAuthenticationMethod(), "client_secret_basic", "client_secret_post")
	c.oneOf("codeChallengeMethod", p.GetCodeChallengeMethod(), "S256", "plain")
	c.oneOf("responseMode", p.GetResponseMode(), "default", "query", "form_post")
	c.pool(p.GetConnectTimeout(), p.GetIdleTimeout(), p.GetMaxPoolSize())
}

func (c *configuration) jdbc(p *configv1.JDBCProvider) {
	c.oneOf("protocol", p.GetProtocol(), "postgresql", "mysql", "mariadb", "sqlserver")
	if p.GetPort() < 0 || p.GetPort() > 65535 {
		c.fail("port", strconv.Itoa(int(p.GetPort())), "must be from 0 to 65535")
	}
	if strings.ContainsAny(p.GetHost(), "/?#@ \t\r\n") {
		c.fail("host", p.GetHost(), "must be the name or the address of a host")
	}
	for i, o := range p.GetOptions() {
		c.required(prototree.Index("options", i)+".option", o.GetOption())
	}
}

func (c *configuration) saml2(p *configv1.SAML2Provider) {
	for _, m := range []struct{ path, value string }{
		{"signInUrl", p.GetSignInUrl()}, {"signOutUrl", p.GetSignOutUrl()},
		{"singleLogoutServiceUrl", p.GetSingleLogoutServiceUrl()}, {"idpMetadataUrl", p.GetIdpMetadataUrl()},
	} {
		c.uri(m.path, m.value, "https", "http")
	}
	c.certificates("signingCertificate", p.GetSigningCertificate())
}
