package grants

import (
	"context"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/scopes"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// ClientCredentials lets a client act for itself (RFC 6749 §4.4). It needs no store: nothing is read or written.
type ClientCredentials struct{}

// Type implements Grant.
func (ClientCredentials) Type() oauth2.GrantType { return oauth2.GrantClientCredentials }

// Authorize implements Grant. A client that does not prove who it is cannot act for itself. There is never a refresh
// token (§4.4.3) nor an ID token, so openid cannot be granted.
func (ClientCredentials) Authorize(_ context.Context, r *Request) (tokens.Authorization, error) {
	if r.Client.Public() {
		return tokens.Authorization{}, clientauth.ErrMissing
	}
	granted, err := scopes.Grant(r.Domain, r.Client, oauth2.SplitScope(r.Params.Get("scope")))
	if err != nil {
		return tokens.Authorization{}, err
	}
	if slices.Contains(granted, oauth2.ScopeOpenID) {
		return tokens.Authorization{}, oauth2.InvalidScope.Errorf("Invalid scope: OPENID")
	}
	wanted, err := resources.Grant(r.Domain, r.Client, r.Params.All("resource"))
	if err != nil {
		return tokens.Authorization{}, err
	}
	return tokens.Authorization{Client: r.Client, Scopes: granted, Resources: wanted, Confirmation: r.Confirmation}, nil
}
