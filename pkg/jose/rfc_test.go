package jose

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// examplePayload is the payload of the examples of RFC 7515 Appendix A.
const examplePayload = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"

const exampleBody = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

// rsaModulus is the modulus of the key of RFC 7517 Appendix A.1 and RFC 7638 §3.1.
const rsaModulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

func raw64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseJWKS(t *testing.T, keys string) *KeySet {
	t.Helper()
	s, err := ParseJWKS([]byte(`{"keys":[` + keys + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExamplesOfTheStandards(t *testing.T) {
	hmacKey, err := NewHMACKey("", HS256, raw64(t,
		"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"))
	if err != nil {
		t.Fatal(err)
	}
	hmacSet, err := NewKeySet(hmacKey)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		set     *KeySet
		token   string
		header  Header
		payload string
	}{
		{
			name: "RFC 7515 A.1: HMAC SHA-256",
			set:  hmacSet,
			token: "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + exampleBody +
				".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
			header:  Header{Algorithm: HS256, Type: "JWT"},
			payload: examplePayload,
		},
		{
			name:    "RFC 7515 A.2: RSASSA-PKCS1-v1_5 SHA-256",
			set:     parseJWKS(t, `{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}`),
			token:   "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
			header:  Header{Algorithm: RS256},
			payload: examplePayload,
		},
		{
			name: "RFC 7515 A.3: ECDSA P-256 SHA-256",
			set: parseJWKS(t, `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",`+
				`"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`),
			token: "eyJhbGciOiJFUzI1NiJ9." + exampleBody +
				".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
			header:  Header{Algorithm: ES256},
			payload: examplePayload,
		},
		{
			name: "RFC 7515 A.4: ECDSA P-521 SHA-512",
			set: parseJWKS(t, `{"kty":"EC","crv":"P-521",`+
				`"x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",`+
				`"y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`),
			token: "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA." +
				"AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCA" +
				"PZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
			header:  Header{Algorithm: ES512},
			payload: "Payload",
		},
		{
			name: "RFC 8037 A.4: Ed25519",
			set:  parseJWKS(t, `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`),
			token: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
				"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
			header:  Header{Algorithm: EdDSA},
			payload: "Example of Ed25519 signing",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.set.Verify(tt.token, Check{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&Token{Header: tt.header, Payload: []byte(tt.payload)}, got); diff != "" {
				t.Errorf("token (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSigningTheExampleOfRFC8037(t *testing.T) {
	k, err := NewKey(ed25519.NewKeyFromSeed(raw64(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := k.ID(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("thumbprint (A.3) %s, want %s", got, want)
	}
	got, err := k.WithID("").Sign(TypeNone, []byte("Example of Ed25519 signing"))
	want := "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	if err != nil || got != want {
		t.Errorf("token (A.4) %s, %v", got, err)
	}
}

func TestThumbprintOfRFC7638(t *testing.T) {
	s := parseJWKS(t, `{"kty":"RSA","n":"`+rsaModulus+`","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`)
	if got, want := thumbprint(s.all[0].public), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("thumbprint (§3.1) %s, want %s", got, want)
	}
}

func TestKeySetOfRFC7517(t *testing.T) {
	s := parseJWKS(t, `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
		"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
		{"kty":"RSA","n":"`+rsaModulus+`","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`)
	if s.Len() != 2 || !s.Has("1") || !s.Has("2011-04-29") {
		t.Errorf("A.1: %d keys", s.Len())
	}
	if diff := cmp.Diff([]Algorithm{RS256}, s.Algorithms()); diff != "" {
		t.Errorf("the key for encryption verifies something (-want +got):\n%s", diff)
	}
}
