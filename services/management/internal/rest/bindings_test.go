package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// guarded is a domain with an application, groups, a policy and people.
type guardedApp struct {
	*house
	d, a   string // paths
	domain string
}

func newGuarded(t *testing.T) *guardedApp {
	t.Helper()
	h := newHouse(t)
	domain := h.domain("Guarded")
	app := h.application(domain, `{"name":"Payroll","type":"SERVICE"}`)
	d := short + "/domains/" + domain
	return &guardedApp{house: h, d: d, a: d + "/applications/" + app["id"].(string), domain: domain}
}

// group makes a group and returns its identifier.
func (g *guardedApp) group(name string, more ...string) string {
	g.t.Helper()
	body := fmt.Sprintf(`{"name":%q}`, name)
	if len(more) > 0 {
		body = fmt.Sprintf(`{"name":%q,%s}`, name, more[0])
	}
	return g.send("POST", g.d+"/groups", body).status(http.StatusCreated).tree()["id"].(string)
}

// policy makes a policy and returns its identifier.
func (g *guardedApp) policy(name string) string {
	g.t.Helper()
	return g.send("POST", g.d+"/policies", fmt.Sprintf(`{"name":%q,"type":"network","configuration":{"ranges":["192.0.2.0/24"]}}`, name)).
		status(http.StatusCreated).tree()["id"].(string)
}

// user makes a person and returns their identifier.
func (g *guardedApp) user(id string) string {
	g.t.Helper()
	enabled := true
	u := &directoryv1.User{Id: id, Domain: g.domain, Username: id, Subject: id, Enabled: &enabled}
	if err := g.store.Users().Insert(g.t.Context(), u); err != nil {
		g.t.Fatal(err)
	}
	return id
}

// bind adds a binding and returns it.
func (g *guardedApp) bind(body string) prototree.Object {
	g.t.Helper()
	return g.send("POST", g.a+"/bindings", body).status(http.StatusCreated).tree()
}

func TestBindings(t *testing.T) {
	g := newGuarded(t)
	finance, person, hours := g.group("Finance"), g.user("anna"), g.policy("Office network")

	made := g.send("POST", g.a+"/bindings", `{"group":"`+finance+`","message":{"default":"Ask finance"}}`).status(http.StatusCreated)
	first := made.tree()
	if got, want := made.header.Get("Location"), g.a+"/bindings/"+first["id"].(string); got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	if first["createdAt"] == nil {
		t.Error("a binding has no time of creation")
	}
	delete(first, "createdAt")
	want := prototree.Object{
		"id": first["id"], "group": finance, "name": "Finance", "effect": "allow", "negate": false, "enabled": true, "reportOnly": false,
		"failureResult": false, "orphaned": false, "message": prototree.Object{"default": "Ask finance"},
	}
	want["order"], want["timeoutSeconds"] = first["order"], first["timeoutSeconds"]
	if diff := cmp.Diff(want, first); diff != "" || fmt.Sprintln(first["order"], first["timeoutSeconds"]) != "10 5\n" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	second := g.bind(`{"user":"` + person + `"}`)
	third := g.bind(`{"policy":"` + hours + `","effect":"deny","negate":true}`)
	if fmt.Sprintln(second["order"], third["order"], second["name"], third["name"]) != "20 30 anna Office network\n" {
		t.Errorf("second %v, third %v", second, third)
	}
	page := g.send("GET", g.a+"/bindings?size=2&page=1", "").status(http.StatusOK)
	if tree := page.tree(); fmt.Sprint(tree["totalCount"]) != "3" || len(page.data()) != 1 || page.data()[0]["id"] != third["id"] {
		t.Errorf("page %v", tree)
	}

	// The tag of a binding is its application's.
	path := g.a + "/bindings/" + second["id"].(string)
	read := g.send("GET", path, "").status(http.StatusOK)
	app := g.send("GET", g.a, "").status(http.StatusOK)
	if read.header.Get("ETag") != app.header.Get("ETag") {
		t.Errorf("ETag %s, the application's %s", read.header.Get("ETag"), app.header.Get("ETag"))
	}
	g.send("PATCH", path, `{"order":5}`, header("If-Match", `"1"`)).status(http.StatusPreconditionFailed)
	changed := g.send("PATCH", path, `{"order":5}`, header("If-Match", read.header.Get("ETag"))).status(http.StatusOK).tree()
	if fmt.Sprint(changed["order"]) != "5" || changed["user"] != person {
		t.Errorf("changed %v", changed)
	}
	if got := g.send("GET", g.a+"/bindings", "").data()[0]["id"]; got != second["id"] {
		t.Errorf("first is %v", got)
	}
	// A read can be sent back, and a replacement resets what it leaves out, but for the order.
	put := g.send("PUT", path, string(g.send("GET", path, "").body)).status(http.StatusOK).tree()
	if put["createdAt"] == nil || fmt.Sprint(put["order"]) != "5" {
		t.Errorf("put %v", put)
	}

	ids := fmt.Sprintf(`["%s","%s","%s"]`, third["id"], first["id"], second["id"])
	order := g.send("POST", g.a+"/bindings/_reorder", ids).status(http.StatusOK).array()
	if fmt.Sprintln(order[0]["id"], order[0]["order"], order[2]["id"], order[2]["order"]) != fmt.Sprintln(third["id"], 10, second["id"], 30) {
		t.Errorf("order %v", order)
	}
	g.send("POST", g.a+"/bindings/_reorder", fmt.Sprintf(`["%s","%s"]`, third["id"], first["id"])).status(http.StatusBadRequest)
	g.send("POST", g.a+"/bindings/_reorder", fmt.Sprintf(`["%s","%s","other"]`, third["id"], first["id"])).
		refused(400, fmt.Sprintf("[[2]: Binding [other] can not be found., Binding [%s] is missing.]", second["id"]), "[2]", "")
	g.send("DELETE", path, "").status(http.StatusNoContent)
	g.send("GET", path, "").refused(404, "Binding ["+second["id"].(string)+"] can not be found.")
	g.send("DELETE", path, "").status(http.StatusNotFound)
	if got := g.send("GET", g.a, "").tree(); got["bindings"] != nil {
		t.Errorf("the application shows %v", got["bindings"])
	}
}

func TestBindingsThatAreRefused(t *testing.T) {
	g := newGuarded(t)
	finance, person := g.group("Finance"), g.user("anna")
	there := g.bind(`{"group":"` + finance + `"}`)
	elsewhere := g.send("POST", short+"/domains/"+g.house.domain("Elsewhere")+"/groups", `{"name":"Theirs"}`).tree()["id"].(string)
	for _, tt := range []struct {
		name, body string
		status     int
		path       string
		text       string
	}{
		{"nothing is named", `{}`, 400, "", "exactly one of policy, group and user must be given, found none"},
		{"two are named", `{"group":"` + finance + `","user":"anna"}`, 400, "", "exactly one of policy, group and user must be given, found group and user"},
		{"a group that is not there", `{"group":"nobody"}`, 400, "group", "Group [nobody] can not be found."},
		{"a group of another domain", `{"group":"` + elsewhere + `"}`, 400, "group", "Group [" + elsewhere + "] can not be found."},
		{"a user who is not there", `{"user":"nobody"}`, 400, "user", "User [nobody] can not be found."},
		{"a policy that is not there", `{"policy":"nothing"}`, 400, "policy", "Policy [nothing] can not be found."},
		{"the same once more", `{"group":"` + finance + `","enabled":false}`, 409, "group", "binding [" + there["id"].(string) + "] says the same"},
		{"an end in the past", `{"user":"` + person + `","expiresAt":1000}`, 400, "expiresAt", "must lie in the future"},
		{"a deadline of nothing", `{"user":"` + person + `","timeoutSeconds":0}`, 400, "timeoutSeconds", "must be from 1 to 60"},
		{"a deadline of an hour", `{"user":"` + person + `","timeoutSeconds":3600}`, 400, "timeoutSeconds", "must be from 1 to 60"},
		{"half an order", `{"user":"` + person + `","order":1.5}`, 400, "order", ""},
		{"no language", `{"user":"` + person + `","message":{"!":"x"}}`, 400, "message", "[!] is neither a language tag nor `default`"},
		{"an unknown member", `{"user":"` + person + `","allow":true}`, 400, "allow", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := g.send("POST", g.a+"/bindings", tt.body).status(tt.status).tree()
			errors, _ := answer["errors"].([]any)
			if len(errors) != 1 {
				t.Fatalf("answer %v", answer)
			}
			one := errors[0].(prototree.Object)
			if one["path"] != tt.path || tt.text != "" && one["detail"] != tt.text {
				t.Errorf("error %v", one)
			}
		})
	}
	// Everything that is wrong is told at once.
	answer := g.send("POST", g.a+"/bindings", `{"group":"nobody","timeoutSeconds":99,"expiresAt":5}`).status(http.StatusBadRequest).tree()
	if got := len(answer["errors"].([]any)); got != 3 {
		t.Errorf("%d errors: %v", got, answer)
	}
	if got := g.send("GET", g.a+"/bindings", "").tree()["totalCount"]; fmt.Sprint(got) != "1" {
		t.Errorf("%v bindings", got)
	}
}

func TestTwoWhoBindAtOnceBothSucceed(t *testing.T) {
	g := newGuarded(t)
	const racers = 32
	for i := range racers {
		g.user(fmt.Sprintf("person-%d", i))
	}
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			g.send("POST", g.a+"/bindings", fmt.Sprintf(`{"user":"person-%d"}`, i)).status(http.StatusCreated)
		})
	}
	wg.Wait()
	if got := g.send("GET", g.a+"/bindings", "").tree()["totalCount"]; fmt.Sprint(got) != "32" {
		t.Errorf("%v bindings", got)
	}
}

func TestTheWholeRuleIsReplacedAtOnce(t *testing.T) {
	g := newGuarded(t)
	finance, anna, bert := g.group("Finance"), g.user("anna"), g.user("bert")
	kept := g.bind(`{"group":"` + finance + `"}`)
	g.bind(`{"user":"` + anna + `"}`)
	before := g.send("GET", g.a, "").tree()["revision"]

	put := g.send("PUT", g.a+"/access", `{"mode":"ALL","onDenied":"redirect","bindings":[
		{"user":"`+anna+`"},{"id":"`+kept["id"].(string)+`","group":"`+finance+`","order":3},{"user":"`+bert+`","expiresAt":4102444800000}]}`).
		status(http.StatusOK).tree()
	list := put["bindings"].([]any)
	if len(list) != 3 || list[0].(prototree.Object)["id"] != kept["id"] || put["mode"] != "all" || put["onDenied"] != "redirect" || put["open"] != false {
		t.Errorf("put %v", put)
	}
	if got := len(put["warnings"].([]any)); got != 2 {
		t.Errorf("warnings %v", put["warnings"])
	}
	// One write, one revision.
	if after := put["revision"]; fmt.Sprint(after) == fmt.Sprint(before) {
		t.Errorf("revision %v after %v", after, before)
	}
	// What was read can be sent again and changes nothing.
	read := g.send("GET", g.a+"/access", "").status(http.StatusOK)
	again := g.send("PUT", g.a+"/access", string(read.body)).status(http.StatusOK).tree()
	ignored := func(tree prototree.Object) prototree.Object { delete(tree, "revision"); return tree }
	if diff := cmp.Diff(ignored(read.tree()), ignored(again)); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	g.send("PUT", g.a+"/access", `{"bindings":[{"group":"x"},{"user":"`+anna+`","timeoutSeconds":61},{"user":"`+anna+`"}]}`).
		refused(400, "[group: Group [x] can not be found., timeoutSeconds: must be from 1 to 60]", "bindings[0].group", "bindings[1].timeoutSeconds")
	g.send("PUT", g.a+"/access", `{"bindings":[{"user":"`+anna+`"},{"user":"`+anna+`"}]}`).
		refused(409, "[user: says the same as bindings[0]]", "bindings[1].user")
}

func TestEntitlements(t *testing.T) {
	g := newGuarded(t)
	finance, anna := g.group("Finance"), g.user("anna")
	made := g.send("POST", g.a+"/entitlements", `{"name":"approver","attributes":{"limit":5000,"regions":["eu"]}}`).status(http.StatusCreated)
	approver := made.tree()
	path := g.a + "/entitlements/" + approver["id"].(string)
	if got := made.header.Get("Location"); got != path {
		t.Errorf("Location %q", got)
	}
	g.send("POST", g.a+"/entitlements", `{"name":"APPROVER"}`).refused(409, "[name: An entitlement [approver] already exists.]", "name")
	g.send("POST", g.a+"/entitlements", `{"name":" padded"}`).refused(400, "[name: must not begin or end with a space]", "name")
	g.send("POST", g.a+"/entitlements", `{"name":""}`).refused(400, "[name: must not be blank]", "name")
	g.send("POST", g.a+"/entitlements", `{"name":"x","attributes":[1]}`).status(http.StatusBadRequest)
	g.send("POST", g.a+"/entitlements", `{"name":"x","attributes":{"a":"`+strings.Repeat("x", 16<<10)+`"}}`).
		refused(400, "[attributes: must be at most 16384 bytes of JSON]", "attributes")
	changed := g.send("PATCH", path, `{"attributes":{"limit":9000}}`).status(http.StatusOK).tree()
	if diff := cmp.Diff(`{"limit":9000,"regions":["eu"]}`, jsonOf(t, changed["attributes"])); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}

	binding := g.send("POST", path+"/bindings", `{"group":"`+finance+`"}`).status(http.StatusCreated).tree()
	for name := range binding {
		switch name {
		case "id", "group", "negate", "enabled", "name", "createdAt", "orphaned":
		default:
			t.Errorf("a binding of an entitlement has %s", name)
		}
	}
	hours := g.policy("Office network")
	for _, tt := range []struct{ body, path, text string }{
		{`{"policy":"` + hours + `"}`, "policy", "entitlements take users and groups"},
		{`{"user":"` + anna + `","effect":"deny"}`, "effect", "entitlements take users and groups, and deny nobody"},
		{`{"user":"` + anna + `","order":1}`, "order", "does not exist for bindings of entitlements"},
		{`{"user":"` + anna + `","timeoutSeconds":5}`, "timeoutSeconds", "does not exist for bindings of entitlements"},
		{`{"user":"` + anna + `","failureResult":true}`, "failureResult", "does not exist for bindings of entitlements"},
	} {
		g.send("POST", path+"/bindings", tt.body).refused(400, "["+tt.path+": "+tt.text+"]", tt.path)
	}
	g.send("POST", path+"/bindings", `{"group":"`+finance+`"}`).status(http.StatusConflict)
	item := path + "/bindings/" + binding["id"].(string)
	g.send("PUT", item, string(g.send("GET", item, "").body)).status(http.StatusOK)
	if off := g.send("PATCH", item, `{"enabled":false}`).status(http.StatusOK).tree(); off["enabled"] != false {
		t.Errorf("off %v", off)
	}
	g.send("DELETE", item, "").status(http.StatusNoContent)
	g.send("DELETE", path, "").status(http.StatusNoContent)
	g.send("GET", path+"/bindings", "").status(http.StatusNotFound)
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
