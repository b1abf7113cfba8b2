package jose

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"
)

// proof is the DPoP proof of RFC 9449 §4.1.
const proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19." +
	"eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ." +
	"2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"

var dpop = Check{Types: []string{"dpop+jwt"}, Algorithms: []Algorithm{ES256, EdDSA, PS256}}

func TestTheProofOfRFC9449IsVerifiedByTheKeyItHolds(t *testing.T) {
	got, err := VerifyEmbedded(proof, dpop)
	if err != nil {
		t.Fatal(err)
	}
	if want := "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; got.Thumbprint != want {
		t.Errorf("thumbprint %s, want that of §6.1, %s", got.Thumbprint, want)
	}
	c, err := got.Claims()
	if err != nil || c.ID != "-BwC3ESc6acc2lTc" {
		t.Errorf("claims %+v, %v", c, err)
	}
}

// embed signs claims with a header of our choice.
func embed(t *testing.T, k *Key, header string) string {
	t.Helper()
	token, err := k.appendSign(nil, base64.RawURLEncoding.EncodeToString([]byte(header))+".", []byte(`{"jti":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

func TestAnEmbeddedKeyIsRefused(t *testing.T) {
	k, err := GenerateKey(ES256, "")
	if err != nil {
		t.Fatal(err)
	}
	own := func(k *Key) string {
		data, _ := json.Marshal(publicJWK(k.public))
		return string(data)
	}
	other, err := GenerateKey(ES256, "")
	if err != nil {
		t.Fatal(err)
	}
	hmacKey, err := NewHMACKey("", HS256, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	const private = `"d":"r_kHyZ-a06rmxM3yESK84r1otSg-aQcVStkRhA-iCM8"`
	tests := []struct {
		name  string
		token string
		check Check
		want  error
	}{
		{"with a private member", embed(t, k, `{"typ":"dpop+jwt","alg":"ES256","jwk":`+strings.Replace(own(k), "{", "{"+private+",", 1)+`}`), dpop, ErrPrivateKey},
		{"if it is a shared secret", embed(t, hmacKey, `{"typ":"dpop+jwt","alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`),
			Check{Types: dpop.Types, Algorithms: []Algorithm{HS256, ES256}}, ErrPrivateKey},
		{"if the algorithm is an HMAC", embed(t, hmacKey, `{"typ":"dpop+jwt","alg":"HS256","jwk":`+own(k)+`}`),
			Check{Types: dpop.Types, Algorithms: []Algorithm{HS256, ES256}}, ErrAlgorithm},
		{"if only HMACs are allowed", embed(t, k, `{"typ":"dpop+jwt","alg":"ES256","jwk":`+own(k)+`}`),
			Check{Types: dpop.Types, Algorithms: []Algorithm{HS256}}, ErrAlgorithm},
		{"if another key signed", embed(t, other, `{"typ":"dpop+jwt","alg":"ES256","jwk":`+own(k)+`}`), dpop, ErrSignature},
		{"if the algorithm is not that of the key", embed(t, k, `{"typ":"dpop+jwt","alg":"EdDSA","jwk":`+own(k)+`}`), dpop, ErrAlgorithm},
		{"if the algorithm is none", embed(t, k, `{"typ":"dpop+jwt","alg":"none","jwk":`+own(k)+`}`), dpop, ErrAlgorithm},
		{"if the token is of another type", embed(t, k, `{"typ":"JWT","alg":"ES256","jwk":`+own(k)+`}`), dpop, ErrType},
		{"if the token has no type", embed(t, k, `{"alg":"ES256","jwk":`+own(k)+`}`), dpop, ErrType},
		{"if there is none", embed(t, k, `{"typ":"dpop+jwt","alg":"ES256"}`), dpop, ErrMalformed},
		{"if its type is unknown", embed(t, k, `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"secp256k1"}}`), dpop, ErrKey},
		{"if it is not on its curve", embed(t, k, `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}}`), dpop, ErrKey},
		{"where the check names no types", proof, Check{Algorithms: dpop.Algorithms}, ErrAlgorithm},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := VerifyEmbedded(tt.token, tt.check); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestASharedSecretVerifiesHMACsAlone(t *testing.T) {
	key, err := NewHMACKey("", HS256, []byte(clientSecret))
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Sign(TypeJWT, []byte(`{"iss":"app"}`))
	if err != nil {
		t.Fatal(err)
	}
	ec, err := GenerateKey(ES256, "")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ec.Sign(TypeJWT, []byte(`{"iss":"app"}`))
	if err != nil {
		t.Fatal(err)
	}
	all := Check{Algorithms: Algorithms()}
	if got, err := VerifyWithSecret(token, clientSecret, all); err != nil || string(got.Payload) != `{"iss":"app"}` {
		t.Errorf("%v, %v", got, err)
	}
	for _, tt := range []struct {
		name, token, secret string
		check               Check
		want                error
	}{
		{"another secret", token, strings.ToUpper(clientSecret), all, ErrSignature},
		{"an algorithm that was not registered", token, clientSecret, Check{Algorithms: []Algorithm{HS512}}, ErrAlgorithm},
		{"a check without algorithms", token, clientSecret, Check{}, ErrAlgorithm},
		{"a token that a private key signed", signed, clientSecret, all, ErrAlgorithm},
		{"a secret that is shorter than the hash", token, "short", all, ErrKey},
		{"another type", token, clientSecret, Check{Algorithms: all.Algorithms, Types: []string{TypeAccessToken}}, ErrType},
	} {
		if _, err := VerifyWithSecret(tt.token, tt.secret, tt.check); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestKeysWithCertificates(t *testing.T) {
	k, err := GenerateKey(ES256, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	text, err := SelfSigned(k, "client", now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	other, err := GenerateKey(ES256, "")
	if err != nil {
		t.Fatal(err)
	}
	jwk := func(k *Key, chain string) string {
		data, _ := json.Marshal(publicJWK(k.public))
		return `{"keys":[` + strings.Replace(string(data), "{", `{"x5c":`+chain+`,`, 1) + `]}`
	}
	chain := `["` + base64.StdEncoding.EncodeToString(block.Bytes) + `"]`
	set, err := ParseJWKS([]byte(jwk(k, chain)))
	if err != nil {
		t.Fatal(err)
	}
	if keys := set.PublicKeys(); len(keys) != 1 || !SamePublic(keys[0], c.PublicKey) || SamePublic(keys[0], other.Public()) {
		t.Errorf("the key of the certificate is not that of the set: %v", keys)
	}
	for name, text := range map[string]string{
		"the certificate of another key":   jwk(other, chain),
		"something that is no certificate": jwk(k, `["AAAA"]`),
		"an empty chain":                   jwk(k, `[]`),
		"a chain that is no array":         jwk(k, `"AAAA"`),
	} {
		if _, err := ParseJWKS([]byte(text)); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCertificateThumbprintIsTheHashOfTheDER(t *testing.T) {
	if got, want := CertificateThumbprint([]byte("abc")), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
