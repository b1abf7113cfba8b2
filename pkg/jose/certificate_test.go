package jose

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"
)

func TestSelfSigned(t *testing.T) {
	from, to := time.Unix(1767225600, 0).UTC(), time.Unix(1767225600, 0).UTC().AddDate(10, 0, 0)
	for _, alg := range Algorithms() {
		if alg.Symmetric() {
			continue
		}
		t.Run(string(alg), func(t *testing.T) {
			k := newKey(t, alg, "k1")
			text, err := SelfSigned(k, "demo signing", from, to)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseCertificate(text)
			if err != nil {
				t.Fatal(err)
			}
			if got.Algorithm != alg || got.Subject != "CN=demo signing" || !got.NotBefore.Equal(from) || !got.NotAfter.Equal(to) {
				t.Errorf("certificate %+v", got)
			}
			if !got.Certifies(k) || got.Certifies(newKey(t, ES256, "other")) || got.Certifies(newKey(t, HS256, "h")) {
				t.Error("Certifies is wrong")
			}
			block, _ := pem.Decode(text)
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
				t.Error(err)
			}
			fromDER, err := ParseCertificate(block.Bytes)
			if err != nil || fromDER.Fingerprint != got.Fingerprint || len(got.Fingerprint) != 64 {
				t.Errorf("from DER: %+v, %v", fromDER, err)
			}
		})
	}
	if _, err := SelfSigned(newKey(t, HS256, "h"), "x", from, to); !errors.Is(err, ErrKey) {
		t.Errorf("a shared secret has a certificate: %v", err)
	}
}

func TestParseCertificateRefuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing":          nil,
		"no certificate":   []byte("hello"),
		"a key":            pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
		"a malformed one":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
		"an endless input": bytes.Repeat([]byte("x"), maxKeyInput+1),
	} {
		if _, err := ParseCertificate(data); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
