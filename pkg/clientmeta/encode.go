package clientmeta

import (
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Encode returns a stored client as registration answers it (RFC 7591 §3.2.1): its registered members, client_id,
// client_id_issued_at and client_secret_expires_at in epoch seconds (0 = never), and the product's own id, domain, enabled,
// created_at and updated_at, the last two in epoch milliseconds. The lists of redirect URIs, grant and response types are
// always there, an empty scope never is. Secrets and the registration access token are not part of it.
func Encode(app *configv1.Application) (prototree.Object, error) {
	oauth := app.GetSettings().GetOauth()
	all, err := prototree.Registration.Encode(oauth)
	if err != nil {
		return nil, fmt.Errorf("client metadata of application %q: %w", app.GetId(), err)
	}
	tree := prototree.Object{
		"redirect_uris": []any{}, "grant_types": []any{}, "response_types": []any{}, "require_auth_time": false,
	}
	for _, name := range registered {
		if v, set := all[name]; set {
			tree[name] = v
		}
	}
	if scopes := scopesOf(oauth); len(scopes) > 0 {
		tree[scopeMember] = oauth2.JoinScope(scopes)
	}
	tree["client_id"] = oauth.GetClientId()
	issued := oauth.GetClientIdIssuedAt()
	if issued == nil {
		issued = app.GetCreatedAt()
	}
	if issued != nil {
		tree["client_id_issued_at"] = number(issued.GetSeconds())
	}
	tree["client_secret_expires_at"] = number(secretExpiry(app).GetSeconds())
	tree["id"], tree["domain"] = app.GetId(), app.GetDomain()
	tree["enabled"] = app.Enabled == nil || app.GetEnabled()
	if at := app.GetCreatedAt(); at != nil {
		tree["created_at"] = number(at.AsTime().UnixMilli())
	}
	if at := app.GetUpdatedAt(); at != nil {
		tree["updated_at"] = number(at.AsTime().UnixMilli())
	}
	return tree, nil
}

func scopesOf(oauth *configv1.OAuthSettings) []string {
	scopes := make([]string, 0, len(oauth.GetScopeSettings()))
	for _, s := range oauth.GetScopeSettings() {
		scopes = append(scopes, s.GetScope())
	}
	return scopes
}

// secretExpiry returns when the secret ends that registration gave out: the application's first. Nil is never.
func secretExpiry(app *configv1.Application) *timestamppb.Timestamp {
	if len(app.GetSecrets()) == 0 {
		return nil
	}
	return app.GetSecrets()[0].GetExpiresAt()
}

func number(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }
