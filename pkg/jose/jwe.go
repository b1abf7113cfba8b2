package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// KeyManagement is a JWE key management algorithm (RFC 7518 §4.1).
type KeyManagement string

// The key management algorithms. RSA1_5 and RSA-OAEP with SHA-1 are not among them (RFC 8725 §3.2).
const (
	RSAOAEP256   KeyManagement = "RSA-OAEP-256"
	ECDHES       KeyManagement = "ECDH-ES"
	ECDHESA128KW KeyManagement = "ECDH-ES+A128KW"
	ECDHESA192KW KeyManagement = "ECDH-ES+A192KW"
	ECDHESA256KW KeyManagement = "ECDH-ES+A256KW"
	Direct       KeyManagement = "dir"
	A128KW       KeyManagement = "A128KW"
	A192KW       KeyManagement = "A192KW"
	A256KW       KeyManagement = "A256KW"
	A128GCMKW    KeyManagement = "A128GCMKW"
	A192GCMKW    KeyManagement = "A192GCMKW"
	A256GCMKW    KeyManagement = "A256GCMKW"
	PBES2HS256KW KeyManagement = "PBES2-HS256+A128KW"
	PBES2HS384KW KeyManagement = "PBES2-HS384+A192KW"
	PBES2HS512KW KeyManagement = "PBES2-HS512+A256KW"
)

// ContentEncryption is a JWE content encryption algorithm (RFC 7518 §5.1).
type ContentEncryption string

// The content encryption algorithms.
const (
	A128CBCHS256 ContentEncryption = "A128CBC-HS256"
	A192CBCHS384 ContentEncryption = "A192CBC-HS384"
	A256CBCHS512 ContentEncryption = "A256CBC-HS512"
	A128GCM      ContentEncryption = "A128GCM"
	A192GCM      ContentEncryption = "A192GCM"
	A256GCM      ContentEncryption = "A256GCM"
)

// ErrNoEncryptionKey says that a recipient has no key for an algorithm.
var ErrNoEncryptionKey = errors.New("the recipient has no key for the encryption algorithm")

// secretUse says how a shared secret becomes the key of an algorithm.
type secretUse uint8

const (
	public   secretUse = iota // not at all: the algorithm takes a public key
	derived                   // by its hash, as long as the algorithm's key
	direct                    // by its hash, as long as the key of the content encryption
	password                  // as it is
)

type keyMethod struct {
	alg    KeyManagement
	jwx    jwa.KeyEncryptionAlgorithm
	secret secretUse
	size   int // bytes of the derived key
}

// keyMethods is in the order in which discovery lists algorithms.
var keyMethods = []*keyMethod{
	{alg: RSAOAEP256, jwx: jwa.RSA_OAEP_256},
	{alg: ECDHES, jwx: jwa.ECDH_ES},
	{alg: ECDHESA128KW, jwx: jwa.ECDH_ES_A128KW},
	{alg: ECDHESA192KW, jwx: jwa.ECDH_ES_A192KW},
	{alg: ECDHESA256KW, jwx: jwa.ECDH_ES_A256KW},
	{alg: Direct, jwx: jwa.DIRECT, secret: direct},
	{alg: A128KW, jwx: jwa.A128KW, secret: derived, size: 16},
	{alg: A192KW, jwx: jwa.A192KW, secret: derived, size: 24},
	{alg: A256KW, jwx: jwa.A256KW, secret: derived, size: 32},
	{alg: A128GCMKW, jwx: jwa.A128GCMKW, secret: derived, size: 16},
	{alg: A192GCMKW, jwx: jwa.A192GCMKW, secret: derived, size: 24},
	{alg: A256GCMKW, jwx: jwa.A256GCMKW, secret: derived, size: 32},
	{alg: PBES2HS256KW, jwx: jwa.PBES2_HS256_A128KW, secret: password},
	{alg: PBES2HS384KW, jwx: jwa.PBES2_HS384_A192KW, secret: password},
	{alg: PBES2HS512KW, jwx: jwa.PBES2_HS512_A256KW, secret: password},
}

type contentMethod struct {
	enc  ContentEncryption
	jwx  jwa.ContentEncryptionAlgorithm
	size int // bytes of the key
	iv   int // bytes of the initialization vector
	tag  int // bytes of the authentication tag
}

var contentMethods = []*contentMethod{
	{A128CBCHS256, jwa.A128CBC_HS256, 32, 16, 16},
	{A192CBCHS384, jwa.A192CBC_HS384, 48, 16, 24},
	{A256CBCHS512, jwa.A256CBC_HS512, 64, 16, 32},
	{A128GCM, jwa.A128GCM, 16, 12, 16},
	{A192GCM, jwa.A192GCM, 24, 12, 16},
	{A256GCM, jwa.A256GCM, 32, 12, 16},
}

func keyMethodOf(alg KeyManagement) *keyMethod {
	i := slices.IndexFunc(keyMethods, func(m *keyMethod) bool { return m.alg == alg })
	if i < 0 {
		return nil
	}
	return keyMethods[i]
}

func contentMethodOf(enc ContentEncryption) *contentMethod {
	i := slices.IndexFunc(contentMethods, func(m *contentMethod) bool { return m.enc == enc })
	if i < 0 {
		return nil
	}
	return contentMethods[i]
}

// KeyManagements returns every key management algorithm, those with shared secrets included.
func KeyManagements() []KeyManagement {
	all := make([]KeyManagement, len(keyMethods))
	for i, m := range keyMethods {
		all[i] = m.alg
	}
	return all
}

// ContentEncryptions returns every content encryption algorithm.
func ContentEncryptions() []ContentEncryption {
	all := make([]ContentEncryption, len(contentMethods))
	for i, m := range contentMethods {
		all[i] = m.enc
	}
	return all
}

// ParseKeyManagement returns the algorithm with exactly this name.
func ParseKeyManagement(s string) (KeyManagement, bool) {
	if m := keyMethodOf(KeyManagement(s)); m != nil {
		return m.alg, true
	}
	return "", false
}

// ParseContentEncryption returns the algorithm with exactly this name. Empty is the default of OpenID Connect
// Registration §2, A128CBC-HS256.
func ParseContentEncryption(s string) (ContentEncryption, bool) {
	if s == "" {
		return A128CBCHS256, true
	}
	if m := contentMethodOf(ContentEncryption(s)); m != nil {
		return m.enc, true
	}
	return "", false
}

// Symmetric reports whether the key of the algorithm is a shared secret.
func (k KeyManagement) Symmetric() bool {
	m := keyMethodOf(k)
	return m != nil && m.secret != public
}

// fits reports whether the algorithm encrypts for a public key.
func (m *keyMethod) fits(pub crypto.PublicKey) bool {
	switch pub.(type) {
	case *rsa.PublicKey:
		return m.alg == RSAOAEP256
	case *ecdsa.PublicKey:
		return m.alg == ECDHES || m.alg == ECDHESA128KW || m.alg == ECDHESA192KW || m.alg == ECDHESA256KW
	}
	return false
}

// fromSecret returns the key that a client secret is for the algorithm: the leftmost bytes of the SHA-2 hash that is
// long enough (OpenID Connect Core §10.2); for PBES2 the secret itself is the password (RFC 7518 §4.8).
func (m *keyMethod) fromSecret(secret string, c *contentMethod) ([]byte, error) {
	if secret == "" {
		return nil, fmt.Errorf("%w: an empty secret", ErrKey)
	}
	switch m.secret {
	case derived:
		return leftmost(secret, m.size), nil
	case direct:
		return leftmost(secret, c.size), nil
	case password:
		return []byte(secret), nil
	}
	return nil, fmt.Errorf("%w: %s takes no shared secret", ErrKey, m.alg)
}

func leftmost(secret string, size int) []byte {
	switch {
	case size <= sha256.Size:
		sum := sha256.Sum256([]byte(secret))
		return sum[:size]
	case size <= sha512.Size384:
		sum := sha512.Sum384([]byte(secret))
		return sum[:size]
	}
	sum := sha512.Sum512([]byte(secret))
	return sum[:size]
}
