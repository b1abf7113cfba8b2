package authorization

import (
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/possession"
)

// checkWay checks how the request came: by PAR, in an object, or in the URL.
func (r *Request) checkWay() error {
	c, way := r.Client, &r.resolved
	switch {
	case way.err != nil:
		return way.err
	case c.RequiresPushed && !way.Pushed:
		return oauth2.InvalidRequest.Errorf("The client must push its authorization requests")
	case way.Params.Has("request"): // nobody resolved it, and it is never ignored
		return oauth2.RequestNotSupported.Errorf("The parameter request is not supported")
	case way.Params.Has("request_uri"):
		return oauth2.RequestURINotSupported.Errorf("The parameter request_uri is not supported")
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

// readKey finds the key that the code is to be bound to: that of the proof which came with a pushed request, or the one that
// the request names (RFC 9449 §10).
func (r *Request) readKey(d *domain.Domain, jkt string) (err error) {
	if !r.Confirmation.Bound() {
		r.Confirmation, err = possession.Named(d, jkt)
	}
	return err
}
