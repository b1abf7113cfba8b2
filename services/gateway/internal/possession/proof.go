package possession

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Header is the field of proofs, Nonce that of nonces, both as http.Header has them (RFC 9449 §4.1, §8.1).
const (
	Header = "Dpop"
	Nonce  = "Dpop-Nonce"
)

const (
	// maxProof is the largest proof in bytes: one with an RSA key of 4096 bits takes less than 3000.
	maxProof = 8 << 10
	// maxJTI is the longest identifier of a proof in bytes.
	maxJTI = 512
	// skew is how far clocks may differ where a proof says itself how long it is good for.
	skew = 30 * time.Second
)

// target is what a proof must be made for.
type target struct {
	method string
	// urls are those of the endpoint.
	urls [2]string
	// algorithms that the profile lets sign.
	algorithms []jose.Algorithm
	window     time.Duration
	// token is the access token that the proof comes with, at protected endpoints.
	token string
}

// proof is what one says of itself that was made for its target.
type proof struct {
	jkt, jti, nonce string
	at              time.Time
}

// read checks everything about the proof of a request that takes no memory of earlier ones (RFC 9449 §4.3). Refusals are
// invalid_dpop_proof.
func read(headers []string, t target, now time.Time) (proof, error) {
	if len(headers) != 1 {
		return proof{}, oauth2.InvalidDPoPProof.Errorf("The request has more than one header DPoP")
	}
	checked, err := jose.VerifyEmbedded(headers[0], jose.Check{
		Algorithms: t.algorithms, Types: []string{"dpop+jwt"}, MaxSize: maxProof,
	})
	if err != nil {
		return proof{}, oauth2.InvalidDPoPProof.Errorf("The DPoP proof is no dpop+jwt that is signed by the public key in its header with an allowed algorithm").
			WithCause(err)
	}
	c, err := checked.Claims()
	if err != nil {
		return proof{}, oauth2.InvalidDPoPProof.Errorf("The claims of the DPoP proof cannot be read").WithCause(err)
	}
	if err := checkClaims(c, t, now); err != nil {
		return proof{}, err
	}
	return proof{jkt: checked.Thumbprint, jti: c.ID, nonce: c.Nonce, at: c.IssuedAt}, nil
}

func checkClaims(c *jose.Claims, t target, now time.Time) error {
	var method, uri, hash string
	for _, claim := range []struct {
		name string
		into *string
	}{{"htm", &method}, {"htu", &uri}, {"ath", &hash}} {
		if _, err := c.Decode(claim.name, claim.into); err != nil {
			return oauth2.InvalidDPoPProof.Errorf("The claim %s of the DPoP proof is not a string", claim.name).WithCause(err)
		}
	}
	switch {
	case c.ID == "" || len(c.ID) > maxJTI:
		return oauth2.InvalidDPoPProof.Errorf("The DPoP proof needs a jti of at most %d bytes", maxJTI)
	case method != t.method:
		return oauth2.InvalidDPoPProof.Errorf("The claim htm of the DPoP proof is not the method of the request")
	case !sameURI(uri, t.urls[:]...):
		return oauth2.InvalidDPoPProof.Errorf("The claim htu of the DPoP proof is not the URL of the endpoint")
	case c.IssuedAt.IsZero():
		return oauth2.InvalidDPoPProof.Errorf("The DPoP proof needs an iat")
	case c.IssuedAt.Before(now.Add(-t.window)), c.IssuedAt.After(now.Add(t.window)):
		return oauth2.InvalidDPoPProof.Errorf("The DPoP proof is too old, or from the future: its iat must be within %d seconds", int(t.window/time.Second))
	case c.Has("exp") && !now.Before(c.ExpiresAt.Add(skew)):
		return oauth2.InvalidDPoPProof.Errorf("The DPoP proof is expired")
	case c.NotBefore.After(now.Add(skew)):
		return oauth2.InvalidDPoPProof.Errorf("The DPoP proof is not valid yet")
	case t.token != "" && !secret.Equal(hash, tokenHash(t.token)):
		return oauth2.InvalidDPoPProof.Errorf("The claim ath of the DPoP proof is not the hash of the access token")
	}
	return nil
}

// tokenHash is the claim ath (RFC 9449 §4.2).
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// prove returns the thumbprint of the key that made the proof of a request. Token is the access token, at protected endpoints.
func (v *Verifier) prove(w http.ResponseWriter, r *http.Request, d *domain.Domain, algorithms []jose.Algorithm, token string) (string, error) {
	t := target{method: r.Method, algorithms: algorithms, window: d.DPoP.Window, token: token}
	t.urls[0], t.urls[1] = d.PublicPath(r.URL.EscapedPath())
	now := v.now()
	p, err := read(r.Header[Header], t, now)
	if err != nil {
		return "", err
	}
	if d.DPoP.NonceRequired {
		if err := fresh(w, d, p.nonce, now); err != nil {
			return "", err
		}
	}
	return p.jkt, v.once(r.Context(), d, &p, t.window, now)
}

// fresh wants a nonce of this domain that is not too old, and hands out another one in time.
func fresh(w http.ResponseWriter, d *domain.Domain, nonce string, now time.Time) error {
	age, ours := nonceAge(d, nonce, now)
	good := ours && age < nonceLife && age > -skew
	if !good || age >= nonceRenewal {
		w.Header()[Nonce] = []string{newNonce(d, now)}
	}
	if !good {
		return oauth2.UseDPoPNonce.Errorf("The DPoP proof needs the nonce of the header DPoP-Nonce")
	}
	return nil
}

// once refuses a proof that was used before, as long as it could be used again (RFC 9449 §11.1).
func (v *Verifier) once(ctx context.Context, d *domain.Domain, p *proof, window time.Duration, now time.Time) error {
	first, err := v.replay.Once(ctx, d.ID, "dpop", p.jkt+"/"+p.jti, p.at.Add(window).Sub(now)+time.Second)
	switch {
	case err != nil:
		return err
	case !first:
		return oauth2.InvalidDPoPProof.Errorf("The DPoP proof was used before")
	}
	return nil
}
