package jose

import (
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwe"
)

// ContentJWT is the content type of a payload that is itself a JWT (RFC 7519 §5.2).
const ContentJWT = "JWT"

// Encrypter encrypts for one recipient with one pair of algorithms. It is immutable and safe for concurrent use.
type Encrypter struct {
	kid     string
	key     any // *rsa.PublicKey, *ecdsa.PublicKey or []byte
	method  *keyMethod
	content *contentMethod
}

// NewSecretEncrypter returns an encrypter for a client that shares this secret with us. The key follows from the secret
// as OpenID Connect Core §10.2 says. An error wraps ErrKey.
func NewSecretEncrypter(secret string, alg KeyManagement, enc ContentEncryption) (*Encrypter, error) {
	m, c, err := encryptionMethods(alg, enc)
	if err != nil {
		return nil, err
	}
	key, err := m.fromSecret(secret, c)
	if err != nil {
		return nil, err
	}
	return &Encrypter{key: key, method: m, content: c}, nil
}

// Encrypter returns an encrypter for the owner of the set. Of the keys that may be used so it takes one that names the
// algorithm before one that names none, and one for encryption before one for any use. A key for signatures is never
// taken. It returns ErrNoEncryptionKey if there is none, and ErrKey for an algorithm that is not one of ours.
func (s *KeySet) Encrypter(alg KeyManagement, enc ContentEncryption) (*Encrypter, error) {
	m, c, err := encryptionMethods(alg, enc)
	if err != nil {
		return nil, err
	}
	var best *verifier
	rank := -1
	for _, v := range s.all {
		if !v.encrypts || !m.fits(v.public) || (v.jwk.Algorithm != "" && string(v.jwk.Algorithm) != string(alg)) {
			continue
		}
		own := 0
		if v.jwk.Algorithm != "" {
			own += 2
		}
		if v.jwk.Use != "" {
			own++
		}
		if own > rank {
			best, rank = v, own
		}
	}
	if best == nil {
		return nil, ErrNoEncryptionKey
	}
	return &Encrypter{kid: best.id, key: best.public, method: m, content: c}, nil
}

func encryptionMethods(alg KeyManagement, enc ContentEncryption) (*keyMethod, *contentMethod, error) {
	m, c := keyMethodOf(alg), contentMethodOf(enc)
	if m == nil {
		return nil, nil, fmt.Errorf("%w: key management algorithm %q is not supported", ErrKey, alg)
	}
	if c == nil {
		return nil, nil, fmt.Errorf("%w: content encryption algorithm %q is not supported", ErrKey, enc)
	}
	return m, c, nil
}

// KeyID is the kid of the recipient's key, "" if it has none.
func (e *Encrypter) KeyID() string { return e.kid }

// Encrypt returns the compact JWE of a payload (RFC 7516 §7.1). Cty is the header parameter of that name, ContentJWT
// where the payload is a JWS; "" leaves it out. Nothing is compressed.
func (e *Encrypter) Encrypt(payload []byte, cty string) (string, error) {
	h := jwe.NewHeaders()
	if e.kid != "" {
		if err := h.Set(jwe.KeyIDKey, e.kid); err != nil {
			return "", fmt.Errorf("encrypt for key %q: %w", e.kid, err)
		}
	}
	if cty != "" {
		if err := h.Set(jwe.ContentTypeKey, cty); err != nil {
			return "", fmt.Errorf("encrypt for key %q: %w", e.kid, err)
		}
	}
	token, err := jwe.Encrypt(payload,
		jwe.WithKey(e.method.jwx, e.key),
		jwe.WithContentEncryption(e.content.jwx),
		jwe.WithProtectedHeaders(h))
	if err != nil {
		return "", fmt.Errorf("encrypt for key %q with %s: %w", e.kid, e.method.alg, err)
	}
	return string(token), nil
}

// EncryptionAlgorithms returns the key management algorithms for which the owner of the set has a key, in the order of
// KeyManagements.
func (s *KeySet) EncryptionAlgorithms() []KeyManagement {
	var all []KeyManagement
	for _, m := range keyMethods {
		if _, err := s.Encrypter(m.alg, A128CBCHS256); err == nil {
			all = append(all, m.alg)
		}
	}
	return all
}
