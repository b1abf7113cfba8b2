package catalog

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// A client secret is kept as a hash. Where both sides compute with it, the value itself is part of the application, sealed
// at rest: only as long as the application says so. Fresh values are kept apart for a while, so that an application can
// be created first and then be switched; see Scene.Fresh.

// NeedsKeys reports whether an application's client secrets are keys: it authenticates by client_secret_jwt, or chose an
// algorithm whose key is shared.
func NeedsKeys(a *configv1.Application) bool {
	return a.GetSettings().GetOauth().GetTokenEndpointAuthMethod() == string(oauth2.AuthSecretJWT) || sharedKeyMember(a) != ""
}

// sharedKeyMember returns the place of the first member with an algorithm whose key is the client secret, or nothing.
func sharedKeyMember(a *configv1.Application) string {
	oauth := a.GetSettings().GetOauth()
	if oauth == nil {
		return ""
	}
	for _, s := range signings(oauth) {
		if jose.Algorithm(s.alg).Symmetric() {
			return oauthPath + s.path
		}
	}
	for _, e := range encryptions(oauth) {
		if slices.Contains(sharedKeyManagement, *e.alg) {
			return oauthPath + e.path + "Alg"
		}
	}
	return ""
}

// holdKeys gives the secrets of an application their values where it needs them, and takes them away where it does not.
func holdKeys(s *Scene, a *configv1.Application) {
	needed := NeedsKeys(a)
	for _, c := range a.GetSecrets() {
		if !needed {
			c.Key = nil
			continue
		}
		value, known := s.Made[c.GetId()]
		if !known {
			value, known = s.Fresh[c.GetId()]
		}
		if known && isValueOf(c, value) {
			c.Key = []byte(value)
		}
	}
}

// isValueOf guards against a value that was replaced since. A chosen one is made once, together with its identifier.
func isValueOf(c *configv1.ClientSecret, value string) bool {
	if !secret.IsGenerated(c.GetHash()) {
		return true
	}
	ok, err := secret.VerifyGenerated(c.GetHash(), value)
	return err == nil && ok
}

// checkKeptSecret wants a secret whose value is still there where it is a key, and one that is long enough: for an HMAC as long
// as its hash (RFC 7518 §3.2). Generated secrets always are.
func checkKeptSecret(s *Scene, _, a *configv1.Application) error {
	if !NeedsKeys(a) {
		return nil
	}
	kept, longest := false, 0
	for _, c := range a.GetSecrets() {
		if len(c.GetKey()) > 0 && !ended(c, s.Now) {
			kept, longest = true, max(longest, len(c.GetKey()))
		}
	}
	path, least := longestHMAC(a)
	switch {
	case kept && longest >= least:
		return nil
	case kept:
		return broken(path, "", fmt.Sprintf("needs a client secret of at least %d characters; renew a secret first", least))
	case a.GetSettings().GetOauth().GetTokenEndpointAuthMethod() == string(oauth2.AuthSecretJWT):
		return fault.Invalidf("client_secret_jwt can't be used by this application").At(oauthPath+"tokenEndpointAuthMethod",
			"only a hash of the client secret is left; renew a secret first")
	}
	return broken(sharedKeyMember(a), "", "needs a client secret whose value is known, and only a hash of it is left; renew a secret first")
}

// longestHMAC returns the member with the HMAC that needs the longest key, and how many bytes that is; zero if there is none.
func longestHMAC(a *configv1.Application) (path string, least int) {
	oauth := a.GetSettings().GetOauth()
	if oauth.GetTokenEndpointAuthMethod() == string(oauth2.AuthSecretJWT) {
		path, least = oauthPath+"tokenEndpointAuthMethod", jose.HS256.SecretSize()
	}
	for _, s := range signings(oauth) {
		if n := jose.Algorithm(s.alg).SecretSize(); n > least {
			path, least = oauthPath+s.path, n
		}
	}
	return path, least
}

func ended(c *configv1.ClientSecret, now time.Time) bool {
	return c.GetExpiresAt() != nil && !now.Before(c.GetExpiresAt().AsTime())
}
