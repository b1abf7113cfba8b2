// Package clientkeys works with the keys of clients: it verifies what they signed and encrypts what only they may read. A
// client's keys are its secrets, keys in its configuration, or a document that it publishes (jwks_uri).
//
// Published keys are kept as long as the document's headers say, between five minutes and a day. They are fetched again for
// a key that is not among them, at most once in ten seconds; a failure is remembered as long. While a document cannot be
// fetched the keys that were read last are used on, for an hour.
package clientkeys

import (
	"context"
	"crypto"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// ErrNoKeys says that a client has no keys of the kind that is needed.
var ErrNoKeys = errors.New("the client has no key for this")

// Keys are the keys of all clients. It is safe for concurrent use.
type Keys struct {
	now       func() time.Time
	published *published
}

// New returns the keys of clients; those that they publish are fetched by fetch.
func New(fetch *outbound.Client, now func() time.Time) *Keys {
	return &Keys{now: now, published: newPublished(fetch, now)}
}

// Verify checks a JWS that a client made (RFC 7515): an HMAC by its secrets, any other signature by its keys. The check
// must name the algorithms that the client may use, so that the token's header chooses among these alone (RFC 8725 §3.1).
// Errors are those of jose.KeySet.Verify, ErrNoKeys, and what fetching the keys failed with.
func (k *Keys) Verify(ctx context.Context, c *domain.Client, token string, check jose.Check) (*jose.Token, error) {
	header, err := jose.ReadHeader(token, check.MaxSize)
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains(check.Algorithms, header.Algorithm):
		return nil, jose.ErrAlgorithm
	case header.Algorithm.Symmetric():
		return k.verifyBySecret(c, token, check)
	}
	set, err := k.set(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	t, err := set.Verify(token, check)
	if !errors.Is(err, jose.ErrUnknownKey) && (header.KeyID != "" || !errors.Is(err, jose.ErrSignature)) {
		return t, err
	}
	fresh, fetchErr := k.set(ctx, c, set)
	if fetchErr != nil || fresh == set {
		return nil, err
	}
	return fresh.Verify(token, check)
}

func (k *Keys) verifyBySecret(c *domain.Client, token string, check jose.Check) (*jose.Token, error) {
	err := ErrNoKeys
	for _, secret := range c.SecretValues(k.now()) {
		var t *jose.Token
		if t, err = jose.VerifyWithSecret(token, secret, check); err == nil {
			return t, nil
		}
	}
	return nil, err
}

// noKey is how an answer that cannot be encrypted is refused.
var noKey = oauth2.InvalidClientMetadata.Errorf("no matching key found to encrypt")

// Encrypt returns the compact JWE of a payload for a client (RFC 7516). An empty enc is A128CBC-HS256; cty is jose.ContentJWT
// where the payload is a JWS. A client without a usable key is invalid_client_metadata.
func (k *Keys) Encrypt(ctx context.Context, c *domain.Client, alg, enc string, payload []byte, cty string) (string, error) {
	management, known := jose.ParseKeyManagement(alg)
	content, ok := jose.ParseContentEncryption(enc)
	if !known || !ok {
		return "", noKey.WithCause(errors.New("the algorithms are not supported"))
	}
	e, err := k.encrypter(ctx, c, management, content)
	if err != nil {
		return "", noKey.WithCause(err)
	}
	token, err := e.Encrypt(payload, cty)
	if err != nil {
		return "", err
	}
	return token, nil
}

func (k *Keys) encrypter(ctx context.Context, c *domain.Client, alg jose.KeyManagement, enc jose.ContentEncryption) (*jose.Encrypter, error) {
	if alg.Symmetric() {
		secrets := c.SecretValues(k.now())
		if len(secrets) == 0 {
			return nil, ErrNoKeys
		}
		return jose.NewSecretEncrypter(secrets[0], alg, enc)
	}
	set, err := k.set(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	e, err := set.Encrypter(alg, enc)
	if !errors.Is(err, jose.ErrNoEncryptionKey) {
		return e, err
	}
	fresh, fetchErr := k.set(ctx, c, set)
	if fetchErr != nil || fresh == set {
		return nil, err
	}
	return fresh.Encrypter(alg, enc)
}

// Certificates returns the public keys of which a client may present self-signed certificates (RFC 8705 §2.2.2).
func (k *Keys) Certificates(ctx context.Context, c *domain.Client) ([]crypto.PublicKey, error) {
	set, err := k.set(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	return set.PublicKeys(), nil
}

// Certified reports whether a client may present a self-signed certificate of a public key. Keys that the client publishes
// are fetched again for one that is not among them.
func (k *Keys) Certified(ctx context.Context, c *domain.Client, pub crypto.PublicKey) (bool, error) {
	has := func(set *jose.KeySet) bool {
		return slices.ContainsFunc(set.PublicKeys(), func(own crypto.PublicKey) bool { return jose.SamePublic(own, pub) })
	}
	set, err := k.set(ctx, c, nil)
	if err != nil || has(set) {
		return err == nil, err
	}
	fresh, err := k.set(ctx, c, set)
	return err == nil && fresh != set && has(fresh), err
}

// set returns a client's key set. Where missed is the one that it returned before, which has not what was looked for, a
// published set is fetched again if that may be done now; the answer is missed where it is not.
func (k *Keys) set(ctx context.Context, c *domain.Client, missed *jose.KeySet) (*jose.KeySet, error) {
	switch {
	case c.Keys != nil:
		return c.Keys, nil
	case c.KeysURI == "":
		return nil, ErrNoKeys
	}
	return k.published.get(ctx, clientKey{c.ID, c.KeysURI}, missed)
}
