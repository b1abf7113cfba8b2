package access_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

func TestAcceptance41ThePreviewNamesTheMappingBehindEveryClaim(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.user("ann"), h.user("bob")
	finance := h.group("Finance", []string{ann}, nil)
	app := h.app("Payroll")
	a := "/applications/" + app
	entitlement := h.made(a+"/entitlements", `{"name":"approver","attributes":{"limit":5000}}`)
	h.made(a+"/entitlements/"+entitlement+"/bindings", `{"group":"`+finance+`"}`)
	mapping := func(body string) string { return h.made("/claim-mappings", body) }
	first := mapping(`{"name":"first","expression":"{\"acme\": {\"limit\": entitlementAttributes[?\"limit\"].orValue(0)}, \"tier\": \"user\"}","targets":["userinfo","idtoken","accesstoken"]}`)
	mapping(`{"name":"second","default":true,"expression":"{\"acme\": {\"app\": app.name}, \"tier\": entitlements.exists(e, e.name == \"approver\") ? \"gold\" : \"user\", \"roles\": [\"x\"]}"}`)
	mapping(`{"name":"third","default":true,"scope":"email","expression":"{\"mail\": user.email}"}`)
	mapping(`{"name":"computed","default":true,"expression":"{user.username == \"ann\" ? \"sub\" : \"x\": \"root\"}"}`)
	mapping(`{"name":"failing","default":true,"expression":"{\"x\": request.ip}"}`)
	h.must("PATCH", a, `{"claimMappings":["`+first+`"]}`)

	said := func(user string, scopes ...string) (claims string, sources []string) {
		t.Helper()
		list, err := json.Marshal(scopes)
		if err != nil {
			t.Fatal(err)
		}
		got := h.must("POST", a+"/claims/_preview", fmt.Sprintf(`{"user":%q,"scopes":%s}`, user, list))["userinfo"].(tree)
		told := got["claims"].(tree)
		if told["sub"] == nil {
			t.Error("UserInfo always says whom it is about")
		}
		delete(told, "sub")
		text, err := json.Marshal(told)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got["sources"].([]any) {
			s := s.(tree)
			name, _ := s["name"].(string)
			if s["effect"] != "protocol" {
				sources = append(sources, fmt.Sprint(s["claim"], " ", s["effect"], " ", name))
			}
		}
		for _, f := range got["faults"].([]any) {
			f := f.(tree)
			claim, _ := f["claim"].(string)
			sources = append(sources, strings.TrimSpace(fmt.Sprint("fault of ", f["name"], " ", claim)))
		}
		return string(text), sources
	}
	claims, sources := said(ann, "openid", "entitlements")
	if want := `{"acme":{"app":"Payroll","limit":5000},"entitlements":["approver"],"roles":["x"],"tier":"gold"}`; claims != want {
		t.Errorf("ann: %s, want %s", claims, want)
	}
	if diff := cmp.Diff([]string{
		"entitlements scope ", "roles scope ", "acme made first", "acme merged second", "roles overrode second", "tier made first",
		"tier overrode second", "fault of computed sub", "fault of failing",
	}, sources); diff != "" {
		t.Errorf("provenance (-want +got):\n%s", diff)
	}
	if claims, _ = said(bob, "openid"); claims != `{"acme":{"app":"Payroll","limit":0},"roles":["x"],"tier":"user","x":"root"}` {
		t.Errorf("bob, without the scope: %s", claims)
	}
	all := h.must("POST", a+"/claims/_preview", `{"user":"`+ann+`"}`)
	if got := all["accessToken"].(tree)["claims"].(tree); got["tier"] != "user" || got["entitlements"] != nil {
		t.Errorf("access token: %v", got)
	}
	h.refused("POST", "/claim-mappings", `{"name":"no","expression":"{\"sub\": \"root\"}"}`, 400)
	h.refused("POST", a+"/claims/_preview", `{"user":"nobody"}`, 404)
	if got := h.refused("POST", a+"/claims/_preview", `{"user":"`+ann+`","scopes":["openid","nosuch","read:x"]}`, 400); !strings.Contains(fmt.Sprint(got), "scopes[1]") || !strings.Contains(fmt.Sprint(got), "scopes[2]") {
		t.Errorf("scopes that the domain does not have: %v", got)
	}
	if all["userinfo"] != nil || all["idToken"] != nil {
		t.Errorf("without the scope openid: %v", all)
	}
	h.member("owner", operator.RoleApplicationOwner, store.PlaceOfApplication(app))
	h.token = h.signIn("owner")
	h.refused("POST", a+"/claims/_preview", `{"user":"`+ann+`"}`, 403)
}
