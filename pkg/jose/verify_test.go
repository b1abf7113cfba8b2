package jose

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"crypto/x509"
)

// forge returns a token with any header and payload, signed by the key as it is.
func forge(t testing.TB, k *Key, header, payload string) string {
	t.Helper()
	token, err := k.appendSign(nil, b64.EncodeToString([]byte(header))+".", []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

func TestVerifyRefuses(t *testing.T) {
	const claims = `{"sub":"ann"}`
	es, rs := newKey(t, ES256, "es"), newKey(t, RS256, "rs")
	set := newSet(t, es, rs)
	stranger := newKey(t, ES256, "es")
	good := sign(t, es, TypeJWT, claims)
	part := strings.Split(good, ".")

	// The classic confusion: the public key, in the form in which it is published, as an HMAC secret.
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	confused, err := NewHMACKey("rs", HS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	jwkBytes, err := json.Marshal(rs.PublicJWK())
	if err != nil {
		t.Fatal(err)
	}
	confusedJWK, err := NewHMACKey("rs", HS256, jwkBytes)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(s string) string {
		if s[4] == 'A' {
			return s[:4] + "B" + s[5:]
		}
		return s[:4] + "A" + s[5:]
	}
	// The last character of a 64-byte signature carries two bits that must be zero.
	surplus := good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])|1])

	tests := []struct {
		name  string
		token string
		check Check
		want  error
	}{
		{"no signature at all", `eyJhbGciOiJub25lIn0.` + part[1] + ".", Check{}, ErrAlgorithm},
		{"none in other letters", b64.EncodeToString([]byte(`{"alg":"nOnE"}`)) + "." + part[1] + ".", Check{}, ErrAlgorithm},
		{"none with the kid of a key", b64.EncodeToString([]byte(`{"alg":"none","kid":"es"}`)) + "." + part[1] + ".", Check{}, ErrAlgorithm},
		{"an HMAC with a published PEM", sign(t, confused, TypeJWT, claims), Check{}, ErrAlgorithm},
		{"an HMAC with a published JWK", sign(t, confusedJWK, TypeJWT, claims), Check{}, ErrAlgorithm},
		{"an HMAC without a kid", sign(t, confused.WithID(""), TypeJWT, claims), Check{}, ErrUnknownKey},
		{"another algorithm of the same key type", sign(t, newKey(t, PS256, "rs"), TypeJWT, claims), Check{}, ErrAlgorithm},
		{"an algorithm of another key type", forge(t, es, `{"alg":"RS256","kid":"es"}`, claims), Check{}, ErrAlgorithm},
		{"an algorithm that the caller does not allow", good, Check{Algorithms: []Algorithm{RS256, PS256}}, ErrAlgorithm},
		{"an algorithm that we do not know", forge(t, es, `{"alg":"ES256K","kid":"es"}`, claims), Check{}, ErrAlgorithm},
		{"a changed payload", part[0] + "." + flip(part[1]) + "." + part[2], Check{}, ErrSignature},
		{"a changed signature", part[0] + "." + part[1] + "." + flip(part[2]), Check{}, ErrSignature},
		{"a header of the same meaning that was not signed", forge(t, stranger, `{"kid":"es","alg":"ES256"}`, claims), Check{}, ErrSignature},
		{"another key under the same kid", sign(t, stranger, TypeJWT, claims), Check{}, ErrSignature},
		{"another key without a kid", sign(t, stranger.WithID(""), TypeJWT, claims), Check{}, ErrSignature},
		{"a kid that is not in the set", sign(t, es.WithID("other"), TypeJWT, claims), Check{}, ErrUnknownKey},
		{"an empty signature", part[0] + "." + part[1] + ".", Check{}, ErrSignature},
		{"a zero signature", part[0] + "." + part[1] + "." + strings.Repeat("A", 86), Check{}, ErrSignature},
		{"a signature that is too short", part[0] + "." + part[1] + "." + part[2][:84], Check{}, ErrSignature},
		{"a signature with surplus bits", surplus, Check{}, ErrMalformed},
		{"a signature with padding", good + "==", Check{}, ErrMalformed},
		{"a line break inside", part[0] + "." + part[1] + ".\n" + part[2], Check{}, ErrMalformed},
		{"two parts", part[0] + "." + part[1], Check{}, ErrMalformed},
		{"four parts", good + ".x", Check{}, ErrMalformed},
		{"five parts, an encrypted token", good + ".x.y", Check{}, ErrMalformed},
		{"no header", "." + part[1] + "." + part[2], Check{}, ErrMalformed},
		{"nothing", "", Check{}, ErrMalformed},
		{"the JSON serialization", `{"payload":"` + part[1] + `"}`, Check{}, ErrMalformed},
		{"a header that is no JSON", "AAAA." + part[1] + "." + part[2], Check{}, ErrMalformed},
		{"a header that is null", b64.EncodeToString([]byte("null")) + "." + part[1] + "." + part[2], Check{}, ErrMalformed},
		{"a header without alg", forge(t, es, `{"kid":"es"}`, claims), Check{}, ErrMalformed},
		{"a header whose ALG is in other letters", forge(t, es, `{"ALG":"ES256","kid":"es"}`, claims), Check{}, ErrMalformed},
		{"a header whose alg is a list", forge(t, es, `{"alg":["ES256"],"kid":"es"}`, claims), Check{}, ErrMalformed},
		{"a header whose kid is a number", forge(t, es, `{"alg":"ES256","kid":1}`, claims), Check{}, ErrMalformed},
		{"a critical extension", forge(t, es, `{"alg":"ES256","kid":"es","crit":["exp"],"exp":1}`, claims), Check{}, ErrMalformed},
		{"an empty list of critical extensions", forge(t, es, `{"alg":"ES256","kid":"es","crit":[]}`, claims), Check{}, ErrMalformed},
		{"an unencoded payload (RFC 7797)", forge(t, es, `{"alg":"ES256","kid":"es","b64":false,"crit":["b64"]}`, claims), Check{}, ErrMalformed},
		{"a key that the token brings itself", forge(t, stranger, `{"alg":"ES256","jwk":`+mustJSON(t, stranger.PublicJWK())+`}`, claims), Check{}, ErrSignature},
		{"another type", good, Check{Types: []string{TypeAccessToken}}, ErrType},
		{"no type where one is required", sign(t, es, TypeNone, claims), Check{Types: []string{TypeAccessToken, TypeJWT}}, ErrType},
		{"a token beyond 16 KiB", sign(t, es, TypeJWT, strings.Repeat("x", MaxTokenSize)), Check{}, ErrTooLarge},
		{"a token beyond the caller's limit", good, Check{MaxSize: len(good) - 1}, ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := set.Verify(tt.token, tt.check)
			if !errors.Is(err, tt.want) || got != nil {
				t.Errorf("token %v, error %v, want %v", got, err, tt.want)
			}
		})
	}
	if _, err := set.Verify(good, Check{}); err != nil {
		t.Errorf("the token that was changed is not good: %v", err)
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestVerifyAccepts(t *testing.T) {
	const claims = `{"sub":"ann"}`
	es, rs := newKey(t, ES256, "es"), newKey(t, RS256, "rs")
	set := newSet(t, es, rs)
	tests := []struct {
		name  string
		token string
		check Check
		typ   string
	}{
		{"a token without kid by the key that fits", sign(t, rs.WithID(""), TypeJWT, claims), Check{}, "JWT"},
		{"a header in another order", forge(t, es, `{"typ":"JWT","kid":"es","alg":"ES256"}`, claims), Check{}, "JWT"},
		{"unknown header parameters", forge(t, es, `{"alg":"ES256","kid":"es","x5t":"abc"}`, claims), Check{}, ""},
		{"a type in other letters", forge(t, es, `{"alg":"ES256","kid":"es","typ":"AT+JWT"}`, claims), Check{Types: []string{TypeAccessToken}}, "AT+JWT"},
		{"a type with application/ (RFC 7515 §4.1.9)", forge(t, es, `{"alg":"ES256","kid":"es","typ":"application/at+jwt"}`, claims), Check{Types: []string{TypeAccessToken}}, "application/at+jwt"},
		{"no type where none is allowed", sign(t, es, TypeNone, claims), Check{Types: []string{TypeJWT, TypeNone}}, ""},
		{"one of several algorithms", sign(t, es, TypeJWT, claims), Check{Algorithms: []Algorithm{RS256, ES256}}, "JWT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := set.Verify(tt.token, tt.check)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Payload) != claims || got.Header.Type != tt.typ {
				t.Errorf("token %+v", got)
			}
		})
	}
}

func TestAKeyOfAnyAlgorithmIsHeldToItsType(t *testing.T) {
	rs, es := newKey(t, RS256, "rs"), newKey(t, ES256, "es")
	// A client's keys often have no alg: RSA keys then verify RS and PS, an EC key its curve's algorithm.
	bare := func(k *Key) string {
		j := k.PublicJWK()
		delete(j, "alg")
		return mustJSON(t, j)
	}
	set := parseJWKS(t, bare(rs)+","+bare(es))
	for _, k := range []*Key{rs, newKey(t, PS512, "rs"), es} {
		if _, err := set.Verify(sign(t, k, TypeJWT, "{}"), Check{}); err != nil {
			t.Errorf("%v: %v", k, err)
		}
	}
	if _, err := set.Verify(forge(t, es, `{"alg":"ES384","kid":"es"}`, "{}"), Check{}); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("a P-256 key checks ES384: %v", err)
	}
}

func TestUnverified(t *testing.T) {
	k := newKey(t, ES256, "k")
	h, c, err := Unverified(sign(t, k, TypeJWT, `{"iss":"client","sub":"client"}`))
	if err != nil || h.KeyID != "k" || c.Issuer != "client" {
		t.Errorf("header %+v, claims %+v, %v", h, c, err)
	}
	for _, bad := range []string{"", "a.b.c", "AAAA.AAAA.AAAA", strings.Repeat("a", MaxTokenSize+1)} {
		if _, _, err := Unverified(bad); err == nil {
			t.Errorf("%.20q is read", bad)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := newKey(f, ES256, "k")
	set := newSet(f, k, newKey(f, EdDSA, "ed"))
	good := sign(f, k, TypeJWT, `{"sub":"ann"}`)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiYjY0Il19.e30.AAAA")
	f.Add(sign(f, newKey(f, HS256, "k"), TypeJWT, `{}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := set.Verify(token, Check{})
		if (err == nil) != (got != nil) {
			t.Fatalf("token %v, error %v", got, err)
		}
		if err == nil && token != good {
			t.Errorf("accepted %q", token)
		}
		_, _, _ = Unverified(token)
	})
}

func BenchmarkVerifyES256(b *testing.B) {
	k := newKey(b, ES256, "k1")
	set := newSet(b, k)
	token := sign(b, k, TypeAccessToken, benchClaims)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Verify(token, Check{Types: []string{TypeAccessToken}}); err != nil {
			b.Fatal(err)
		}
	}
}
