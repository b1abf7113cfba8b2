package tokens

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Hint is an ID token that comes back to the gateway: as id_token_hint, or as a token that is exchanged.
type Hint struct {
	// ClientID is whom the token was issued to, the first of its Audience.
	ClientID string
	Audience []string
	// Subject is the person's name at that client, SessionID the session's; the latter may be empty.
	Subject, SessionID string
	// Claims are all claims of the token.
	Claims *jose.Claims
	// Client is nil if it is not there any more.
	Client *domain.Client

	domain *domain.Domain
}

var (
	errNotAnIDToken = errors.New("the token is not an ID token of this domain")
	errOtherSigner  = errors.New("the token is signed with a secret that its client does not sign by")
)

// ReadHint reads an ID token of this domain. It may have expired (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2), so the
// caller looks at its times where they matter. It must be correctly signed, by the domain or, with an HMAC, by the secret of the
// client it was issued to; and it must be an ID token: access tokens, registration access tokens, logout tokens, UserInfo and
// other answers in the form of a JWT are refused (RFC 8725 §3.12).
func ReadHint(ctx context.Context, d *domain.Domain, token string) (*Hint, error) {
	header, unverified, err := jose.Unverified(token)
	switch {
	case err != nil:
		return nil, err
	case unverified.Issuer != d.Issuer || unverified.Subject == "" || len(unverified.Audience) == 0:
		return nil, errNotAnIDToken
	}
	client, err := d.Client(ctx, unverified.Audience[0])
	if err != nil && !errors.Is(err, domain.ErrNoClient) {
		return nil, err
	}
	keys := d.Keys
	if header.Algorithm.Symmetric() {
		// What the header says only chooses; the secret verifies by the one algorithm that the client registered.
		if client == nil || !client.IDKey.Algorithm().Symmetric() {
			return nil, errOtherSigner
		}
		if keys, err = jose.NewKeySet(client.IDKey); err != nil {
			return nil, err
		}
	}
	checked, err := keys.Verify(token, jose.Check{Types: []string{jose.TypeJWT}})
	if err != nil {
		return nil, err
	}
	claims, err := checked.Claims()
	if err != nil {
		return nil, err
	}
	if claims.ClientID != "" || claims.ID != "" || claims.Has("events") {
		return nil, errNotAnIDToken
	}
	return &Hint{
		ClientID: claims.Audience[0], Audience: claims.Audience, Subject: claims.Subject, SessionID: claims.SessionID,
		Claims: claims, Client: client, domain: d,
	}, nil
}

// For reports whether the token was issued to a client, or names it as another audience.
func (h *Hint) For(clientID string) bool { return slices.Contains(h.Audience, clientID) }

// Names reports whether a person is the one whom the token names. A client whose subjects have become pairwise, or public, may
// still hold tokens with the other name.
func (h *Hint) Names(p *state.Person) bool {
	return h.Subject == p.Subject || h.Client != nil && h.Subject == Subject(h.domain, h.Client, p)
}
