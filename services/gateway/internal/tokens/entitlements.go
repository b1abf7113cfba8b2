package tokens

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	mapping "github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

// ScopeEntitlements is the scope by which an application is told which of its entitlements somebody holds.
const ScopeEntitlements = mapping.ScopeEntitlements

// known is how old what the directory said may be where claims depend on it.
const known = time.Second

// whom returns the person of an authorization as rules know them. Nil is nobody whom the directory knows.
func (m *Minter) whom(ctx context.Context, d *domain.Domain, a *Authorization) (*access.Person, error) {
	switch {
	case a.Whom != nil, a.Person == nil, m.people == nil:
		return a.Whom, nil
	}
	found, err := m.people.Lately(ctx, d.ID, a.Person.Subject, known, d.MembershipGrace)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return found.Access(), nil
}

// addEntitlements adds the claims of the scope to an ID token, where that holds the claims of scopes.
func (m *Minter) addEntitlements(ctx context.Context, claims map[string]any, d *domain.Domain, a *Authorization) error {
	if !a.Client.Restricted || !a.inIDToken() || !slices.Contains(a.Scopes, ScopeEntitlements) {
		return nil
	}
	p, err := m.whom(ctx, d, a)
	if err != nil {
		return err
	}
	addHeld(claims, a.Client, p, a.Scopes, m.now())
	return nil
}

// addHeld adds the claims of the scope.
func addHeld(claims map[string]any, c *domain.Client, p *access.Person, scopes []string, now time.Time) {
	mapping.AddHeld(claims, access.Names(c.Access.Held(p, now)), scopes)
}

// mapped runs the claim mappings of a client for one kind of token. What fails is reported; a mapping that must not fail stops the
// token.
func (m *Minter) mapped(ctx context.Context, d *domain.Domain, a *Authorization, t mapping.Target, scopes []string) (map[string]any, error) {
	if !a.Client.Mappings.For(t) || a.Person == nil {
		return nil, nil
	}
	p, err := m.whom(ctx, d, a)
	if err != nil {
		return nil, err
	}
	moment := momentOf(a, m.now())
	if m.places != nil {
		m.places.Place(&moment)
	}
	result, err := a.Client.Mappings.Run(ctx, t, scopes, a.Client.Access.Reads(p, &moment))
	for _, f := range result.Failed {
		m.failures.Report(ctx, expression(d, f.Mapping, ""), f.Err, slog.String("client_id", a.Client.ClientID))
	}
	for _, dropped := range result.Dropped {
		m.failures.Report(ctx, expression(d, dropped.Mapping, dropped.Name), errReserved, slog.String("client_id", a.Client.ClientID))
	}
	if err != nil {
		return nil, oauth2.ServerError.Errorf("A claim that is required cannot be made").WithCause(err)
	}
	return result.Claims, nil
}

var errReserved = fault.Invalidf("the claim is reserved, and was left out")

func expression(d *domain.Domain, m *mapping.Mapping, claim string) ruleerrors.Expression {
	return ruleerrors.Expression{
		Domain: d.ID, Kind: ruleerrors.ClaimMapping, ID: m.ID, Revision: m.Revision, Place: ruleerrors.Mapping, Name: claim,
	}
}

// momentOf is what mappings read of the moment: how the person signed in, and what was granted.
func momentOf(a *Authorization, now time.Time) access.Situation {
	from := a.Situation.Fields()
	moment := access.Situation{
		Known: access.KnowsTime | access.KnowsProtocol | access.KnowsScopes | access.KnowsResource, Time: now, Protocol: "oauth2",
		Scopes: a.Scopes, Resource: a.Resources, IP: from.IP, UserAgent: from.Agent,
		ACR: a.ACR, AMR: a.AMR, IdentityProvider: from.Provider, Method: from.Method,
	}
	if moment.ACR == "" {
		moment.ACR = from.ACR
	}
	if from.IP.IsValid() {
		moment.Known |= access.KnowsIP
	}
	if from.Agent != "" {
		moment.Known |= access.KnowsUserAgent
	}
	if a.AuthTime > 0 {
		moment.Known |= access.KnowsAuth
		moment.AuthTime = time.Unix(a.AuthTime, 0)
	}
	return moment
}

// overlay puts claims in the place of custom ones of the same names, in the order of the names.
func overlay(custom []customClaim, mapped map[string]any) ([]customClaim, error) {
	for _, name := range slices.Sorted(maps.Keys(mapped)) {
		value, err := json.Marshal(mapped[name])
		if err != nil {
			return nil, err
		}
		custom = append(slices.DeleteFunc(custom, func(c customClaim) bool { return c.Name == name }), customClaim{Name: name, Value: value})
	}
	return custom, nil
}
