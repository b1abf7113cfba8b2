package tokens

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// UserInfo returns what an access token lets its client know about the person: a JSON object, or, where the client registered
// that, a JWT that is signed, encrypted, or signed and then encrypted (OpenID Connect Core §5.3.2).
func (m *Minter) UserInfo(ctx context.Context, d *domain.Domain, c *domain.Client, p *state.Person, found *domain.VerifiedToken) (body []byte, jwt bool, err error) {
	claims := ProfileClaims(p, oauth2.SplitScope(found.Claims.Scope))
	AddRequested(claims, d, c, p, found.Requested)
	AddLocalized(claims, p, found.Locales)
	for _, claim := range m.custom(ctx, d, c, p, nil, c.UserInfoClaims) {
		if claim.name != "aud" {
			claims[claim.name] = claim.value
		}
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
