package jose

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"testing"
	"time"
)

func TestGivenKeys(t *testing.T) {
	k, err := GenerateKey(ES256, "theirs")
	if err != nil {
		t.Fatal(err)
	}
	pkix, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	private, err := k.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := SelfSigned(k, "theirs", time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(k.WithID("another").PublicJWK())
	if err != nil {
		t.Fatal(err)
	}
	token := sign(t, k, TypeJWT, "{}")
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"PEM", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})), nil},
		{"a certificate", string(certificate), nil},
		{"base64 with line breaks", base64.StdEncoding.EncodeToString(pkix[:40]) + "\n", ErrKey},
		{"base64", base64.StdEncoding.EncodeToString(pkix), nil},
		{"a JWK whose name is another than the token says", string(jwk), nil},
		{"a JWK set", `{"keys":[` + string(jwk) + `]}`, nil},
		{"a private key", string(private), ErrPrivateKey},
		{"nothing", "", ErrKey},
		{"an empty set", `{"keys":[]}`, ErrKey},
		{"a word", "sesame", ErrKey},
		{"half an object", "{", ErrKey},
	} {
		set, err := ParseGivenKey(tt.text)
		if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil {
			continue
		}
		if _, err := set.Verify(token, Check{}); err != nil {
			t.Errorf("%s does not verify: %v", tt.name, err)
		}
		other, err := GenerateKey(ES256, "theirs")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set.Verify(sign(t, other, TypeJWT, "{}"), Check{}); !errors.Is(err, ErrSignature) {
			t.Errorf("%s verifies what another key signed: %v", tt.name, err)
		}
	}
}
