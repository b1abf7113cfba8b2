package access_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func payload(t *testing.T, token any) map[string]any {
	t.Helper()
	text, _ := token.(string)
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %v", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func (r *rig) userinfo(tokens map[string]any) map[string]any {
	r.t.Helper()
	a := r.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+tokens["access_token"].(string)))
	if a.Status != http.StatusOK {
		r.t.Fatalf("UserInfo: status %d: %s", a.Status, a.Body)
	}
	return a.JSON(r.t)
}

// entitled gives `pay` two rights, one for the members of finance and one for bob.
func entitled(c *gatewaytest.Config, a *configv1.Application) {
	c.Scopes("entitlements")
	for _, s := range []string{"entitlements", "roles", "full_profile"} {
		a.Settings.Oauth.ScopeSettings = append(a.Settings.Oauth.ScopeSettings, &configv1.ScopeSetting{Scope: s})
	}
	limit, _ := structpb.NewStruct(map[string]any{"limit": 5000})
	a.Entitlements = []*configv1.Entitlement{
		{Id: "e1", Name: "reader", Bindings: []*configv1.Binding{{Id: "eb1", Group: "finance"}, {Id: "eb2", User: "user-ann"}}},
		{Id: "e2", Name: "approver", Attributes: limit, Bindings: []*configv1.Binding{{Id: "eb3", Group: "finance"}, {Id: "eb4", User: "user-bob"}}},
		{Id: "e3", Name: "nobody"},
	}
}

func TestAcceptance40EntitlementsAndRolesListTheHeldNamesWithTheScopeAndNothingWithoutIt(t *testing.T) {
	r := newRig(t, entitled)
	role(r, "ann", "clerk")
	b := r.Browser("/acme")
	claims := func(scope string) string {
		tokens := r.tokens(b, "ann", "pay", "scope", scope)
		info := r.userinfo(tokens)
		said := func(claims map[string]any) string { return fmt.Sprint(claims["entitlements"], claims["roles"]) }
		want(t, "the access token with the scope "+scope, said(payload(t, tokens["access_token"])), "<nil> <nil>")
		want(t, "the ID token, which has claims of scopes, with "+scope, said(payload(t, tokens["id_token"])), said(info))
		return said(info)
	}
	want(t, "with the scope", claims("openid entitlements"), "[approver reader] [approver reader]")
	want(t, "with roles too", claims("openid entitlements roles"), "[approver reader] [approver clerk reader]")
	want(t, "roles alone", claims("openid roles"), "<nil> [clerk]")
	want(t, "without", claims("openid profile"), "<nil> <nil>")
	want(t, "the scope that stands for all that is known of a person", claims("openid full_profile"), "<nil> [clerk]")

	t.Run("discovery says so", func(t *testing.T) {
		document := r.Get("/acme/oidc/.well-known/openid-configuration").JSON(t)
		for _, member := range []string{"scopes_supported", "claims_supported"} {
			if !strings.Contains(fmt.Sprint(document[member]), "entitlements") {
				t.Errorf("%s: %v", member, document[member])
			}
		}
		without := newRig(t).Get("/acme/oidc/.well-known/openid-configuration").JSON(t)
		if strings.Contains(fmt.Sprint(without), "entitlements") {
			t.Errorf("a domain without the scope: %v", without)
		}
	})
	t.Run("a refresh has the new ones", func(t *testing.T) {
		tokens := r.tokens(b, "ann", "pay", "scope", "openid entitlements")
		r.put(2, func(a *configv1.Application) {
			entitled(r.config, a)
			a.Entitlements[1].Bindings = nil
		})
		next := r.refresh("pay", tokens).JSON(t)
		want(t, "entitlements", fmt.Sprint(r.userinfo(next)["entitlements"]), "[reader]")
	})
	t.Run("no ID token of an application whose claims are those of UserInfo", func(t *testing.T) {
		r := newRig(t, entitled, func(_ *gatewaytest.Config, a *configv1.Application) {
			a.Settings.Oauth.SecurityProfile = profile.OAuth21
		})
		code := r.Code(r.domain, "pay", "ann", func(a *state.Authorization) { a.Scopes = []string{"openid", "entitlements"} })
		answer := r.redeem("pay", code).JSON(t)
		if got := payload(t, answer["id_token"]); got["entitlements"] != nil || got["roles"] != nil {
			t.Errorf("the ID token says %v", got)
		}
	})
	t.Run("an ID token that comes alone", func(t *testing.T) {
		r := newRig(t, entitled, func(_ *gatewaytest.Config, a *configv1.Application) {
			a.Settings.Oauth.ResponseTypes = []string{"code", "id_token"}
			a.Settings.Oauth.GrantTypes = append(a.Settings.Oauth.GrantTypes, "implicit")
		})
		page := r.enter(r.Browser("/acme"), "ann", authorize("pay", "scope", "openid entitlements", "response_type", "id_token", "nonce", "n"))
		got := payload(t, page.Query().Get("id_token"))
		want(t, "claims", fmt.Sprint(got["entitlements"], got["roles"]), "[approver reader] [approver reader]")
	})
	t.Run("an entitlement lets its holder in where the application says so", func(t *testing.T) {
		r := newRig(t, entitled, func(_ *gatewaytest.Config, a *configv1.Application) { a.Access.EntitlementsGrant = true })
		tokens := r.tokens(r.Browser("/acme"), "bob", "pay", "scope", "openid entitlements")
		want(t, "entitlements", fmt.Sprint(r.userinfo(tokens)["entitlements"]), "[approver]")
		without := newRig(t, entitled)
		if page := without.enter(without.Browser("/acme"), "bob", authorize("pay")); page.StatusCode != http.StatusForbidden {
			t.Errorf("and not where it does not: status %d", page.StatusCode)
		}
	})
	t.Run("what people are called nobody takes for a right", func(t *testing.T) {
		info, _ := structpb.NewStruct(map[string]any{"entitlements": []any{"admin"}})
		user := person(r, "ann")
		user.AdditionalInformation = info
		r.Directory.Put(r.domain, user)
		r.Clock.Forward(time.Second)
		want(t, "full_profile", fmt.Sprint(r.userinfo(r.tokens(b, "ann", "pay", "scope", "openid full_profile"))["entitlements"]), "<nil>")
	})
}

func person(r *rig, name string) *directoryv1.User {
	r.t.Helper()
	user, err := r.Directory.User(r.t.Context(), r.domain, gatewaytest.Subject("staff", name))
	if err != nil {
		r.t.Fatal(err)
	}
	return user
}

// role gives somebody a role as well.
func role(r *rig, name, role string) {
	user := person(r, name)
	user.Standing.Roles = append(user.Standing.Roles, &directoryv1.Standing_Role{Id: role, Name: role})
	r.Directory.Put(r.domain, user)
}

func TestAcceptance41AMappingMakesClaimsAndNoReservedOnes(t *testing.T) {
	mapping := func(id string, change func(*configv1.ClaimMapping)) *configv1.ClaimMapping {
		m := &configv1.ClaimMapping{Id: id, Name: id}
		change(m)
		return m
	}
	all := []configv1.ClaimMapping_Target{configv1.ClaimMapping_USERINFO, configv1.ClaimMapping_IDTOKEN, configv1.ClaimMapping_ACCESSTOKEN}
	r := newRig(t, entitled, func(c *gatewaytest.Config, a *configv1.Application) {
		list := []*configv1.ClaimMapping{
			mapping("limit", func(m *configv1.ClaimMapping) {
				m.Expression = `{"acme": {"limit": entitlementAttributes[?"limit"].orValue(0), "groups": user.groups}, "sub": "root", "tier": "user"}`
				m.Targets = all
			}),
			mapping("tier", func(m *configv1.ClaimMapping) {
				m.Expression = `{"acme": {"app": app.name}, "tier": entitlements.exists(e, e.name == "approver") ? "gold" : "user", "how": auth.method}`
				m.Order, m.Default, m.Targets = new(int32), true, all
				*m.Order = 5
			}),
			mapping("mail", func(m *configv1.ClaimMapping) { m.Scope, m.Expression = "email", `{"mailbox": user.email}` }),
			mapping("broken", func(m *configv1.ClaimMapping) { m.Expression = `{"x": user.attributes["absent"]}` }),
			mapping("off", func(m *configv1.ClaimMapping) {
				m.Expression, m.Default, m.Enabled = `{"off": true}`, true, new(bool)
			}),
			mapping("other", func(m *configv1.ClaimMapping) { m.Expression = `{"other": true}` }),
		}
		for _, m := range list {
			m.Domain = c.Domain.GetId()
			c.Add(m)
		}
		a.ClaimMappings = []string{"limit", "mail", "broken", "gone"}
	})
	b := r.Browser("/acme")
	tokens := r.tokens(b, "ann", "pay")
	info, id, access := r.userinfo(tokens), payload(t, tokens["id_token"]), payload(t, tokens["access_token"])
	for name, got := range map[string]map[string]any{"UserInfo": info, "ID token": id, "access token": access} {
		raw, err := json.Marshal(map[string]any{"acme": got["acme"], "tier": got["tier"]})
		if err != nil {
			t.Fatal(err)
		}
		want(t, name, string(raw), `{"acme":{"app":"Payroll","groups":["finance"],"limit":5000},"tier":"gold"}`)
		want(t, name+" sub", fmt.Sprint(got["sub"]), fmt.Sprint(info["sub"]))
		if got["sub"] == "root" || got["x"] != nil || got["off"] != nil || got["other"] != nil || got["mailbox"] != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	want(t, "how somebody signed in", fmt.Sprint(id["how"]), "password")
	info = r.userinfo(r.tokens(b, "ann", "pay", "scope", "openid email"))
	want(t, "with the scope of a mapping", fmt.Sprint(info["mailbox"]), "ann@acme.example")
	failed := r.log.String()
	for _, id := range []string{`"id":"broken"`, `"name":"sub"`} {
		if !strings.Contains(failed, `"place":"claim_mapping"`) || !strings.Contains(failed, id) {
			t.Errorf("the log lacks %s", id)
		}
	}
	t.Run("one that must not fail stops the token", func(t *testing.T) {
		must := mapping("broken", func(m *configv1.ClaimMapping) {
			m.Expression, m.OnError, m.Targets = `{"x": user.attributes["absent"]}`, configv1.ClaimMapping_DENY, all
			m.Domain = r.domain
		})
		r.Apply(gatewaytest.Upserts(2, must))
		code := r.enter(b, "ann", authorize("pay")).Query().Get("code")
		answer := r.redeem("pay", code)
		want(t, "answer", answer.Error(t), "Internal Server Error | server_error | A claim that is required cannot be made")
		if page := r.enter(b, "ann", authorize("open")); page.Query().Get("code") == "" {
			t.Error("other applications are touched")
		}
	})
	t.Run("nor one that no gateway can read", func(t *testing.T) {
		wrong := mapping("broken", func(m *configv1.ClaimMapping) {
			m.Expression, m.OnError, m.Targets, m.Domain = `{`, configv1.ClaimMapping_DENY, all, r.domain
		})
		if rejected := r.Domains.Apply(t.Context(), gatewaytest.Upserts(3, wrong)); len(rejected) != 1 {
			t.Errorf("rejections %v", rejected)
		}
		code := r.enter(b, "ann", authorize("pay")).Query().Get("code")
		if answer := r.redeem("pay", code); answer.Status != http.StatusInternalServerError {
			t.Errorf("status %d: %s", answer.Status, answer.Body)
		}
	})
}
