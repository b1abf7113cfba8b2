package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// The limits of a JWK set that comes from a client.
const (
	maxJWKSBytes = 256 << 10
	maxJWKSKeys  = 64
)

// ErrPrivateKey says that a JWK set which is to hold public keys holds a private or symmetric one.
var ErrPrivateKey = errors.New("the key set contains a private or symmetric key")

// jsonKey is a public JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). The order of the members is the order on the wire.
type jsonKey struct {
	Type      string    `json:"kty"`
	Use       string    `json:"use,omitempty"`
	Algorithm Algorithm `json:"alg,omitempty"`
	KeyID     string    `json:"kid,omitempty"`
	Curve     string    `json:"crv,omitempty"`
	X         string    `json:"x,omitempty"`
	Y         string    `json:"y,omitempty"`
	N         string    `json:"n,omitempty"`
	E         string    `json:"e,omitempty"`
}

// publicJWK returns the members that describe the public key itself.
func publicJWK(pub crypto.PublicKey) jsonKey {
	switch p := pub.(type) {
	case *rsa.PublicKey:
		return jsonKey{
			Type: "RSA",
			N:    b64.EncodeToString(p.N.Bytes()),
			E:    b64.EncodeToString(big.NewInt(int64(p.E)).Bytes()),
		}
	case *ecdsa.PublicKey:
		point, err := p.Bytes() // 4, x, y
		if err != nil {
			return jsonKey{}
		}
		half := 1 + len(point)/2
		return jsonKey{
			Type:  "EC",
			Curve: p.Curve.Params().Name,
			X:     b64.EncodeToString(point[1:half]),
			Y:     b64.EncodeToString(point[half:]),
		}
	case ed25519.PublicKey:
		return jsonKey{Type: "OKP", Curve: "Ed25519", X: b64.EncodeToString(p)}
	}
	return jsonKey{}
}

func typeName(pub crypto.PublicKey) string {
	j := publicJWK(pub)
	if j.Curve != "" {
		return j.Type + " " + j.Curve
	}
	return j.Type
}

// thumbprint returns the SHA-256 thumbprint of a public key, base64url-encoded (RFC 7638 §3, RFC 8037 §2).
func thumbprint(pub crypto.PublicKey) string {
	j := publicJWK(pub)
	var members string
	switch j.Type {
	case "RSA":
		members = `{"e":"` + j.E + `","kty":"RSA","n":"` + j.N + `"}`
	case "EC":
		members = `{"crv":"` + j.Curve + `","kty":"EC","x":"` + j.X + `","y":"` + j.Y + `"}`
	case "OKP":
		members = `{"crv":"` + j.Curve + `","kty":"OKP","x":"` + j.X + `"}`
	default:
		return ""
	}
	sum := sha256.Sum256([]byte(members))
	return b64.EncodeToString(sum[:])
}

// Thumbprint returns the SHA-256 thumbprint of the public part (RFC 7638), and "" for a shared secret.
func (k *Key) Thumbprint() string { return thumbprint(k.public) }

func (k *Key) jsonKey() jsonKey {
	j := publicJWK(k.public)
	j.Use, j.Algorithm, j.KeyID = "sig", k.method.alg, k.id
	return j
}

// PublicJWK returns the public part as the members of a JWK with use, alg and kid. A shared secret has none: nil.
func (k *Key) PublicJWK() map[string]any {
	if k.public == nil {
		return nil
	}
	data, err := json.Marshal(k.jsonKey())
	if err != nil {
		return nil
	}
	var members map[string]any
	if json.Unmarshal(data, &members) != nil {
		return nil
	}
	return members
}

// ParseJWKS reads a client's JWK set (RFC 7517 §5): at most 64 keys in at most 256 KiB. Keys of an unknown type or
// curve are left out, as §5 asks. A malformed or weak key makes the whole set invalid, as does a private or a
// symmetric one (ErrPrivateKey). An empty set is valid; see Len.
func ParseJWKS(data []byte) (*KeySet, error) {
	if len(data) > maxJWKSBytes {
		return nil, fmt.Errorf("%w: a key set of more than %d bytes", ErrKey, maxJWKSBytes)
	}
	var set map[string]json.RawMessage
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("%w: the key set is not a JSON object", ErrKey)
	}
	var all []json.RawMessage
	if err := json.Unmarshal(set["keys"], &all); err != nil || all == nil {
		return nil, fmt.Errorf("%w: the key set has no array keys", ErrKey)
	}
	if len(all) > maxJWKSKeys {
		return nil, fmt.Errorf("%w: a key set of more than %d keys", ErrKey, maxJWKSKeys)
	}
	s := &KeySet{}
	for i, raw := range all {
		v, err := parseJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if v != nil {
			s.add(v)
		}
	}
	s.seal()
	return s, nil
}

// parseJWK reads one public key. It returns nil without an error for a key that is to be ignored.
func parseJWK(raw json.RawMessage) (*verifier, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, fmt.Errorf("%w: not a JSON object", ErrKey)
	}
	var kty, crv string
	if err := json.Unmarshal(members["kty"], &kty); err != nil || kty == "" {
		return nil, fmt.Errorf("%w: kty is missing", ErrKey)
	}
	if _, private := members["d"]; private || kty == "oct" {
		return nil, ErrPrivateKey
	}
	_ = json.Unmarshal(members["crv"], &crv) // a wrong crv is an unknown one
	switch {
	case kty == "RSA":
	case kty == "EC" && (crv == "P-256" || crv == "P-384" || crv == "P-521"):
	case kty == "OKP" && crv == "Ed25519":
	default:
		return nil, nil
	}
	key, err := jwk.ParseKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: a malformed %s key", ErrKey, kty)
	}
	pub, err := rawPublic(key)
	if err != nil {
		return nil, err
	}
	if err := checkChain(members["x5c"], pub); err != nil {
		return nil, err
	}
	return newVerifier(key, pub), nil
}

// checkChain makes sure that the first certificate of a chain, where there is one, is of the same key (RFC 7517 §4.7).
func checkChain(raw json.RawMessage, pub crypto.PublicKey) error {
	if raw == nil {
		return nil
	}
	var chain [][]byte // padded base64, as encoding/json reads bytes
	if json.Unmarshal(raw, &chain) != nil || len(chain) == 0 {
		return fmt.Errorf("%w: x5c is not an array of certificates", ErrKey)
	}
	c, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return fmt.Errorf("%w: x5c does not begin with a certificate", ErrKey)
	}
	if !SamePublic(pub, c.PublicKey) {
		return fmt.Errorf("%w: x5c begins with a certificate of another key", ErrKey)
	}
	return nil
}

// rawPublic returns the standard library's form of a parsed JWK, checked.
func rawPublic(key jwk.Key) (crypto.PublicKey, error) {
	var raw any
	if err := key.Raw(&raw); err != nil {
		return nil, fmt.Errorf("%w: a malformed %s key", ErrKey, key.KeyType())
	}
	if err := checkPublic(raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// encrypting reports whether a key operation is one of somebody who encrypts for the owner of a public key (RFC 7517
// §4.3). Agreements are listed with the operations of the private key, so both sides' names count.
func encrypting(op jwk.KeyOperation) bool {
	switch op {
	case jwk.KeyOpEncrypt, jwk.KeyOpWrapKey, jwk.KeyOpDeriveKey, jwk.KeyOpDeriveBits:
		return true
	}
	return false
}

// newVerifier returns the key of a client's JWK. A key for encryption, or for an algorithm that is not one of ours, is
// kept without signature methods, so it counts and verifies nothing; a key for signatures encrypts nothing.
func newVerifier(key jwk.Key, pub crypto.PublicKey) *verifier {
	v := &verifier{id: key.KeyID(), public: pub}
	j := publicJWK(pub)
	j.Use, j.KeyID = key.KeyUsage(), v.id
	named := ""
	if a := key.Algorithm(); a != nil {
		named = a.String()
		j.Algorithm = Algorithm(named)
	}
	v.jwk = j
	ops := key.KeyOps()
	v.encrypts = (j.Use == "" || j.Use == string(jwk.ForEncryption)) && (len(ops) == 0 || slices.ContainsFunc(ops, encrypting)) &&
		(named == "" || keyMethodOf(KeyManagement(named)) != nil)
	if (j.Use != "" && j.Use != string(jwk.ForSignature)) || (len(ops) > 0 && !slices.Contains(ops, jwk.KeyOpVerify)) {
		return v
	}
	for _, m := range methods {
		if m.fits(pub) && (named == "" || named == string(m.alg)) {
			v.methods = append(v.methods, m)
		}
	}
	return v
}
