package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of verification. They are constant and say nothing about the token.
var (
	ErrMalformed  = errors.New("the token is malformed")
	ErrTooLarge   = errors.New("the token is too large")
	ErrAlgorithm  = errors.New("the token's algorithm is not allowed")
	ErrType       = errors.New("the token is of another type")
	ErrUnknownKey = errors.New("the token's key is not in the key set")
	ErrSignature  = errors.New("the token's signature is wrong")
)

// MaxTokenSize is the largest token in bytes that Verify reads unless a Check says otherwise.
const MaxTokenSize = 16 << 10

// maxTries bounds the keys that are tried for one token: those that share its kid, or fit its algorithm if it has none.
const maxTries = 8

// Check says what a token must be, beyond correctly signed. The zero value asks for nothing more.
type Check struct {
	// Algorithms that are allowed; empty allows whatever the key does.
	Algorithms []Algorithm
	// Types are the allowed values of the header parameter typ, compared without regard to case and to a leading
	// application/ (RFC 7515 §4.1.9). TypeNone allows a token without typ. Empty allows every value.
	Types []string
	// MaxSize is the largest token in bytes; 0 means MaxTokenSize.
	MaxSize int
}

// Header is what the JOSE header of a token says.
type Header struct {
	Algorithm Algorithm
	KeyID     string
	Type      string
}

// Token is a verified token.
type Token struct {
	Header  Header
	Payload []byte
}

// Claims decodes the payload.
func (t *Token) Claims() (*Claims, error) { return ParseClaims(t.Payload) }

// Verify checks the signature of a compact JWS and returns its content. The key is chosen by kid, or by the algorithm
// where the token has none; it decides which algorithms are possible. Times, issuer and audience are the caller's to
// check; see Claims. A critical extension makes a token malformed (RFC 7515 §4.1.11), as does an embedded line break.
func (s *KeySet) Verify(token string, check Check) (*Token, error) {
	p, err := split(token, check.MaxSize)
	if err != nil {
		return nil, err
	}
	known, own := s.issued[p.header]
	h := known.header
	if !own {
		if h, err = parseHeader(p.header); err != nil {
			return nil, err
		}
	}
	m := methodOf(h.Algorithm)
	if m == nil || (len(check.Algorithms) > 0 && !slices.Contains(check.Algorithms, m.alg)) {
		return nil, ErrAlgorithm
	}
	if !check.allowsType(h.Type) {
		return nil, ErrType
	}
	payload, err := b64.Strict().DecodeString(p.payload)
	if err != nil {
		return nil, ErrMalformed
	}
	if own {
		err = known.key.verify(m, p)
	} else {
		err = s.try(m, h.KeyID, p)
	}
	if err != nil {
		return nil, err
	}
	return &Token{Header: h, Payload: payload}, nil
}

// VerifyWithSecret checks a JWS that was made with a secret which is shared with one client (RFC 7518 §3.2). The check must
// name the algorithms, all of them HMACs, so that a public key is never taken for a secret. A secret that is shorter than
// the hash is ErrKey.
func VerifyWithSecret(token, secret string, check Check) (*Token, error) {
	p, err := split(token, check.MaxSize)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(p.header)
	if err != nil {
		return nil, err
	}
	m := methodOf(h.Algorithm)
	if m == nil || m.family != hmacFamily || !slices.Contains(check.Algorithms, m.alg) {
		return nil, ErrAlgorithm
	}
	if !check.allowsType(h.Type) {
		return nil, ErrType
	}
	if len(secret) < m.hash.Size() {
		return nil, fmt.Errorf("%w: %s needs a secret of at least %d bytes", ErrKey, m.alg, m.hash.Size())
	}
	payload, err := b64.Strict().DecodeString(p.payload)
	if err != nil {
		return nil, ErrMalformed
	}
	v := verifier{secret: []byte(secret)}
	if err := v.verify(m, p); err != nil {
		return nil, err
	}
	return &Token{Header: h, Payload: payload}, nil
}

// try looks for a key that made the signature.
func (s *KeySet) try(m *method, kid string, p parts) error {
	candidates := s.all
	if s.anyID {
		kid = ""
	}
	if kid != "" {
		if candidates = s.byID[kid]; len(candidates) == 0 {
			return ErrUnknownKey
		}
	}
	err := ErrUnknownKey
	if kid != "" {
		err = ErrAlgorithm
	}
	tried := 0
	for _, v := range candidates {
		if !slices.Contains(v.methods, m) {
			continue
		}
		if tried++; tried > maxTries {
			break
		}
		if err = v.verify(m, p); err == nil {
			return nil
		}
	}
	return err
}

// verify checks a signature with one key. The caller has made sure that the method is one of the key's.
func (v *verifier) verify(m *method, p parts) error {
	signature, err := b64.Strict().DecodeString(p.signature)
	if err != nil {
		return ErrMalformed
	}
	if v.valid(m, []byte(p.input), signature) {
		return nil
	}
	return ErrSignature
}

func (v *verifier) valid(m *method, input, signature []byte) bool {
	switch m.family {
	case hmacFamily:
		if len(v.secret) == 0 {
			return false
		}
		mac := hmac.New(m.hash.New, v.secret)
		mac.Write(input)
		return hmac.Equal(mac.Sum(nil), signature)
	case eddsaFamily:
		pub, ok := v.public.(ed25519.PublicKey)
		return ok && ed25519.Verify(pub, input, signature)
	}
	h := m.hash.New()
	h.Write(input)
	digest := h.Sum(nil)
	switch pub := v.public.(type) {
	case *rsa.PublicKey:
		if m.family == pss {
			return rsa.VerifyPSS(pub, m.hash, digest, signature, m.options.(*rsa.PSSOptions)) == nil
		}
		return m.family == pkcs1 && rsa.VerifyPKCS1v15(pub, m.hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		if m.family != ecdsaFamily || pub.Curve != m.curve || len(signature) != 2*m.scalar {
			return false
		}
		var der [2*maxScalar + 16]byte
		return ecdsa.VerifyASN1(pub, digest, appendDER(der[:0], signature))
	}
	return false
}

func (c Check) allowsType(typ string) bool {
	if len(c.Types) == 0 {
		return true
	}
	return slices.ContainsFunc(c.Types, func(t string) bool { return strings.EqualFold(mediaType(t), mediaType(typ)) })
}

func mediaType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}

// parts are the three parts of a compact JWS, still encoded, and its signing input.
type parts struct {
	header, payload, signature, input string
}

func split(token string, limit int) (parts, error) {
	if limit == 0 {
		limit = MaxTokenSize
	}
	if len(token) > limit {
		return parts{}, ErrTooLarge
	}
	first, second := -1, -1
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.' && first < 0:
			first = i
		case c == '.' && second < 0:
			second = i
		default:
			return parts{}, ErrMalformed
		}
	}
	if first <= 0 || second < 0 {
		return parts{}, ErrMalformed
	}
	return parts{token[:first], token[first+1 : second], token[second+1:], token[:second]}, nil
}

// parseHeader reads a JOSE header. Names are compared exactly, which a struct of encoding/json would not do.
func parseHeader(encoded string) (Header, error) {
	data, err := b64.Strict().DecodeString(encoded)
	if err != nil {
		return Header{}, ErrMalformed
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return Header{}, ErrMalformed
	}
	if _, critical := members["crit"]; critical {
		return Header{}, ErrMalformed
	}
	var h Header
	var alg string
	for _, m := range []struct {
		name string
		into *string
	}{{"alg", &alg}, {"kid", &h.KeyID}, {"typ", &h.Type}} {
		raw, ok := members[m.name]
		if ok && json.Unmarshal(raw, m.into) != nil {
			return Header{}, ErrMalformed
		}
	}
	if alg == "" {
		return Header{}, ErrMalformed
	}
	h.Algorithm = Algorithm(alg)
	return h, nil
}

// ReadHeader reads the header of a compact JWS without checking anything about the token, to find out which kind of key must
// check it. Size is the largest token in bytes; 0 means MaxTokenSize.
func ReadHeader(token string, size int) (Header, error) {
	p, err := split(token, size)
	if err != nil {
		return Header{}, err
	}
	return parseHeader(p.header)
}

// Unverified reads a token without checking anything about it, to find out whose keys must check it. Nothing it says
// may be believed before Verify.
func Unverified(token string) (Header, *Claims, error) {
	p, err := split(token, 0)
	if err != nil {
		return Header{}, nil, err
	}
	h, err := parseHeader(p.header)
	if err != nil {
		return Header{}, nil, err
	}
	payload, err := b64.Strict().DecodeString(p.payload)
	if err != nil {
		return Header{}, nil, ErrMalformed
	}
	c, err := ParseClaims(payload)
	return h, c, err
}
