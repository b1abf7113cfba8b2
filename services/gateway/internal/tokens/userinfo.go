package tokens

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	mapping "github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// UserInfo returns what an access token lets its client know about the person: a JSON object, or, where the client registered
// that, a JWT that is signed, encrypted, or signed and then encrypted (OpenID Connect Core §5.3.2).
func (m *Minter) UserInfo(ctx context.Context, d *domain.Domain, c *domain.Client, known *Known, found *domain.VerifiedToken) (body []byte, jwt bool, err error) {
	p, granted := &known.Person, oauth2.SplitScope(found.Claims.Scope)
	claims := ProfileClaims(p, granted)
	AddRequested(claims, d, c, p, found.Requested)
	AddLocalized(claims, p, found.Locales)
	if c.Restricted && slices.Contains(granted, ScopeEntitlements) {
		addHeld(claims, c, known.Access(), granted, m.now())
	}
	for _, claim := range m.custom(ctx, d, c, p, nil, c.UserInfoClaims) {
		if claim.Name != "aud" {
			claims[claim.Name] = claim.Value
		}
	}
	if c.Mappings != nil {
		a := Authorization{Client: c, Person: p, Whom: known.Access(), Scopes: granted, Situation: state.Situation(found.Situation), AuthTime: found.SignedIn, AMR: found.Methods}
		mapped, err := m.mapped(ctx, d, &a, mapping.UserInfo, granted)
		if err != nil {
			return nil, false, err
		}
		maps.Copy(claims, mapped)
	}
	claims["sub"] = found.Claims.Subject
	if c.UserInfoKey == nil && c.UserInfoEncryption == nil {
		body, err = json.Marshal(claims)
		return body, false, err
	}
	claims["iss"], claims["aud"] = d.Issuer, c.ClientID
	claims["iat"], claims["exp"] = m.now().Unix(), found.Claims.ExpiresAt.Unix()
	if body, err = json.Marshal(claims); err != nil {
		return nil, false, err
	}
	kind := ""
	if c.UserInfoKey != nil {
		// Without a typ, which ID tokens have: otherwise one could not be told from the other (RFC 8725 §3.12).
		if body, err = c.UserInfoKey.AppendSign(nil, jose.TypeNone, body); err != nil {
			return nil, false, err
		}
		kind = jose.ContentJWT
	}
	if e := c.UserInfoEncryption; e != nil {
		sealed, err := m.encrypter.Encrypt(ctx, c, e.Alg, e.Enc, body, kind)
		return []byte(sealed), true, err
	}
	return body, true, nil
}
