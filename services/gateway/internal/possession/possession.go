package possession

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Replay remembers proofs; *state.Store does.
type Replay interface {
	// Once reports whether a thing is seen for the first time within ttl, over all gateways.
	Once(ctx context.Context, domain, purpose, id string, ttl time.Duration) (bool, error)
}

// Verifier finds out which keys the senders of requests hold. It is safe for concurrent use.
type Verifier struct {
	replay Replay
	now    func() time.Time
}

// New returns a Verifier.
func New(replay Replay, now func() time.Time) *Verifier { return &Verifier{replay: replay, now: now} }

// Confirm returns the keys to which the tokens of an answer to an authenticated client are bound: that of the request's proof,
// if it has one, and that of the client's certificate where the client asked for it, or authenticates by it and proves no
// other key. It refuses a request without the key that the client, or its profile, demands. The answer may get a nonce.
func (v *Verifier) Confirm(w http.ResponseWriter, r *http.Request, d *domain.Domain, c *domain.Client) (state.Confirmation, error) {
	var held state.Confirmation
	byTLS := c.AuthMethod == oauth2.AuthTLS || c.AuthMethod == oauth2.AuthSelfSignedTLS
	if r.Header[Header] == nil && !byTLS && !c.BindsDPoP && !c.BindsCertificate && !c.Profile.RequiresBound {
		return held, nil
	}
	var err error
	if held.JKT, err = v.sent(w, r, d, c); err != nil {
		return held, err
	}
	if c.BindsCertificate || byTLS && held.JKT == "" {
		if cert := Certificate(r); cert != nil {
			held.X5T = Thumbprint(cert)
		}
	}
	switch {
	case c.BindsDPoP && held.JKT == "" && !d.DPoP.Enabled:
		return held, oauth2.InvalidRequest.Errorf("The client's tokens are bound by DPoP, which this domain has switched off")
	case c.BindsDPoP && held.JKT == "":
		return held, v.missing(w, d)
	case c.BindsCertificate && held.X5T == "":
		return held, oauth2.InvalidRequest.Errorf("The client's tokens are bound to its certificate, and the request has none")
	case c.Profile.RequiresBound && !held.Bound():
		return held, v.missing(w, d)
	}
	return held, nil
}

// missing refuses a request without a proof (RFC 9449 §5.2), with the nonce that a proof will need.
func (v *Verifier) missing(w http.ResponseWriter, d *domain.Domain) error {
	if d.DPoP.Enabled && d.DPoP.NonceRequired {
		w.Header()[Nonce] = []string{newNonce(d, v.now())}
	}
	return oauth2.InvalidDPoPProof.Errorf("The client's tokens must be bound to a key, and the request proves none: the header DPoP is missing")
}

// Pushed returns the key to which the code of a pushed request is bound (RFC 9449 §10.1): that of the request's proof, or the
// one that its parameter dpop_jkt names. Where both are there they must be one.
func (v *Verifier) Pushed(w http.ResponseWriter, r *http.Request, d *domain.Domain, c *domain.Client, jkt string) (state.Confirmation, error) {
	named, err := Named(d, jkt)
	if err != nil {
		return named, err
	}
	proven, err := v.sent(w, r, d, c)
	switch {
	case err != nil:
		return state.Confirmation{}, err
	case proven == "":
		return named, nil
	case named.JKT != "" && named.JKT != proven:
		return state.Confirmation{}, oauth2.InvalidDPoPProof.Errorf("The parameter dpop_jkt is not the key of the DPoP proof")
	}
	return state.Confirmation{JKT: proven}, nil
}

// Named returns the key that the parameter dpop_jkt of an authorization request names (RFC 9449 §10), none if it is empty or
// the domain has no DPoP: a key that can never be proved would make the code worthless.
func Named(d *domain.Domain, jkt string) (state.Confirmation, error) {
	switch {
	case jkt == "" || !d.DPoP.Enabled:
		return state.Confirmation{}, nil
	case len(jkt) != thumbprintLength || strings.Trim(jkt, base64url) != "":
		return state.Confirmation{}, oauth2.InvalidRequest.Errorf("Invalid parameter: dpop_jkt")
	}
	return state.Confirmation{JKT: jkt}, nil
}

const (
	thumbprintLength = 43 // SHA-256 in base64url
	base64url        = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// sent returns the thumbprint of the key of a request's proof, "" if it has none. In a domain without DPoP there are no
// proofs.
func (v *Verifier) sent(w http.ResponseWriter, r *http.Request, d *domain.Domain, c *domain.Client) (string, error) {
	if r.Header[Header] == nil || !d.DPoP.Enabled {
		return "", nil
	}
	return v.prove(w, r, d, c.Profile.SigningAlgs, "")
}

// Holder refuses an access token whose sender does not hold the key that it is bound to (RFC 9449 §7, RFC 8705 §3): a token
// of DPoP without its scheme or without a proof for this request, and a token of a certificate on a connection without it.
// Refusals carry a challenge of DPoP where that is what is missing.
func (v *Verifier) Holder(w http.ResponseWriter, r *http.Request, d *domain.Domain, found *domain.VerifiedToken, token string) error {
	asked := usesDPoP(r)
	if !asked && found.JKT == "" && found.X5T == "" {
		return nil
	}
	switch {
	case asked && found.JKT == "":
		return challenge{oauth2.InvalidToken.Errorf("The access token is not bound to a key: it cannot be sent with the scheme DPoP")}
	case found.JKT != "" && !asked:
		return challenge{oauth2.InvalidToken.Errorf("The access token is bound to a key: it must be sent with the scheme DPoP and a proof")}
	case asked && r.Header[Header] == nil:
		return challenge{v.missing(w, d)}
	case asked:
		jkt, err := v.prove(w, r, d, d.DPoP.Algorithms, token)
		if err != nil {
			return challenge{err}
		}
		if !secret.Equal(jkt, found.JKT) {
			return challenge{oauth2.InvalidToken.Errorf("The access token is bound to another key than that of the DPoP proof")}
		}
	}
	if found.X5T == "" {
		return nil
	}
	if cert := Certificate(r); cert == nil || !secret.Equal(Thumbprint(cert), found.X5T) {
		return oauth2.InvalidToken.Errorf("The access token is bound to a certificate that the request does not have")
	}
	return nil
}

func usesDPoP(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "dpop")
}

// challenge marks an error that is answered with a challenge of DPoP.
type challenge struct{ error }

func (c challenge) Unwrap() error { return c.error }

// WantsProof tells what answers errors of protected endpoints.
func (challenge) WantsProof() {}
