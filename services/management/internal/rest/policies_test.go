package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

func TestPolicies(t *testing.T) {
	g := newGuarded(t)
	path := g.d + "/policies"
	made := g.send("POST", path, `{"name":" Office network ","type":"network","configuration":{"ranges":["192.0.2.0/24"]},"message":{"default":"At the office only"}}`).
		status(http.StatusCreated).tree()
	if made["name"] != "Office network" || made["situational"] != true || fmt.Sprint(made["inputs"]) != "[request.ip]" || made["expression"] == nil {
		t.Errorf("made %v", made)
	}
	id := made["id"].(string)
	g.send("POST", path, `{"name":"OFFICE NETWORK","type":"expression","configuration":{"expression":"true"}}`).
		refused(409, "A policy [OFFICE NETWORK] already exists.", "name")
	g.send("PUT", path+"/"+id, `{"name":"Office network","type":"expression","configuration":{"expression":"true"}}`).
		refused(400, "[type: can not be changed from network to expression; create another policy]", "type")
	for _, body := range []string{`{"type":"geo"}`, `{"type":"geo","configuration":{"countries":["FR"]}}`, `{"type":"nosuch"}`} {
		refused := g.send("PATCH", path+"/"+id, body).status(http.StatusBadRequest).tree()
		wrong, _ := refused["errors"].([]any)
		if len(wrong) != 1 || wrong[0].(prototree.Object)["path"] != "type" ||
			!strings.Contains(wrong[0].(prototree.Object)["detail"].(string), "can not be changed from network to ") {
			t.Errorf("PATCH %s: %v", body, refused)
		}
	}
	g.send("PATCH", path+"/"+id, `{"type":"network","configuration":{"ranges":["192.0.2.0/25"]}}`).status(http.StatusOK)
	for _, tt := range []struct{ body, path string }{
		{`{"name":"x","type":"expression","configuration":{"expression":"user.groups.size("}}`, "configuration.expression"},
		{`{"name":"x","type":"expression","configuration":{"expression":"user.name"}}`, "configuration.expression"},
		{`{"name":"x","type":"expression","configuration":{"expression":"'a' in entitlementsOf('nowhere')"}}`, "configuration.expression"},
		{`{"name":"x","type":"time-window","configuration":{"timeZone":"Mars/Base","windows":[{"days":["mon"],"from":"08:00","to":"09:00"}]}}`, "configuration.timeZone"},
		{`{"name":"x","type":"network","configuration":{"ranges":["10.1.2.3/8"]}}`, "configuration.ranges[0]"},
		{`{"name":"x","type":"network","configuration":{"ranges":[]}}`, "configuration.ranges"},
		{`{"name":"x","type":"geo","configuration":{"countries":["XX"]}}`, "configuration.countries[0]"},
	} {
		answer := g.send("POST", path, tt.body).status(http.StatusBadRequest).tree()
		errors, _ := answer["errors"].([]any)
		if len(errors) == 0 || errors[0].(prototree.Object)["path"] != tt.path {
			t.Errorf("%s: %v", tt.body, answer)
		}
	}
	// What is wrong in several places is told at once.
	answer := g.send("POST", path, `{"name":"","type":"network","configuration":{"ranges":["x"],"exceptRanges":["y"]}}`).status(http.StatusBadRequest).tree()
	if got := len(answer["errors"].([]any)); got != 3 {
		t.Errorf("%d errors: %v", got, answer)
	}
	geo := g.send("POST", path, `{"name":"France","type":"geo","configuration":{"countries":["FR"]}}`).status(http.StatusCreated).tree()
	if len(noticesOf(geo)) != 1 {
		t.Errorf("notices %v", geo["notices"])
	}
}

func TestDraftsOfPolicies(t *testing.T) {
	g := newGuarded(t)
	g.group("ops")
	validate := func(body string) prototree.Object {
		t.Helper()
		return g.send("POST", g.d+"/policies/_validate", body).status(http.StatusOK).tree()
	}
	good := validate(`{"type":"expression","configuration":{"expression":"\"ops\" in user.groups && cidr(\"10.0.0.0/8\").containsIP(request.ip)"}}`)
	if good["valid"] != true || good["type"] != "bool" || fmt.Sprint(good["inputs"]) != "[request.ip user.groups]" || good["cost"] == nil || good["warnings"] != nil {
		t.Errorf("good %v", good)
	}
	unknown := validate(`{"type":"expression","configuration":{"expression":"'nobody' in user.groups"}}`)
	if w, _ := unknown["warnings"].([]any); len(w) != 1 || w[0].(prototree.Object)["detail"] != "there is no group [nobody]" {
		t.Errorf("unknown %v", unknown)
	}
	bad := validate(`{"type":"expression","configuration":{"expression":"true &&\n  user.nmae == 'x'"}}`)
	errors, _ := bad["errors"].([]any)
	if bad["valid"] != false || len(errors) != 1 {
		t.Fatalf("bad %v", bad)
	}
	if one := errors[0].(prototree.Object); one["path"] != "configuration.expression" || fmt.Sprint(one["line"]) != "2" || one["column"] == nil || !strings.Contains(one["detail"].(string), "^") {
		t.Errorf("error %v", one)
	}
	if got := g.send("GET", g.d+"/policies", "").tree()["totalCount"]; fmt.Sprint(got) != "0" {
		t.Errorf("%v policies", got)
	}
}

func TestUses(t *testing.T) {
	g := newGuarded(t)
	g.people(2)
	finance, hours := g.group("Finance"), g.policy("Office network")
	outer := g.group("Outer", `"groups":["`+finance+`"]`)
	g.bind(`{"group":"` + finance + `"}`)
	g.bind(`{"policy":"` + hours + `","effect":"deny"}`)
	g.bind(`{"user":"p0","expiresAt":4102444800000}`)
	e := g.send("POST", g.a+"/entitlements", `{"name":"approver"}`).tree()["id"].(string)
	g.send("POST", g.a+"/entitlements/"+e+"/bindings", `{"group":"`+finance+`"}`).status(http.StatusCreated)

	heading := g.send("POST", g.d+"/application-groups", `{"name":"Money"}`).status(http.StatusCreated).tree()["id"].(string)
	g.send("PATCH", g.a, `{"group":"`+heading+`","slug":"payroll","settings":{"oauth":{"redirectUris":["https://x.example/cb"]}}}`).status(http.StatusOK)
	g.send("POST", g.d+"/policies", `{"name":"Approvers","type":"expression","configuration":{"expression":"size(entitlementsOf(\"payroll\")) > 0"}}`).
		status(http.StatusCreated)
	mapping := g.send("POST", g.d+"/claim-mappings", `{"name":"Limit","expression":"{\"limit\": entitlementAttributes[?\"limit\"].orValue(0)}"}`).
		status(http.StatusCreated).tree()["id"].(string)
	g.send("PATCH", g.a, `{"claimMappings":["`+mapping+`"]}`).status(http.StatusOK)
	g.send("POST", g.a+"/forms", `{"template":"LOGIN","content":"<p>x</p>","enabled":false}`).status(http.StatusCreated)
	provider := g.send("GET", g.d+"/providers?assigned=true", "").data()[0]["id"].(string)

	then := func(path string) string {
		t.Helper()
		var out strings.Builder
		for _, u := range g.send("GET", path, "").status(http.StatusOK).data() {
			fmt.Fprintf(&out, "%v %v %v %v; ", u["kind"], u["name"], u["entitlementName"], u["then"])
		}
		return out.String()
	}
	for path, want := range map[string]string{
		"/groups/" + finance + "/uses": "application Payroll <nil> orphaned; application Payroll approver orphaned; group Outer <nil> removed; ",
		"/groups/" + outer + "/uses":   "",
		strings.TrimPrefix(g.a, g.d) + "/uses": "provider Payroll <nil> removed; binding Finance <nil> removed; binding Office network <nil> removed; binding p0 <nil> removed; " +
			"entitlement approver approver removed; binding Finance approver removed; form login <nil> removed; policy Approvers <nil> failing; ",
		strings.TrimPrefix(g.a, g.d) + "/entitlements/" + e + "/uses": "binding Finance approver removed; policy Approvers <nil> changed; claim_mapping Limit <nil> changed; ",
		"/application-groups/" + heading + "/uses":                    "application Payroll <nil> ungrouped; ",
		"/providers/" + provider + "/uses":                            "application Payroll <nil> bookmark; ",
		"/policies/" + hours + "/uses":                                "application Payroll <nil> refused; ",
		"/users/p0/uses":                                              "application Payroll <nil> orphaned; ",
		"/users/p1/uses":                                              "",
		"/bindings?group=" + finance:                                  "application Payroll <nil> orphaned; application Payroll approver orphaned; ",
		"/bindings?policy=" + hours:                                   "application Payroll <nil> refused; ",
		"/bindings?orphaned=true":                                     "",
		"/bindings?expired=true":                                      "",
		"/bindings?user=p0&orphaned=false":                            "application Payroll <nil> orphaned; ",
		"/bindings?size=1&page=3":                                     "application Payroll approver orphaned; ",
		"/bindings?expired=false&q=approver":                          "application Payroll approver orphaned; ",
	} {
		if got := then(g.d + path); got != want {
			t.Errorf("%s: %s\nwant %s", path, got, want)
		}
	}
	g.send("GET", g.d+"/users/nobody/uses", "").refused(404, "User [nobody] can not be found.")
	g.send("GET", g.d+"/policies/nothing/uses", "").refused(404, "Policy [nothing] can not be found.")
	g.send("GET", g.d+"/bindings?orphaned=1", "").refused(400, "[1: must be true or false]", "orphaned")
}
