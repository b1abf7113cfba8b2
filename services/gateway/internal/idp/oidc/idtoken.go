package oidc

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

const (
	// skew is how far the site's clock may be off.
	skew = 30 * time.Second
	// maxSubject is the longest subject in bytes. OpenID Connect Core §2 has 255.
	maxSubject = 255
	// maxIDToken bounds an ID token in bytes.
	maxIDToken = 64 << 10
)

// told is a verified ID token.
type told struct{ claims *jose.Claims }

// verify checks the ID token of a token answer as OpenID Connect Core §3.1.3.7 has it.
func (p *Provider) verify(ctx context.Context, e endpoints, tokens *tokenAnswer, code string, m memo) (*told, error) {
	if tokens.IDToken == "" {
		return nil, refused("there is no ID token, although the scope openid was asked for")
	}
	token, err := p.signed(ctx, e, tokens.IDToken)
	if err != nil {
		return nil, err
	}
	c, err := token.Claims()
	if err != nil {
		return nil, refused("ID token: %w", err)
	}
	if err := c.Validate(p.now(), skew); err != nil {
		return nil, refused("ID token: %w", err)
	}
	var party string
	if _, err := c.Decode("azp", &party); err != nil {
		return nil, refused("ID token: %w", err)
	}
	switch {
	case c.Issuer == "", !p.believes(e, c):
		return nil, refused("the ID token is of another issuer")
	case !c.HasAudience(p.site.ClientID):
		return nil, refused("the ID token is for somebody else")
	case len(c.Audience) > 1 && party == "", party != "" && party != p.site.ClientID:
		return nil, refused("the ID token was issued to somebody else")
	case c.IssuedAt.IsZero():
		return nil, refused("the ID token does not say when it was issued")
	case m.Nonce == "" || !secret.Equal(c.Nonce, m.Nonce):
		return nil, refused("the ID token has another nonce than the request")
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return nil, refused("the ID token names nobody")
	}
	for name, value := range map[string]string{"at_hash": tokens.AccessToken, "c_hash": code} {
		var hash string
		if there, err := c.Decode(name, &hash); err != nil || there && !secret.Equal(hash, token.Header.Algorithm.HalfHash(value)) {
			return nil, refused("the ID token's %s is of something else", name)
		}
	}
	return &told{claims: c}, nil
}

// believes reports whether an ID token's issuer is the one that was asked. Where nobody said who that is, its keys tell.
func (p *Provider) believes(e endpoints, c *jose.Claims) bool {
	if p.site.CheckIssuer != nil {
		return p.site.CheckIssuer(e.issuer, c)
	}
	return e.issuer == "" || c.Issuer == e.issuer
}

// types are what an ID token may say of itself. An access token or a logout token is none (RFC 8725 §3.11).
var types = []string{jose.TypeJWT, jose.TypeNone}

// signed checks a signature of the site. The token's header chooses only among the algorithms that were configured, and among
// the keys for them (RFC 8725 §3.1).
func (p *Provider) signed(ctx context.Context, e endpoints, token string) (*jose.Token, error) {
	check := jose.Check{Algorithms: p.site.Algorithms, Types: types, MaxSize: maxIDToken}
	if p.site.Secret != "" {
		t, err := jose.VerifyWithSecret(token, p.site.Secret, check)
		return t, untrusted(err)
	}
	// Where no HMAC was configured none is among the algorithms, so that a public key is never taken for a secret.
	if slices.ContainsFunc(check.Algorithms, jose.Algorithm.Symmetric) {
		return nil, errors.New("ID tokens are to be signed with a secret, and none is configured")
	}
	if p.site.Keys != nil {
		t, err := p.site.Keys.Verify(token, check)
		return t, untrusted(err)
	}
	if e.keys == "" {
		return nil, errors.New("the metadata names no keys")
	}
	if header, err := jose.ReadHeader(token, maxIDToken); err != nil || !slices.Contains(check.Algorithms, header.Algorithm) {
		if err == nil {
			err = jose.ErrAlgorithm
		}
		return nil, untrusted(err) // which no key would change
	}
	keys := p.keys.at(e.keys)
	set, err := keys.get(ctx, p.calls.fetch, nil)
	if err != nil {
		return nil, unavailable("keys", err)
	}
	t, err := set.Verify(token, check)
	if errors.Is(err, jose.ErrUnknownKey) || errors.Is(err, jose.ErrSignature) {
		if fresh, fetchErr := keys.get(ctx, p.calls.fetch, &set); fetchErr == nil && fresh != set {
			t, err = fresh.Verify(token, check)
		}
	}
	return t, untrusted(err)
}

func untrusted(err error) error {
	if err == nil {
		return nil
	}
	return refused("ID token: %w", err)
}

// The bounds of amr.
const (
	maxMethods = 10
	maxMethod  = 64
)

// methods reads amr: short texts, a few (RFC 8176 §1).
func (t *told) methods() []string {
	var all []any
	if _, err := t.claims.Decode("amr", &all); err != nil {
		return nil
	}
	var list []string
	for _, v := range all {
		text, ok := v.(string)
		if ok && printable(text, maxMethod) && !slices.Contains(list, text) && len(list) < maxMethods {
			list = append(list, text)
		}
	}
	return list
}

var _ idp.Federator = (*Provider)(nil)
