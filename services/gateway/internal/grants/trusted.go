package grants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/subject"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// IssuerKeys verifies what trusted issuers signed whose keys are published; *clientkeys.Keys does.
type IssuerKeys interface {
	VerifyPublished(ctx context.Context, owner, uri, token string, check jose.Check) (*jose.Token, error)
}

// Known finds people by their subject; *tokens.People does.
type Known interface {
	People
	// Find returns what the directory said at most maxAge ago. Somebody unknown is fault.NotFound.
	Find(ctx context.Context, domain, subject string, maxAge time.Duration) (*tokens.Known, error)
}

// present is how old what the directory said may be where somebody must be there.
const present = 30 * time.Second

// skew is how far the clocks of others may differ from ours.
const skew = 30 * time.Second

// trusted reads JWTs that issuers trusted by a domain made.
type trusted struct {
	keys   IssuerKeys
	people Known
	now    func() time.Time
}

var (
	errUntrusted = errors.New("the issuer is not trusted by the domain for this")
	errAudience  = errors.New("the token is not meant for this server")
	errTimes     = errors.New("the token has no iss, sub or exp")
)

// read verifies a JWT of a trusted issuer: its signature by one of the algorithms that the issuer may use, that it is in force,
// and that it is meant for one of the audiences.
func (t *trusted) read(ctx context.Context, d *domain.Domain, g oauth2.GrantType, token string, types, audiences []string) (*jose.Claims, *domain.TrustedIssuer, error) {
	_, unverified, err := jose.Unverified(token)
	if err != nil {
		return nil, nil, err
	}
	issuer := d.TrustedIssuer(unverified.Issuer, g)
	if issuer == nil {
		return nil, nil, errUntrusted
	}
	check := jose.Check{Algorithms: issuer.Algorithms, Types: types}
	var verified *jose.Token
	switch {
	case issuer.Keys != nil:
		verified, err = issuer.Keys.Verify(token, check)
	case t.keys == nil:
		err = fault.Unavailablef("keys of issuers cannot be fetched")
	default:
		verified, err = t.keys.VerifyPublished(ctx, d.ID, issuer.JWKSURI, token, check)
	}
	if err != nil {
		return nil, nil, err
	}
	c, err := verified.Claims()
	switch {
	case err != nil:
		return nil, nil, err
	case c.Issuer != issuer.Name || c.Subject == "" || c.ExpiresAt.IsZero():
		return nil, nil, errTimes
	case !slices.ContainsFunc(audiences, c.HasAudience):
		return nil, nil, errAudience
	}
	return c, issuer, c.Validate(t.now(), skew)
}

// audiences are what an assertion for the token endpoint may be addressed to: the issuer, and the endpoint's URL as far as the
// client's profile allows that (RFC 7523 §3).
func audiences(d *domain.Domain, c *domain.Client) []string {
	p := c.Profile.AssertionAudience
	if p == profile.IssuerAlone || p == profile.EndpointBySwitch && !d.Settings.GetOidc().GetAcceptEndpointAsAssertionAudience() {
		return []string{d.Issuer}
	}
	return []string{d.Issuer, d.Base + "/oauth/token"}
}

var errNobody = errors.New("the subject is nobody who may be signed in here")

// person is who a trusted issuer speaks of: one of the people of the provider that is named for it, who must be there and may
// sign in; otherwise somebody without an account, who is told from everybody who has one.
func (t *trusted) person(ctx context.Context, d *domain.Domain, i *domain.TrustedIssuer, name string) (*state.Person, error) {
	if i.Provider == "" {
		return &state.Person{Subject: subject.Guest(i.Name, name), Source: i.Name, ExternalID: name, Username: name}, nil
	}
	return t.known(ctx, d, subject.Of(i.Provider, name))
}

// known is a person of the directory who may be signed in.
func (t *trusted) known(ctx context.Context, d *domain.Domain, subject string) (*state.Person, error) {
	found, err := t.people.Find(ctx, d.ID, subject, present)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && !found.Enabled:
		return nil, errNobody
	case err != nil:
		return nil, fmt.Errorf("look up the person: %w", err)
	}
	return &found.Person, nil
}

// ours reports whether an error is our own failure rather than a token that is not good: then the client should try again.
func ours(err error) bool {
	return errors.Is(err, state.ErrUnavailable) || fault.Is(err, fault.Unavailable) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded)
}
