// Package directory authenticates the people of a domain's own directory, which management keeps.
package directory

import (
	"context"
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Client asks the directory. Wrong credentials are fault.Unauthenticated, a disabled account is fault.Denied. There is no identity
// where the password is right and its time is over.
type Client interface {
	Authenticate(ctx context.Context, domain, source, username, password string) (*idp.Identity, error)
}

// Provider is the directory of one domain under one provider id.
type Provider struct {
	domain, id string
	client     Client
}

// New returns the provider with this id in a domain.
func New(domain, id string, client Client) *Provider {
	return &Provider{domain: domain, id: id, client: client}
}

// Authenticate implements idp.PasswordAuthenticator.
func (p *Provider) Authenticate(ctx context.Context, c idp.Credentials) (*idp.Assertion, error) {
	identity, err := p.client.Authenticate(ctx, p.domain, p.id, c.Username, c.Password)
	switch fault.KindOf(err) {
	case fault.Unauthenticated:
		return nil, idp.ErrRefused
	case fault.Denied:
		return nil, idp.ErrBlocked
	case fault.Unavailable, fault.Limited:
		return nil, fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the directory: %w", err)
	}
	if identity == nil {
		return nil, idp.ErrExpired
	}
	return &idp.Assertion{Identity: identity, AMR: []string{idp.MethodPassword}}, nil
}
