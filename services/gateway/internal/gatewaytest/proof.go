package gatewaytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Prover holds a key and makes proofs of DPoP with it (RFC 9449 §4.2).
type Prover struct {
	t   testing.TB
	key *ecdsa.PrivateKey
}

// NewProver returns a prover with a new key for ES256.
func NewProver(t testing.TB) *Prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Prover{t, key}
}

func (p *Prover) coordinates() (x, y string) {
	point, err := p.key.PublicKey.Bytes()
	if err != nil {
		p.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
}

// Thumbprint is that of the key (RFC 7638).
func (p *Prover) Thumbprint() string {
	x, y := p.coordinates()
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Claims returns those of a proof for a request, made at a time.
func (p *Prover) Claims(method, url string, at time.Time) map[string]any {
	return map[string]any{"jti": secret.NewID(), "htm": method, "htu": url, "iat": at.Unix()}
}

// Sign returns a proof with claims, and with changed members of its header; a nil value takes one away.
func (p *Prover) Sign(claims, header map[string]any) string {
	p.t.Helper()
	x, y := p.coordinates()
	members := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": x, "y": y}}
	maps.Copy(members, header)
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
	encode := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			p.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	input := encode(members) + "." + encode(claims)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	if err != nil {
		p.t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Proof sends a fresh proof for the request with it, made at the clock of the harness. The changes are those of its claims.
func (h *Harness) Proof(p *Prover, claims ...map[string]any) Change {
	return func(r *http.Request) {
		all := p.Claims(r.Method, PublicURL+r.URL.Path, h.Clock.Now())
		for _, c := range claims {
			maps.Copy(all, c)
		}
		r.Header.Set("DPoP", p.Sign(all, nil))
	}
}

// HoldsToken sends an access token with the scheme DPoP and a proof for it (RFC 9449 §7.1).
func (h *Harness) HoldsToken(p *Prover, token string, claims ...map[string]any) Change {
	sum := sha256.Sum256([]byte(token))
	all := append([]map[string]any{{"ath": base64.RawURLEncoding.EncodeToString(sum[:])}}, claims...)
	return func(r *http.Request) {
		r.Header.Set("Authorization", "DPoP "+token)
		h.Proof(p, all...)(r)
	}
}
