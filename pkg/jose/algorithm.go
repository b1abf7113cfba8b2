package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that the table names
	_ "crypto/sha512"
	"encoding/base64"
)

// Algorithm is a JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
type Algorithm string

// The algorithms. There is no "none".
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA"
	HS256 Algorithm = "HS256"
	HS384 Algorithm = "HS384"
	HS512 Algorithm = "HS512"
)

type family uint8

const (
	pkcs1 family = iota + 1
	pss
	ecdsaFamily
	eddsaFamily
	hmacFamily
)

// method is what an algorithm does.
type method struct {
	alg     Algorithm
	family  family
	hash    crypto.Hash    // of the signing input; for EdDSA only that of at_hash and its like
	curve   elliptic.Curve // ECDSA
	scalar  int            // ECDSA: bytes of each half of a signature
	options crypto.SignerOpts
}

// methods is in the order in which discovery and tests list algorithms.
var methods = []*method{
	{alg: RS256, family: pkcs1, hash: crypto.SHA256, options: crypto.SHA256},
	{alg: RS384, family: pkcs1, hash: crypto.SHA384, options: crypto.SHA384},
	{alg: RS512, family: pkcs1, hash: crypto.SHA512, options: crypto.SHA512},
	{alg: PS256, family: pss, hash: crypto.SHA256, options: pssOptions(crypto.SHA256)},
	{alg: PS384, family: pss, hash: crypto.SHA384, options: pssOptions(crypto.SHA384)},
	{alg: PS512, family: pss, hash: crypto.SHA512, options: pssOptions(crypto.SHA512)},
	{alg: ES256, family: ecdsaFamily, hash: crypto.SHA256, curve: elliptic.P256(), scalar: 32, options: crypto.SHA256},
	{alg: ES384, family: ecdsaFamily, hash: crypto.SHA384, curve: elliptic.P384(), scalar: 48, options: crypto.SHA384},
	{alg: ES512, family: ecdsaFamily, hash: crypto.SHA512, curve: elliptic.P521(), scalar: 66, options: crypto.SHA512},
	{alg: EdDSA, family: eddsaFamily, hash: crypto.SHA512, options: crypto.Hash(0)},
	{alg: HS256, family: hmacFamily, hash: crypto.SHA256},
	{alg: HS384, family: hmacFamily, hash: crypto.SHA384},
	{alg: HS512, family: hmacFamily, hash: crypto.SHA512},
}

// pssOptions asks for a salt as long as the hash (RFC 7518 §3.5).
func pssOptions(h crypto.Hash) *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
}

func methodOf(a Algorithm) *method {
	for _, m := range methods {
		if m.alg == a {
			return m
		}
	}
	return nil
}

// Algorithms returns every algorithm.
func Algorithms() []Algorithm {
	all := make([]Algorithm, len(methods))
	for i, m := range methods {
		all[i] = m.alg
	}
	return all
}

// ParseAlgorithm returns the algorithm with exactly this name. "none" is not one.
func ParseAlgorithm(s string) (Algorithm, bool) {
	m := methodOf(Algorithm(s))
	if m == nil {
		return "", false
	}
	return m.alg, true
}

// Symmetric reports whether the algorithm is an HMAC, whose key is a shared secret.
func (a Algorithm) Symmetric() bool {
	m := methodOf(a)
	return m != nil && m.family == hmacFamily
}

// SecretSize returns how many bytes a shared secret needs at least to be the key of an HMAC (RFC 7518 §3.2), and 0 for other
// algorithms.
func (a Algorithm) SecretSize() int {
	if m := methodOf(a); m != nil && m.family == hmacFamily {
		return m.hash.Size()
	}
	return 0
}

// HalfHash returns the left half of the hash of value, base64url-encoded: the claims at_hash, c_hash and s_hash of an
// ID token that is signed with this algorithm (OpenID Connect Core §3.1.3.6, §3.3.2.11). EdDSA uses SHA-512. An
// unknown algorithm gives "".
func (a Algorithm) HalfHash(value string) string {
	m := methodOf(a)
	if m == nil {
		return ""
	}
	h := m.hash.New()
	h.Write([]byte(value))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// fits reports whether a public key can be used with the method.
func (m *method) fits(pub crypto.PublicKey) bool {
	switch p := pub.(type) {
	case *rsa.PublicKey:
		return m.family == pkcs1 || m.family == pss
	case *ecdsa.PublicKey:
		return m.family == ecdsaFamily && p.Curve == m.curve
	case ed25519.PublicKey:
		return m.family == eddsaFamily
	}
	return false
}

// usual returns the algorithm of a key for which none was chosen.
func usual(pub crypto.PublicKey) Algorithm {
	for _, m := range methods {
		if m.fits(pub) {
			return m.alg
		}
	}
	return ""
}
