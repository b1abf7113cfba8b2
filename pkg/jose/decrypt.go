package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwe"
)

// ErrDecrypt says that a token could not be decrypted: by none of the keys, or because it was changed on its way. Which
// of the two is not told (RFC 7516 §11.5).
var ErrDecrypt = errors.New("the token cannot be decrypted")

// The bounds of PBES2, so that a token cannot order work (RFC 8725 §3.11 and RFC 7518 §4.8.1). A client secret is random,
// which makes more rounds pointless.
const (
	minIterations = 1000
	maxIterations = 10000
	minSalt       = 8
	maxSalt       = 512
)

// maxSecretTries bounds the shared secrets that are tried for one token.
const maxSecretTries = 8

// DecryptionKey is a private key that others encrypt for: RSA with RSA-OAEP-256, or a curve of ECDH-ES. It is immutable.
type DecryptionKey struct {
	id      string
	private crypto.PrivateKey
	public  crypto.PublicKey
}

// NewDecryptionKey returns a decryption key. An empty kid becomes the thumbprint of the key (RFC 7638). An error wraps
// ErrKey.
func NewDecryptionKey(private crypto.Signer, kid string) (*DecryptionKey, error) {
	switch private.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
	default:
		return nil, fmt.Errorf("%w: type %T does not decrypt", ErrKey, private)
	}
	pub := private.Public()
	if err := checkPublic(pub); err != nil {
		return nil, err
	}
	if kid == "" {
		kid = thumbprint(pub)
	}
	return &DecryptionKey{id: kid, private: private, public: pub}, nil
}

// DeriveDecryptionKey returns the P-256 key that follows from a secret and a purpose: the same ones always give the same key,
// and it says nothing about other purposes (RFC 5869; FIPS 186-5 §A.2.1 for the private number). Its kid is its thumbprint.
func DeriveDecryptionKey(secret []byte, purpose string) (*DecryptionKey, error) {
	curve := elliptic.P256()
	seed, err := hkdf.Key(sha256.New, secret, nil, purpose, curve.Params().BitSize/8+16)
	if err != nil {
		return nil, fmt.Errorf("derive a decryption key: %w", err)
	}
	one := big.NewInt(1)
	d := new(big.Int).SetBytes(seed)
	d.Mod(d, new(big.Int).Sub(curve.Params().N, one))
	d.Add(d, one)
	private, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, curve.Params().BitSize/8)))
	if err != nil {
		return nil, fmt.Errorf("derive a decryption key: %w", err)
	}
	return NewDecryptionKey(private, "")
}

// GenerateRSA returns a new RSA key of 2048 bits as PKCS #8 DER, such as ParseDecryptionKey reads. It is a secret.
func GenerateRSA() ([]byte, error) {
	private, err := rsa.GenerateKey(rand.Reader, generatedRSA)
	if err != nil {
		return nil, fmt.Errorf("generate an RSA key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode an RSA key: %w", err)
	}
	return der, nil
}

// ParseDecryptionKey reads a private key in PEM or PKCS #8 DER, like ParsePrivateKey.
func ParseDecryptionKey(data []byte, kid string) (*DecryptionKey, error) {
	if len(data) > maxKeyInput {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrKey, maxKeyInput)
	}
	raw, err := parsePrivate(data)
	if err != nil {
		return nil, err
	}
	signer, ok := raw.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: type %T does not decrypt", ErrKey, raw)
	}
	return NewDecryptionKey(signer, kid)
}

// ID returns the key identifier.
func (k *DecryptionKey) ID() string { return k.id }

// Thumbprint returns the SHA-256 thumbprint of the public part (RFC 7638).
func (k *DecryptionKey) Thumbprint() string { return thumbprint(k.public) }

// WithID returns the same key under another identifier.
func (k *DecryptionKey) WithID(kid string) *DecryptionKey {
	c := *k
	c.id = kid
	return &c
}

// String returns the identifier: no verb of fmt prints the private part.
func (k *DecryptionKey) String() string { return "jose.DecryptionKey(" + k.id + ")" }

// GoString is String.
func (k *DecryptionKey) GoString() string { return k.String() }

// jsonKey is the published form. A curve serves several algorithms, so its key names none.
func (k *DecryptionKey) jsonKey() jsonKey {
	j := publicJWK(k.public)
	j.Use, j.KeyID = "enc", k.id
	if j.Type == "RSA" {
		j.Algorithm = Algorithm(RSAOAEP256)
	}
	return j
}

// Decrypter decrypts what is addressed to its keys: private ones, and secrets that are shared with one client. It is
// immutable and safe for concurrent use. The zero value has no keys.
type Decrypter struct {
	keys    []*DecryptionKey
	secrets []string
}

// NewDecrypter returns a decrypter with these private keys.
func NewDecrypter(keys ...*DecryptionKey) *Decrypter { return &Decrypter{keys: keys} }

// WithSecrets returns a decrypter that has the same private keys and these client secrets, of which the first eight are
// tried, newest first if they are ordered so.
func (d *Decrypter) WithSecrets(secrets ...string) *Decrypter {
	return &Decrypter{keys: d.keys, secrets: secrets[:min(len(secrets), maxSecretTries)]}
}

// Algorithms returns the key management algorithms that the private keys decrypt, in the order of KeyManagements.
func (d *Decrypter) Algorithms() []KeyManagement {
	var all []KeyManagement
	for _, m := range keyMethods {
		if slices.ContainsFunc(d.keys, func(k *DecryptionKey) bool { return m.fits(k.public) }) {
			all = append(all, m.alg)
		}
	}
	return all
}

// Public returns the set in JSON with the public parts of the decryption keys after those of the signing keys: the body
// of a jwks_uri. Each key says what it is for (RFC 7517 §4.2).
func (s *KeySet) Public(d *Decrypter) []byte {
	if d == nil || len(d.keys) == 0 {
		return s.jwks
	}
	set := struct {
		Keys []jsonKey `json:"keys"`
	}{Keys: []jsonKey{}}
	for _, v := range s.all {
		if v.public != nil {
			set.Keys = append(set.Keys, v.jwk)
		}
	}
	for _, k := range d.keys {
		set.Keys = append(set.Keys, k.jsonKey())
	}
	body, _ := json.Marshal(set) // strings always have a JSON form
	return body
}

// Decryption says what an encrypted token may be. The zero value allows every pair of algorithms that the private keys
// have, and no shared secret.
type Decryption struct {
	// Algorithms are the key management algorithms that are allowed. A shared secret is used with those named here only.
	Algorithms []KeyManagement
	// Encodings are the content encryption algorithms that are allowed; empty allows all.
	Encodings []ContentEncryption
	// MaxSize is the largest token in bytes; 0 means MaxTokenSize.
	MaxSize int
}

// Encrypted is what a decrypted token says.
type Encrypted struct {
	Algorithm   KeyManagement
	Encoding    ContentEncryption
	KeyID       string
	ContentType string
	Payload     []byte
}

// encryptedHeader is a JWE header after its checks.
type encryptedHeader struct {
	method  *keyMethod
	content *contentMethod
	kid     string
	cty     string
}

// IsEncrypted reports whether a token has the five parts of a compact JWE, as opposed to the three of a JWS.
func IsEncrypted(token string) bool { return strings.Count(token, ".") == 4 }

// Decrypt decrypts a compact JWE (RFC 7516 §5.2). The algorithms must be allowed and fit the key: a token chooses among
// them and adds nothing. Compressed tokens and critical extensions are refused as ErrMalformed, so a small token has a
// small payload. Errors: ErrTooLarge, ErrMalformed, ErrAlgorithm, ErrUnknownKey for a kid that is none of ours, and
// ErrDecrypt.
func (d *Decrypter) Decrypt(token string, allow Decryption) (*Encrypted, error) {
	limit := allow.MaxSize
	if limit == 0 {
		limit = MaxTokenSize
	}
	if len(token) > limit {
		return nil, ErrTooLarge
	}
	parts := strings.Split(token, ".")
	if len(parts) != 5 {
		return nil, ErrMalformed
	}
	for _, p := range parts {
		if _, err := b64.Strict().DecodeString(p); err != nil || strings.ContainsAny(p, "\r\n") {
			return nil, ErrMalformed
		}
	}
	h, err := parseEncrypted(parts[0])
	if err != nil {
		return nil, err
	}
	if (len(allow.Algorithms) > 0 && !slices.Contains(allow.Algorithms, h.method.alg)) ||
		(len(allow.Encodings) > 0 && !slices.Contains(allow.Encodings, h.content.enc)) {
		return nil, ErrAlgorithm
	}
	if b64.DecodedLen(len(parts[2])) != h.content.iv || b64.DecodedLen(len(parts[4])) != h.content.tag {
		return nil, ErrMalformed
	}
	if noKey := h.method.alg == Direct || h.method.alg == ECDHES; noKey != (parts[1] == "") {
		return nil, ErrMalformed
	}
	keys, err := d.candidates(h, allow)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		payload, err := jwe.Decrypt([]byte(token), jwe.WithKey(h.method.jwx, key))
		if err == nil {
			return &Encrypted{
				Algorithm: h.method.alg, Encoding: h.content.enc, KeyID: h.kid, ContentType: h.cty, Payload: payload,
			}, nil
		}
	}
	return nil, ErrDecrypt
}

// candidates are the keys that may have been meant.
func (d *Decrypter) candidates(h *encryptedHeader, allow Decryption) ([]any, error) {
	var keys []any
	if h.method.secret != public {
		if !slices.Contains(allow.Algorithms, h.method.alg) {
			return nil, ErrAlgorithm
		}
		for _, s := range d.secrets {
			if key, err := h.method.fromSecret(s, h.content); err == nil {
				keys = append(keys, key)
			}
		}
		if keys == nil {
			return nil, ErrUnknownKey
		}
		return keys, nil
	}
	fits := false
	for _, k := range d.keys {
		if !h.method.fits(k.public) {
			continue
		}
		fits = true
		if h.kid == "" || h.kid == k.id {
			keys = append(keys, k.private)
		}
	}
	switch {
	case !fits:
		return nil, ErrAlgorithm
	case keys == nil:
		return nil, ErrUnknownKey
	}
	return keys, nil
}

// parseEncrypted reads and checks a JWE header.
func parseEncrypted(encoded string) (*encryptedHeader, error) {
	data, err := b64.Strict().DecodeString(encoded)
	if err != nil {
		return nil, ErrMalformed
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, ErrMalformed
	}
	for _, refused := range []string{"crit", "zip"} {
		if _, ok := members[refused]; ok {
			return nil, ErrMalformed
		}
	}
	h := &encryptedHeader{}
	var alg, enc string
	for _, m := range []struct {
		name string
		into *string
	}{{"alg", &alg}, {"enc", &enc}, {"kid", &h.kid}, {"cty", &h.cty}} {
		if raw, ok := members[m.name]; ok && json.Unmarshal(raw, m.into) != nil {
			return nil, ErrMalformed
		}
	}
	if alg == "" || enc == "" {
		return nil, ErrMalformed
	}
	if h.method, h.content = keyMethodOf(KeyManagement(alg)), contentMethodOf(ContentEncryption(enc)); h.method == nil || h.content == nil {
		return nil, ErrAlgorithm
	}
	switch {
	case h.method.secret == password:
		err = checkPassword(members)
	case strings.HasPrefix(alg, "ECDH-ES"):
		err = checkEphemeral(members["epk"])
	}
	return h, err
}

// checkPassword bounds the work of PBES2 before any is done.
func checkPassword(members map[string]json.RawMessage) error {
	var count int
	var encoded string
	if json.Unmarshal(members["p2c"], &count) != nil || count < minIterations || count > maxIterations ||
		json.Unmarshal(members["p2s"], &encoded) != nil {
		return ErrMalformed
	}
	salt, err := b64.Strict().DecodeString(encoded)
	if err != nil || len(salt) < minSalt || len(salt) > maxSalt {
		return ErrMalformed
	}
	return nil
}

// checkEphemeral refuses an ephemeral key that is private, not on its curve or of another type.
func checkEphemeral(raw json.RawMessage) error {
	v, err := parseJWK(raw)
	if err != nil || v == nil {
		return ErrMalformed
	}
	if _, ok := v.public.(*ecdsa.PublicKey); !ok {
		return ErrMalformed
	}
	return nil
}
