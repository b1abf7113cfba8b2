package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/scopes"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// TokenExchange makes one token of another (RFC 8693): for another service, for less, or for somebody who acts for the person.
// What it makes belongs to the grant of the subject's token and ends with it, at its time at the latest.
type TokenExchange struct {
	reader
	grants Refresher
	access Judge
}

// Type implements Grant.
func (TokenExchange) Type() oauth2.GrantType { return oauth2.GrantTokenExchange }

// Authorize implements Grant. What is wrong with a token is invalid_request (§2.2.2).
func (g TokenExchange) Authorize(ctx context.Context, r *Request) (tokens.Authorization, error) {
	x := r.Domain.Exchange
	issue, err := requestedType(x, r)
	if err != nil {
		return tokens.Authorization{}, err
	}
	subject, err := g.party(ctx, r, "subject", x.Subject)
	if err != nil {
		return tokens.Authorization{}, err
	}
	out := tokens.Authorization{
		Client: r.Client, Person: subject.person, Grant: subject.line, AuthTime: subject.authTime, ACR: subject.acr, AMR: subject.amr,
		SessionID: subject.session, Confirmation: r.Confirmation, NotAfter: subject.expires, Actor: subject.act, Issue: issue,
		Situation: subject.situation,
	}
	if subject.person == nil {
		out.Subject = subject.name
	}
	if err := g.delegate(ctx, r, x, subject, &out); err != nil {
		return tokens.Authorization{}, err
	}
	if out.Resources, err = exchangedResources(r, subject); err != nil {
		return tokens.Authorization{}, err
	}
	if out.Scopes, err = exchangedScopes(r, subject); err != nil {
		return tokens.Authorization{}, err
	}
	if out.Whom, err = g.admit(ctx, r, subject, &out); err != nil {
		return tokens.Authorization{}, err
	}
	if err := r.allow(ctx, out.Person, nil); err != nil {
		return tokens.Authorization{}, err
	}
	return out, g.shape(ctx, r, subject, &out)
}

// requestedType is the kind of token that is asked for; an access token where nothing is (§2.1).
func requestedType(x *domain.Exchange, r *Request) (oauth2.TokenType, error) {
	t := oauth2.TokenType(r.Params.Get("requested_token_type"))
	if t == "" {
		t = oauth2.TypeAccessToken
	}
	if !slices.Contains(x.Requested, t) {
		return "", oauth2.InvalidRequest.Errorf("Unsupported requested_token_type: %s", t)
	}
	return t, nil
}

// party reads the token of the subject or of the actor, whose type must be among those that are allowed.
func (g TokenExchange) party(ctx context.Context, r *Request, role string, allowed []oauth2.TokenType) (*party, error) {
	token, kind := r.Params.Get(role+"_token"), oauth2.TokenType(r.Params.Get(role+"_token_type"))
	switch {
	case token == "":
		return nil, oauth2.InvalidRequest.Errorf("Missing parameter: %s_token", role)
	case kind == "":
		return nil, oauth2.InvalidRequest.Errorf("Missing parameter: %s_token_type", role)
	case !slices.Contains(allowed, kind):
		return nil, oauth2.InvalidRequest.Errorf("Unsupported %s_token_type: %s", role, kind)
	}
	p, err := g.read(ctx, r, token, kind)
	if err != nil && !ours(err) {
		return nil, oauth2.InvalidRequest.Errorf("The %s_token is invalid", role).WithCause(err)
	}
	return p, err
}

// delegate works out who acts (§4.1). With an actor's token the claim act says so, around what the subject's token said of
// earlier ones; without one the client may pass for the subject where that is allowed. Where the subject's token names who may
// act for it (§4.4), nobody else may.
func (g TokenExchange) delegate(ctx context.Context, r *Request, x *domain.Exchange, subject *party, out *tokens.Authorization) error {
	if !r.Params.Has("actor_token") {
		switch {
		case r.Params.Has("actor_token_type"):
			return oauth2.InvalidRequest.Errorf("Missing parameter: actor_token")
		case !x.Impersonation:
			return oauth2.InvalidRequest.Errorf("Missing parameter: actor_token. A client cannot act as the subject here")
		case subject.mayAct != nil && !mayAct(subject.mayAct, map[string]string{"sub": r.Client.ClientID, "client_id": r.Client.ClientID, "iss": r.Domain.Issuer}):
			return oauth2.InvalidRequest.Errorf("The subject_token does not let this client act")
		}
		return nil
	}
	if !x.Delegation {
		return oauth2.InvalidRequest.Errorf("Delegation is not allowed here: actor_token must not be sent")
	}
	actor, err := g.party(ctx, r, "actor", x.Actor)
	if err != nil {
		return err
	}
	switch {
	case actor.act != nil:
		return oauth2.InvalidRequest.Errorf("The actor_token is itself used by somebody else")
	case subject.mayAct != nil && !mayAct(subject.mayAct, actor.identity()):
		return oauth2.InvalidRequest.Errorf("The subject_token does not let this actor act")
	}
	chain, depth := actor.claim(r.Domain), 1
	if subject.act != nil {
		chain["act"] = subject.act
		depth += chainLength(subject.act)
	}
	if depth > x.MaxDepth {
		return oauth2.InvalidRequest.Errorf("The chain of actors would have more than %d members", x.MaxDepth)
	}
	encoded, err := json.Marshal(chain)
	if err != nil {
		return fmt.Errorf("encode actor: %w", err)
	}
	out.Actor = encoded
	if actor.expires.Before(out.NotAfter) {
		out.NotAfter = actor.expires
	}
	return nil
}

// mayAct reports whether every member of a claim may_act is the party's own.
func mayAct(claim map[string]json.RawMessage, party map[string]string) bool {
	named := false
	for name, raw := range claim {
		var value string
		if json.Unmarshal(raw, &value) != nil || value == "" || party[name] != value {
			return false
		}
		named = named || name == "sub" || name == "client_id"
	}
	return named
}

// chainLength counts the actors of a claim act.
func chainLength(act json.RawMessage) int {
	n := 0
	for len(act) > 0 {
		var one struct {
			Act json.RawMessage `json:"act"`
		}
		if n++; json.Unmarshal(act, &one) != nil {
			break
		}
		act = one.Act
	}
	return n
}

// exchangedResources are what the new token is for: what is asked for by `resource`, or by `audience` where that is the name of
// a resource, within what the subject's token is for if that is limited.
func exchangedResources(r *Request, subject *party) ([]string, error) {
	asked := r.Params.All("resource")
	for _, name := range r.Params.All("audience") {
		switch {
		case name == r.Client.ClientID || name == r.Domain.Issuer: // what a token is for without being asked
		case r.Domain.Resources[name] == nil:
			return nil, oauth2.InvalidTarget.Errorf("The audience [ %s ] is not one that this client can ask for", name)
		default:
			asked = append(asked, name)
		}
	}
	if len(asked) == 0 && len(subject.resources) > 0 {
		asked = subject.resources
	}
	granted, err := resources.Grant(r.Domain, r.Client, asked)
	if err != nil || len(subject.resources) == 0 || r.Client.WidensExchange {
		return granted, err
	}
	for _, uri := range granted {
		if !slices.Contains(subject.resources, uri) {
			return nil, oauth2.InvalidTarget.Errorf("The subject_token is not for the resource [ %s ]", uri)
		}
	}
	return granted, nil
}

// exchangedScopes are those of the new token: what is asked for, or all there is, of what both the client may have and the
// subject's token has; of what the client may have alone where the application widens exchanges.
func exchangedScopes(r *Request, subject *party) ([]string, error) {
	asked := oauth2.SplitScope(r.Params.Get("scope"))
	var granted []string
	if len(asked) > 0 || r.Client.WidensExchange {
		var err error
		if granted, err = scopes.Grant(r.Domain, r.Client, asked); err != nil {
			return nil, err
		}
	} else {
		for _, s := range subject.scopes { // those of the subject's client that this one has not are left out
			if own, err := scopes.Grant(r.Domain, r.Client, []string{s}); err == nil {
				granted = append(granted, own...)
			}
		}
	}
	if !r.Client.WidensExchange {
		foreign := slices.DeleteFunc(slices.Clone(granted), func(s string) bool { return slices.Contains(subject.scopes, s) })
		if len(foreign) > 0 {
			return nil, oauth2.InvalidScope.Errorf("Invalid scope(s): %s", oauth2.JoinScope(foreign))
		}
	}
	return slices.DeleteFunc(granted, func(s string) bool { return s == oauth2.ScopeOpenID && subject.person == nil }), nil
}

// shape leaves of the answer what was asked for.
func (g TokenExchange) shape(ctx context.Context, r *Request, subject *party, out *tokens.Authorization) error {
	switch out.Issue {
	case oauth2.TypeIDToken:
		out.Without = tokens.WithoutAccessToken
		if out.Person == nil || !slices.Contains(out.Scopes, oauth2.ScopeOpenID) {
			return oauth2.InvalidScope.Errorf("An ID token is about a person, and needs the scope openid")
		}
	case oauth2.TypeRefreshToken:
		out.Without = tokens.WithoutAccessToken | tokens.WithoutIDToken
		return g.refreshToken(ctx, r, subject, out)
	default:
		out.Without = tokens.WithoutIDToken
	}
	return nil
}

// refreshToken keeps a grant of its own that ends with the subject's token.
func (g TokenExchange) refreshToken(ctx context.Context, r *Request, subject *party, out *tokens.Authorization) error {
	switch {
	case !r.Client.HasGrant(oauth2.GrantRefreshToken):
		return oauth2.InvalidRequest.Errorf("The client is not registered for the grant type: %s", oauth2.GrantRefreshToken)
	case subject.passing:
		return oauth2.InvalidRequest.Errorf("An ID token cannot be exchanged for a refresh token")
	case out.Person == nil || out.Person.UserID == "":
		return oauth2.InvalidRequest.Errorf("A refresh token is for a person with an account")
	}
	now := g.now()
	a := state.Authorization{
		Domain: r.Domain.ID, ApplicationID: r.Client.ID, ClientID: r.Client.ClientID, Scopes: out.Scopes, Person: *out.Person,
		AuthTime: out.AuthTime, ACR: out.ACR, AMR: out.AMR, SessionID: out.SessionID, Resources: out.Resources, Actor: out.Actor,
		Grant: secret.NewToken()[:22], Root: subject.line, Ends: out.NotAfter.UnixMilli(), Situation: out.Situation,
	}
	if !out.NotAfter.After(now.Add(time.Second)) {
		return oauth2.InvalidRequest.Errorf("The subject_token is invalid")
	}
	var err error
	out.RefreshToken, err = newRefreshToken(ctx, g.grants, r, a)
	return err
}
