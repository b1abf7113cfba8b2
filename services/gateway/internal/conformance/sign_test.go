package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
)

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// signer makes a key for an asymmetric algorithm. Those of RSA share one, which is slow to make.
func signer(t *testing.T, alg jose.Algorithm) crypto.Signer {
	t.Helper()
	var made crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		made, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		made, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.ES512:
		made, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jose.EdDSA:
		_, made, err = ed25519.GenerateKey(rand.Reader)
	default:
		made, err = rsaKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// proof signs claims with a key that its header shows (RFC 9449 §4.2), by no code of the product.
func (x *truth) proof(alg jose.Algorithm, claims map[string]any) string {
	x.t.Helper()
	key := x.signers[alg]
	input := encoded(x.t, map[string]any{"typ": "dpop+jwt", "alg": alg, "jwk": x.keys[alg].PublicJWK()}) + "." + encoded(x.t, claims)
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[string(alg[2:])]
	digest, options := []byte(input), crypto.SignerOpts(crypto.Hash(0))
	if alg != jose.EdDSA {
		h := hash.New()
		h.Write([]byte(input))
		digest, options = h.Sum(nil), hash
	}
	if strings.HasPrefix(string(alg), "PS") {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	signature, err := key.Sign(rand.Reader, digest, options)
	if err != nil {
		x.t.Fatal(err)
	}
	if k, ok := key.(*ecdsa.PrivateKey); ok {
		signature = scalars(x.t, signature, (k.Curve.Params().BitSize+7)/8)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// scalars turns an ASN.1 signature into two numbers of a size (RFC 7518 §3.4).
func scalars(t *testing.T, der []byte, size int) []byte {
	t.Helper()
	var inner cryptobyte.String
	input := cryptobyte.String(der)
	r, s := new(big.Int), new(big.Int)
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !inner.ReadASN1Integer(r) || !inner.ReadASN1Integer(s) {
		t.Fatal("the signature is no pair of numbers")
	}
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out
}

// unsigned is a JWT of the algorithm none, or of one that nobody knows.
func unsigned(alg jose.Algorithm, typ string, claims []byte) string {
	header := `{"alg":"` + string(alg) + `","typ":"` + typ + `"}`
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}
