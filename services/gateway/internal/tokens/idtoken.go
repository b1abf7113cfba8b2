package tokens

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	mapping "github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// id mints an ID token (OpenID Connect Core §2), signed and then, where the client registered that, encrypted.
func (m *Minter) id(ctx context.Context, d *domain.Domain, a *Authorization, accessToken string, expires time.Time) (string, error) {
	c, now := a.Client, m.now()
	alg := c.IDKey.Algorithm()
	custom := m.custom(ctx, d, c, a.Person, a.AuthFlow, c.IDClaims)
	claims := make(map[string]any, 24)
	m.addPerson(claims, d, a)
	if err := m.addEntitlements(ctx, claims, d, a); err != nil {
		return "", err
	}
	for _, claim := range custom {
		claims[claim.Name] = claim.Value
	}
	if c.Mappings != nil {
		mapped, err := m.mapped(ctx, d, a, mapping.IDToken, a.Scopes)
		if err != nil {
			return "", err
		}
		maps.Copy(claims, mapped)
	}
	claims["iss"], claims["sub"] = d.Issuer, Subject(d, c, a.Person)
	claims["aud"] = json.RawMessage(appendAudience(nil, c.ClientID, nil, custom))
	claims["iat"], claims["exp"] = now.Unix(), expires.Unix()
	if a.AuthTime > 0 {
		claims["auth_time"] = a.AuthTime
	}
	set := func(name, v string) {
		if v != "" {
			claims[name] = v
		}
	}
	set("nonce", a.Nonce)
	set("sid", SessionID(d, c, a.SessionID))
	set("acr", a.ACR)
	if len(a.AMR) > 0 {
		claims["amr"] = a.AMR
	}
	if len(a.Actor) > 0 {
		claims["act"] = a.Actor
	}
	hash := func(name, of string) {
		if of != "" {
			claims[name] = alg.HalfHash(of)
		}
	}
	hash("at_hash", accessToken)
	hash("c_hash", a.Code)
	hash("s_hash", a.State)
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	token, err := c.IDKey.Sign(jose.TypeJWT, body)
	if err != nil || c.IDEncryption == nil {
		return token, err
	}
	return m.encrypter.Encrypt(ctx, c, c.IDEncryption.Alg, c.IDEncryption.Enc, []byte(token), jose.ContentJWT)
}

// addPerson adds what the ID token says of the person: the claims of scopes where the profile wants them there, or where no
// access token will ever be there to ask UserInfo for them (OpenID Connect Core §5.4); and the claims that were asked for one by
// one.
func (m *Minter) addPerson(claims map[string]any, d *domain.Domain, a *Authorization) {
	alone := a.alone()
	if a.inIDToken() {
		maps.Copy(claims, ProfileClaims(a.Person, a.Scopes))
	}
	if request := a.claims(); request != nil {
		AddRequested(claims, d, a.Client, a.Person, request.IDToken)
		if alone {
			AddRequested(claims, d, a.Client, a.Person, request.UserInfo)
		}
	}
	AddLocalized(claims, a.Person, locales(a.ClaimsLocales))
}

// alone reports whether no access token will ever be there to ask UserInfo with.
func (a *Authorization) alone() bool { return a.Without&WithoutAccessToken != 0 && a.Code == "" }

// inIDToken reports whether the ID token holds the claims of scopes.
func (a *Authorization) inIDToken() bool { return a.alone() || a.Client.Profile.ScopeClaimsInIDToken }

// identifies reports whether an authorization comes with an ID token.
func (a *Authorization) identifies() bool {
	return a.Without&WithoutIDToken == 0 && a.Person != nil && (a.AlwaysID || slices.Contains(a.Scopes, oauth2.ScopeOpenID))
}
