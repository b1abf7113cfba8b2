package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwe"
)

const frodo = "You can trust us to stick with you through thick and thin–to the bitter end. And you can trust us to keep any " +
	"secret of yours–closer than you keep it yourself. But you cannot trust us to let you face trouble alone, and go off without a " +
	"word. We are your friends, Frodo."

// privateEC makes a private key of its member d, as the examples of the standards have it.
func privateEC(t *testing.T, curve elliptic.Curve, d string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.ParseRawPrivateKey(curve, raw64(t, d))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDecryptingTheExamplesOfTheStandards(t *testing.T) {
	took, err := NewDecryptionKey(privateEC(t, elliptic.P384(), "iTx2pk7wW-GqJkHcEkFQb2EFyYcO7RugmaW3mRrQVAOUiPommT0IdnYK2xDlZh-j"), "peregrin.took@tuckborough.example")
	if err != nil {
		t.Fatal(err)
	}
	merry, err := NewDecryptionKey(privateEC(t, elliptic.P256(), "r_kHyZ-a06rmxM3yESK84r1otSg-aQcVStkRhA-iCM8"), "meriadoc.brandybuck@buckland.example")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		d       *Decrypter
		token   string
		want    Encrypted
		payload string
	}{
		{
			name:  "RFC 7520 5.4: ECDH-ES+A128KW on P-384 with A128GCM",
			d:     NewDecrypter(merry, took),
			token: "eyJhbGciOiJFQ0RILUVTK0ExMjhLVyIsImtpZCI6InBlcmVncmluLnRvb2tAdHVja2Jvcm91Z2guZXhhbXBsZSIsImVwayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMzg0IiwieCI6InVCbzRrSFB3Nmtiang1bDB4b3dyZF9vWXpCbWF6LUdLRlp1NHhBRkZrYllpV2d1dEVLNml1RURzUTZ3TmROZzMiLCJ5Ijoic3AzcDVTR2haVkMyZmFYdW1JLWU5SlUyTW84S3BvWXJGRHI1eVBOVnRXNFBnRXdaT3lRVEEtSmRhWTh0YjdFMCJ9LCJlbmMiOiJBMTI4R0NNIn0.0DJjBXri_kBcC46IkU5_Jk9BqaQeHdv2.mH-G2zVqgztUtnW_.tkZuOO9h95OgHJmkkrfLBisku8rGf6nzVxhRM3sVOhXgz5NJ76oID7lpnAi_cPWJRCjSpAaUZ5dOR3Spy7QuEkmKx8-3RCMhSYMzsXaEwDdXta9Mn5B7cCBoJKB0IgEnj_qfo1hIi-uEkUpOZ8aLTZGHfpl05jMwbKkTe2yK3mjF6SBAsgicQDVCkcY9BLluzx1RmC3ORXaM0JaHPB93YcdSDGgpgBWMVrNU1ErkjcMqMoT_wtCex3w03XdLkjXIuEr2hWgeP-nkUZTPU9EoGSPj6fAS-bSz87RCPrxZdj_iVyC6QWcqAu07WNhjzJEPc4jVntRJ6K53NgPQ5p99l3Z408OUqj4ioYezbS6vTPlQ.WuGzxmcreYjpHGJoa17EBg",
			want:  Encrypted{Algorithm: ECDHESA128KW, Encoding: A128GCM, KeyID: took.ID()}, payload: frodo,
		},
		{
			name:  "RFC 7520 5.5: ECDH-ES on P-256 with A128CBC-HS256",
			d:     NewDecrypter(took, merry),
			token: "eyJhbGciOiJFQ0RILUVTIiwia2lkIjoibWVyaWFkb2MuYnJhbmR5YnVja0BidWNrbGFuZC5leGFtcGxlIiwiZXBrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoibVBVS1RfYkFXR0hJaGcwVHBqanFWc1AxclhXUXVfdndWT0hIdE5rZFlvQSIsInkiOiI4QlFBc0ltR2VBUzQ2ZnlXdzVNaFlmR1RUMElqQnBGdzJTUzM0RHY0SXJzIn0sImVuYyI6IkExMjhDQkMtSFMyNTYifQ..yc9N8v5sYyv3iGQT926IUg.BoDlwPnTypYq-ivjmQvAYJLb5Q6l-F3LIgQomlz87yW4OPKbWE1zSTEFjDfhU9IPIOSA9Bml4m7iDFwA-1ZXvHteLDtw4R1XRGMEsDIqAYtskTTmzmzNa-_q4F_evAPUmwlO-ZG45Mnq4uhM1fm_D9rBtWolqZSF3xGNNkpOMQKF1Cl8i8wjzRli7-IXgyirlKQsbhhqRzkv8IcY6aHl24j03C-AR2le1r7URUhArM79BY8soZU0lzwI-sD5PZ3l4NDCCei9XkoIAfsXJWmySPoeRb2Ni5UZL4mYpvKDiwmyzGd65KqVw7MsFfI_K767G9C9Azp73gKZD0DyUn1mn0WW5LmyX_yJ-3AROq8p1WZBfG-ZyJ6195_JGG2m9Csg.WCCkNa-x4BeB9hIDIfFuhg",
			want:  Encrypted{Algorithm: ECDHES, Encoding: A128CBCHS256, KeyID: merry.ID()}, payload: frodo,
		},
		{
			name:  "RFC 7520 5.3: PBES2-HS512+A256KW with A128CBC-HS256, by a shared secret",
			d:     NewDecrypter().WithSecrets("another", "entrap_o–peter_long–credit_tun"),
			token: "eyJhbGciOiJQQkVTMi1IUzUxMitBMjU2S1ciLCJwMnMiOiI4UTFTemluYXNSM3hjaFl6NlpaY0hBIiwicDJjIjo4MTkyLCJjdHkiOiJqd2stc2V0K2pzb24iLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.d3qNhUWfqheyPp4H8sjOWsDYajoej4c5Je6rlUtFPWdgtURtmeDV1g.VBiCzVHNoLiR3F4V82uoTQ.23i-Tb1AV4n0WKVSSgcQrdg6GRqsUKxjruHXYsTHAJLZ2nsnGIX86vMXqIi6IRsfywCRFzLxEcZBRnTvG3nhzPk0GDD7FMyXhUHpDjEYCNA_XOmzg8yZR9oyjo6lTF6si4q9FZ2EhzgFQCLO_6h5EVg3vR75_hkBsnuoqoM3dwejXBtIodN84PeqMb6asmas_dpSsz7H10fC5ni9xIz424givB1YLldF6exVmL93R3fOoOJbmk2GBQZL_SEGllv2cQsBgeprARsaQ7Bq99tT80coH8ItBjgV08AtzXFFsx9qKvC982KLKdPQMTlVJKkqtV4Ru5LEVpBZXBnZrtViSOgyg6AiuwaS-rCrcD_ePOGSuxvgtrokAKYPqmXUeRdjFJwafkYEkiuDCV9vWGAi1DH2xTafhJwcmywIyzi4BqRpmdn_N-zl5tuJYyuvKhjKv6ihbsV_k1hJGPGAxJ6wUpmwC4PTQ2izEm0TuSE8oMKdTw8V3kobXZ77ulMwDs4p.0HlwodAhOCILG5SQ2LQ9dg",
			want:  Encrypted{Algorithm: PBES2HS512KW, Encoding: A128CBCHS256, ContentType: "jwk-set+json"},
			payload: `{"keys":[{"kty":"oct","kid":"77c7e2b8-6e13-45cf-8672-617b5b45243a","use":"enc","alg":"A128GCM","k":"XctOhJAkA-pD9Lh7ZgW_2A"},` +
				`{"kty":"oct","kid":"81b20965-8332-43d9-a468-82160ad91ac8","use":"enc","alg":"A128KW","k":"GZy6sIZ6wl9NJOKB-jnmVQ"},` +
				`{"kty":"oct","kid":"18ec08e1-bfa9-4d95-b205-2b4dd1d4321d","use":"enc","alg":"A256GCMKW","k":"qC57l_uxcm7Nm3K-ct4GFjx8tM1U8CZ0NLBvdQstiS8"}]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.d.Decrypt(tt.token, Decryption{Algorithms: []KeyManagement{tt.want.Algorithm}})
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Payload) != tt.payload {
				t.Errorf("payload %s", got.Payload)
			}
			if got.Payload = nil; got.Algorithm != tt.want.Algorithm || got.Encoding != tt.want.Encoding || got.KeyID != tt.want.KeyID ||
				got.ContentType != tt.want.ContentType {
				t.Errorf("token %+v, want %+v", got, tt.want)
			}
		})
	}
}

// The examples with shared keys are keys of their own, not client secrets, so they prove the algorithms beneath.
func TestAlgorithmsWithSharedKeysDecryptTheExamplesOfTheStandards(t *testing.T) {
	tests := []struct {
		name    string
		alg     KeyManagement
		key     string
		token   string
		payload string
	}{
		{
			name: "RFC 7516 A.3: A128KW with A128CBC-HS256", alg: A128KW, key: "GawgguFyGrWKav7AX4VKUg",
			token:   "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ",
			payload: "Live long and prosper.",
		},
		{
			name: "RFC 7520 5.6: dir with A128GCM", alg: Direct, key: "XctOhJAkA-pD9Lh7ZgW_2A", payload: frodo,
			token: "eyJhbGciOiJkaXIiLCJraWQiOiI3N2M3ZTJiOC02ZTEzLTQ1Y2YtODY3Mi02MTdiNWI0NTI0M2EiLCJlbmMiOiJBMTI4R0NNIn0..refa467QzzKx6QAB.JW_i_f52hww_ELQPGaYyeAB6HYGcR559l9TYnSovc23XJoBcW29rHP8yZOZG7YhLpT1bjFuvZPjQS-m0IFtVcXkZXdH_lr_FrdYt9HRUYkshtrMmIUAyGmUnd9zMDB2n0cRDIHAzFVeJUDxkUwVAE7_YGRPdcqMyiBoCO-FBdE-Nceb4h3-FtBP-c_BIwCPTjb9o0SbdcdREEMJMyZBH8ySWMVi1gPD9yxi-aQpGbSv_F9N4IZAxscj5g-NJsUPbjk29-s7LJAGb15wEBtXphVCgyy53CoIKLHHeJHXex45Uz9aKZSRSInZI-wjsY0yu3cT4_aQ3i1o-tiE-F8Ios61EKgyIQ4CWao8PFMj8TTnp.vbb32Xvllea2OtmHAdccRQ",
		},
		{
			name: "RFC 7520 5.7: A256GCMKW with A128CBC-HS256", alg: A256GCMKW, key: "qC57l_uxcm7Nm3K-ct4GFjx8tM1U8CZ0NLBvdQstiS8", payload: frodo,
			token: "eyJhbGciOiJBMjU2R0NNS1ciLCJraWQiOiIxOGVjMDhlMS1iZmE5LTRkOTUtYjIwNS0yYjRkZDFkNDMyMWQiLCJ0YWciOiJrZlBkdVZRM1QzSDZ2bmV3dC0ta3N3IiwiaXYiOiJLa1lUMEdYXzJqSGxmcU5fIiwiZW5jIjoiQTEyOENCQy1IUzI1NiJ9.lJf3HbOApxMEBkCMOoTnnABxs_CvTWUmZQ2ElLvYNok.gz6NjyEFNm_vm8Gj6FwoFQ.Jf5p9-ZhJlJy_IQ_byKFmI0Ro7w7G1QiaZpI8OaiVgD8EqoDZHyFKFBupS8iaEeVIgMqWmsuJKuoVgzR3YfzoMd3GxEm3VxNhzWyWtZKX0gxKdy6HgLvqoGNbZCzLjqcpDiF8q2_62EVAbr2uSc2oaxFmFuIQHLcqAHxy51449xkjZ7ewzZaGV3eFqhpco8o4DijXaG5_7kp3h2cajRfDgymuxUbWgLqaeNQaJtvJmSMFuEOSAzw9Hdeb6yhdTynCRmu-kqtO5Dec4lT2OMZKpnxc_F1_4yDJFcqb5CiDSmA-psB2k0JtjxAj4UPI61oONK7zzFIu4gBfjJCndsZfdvG7h8wGjV98QhrKEnR7xKZ3KCr0_qR1B-gxpNk3xWU.DKW7jrb4WaRSNfbXVPlT5g",
		},
		{
			name: "RFC 7520 5.8: A128KW with A128GCM", alg: A128KW, key: "GZy6sIZ6wl9NJOKB-jnmVQ", payload: frodo,
			token: "eyJhbGciOiJBMTI4S1ciLCJraWQiOiI4MWIyMDk2NS04MzMyLTQzZDktYTQ2OC04MjE2MGFkOTFhYzgiLCJlbmMiOiJBMTI4R0NNIn0.CBI6oDw8MydIx1IBntf_lQcw2MmJKIQx.Qx0pmsDa8KnJc9Jo.AwliP-KmWgsZ37BvzCefNen6VTbRK3QMA4TkvRkH0tP1bTdhtFJgJxeVmJkLD61A1hnWGetdg11c9ADsnWgL56NyxwSYjU1ZEHcGkd3EkU0vjHi9gTlb90qSYFfeF0LwkcTtjbYKCsiNJQkcIp1yeM03OmuiYSoYJVSpf7ej6zaYcMv3WwdxDFl8REwOhNImk2Xld2JXq6BR53TSFkyT7PwVLuq-1GwtGHlQeg7gDT6xW0JqHDPn_H-puQsmthc9Zg0ojmJfqqFvETUxLAF-KjcBTS5dNy6egwkYtOt8EIHK-oEsKYtZRaa8Z7MOZ7UGxGIMvEmxrGCPeJa14slv2-gaqK0kEThkaSqdYw0FkQZF.ER7MWJZ1FBI_NKvn7Zb1Lw",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseEncrypted(strings.Split(tt.token, ".")[0]); err != nil {
				t.Fatal(err)
			}
			got, err := jwe.Decrypt([]byte(tt.token), jwe.WithKey(keyMethodOf(tt.alg).jwx, raw64(t, tt.key)))
			if err != nil || string(got) != tt.payload {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

// compressed is the example of RFC 7520 5.9.
const compressed = "eyJhbGciOiJBMTI4S1ciLCJraWQiOiI4MWIyMDk2NS04MzMyLTQzZDktYTQ2OC04MjE2MGFkOTFhYzgiLCJlbmMiOiJBMTI4R0NNIiwiemlwIjoiREVGIn0.5vUT2WOtQxKWcekM_IzVQwkGgzlFDwPi.p9pUq6XHY0jfEZIl.HbDtOsdai1oYziSx25KEeTxmwnh8L8jKMFNc1k3zmMI6VB8hry57tDZ61jXyezSPt0fdLVfe6Jf5y5-JaCap_JQBcb5opbmT60uWGml8blyiMQmOn9J--XhhlYg0m-BHaqfDO5iTOWxPxFMUedx7WCy8mxgDHj0aBMG6152PsM-w5E_o2B3jDbrYBKhpYA7qi3AyijnCJ7BP9rr3U8kxExCpG3mK420TjOw.VILuUwuIxaLVmh5X-T7kmA"

const clientSecret = "3f8e1c0a94b7d6523f8e1c0a94b7d6523f8e1c0a94b7d6523f8e1c0a94b7d652"

// recipient makes a private key and the JWK set with its public part, as a client would publish it.
func recipient(t *testing.T, alg KeyManagement, extra string) (*Decrypter, *KeySet) {
	t.Helper()
	var d *DecryptionKey
	var err error
	if alg == RSAOAEP256 {
		k, rsaErr := rsa.GenerateKey(rand.Reader, 2048)
		if rsaErr != nil {
			t.Fatal(rsaErr)
		}
		d, err = NewDecryptionKey(k, "k1")
	} else {
		k, ecErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if ecErr != nil {
			t.Fatal(ecErr)
		}
		d, err = NewDecryptionKey(k, "k1")
	}
	if err != nil {
		t.Fatal(err)
	}
	j := publicJWK(d.public)
	j.KeyID = d.id
	data, _ := json.Marshal(j)
	data = append(data[:len(data)-1], extra+"}"...)
	return NewDecrypter(d), parseJWKS(t, string(data))
}

func TestEveryPairOfAlgorithmsEncryptsAndDecrypts(t *testing.T) {
	for _, alg := range KeyManagements() {
		var d *Decrypter
		var set *KeySet
		if alg.Symmetric() {
			d = NewDecrypter().WithSecrets(clientSecret)
		} else {
			d, set = recipient(t, alg, "")
		}
		for _, enc := range ContentEncryptions() {
			t.Run(string(alg)+" with "+string(enc), func(t *testing.T) {
				var e *Encrypter
				var err error
				if set != nil {
					e, err = set.Encrypter(alg, enc)
				} else {
					e, err = NewSecretEncrypter(clientSecret, alg, enc)
				}
				if err != nil {
					t.Fatal(err)
				}
				token, err := e.Encrypt([]byte("a.b.c"), ContentJWT)
				if err != nil {
					t.Fatal(err)
				}
				if !IsEncrypted(token) {
					t.Errorf("%s has not the parts of a JWE", token)
				}
				got, err := d.Decrypt(token, Decryption{Algorithms: []KeyManagement{alg}, Encodings: []ContentEncryption{enc}})
				if err != nil {
					t.Fatal(err)
				}
				if string(got.Payload) != "a.b.c" || got.ContentType != "JWT" || got.Algorithm != alg || got.Encoding != enc || got.KeyID != e.KeyID() {
					t.Errorf("decrypted %+v", got)
				}
				if set != nil && got.KeyID != "k1" {
					t.Errorf("kid %q is not that of the recipient's key", got.KeyID)
				}
				other := token[:len(token)-4] + flip(token[len(token)-4:len(token)-3]) + token[len(token)-3:]
				if _, err := d.Decrypt(other, Decryption{Algorithms: []KeyManagement{alg}}); !errors.Is(err, ErrDecrypt) {
					t.Errorf("a changed tag: %v", err)
				}
			})
		}
	}
}

func flip(s string) string {
	if s == "A" {
		return "B"
	}
	return "A"
}

func TestTheKeyOfASecretIsItsHash(t *testing.T) {
	// OpenID Connect Core §10.2: the leftmost bytes of the shortest SHA-2 that is long enough.
	tests := []struct {
		alg  KeyManagement
		enc  ContentEncryption
		want string // hexadecimal sha256, sha384, sha512 of "secret", truncated
	}{
		{A128KW, A128GCM, "2bb80d537b1da3e38bd30361aa855686"},
		{A192GCMKW, A128GCM, "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6"},
		{A256KW, A256CBCHS512, "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"},
		{Direct, A128CBCHS256, "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"},
		{Direct, A192CBCHS384, "58a775ba4112be3005ae4407ce757d88fda71d40497bb8026ecac54d4e3ffc7232ce8de3ab5acb30ae39760fee7c53ed"},
		{Direct, A256CBCHS512, "bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d682ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2"},
		{PBES2HS256KW, A128GCM, "736563726574"},
	}
	for _, tt := range tests {
		key, err := keyMethodOf(tt.alg).fromSecret("secret", contentMethodOf(tt.enc))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(key); got != tt.want {
			t.Errorf("%s with %s: %s, want %s", tt.alg, tt.enc, got, tt.want)
		}
	}
}

func TestATokenIsRefusedBeforeAnyWorkIsDoneForIt(t *testing.T) {
	d, set := recipient(t, ECDHES, "")
	d = d.WithSecrets(clientSecret)
	e, err := set.Encrypter(ECDHESA256KW, A256GCM)
	if err != nil {
		t.Fatal(err)
	}
	token, err := e.Encrypt([]byte("{}"), "")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	with := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + strings.Join(parts[1:], ".")
	}
	foreign, _ := recipient(t, ECDHES, "")
	foreignJWK, _ := json.Marshal(publicJWK(foreign.keys[0].public))
	pbes2 := func(p2c, p2s string) string {
		return with(`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2s":"` + p2s + `","p2c":` + p2c + `}`)
	}
	tests := []struct {
		name  string
		token string
		allow Decryption
		want  error
	}{
		{"an algorithm that is not allowed", token, Decryption{Algorithms: []KeyManagement{ECDHES}}, ErrAlgorithm},
		{"an encoding that is not allowed", token, Decryption{Encodings: []ContentEncryption{A128GCM}}, ErrAlgorithm},
		{"a token beyond the limit", token, Decryption{MaxSize: 10}, ErrTooLarge},
		{"a kid of nobody", with(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM","kid":"x","epk":` + string(foreignJWK) + `}`), Decryption{}, ErrUnknownKey},
		{"the ephemeral key of another token", with(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":` + string(foreignJWK) + `}`), Decryption{}, ErrDecrypt},
		{"no ephemeral key", with(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM"}`), Decryption{}, ErrMalformed},
		{"an algorithm for keys we do not have", with(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`), Decryption{}, ErrAlgorithm},
		{"RSA1_5", with(`{"alg":"RSA1_5","enc":"A256GCM"}`), Decryption{}, ErrAlgorithm},
		{"an unknown encoding", with(`{"alg":"ECDH-ES","enc":"none"}`), Decryption{}, ErrAlgorithm},
		{"a critical extension", with(`{"alg":"A128KW","enc":"A256GCM","crit":["exp"]}`), Decryption{}, ErrMalformed},
		{"RFC 7520 5.9: compressed content", compressed, Decryption{Algorithms: []KeyManagement{A128KW}}, ErrMalformed},
		{"a secret where none was allowed", with(`{"alg":"A128KW","enc":"A256GCM"}`), Decryption{}, ErrAlgorithm},
		{"PBES2 with too many rounds", pbes2("10001", "AAAAAAAAAAAAAAAAAAAAAA"), Decryption{Algorithms: []KeyManagement{PBES2HS256KW}}, ErrMalformed},
		{"PBES2 with a fraction of rounds", pbes2("1e99", "AAAAAAAAAAAAAAAAAAAAAA"), Decryption{Algorithms: []KeyManagement{PBES2HS256KW}}, ErrMalformed},
		{"PBES2 with too few rounds", pbes2("1", "AAAAAAAAAAAAAAAAAAAAAA"), Decryption{Algorithms: []KeyManagement{PBES2HS256KW}}, ErrMalformed},
		{"PBES2 with a short salt", pbes2("1000", "AAAA"), Decryption{Algorithms: []KeyManagement{PBES2HS256KW}}, ErrMalformed},
		{"a wrapped key where the algorithm has none", with(`{"alg":"dir","enc":"A256GCM"}`), Decryption{Algorithms: []KeyManagement{Direct}}, ErrMalformed},
		{"three parts", "a.b.c", Decryption{}, ErrMalformed},
		{"a JSON serialization", `{"protected":"x"}`, Decryption{}, ErrMalformed},
		{"a line break", strings.Replace(token, ".", ".\n", 1), Decryption{}, ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := d.Decrypt(tt.token, tt.allow); !errors.Is(err, tt.want) {
				t.Errorf("%v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestAKeyIsUsedForWhatItIsFor(t *testing.T) {
	tests := []struct {
		name  string
		extra string
		want  bool
	}{
		{"a key that says nothing", ``, true},
		{"a key for encryption", `,"use":"enc"`, true},
		{"a key for signatures", `,"use":"sig"`, false},
		{"a key with the algorithm", `,"alg":"ECDH-ES"`, true},
		{"a key with another algorithm", `,"alg":"ECDH-ES+A128KW"`, false},
		{"a key with a signature algorithm", `,"alg":"ES256"`, false},
		{"a key that derives", `,"key_ops":["deriveKey"]`, true},
		{"a key that verifies", `,"key_ops":["verify"]`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, set := recipient(t, ECDHES, tt.extra)
			if _, err := set.Encrypter(ECDHES, A128GCM); (err == nil) != tt.want || (err != nil && !errors.Is(err, ErrNoEncryptionKey)) {
				t.Errorf("encrypter: %v", err)
			}
		})
	}
	t.Run("the key that names the algorithm is taken first", func(t *testing.T) {
		one, _ := recipient(t, ECDHES, "")
		two, _ := recipient(t, ECDHES, "")
		jwk := func(d *Decrypter, rest string) string {
			data, _ := json.Marshal(publicJWK(d.keys[0].public))
			return string(data[:len(data)-1]) + rest + "}"
		}
		set := parseJWKS(t, jwk(one, `,"kid":"one","use":"enc"`)+","+jwk(two, `,"kid":"two","alg":"ECDH-ES"`))
		e, err := set.Encrypter(ECDHES, A128GCM)
		if err != nil || e.KeyID() != "two" {
			t.Errorf("took %v, %v", e, err)
		}
		if len(set.Algorithms()) != 0 {
			t.Errorf("keys for encryption verify %v", set.Algorithms())
		}
	})
}

func TestOurOwnKeysAreToldApartWhenTheyArePublished(t *testing.T) {
	sign, err := GenerateKey(ES256, "sign")
	if err != nil {
		t.Fatal(err)
	}
	set, err := NewKeySet(sign)
	if err != nil {
		t.Fatal(err)
	}
	ec, _ := recipient(t, ECDHES, "")
	rsaKey, _ := recipient(t, RSAOAEP256, "")
	d := NewDecrypter(ec.keys[0].WithID("enc-ec"), rsaKey.keys[0].WithID("enc-rsa"))
	var got struct{ Keys []map[string]any }
	if err := json.Unmarshal(set.Public(d), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"kid": "sign", "use": "sig", "alg": "ES256", "kty": "EC"},
		{"kid": "enc-ec", "use": "enc", "alg": nil, "kty": "EC"},
		{"kid": "enc-rsa", "use": "enc", "alg": "RSA-OAEP-256", "kty": "RSA"},
	}
	if len(got.Keys) != len(want) {
		t.Fatalf("%d keys", len(got.Keys))
	}
	for i, w := range want {
		for name, value := range w {
			if got.Keys[i][name] != value {
				t.Errorf("key %d: %s is %v, want %v", i, name, got.Keys[i][name], value)
			}
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, there := got.Keys[i][private]; there {
				t.Errorf("key %d: the private member %s is published", i, private)
			}
		}
	}
	client, err := ParseJWKS(set.Public(d))
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range d.Algorithms() {
		e, err := client.Encrypter(alg, A128CBCHS256)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		token, err := e.Encrypt([]byte("x"), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Decrypt(token, Decryption{}); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestADerivedKeyIsAlwaysTheSame(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	one, err := DeriveDecryptionKey(secret, "purpose 1")
	if err != nil {
		t.Fatal(err)
	}
	// The kid is published: gateways of different versions must agree on it.
	if want := "9MfT9c4EZ9toqi-n8yF1CFdb-wGVIt1kJTbPgDVLABM"; one.ID() != want {
		t.Errorf("kid %s, want %s", one.ID(), want)
	}
	for _, tt := range []struct{ secret, purpose string }{{string(secret), "purpose 2"}, {"1123456789abcdef0123456789abcdef", "purpose 1"}} {
		if other, err := DeriveDecryptionKey([]byte(tt.secret), tt.purpose); err != nil || other.ID() == one.ID() {
			t.Errorf("%v: the same key, or %v", tt, err)
		}
	}
	der, err := GenerateRSA()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseDecryptionKey(der, "")
	if err != nil || len(NewDecrypter(key).Algorithms()) != 1 {
		t.Errorf("a generated key: %v", err)
	}
	for name, bad := range map[string][]byte{"garbage": []byte("x"), "too much": make([]byte, maxKeyInput+1)} {
		if _, err := ParseDecryptionKey(bad, ""); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
