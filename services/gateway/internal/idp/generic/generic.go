// Package generic signs people in at an OpenID Provider or an OAuth 2.0 server that the administrator describes.
package generic

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/oidc"
)

// New returns the provider.
func New(id string, c *configv1.OAuth2Provider, t oidc.Tools) (*oidc.Provider, error) {
	site := oidc.Site{
		Provider: id, ClientID: c.GetClientId(), ClientSecret: c.GetClientSecret(), ClientAuth: strings.ToLower(c.GetClientAuthenticationMethod()),
		Metadata:      c.GetWellKnownUri(),
		Authorization: c.GetUserAuthorizationUri(), Token: c.GetAccessTokenUri(), UserInfo: c.GetUserProfileUri(),
		Scopes: c.GetScopes(), Delimiter: c.GetScopeDelimiter(), Method: c.GetCodeChallengeMethod(),
		Mode: Mode(c.GetResponseMode()), TokenOnly: c.GetUseIdTokenForUserInfo(), Timeout: Timeout(c),
	}
	if site.TokenOnly && !slices.Contains(site.Scopes, "openid") {
		site.Scopes = append([]string{"openid"}, site.Scopes...) // without it no ID token comes
	}
	if err := keys(&site, c); err != nil {
		return nil, err
	}
	return oidc.New(site, t)
}

// keys reads where the keys of ID tokens are, and which algorithm they are for.
func keys(site *oidc.Site, c *configv1.OAuth2Provider) error {
	alg, err := Algorithm(c.GetSignature())
	if err != nil {
		return err
	}
	if alg != "" {
		site.Algorithms = []jose.Algorithm{alg}
	}
	if alg.Symmetric() { // OpenID Connect Core §3.1.3.7: the client secret is the key, and no other
		if site.Secret = c.GetClientSecret(); len(site.Secret) < alg.SecretSize() {
			return fmt.Errorf("signature: %s needs a client secret of at least %d bytes", alg, alg.SecretSize())
		}
		return nil
	}
	switch strings.ToUpper(c.GetPublicKeyResolver()) {
	case "JWKS_URL":
		site.KeysURL = c.GetResolverParameter()
	case "GIVEN_KEY":
		if site.Keys, err = jose.ParseGivenKey(c.GetResolverParameter()); err != nil {
			return fmt.Errorf("resolverParameter: %w", err)
		}
	}
	return nil
}

// Algorithm reads the name of an algorithm: RS256, or RSA_RS256 as older configurations have it. Nothing is no algorithm.
func Algorithm(name string) (jose.Algorithm, error) {
	if name == "" {
		return "", nil
	}
	short := name[strings.LastIndexByte(name, '_')+1:]
	for _, alg := range jose.Algorithms() {
		if strings.EqualFold(string(alg), short) {
			return alg, nil
		}
	}
	return "", fmt.Errorf("signature: %q is not a JWS algorithm", name)
}

// Mode reads a response mode; `default` leaves it to the site.
func Mode(name string) string {
	if strings.EqualFold(name, "default") {
		return ""
	}
	return strings.ToLower(name)
}

// Timeout is how long one request may take, by the times that a configuration gives for connecting and for waiting; 0 = the
// product's own limits.
func Timeout(c interface {
	GetConnectTimeout() int32
	GetIdleTimeout() int32
}) time.Duration {
	if c.GetIdleTimeout() <= 0 {
		return 0
	}
	return time.Duration(max(c.GetConnectTimeout(), 0)+c.GetIdleTimeout()) * time.Millisecond
}

// ClientAuth is how a client authenticates at a well-known site; empty = as the site's metadata says.
func ClientAuth(c interface{ GetClientAuthenticationMethod() string }) string {
	return strings.ToLower(c.GetClientAuthenticationMethod())
}

// First returns the first text that is not empty.
func First(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
