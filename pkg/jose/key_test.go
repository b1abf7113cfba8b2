package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

var (
	rsaOnce sync.Once
	rsaKey  *rsa.PrivateKey
)

// newKey returns a key for the algorithm. RSA keys share one modulus, because making one takes long.
func newKey(t testing.TB, alg Algorithm, kid string) *Key {
	t.Helper()
	var k *Key
	var err error
	switch m := methodOf(alg); {
	case m == nil:
		t.Fatalf("no algorithm %s", alg)
	case m.family == hmacFamily:
		k, err = NewHMACKey(kid, alg, bytes.Repeat([]byte("k"), m.hash.Size()))
	case m.family == pkcs1, m.family == pss:
		rsaOnce.Do(func() { rsaKey, err = rsa.GenerateKey(rand.Reader, 2048) })
		if err == nil {
			k, err = NewKey(rsaKey, kid, alg)
		}
	default:
		k, err = GenerateKey(alg, kid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newSet(t testing.TB, keys ...*Key) *KeySet {
	t.Helper()
	s, err := NewKeySet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, k *Key, typ, claims string) string {
	t.Helper()
	token, err := k.Sign(typ, []byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// often is how many signatures to make to meet integers with leading zeros. Half of those of P-521 have some.
func often(alg Algorithm) int {
	if alg == ES512 {
		return 3
	}
	return 10
}

func TestEveryAlgorithmSignsAndVerifies(t *testing.T) {
	const claims = `{"sub":"ann"}`
	for _, alg := range Algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			k := newKey(t, alg, "k1")
			s := newSet(t, k)
			for _, typ := range []string{TypeJWT, TypeAccessToken, TypeNone, "custom+jwt"} {
				for range 2 * often(alg) {
					token := sign(t, k, typ, claims)
					got, err := s.Verify(token, Check{Algorithms: []Algorithm{alg}, Types: []string{typ}})
					if err != nil {
						t.Fatalf("%s: %v", token, err)
					}
					want := &Token{Header{Algorithm: alg, KeyID: "k1", Type: typ}, []byte(claims)}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("token (-want +got):\n%s", diff)
					}
				}
			}
		})
	}
}

func TestAnotherImplementationVerifiesOurSignatures(t *testing.T) {
	for _, alg := range Algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			k := newKey(t, alg, `key "1"`)
			var with crypto.PublicKey = k.secret
			if !alg.Symmetric() {
				with = publishedKey(t, newSet(t, k), k.ID())
			}
			for range often(alg) {
				token := sign(t, k, TypeAccessToken, `{"sub":"ann"}`)
				payload, err := jws.Verify([]byte(token), jws.WithKey(jwa.SignatureAlgorithm(alg), with))
				if err != nil || string(payload) != `{"sub":"ann"}` {
					t.Fatalf("%s: %q, %v", token, payload, err)
				}
				msg, err := jws.Parse([]byte(token))
				if err != nil {
					t.Fatal(err)
				}
				h := msg.Signatures()[0].ProtectedHeaders()
				if h.KeyID() != k.ID() || h.Type() != TypeAccessToken || h.Algorithm().String() != string(alg) {
					t.Errorf("header %v", h)
				}
			}
		})
	}
}

// publishedKey reads a key from the published form of a set, as another implementation does.
func publishedKey(t *testing.T, s *KeySet, kid string) crypto.PublicKey {
	t.Helper()
	set, err := jwk.Parse(s.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	key, ok := set.LookupKeyID(kid)
	if !ok {
		t.Fatalf("no key %q in %s", kid, s.JWKS())
	}
	var raw any
	if err := key.Raw(&raw); err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestWeVerifyTheSignaturesOfAnotherImplementation(t *testing.T) {
	for _, alg := range Algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			k := newKey(t, alg, "k1")
			var with any = k.signer
			if alg.Symmetric() {
				with = k.secret
			}
			for range often(alg) {
				token, err := jws.Sign([]byte(`{"sub":"ann"}`), jws.WithKey(jwa.SignatureAlgorithm(alg), with))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := newSet(t, k).Verify(string(token), Check{}); err != nil {
					t.Fatalf("%s: %v", token, err)
				}
			}
		})
	}
}

func TestKeysSurviveTheirEncodings(t *testing.T) {
	for _, alg := range Algorithms() {
		if alg.Symmetric() {
			continue
		}
		t.Run(string(alg), func(t *testing.T) {
			k := newKey(t, alg, "k1")
			der, err := k.MarshalPKCS8()
			if err != nil {
				t.Fatal(err)
			}
			text, err := k.MarshalPEM()
			if err != nil {
				t.Fatal(err)
			}
			for _, data := range [][]byte{der, text} {
				again, err := ParsePrivateKey(data, "k1", alg)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := newSet(t, k).Verify(sign(t, again, TypeJWT, `{}`), Check{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestParsePrivateKey(t *testing.T) {
	rs := newKey(t, RS256, "r")
	es, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := x509.ParsePKCS1PrivateKey(weakRSA(t))
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(es)
	if err != nil {
		t.Fatal(err)
	}
	block := func(typ string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	tests := []struct {
		name string
		data []byte
		alg  Algorithm
		want Algorithm
		err  string
	}{
		{"an RSA key without an algorithm is for RS256", pkcs8(rsaKey), "", RS256, ""},
		{"an RSA key may be for PS384", pkcs8(rsaKey), PS384, PS384, ""},
		{"a PKCS #1 block is read", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "", RS256, ""},
		{"a SEC 1 block is read", block("EC PRIVATE KEY", sec1), "", ES384, ""},
		{"a certificate before the key is skipped", append(block("CERTIFICATE", []byte("x")), block("PRIVATE KEY", pkcs8(es))...), "", ES384, ""},
		{"a P-384 key is not for ES256", pkcs8(es), ES256, "", "does not fit a key of type EC P-384"},
		{"an RSA key is not for EdDSA", pkcs8(rsaKey), EdDSA, "", "does not fit"},
		{"an RSA key is not for HMAC", pkcs8(rsaKey), HS256, "", "does not fit"},
		{"there is no algorithm none", pkcs8(rsaKey), "none", "", "not supported"},
		{"1024 bits are too few", pkcs8(weak), "", "", "1024 bits"},
		{"P-224 is not supported", pkcs8(p224), "", "", "not a point"},
		{"an encrypted block is refused", block("ENCRYPTED PRIVATE KEY", []byte("x")), "", "", "encrypted"},
		{"an encrypted old block is refused",
			pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "x"}, Bytes: []byte("x")}),
			"", "", "encrypted"},
		{"a malformed block is refused", block("PRIVATE KEY", []byte("secret bytes")), "", "", "malformed"},
		{"a certificate alone is refused", block("CERTIFICATE", []byte("x")), "", "", "no private key"},
		{"something else is refused", []byte("secret bytes"), "", "", "neither PEM nor PKCS #8"},
		{"an endless key is refused", bytes.Repeat([]byte("x"), maxKeyInput+1), "", "", "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := ParsePrivateKey(tt.data, "k", tt.alg)
			if tt.err != "" {
				if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret bytes") {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if k.Algorithm() != tt.want || k.ID() != "k" {
				t.Errorf("key %v", k)
			}
		})
	}
	if rs.ID() != "r" {
		t.Errorf("identifier %q", rs.ID())
	}
}

// weakRSA returns an RSA key of 1024 bits, which crypto/rsa makes no longer.
func weakRSA(t *testing.T) []byte {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return x509.MarshalPKCS1PrivateKey(k)
}

func TestHMACKeysNeedAsManyBytesAsTheirHash(t *testing.T) {
	for alg, size := range map[Algorithm]int{HS256: 32, HS384: 48, HS512: 64} {
		if _, err := NewHMACKey("k", alg, make([]byte, size)); err != nil {
			t.Errorf("%s with %d bytes: %v", alg, size, err)
		}
		if _, err := NewHMACKey("k", alg, make([]byte, size-1)); !errors.Is(err, ErrKey) {
			t.Errorf("%s with %d bytes: %v", alg, size-1, err)
		}
	}
	if _, err := NewHMACKey("k", RS256, make([]byte, 64)); !errors.Is(err, ErrKey) {
		t.Errorf("RS256 is taken for an HMAC: %v", err)
	}
	if _, err := GenerateKey(HS256, "k"); !errors.Is(err, ErrKey) {
		t.Errorf("a shared secret is generated: %v", err)
	}
	k := newKey(t, HS256, "k")
	if _, err := k.MarshalPKCS8(); !errors.Is(err, ErrKey) {
		t.Errorf("a shared secret is exported: %v", err)
	}
	if k.PublicJWK() != nil || k.Public() != nil || k.Thumbprint() != "" {
		t.Error("a shared secret has a public part")
	}
}

func TestAKeyDoesNotShowItsSecret(t *testing.T) {
	for _, alg := range []Algorithm{ES256, HS256} {
		k := newKey(t, alg, "kid-1")
		const want = "jose.Key("
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			text := fmt.Sprintf(verb, k)
			if !strings.HasPrefix(text, want) || len(text) > 40 {
				t.Errorf("printed with %s as %s", verb, text)
			}
		}
		if !strings.Contains(log.String(), "key.kid=kid-1") || strings.Contains(log.String(), "kkk") {
			t.Errorf("logged as %s", log.String())
		}
		if data, err := json.Marshal(k); err != nil || string(data) != "{}" { //nolint:staticcheck // that nothing is marshalled is the point
			t.Errorf("JSON %s, %v", data, err)
		}
	}
}

func TestHalfHash(t *testing.T) {
	// OpenID Connect Core §A.4 and §A.6: the examples' access token and code under RS256.
	if got := RS256.HalfHash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"); got != "77QmUPtjPfzWtF2AnpK9RQ" {
		t.Errorf("at_hash %s", got)
	}
	if got := RS256.HalfHash("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"); got != "LDktKdoQak3Pk0cnXxCltA" {
		t.Errorf("c_hash %s", got)
	}
	if len(EdDSA.HalfHash("x")) != 43 || len(ES384.HalfHash("x")) != 32 || Algorithm("none").HalfHash("x") != "" {
		t.Error("half hashes have the wrong length")
	}
}

func TestParseAlgorithm(t *testing.T) {
	for _, alg := range Algorithms() {
		if got, ok := ParseAlgorithm(string(alg)); !ok || got != alg {
			t.Errorf("%s does not parse", alg)
		}
	}
	for _, s := range []string{"none", "None", "", "rs256", "RSA1_5", "ES256K"} {
		if _, ok := ParseAlgorithm(s); ok {
			t.Errorf("%q is taken for an algorithm", s)
		}
	}
}

// broken is a signer that does not do its work.
type broken struct {
	crypto.Signer
	signature []byte
	err       error
}

func (b broken) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return b.signature, b.err
}

func TestABrokenSignerIsAnError(t *testing.T) {
	k := newKey(t, ES256, "k")
	for name, b := range map[string]broken{
		"an error":        {signer(k), nil, errors.New("the module is away")},
		"no signature":    {signer(k), nil, nil},
		"too long values": {signer(k), append([]byte{0x30, 0x26, 0x02, 0x21}, append(bytes.Repeat([]byte{1}, 33), 2, 1, 1)...), nil},
	} {
		faulty, err := NewKey(b, "k", ES256)
		if err != nil {
			t.Fatal(err)
		}
		if token, err := faulty.Sign(TypeJWT, []byte("{}")); err == nil {
			t.Errorf("%s: token %s", name, token)
		}
		if _, err := faulty.MarshalPKCS8(); !errors.Is(err, ErrKey) {
			t.Errorf("%s: exported, %v", name, err)
		}
	}
}

func signer(k *Key) crypto.Signer { return k.signer }

func TestWithAlgorithm(t *testing.T) {
	k := newKey(t, RS256, "k")
	ps, err := k.WithAlgorithm(PS256)
	if err != nil || ps.Algorithm() != PS256 || ps.ID() != "k" {
		t.Fatalf("%v, %v", ps, err)
	}
	if _, err := newSet(t, ps).Verify(sign(t, ps, TypeJWT, "{}"), Check{Algorithms: []Algorithm{PS256}}); err != nil {
		t.Error(err)
	}
	if _, err := k.WithAlgorithm(ES256); !errors.Is(err, ErrKey) {
		t.Errorf("error %v", err)
	}
}

func TestAppendSignAppends(t *testing.T) {
	k := newKey(t, ES256, "k")
	got, err := k.AppendSign([]byte(`{"access_token":"`), TypeJWT, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	token, ok := strings.CutPrefix(string(got), `{"access_token":"`)
	if !ok {
		t.Fatalf("the beginning is gone: %s", got)
	}
	if _, err := newSet(t, k).Verify(token, Check{}); err != nil {
		t.Error(err)
	}
}

// badSigner has a public key of a type that nobody knows.
type badSigner struct{ crypto.Signer }

func (badSigner) Public() crypto.PublicKey { return "key" }
