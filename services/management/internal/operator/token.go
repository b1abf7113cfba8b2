package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// skew is how far the clocks of replicas may differ.
const skew = 10 * time.Second

// claims are the content of a token.
type claims struct {
	Subject      string   `json:"sub"`
	IssuedAt     int64    `json:"iat"`
	ExpiresAt    int64    `json:"exp"`
	ID           string   `json:"jti"`
	Name         string   `json:"preferred_username"`
	Organization string   `json:"organization"`
	Permissions  []string `json:"permissions"`
}

func (s *Service) issue(ctx context.Context, found *store.Operator) (Token, error) {
	now := s.Now().Truncate(time.Second)
	expires := now.Add(s.Lifetime).Truncate(time.Second)
	o := identity(found, tokenID(found))
	var err error
	if o.Permissions, err = s.At(ctx, o, Place{Organization: found.Organization}); err != nil {
		return Token{}, fmt.Errorf("permissions of an operator: %w", err)
	}
	payload, err := json.Marshal(claims{
		Subject:      o.ID,
		IssuedAt:     now.Unix(),
		ExpiresAt:    expires.Unix(),
		ID:           o.TokenID,
		Name:         o.Name,
		Organization: o.Organization,
		Permissions:  o.Permissions.brief(),
	})
	if err != nil {
		return Token{}, fmt.Errorf("claims of an operator's token: %w", err)
	}
	keys, err := s.keys.current(ctx)
	if err != nil {
		return Token{}, err
	}
	value, err := keys.signs(s.Now()).Sign(jose.TypeJWT, payload)
	if err != nil {
		return Token{}, fmt.Errorf("sign an operator's token: %w", err)
	}
	return Token{Value: value, ExpiresAt: expires.UTC(), Operator: o}, nil
}

// tokenID makes the identifier of a token. It ends with the epoch in which the token was made, and with that epoch the
// token ends too.
func tokenID(found *store.Operator) string {
	return secret.NewID() + epochOf(found)
}

func epochOf(found *store.Operator) string { return "." + strconv.FormatInt(found.Epoch, 36) }

func identity(found *store.Operator, tokenID string) Operator {
	return Operator{
		ID:           found.ID,
		Name:         found.Name,
		Organization: found.Organization,
		TokenID:      tokenID,
		memberships:  found.Memberships,
	}
}

// Authenticate returns the operator whose token this is, without permissions: At knows them. A token that is malformed,
// wrongly signed, expired or revoked, and one whose operator is gone, disabled, locked or another of the same name, is
// fault.Unauthenticated.
func (s *Service) Authenticate(ctx context.Context, bearer string) (Operator, error) {
	if strings.HasPrefix(bearer, personalPrefix) {
		return s.authenticatePersonal(ctx, bearer)
	}
	c, name, err := s.verify(ctx, bearer)
	if err != nil {
		return Operator{}, err
	}
	revoked, err := s.Store.RevokedTokens().Has(ctx, c.ID)
	if err != nil {
		return Operator{}, fmt.Errorf("revoked tokens: %w", err)
	}
	if revoked {
		return Operator{}, unusable("it was revoked")
	}
	found, err := s.standing(ctx, name, c.Subject)
	if err != nil {
		return Operator{}, err
	}
	if !strings.HasSuffix(c.ID, epochOf(found)) {
		return Operator{}, unusable("everything of its time was revoked")
	}
	return identity(found, c.ID), nil
}

// standing returns the operator with a name and an identifier, if they may come in at all.
func (s *Service) standing(ctx context.Context, name, id string) (*store.Operator, error) {
	found, err := s.Store.Operators().Get(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, unusable("its operator does not exist")
	case err != nil:
		return nil, fmt.Errorf("operator: %w", err)
	case found.ID != id:
		return nil, unusable("its operator was replaced")
	case found.Disabled:
		return nil, unusable("its operator is disabled")
	case found.Locked:
		return nil, unusable("its operator is locked")
	}
	return found, nil
}

// Revoke ends a token before its time, everywhere and at once.
func (s *Service) Revoke(ctx context.Context, bearer string) error {
	if strings.HasPrefix(bearer, personalPrefix) {
		return s.revokePersonal(ctx, bearer)
	}
	c, _, err := s.verify(ctx, bearer)
	if err != nil {
		return err
	}
	if err := s.Store.RevokedTokens().Add(ctx, c.ID, c.ExpiresAt.Add(skew)); err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return nil
}

// verify checks what can be checked without the operator.
func (s *Service) verify(ctx context.Context, bearer string) (*jose.Claims, string, error) {
	keys, err := s.keys.current(ctx)
	if err != nil {
		return nil, "", err
	}
	token, err := keys.verifies.Verify(bearer, jose.Check{
		Algorithms: []jose.Algorithm{signingAlgorithm},
		Types:      []string{jose.TypeJWT},
	})
	if err != nil {
		return nil, "", unusable(err.Error())
	}
	c, err := token.Claims()
	if err != nil {
		return nil, "", unusable(err.Error())
	}
	if err := c.Validate(s.Now(), skew); err != nil {
		return nil, "", unusable(err.Error())
	}
	var name string
	if ok, err := c.Decode("preferred_username", &name); !ok || err != nil || c.ID == "" || c.Subject == "" {
		return nil, "", unusable("it is none of an operator")
	}
	return c, name, nil
}

// unusable does not tell the caller why; the log may say it.
func unusable(why string) error {
	return fault.Unauthenticatedf("The access token is invalid").Because(errors.New(why))
}
