// Package inline authenticates people who are listed in the configuration itself.
package inline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Provider holds the people of one inline provider.
type Provider struct {
	id     string
	users  map[string]*configv1.InlineUser // by name in lower case
	hasher *secret.Hasher
}

// New reads the list. A name that occurs twice in any case, or a password that is no hash, is an error.
func New(id string, config *configv1.InlineProvider, hasher *secret.Hasher) (*Provider, error) {
	p := &Provider{id: id, users: make(map[string]*configv1.InlineUser, len(config.GetUsers())), hasher: hasher}
	for i, u := range config.GetUsers() {
		name := strings.ToLower(u.GetUsername())
		if _, taken := p.users[name]; taken || name == "" {
			return nil, fmt.Errorf("users[%d]: the username is empty or occurs twice", i)
		}
		if !secret.Known(u.GetPassword()) {
			return nil, fmt.Errorf("users[%d]: the password is not a known hash", i)
		}
		p.users[name] = u
	}
	return p, nil
}

// Authenticate implements idp.PasswordAuthenticator. Names match in any case.
func (p *Provider) Authenticate(ctx context.Context, c idp.Credentials) (*idp.Assertion, error) {
	u := p.users[strings.ToLower(c.Username)]
	if u == nil {
		if err := p.hasher.VerifyNothing(ctx, c.Password); err != nil {
			return nil, busy(err)
		}
		return nil, idp.ErrRefused
	}
	ok, _, err := p.hasher.Verify(ctx, u.GetPassword(), c.Password)
	switch {
	case err != nil:
		return nil, busy(err)
	case !ok:
		return nil, idp.ErrRefused
	}
	return &idp.Assertion{AMR: []string{idp.MethodPassword}, Identity: &idp.Identity{
		Source: p.id,
		// In lower case, so that somebody stays the same person when their name is written otherwise.
		ExternalId: strings.ToLower(u.GetUsername()),
		Username:   u.GetUsername(),
		Email:      u.GetEmail(),
		FirstName:  u.GetFirstname(),
		LastName:   u.GetLastname(),
	}}, nil
}

func busy(err error) error {
	switch {
	case errors.Is(err, secret.ErrBusy):
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	case errors.Is(err, secret.ErrTooLong):
		return idp.ErrRefused
	}
	return err
}
