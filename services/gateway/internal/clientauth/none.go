package clientauth

import (
	"context"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// noneMethod is none: a public client only names itself (RFC 6749 §3.2.1). PKCE and redirect URIs hold it.
var noneMethod = method{
	name: oauth2.AuthNone,
	presented: func(r *http.Request, p oauth2.Params) bool {
		return p.Has("client_id") && !p.Has("client_secret") && !p.Has("client_assertion") && r.Header.Get("Authorization") == ""
	},
	read: func(_ *http.Request, p oauth2.Params) (tried, other attempt, err error) {
		return attempt{method: oauth2.AuthNone, clientID: p.Get("client_id")}, attempt{}, nil
	},
	prove: func(context.Context, *Authenticator, *domain.Domain, *domain.Client, attempt) error { return nil },
}
