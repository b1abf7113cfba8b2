package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// ErrKey says that key material cannot be used: malformed, of an unknown type, too weak, or unfit for the algorithm.
var ErrKey = errors.New("unusable key")

// The sizes of RSA keys in bits. The lower bound is RFC 7518 §3.3's; the upper one bounds the work of a verification.
const (
	minRSA       = 2048
	maxRSA       = 8192
	generatedRSA = 2048
)

// maxKeyInput is the largest encoded key in bytes that is parsed.
const maxKeyInput = 64 << 10

// The values of the header parameter typ that are encoded in advance.
const (
	TypeNone        = ""             // no typ
	TypeJWT         = "JWT"          // RFC 7519 §5.1
	TypeAccessToken = "at+jwt"       // RFC 9068 §2.1
	TypeLogoutToken = "logout+jwt"   // OpenID Connect Back-Channel Logout §2.4
	TypeSET         = "secevent+jwt" // RFC 8417 §2.3
)

var commonTypes = [...]string{TypeJWT, TypeAccessToken, TypeNone, TypeLogoutToken, TypeSET}

// Key is one signing key: a private key or a shared secret, its algorithm and its identifier. It is immutable and safe
// for concurrent use. Printing or logging it shows the identifier and the algorithm alone.
type Key struct {
	id      string
	method  *method
	signer  crypto.Signer // nil for HMAC
	secret  []byte        // HMAC only
	public  crypto.PublicKey
	headers [len(commonTypes)]string // base64url JOSE header and a dot
}

// NewKey returns a key over any signer, such as one in a hardware module. An empty kid becomes the thumbprint of the
// key (RFC 7638), an empty alg the usual one for its type: RS256, ES256, ES384, ES512 or EdDSA.
func NewKey(signer crypto.Signer, kid string, alg Algorithm) (*Key, error) {
	pub := signer.Public()
	if err := checkPublic(pub); err != nil {
		return nil, err
	}
	if alg == "" {
		alg = usual(pub)
	}
	m := methodOf(alg)
	if m == nil {
		return nil, fmt.Errorf("%w: algorithm %q is not supported", ErrKey, alg)
	}
	if !m.fits(pub) {
		return nil, fmt.Errorf("%w: algorithm %s does not fit a key of type %s", ErrKey, alg, typeName(pub))
	}
	if kid == "" {
		kid = thumbprint(pub)
	}
	return (&Key{method: m, signer: signer, public: pub}).WithID(kid), nil
}

// NewHMACKey returns a key that signs with a shared secret. The secret must have at least as many bytes as the hash:
// 32, 48 or 64 (RFC 7518 §3.2).
func NewHMACKey(kid string, alg Algorithm, secret []byte) (*Key, error) {
	m := methodOf(alg)
	if m == nil || m.family != hmacFamily {
		return nil, fmt.Errorf("%w: algorithm %q is no HMAC", ErrKey, alg)
	}
	if len(secret) < m.hash.Size() {
		return nil, fmt.Errorf("%w: %s needs a secret of at least %d bytes", ErrKey, alg, m.hash.Size())
	}
	return (&Key{method: m, secret: slices.Clone(secret)}).WithID(kid), nil
}

// GenerateKey returns a new key for an asymmetric algorithm. RSA keys have 2048 bits. An empty kid becomes the
// thumbprint of the key.
func GenerateKey(alg Algorithm, kid string) (*Key, error) {
	m := methodOf(alg)
	if m == nil || m.family == hmacFamily {
		return nil, fmt.Errorf("%w: no key can be generated for algorithm %q", ErrKey, alg)
	}
	var signer crypto.Signer
	var err error
	switch m.family {
	case pkcs1, pss:
		signer, err = rsa.GenerateKey(rand.Reader, generatedRSA)
	case ecdsaFamily:
		signer, err = ecdsa.GenerateKey(m.curve, rand.Reader)
	case eddsaFamily:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("generate %s key: %w", alg, err)
	}
	return NewKey(signer, kid, alg)
}

// ParsePrivateKey reads a private key in PEM (PKCS #8, PKCS #1 or SEC 1) or in DER (PKCS #8). Other blocks of the PEM,
// such as certificates, are skipped. Kid and alg are as for NewKey. An error wraps ErrKey and does not show the input.
func ParsePrivateKey(data []byte, kid string, alg Algorithm) (*Key, error) {
	if len(data) > maxKeyInput {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrKey, maxKeyInput)
	}
	raw, err := parsePrivate(data)
	if err != nil {
		return nil, err
	}
	signer, ok := raw.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: a key that does not sign", ErrKey)
	}
	return NewKey(signer, kid, alg)
}

func parsePrivate(data []byte) (any, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		key, err := x509.ParsePKCS8PrivateKey(data)
		if err != nil {
			return nil, fmt.Errorf("%w: neither PEM nor PKCS #8", ErrKey)
		}
		return key, nil
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, fmt.Errorf("%w: the PEM block is encrypted", ErrKey)
			}
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, fmt.Errorf("%w: the PEM block is encrypted", ErrKey)
			}
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, fmt.Errorf("%w: the PEM block is encrypted", ErrKey)
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w: the PEM block %s is malformed", ErrKey, block.Type)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%w: no private key in the PEM", ErrKey)
}

// checkPublic refuses keys that are too weak, too costly or not on their curve.
func checkPublic(pub crypto.PublicKey) error {
	switch p := pub.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSA || bits > maxRSA {
			return fmt.Errorf("%w: an RSA key of %d bits, allowed are %d to %d", ErrKey, bits, minRSA, maxRSA)
		}
		if p.E < 3 || p.E&1 == 0 || p.N.Bit(0) == 0 {
			return fmt.Errorf("%w: an RSA key with an even modulus or a bad exponent", ErrKey)
		}
		return nil
	case *ecdsa.PublicKey:
		if _, err := p.ECDH(); err != nil {
			return fmt.Errorf("%w: not a point on P-256, P-384 or P-521", ErrKey)
		}
		return nil
	case ed25519.PublicKey:
		if len(p) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: an Ed25519 key of %d bytes", ErrKey, len(p))
		}
		return nil
	}
	return fmt.Errorf("%w: type %T is not supported", ErrKey, pub)
}

// ID returns the key identifier, the kid of its signatures.
func (k *Key) ID() string { return k.id }

// Algorithm returns the algorithm of the key.
func (k *Key) Algorithm() Algorithm { return k.method.alg }

// Public returns the public part, or nil for a shared secret.
func (k *Key) Public() crypto.PublicKey { return k.public }

// WithID returns the same key under another identifier.
func (k *Key) WithID(kid string) *Key {
	c := *k
	c.id = kid
	for i, typ := range commonTypes {
		c.headers[i] = c.encodeHeader(typ)
	}
	return &c
}

// WithAlgorithm returns the same key for another algorithm of its type, such as PS256 for an RSA key.
func (k *Key) WithAlgorithm(alg Algorithm) (*Key, error) {
	if k.signer == nil {
		return NewHMACKey(k.id, alg, k.secret)
	}
	return NewKey(k.signer, k.id, alg)
}

func (k *Key) encodeHeader(typ string) string {
	data, _ := json.Marshal(struct { // strings always have a JSON form
		Algorithm Algorithm `json:"alg"`
		KeyID     string    `json:"kid,omitempty"`
		Type      string    `json:"typ,omitempty"`
	}{k.method.alg, k.id, typ})
	return base64.RawURLEncoding.EncodeToString(data) + "."
}

func (k *Key) header(typ string) string {
	for i, common := range commonTypes {
		if typ == common {
			return k.headers[i]
		}
	}
	return k.encodeHeader(typ)
}

// MarshalPKCS8 returns the private key as PKCS #8 DER. It is a secret: seal it before it is stored. A shared secret and
// a key in hardware have no such form; the error wraps ErrKey.
func (k *Key) MarshalPKCS8() ([]byte, error) {
	if k.signer == nil {
		return nil, fmt.Errorf("%w: a shared secret has no PKCS #8 form", ErrKey)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("%w: the private part cannot be exported", ErrKey)
	}
	return der, nil
}

// MarshalPEM returns the private key as a PEM block PRIVATE KEY. It is a secret, as for MarshalPKCS8.
func (k *Key) MarshalPEM() ([]byte, error) {
	der, err := k.MarshalPKCS8()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// String returns algorithm and identifier.
func (k *Key) String() string { return "jose.Key(" + string(k.method.alg) + " " + k.id + ")" }

// GoString is String: no verb of fmt prints the private part.
func (k *Key) GoString() string { return k.String() }

// LogValue logs the identifier and the algorithm.
func (k *Key) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kid", k.id), slog.String("alg", string(k.method.alg)))
}
