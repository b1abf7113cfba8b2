package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// assertion makes what is known of the person: the claims of the ID token, and those of UserInfo, which say more.
func (p *Provider) assertion(ctx context.Context, e endpoints, accessToken string, t *told) (*idp.Assertion, error) {
	all := map[string]any{}
	if t != nil {
		if err := decodeInto(all, t.claims.Raw()); err != nil {
			return nil, refused("ID token: %w", err)
		}
	}
	if !p.site.TokenOnly && e.userInfo != "" {
		more, err := p.userInfo(ctx, e, accessToken)
		if err != nil {
			return nil, err
		}
		if t != nil {
			if sub, _ := more["sub"].(string); sub != t.claims.Subject { // OpenID Connect Core §5.3.2
				return nil, refused("UserInfo is about somebody else than the ID token")
			}
			for _, name := range []string{"iss", "aud", "azp", "exp", "iat", "nbf", "auth_time", "amr", "acr", "nonce"} {
				delete(more, name) // what the ID token says of the sign-in is not UserInfo's to change
			}
			if address, there := more["email"]; there && address != all["email"] {
				delete(all, "email_verified") // which was about another address
			}
		}
		maps.Copy(all, more)
	} else if t == nil {
		return nil, errors.New("nothing tells who the person is: the metadata names no UserInfo endpoint")
	}
	describe := p.site.Describe
	if describe == nil {
		describe = func(_ context.Context, _ *Asker, claims map[string]any) (*idp.Identity, error) {
			return Standard(claims)
		}
	}
	identity, err := describe(ctx, &Asker{p.calls, accessToken}, all)
	if err != nil {
		return nil, err
	}
	identity.Source = p.site.Provider
	a := &idp.Assertion{Identity: identity, Profile: all}
	if t != nil {
		a.AMR, a.AuthTime = t.methods(), t.claims.AuthTime
	}
	return a, nil
}

// userInfo asks who the owner of an access token is (OpenID Connect Core §5.3). A JWT must be signed by the site (§5.3.2).
func (p *Provider) userInfo(ctx context.Context, e endpoints, accessToken string) (map[string]any, error) {
	accept := p.site.Accept
	if accept == "" {
		accept = "application/json, application/jwt;q=0.5"
	}
	address := e.userInfo
	if p.site.UserInfoQuery != nil {
		var q query
		q.all(p.site.UserInfoQuery(accessToken))
		address = q.on(address)
	}
	got, err := p.calls.get(ctx, address, accept, accessToken)
	switch {
	case err != nil:
		return nil, unavailable("UserInfo", err)
	case got.status != http.StatusOK:
		return nil, statusError("UserInfo", got.status)
	}
	body := got.body
	if got.kind == "application/jwt" {
		if body, err = p.signedUserInfo(ctx, e, strings.TrimSpace(string(body))); err != nil {
			return nil, err
		}
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil || raw == nil {
		return nil, unavailable("UserInfo", errors.New("the answer is not a JSON object"))
	}
	all := map[string]any{}
	return all, decodeInto(all, raw)
}

func (p *Provider) signedUserInfo(ctx context.Context, e endpoints, token string) ([]byte, error) {
	if !p.openID {
		return nil, errors.New("UserInfo is a JWT, and there is no key to verify it with")
	}
	t, err := p.signed(ctx, e, token)
	if err != nil {
		return nil, err
	}
	c, err := t.Claims()
	switch {
	case err != nil:
		return nil, refused("UserInfo: %w", err)
	case !p.believes(e, c), !c.HasAudience(p.site.ClientID):
		return nil, refused("UserInfo is of another issuer, or for somebody else")
	}
	return t.Payload, nil
}

func decodeInto(all map[string]any, raw map[string]json.RawMessage) error {
	for name, value := range raw {
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			return errors.New("a claim is malformed")
		}
		all[name] = v
	}
	return nil
}

// Standard reads the claims of OpenID Connect Core §5.1. Without `sub` nobody is named. Somebody without a preferred name is
// called by the address, or by the subject.
func Standard(claims map[string]any) (*idp.Identity, error) {
	text := func(name string) string { return Text(claims, name) }
	id := &idp.Identity{
		ExternalId: text("sub"), Username: text("preferred_username"), Email: text("email"),
		FirstName: text("given_name"), LastName: text("family_name"), DisplayName: text("name"), NickName: text("nickname"),
		MiddleName: text("middle_name"), Locale: text("locale"), ZoneInfo: text("zoneinfo"), Birthdate: text("birthdate"),
		Gender: text("gender"), Profile: text("profile"), Picture: text("picture"), Website: text("website"),
		PhoneNumber: text("phone_number"),
	}
	id.EmailVerified = id.GetEmail() != "" && Truth(claims["email_verified"])
	return Named(id)
}

// Named completes an identity: somebody must be named, and has a username.
func Named(id *idp.Identity) (*idp.Identity, error) {
	if id.GetExternalId() == "" || len(id.GetExternalId()) > maxSubject {
		return nil, refused("the site names nobody")
	}
	for _, name := range []string{id.GetEmail(), id.GetExternalId()} {
		if id.GetUsername() == "" {
			id.Username = name
		}
	}
	return id, nil
}

// Truth reads a boolean that some sites send as text.
func Truth(v any) bool { return v == true || v == "true" }

// maxText is the longest text of a profile in bytes.
const maxText = 1024

// Text is a claim that is a text of one line; empty where it is none.
func Text(claims map[string]any, name string) string {
	text, _ := claims[name].(string)
	if text = strings.TrimSpace(text); !printable(text, maxText) {
		return ""
	}
	return text
}

func printable(text string, most int) bool {
	return text != "" && len(text) <= most && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
