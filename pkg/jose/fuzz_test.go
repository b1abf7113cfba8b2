package jose

import "testing"

func FuzzJWT(f *testing.F) {
	key, err := NewHMACKey("k", HS256, []byte(clientSecret))
	if err != nil {
		f.Fatal(err)
	}
	set, err := NewKeySet(key)
	if err != nil {
		f.Fatal(err)
	}
	good, err := key.Sign(TypeJWT, []byte(`{"sub":"x","exp":1.5,"aud":["a"]}`))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, proof, "..", "eyJhbGciOiJub25lIn0..", "eyJhbGciOiJIUzI1NiIsImNyaXQiOltdfQ.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, inSet := set.Verify(token, Check{})
		_, bySecret := VerifyWithSecret(token, clientSecret, Check{Algorithms: []Algorithm{HS256}})
		if inSet == nil && bySecret != nil {
			t.Errorf("the set verifies what its only secret does not: %q", token)
		}
		if e, err := VerifyEmbedded(token, dpop); err == nil && e.Thumbprint == "" {
			t.Error("a verified proof without a thumbprint")
		}
		if _, c, err := Unverified(token); err == nil {
			c.Map()
		}
	})
}

func FuzzJWE(f *testing.F) {
	e, err := NewSecretEncrypter(clientSecret, A256KW, A128CBCHS256)
	if err != nil {
		f.Fatal(err)
	}
	good, err := e.Encrypt([]byte("payload"), ContentJWT)
	if err != nil {
		f.Fatal(err)
	}
	key, err := GenerateKey(ES256, "")
	if err != nil {
		f.Fatal(err)
	}
	own, err := NewDecryptionKey(key.signer, "own")
	if err != nil {
		f.Fatal(err)
	}
	d := NewDecrypter(own).WithSecrets(clientSecret)
	for _, seed := range []string{
		good, compressed, "....",
		"eyJhbGciOiJFQ0RILUVTIiwiZXBrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoibVBVS1RfYkFXR0hJaGcwVHBqanFWc1AxclhXUXVfdndWT0hIdE5rZFlvQSIsInkiOiI4QlFBc0ltR2VBUzQ2ZnlXdzVNaFlmR1RUMElqQnBGdzJTUzM0RHY0SXJzIn0sImVuYyI6IkExMjhDQkMtSFMyNTYifQ..yc9N8v5sYyv3iGQT926IUg.AAAAAAAAAAAAAAAAAAAAAA.WCCkNa-x4BeB9hIDIfFuhg",
		"eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMTI4R0NNIiwicDJjIjoxMDAwLCJwMnMiOiJBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIn0.AAAA.AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := d.Decrypt(token, Decryption{Algorithms: KeyManagements()})
		if err == nil && len(got.Payload) > len(token) {
			t.Errorf("a payload of %d bytes from a token of %d", len(got.Payload), len(token))
		}
	})
}

func FuzzJWKS(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[]}`,
		`{"keys":[{"kty":"RSA","n":"` + rsaModulus + `","e":"AQAB","use":"enc","alg":"RSA-OAEP-256","kid":"1"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","key_ops":["verify"]}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","x5c":["AAAA"]}]}`,
		`{"keys":[{"kty":"oct","k":"AAAA"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseJWKS(data)
		if err != nil {
			return
		}
		s.Algorithms()
		for _, alg := range s.EncryptionAlgorithms() {
			e, err := s.Encrypter(alg, A128GCM)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Encrypt([]byte("x"), ""); err != nil {
				t.Errorf("a key that was taken cannot be used: %v", err)
			}
		}
		if again, err := ParseJWKS(s.JWKS()); err != nil || again.Len() != s.Len() {
			t.Errorf("the set does not survive its own form: %v", err)
		}
	})
}
