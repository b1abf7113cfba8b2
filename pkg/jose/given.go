package jose

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
)

// ParseGivenKey reads public keys that somebody wrote down: a JWK, a JWK set, a public key or a certificate in PEM, or the
// base64 of a public key in DER. What the keys sign is verified whatever kid a token names, because whoever writes a key down
// seldom knows what its owner calls it. An error wraps ErrKey, or ErrPrivateKey for a private key.
func ParseGivenKey(text string) (*KeySet, error) {
	data := []byte(strings.TrimSpace(text))
	if len(data) > maxJWKSBytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrKey, maxJWKSBytes)
	}
	s, err := parseGiven(data)
	if err != nil {
		return nil, err
	}
	if s.Len() == 0 {
		return nil, fmt.Errorf("%w: there is no key", ErrKey)
	}
	s.anyID = true
	return s, nil
}

func parseGiven(data []byte) (*KeySet, error) {
	if bytes.HasPrefix(data, []byte("{")) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(data, &members); err != nil {
			return nil, fmt.Errorf("%w: malformed JSON", ErrKey)
		}
		if _, set := members["keys"]; !set {
			data = slices.Concat([]byte(`{"keys":[`), data, []byte(`]}`))
		}
		return ParseJWKS(data)
	}
	pub, err := parseGivenPublic(data)
	if err != nil {
		return nil, err
	}
	if err := checkPublic(pub); err != nil {
		return nil, err
	}
	v := &verifier{public: pub, jwk: publicJWK(pub)}
	for _, m := range methods {
		if m.fits(pub) {
			v.methods = append(v.methods, m)
		}
	}
	s := &KeySet{}
	s.add(v)
	s.seal()
	return s, nil
}

func parseGivenPublic(data []byte) (crypto.PublicKey, error) {
	var der []byte
	kind := "PUBLIC KEY"
	if block, _ := pem.Decode(data); block != nil {
		kind, der = block.Type, block.Bytes
	} else {
		decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), ""))
		if err != nil {
			return nil, fmt.Errorf("%w: neither JSON nor PEM nor base64", ErrKey)
		}
		der = decoded
	}
	var pub crypto.PublicKey
	var err error
	switch {
	case strings.HasSuffix(kind, "PRIVATE KEY"):
		return nil, ErrPrivateKey
	case kind == "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(der); err == nil {
			pub = c.PublicKey
		}
	case kind == "RSA PUBLIC KEY":
		pub, err = x509.ParsePKCS1PublicKey(der)
	default:
		pub, err = x509.ParsePKIXPublicKey(der)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: a malformed public key", ErrKey)
	}
	return pub, nil
}
