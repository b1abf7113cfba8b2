package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Codes keeps authorization codes until they are redeemed.
type Codes interface {
	// Redeem returns the authorization behind a client's code and makes the code unusable, in one atomic step. It returns
	// state.ErrUnknown, also for a code of another client, or state.ErrSpent with the grant of a code that was redeemed
	// before.
	Redeem(ctx context.Context, domain, clientID, code string) (state.Authorization, error)
	// RevokeGrant ends every token of a grant, the last of which expires at until.
	RevokeGrant(ctx context.Context, domain, grant string, until time.Time) error
}

// AuthorizationCode redeems codes (RFC 6749 §4.1.3).
type AuthorizationCode struct {
	Codes  Codes
	Grants Refresher
	People People
	Access Judge
	Now    func() time.Time
}

// Type implements Grant.
func (AuthorizationCode) Type() oauth2.GrantType { return oauth2.GrantAuthorizationCode }

var errCode = oauth2.InvalidGrant.Errorf("The authorization code is invalid")

// Authorize implements Grant. The code is spent before anything about it is checked, so that a guess at its verifier is
// the only one. A second use revokes what the first one made (RFC 9700 §4.2.4). A code of before the application was disabled, or of
// a person whose consent no longer stands, is worth nothing, as a refresh token is.
func (g AuthorizationCode) Authorize(ctx context.Context, r *Request) (tokens.Authorization, error) {
	code := r.Params.Get("code")
	if code == "" {
		return tokens.Authorization{}, oauth2.InvalidRequest.Errorf("Missing parameter: code")
	}
	a, err := g.Codes.Redeem(ctx, r.Domain.ID, r.Client.ID, code)
	switch {
	case errors.Is(err, state.ErrSpent):
		if err := g.Codes.RevokeGrant(ctx, r.Domain.ID, a.Grant, g.Now().Add(r.Client.Longest())); err != nil {
			return tokens.Authorization{}, fmt.Errorf("revoke the grant of a code that was used twice: %w", err)
		}
		return tokens.Authorization{}, errCode.WithCause(err)
	case errors.Is(err, state.ErrUnknown):
		return tokens.Authorization{}, errCode.WithCause(err)
	case err != nil:
		return tokens.Authorization{}, err
	}
	if err := checkRedirect(&a, r.Params); err != nil {
		return tokens.Authorization{}, err
	}
	if err := checkVerifier(&a, r.Params); err != nil {
		return tokens.Authorization{}, err
	}
	if err := checkKey(&a, r); err != nil {
		return tokens.Authorization{}, err
	}
	created := time.UnixMilli(a.Created)
	if created.Before(r.Client.TokensValidFrom) {
		return tokens.Authorization{}, errCode.WithCause(errDisabled)
	}
	if err := g.People.Stands(ctx, r.Domain.ID, a.Person.Subject, a.ClientID, created); err != nil {
		return tokens.Authorization{}, errCode.WithCause(err)
	}
	out := authorization(r, &a)
	out.Nonce = a.Nonce
	if out.Resources, err = resources.Narrow(a.Resources, r.Params.All("resource")); err != nil {
		return tokens.Authorization{}, err
	}
	if r.Client.Restricted {
		if out.Whom, err = (door{g.Access, g.Codes, g.Now}).admit(ctx, r, &a, errCode); err != nil {
			return tokens.Authorization{}, err
		}
	}
	if err := r.allow(ctx, &a.Person, a.AuthFlow); err != nil {
		return tokens.Authorization{}, err
	}
	out.RefreshToken, err = newRefreshToken(ctx, g.Grants, r, a)
	if errors.Is(err, state.ErrEnded) { // the code was used again while this request was under way
		return tokens.Authorization{}, errCode.WithCause(err)
	}
	return out, err
}

// checkRedirect holds the request to the redirect URI of the authorization request, if that had one (RFC 6749 §4.1.3).
func checkRedirect(a *state.Authorization, p oauth2.Params) error {
	sent := p.Get("redirect_uri")
	switch {
	case a.RedirectURISent && sent == "":
		return oauth2.InvalidGrant.Errorf("Redirect URI is missing")
	case sent != "" && sent != a.RedirectURI:
		return oauth2.InvalidGrant.Errorf("Redirect URI mismatch.")
	}
	return nil
}

// checkVerifier holds the request to the PKCE challenge (RFC 7636 §4.6). A verifier without a challenge is refused, so
// that PKCE cannot be taken off on the way (RFC 9700 §4.8.2).
func checkVerifier(a *state.Authorization, p oauth2.Params) error {
	verifier := p.Get("code_verifier")
	switch {
	case a.Challenge == "" && verifier != "":
		return oauth2.InvalidGrant.Errorf("Invalid code_verifier")
	case a.Challenge == "":
		return nil
	case verifier == "":
		return oauth2.InvalidGrant.Errorf("Missing parameter: code_verifier")
	case !oauth2.ValidVerifier(verifier):
		return oauth2.InvalidGrant.Errorf("Invalid parameter: code_verifier")
	}
	if err := oauth2.Verify(oauth2.ChallengeMethod(a.ChallengeMethod), a.Challenge, verifier); err != nil {
		return oauth2.InvalidGrant.Errorf("Invalid code_verifier").WithCause(err)
	}
	return nil
}

// checkKey holds the request to the key of the authorization request, if that named one (RFC 9449 §10).
func checkKey(a *state.Authorization, r *Request) error {
	bound, proved := a.Confirmation, r.Confirmation
	if bound.JKT != "" && bound.JKT != proved.JKT || bound.X5T != "" && bound.X5T != proved.X5T {
		return oauth2.InvalidGrant.Errorf("The authorization code is bound to another key")
	}
	return nil
}

// authorization is what a kept authorization is worth at the token endpoint. The access token is bound to the key that the
// request proves.
func authorization(r *Request, a *state.Authorization) tokens.Authorization {
	out := tokens.Authorization{
		Client: r.Client, Scopes: a.Scopes, Person: &a.Person, Grant: a.Line(),
		AuthTime: a.AuthTime, SessionID: a.SessionID, ACR: a.ACR, AMR: a.AMR, Confirmation: r.Confirmation,
		Resources: a.Resources, Claims: a.Claims, ClaimsLocales: a.ClaimsLocales, Actor: a.Actor,
		AuthFlow: a.AuthFlow, Situation: a.Situation,
	}
	if a.Ends > 0 {
		out.NotAfter = time.UnixMilli(a.Ends)
	}
	return out
}

// newRefreshToken keeps the authorization as a grant if the client registered the refresh grant. The refresh tokens of a public
// client are bound to the key that it proves (RFC 9449 §5, RFC 8705 §4); those of others are bound to the client by its
// authentication.
func newRefreshToken(ctx context.Context, grants Refresher, r *Request, a state.Authorization) (string, error) {
	if !r.Client.HasGrant(oauth2.GrantRefreshToken) {
		return "", nil
	}
	// What bound the code is used up; a refreshed ID token carries no nonce (OpenID Connect Core §12.2).
	a.Nonce, a.RedirectURI, a.RedirectURISent, a.Challenge, a.ChallengeMethod = "", "", false, "", ""
	a.Confirmation = state.Confirmation{}
	if r.Client.Public() {
		a.Confirmation = r.Confirmation
	}
	ttl := r.Client.RefreshTTL
	if age := r.Client.RefreshMaxAge; age > 0 {
		ttl = min(ttl, age)
	}
	return grants.NewGrant(ctx, a, ttl)
}
