package jose

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Embedded is a token that was verified with the public key in its own header. Such a signature proves that the sender
// has the private key, and nothing about who that is.
type Embedded struct {
	*Token
	// Thumbprint is the SHA-256 thumbprint of the key, base64url-encoded (RFC 7638).
	Thumbprint string
}

// VerifyEmbedded checks a JWS by the public key of its header parameter jwk, as a DPoP proof has one (RFC 9449 §4.2).
// Check must name types and algorithms; HMACs are never used. The errors are those of Verify; ErrPrivateKey for a key
// with private members, ErrKey for one that is weak or malformed.
func VerifyEmbedded(token string, check Check) (*Embedded, error) {
	if len(check.Types) == 0 || len(check.Algorithms) == 0 {
		return nil, fmt.Errorf("%w: a check of an embedded key names types and algorithms", ErrAlgorithm)
	}
	check.Algorithms = slices.DeleteFunc(slices.Clone(check.Algorithms), Algorithm.Symmetric)
	if len(check.Algorithms) == 0 {
		return nil, ErrAlgorithm
	}
	p, err := split(token, check.MaxSize)
	if err != nil {
		return nil, err
	}
	data, err := b64.Strict().DecodeString(p.header)
	if err != nil {
		return nil, ErrMalformed
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil || members["jwk"] == nil {
		return nil, ErrMalformed
	}
	v, err := parseJWK(members["jwk"])
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("%w: a key of an unknown type", ErrKey)
	}
	h, err := parseHeader(p.header)
	if err != nil {
		return nil, err
	}
	m := methodOf(h.Algorithm)
	if m == nil || !slices.Contains(check.Algorithms, m.alg) || !slices.Contains(v.methods, m) {
		return nil, ErrAlgorithm
	}
	if !check.allowsType(h.Type) {
		return nil, ErrType
	}
	payload, err := b64.Strict().DecodeString(p.payload)
	if err != nil {
		return nil, ErrMalformed
	}
	if err := v.verify(m, p); err != nil {
		return nil, err
	}
	return &Embedded{Token: &Token{Header: h, Payload: payload}, Thumbprint: thumbprint(v.public)}, nil
}
