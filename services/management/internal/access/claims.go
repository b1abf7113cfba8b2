package access

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountClaims adds the preview of claims.
func (x *routes) mountClaims() {
	x.mux.Handle("POST /domains/{domain}/applications/{application}/claims/_preview", "access:check", x.claims, operation.Operation{
		Summary: "Preview what entitlements and claim mappings tell an application of somebody.",
		Details: "For every claim it is told where it comes from. Nothing is issued. Needs user:read as well.",
		Body:    &managementv1.ClaimsQuestion{}, Answer: &managementv1.ClaimsPreview{},
	})
}

func (x *routes) claims(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.Allowed(r, readsPeople); err != nil {
		return err
	}
	var q managementv1.ClaimsQuestion
	body, err := x.read(r, &q)
	if err != nil {
		return err
	}
	app, err := x.application(r)
	if err != nil {
		return err
	}
	world, err := x.look(r.Context(), app.GetDomain())
	if err != nil {
		return err
	}
	var f catalog.Faults
	s := world.situation(&f, "context", q.GetContext(), body["context"])
	s.Known |= access.KnowsTime | access.KnowsScopes
	s.Scopes = q.GetScopes()
	person, _, err := world.somebody(r.Context(), &f, q.GetUser(), q.GetGroups())
	if err != nil {
		return err
	}
	if err := f.Err(); err != nil {
		return err
	}
	stored, err := all(r.Context(), x.Service, catalog.ClaimMappings, app.GetDomain())
	if err != nil {
		return err
	}
	d, err := editor.Read(r.Context(), x.editor, catalog.Domains, x.place(r), app.GetDomain())
	if err != nil {
		return err
	}
	rule, set := world.rule(app), mappingsOf(app, stored)
	inID := profile.ForClient(profile.Of(d.GetOidc().GetSecurityProfileSettings().GetProfile()).Name, app.GetSettings().GetOauth().GetSecurityProfile()).ScopeClaimsInIDToken
	ctx, cancel := within(r.Context(), x.patience)
	defer cancel()
	preview := func(t claims.Target, told bool) (*managementv1.ClaimsOfToken, error) {
		result, err := set.Run(ctx, t, q.GetScopes(), rule.Reads(person, s))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, claims.ErrDenied) {
			return nil, err
		}
		out := &managementv1.ClaimsOfToken{Refused: err != nil}
		made := map[string]any{}
		if told && slices.Contains(q.GetScopes(), "entitlements") && rule.HasEntitlements() && err == nil {
			entitled(made, out, rule, person, s, q.GetScopes())
		}
		return out, tell(out, made, result)
	}
	out := &managementv1.ClaimsPreview{}
	if out.Userinfo, err = preview(claims.UserInfo, true); err != nil {
		return err
	}
	if out.IdToken, err = preview(claims.IDToken, inID); err != nil {
		return err
	}
	if out.AccessToken, err = preview(claims.AccessToken, false); err != nil {
		return err
	}
	name(out.GetUserinfo(), "sub")
	name(out.GetIdToken(), "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash")
	name(out.GetAccessToken(), "iss", "sub", "aud", "exp", "iat", "jti", "scope", "client_id")
	return x.answer(w, out)
}

// mappingsOf are the mappings that an application lists and those that apply to all, as gateways run them.
func mappingsOf(app *configv1.Application, stored []*configv1.ClaimMapping) *claims.Set {
	var list []*claims.Mapping
	for _, m := range stored {
		if claims.Enabled(m) && (m.GetDefault() || slices.Contains(app.GetClaimMappings(), m.GetId())) {
			compiled, _ := claims.Compile(m) // one that is wrong fails, and says why
			list = append(list, compiled)
		}
	}
	return claims.NewSet(list)
}

// entitled adds the claims of the scope entitlements. The roles of the person are those of another scope.
func entitled(made map[string]any, out *managementv1.ClaimsOfToken, rule *access.Rule, p *access.Person, s *access.Situation, scopes []string) {
	held := access.Names(rule.Held(p, s.Time))
	roles := slices.Clone(held)
	if slices.Contains(scopes, "roles") {
		for _, role := range p.User.GetStanding().GetRoles() {
			roles = append(roles, role.GetName())
		}
		slices.Sort(roles)
		roles = slices.Compact(roles)
	}
	for claim, names := range map[string][]string{"entitlements": held, "roles": roles} {
		list := make([]any, len(names))
		for i, n := range names {
			list[i] = n
		}
		made[claim] = list
	}
	for _, claim := range []string{"entitlements", "roles"} {
		out.Sources = append(out.Sources, &managementv1.ClaimSource{Claim: claim, Effect: "scope", Scope: "entitlements"})
	}
}

// tell puts what mappings made over what there is, as tokens do.
func tell(out *managementv1.ClaimsOfToken, made map[string]any, result claims.Result) (err error) {
	for _, claim := range slices.Sorted(maps.Keys(result.Claims)) {
		if _, there := made[claim]; there {
			out.Sources = append(out.Sources, source(claim, claims.Source{Mapping: result.Sources[claim][0].Mapping, Effect: claims.Overrode}))
			result.Sources[claim] = result.Sources[claim][1:]
		}
		made[claim] = result.Claims[claim]
		for _, s := range result.Sources[claim] {
			out.Sources = append(out.Sources, source(claim, s))
		}
	}
	for _, d := range result.Dropped {
		out.Faults = append(out.Faults, &managementv1.ClaimFault{
			Mapping: d.Mapping.ID, Name: d.Mapping.Name, Revision: d.Mapping.Revision, Claim: d.Name, Detail: "the claim is reserved, and was left out",
		})
	}
	for _, failed := range result.Failed {
		fault := &managementv1.ClaimFault{
			Mapping: failed.Mapping.ID, Name: failed.Mapping.Name, Revision: failed.Mapping.Revision, Detail: failed.Err.Error(),
		}
		var e *rules.Error
		if errors.As(failed.Err, &e) {
			fault.Detail, fault.Line, fault.Column = e.Detail, int32(e.Line), int32(e.Column) //nolint:gosec // expressions are short
		}
		out.Faults = append(out.Faults, fault)
	}
	out.Claims, err = structpb.NewStruct(made)
	return err
}

func source(claim string, s claims.Source) *managementv1.ClaimSource {
	return &managementv1.ClaimSource{
		Claim: claim, Effect: string(s.Effect), Mapping: s.Mapping.ID, Name: s.Mapping.Name, Revision: s.Mapping.Revision, Scope: s.Mapping.Scope,
	}
}

// name lists the claims that the protocol makes.
func name(out *managementv1.ClaimsOfToken, protocol ...string) {
	for _, claim := range protocol {
		out.Sources = append(out.Sources, &managementv1.ClaimSource{Claim: claim, Effect: "protocol"})
	}
}
