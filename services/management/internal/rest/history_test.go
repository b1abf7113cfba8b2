package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// revisionsOf returns the history of a resource, the oldest first: action and number of changes, and the revisions.
func historyOf(h *house, path string) (story []string, revisions []string) {
	h.t.Helper()
	entries := h.send("GET", path+"/history?size=1000", "").status(http.StatusOK).data()
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		story = append(story, fmt.Sprint(e["action"], " ", e["changeCount"]))
		revisions = append(revisions, fmt.Sprint(e["revision"]))
	}
	return story, revisions
}

func noticesOf(tree prototree.Object) []string {
	var details []string
	list, _ := tree["notices"].([]any)
	for _, n := range list {
		details = append(details, n.(prototree.Object)["detail"].(string))
	}
	return details
}

func TestHistoryOfAnApplication(t *testing.T) {
	h := newHouse(t)
	d := short + "/domains/" + h.domain("Past")
	made := h.application(d[strings.LastIndexByte(d, '/')+1:], `{"name":"First","type":"web","redirectUris":["https://a.example/"]}`)
	id := made["id"].(string)
	a := d + "/applications/" + id
	h.send("PATCH", a, `{"name":"Second","settings":{"oauth":{"redirectUris":["https://b.example/"]}}}`).status(http.StatusOK)
	h.send("POST", d+"/scopes", `{"key":"other","name":"Other","description":"x"}`).status(http.StatusCreated)
	h.send("POST", a+"/secrets", `{"name":"more"}`).status(http.StatusCreated)
	h.send("PUT", a+"/type", `{"type":"SERVICE"}`).status(http.StatusOK)

	story, at3 := historyOf(h, a)
	if diff := cmp.Diff([]string{"create 0", "update 3", "create_secret 1"}, story[:3]); diff != "" || len(story) != 4 || !strings.HasPrefix(story[3], "change_type ") {
		t.Fatalf("history %v (-want +got):\n%s", story, diff)
	}
	page := h.send("GET", a+"/history?size=2&page=1", "").status(http.StatusOK)
	if len(page.data()) != 2 || fmt.Sprint(page.tree()["totalCount"]) != "4" {
		t.Errorf("second page %s", page.body)
	}
	newest := h.send("GET", a+"/history?size=1", "").data()[0]
	for path, want := range map[string]any{"actor.displayName": adminName, "target.id": id, "target.type": "application", "target.displayName": "Second", "cause": nil} {
		if got := at(newest, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if h.send("GET", d+"/audits/"+newest["audit"].(string), "").status(http.StatusOK).tree()["type"] != "change_type" {
		t.Error("the record of the newest version is another")
	}

	// As it was, also at a revision of something else.
	first := h.send("GET", a+"/history/"+at3[0], "").status(http.StatusOK).tree()
	if first["name"] != "First" || fmt.Sprint(at(first, "settings.oauth.redirectUris")) != "[https://a.example/]" || first["secrets"] == nil {
		t.Errorf("at the beginning %v", first)
	}
	other := fmt.Sprint(mustInt(at3[1]) + 1) // made the scope
	if r := h.send("GET", a+"/history/"+other, "").status(http.StatusOK).tree(); r["name"] != "Second" || fmt.Sprint(r["revision"]) != at3[1] {
		t.Errorf("at the revision of a scope %v", r)
	}
	h.send("GET", a+"/history/1", "").refused(http.StatusNotFound, "Application ["+id+"] can not be found at revision 1.")
	h.send("GET", a+"/history/none", "").refused(http.StatusBadRequest, "[none: must be a revision]")
	h.send("GET", d+"/applications/nope/history", "").refused(http.StatusNotFound, "Application [nope] can not be found.")
	h.send("GET", short+"/domains/nope/applications/x/history", "").refused(http.StatusNotFound, "Domain [nope] can not be found.")

	// What differs.
	diff := h.send("GET", a+"/history/"+at3[0]+"/diff?with="+at3[1], "").status(http.StatusOK)
	changes, _ := json.Marshal(diff.tree()["changes"])
	want := `[{"after":"Second","before":"First","path":"name"},{"after":"Second","before":"First","path":"settings.oauth.clientName"},` +
		`{"after":["https://b.example/"],"before":["https://a.example/"],"path":"settings.oauth.redirectUris"}]`
	if string(changes) != want || fmt.Sprint(diff.tree()["from"]) != at3[0] || fmt.Sprint(diff.tree()["to"]) != at3[1] {
		t.Errorf("difference %s", diff.body)
	}
	same := h.send("GET", a+"/history/"+at3[3]+"/diff", "").status(http.StatusOK)
	if fmt.Sprint(same.tree()["changes"]) != "[]" {
		t.Errorf("difference of the newest to the current: %s", same.body)
	}

	// Putting back.
	h.send("POST", a+"/history/"+at3[0]+"/_restore", "", header("If-Match", `"1"`)).status(http.StatusPreconditionFailed)
	back := h.send("POST", a+"/history/"+at3[0]+"/_restore", "", header("If-Match", `"`+at3[3]+`"`)).status(http.StatusOK)
	if r := back.tree(); r["name"] != "First" || r["type"] != "web" || len(r["secrets"].([]any)) != 2 || back.header.Get("ETag") == "" {
		t.Errorf("put back: %s", back.body)
	}
	story, _ = historyOf(h, a)
	if last := story[len(story)-1]; !strings.HasPrefix(last, "restore ") {
		t.Errorf("the history ends with %s", last)
	}
	merged := h.send("POST", a+"/history/"+at3[1]+"/_restore", `{"description":"with more"}`).status(http.StatusOK).tree()
	if merged["name"] != "Second" || merged["description"] != "with more" {
		t.Errorf("put back with a body: %v", merged)
	}
	h.send("POST", a+"/history/"+at3[1]+"/_restore", `{"nope":1}`).refused(http.StatusBadRequest, "Property [nope] is not recognized as a valid property", "nope")
	// Today's rules hold.
	h.send("POST", a+"/history/"+at3[0]+"/_restore", `{"settings":{"oauth":{"redirectUris":["https://a.example/#x"]}}}`).status(http.StatusBadRequest)
}

func mustInt(text string) int {
	var n int
	_, _ = fmt.Sscan(text, &n)
	return n
}

func TestADeletedApplicationIsPutBack(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Past")
	d := short + "/domains/" + domain
	made := h.application(domain, `{"name":"Gone","type":"service","clientId":"the-client"}`)
	id := made["id"].(string)
	a := d + "/applications/" + id
	h.send("DELETE", a, "").status(http.StatusNoContent)
	story, revisions := historyOf(h, a)
	if diff := cmp.Diff([]string{"create 0", "delete 0"}, story); diff != "" {
		t.Fatalf("history (-want +got):\n%s", diff)
	}
	h.send("GET", a+"/history/"+revisions[1], "").refused(http.StatusNotFound, "Application ["+id+"] was deleted at revision "+revisions[1]+".")
	deleted := h.send("GET", d+"/history?kind=application&deleted=true", "").status(http.StatusOK).data()
	if len(deleted) != 1 || at(deleted[0], "target.id") != id || at(deleted[0], "target.displayName") != "Gone" {
		t.Fatalf("what was deleted: %v", deleted)
	}

	h.operator("reader", "another password nobody has", "application:read", "application:update")
	token := h.signIn("reader", "another password nobody has")
	h.send("POST", a+"/history/"+revisions[0]+"/_restore", "", header("Authorization", "Bearer "+token)).refused(http.StatusForbidden, "Permission denied")
	h.send("POST", a+"/history/"+revisions[0]+"/_restore", "", header("If-Match", `"`+revisions[0]+`"`)).status(http.StatusPreconditionFailed)

	taken := h.application(domain, `{"name":"Other","type":"service","clientId":"the-client"}`)
	h.send("POST", a+"/history/"+revisions[0]+"/_restore", "").
		refused(http.StatusBadRequest, "A client [the-client] already exists for domain ["+domain+"]")
	h.send("DELETE", d+"/applications/"+taken["id"].(string), "").status(http.StatusNoContent)

	back := h.send("POST", a+"/history/"+revisions[0]+"/_restore", "").status(http.StatusOK).tree()
	plain, _ := at(back, "settings.oauth.clientSecret").(string)
	if back["id"] != id || at(back, "settings.oauth.clientId") != "the-client" || plain == "" || plain == at(made, "settings.oauth.clientSecret") {
		t.Errorf("put back: %v", back)
	}
	if diff := cmp.Diff([]string{"the history does not hold secrets: a new client secret was made"}, noticesOf(back)); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	if left := h.send("GET", d+"/history?kind=application&deleted=true", "").status(http.StatusOK).data(); len(left) != 1 || at(left[0], "target.id") == id {
		t.Errorf("what is deleted now: %v", left)
	}
	if now := h.send("GET", a, "").status(http.StatusOK).tree(); now["name"] != "Gone" || len(now["secrets"].([]any)) != 1 {
		t.Errorf("it is %v", now)
	}
	if strings.Contains(string(h.dump()), plain) {
		t.Error("the new secret is in the database")
	}
}

func TestHistoryHoldsNoSecrets(t *testing.T) {
	h := newHouse(t)
	d := short + "/domains/" + h.domain("Past")
	provider := func(users string) string {
		return `{"name":"Staff","type":"inline-am-idp","configuration":{"users":[` + users + `]}}`
	}
	ann := `{"firstname":"Ann","lastname":"A","username":"ann","password":"anns-first-password"}`
	bob := `{"firstname":"Bob","lastname":"B","username":"bob","password":"bobs-first-password"}`
	made := h.send("POST", d+"/identities", provider(ann+","+bob)).status(http.StatusCreated).tree()
	p := d + "/identities/" + made["id"].(string)
	h.send("PUT", p, provider(strings.Replace(ann, "anns-first", "anns-second", 1)+","+strings.Replace(bob, "bobs-first-password", prototree.Mask, 1))).status(http.StatusOK)
	story, revisions := historyOf(h, p)
	if diff := cmp.Diff([]string{"create 0", "update 1"}, story); diff != "" {
		t.Fatalf("history (-want +got):\n%s", diff)
	}
	secret := `[{"after":"********","before":"********","path":"configuration.users[\"ann\"].password","secret":true}]`
	for _, with := range []string{"current", revisions[1]} {
		a := h.send("GET", p+"/history/"+revisions[0]+"/diff?with="+with, "").status(http.StatusOK)
		if changes, _ := json.Marshal(a.tree()["changes"]); string(changes) != secret {
			t.Errorf("difference with %s: %s", with, a.body)
		}
	}
	before := h.send("GET", p+"/history/"+revisions[0], "").status(http.StatusOK)
	if !strings.Contains(string(before.body), prototree.Mask) || strings.Contains(string(before.body), "argon2id") {
		t.Errorf("at the beginning: %s", before.body)
	}

	// Bob goes, and his password with him. The history cannot bring it back, the caller can.
	h.send("PUT", p, provider(strings.Replace(ann, "anns-first-password", prototree.Mask, 1))).status(http.StatusOK)
	text := "the history does not hold secrets; give the value in the body"
	h.send("POST", p+"/history/"+revisions[0]+"/_restore", "").
		refused(http.StatusBadRequest, "[configuration.users[1].password: "+text+"]", "configuration.users[1].password")
	body := `{"configuration":{"users":[` + strings.Replace(ann, "anns-first-password", prototree.Mask, 1) + `,` + bob + `]}}`
	h.send("POST", p+"/history/"+revisions[0]+"/_restore", body).status(http.StatusOK)

	h.send("DELETE", p, "").status(http.StatusNoContent)
	h.send("POST", p+"/history/"+revisions[0]+"/_restore", "").
		refused(http.StatusBadRequest, "[configuration.users[0].password: "+text+"]", "configuration.users[0].password")
	back := h.send("POST", p+"/history/"+revisions[0]+"/_restore", `{"configuration":{"users":[`+ann+`]}}`).status(http.StatusOK).tree()
	if back["id"] != made["id"] || back["name"] != "Staff" {
		t.Errorf("put back: %v", back)
	}
	database := string(h.dump())
	for _, plain := range []string{"anns-first-password", "anns-second-password", "bobs-first-password"} {
		if strings.Contains(database, plain) {
			t.Errorf("%s is in the database", plain)
		}
	}
}

func TestWhatNamedADeletedResourceDoesNotNameItAgain(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Past")
	d := short + "/domains/" + domain
	scope := h.send("POST", d+"/scopes", `{"key":"read","name":"Read","description":"x"}`).status(http.StatusCreated).tree()
	app := h.application(domain, `{"name":"User","type":"service"}`)["id"].(string)
	h.send("PATCH", d+"/applications/"+app, `{"settings":{"oauth":{"scopeSettings":[{"scope":"read"}]}}}`).status(http.StatusOK)
	s := d + "/scopes/" + scope["id"].(string)
	h.send("DELETE", s, "").status(http.StatusNoContent)
	_, revisions := historyOf(h, s)
	back := h.send("POST", s+"/history/"+revisions[0]+"/_restore", "").status(http.StatusOK).tree()
	want := []string{"the application User [" + app + "] named it until it was deleted, and does not name it again"}
	if diff := cmp.Diff(want, noticesOf(back)); diff != "" || back["key"] != "read" || back["id"] != scope["id"] {
		t.Errorf("put back: %v", back)
	}
	// The reference was taken out by the same change, and the application's history says why.
	newest := h.send("GET", d+"/applications/"+app+"/history?size=1", "").status(http.StatusOK).data()[0]
	if at(newest, "cause.id") != scope["id"] || at(newest, "cause.type") != "scope" || fmt.Sprint(newest["revision"]) != revisions[1] {
		t.Errorf("the newest version of the application: %v", newest)
	}
}

func TestADeletedCertificateIsNotPutBack(t *testing.T) {
	h := newHouse(t)
	d := short + "/domains/" + h.domain("Past")
	made := h.send("POST", d+"/certificates/rotate", "").status(http.StatusCreated).tree()
	c := d + "/certificates/" + made["id"].(string)
	_, revisions := historyOf(h, c)
	h.send("DELETE", c, "").status(http.StatusNoContent)
	h.send("POST", c+"/history/"+revisions[0]+"/_restore", "").refused(http.StatusBadRequest,
		"A deleted certificate can not be put back: its private key is not in the history. Create a certificate instead")
}

func TestHistoryOfADomain(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Past")
	d := short + "/domains/" + domain
	h.send("PATCH", d, `{"description":"one"}`).status(http.StatusOK)
	scope := h.send("POST", d+"/scopes", `{"key":"read","name":"Read","description":"x"}`).status(http.StatusCreated).tree()
	h.send("PATCH", d, `{"description":"two"}`).status(http.StatusOK)

	all := h.send("GET", d+"/history?size=1000", "").status(http.StatusOK).data()
	own := h.send("GET", d+"/history?kind=domain", "").status(http.StatusOK).data()
	if len(own) != 3 || len(all) < 18 {
		t.Fatalf("%d of the domain, %d in all", len(own), len(all))
	}
	from := fmt.Sprint(scope["revision"])
	between := h.send("GET", d+"/history?from="+from+"&to="+from, "").status(http.StatusOK).data()
	if len(between) != 1 || at(between[0], "target.id") != scope["id"] {
		t.Errorf("at the revision of the scope: %v", between)
	}
	one := fmt.Sprint(own[1]["revision"])
	if was := h.send("GET", d+"/history/"+one, "").status(http.StatusOK).tree(); was["description"] != "one" || was["id"] != domain {
		t.Errorf("then it was %v", was)
	}
	back := h.send("POST", d+"/history/"+one+"/_restore", "").status(http.StatusOK).tree()
	if back["description"] != "one" || h.send("GET", d, "").tree()["description"] != "one" {
		t.Errorf("put back: %v", back)
	}
	h.send("GET", d+"/history?kind=nope", "").status(http.StatusBadRequest)
	h.send("GET", d+"/history?deleted=maybe", "").refused(http.StatusBadRequest, "[maybe: must be true or false]")
	h.send("GET", d+"/history?from=x", "").refused(http.StatusBadRequest, "[x: must be a revision]")
	h.send("GET", short+"/domains/nope/history", "").refused(http.StatusNotFound, "Domain [nope] can not be found.")
}

func TestAFormBelongsToItsLevelInThePastToo(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Past")
	d := short + "/domains/" + domain
	a := d + "/applications/" + h.application(domain, `{"name":"User","type":"service"}`)["id"].(string)
	made := h.send("POST", a+"/forms", `{"template":"LOGIN","enabled":true,"content":"<p>one</p>"}`).status(http.StatusCreated).tree()
	id := made["id"].(string)
	h.send("PUT", a+"/forms/"+id, `{"enabled":true,"content":"<p>two</p>"}`).status(http.StatusOK)
	_, revisions := historyOf(h, a+"/forms/"+id)
	if len(revisions) != 2 {
		t.Fatalf("history %v", revisions)
	}
	for _, path := range []string{"/history", "/history/" + revisions[0]} {
		h.send("GET", d+"/forms/"+id+path, "").refused(http.StatusNotFound, "Form ["+id+"] can not be found.")
	}
	h.send("DELETE", a+"/forms/"+id, "").status(http.StatusNoContent)
	back := h.send("POST", a+"/forms/"+id+"/history/"+revisions[0]+"/_restore", "").status(http.StatusOK).tree()
	if back["content"] != "<p>one</p>" || back["id"] != id {
		t.Errorf("put back: %v", back)
	}
	if now := h.send("GET", a+"/forms?template=LOGIN", "").status(http.StatusOK).tree(); now["content"] != "<p>one</p>" {
		t.Errorf("the form is %v", now)
	}
}

func TestEveryKindHasAHistory(t *testing.T) {
	h := newHouse(t)
	routes := map[string]bool{}
	for _, r := range h.api.Routes() {
		routes[r.Method+" "+r.Pattern] = true
	}
	for _, k := range catalog.All {
		for route := range routes {
			item, found := strings.CutPrefix(route, "GET ")
			if !found || !strings.HasPrefix(item, "/domains") || !strings.HasSuffix(item, "/"+k.Descriptor().Path+"/{"+k.Descriptor().Arm+"}") {
				continue
			}
			for _, r := range []string{"GET " + item + "/history", "GET " + item + "/history/{revision}", "GET " + item + "/history/{revision}/diff", "POST " + item + "/history/{revision}/_restore"} {
				if !routes[r] {
					t.Errorf("there is no %s", r)
				}
			}
		}
	}
}
