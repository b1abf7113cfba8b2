package jose

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"
)

const benchClaims = `{"iss":"https://am.example.com/demo/oidc","sub":"3f1a9b0e-0a7c-4b7e-9a52-2f6f8b1f2c11","aud":"web",` +
	`"domain":"demo","iat":1767225600,"exp":1767232800,"jti":"6aJ3bq0o8Qe2n6J0yTz9cA","scope":"openid profile email",` +
	`"client_id":"web"}`

func BenchmarkSign(b *testing.B) {
	for _, alg := range []Algorithm{ES256, EdDSA, HS256, RS256} {
		b.Run(string(alg), func(b *testing.B) {
			k := newKey(b, alg, "default")
			claims := []byte(benchClaims)
			buf := make([]byte, 0, 2048)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.AppendSign(buf, TypeAccessToken, claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBareES256 is the floor of BenchmarkSign/ES256: the hash and the signature alone.
func BenchmarkBareES256(b *testing.B) {
	k := newKey(b, ES256, "default").signer.(*ecdsa.PrivateKey)
	claims := []byte(benchClaims)
	b.ReportAllocs()
	for b.Loop() {
		digest := sha256.Sum256(claims)
		if _, err := ecdsa.SignASN1(rand.Reader, k, digest[:]); err != nil {
			b.Fatal(err)
		}
	}
}
