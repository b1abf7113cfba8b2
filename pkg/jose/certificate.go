package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Certificate is what is worth knowing of an X.509 certificate.
type Certificate struct {
	Subject     string
	NotBefore   time.Time
	NotAfter    time.Time
	Algorithm   Algorithm // of its own signature, "" if it is none of ours
	Fingerprint string    // SHA-256 of the DER, hexadecimal

	public crypto.PublicKey
}

// signatureAlgorithms relates the algorithms to X.509's.
var signatureAlgorithms = map[Algorithm]x509.SignatureAlgorithm{
	RS256: x509.SHA256WithRSA,
	RS384: x509.SHA384WithRSA,
	RS512: x509.SHA512WithRSA,
	PS256: x509.SHA256WithRSAPSS,
	PS384: x509.SHA384WithRSAPSS,
	PS512: x509.SHA512WithRSAPSS,
	ES256: x509.ECDSAWithSHA256,
	ES384: x509.ECDSAWithSHA384,
	ES512: x509.ECDSAWithSHA512,
	EdDSA: x509.PureEd25519,
}

// SelfSigned returns a certificate of the key's public part, signed by the key with its own algorithm, as a PEM block
// CERTIFICATE. Name becomes the common name.
func SelfSigned(k *Key, name string, notBefore, notAfter time.Time) ([]byte, error) {
	if k.signer == nil {
		return nil, fmt.Errorf("%w: a shared secret has no certificate", ErrKey)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("certificate of %q: %w", name, err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		SignatureAlgorithm:    signatureAlgorithms[k.method.alg],
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.public, k.signer)
	if err != nil {
		return nil, fmt.Errorf("certificate of %q: %w", name, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// ParseCertificate reads the first certificate of a PEM text, or a certificate in DER. An error wraps ErrKey.
func ParseCertificate(data []byte) (*Certificate, error) {
	if len(data) > maxKeyInput {
		return nil, fmt.Errorf("%w: a certificate of more than %d bytes", ErrKey, maxKeyInput)
	}
	der := data
	if block, rest := pem.Decode(data); block != nil {
		for block != nil && block.Type != "CERTIFICATE" {
			block, rest = pem.Decode(rest)
		}
		if block == nil {
			return nil, fmt.Errorf("%w: no certificate in the PEM", ErrKey)
		}
		der = block.Bytes
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: a malformed certificate", ErrKey)
	}
	sum := sha256.Sum256(c.Raw)
	return &Certificate{
		Subject:     c.Subject.String(),
		NotBefore:   c.NotBefore,
		NotAfter:    c.NotAfter,
		Algorithm:   algorithmOf(c),
		Fingerprint: hex.EncodeToString(sum[:]),
		public:      c.PublicKey,
	}, nil
}

// algorithmOf returns the algorithm of the certificate's signature.
func algorithmOf(c *x509.Certificate) Algorithm {
	for alg, s := range signatureAlgorithms {
		if s == c.SignatureAlgorithm {
			return alg
		}
	}
	return ""
}

// Certifies reports whether the certificate holds the public part of the key.
func (c *Certificate) Certifies(k *Key) bool {
	return k.public != nil && SamePublic(c.public, k.public)
}

// CertificateThumbprint returns the SHA-256 of a certificate's DER, base64url-encoded: x5t#S256 (RFC 7515 §4.1.8), by which
// tokens are bound to certificates (RFC 8705 §3.1).
func CertificateThumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return b64.EncodeToString(sum[:])
}

// PublicKeys returns the public keys of the set, whatever they may be used for. A client with self-signed certificates
// registers their keys so, alone or with the certificates (RFC 8705 §2.2.2).
func (s *KeySet) PublicKeys() []crypto.PublicKey {
	all := make([]crypto.PublicKey, 0, len(s.all))
	for _, v := range s.all {
		if v.public != nil {
			all = append(all, v.public)
		}
	}
	return all
}

// SamePublic reports whether two public keys are the same key.
func SamePublic(a, b crypto.PublicKey) bool {
	p, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && p.Equal(b)
}
