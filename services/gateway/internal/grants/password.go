package grants

import (
	"context"
	"net/netip"
	"time"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/scopes"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// PasswordSignIn authenticates a person. Its refusals are invalid_grant.
type PasswordSignIn interface {
	WithPasswordFrom(ctx context.Context, from netip.Addr, d *domain.Domain, c *domain.Client, in rules.Input, username, password string) (signin.Result, error)
}

// Password lets a client present a person's name and password (RFC 6749 §4.3). It exists for clients that already work
// so; new ones use the code flow.
type Password struct {
	SignIn  PasswordSignIn
	Grants  Refresher
	Proxies *observe.Proxies
	Access  Judge
	Now     func() time.Time
}

// Type implements Grant.
func (Password) Type() oauth2.GrantType { return oauth2.GrantPassword }

// Authorize implements Grant.
func (g Password) Authorize(ctx context.Context, r *Request) (tokens.Authorization, error) {
	username, password := r.Params.Get("username"), r.Params.Get("password")
	switch {
	case username == "":
		return tokens.Authorization{}, oauth2.InvalidRequest.Errorf("Missing parameter: username")
	case password == "":
		return tokens.Authorization{}, oauth2.InvalidRequest.Errorf("Missing parameter: password")
	}
	asked := oauth2.SplitScope(r.Params.Get("scope"))
	if err := scopes.Possible(r.Domain, r.Client, asked); err != nil {
		return tokens.Authorization{}, err
	}
	wanted, err := resources.Grant(r.Domain, r.Client, r.Params.All("resource"))
	if err != nil {
		return tokens.Authorization{}, err
	}
	who, err := g.SignIn.WithPasswordFrom(ctx, g.from(r), r.Domain, r.Client, g.input(ctx, r), username, password)
	if err != nil {
		return tokens.Authorization{}, err
	}
	granted, err := scopes.GrantTo(r.Domain, r.Client, &who.Person, asked)
	if err != nil {
		return tokens.Authorization{}, err
	}
	a := state.Authorization{
		Domain: r.Domain.ID, ApplicationID: r.Client.ID, ClientID: r.Client.ClientID, Scopes: granted, Person: who.Person,
		AuthTime: g.Now().Unix(), ACR: who.ACR, AMR: who.AMR, Resources: wanted, Grant: secret.NewToken()[:22],
		Situation: state.SituationFields{IP: g.from(r), Provider: who.Provider, ACR: who.ACR, Method: access.MethodOf(who.ACR)}.Pack(),
	}
	whom, err := g.admit(ctx, r, &a)
	if err != nil {
		return tokens.Authorization{}, err
	}
	if err := r.allow(ctx, &who.Person, nil); err != nil {
		return tokens.Authorization{}, err
	}
	out := authorization(r, &a)
	out.Whom = whom
	if out.RefreshToken, err = newRefreshToken(ctx, g.Grants, r, a); err != nil {
		return tokens.Authorization{}, err
	}
	return out, nil
}

// admit asks whether the person may use the application. There is nobody who could be asked to sign in in another way.
func (g Password) admit(ctx context.Context, r *Request, a *state.Authorization) (*rule.Person, error) {
	if !r.Client.Restricted {
		return nil, nil
	}
	out, err := g.Access.Decide(ctx, r.Domain, r.Client, &a.Person, access.Of(a))
	switch {
	case err != nil:
		return nil, err
	case !out.Allowed():
		return nil, oauth2.InvalidGrant.Errorf("The person may not use this application").WithCause(errAccess)
	}
	return out.Person, nil
}

// from is where the person is, as far as that is known: the server of a confidential client speaks for all of its people, and a
// client that anybody can be is run by them.
func (g Password) from(r *Request) netip.Addr {
	if !r.Client.Public() {
		return netip.Addr{}
	}
	return g.Proxies.ClientIP(r.HTTP)
}

// input is what selection rules see of the request; there is no login under way that could have attributes.
func (g Password) input(ctx context.Context, r *Request) rules.Input {
	return rules.Input{Request: requestOf(ctx, r, g.Proxies), Attributes: map[string]any{}}
}
