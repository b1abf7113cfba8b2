package floor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// The one client of a token floor.
const (
	clientID     = "floor"
	clientSecret = "an-example-that-protects-nothing"
)

// lifetime is that of an access token, in seconds.
const lifetime = 7200

// claims are those of the product's access token for a client.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Domain   string `json:"domain"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ID       string `json:"jti"`
	Scope    string `json:"scope"`
	ClientID string `json:"client_id"`
}

func newClaims(client string) ([]byte, error) {
	var id [16]byte
	rand.Read(id[:])
	now := time.Now().Unix()
	return json.Marshal(claims{
		Issuer: "http://127.0.0.1:8092/bench/oidc", Subject: client, Audience: client, Domain: "00000000-0000-0000-0000-000000000000",
		IssuedAt: now, Expires: now + lifetime, ID: base64.RawURLEncoding.EncodeToString(id[:]), Scope: "read", ClientID: client,
	})
}

type answer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
}

// tokenEndpoint is the smallest honest token endpoint: client_credentials with client_secret_basic.
type tokenEndpoint struct {
	sign   signer
	secret [sha256.Size]byte
}

func hashOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

func (t *tokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		http.Error(w, `{"error":"unsupported_grant_type"}`, http.StatusBadRequest)
		return
	}
	id, secret, ok := r.BasicAuth()
	got := hashOf(secret)
	if !ok || id != clientID || subtle.ConstantTimeCompare(got[:], t.secret[:]) != 1 {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	body, err := t.token(id)
	if err != nil {
		http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body)
}

func (t *tokenEndpoint) token(client string) ([]byte, error) {
	text, err := newClaims(client)
	if err != nil {
		return nil, err
	}
	token, err := t.sign(text)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer{AccessToken: token, TokenType: "bearer", ExpiresIn: lifetime, Scope: "read"})
}

func input(header string, claims []byte) []byte {
	dst := make([]byte, 0, 1024)
	dst = base64.RawURLEncoding.AppendEncode(dst, []byte(header))
	return base64.RawURLEncoding.AppendEncode(append(dst, '.'), claims)
}

func finish(dst, signature []byte) string {
	return string(base64.RawURLEncoding.AppendEncode(append(dst, '.'), signature))
}

// es256 signs and verifies as RFC 7518 §3.4 says.
type es256 struct{ key *ecdsa.PrivateKey }

func newES256() (*es256, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &es256{key}, err
}

func (k *es256) sign(claims []byte) (string, error) {
	dst := input(`{"alg":"ES256","kid":"floor","typ":"JWT"}`, claims)
	hash := sha256.Sum256(dst)
	r, s, err := ecdsa.Sign(rand.Reader, k.key, hash[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return finish(dst, signature[:]), nil
}

func (k *es256) verify(token string) bool {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil || len(signature) != 64 {
		return false
	}
	hash := sha256.Sum256([]byte(token[:dot]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(&k.key.PublicKey, hash[:], r, s)
}

// rs256 signs as RFC 7518 §3.3 says, with 2048 bits.
type rs256 struct{ key *rsa.PrivateKey }

func newRS256() (*rs256, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return &rs256{key}, err
}

func (k *rs256) sign(claims []byte) (string, error) {
	dst := input(`{"alg":"RS256","kid":"floor","typ":"JWT"}`, claims)
	hash := sha256.Sum256(dst)
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.key, crypto.SHA256, hash[:])
	if err != nil {
		return "", err
	}
	return finish(dst, signature), nil
}
