// Package azuread signs people in with Microsoft Entra ID (Azure AD): those of one directory, of all organisations, or whoever has
// a Microsoft account.
package azuread

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/generic"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

const (
	authority = "https://login.microsoftonline.com/"
	// consumers is the directory of personal Microsoft accounts.
	consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"
	// placeholder stands in the metadata's issuer for the directory of whoever signs in.
	placeholder = "{tenantid}"
)

// New returns the provider.
func New(id string, c *configv1.AzureADProvider, t oidc.Tools) (*oidc.Provider, error) {
	return open(id, c, t, authority)
}

func open(id string, c *configv1.AzureADProvider, t oidc.Tools, authority string) (*oidc.Provider, error) {
	scopes := c.GetScopes()
	if len(scopes) == 0 {
		scopes = []string{"openid", "profile", "email"}
	} else if !slices.Contains(scopes, "openid") {
		scopes = append([]string{"openid"}, scopes...)
	}
	tenant := strings.ToLower(c.GetTenantId())
	return oidc.New(oidc.Site{
		Provider: id, ClientID: c.GetClientId(), ClientSecret: c.GetClientSecret(),
		ClientAuth: generic.First(generic.ClientAuth(c), "client_secret_post"), // the documented one
		Metadata:   authority + url.PathEscape(tenant) + "/v2.0/.well-known/openid-configuration",
		Scopes:     scopes, Method: c.GetCodeChallengeMethod(), Mode: generic.Mode(c.GetResponseMode()), Timeout: generic.Timeout(c),
		Algorithms: []jose.Algorithm{jose.RS256},
		// UserInfo says nothing that the ID token does not, and its subject may be another application's.
		TokenOnly:   true,
		CheckIssuer: func(metadata string, claims *jose.Claims) bool { return believes(tenant, metadata, claims) },
	}, t)
}

// believes compares an issuer with that of the metadata. The metadata of several directories has a placeholder for the one of the
// person, whose id stands in the claim tid: both must name the same directory, and one that the configuration means.
func believes(tenant, metadata string, claims *jose.Claims) bool {
	if !strings.Contains(metadata, placeholder) {
		return claims.Issuer == metadata
	}
	var tid string
	if ok, err := claims.Decode("tid", &tid); !ok || err != nil || !isDirectory(tid) {
		return false
	}
	if tenant == "organizations" && tid == consumers || tenant == "consumers" && tid != consumers {
		return false
	}
	return claims.Issuer == strings.ReplaceAll(metadata, placeholder, tid)
}

// isDirectory reports whether a text is the id of a directory: a UUID in lower case.
func isDirectory(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (c == '-') || !hyphen && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
