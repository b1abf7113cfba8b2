package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// pairs are the keys of a client that registers one pair of algorithms after the other.
type pairs struct {
	*registrar
	t       *testing.T
	private *jose.Decrypter
	public  []any
	signer  *jose.Key
	// domain has the keys for which request objects are encrypted.
	domain *jose.KeySet
}

func newPairs(t *testing.T, r *registrar) *pairs {
	t.Helper()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := curve.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &pairs{registrar: r, t: t}
	if p.signer, err = jose.GenerateKey(jose.ES256, "sig"); err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	p.public = []any{
		p.signer.PublicJWK(),
		proc.Object{"kty": "EC", "crv": "P-256", "use": "enc", "kid": "ec", "x": encode(point[1:33]), "y": encode(point[33:])},
		proc.Object{"kty": "RSA", "use": "enc", "kid": "rsa", "n": encode(long.N.Bytes()), "e": encode(big.NewInt(int64(long.E)).Bytes())},
	}
	var keys []*jose.DecryptionKey
	for kid, private := range map[string]crypto.Signer{"ec": curve, "rsa": long} {
		key, err := jose.NewDecryptionKey(private, kid)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	p.private = jose.NewDecrypter(keys...)
	if p.domain, err = jose.ParseJWKS([]byte(request(t, "GET", r.issuer+"/.well-known/jwks.json", "", nil).Text)); err != nil {
		t.Fatal(err)
	}
	return p
}

// open decrypts what is for a client, by exactly the pair that it registered, and returns the claims of the JWT inside, or of the JSON.
func (p *pairs) open(t *testing.T, what, token, secret string, alg jose.KeyManagement, enc jose.ContentEncryption) proc.Object {
	t.Helper()
	sealed, err := p.private.WithSecrets(secret).Decrypt(token, jose.Decryption{
		Algorithms: []jose.KeyManagement{alg}, Encodings: []jose.ContentEncryption{enc},
	})
	if err != nil {
		t.Fatalf("%s: %v: %s", what, err, token)
	}
	body := sealed.Payload
	if sealed.ContentType == jose.ContentJWT {
		made, err := p.domain.Verify(string(body), jose.Check{})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		body = made.Payload
	}
	var claims proc.Object
	if err := json.Unmarshal(body, &claims); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return claims
}

// object is an encrypted request object that asks silently and wants an answer by JARM.
func (p *pairs) object(t *testing.T, made proc.Object, alg jose.KeyManagement, enc jose.ContentEncryption) string {
	t.Helper()
	now := time.Now().Unix()
	body, err := json.Marshal(proc.Object{
		"iss": made.Text("client_id"), "aud": p.issuer, "client_id": made.Text("client_id"), "redirect_uri": "https://client.example/cb", "response_type": "code",
		"response_mode": "jwt", "scope": "openid", "prompt": "none", "state": "inside", "iat": now, "nbf": now, "exp": now + 300,
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := p.signer.Sign("oauth-authz-req+jwt", body)
	if err != nil {
		t.Fatal(err)
	}
	to, err := p.domain.Encrypter(alg, enc)
	if alg.Symmetric() {
		to, err = jose.NewSecretEncrypter(made.Text("client_secret"), alg, enc)
	}
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := to.Encrypt([]byte(signed), jose.ContentJWT)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// TestEveryAdvertisedPairOfAlgorithmsIsRegisteredAndUsed: each way to encrypt a key with each way to encrypt content, for ID tokens, UserInfo,
// answers of the authorization endpoint and request objects.
func TestEveryAdvertisedPairOfAlgorithmsIsRegisteredAndUsed(t *testing.T) {
	r := newRegistrar(t)
	p := newPairs(t, r)
	document := request(t, "GET", r.issuer+"/.well-known/openid-configuration", "", nil).JSON()
	listed := func(what, of string) []any {
		all, _ := document[what+"_encryption_"+of+"_values_supported"].([]any)
		if len(all) == 0 {
			t.Fatalf("nothing is advertised for %s", what)
		}
		return all
	}
	for _, what := range []string{"userinfo", "authorization"} {
		if !same(listed(what, "alg"), listed("id_token", "alg")) || !same(listed(what, "enc"), listed("id_token", "enc")) {
			t.Fatalf("%s differs from ID tokens: each has to be walked by itself", what)
		}
	}
	objects := listed("request_object", "alg")
	if !same(listed("request_object", "enc"), listed("id_token", "enc")) {
		t.Fatal("request objects differ from ID tokens: each has to be walked by itself")
	}
	for _, a := range objects {
		if !slices.Contains(listed("id_token", "alg"), a) {
			t.Fatalf("%v is for request objects alone: each has to be walked by itself", a)
		}
	}
	for _, a := range listed("id_token", "alg") {
		for _, e := range listed("id_token", "enc") {
			alg, known := jose.ParseKeyManagement(a.(string))
			enc, knownToo := jose.ParseContentEncryption(e.(string))
			if !known || !knownToo {
				t.Fatalf("%v with %v is advertised", a, e)
			}
			t.Run(a.(string)+" with "+e.(string), func(t *testing.T) {
				r.t = t
				metadata := proc.Object{
					"grant_types": []string{"authorization_code", "password"}, "jwks": proc.Object{"keys": p.public},
					"id_token_encrypted_response_alg": a, "id_token_encrypted_response_enc": e,
					"userinfo_encrypted_response_alg": a, "userinfo_encrypted_response_enc": e,
					"authorization_encrypted_response_alg": a, "authorization_encrypted_response_enc": e,
				}
				asks := url.Values{"scope": {"openid"}, "response_type": {"code"}}
				object := slices.Contains(objects, a)
				if object {
					metadata["request_object_signing_alg"], metadata["request_object_encryption_alg"], metadata["request_object_encryption_enc"] = "ES256", a, e
				}
				made := r.register(metadata)
				for name, v := range metadata {
					if name != "jwks" && name != "grant_types" && !same(made[name], v) {
						t.Errorf("%s is registered as %v", name, made[name])
					}
				}
				asks.Set("client_id", made.Text("client_id"))
				if object {
					asks.Set("request", p.object(t, made, alg, enc))
				} else {
					asks.Set("state", "inside")
					asks.Set("prompt", "none")
					asks.Set("response_mode", "jwt")
					asks.Set("redirect_uri", "https://client.example/cb")
				}
				secret := made.Text("client_secret")
				answer := request(t, "GET", r.base+"/oauth/authorize?"+asks.Encode(), "", nil)
				to, err := url.Parse(answer.Header.Get("Location"))
				if err != nil || to.Host != "client.example" {
					t.Fatalf("authorization: %d to %s %s", answer.Status, answer.Header.Get("Location"), answer.Text)
				}
				if got := p.open(t, "the answer", to.Query().Get("response"), secret, alg, enc); got.Text("state") != "inside" || got.Text("error") != "login_required" {
					t.Errorf("the answer: %v", got)
				}

				tokens := r.post(t, "/oauth/token", credentials{id: made.Text("client_id"), secret: secret}, url.Values{
					"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {"openid"},
				})
				id := p.open(t, "the ID token", tokens.JSON().Text("id_token"), secret, alg, enc)
				if id.Text("sub") == "" || id.Text("aud") != made.Text("client_id") {
					t.Errorf("the ID token: %v", id)
				}
				info := request(t, "GET", r.base+"/oidc/userinfo", "", http.Header{"Authorization": {"Bearer " + tokens.JSON().Text("access_token")}})
				if info.Status != http.StatusOK || info.Header.Get("Content-Type") != "application/jwt" {
					t.Fatalf("UserInfo: %d %s", info.Status, info.Text)
				}
				if got := p.open(t, "UserInfo", info.Text, secret, alg, enc); got.Text("sub") != id.Text("sub") {
					t.Errorf("UserInfo: %v", got)
				}
			})
		}
	}
}
