package tokens

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// ErrInvalid means that a token is no access token of this domain that is in force: it is malformed, wrongly signed,
// expired, revoked, issued to a client that is gone, or something else.
var ErrInvalid = errors.New("the access token is invalid")

// skew is how far the clock of the gateway that made a token may be ahead of this one's. There is no such tolerance for
// the end of a token: what a client was promised is kept to the second.
const skew = 30 * time.Second

// Revoked tells whether a token was ended before its time.
type Revoked interface{ Revoked(state.Token) bool }

// Verifier reads access tokens back. It is safe for concurrent use.
type Verifier struct {
	now     func() time.Time
	revoked Revoked
}

// NewVerifier returns a Verifier.
func NewVerifier(now func() time.Time, revoked Revoked) *Verifier {
	return &Verifier{now: now, revoked: revoked}
}

// Verify returns what an access token of the domain says. Every refusal is ErrInvalid. A token that was verified before
// costs a hash instead of a signature; everything that can change is looked at each time. ID tokens, registration access
// tokens (scope dcr) and tokens of other domains are no access tokens here. Whether the token's client may still be used
// is the question of Alive.
func (v *Verifier) Verify(d *domain.Domain, token string) (*domain.VerifiedToken, error) {
	found, ok := d.Tokens.Get(token)
	if !ok || found.Keys != d.Keys {
		fresh, err := v.read(d, token)
		if err != nil {
			return nil, ErrInvalid
		}
		found = fresh
	}
	c, now := found.Claims, v.now()
	if c.Issuer != d.Issuer || !now.Before(c.ExpiresAt) || c.Validate(now, skew) != nil {
		return nil, ErrInvalid
	}
	if v.revoked.Revoked(state.Token{Domain: d.ID, JTI: c.ID, Subject: found.Person, ClientID: c.ClientID, IssuedAt: found.IssuedAt}) {
		return nil, ErrInvalid
	}
	return found, nil
}

// Alive returns the client of an access token that was verified. It is ErrInvalid if the client is not there any more or
// is disabled, or if the token is older than what the client may still use: a client that was disabled for a while does
// not get its tokens back, nor does one that took over the client_id of another.
func Alive(ctx context.Context, d *domain.Domain, c *jose.Claims) (*domain.Client, error) {
	client, err := d.Client(ctx, c.ClientID)
	switch {
	case errors.Is(err, domain.ErrNoClient):
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	case err != nil:
		return nil, err
	case c.IssuedAt.Before(client.TokensValidFrom):
		return nil, fmt.Errorf("%w: it was issued before the client's tokens became valid", ErrInvalid)
	}
	return client, nil
}

// Concerns reports whether a token is any business of a client: it was issued to it, the client is of the token's audience, or
// serves a resource that is (RFC 7662 §4).
func Concerns(d *domain.Domain, caller *domain.Client, found *domain.VerifiedToken) bool {
	if found.Claims.ClientID == caller.ClientID {
		return true
	}
	return slices.ContainsFunc(found.Claims.Audience, func(aud string) bool {
		return aud == caller.ClientID || slices.Contains(d.Resources[aud].GetServers(), caller.ClientID)
	})
}

// isAccess tells access tokens from the other tokens of a domain: an ID token and a registration access token have no client_id,
// an access token always has one (RFC 8725 §3.12).
func isAccess(c *jose.Claims) bool {
	return c.ClientID != "" && c.ID != "" && c.Subject != "" && !oauth2.HasScope(c.Scope, oauth2.ScopeDCR)
}

// IsAnotherToken reports whether a token is one that this domain signed, with its own keys or a client's secret, and that is no
// access token: an ID token, a logout token, a registration access token, an answer in the form of a JWT.
func IsAnotherToken(ctx context.Context, d *domain.Domain, token string) bool {
	if checked, err := d.Keys.Verify(token, jose.Check{}); err == nil {
		c, err := checked.Claims()
		access := checked.Header.Type == jose.TypeJWT || checked.Header.Type == jose.TypeAccessToken
		return err == nil && c.Issuer == d.Issuer && !(access && isAccess(c))
	}
	_, err := ReadHint(ctx, d, token)
	return err == nil
}

// read checks the signature and remembers the token.
func (v *Verifier) read(d *domain.Domain, token string) (*domain.VerifiedToken, error) {
	generation := d.Tokens.Generation()
	checked, err := d.Keys.Verify(token, jose.Check{Types: []string{jose.TypeJWT, jose.TypeAccessToken}})
	if err != nil {
		return nil, err
	}
	all, err := checked.Claims()
	if err != nil {
		return nil, err
	}
	if !isAccess(all) {
		return nil, ErrInvalid
	}
	// Tokens in the form of RFC 9068 name no domain: their issuer does.
	if checked.Header.Type == jose.TypeJWT && all.Domain != d.ID || all.Domain != "" && all.Domain != d.ID {
		return nil, ErrInvalid
	}
	found := &domain.VerifiedToken{
		Keys: d.Keys,
		Claims: &jose.Claims{
			Issuer: all.Issuer, Subject: all.Subject, Audience: all.Audience, ExpiresAt: all.ExpiresAt,
			IssuedAt: all.IssuedAt, NotBefore: all.NotBefore, ID: all.ID, Scope: all.Scope, ClientID: all.ClientID,
			Domain: all.Domain,
		},
		IssuedAt: issuedAt(all.ID, all.IssuedAt),
		Payload:  checked.Payload,
		Person:   all.Subject,
	}
	if err := unseal(d, found, all); err != nil {
		return nil, err
	}
	if err := readConfirmation(found, all); err != nil {
		return nil, err
	}
	d.Tokens.Put(token, found, 512+2*len(found.Payload), all.ExpiresAt, generation)
	return found, nil
}
