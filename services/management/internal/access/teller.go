package access

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
)

// teller says what an application would be told of somebody. What claims come to is computed by what gateways compute it with
// (pkg/claims); the order in which they come is that of gateways, and an end-to-end test compares the two.
type teller struct {
	rule     *access.Rule
	person   *access.Person
	moment   *access.Situation
	mappings *claims.Set
	profile  map[string]any
	in       rules.Input
	oauth    *configv1.OAuthSettings
	form     *profile.Profile
	domain   *configv1.Domain
	base     string // the public URL of the domain
	now      time.Time
}

func (x *routes) teller(ctx context.Context, w *world, d *configv1.Domain, app *configv1.Application, p *access.Person, m *member, s *access.Situation) (*teller, error) {
	stored, err := all(ctx, x.Service, catalog.ClaimMappings, d.GetId())
	if err != nil {
		return nil, err
	}
	roles, err := all(ctx, x.Service, catalog.Roles, d.GetId())
	if err != nil {
		return nil, err
	}
	u := p.User
	own := slices.Clone(u.GetRoles())
	for _, a := range u.GetAssertedRights() {
		if w.crowd.providers[a.GetSource()] {
			own = append(own, a.GetRoles()...)
		}
	}
	u.Standing.Roles = directory.Standing(m.in.groups, own, slices.Collect(maps.Values(w.tree.byID)), roles).GetRoles()
	known := claims.Profile(u)
	o := app.GetSettings().GetOauth()
	base := x.gatewayURL + d.GetPath()
	if urls := catalog.EntrypointURLs(d, base); d.GetVhostMode() && len(urls) > 0 {
		base = urls[0]
	}
	return &teller{
		rule: w.rule(app), person: p, moment: s, mappings: mappingsOf(app, stored), profile: known, oauth: o, domain: d, base: base, now: w.now,
		form: profile.ForClient(profile.Of(d.GetOidc().GetSecurityProfileSettings().GetProfile()).Name, o.GetSecurityProfile()),
		in: claims.Input(claims.Client{ID: app.GetId(), ClientID: o.GetClientId(), Name: app.GetName()}, selection.ClientOf(app),
			rules.NewDomain(rules.DomainFields{ID: d.GetId(), Name: d.GetName(), Path: d.GetPath()}),
			claims.Whom{ID: u.GetId(), Username: u.GetUsername(), Source: u.GetSource(), Profile: known}.Value(), map[string]any{}),
	}, nil
}

// telling is one token while it is told.
type telling struct {
	*teller
	out       *managementv1.ClaimsOfToken
	made      map[string]any
	audiences []string // that a custom claim adds
}

func (t *teller) begin() *telling {
	return &telling{teller: t, out: &managementv1.ClaimsOfToken{}, made: map[string]any{}}
}

// scopes adds the claims that scopes stand for.
func (t *telling) scopes() {
	granted := t.moment.Scopes
	told := claims.OfScopes(t.profile, granted)
	for _, name := range slices.Sorted(maps.Keys(told)) {
		scope, _ := claims.About(name)
		if !slices.Contains(granted, scope) {
			scope = claims.FullProfile
		}
		t.made[name] = told[name]
		t.out.Sources = append(t.out.Sources, &managementv1.ClaimSource{Claim: name, Effect: "scope", Scope: scope})
	}
	if t.rule.Trivial() || !slices.Contains(granted, claims.ScopeEntitlements) {
		return
	}
	claims.AddHeld(t.made, access.Names(t.rule.Held(t.person, t.moment.Time)), granted)
	for _, name := range []string{claims.Entitlements, claims.Roles} {
		t.made[name] = anys(t.made[name])
		t.out.Sources = append(t.out.Sources, &managementv1.ClaimSource{Claim: name, Effect: "scope", Scope: claims.ScopeEntitlements})
	}
}

func anys(v any) any {
	names, ok := v.([]string)
	if !ok {
		return v
	}
	list := make([]any, len(names))
	for i, n := range names {
		list[i] = n
	}
	return list
}

// custom adds custom claims of the application; of several with one name the last counts.
func (t *telling) custom(ctx context.Context, list []*configv1.CustomClaim, audience bool) {
	own := map[string]any{}
	for _, claim := range list {
		name := claim.GetClaimName()
		if oauth2.ReservedClaim(name) || name == "aud" && !audience {
			continue
		}
		value, err := rules.CompileTemplate(rules.Claim, claim.GetClaimValue())
		var made claims.Custom
		if err == nil {
			made, err = claims.Compute(ctx, name, value, &t.in)
		}
		if err != nil {
			t.out.Faults = append(t.out.Faults, faultOf(&managementv1.ClaimFault{Claim: name}, err))
			continue
		}
		if name == "aud" {
			t.audiences = made.Audiences
			continue
		}
		delete(own, name)
		if made.Value == nil {
			continue
		}
		var v any
		if json.Unmarshal(made.Value, &v) == nil {
			own[name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		t.made[name] = own[name]
		t.out.Sources = append(t.out.Sources, &managementv1.ClaimSource{Claim: name, Effect: "custom"})
	}
}

// mapped puts what mappings make over what there is.
func (t *telling) mapped(ctx context.Context, target claims.Target) error {
	result, err := t.mappings.Run(ctx, target, t.moment.Scopes, t.rule.Reads(t.person, t.moment))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && !errors.Is(err, claims.ErrDenied) {
		return err
	}
	t.out.Refused = err != nil
	tell(t.out, t.made, result)
	return nil
}

// says adds what the protocol makes.
func (t *telling) says(claim string, v any, sample bool) {
	t.made[claim] = v
	t.out.Sources = append(t.out.Sources, &managementv1.ClaimSource{Claim: claim, Effect: "protocol", Sample: sample})
}

// done returns what is told: nothing of a token that is not made.
func (t *telling) done() (*managementv1.ClaimsOfToken, error) {
	if t.out.GetRefused() {
		t.out.Sources, t.made = nil, nil
	}
	var err error
	t.out.Claims, err = structpb.NewStruct(t.made)
	return t.out, err
}

func (t *telling) subject() {
	if t.oauth.GetSubjectType() == "pairwise" {
		t.says("sub", "00000000-0000-8000-8000-000000000000", true)
		return
	}
	t.says("sub", t.person.User.GetSubject(), false)
}

// audience is whom a token is for, and whom a custom claim adds.
func (t *telling) audience(usual string) {
	var list []any
	for _, one := range append([]string{usual}, t.audiences...) {
		if one != "" && !slices.Contains(list, any(one)) {
			list = append(list, one)
		}
	}
	if len(list) == 1 {
		t.says("aud", list[0], false)
		return
	}
	t.says("aud", list, false)
}

// life says from when to when a token lives.
func (t *telling) life(seconds, usual int32) {
	if seconds <= 0 {
		seconds = usual
	}
	t.says("iat", t.now.Unix(), true)
	t.says("exp", t.now.Unix()+int64(seconds), true)
}

// signIn says how the person signed in.
func (t *telling) signIn() {
	at, known := t.now, t.moment.Known
	if known&access.KnowsAuthTime != 0 {
		at = t.moment.AuthTime
	}
	t.says("auth_time", at.Unix(), known&access.KnowsAuthTime == 0)
	t.says("acr", cmp.Or(t.moment.ACR, "urn:gatehouse:acr:password"), t.moment.ACR == "")
	amr := t.moment.AMR
	if len(amr) == 0 {
		amr = []string{"pwd"}
	}
	t.says("amr", anys(amr), len(t.moment.AMR) == 0)
}

const (
	usualAccessSeconds = 7200
	usualIDSeconds     = 14400
	sampleHash         = "AAAAAAAAAAAAAAAAAAAAAA"
)

func (t *teller) userinfo(ctx context.Context) (*managementv1.ClaimsOfToken, error) {
	told := t.begin()
	told.scopes()
	told.custom(ctx, t.oauth.GetUserinfoCustomClaims(), false)
	if err := told.mapped(ctx, claims.UserInfo); err != nil {
		return nil, err
	}
	told.subject()
	if t.oauth.GetUserinfoSignedResponseAlg() != "" || t.oauth.GetUserinfoEncryptedResponseAlg() != "" {
		told.says("iss", t.base+"/oidc", false)
		told.audience(t.oauth.GetClientId())
		told.life(t.oauth.GetAccessTokenValiditySeconds(), usualAccessSeconds)
	}
	return told.done()
}

func (t *teller) idToken(ctx context.Context) (*managementv1.ClaimsOfToken, error) {
	told := t.begin()
	if t.form.ScopeClaimsInIDToken {
		told.scopes()
	}
	told.custom(ctx, t.customOf(configv1.CustomClaim_ID_TOKEN), true)
	if err := told.mapped(ctx, claims.IDToken); err != nil {
		return nil, err
	}
	told.says("iss", t.base+"/oidc", false)
	told.subject()
	told.audience(t.oauth.GetClientId())
	told.life(t.oauth.GetIdTokenValiditySeconds(), usualIDSeconds)
	told.signIn()
	for _, claim := range []string{"nonce", "sid", "at_hash"} {
		told.says(claim, sampleHash, true)
	}
	return told.done()
}

func (t *teller) accessToken(ctx context.Context) (*managementv1.ClaimsOfToken, error) {
	told := t.begin()
	told.custom(ctx, t.customOf(configv1.CustomClaim_ACCESS_TOKEN), true)
	if err := told.mapped(ctx, claims.AccessToken); err != nil {
		return nil, err
	}
	oidc, u := t.domain.GetOidc(), t.person.User
	modern := cmp.Or(t.oauth.GetAccessTokenProfile(), oidc.GetAccessTokenProfile()) == "at+jwt" || t.form.JWTAccessTokens
	told.says("iss", t.base+"/oidc", false)
	told.subject()
	if modern {
		told.audience(cmp.Or(oidc.GetDefaultAudience(), t.oauth.GetClientId()))
		told.signIn()
	} else {
		told.audience(t.oauth.GetClientId())
		told.says("domain", t.domain.GetId(), false)
		if t.oauth.GetSubjectType() != "pairwise" {
			told.says("gis", u.GetSource()+":"+u.GetExternalId(), false)
		}
	}
	told.life(t.oauth.GetAccessTokenValiditySeconds(), usualAccessSeconds)
	told.says("jti", sampleHash, true)
	if len(t.moment.Scopes) > 0 {
		told.says("scope", strings.Join(t.moment.Scopes, " "), false)
	}
	told.says("client_id", t.oauth.GetClientId(), false)
	return told.done()
}

func (t *teller) customOf(kind configv1.CustomClaim_TokenType) []*configv1.CustomClaim {
	return slices.DeleteFunc(slices.Clone(t.oauth.GetTokenCustomClaims()), func(c *configv1.CustomClaim) bool { return c.GetTokenType() != kind })
}
