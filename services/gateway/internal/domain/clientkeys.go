package domain

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// compileKeys chooses the keys that sign for the client, and reads those that are the client's own.
func (c *Client) compileKeys(core *Core, app *configv1.Application) (problems []error) {
	o := app.GetSettings().GetOauth()
	key := func(what, alg string, otherwise ...string) *jose.Key {
		k, err := core.responseKey(c, app.GetCertificate(), alg, otherwise...)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", what, err))
		}
		return k
	}
	chosen := []string{o.GetAccessTokenSigningAlg(), core.Settings.GetOidc().GetAccessTokenSigningAlg()}
	if c.Profile.Strict() {
		chosen = append(append(chosen, string(jose.ES256)), c.signs()...)
	}
	c.AccessKey = core.signingKey(app.GetCertificate(), chosen...)
	c.IDEncryption = encryptionOf(o.GetIdTokenEncryptedResponseAlg(), o.GetIdTokenEncryptedResponseEnc())
	c.UserInfoEncryption = encryptionOf(o.GetUserinfoEncryptedResponseAlg(), o.GetUserinfoEncryptedResponseEnc())
	c.AuthorizationEncryption = encryptionOf(o.GetAuthorizationEncryptedResponseAlg(), o.GetAuthorizationEncryptedResponseEnc())
	c.IDKey = key("ID tokens", o.GetIdTokenSignedResponseAlg(), c.signs()...)
	if alg := o.GetUserinfoSignedResponseAlg(); alg != "" {
		c.UserInfoKey = key("UserInfo", alg)
	}
	usual := c.signs()
	if usual == nil {
		usual = []string{string(jose.RS256)} // JARM §3, where nothing is registered
	}
	c.AuthorizationKey = key("authorization responses", o.GetAuthorizationSignedResponseAlg(), usual...)
	c.KeysURI = o.GetJwksUri()
	if o.GetJwks() == nil {
		return problems
	}
	data, err := json.Marshal(o.GetJwks().AsMap())
	if err == nil {
		c.Keys, err = jose.ParseJWKS(data)
	}
	if err != nil {
		problems = append(problems, fmt.Errorf("jwks: %w", err))
	}
	return problems
}

// Encryption is how a client wants something encrypted: the algorithms of RFC 7518 §4.1 and §5.1. An empty Enc is the usual one.
type Encryption struct{ Alg, Enc string }

func encryptionOf(alg, enc string) *Encryption {
	if alg == "" {
		return nil
	}
	return &Encryption{alg, enc}
}

// signs are the algorithms of which one has to sign where the client registered none: those of the profile that does not allow
// the usual RS256, and RS256 itself in other strict ones (OpenID Connect Core §15.1). Under the compatible profile there are none,
// and the certificate decides.
func (c *Client) signs() []string {
	switch {
	case !c.Profile.Strict():
		return nil
	case c.Profile.Signs(jose.RS256):
		return []string{string(jose.RS256)}
	}
	names := make([]string, len(c.Profile.SigningAlgs))
	for i, a := range c.Profile.SigningAlgs {
		names[i] = string(a)
	}
	return names
}

// responseKey returns the key that signs what the client receives: for an HMAC the secret that lives longest of those whose
// value is known (OpenID Connect Core §10.1), else a key of the domain, by the algorithms in otherwise where none is
// registered. Where there is no such secret the error says so and the key is one of the domain's: a client that expects an
// HMAC refuses the token, and learns nothing that it could not have.
func (core *Core) responseKey(c *Client, certificate, alg string, otherwise ...string) (*jose.Key, error) {
	if alg == "" {
		return core.signingKey(certificate, otherwise...), nil
	}
	if !jose.Algorithm(alg).Symmetric() {
		return core.signingKey(certificate, append([]string{alg}, otherwise...)...), nil
	}
	values := c.SecretValues(time.Time{})
	if len(values) == 0 {
		return core.signingKey(certificate, otherwise...), fmt.Errorf("%s needs the value of a client secret, and none is kept", alg)
	}
	key, err := jose.NewHMACKey("", jose.Algorithm(alg), []byte(values[0]))
	if err != nil {
		return core.signingKey(certificate, otherwise...), err
	}
	return key, nil
}

// SecretValues returns the client's secrets as keys, where it needs them so: those that have not ended by now, the one that
// lives longest first, and of two that live as long the younger one. They must not be shown.
func (c *Client) SecretValues(now time.Time) []string {
	var usable []Secret
	for _, s := range slices.Backward(c.Secrets) {
		if s.Value != "" && (s.Expires.IsZero() || now.Before(s.Expires)) {
			usable = append(usable, s)
		}
	}
	slices.SortStableFunc(usable, func(a, b Secret) int {
		switch {
		case a.Expires.Equal(b.Expires):
			return 0
		case a.Expires.IsZero(), !b.Expires.IsZero() && a.Expires.After(b.Expires):
			return -1
		}
		return 1
	})
	values := make([]string, len(usable))
	for i, s := range usable {
		values[i] = s.Value
	}
	return values
}
