package rest

import (
	"bytes"
	"net/http"
	"testing"
)

func TestADryRunRunsEveryCheck(t *testing.T) {
	g := newGuarded(t)
	finance := g.group("Finance")
	people := g.people(2)
	g.join(finance, people[0])
	binding := g.a + "/bindings/" + g.bind(`{"group":"` + finance + `"}`)["id"].(string)
	before := g.revisions()

	for _, value := range []string{"", "yes", "TRUE", "1", "true&dryRun=no"} {
		g.send("PATCH", g.a+"?dryRun="+value, `{"name":"Other"}`).status(http.StatusBadRequest)
	}
	// What is taken is taken, what is wrong is wrong, and what was changed meanwhile is not changed.
	g.send("POST", g.d+"/groups?dryRun=true", `{"name":"Finance"}`).refused(http.StatusBadRequest, "A group [Finance] already exists.", "name")
	g.send("PATCH", g.a+"?dryRun=true", `{"name":""}`).status(http.StatusBadRequest)
	g.send("PATCH", g.a+"?dryRun=true", `{"name":"Other"}`, header("If-Match", `"999999"`)).status(http.StatusPreconditionFailed)
	g.send("DELETE", g.d+"/groups/nobody?dryRun=true", "").status(http.StatusNotFound)
	// The guard asks, and a question of a dry run is not remembered as one.
	stored := g.dumpOf("confirmations")
	g.send("DELETE", binding+"?dryRun=true", "").asks("opens", 1, 2)
	if !bytes.Equal(stored, g.dumpOf("confirmations")) {
		t.Error("a dry run keeps its question")
	}
	g.send("DELETE", binding+"?dryRun=true&confirm=opens", "").status(http.StatusNoContent)
	g.send("GET", binding, "").status(http.StatusOK)

	made := g.send("POST", g.d+"/applications?dryRun=true", `{"name":"New","type":"SERVICE"}`).status(http.StatusOK)
	tree := made.tree()
	if tree["name"] != "New" || tree["id"] != nil || tree["revision"] != nil || at(tree, "settings.oauth.clientSecret") != nil ||
		at(tree, "settings.oauth.clientId") != nil || made.header.Get("Location") != "" || made.header.Get("ETag") != "" {
		t.Errorf("a dry run of a creation answers %s %v", made.body, made.header)
	}
	if got := g.send("PATCH", g.a+"?dryRun=true", `{"name":"Other"}`).status(http.StatusOK).tree()["name"]; got != "Other" {
		t.Errorf("a dry run of a change answers %v", got)
	}
	if got := g.send("GET", g.a, "").tree()["name"]; got != "Payroll" {
		t.Errorf("the application is called %v", got)
	}
	g.send("POST", g.a+"/secrets?dryRun=true", `{"name":"x"}`).refused(http.StatusBadRequest, "dryRun is not available here", "dryRun")
	if now := g.revisions(); now != before {
		t.Errorf("dry runs wrote: revision %d became %d", before, now)
	}
	g.send("PATCH", g.a+"?dryRun=false", `{"name":"Other"}`).status(http.StatusOK)
	if now := g.revisions(); now == before {
		t.Error("dryRun=false does not write")
	}
}

func TestADryRunMovesNoProvider(t *testing.T) {
	g := newGuarded(t)
	wiki := g.send("POST", g.d+"/applications/_compose", `{"application":{"name":"Wiki","launchUrl":"https://wiki.example/"}}`).
		status(http.StatusCreated).tree()
	bookmark := g.d + "/applications/" + at(wiki, "application.id").(string)
	provider := g.send("POST", g.d+"/providers", `{"name":"Spare","type":"oauth2","configuration":{"applicationType":"web","redirectUris":["https://spare.example/cb"]}}`).
		status(http.StatusCreated).tree()["id"].(string)
	before := g.dump()
	// The provider gives up its client identifier to the application within the change: it is not taken.
	g.send("PUT", bookmark+"/provider?dryRun=true", `{"provider":"`+provider+`"}`).status(http.StatusOK)
	g.send("DELETE", g.a+"/provider?dryRun=true", "").status(http.StatusOK)
	g.send("DELETE", g.a+"?dryRun=true&provider=keep", "").status(http.StatusNoContent)
	g.send("DELETE", g.d+"/providers/"+provider+"?dryRun=true", "").status(http.StatusNoContent)
	if !bytes.Equal(before, g.dump()) {
		t.Error("a dry run moved a provider")
	}
}
