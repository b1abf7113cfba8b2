package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// An application says of itself whether everybody may use it, where it is read, where it is changed and in lists; and how many
// people that is, where it is read and the reader may know.
func TestApplicationsSayThatTheyAreOpen(t *testing.T) {
	g := newGuarded(t)
	g.people(3)
	said := func(tree prototree.Object) string {
		access, _ := tree["access"].(prototree.Object)
		return fmt.Sprint(access["open"], " ", access["people"])
	}
	entry := func() string {
		for _, e := range g.send("GET", g.d+"/applications", "").status(http.StatusOK).data() {
			if strings.HasSuffix(g.a, e["id"].(string)) {
				return said(e) + fmt.Sprint(" ", e["access"].(prototree.Object)["mode"], len(e["access"].(prototree.Object)))
			}
		}
		return "not there"
	}
	slug := g.send("GET", g.a, "").status(http.StatusOK).tree()["slug"].(string)
	for _, path := range []string{g.a, g.d + "/applications/_slug/" + slug} {
		if got := said(g.send("GET", path, "").status(http.StatusOK).tree()); got != "true 3" {
			t.Errorf("GET %s of an open application: %s", path, got)
		}
	}
	if got := entry(); got != "true <nil> any2" {
		t.Errorf("an entry of an open application: %s", got)
	}
	changed := g.send("PATCH", g.a, `{"description":"x","access":{"open":false,"people":9}}`).status(http.StatusOK).tree()
	if got := said(changed); got != "true <nil>" {
		t.Errorf("a change does not make it open or not: %s", got)
	}
	g.member("reader", "a password of a reader", operator.RoleOrganizationUser)
	g.bind(`{"user":"p1"}`)
	if got := said(g.send("GET", g.a, "").status(http.StatusOK).tree()) + entry(); got != "false <nil>false <nil> any2" {
		t.Errorf("with a binding: %s", got)
	}
}

func TestNamesOfApplicationsHave1To200Characters(t *testing.T) {
	h := newHouse(t)
	d := short + "/domains/" + h.domain("Names")
	fits, long := strings.Repeat("ß漢", 100), strings.Repeat("x", 201)
	app := h.send("POST", d+"/applications", `{"name":"`+fits+`","type":"SERVICE"}`).status(http.StatusCreated).tree()
	a := d + "/applications/" + app["id"].(string)
	const text = "[name: size must be at most 200]"
	h.send("POST", d+"/applications", `{"name":"`+long+`","type":"SERVICE"}`).refused(400, text, "name")
	h.send("POST", d+"/applications", `{"name":"`+long+`","type":"BOOKMARK"}`).refused(400, text, "name")
	h.send("PATCH", a, `{"name":"`+long+`"}`).refused(400, text, "name")
	h.send("PUT", a, `{"name":"`+long+`"}`).refused(400, text, "name")
	h.send("PATCH", a, `{"name":""}`).refused(400, "[name: must not be blank]", "name")
	h.send("POST", d+"/applications/_compose", `{"application":{"name":"`+long+`"}}`).refused(400, text, "application.name")
	h.send("POST", d+"/providers", `{"name":"`+long+`","type":"oauth2","configuration":{"applicationType":"web","redirectUris":["https://x.example/cb"]}}`).
		refused(400, text, "name")
}

// What people see of an application can be said when it is made.
func TestApplicationsAreCreatedAsPeopleSeeThem(t *testing.T) {
	h := newHouse(t)
	d := short + "/domains/" + h.domain("Shown")
	group := h.send("POST", d+"/application-groups", `{"name":"Finance"}`).status(http.StatusCreated).tree()["id"].(string)
	for _, kind := range []string{"WEB", "BOOKMARK"} {
		slug := "pay-" + strings.ToLower(kind)
		body := `{"name":"Payroll","type":"` + kind + `","slug":"` + slug + `","group":"` + group + `","publisher":"Acme","description":"Pays",
			"launchUrl":"https://pay.example/{{user.username}}","openInNewTab":true,"enabled":false,"hidden":true,"access":{"mode":"all","onDenied":"redirect"}`
		if kind == "WEB" {
			body += `,"redirectUris":["https://pay.example/cb"]`
		}
		app := h.send("POST", d+"/applications", body+"}").status(http.StatusCreated).tree()
		got := fmt.Sprint(app["slug"], app["group"], app["publisher"], app["description"], app["launchUrl"], app["openInNewTab"], app["enabled"], app["hidden"],
			at(app, "access.mode"), at(app, "access.onDenied"), at(app, "access.open"))
		if want := fmt.Sprint(slug, group, "Acme", "Pays", "https://pay.example/{{user.username}}", true, false, true, "all", "redirect", true); got != want {
			t.Errorf("made  %s\nwant %s", got, want)
		}
	}
	h.send("POST", d+"/applications", `{"name":"x","type":"BOOKMARK","slug":"login"}`).refused(400, "[login: is reserved]", "slug")
	h.send("POST", d+"/applications", `{"name":"x","type":"BOOKMARK","slug":"pay-web"}`).refused(409, "The slug [pay-web] is taken.", "slug")
	h.send("POST", d+"/applications", `{"name":"x","type":"BOOKMARK","access":{"message":{"!!":"x"}}}`).
		refused(400, "[message: [!!] is neither a language tag nor `default`]", "access.message")
}

func TestGroupsNameTheirParents(t *testing.T) {
	h := newHouse(t)
	groups := short + "/domains/" + h.domain("Parents") + "/groups"
	add := func(body string) string {
		return h.send("POST", groups, body).status(http.StatusCreated).tree()["id"].(string)
	}
	inner := add(`{"name":"Inner"}`)
	a, b := add(`{"name":"A","groups":["`+inner+`"]}`), add(`{"name":"B","groups":["`+inner+`"]}`)
	top := add(`{"name":"Top","groups":["` + b + `"]}`)
	for id, want := range map[string][]string{inner: {a, b}, a: {}, b: {top}, top: {}} {
		if got := h.send("GET", groups+"/"+id, "").status(http.StatusOK).tree()["parents"]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("parents of %s: %v, want %v", id, got, want)
		}
	}
	for _, entry := range h.send("GET", groups, "").data() {
		if entry["name"] == "B" && fmt.Sprint(entry["parents"]) != "["+top+"]" {
			t.Errorf("an entry: %v", entry)
		}
	}
	// What was read may come back; another place is told where to be said.
	h.send("PUT", groups+"/"+inner, string(h.send("GET", groups+"/"+inner, "").body)).status(http.StatusOK)
	const text = "[parents: follows from other groups: add this group to `groups` of those that are to contain it]"
	h.send("PATCH", groups+"/"+inner, `{"parents":["`+a+`"]}`).refused(400, text, "parents")
	h.send("POST", groups, `{"name":"New","parents":["`+a+`"]}`).refused(400, text, "parents")
	h.send("POST", groups, `{"name":"New","parents":[]}`).status(http.StatusCreated)
}
