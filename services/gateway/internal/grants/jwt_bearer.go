package grants

import (
	"context"
	"errors"
	"time"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/scopes"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Replay remembers what may be used once; *state.Store does.
type Replay interface {
	Once(ctx context.Context, domain, purpose, id string, ttl time.Duration) (first bool, err error)
}

// JWTBearer accepts assertions that trusted issuers make about people (RFC 7523 §2.1). The assertion is the grant: there is no
// refresh token, because a new assertion can be had, and no ID token, because nobody signed in here.
type JWTBearer struct {
	trusted
	replay Replay
	access Judge
}

// Type implements Grant.
func (JWTBearer) Type() oauth2.GrantType { return oauth2.GrantJWTBearer }

// assertionLife is how far ahead the end of an assertion may be: so long it is remembered.
const assertionLife = time.Hour

// assertionTypes are the values of the header typ that an assertion may have. A token of another kind is not one
// (RFC 8725 §3.12).
var assertionTypes = []string{jose.TypeJWT, jose.TypeNone, "authorization-grant+jwt"}

var errAssertion = oauth2.InvalidGrant.Errorf("The assertion is invalid")

// Authorize implements Grant.
func (g JWTBearer) Authorize(ctx context.Context, r *Request) (tokens.Authorization, error) {
	assertion := r.Params.Get("assertion")
	if assertion == "" {
		return tokens.Authorization{}, oauth2.InvalidRequest.Errorf("Missing parameter: assertion")
	}
	granted, err := scopes.Grant(r.Domain, r.Client, oauth2.SplitScope(r.Params.Get("scope")))
	if err != nil {
		return tokens.Authorization{}, err
	}
	wanted, err := resources.Grant(r.Domain, r.Client, r.Params.All("resource"))
	if err != nil {
		return tokens.Authorization{}, err
	}
	claims, issuer, err := g.read(ctx, r.Domain, g.Type(), assertion, assertionTypes, audiences(r.Domain, r.Client))
	if err != nil {
		return tokens.Authorization{}, refuseAssertion(err)
	}
	now := g.now()
	if claims.ExpiresAt.After(now.Add(assertionLife + skew)) {
		return tokens.Authorization{}, oauth2.InvalidGrant.Errorf("The assertion ends more than an hour from now")
	}
	who, err := g.person(ctx, r.Domain, issuer, claims.Subject)
	if err != nil {
		return tokens.Authorization{}, refuseAssertion(err)
	}
	whom, err := g.admit(ctx, r, who, granted, wanted)
	if err != nil {
		return tokens.Authorization{}, err
	}
	if err := r.allow(ctx, who, nil); err != nil {
		return tokens.Authorization{}, err
	}
	// Last of all, so that a request that is refused for another reason does not use the assertion up. One without an
	// identifier is known by itself.
	id := claims.ID
	if id == "" {
		id = secret.HashToken(assertion)
	}
	first, err := g.replay.Once(ctx, r.Domain.ID, "jwt-bearer "+issuer.Name, id, claims.ExpiresAt.Sub(now)+skew)
	switch {
	case err != nil:
		return tokens.Authorization{}, err
	case !first:
		return tokens.Authorization{}, oauth2.InvalidGrant.Errorf("The assertion was used before")
	}
	return tokens.Authorization{
		Client: r.Client, Scopes: granted, Resources: wanted, Person: who, Grant: secret.NewToken()[:22],
		Confirmation: r.Confirmation, Without: tokens.WithoutIDToken, Whom: whom,
	}, nil
}

// admit asks whether the person may use the application. How and from where they signed in is known to nobody here.
func (g JWTBearer) admit(ctx context.Context, r *Request, who *state.Person, granted, wanted []string) (*rule.Person, error) {
	if !r.Client.Restricted {
		return nil, nil
	}
	out, err := g.access.Decide(ctx, r.Domain, r.Client, who, access.Situation{Protocol: access.OAuth, Scopes: granted, Resources: wanted})
	switch {
	case err != nil:
		return nil, err
	case !out.Allowed():
		return nil, oauth2.InvalidGrant.Errorf("The person may not use this application").WithCause(errAccess)
	}
	return out.Person, nil
}

// refuseAssertion tells the client what it may know of why an assertion is not accepted.
func refuseAssertion(err error) error {
	switch {
	case ours(err):
		return err
	case errors.Is(err, errUntrusted):
		return oauth2.InvalidGrant.Errorf("The issuer of the assertion is not trusted here").WithCause(err)
	case errors.Is(err, errAudience):
		return oauth2.InvalidGrant.Errorf("The assertion is not meant for this server").WithCause(err)
	case errors.Is(err, jose.ErrExpired):
		return oauth2.InvalidGrant.Errorf("The assertion is expired").WithCause(err)
	}
	return errAssertion.WithCause(err)
}
