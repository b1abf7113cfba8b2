package jose

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var b64 = base64.RawURLEncoding

// Sign returns the compact JWS of claims, which are the bytes of a JSON object (RFC 7515 §7.1). Typ is the header
// parameter of that name; "" leaves it out.
func (k *Key) Sign(typ string, claims []byte) (string, error) {
	header := k.header(typ)
	size := len(header) + b64.EncodedLen(len(claims)) + 1 + b64.EncodedLen(k.signatureSize())
	token, err := k.appendSign(make([]byte, 0, size), header, claims)
	if err != nil {
		return "", err
	}
	return string(token), nil
}

// AppendSign appends the compact JWS of claims to dst, like Sign.
func (k *Key) AppendSign(dst []byte, typ string, claims []byte) ([]byte, error) {
	return k.appendSign(dst, k.header(typ), claims)
}

func (k *Key) appendSign(dst []byte, header string, claims []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, header...)
	dst = b64.AppendEncode(dst, claims)
	var buf [maxScalar * 2]byte
	signature, err := k.signature(buf[:0], dst[start:])
	if err != nil {
		return nil, fmt.Errorf("sign with key %q: %w", k.id, err)
	}
	dst = append(dst, '.')
	return b64.AppendEncode(dst, signature), nil
}

// maxScalar is half of the longest ECDSA signature in bytes: P-521.
const maxScalar = 66

func (k *Key) signatureSize() int {
	switch k.method.family {
	case ecdsaFamily:
		return 2 * k.method.scalar
	case pkcs1, pss:
		return maxRSA / 8 / 4 // right for 2048 bits; longer ones grow the buffer
	}
	return 64
}

// signature returns the signature of input. It may use buf, which is empty and has room for an ECDSA signature.
func (k *Key) signature(buf, input []byte) ([]byte, error) {
	m := k.method
	switch m.family {
	case hmacFamily:
		mac := hmac.New(m.hash.New, k.secret)
		mac.Write(input)
		return mac.Sum(buf), nil
	case eddsaFamily:
		return k.signer.Sign(nil, input, m.options)
	}
	h := m.hash.New()
	h.Write(input)
	signature, err := k.signer.Sign(rand.Reader, h.Sum(nil), m.options)
	if err != nil || m.family != ecdsaFamily {
		return signature, err
	}
	return appendScalars(buf, signature, m.scalar)
}

var errSignatureForm = errors.New("the signer returned a malformed signature")

// appendScalars appends the two integers of an ASN.1 ECDSA signature, each in size bytes (RFC 7518 §3.4).
func appendScalars(dst, der []byte, size int) ([]byte, error) {
	var inner cryptobyte.String
	var r, s []byte
	input := cryptobyte.String(der)
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !input.Empty() ||
		!inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || !inner.Empty() ||
		len(r) > size || len(s) > size {
		return nil, errSignatureForm
	}
	var zeros [maxScalar]byte
	dst = append(dst, zeros[:size-len(r)]...)
	dst = append(dst, r...)
	dst = append(dst, zeros[:size-len(s)]...)
	return append(dst, s...), nil
}

// appendDER appends the ASN.1 form of an ECDSA signature of two integers of equal length.
func appendDER(dst, scalars []byte) []byte {
	half := len(scalars) / 2
	r, s := minimal(scalars[:half]), minimal(scalars[half:])
	size := integerSize(r) + integerSize(s)
	dst = append(dst, 0x30)
	if size > 127 {
		dst = append(dst, 0x81)
	}
	dst = append(dst, byte(size))
	dst = appendInteger(dst, r)
	return appendInteger(dst, s)
}

// minimal removes leading zero bytes, down to one byte.
func minimal(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

func integerSize(b []byte) int { return 2 + int(b[0]>>7) + len(b) }

func appendInteger(dst, b []byte) []byte {
	dst = append(dst, 0x02, byte(int(b[0]>>7)+len(b)))
	if b[0]>>7 == 1 {
		dst = append(dst, 0)
	}
	return append(dst, b...)
}
