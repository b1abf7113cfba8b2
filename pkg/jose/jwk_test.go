package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

func TestJWKSHasPublicPartsOnly(t *testing.T) {
	keys := []*Key{
		newKey(t, RS256, "rs"), newKey(t, PS384, "ps"), newKey(t, ES256, "es"), newKey(t, ES512, "es512"),
		newKey(t, EdDSA, "ed"), newKey(t, HS256, "hs"),
	}
	s := newSet(t, keys...)
	var got struct{ Keys []map[string]string }
	if err := json.Unmarshal(s.JWKS(), &got); err != nil {
		t.Fatal(err)
	}
	type facts struct{ Kty, Use, Alg, Kid, Members string }
	var seen []facts
	for _, k := range got.Keys {
		var members []string
		for _, name := range []string{"crv", "e", "n", "x", "y", "d", "p", "k"} {
			if _, ok := k[name]; ok {
				members = append(members, name)
			}
		}
		seen = append(seen, facts{k["kty"], k["use"], k["alg"], k["kid"], strings.Join(members, " ")})
	}
	want := []facts{
		{"RSA", "sig", "RS256", "rs", "e n"},
		{"RSA", "sig", "PS384", "ps", "e n"},
		{"EC", "sig", "ES256", "es", "crv x y"},
		{"EC", "sig", "ES512", "es512", "crv x y"},
		{"OKP", "sig", "EdDSA", "ed", "crv x"},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("published keys (-want +got):\n%s", diff)
	}
	if got := string(newSet(t).JWKS()); got != `{"keys":[]}` {
		t.Errorf("an empty set is %s", got)
	}
}

func TestPublishedKeysAreReadByUsAndByOthers(t *testing.T) {
	for _, alg := range Algorithms() {
		if alg.Symmetric() {
			continue
		}
		k := newKey(t, alg, "k1")
		published := newSet(t, k).JWKS()
		again, err := ParseJWKS(published)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if string(again.JWKS()) != string(published) {
			t.Errorf("%s becomes %s", published, again.JWKS())
		}
		if _, err := again.Verify(sign(t, k, TypeJWT, "{}"), Check{}); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		theirs, err := jwk.ParseKey([]byte(mustJSON(t, k.PublicJWK())))
		if err != nil {
			t.Fatal(err)
		}
		sum, err := theirs.Thumbprint(crypto.SHA256)
		if err != nil || b64.EncodeToString(sum) != k.Thumbprint() {
			t.Errorf("%s: thumbprint %s, theirs %x, %v", alg, k.Thumbprint(), sum, err)
		}
	}
}

func TestDistinct(t *testing.T) {
	a, b, c := newKey(t, ES256, "default"), newKey(t, ES256, "default"), newKey(t, ES256, "other")
	if _, err := NewKeySet(a, b); !errors.Is(err, ErrKey) {
		t.Errorf("two keys under one kid make a set: %v", err)
	}
	got := Distinct(a, b, c, b)
	ids := []string{got[0].ID(), got[1].ID(), got[2].ID(), got[3].ID()}
	suffixed := "default-" + b.Thumbprint()[:8]
	if diff := cmp.Diff([]string{"default", suffixed, "other", "default-2"}, ids); diff != "" {
		t.Errorf("identifiers (-want +got):\n%s", diff)
	}
	if b.ID() != "default" {
		t.Error("the original key was changed")
	}
	s := newSet(t, got...)
	for _, k := range got {
		token := sign(t, k, TypeJWT, "{}")
		verified, err := s.Verify(token, Check{})
		if err != nil || verified.Header.KeyID != k.ID() {
			t.Errorf("%v: %v", k, err)
		}
	}
	h := newKey(t, HS256, "h")
	if got := Distinct(h, h); got[1].ID() != "h-2" {
		t.Errorf("a shared secret is renamed %q", got[1].ID())
	}
}

func TestParseJWKS(t *testing.T) {
	es := newKey(t, ES256, "es")
	good := mustJSON(t, es.PublicJWK())
	change := func(name string, value any) string {
		j := es.PublicJWK()
		if j[name] = value; value == nil {
			delete(j, name)
		}
		return mustJSON(t, j)
	}
	smallRSA := fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":"%s"}`, b64.EncodeToString(oddNumber(1024)))
	hugeRSA := fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":"%s"}`, b64.EncodeToString(oddNumber(16384)))
	evenExponent := fmt.Sprintf(`{"kty":"RSA","e":"AQAA","n":"%s"}`, b64.EncodeToString(oddNumber(2048)))
	tests := []struct {
		name string
		set  string
		keys int
		algs []Algorithm
		err  error
	}{
		{"a signature key", `{"keys":[` + good + `]}`, 1, []Algorithm{ES256}, nil},
		{"no keys", `{"keys":[]}`, 0, nil, nil},
		{"an unknown key type is left out (RFC 7517 §5)", `{"keys":[{"kty":"LATTICE"},` + good + `]}`, 1, []Algorithm{ES256}, nil},
		{"an unknown curve is left out", `{"keys":[{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"},{"kty":"OKP","crv":"Ed448","x":"AA"},` + good + `]}`, 1, []Algorithm{ES256}, nil},
		{"a key for encryption verifies nothing", `{"keys":[` + change("use", "enc") + `]}`, 1, nil, nil},
		{"a key whose operations leave out verify verifies nothing", `{"keys":[` + change("key_ops", []string{"deriveKey"}) + `]}`, 1, nil, nil},
		{"a key whose operations name verify verifies", `{"keys":[` + change("key_ops", []string{"verify"}) + `]}`, 1, []Algorithm{ES256}, nil},
		{"a key for another algorithm verifies nothing", `{"keys":[` + change("alg", "ECDH-ES") + `]}`, 1, nil, nil},
		{"a key whose alg contradicts its curve verifies nothing", `{"keys":[` + change("alg", "ES384") + `]}`, 1, nil, nil},
		{"a key named none verifies nothing", `{"keys":[` + change("alg", "none") + `]}`, 1, nil, nil},
		{"two keys of one kid are both kept", `{"keys":[` + good + `,` + good + `]}`, 2, []Algorithm{ES256}, nil},
		{"unknown members are skipped", `{"keys":[` + change("x-note", "hello") + `],"more":1}`, 1, []Algorithm{ES256}, nil},
		{"no JSON", `nothing`, 0, nil, ErrKey},
		{"an array", `[]`, 0, nil, ErrKey},
		{"null", `null`, 0, nil, ErrKey},
		{"no keys member", `{}`, 0, nil, ErrKey},
		{"keys that are null", `{"keys":null}`, 0, nil, ErrKey},
		{"keys in other letters", `{"KEYS":[]}`, 0, nil, ErrKey},
		{"a key that is null", `{"keys":[null]}`, 0, nil, ErrKey},
		{"a key that is a text", `{"keys":["x"]}`, 0, nil, ErrKey},
		{"a key without kty", `{"keys":[` + change("kty", nil) + `]}`, 0, nil, ErrKey},
		{"a key without a coordinate", `{"keys":[` + change("y", nil) + `]}`, 0, nil, ErrKey},
		{"a point that is not on the curve", `{"keys":[` + change("x", b64.EncodeToString(make([]byte, 32))) + `]}`, 0, nil, ErrKey},
		{"a point of another curve", `{"keys":[` + change("crv", "P-384") + `]}`, 0, nil, ErrKey},
		{"a short Ed25519 key", `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}`, 0, nil, ErrKey},
		{"an RSA key of 1024 bits", `{"keys":[` + smallRSA + `]}`, 0, nil, ErrKey},
		{"an RSA key of 16384 bits", `{"keys":[` + hugeRSA + `]}`, 0, nil, ErrKey},
		{"an RSA key with an even exponent", `{"keys":[` + evenExponent + `]}`, 0, nil, ErrKey},
		{"an RSA key without a modulus", `{"keys":[{"kty":"RSA","e":"AQAB"}]}`, 0, nil, ErrKey},
		{"a private key", `{"keys":[` + change("d", "AAAA") + `]}`, 0, nil, ErrPrivateKey},
		{"a shared secret", `{"keys":[{"kty":"oct","k":"AAAA"}]}`, 0, nil, ErrPrivateKey},
		{"65 keys", `{"keys":[` + strings.Repeat(good+",", 64) + good + `]}`, 0, nil, ErrKey},
		{"an endless text", `{"keys":[]` + strings.Repeat(" ", maxJWKSBytes) + `}`, 0, nil, ErrKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseJWKS([]byte(tt.set))
			if !errors.Is(err, tt.err) || (err == nil) != (s != nil) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if s.Len() != tt.keys {
				t.Errorf("%d keys, want %d", s.Len(), tt.keys)
			}
			if diff := cmp.Diff(tt.algs, s.Algorithms()); diff != "" {
				t.Errorf("algorithms (-want +got):\n%s", diff)
			}
		})
	}
}

// oddNumber returns an odd number of exactly this many bits.
func oddNumber(bits int) []byte {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.SetBit(n, 0, 1).Bytes()
}

func TestKeysThatShareAKidAreAllTried(t *testing.T) {
	a, b := newKey(t, ES256, "k"), newKey(t, ES256, "k")
	s := parseJWKS(t, mustJSON(t, a.PublicJWK())+","+mustJSON(t, b.PublicJWK()))
	for _, k := range []*Key{a, b, a.WithID(""), b.WithID("")} {
		if _, err := s.Verify(sign(t, k, TypeJWT, "{}"), Check{}); err != nil {
			t.Error(err)
		}
	}
}

func TestTheWorkForOneTokenIsBounded(t *testing.T) {
	var keys []string
	for range maxTries {
		keys = append(keys, mustJSON(t, newKey(t, ES256, "").PublicJWK()))
	}
	last := newKey(t, ES256, "last")
	keys = append(keys, mustJSON(t, last.PublicJWK()))
	s := parseJWKS(t, strings.Join(keys, ","))
	if _, err := s.Verify(sign(t, last, TypeJWT, "{}"), Check{}); err != nil {
		t.Errorf("by its kid: %v", err)
	}
	if _, err := s.Verify(sign(t, last.WithID(""), TypeJWT, "{}"), Check{}); !errors.Is(err, ErrSignature) {
		t.Errorf("the ninth key without a kid: %v", err)
	}
}

func TestCheckPublicRefusesOtherTypes(t *testing.T) {
	if _, err := NewKey(badSigner{}, "k", ""); !errors.Is(err, ErrKey) {
		t.Errorf("error %v", err)
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k.E = 4
	if err := checkPublic(&k.PublicKey); !errors.Is(err, ErrKey) {
		t.Errorf("error %v", err)
	}
}

func FuzzParseJWKS(f *testing.F) {
	k := newKey(f, ES256, "k")
	f.Add(newSet(f, k).JWKS())
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AA","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":"AA"},{"kty":"oct"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":"","x5c":["AA"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseJWKS(data)
		if err != nil {
			return
		}
		// What was accepted has a public form that is accepted again.
		again, err := ParseJWKS(s.JWKS())
		if err != nil || again.Len() != s.Len() {
			t.Errorf("%s became %s: %v", data, s.JWKS(), err)
		}
	})
}
