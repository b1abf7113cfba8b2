package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

func TestSwitchesOfTheRuleNeedTheRightToBind(t *testing.T) {
	g := newGuarded(t)
	g.people(3)
	g.bind(`{"user":"p0"}`)
	g.bind(`{"user":"p1"}`)
	g.send("PUT", g.a+"/access?confirm=closes", `{"mode":"all","bindings":[{"user":"p0"},{"user":"p1"}]}`).status(http.StatusOK)
	body := g.send("GET", g.a, "").tree()
	g.operator("editor", "a password nobody else has", "application:read", "application:update")
	g.operator("binder", "a password nobody else has", "application:read", "application:update", "binding:update")
	g.token = g.signIn("editor", "a password nobody else has")
	g.send("PATCH", g.a, `{"access":{"mode":"any"}}`).refused(403, "Permission denied: access needs binding:update", "access")
	g.send("PATCH", g.a, `{"access":null}`).refused(403, "Permission denied: access needs binding:update", "access")
	g.send("PATCH", g.a, `{"access":{"entitlementsGrant":true}}`).refused(403, "Permission denied: access needs binding:update", "access")
	g.send("PATCH", g.a, `{"access":{"mode":"all"},"description":"another"}`).status(http.StatusOK) // nothing of it changes
	g.send("POST", fmt.Sprintf("%s/history/%v/_restore", g.a, body["revision"]), `{"access":{"mode":"any"}}`).
		refused(403, "Permission denied: access needs binding:update", "access")
	g.token = g.signIn("binder", "a password nobody else has")
	g.send("PATCH", g.a, `{"access":{"mode":"any"}}`).status(http.StatusOK)
}

func TestBindingsTellNothingOfPeopleToThoseWhoMayNotReadThem(t *testing.T) {
	g := newGuarded(t)
	g.people(3)
	secret := g.group("Layoffs 2027")
	g.join(secret, "p1")
	e := g.a + "/entitlements/" + g.send("POST", g.a+"/entitlements", `{"name":"approver"}`).tree()["id"].(string) + "/bindings"
	g.send("POST", e, `{"group":"`+secret+`"}`).status(http.StatusCreated)
	g.bind(`{"user":"p0"}`)
	g.operator("owner", "a password nobody else has", "application:read", "application:create", "binding:read", "binding:list", "binding:create",
		"binding:update", "binding:delete", "access:list")
	g.token = g.signIn("owner", "a password nobody else has")
	quiet := func(what string, r *reply) *reply {
		t.Helper()
		for _, word := range []string{"Layoffs", `"name":"p`, `"people"`, `"sample"`, `"before"`, "people instead", "people may use now"} {
			if strings.Contains(string(r.body), word) {
				t.Errorf("%s tells %s: %s", what, word, r.body)
			}
		}
		return r
	}
	for _, who := range []string{"p0", "p1"} {
		body := fmt.Sprintf(`{"mode":"all","bindings":[{"user":%q},{"group":%q}]}`, who, secret)
		rule := quiet("the rule", g.send("PUT", g.a+"/access?confirm=opens,closes", body).status(http.StatusOK)).tree()
		if rule["sentence"] != "Those whom the bindings let in can open this" {
			t.Errorf("%s: %v", who, rule["sentence"])
		}
		quiet("what would open it", g.send("PUT", g.a+"/access", `{"bindings":[]}`).status(http.StatusConflict))
	}
	quiet("the list", g.send("GET", g.a+"/bindings", "").status(http.StatusOK))
	quiet("those of an entitlement", g.send("GET", e, "").status(http.StatusOK))
	quiet("those of the domain", g.send("GET", g.d+"/bindings", "").status(http.StatusOK))
	for _, path := range []string{g.a + "/bindings?q=Layoffs", g.d + "/bindings?q=Layoffs"} {
		if n := len(g.send("GET", path, "").status(http.StatusOK).data()); n != 0 {
			t.Errorf("%s finds %d", path, n)
		}
	}
	composed := quiet("a composition", g.send("POST", g.d+"/applications/_compose?dryRun=true",
		fmt.Sprintf(`{"application":{"name":"x"},"bindings":[{"group":%q}]}`, secret)).status(http.StatusOK)).tree()
	if open := composed["effectiveAccess"].(prototree.Object)["open"]; open != false {
		t.Errorf("open: %v", open)
	}
	// Whether a deny binding keeps anybody out is not told by whether it is asked for.
	for _, who := range []string{"p0", "p1"} {
		g.send("PUT", g.a+"/access?confirm=opens,closes", fmt.Sprintf(`{"bindings":[{"user":%q},{"group":%q,"effect":"deny"}]}`, who, secret)).status(http.StatusOK)
		quiet("lifting it", g.send("PUT", g.a+"/access", fmt.Sprintf(`{"bindings":[{"user":%q}]}`, who)).status(http.StatusConflict))
	}
}
