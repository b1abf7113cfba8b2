package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

func (s *Service) issue(found *store.Operator) (Token, error) {
	now := s.Now().Truncate(time.Second)
	expires := now.Add(s.Lifetime).Truncate(time.Second)
	o := identity(found, secret.NewID())
	payload, err := json.Marshal(claims{
		Subject:      o.ID,
		IssuedAt:     now.Unix(),
		ExpiresAt:    expires.Unix(),
		ID:           o.TokenID,
		Name:         o.Name,
		Organization: o.Organization,
		Permissions:  o.Permissions,
	})
	if err != nil {
		return Token{}, fmt.Errorf("claims of an operator's token: %w", err)
	}
	value, err := s.Key.Sign(jose.TypeJWT, payload)
	if err != nil {
		return Token{}, fmt.Errorf("sign an operator's token: %w", err)
	}
	return Token{Value: value, ExpiresAt: expires.UTC(), Operator: o}, nil
}

func identity(found *store.Operator, tokenID string) Operator {
	return Operator{
		ID:           found.ID,
		Name:         found.Name,
		Organization: found.Organization,
		Permissions:  append([]string{}, found.Permissions...),
		TokenID:      tokenID,
	}
}

// Authenticate returns the operator whose token this is. A token that is malformed, wrongly signed, expired or revoked,
// and one whose operator is gone, disabled or another of the same name, is fault.Unauthenticated.
func (s *Service) Authenticate(ctx context.Context, bearer string) (Operator, error) {
	c, name, err := s.verify(bearer)
	if err != nil {
		return Operator{}, err
	}
	revoked, err := s.Revoked.Has(ctx, c.ID)
	if err != nil {
		return Operator{}, fmt.Errorf("revoked tokens: %w", err)
	}
	if revoked {
		return Operator{}, unusable("it was revoked")
	}
	found, err := s.Operators.Get(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Operator{}, unusable("its operator does not exist")
	case err != nil:
		return Operator{}, fmt.Errorf("operator: %w", err)
	case found.ID != c.Subject:
		return Operator{}, unusable("its operator was replaced")
	case found.Disabled:
		return Operator{}, unusable("its operator is disabled")
	}
	return identity(found, c.ID), nil
}

// Revoke ends a token before its time, everywhere and at once.
func (s *Service) Revoke(ctx context.Context, bearer string) error {
	c, _, err := s.verify(bearer)
	if err != nil {
		return err
	}
	if err := s.Revoked.Add(ctx, c.ID, c.ExpiresAt.Add(skew)); err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return nil
}

// verify checks what can be checked without the database.
func (s *Service) verify(bearer string) (*jose.Claims, string, error) {
	token, err := s.keys.Verify(bearer, jose.Check{
		Algorithms: []jose.Algorithm{s.Key.Algorithm()},
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
