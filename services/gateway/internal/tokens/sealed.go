package tokens

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// sealedClaim is the claim of an access token that only the gateways of its domain can read. Tokens are not stored anywhere, so
// what UserInfo and revocation need of them, and nobody else may see, travels in them. Most tokens have nothing to seal.
const sealedClaim = oauth2.ClaimSealed

// sealed is what the claim holds.
type sealed struct {
	// Subject is the public subject of a person whom the token names by a pairwise one.
	Subject string `json:"s,omitempty"`
	// Claims are those wanted of UserInfo, each with the values it should have, nil for any.
	Claims  map[string][]json.RawMessage `json:"c,omitempty"`
	Locales []string                     `json:"l,omitempty"`
	// Situation, SignedIn and Methods are for whoever exchanges the token, because the rule of its application looks at them, and for claim
	// mappings of UserInfo that do.
	Situation state.Situation `json:"f,omitempty"`
	SignedIn  int64           `json:"t,omitempty"`
	Methods   []string        `json:"m,omitempty"`
}

// maxSealed is the largest content in bytes. What does not fit is not asked of UserInfo: a request header has room for little
// more.
const maxSealed = 2 << 10

// seal returns the claim for a token, "" if there is nothing to seal.
func seal(d *domain.Domain, a *Authorization, tokenID []byte) (string, error) {
	exchanged := a.Client.Restricted && d.Exchange != nil || a.hasUserInfo() && a.Client.Mappings.Situational(claims.UserInfo)
	if a.Person == nil || a.Client.Sector == "" && len(a.Claims) == 0 && len(a.ClaimsLocales) == 0 && !exchanged {
		return "", nil
	}
	var s sealed
	if a.Client.Sector != "" {
		s.Subject = a.Person.Subject
	}
	if a.hasUserInfo() {
		s.Locales = locales(a.ClaimsLocales)
		if request := a.claims(); request != nil {
			s.Claims = carried(request.UserInfo)
		}
	}
	if exchanged && a.Situation != "" {
		s.Situation, s.SignedIn, s.Methods = a.Situation, a.AuthTime, a.AMR
	}
	if s.Subject == "" && len(s.Claims) == 0 && len(s.Locales) == 0 && s.Situation == "" {
		return "", nil
	}
	plain, err := json.Marshal(s)
	if err == nil && len(plain) > maxSealed {
		s.Claims, s.Locales = nil, nil
		plain, err = json.Marshal(s)
	}
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	aead, err := opener(d, string(tokenID))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, make([]byte, aead.NonceSize()), plain, nil)), nil
}

// opener returns the cipher for the sealed claim of one token. The key follows from the token's identifier, which holds 128
// random bits and is used for one token, so that the nonce is always zero.
func opener(d *domain.Domain, tokenID string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(d.SealingKey(tokenID))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return cipher.NewGCM(block)
}

// unseal reads the sealed claim of a token whose signature was checked, and takes it out of what others are shown. A token whose
// claim cannot be opened is worth nothing: the domain's secret is not the one it was made with.
func unseal(d *domain.Domain, found *domain.VerifiedToken, c *jose.Claims) error {
	var text string
	if present, err := c.Decode(sealedClaim, &text); err != nil || !present {
		return err
	}
	box, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return ErrInvalid
	}
	aead, err := opener(d, c.ID)
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), box, nil)
	if err != nil {
		return ErrInvalid
	}
	var s sealed
	if err := json.Unmarshal(plain, &s); err != nil {
		return ErrInvalid
	}
	if s.Subject != "" {
		found.Person = s.Subject
	}
	found.Locales = s.Locales
	found.Situation, found.SignedIn, found.Methods = string(s.Situation), s.SignedIn, s.Methods
	for name, values := range s.Claims {
		found.Requested = append(found.Requested, oauth2.RequestedClaim{Name: name, Values: values})
	}
	shown := make(map[string]json.RawMessage, len(c.Raw()))
	for name, raw := range c.Raw() {
		if name != sealedClaim {
			shown[name] = raw
		}
	}
	found.Payload, err = json.Marshal(shown)
	return err
}
