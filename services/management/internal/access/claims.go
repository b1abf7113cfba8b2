package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
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
		Summary: "Preview what an application is told of somebody in tokens and at UserInfo.",
		Details: "For every claim it is told where it comes from, and whether its value is a sample. Nothing is issued. Needs user:read as well.",
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
	s.Known |= access.KnowsTime | access.KnowsScopes | access.KnowsProtocol | access.KnowsResource
	s.Scopes, s.Protocol = q.GetScopes(), cmp.Or(s.Protocol, "oauth2")
	if err := x.knownScopes(r.Context(), &f, app.GetDomain(), q.GetScopes()); err != nil {
		return err
	}
	person, m, err := world.somebody(r.Context(), &f, q.GetUser(), q.GetGroups())
	if err != nil {
		return err
	}
	if err := f.Err(); err != nil {
		return err
	}
	d, err := editor.Read(r.Context(), x.editor, catalog.Domains, x.place(r), app.GetDomain())
	if err != nil {
		return err
	}
	t, err := x.teller(r.Context(), world, d, app, person, m, s)
	if err != nil {
		return err
	}
	ctx, cancel := within(r.Context(), x.patience)
	defer cancel()
	out := &managementv1.ClaimsPreview{}
	if slices.Contains(q.GetScopes(), oauth2.ScopeOpenID) {
		if out.Userinfo, err = t.userinfo(ctx); err != nil {
			return err
		}
		if out.IdToken, err = t.idToken(ctx); err != nil {
			return err
		}
	}
	if out.AccessToken, err = t.accessToken(ctx); err != nil {
		return err
	}
	return x.answer(w, out)
}

// knownScopes refuses scopes that the domain does not have.
func (x *routes) knownScopes(ctx context.Context, f *catalog.Faults, domain string, asked []string) error {
	stored, err := all(ctx, x.Service, catalog.Scopes, domain)
	if err != nil {
		return err
	}
	known := map[string]*configv1.Scope{}
	for _, s := range stored {
		known[s.GetKey()] = s
	}
	for i, s := range asked {
		key, parameter, cut := strings.Cut(s, ":")
		if known[s] == nil && (!cut || parameter == "" || !known[key].GetParameterized()) {
			f.Refuse(fmt.Sprintf("scopes[%d]", i), "Scope ["+s+"] can not be found.")
		}
	}
	return nil
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

// tell puts what mappings made over what there is, as tokens do.
func tell(out *managementv1.ClaimsOfToken, made map[string]any, result claims.Result) {
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
		out.Faults = append(out.Faults, faultOf(&managementv1.ClaimFault{
			Mapping: failed.Mapping.ID, Name: failed.Mapping.Name, Revision: failed.Mapping.Revision,
		}, failed.Err))
	}
}

// faultOf completes a fault with what was wrong, and where.
func faultOf(fault *managementv1.ClaimFault, err error) *managementv1.ClaimFault {
	fault.Detail = err.Error()
	var e *rules.Error
	if errors.As(err, &e) {
		fault.Detail, fault.Line, fault.Column = e.Detail, int32(e.Line), int32(e.Column) //nolint:gosec // expressions are short
	}
	return fault
}

func source(claim string, s claims.Source) *managementv1.ClaimSource {
	return &managementv1.ClaimSource{
		Claim: claim, Effect: string(s.Effect), Mapping: s.Mapping.ID, Name: s.Mapping.Name, Revision: s.Mapping.Revision, Scope: s.Mapping.Scope,
	}
}
