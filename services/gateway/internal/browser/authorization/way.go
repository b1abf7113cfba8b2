package authorization

import (
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// checkWay checks how the request came: by PAR, in an object, or in the URL.
func (r *Request) checkWay() error {
	c, way := r.Client, &r.resolved
	switch {
	case way.err != nil:
		return way.err
	case c.RequiresPushed && !way.Pushed:
		return oauth2.InvalidRequest.Errorf("The client must push its authorization requests")
	case c.RequiresSignedRequest && !way.Signed:
		return oauth2.InvalidRequest.Errorf("The client must send its authorization requests as signed request objects")
	}
	return nil
}

// The longest state and nonce in bytes. An answer must be able to hold them beside everything else.
const (
	maxState = 8 << 10
	maxNonce = 4 << 10
)

func (r *Request) checkSizes() error {
	switch {
	case len(r.State) > maxState:
		return oauth2.InvalidRequest.Errorf("The state is longer than %d bytes", maxState)
	case len(r.Nonce) > maxNonce:
		return oauth2.InvalidRequest.Errorf("The nonce is longer than %d bytes", maxNonce)
	}
	return nil
}

// checkKey reads the thumbprint of the key that the code is to be bound to (RFC 9449 §10): the SHA-256 of RFC 7638. A proof that
// came with a pushed request must be by the same key (§10.1).
func (r *Request) checkKey(jkt string) error {
	switch {
	case jkt == "":
		return nil
	case len(jkt) != 43 || strings.Trim(jkt, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return oauth2.InvalidRequest.Errorf("Invalid parameter: dpop_jkt")
	case r.Confirmation.JKT != "" && r.Confirmation.JKT != jkt:
		return oauth2.InvalidDPoPProof.Errorf("The DPoP proof is by another key than dpop_jkt names")
	}
	r.Confirmation.JKT = jkt
	return nil
}
