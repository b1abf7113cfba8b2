package clientauth

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// postMethod is client_secret_post: the credentials are parameters of the body (RFC 6749 §2.3.1), or of the query where
// the domain's profile allows it.
var postMethod = method{
	name:      oauth2.AuthPost,
	presented: func(_ *http.Request, p oauth2.Params) bool { return p.Has("client_secret") },
	read: func(_ *http.Request, p oauth2.Params) (tried, other attempt, err error) {
		if !p.Has("client_id") {
			return tried, other, ErrMissing
		}
		return attempt{method: oauth2.AuthPost, clientID: p.Get("client_id"), secret: p.Get("client_secret")}, attempt{}, nil
	},
	prove: proveSecret,
}
