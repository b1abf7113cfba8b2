package rest

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

const payroll = `{"application":{"name":"Payroll","slug":"payroll","group":{"name":"Finance"}},
 "provider":{"type":"oauth2","configuration":{"applicationType":"web","redirectUris":["https://pay.example/cb"]}},
 "bindings":[{"group":"GROUP"}],"entitlements":[{"name":"approver","attributes":{"limit":5000},"bindings":[{"group":"GROUP"}]}]}`

func (h *house) composing(name string) (path, body string) {
	domain := h.domain(name)
	group := h.send("POST", "/management/domains/"+domain+"/groups", `{"name":"Payables"}`).status(http.StatusCreated).tree()["id"].(string)
	return "/management/domains/" + domain + "/applications", strings.ReplaceAll(payroll, "GROUP", group)
}

func (h *house) revisions() int64 {
	last, err := h.store.LastRevision(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return last
}

func TestComposedApplications(t *testing.T) {
	h := newHouse(t)
	path, body := h.composing("Acme")
	answer := h.send("POST", path+"/_compose", body).status(http.StatusCreated)
	made := answer.tree()
	id := at(made, "application.id").(string)
	if got := answer.header.Get("Location"); got != path+"/"+id {
		t.Errorf("Location %q", got)
	}
	secret, _ := at(made, "provider.configuration.clientSecret").(string)
	if secret == "" || at(made, "application.settings.oauth.clientSecret") != secret || at(made, "application.slug") != "payroll" ||
		at(made, "application.group") != at(made, "group.id") || at(made, "effectiveAccess.open") != false || at(made, "revision") == nil {
		t.Errorf("made %s", answer.body)
	}
	if list, _ := made["bindings"].([]any); len(list) != 1 || at(list[0].(prototree.Object), "name") != "Payables" {
		t.Errorf("bindings %v", made["bindings"])
	}
	if list, _ := made["entitlements"].([]any); len(list) != 1 || len(list[0].(prototree.Object)["bindings"].([]any)) != 1 {
		t.Errorf("entitlements %v", made["entitlements"])
	}
	stored := h.send("GET", path+"/"+id, "").status(http.StatusOK).tree()
	if at(stored, "settings.oauth.clientId") != at(made, "provider.configuration.clientId") || at(stored, "settings.oauth.clientSecret") != nil || stored["type"] != "web" {
		t.Errorf("stored %v", stored)
	}
	// Without a provider it is a bookmark, and without bindings open to everybody.
	wiki := h.send("POST", path+"/_compose", `{"application":{"name":"Wiki","launchUrl":"https://wiki.example/"}}`).status(http.StatusCreated).tree()
	if at(wiki, "application.type") != "bookmark" || wiki["provider"] != nil || at(wiki, "effectiveAccess.open") != true || at(wiki, "application.visibility.shown") != true {
		t.Errorf("a bookmark: %v", wiki)
	}
	native := h.send("POST", path+"/_compose", `{"application":{"name":"Till"},"provider":{"type":"oauth2","authorizationFlow":"implicit-consent",
		"configuration":{"applicationType":"native","redirectUris":["com.example.till:/cb"]}},"bindings":[{"group":"`+groupOf(body)+`"}]}`).status(http.StatusCreated).tree()
	if at(native, "application.type") != "native" || at(native, "application.settings.advanced.skipConsent") != true ||
		at(native, "provider.authorizationFlow") != "implicit-consent" || at(native, "provider.configuration.tokenEndpointAuthMethod") != "none" {
		t.Errorf("a native one: %v", native)
	}
}

func groupOf(body string) string {
	_, after, _ := strings.Cut(body, `"bindings":[{"group":"`)
	return after[:strings.IndexByte(after, '"')]
}

func TestAcceptance24EverythingThatIsWrongIsToldAtOnceAndNothingIsMade(t *testing.T) {
	h := newHouse(t)
	path, body := h.composing("Acme")
	h.send("POST", path+"/_compose", body).status(http.StatusCreated)
	before := h.revisions()
	wrong := `{"application":{"name":"Other","slug":"payroll"},
	 "provider":{"type":"saml","configuration":{"redirectUris":["not a uri"],"grantTypes":["authorization_code"]}},
	 "bindings":[{"group":"` + groupOf(body) + `"},{"policy":"nobody","effect":"deny"},{}],
	 "entitlements":[{"name":" x","bindings":[{"user":"nobody"}]}],
	 "backchannelProviders":[{"type":"scim"}]}`
	got := h.send("POST", path+"/_compose", wrong).status(http.StatusBadRequest)
	var answered struct {
		Errors []struct{ Path, Detail string }
	}
	if err := json.Unmarshal(got.body, &answered); err != nil {
		t.Fatal(err)
	}
	places := map[string]bool{}
	for _, e := range answered.Errors {
		places[e.Path] = true
	}
	for _, want := range []string{
		"backchannelProviders", "provider.type", "provider.configuration.redirectUris[0]", "bindings[1].policy", "bindings[2]",
		"entitlements[0].name", "entitlements[0].bindings[0].user",
	} {
		if !places[want] {
			t.Errorf("nothing is said of %s: %s", want, got.body)
		}
	}
	if places["application.slug"] {
		t.Error("what is taken is told before what is wrong is mended")
	}
	h.send("POST", path+"/_compose", `{"application":{"name":"Other","slug":"payroll","group":{"name":"finance"}}}`).
		refused(409, "[name: An application group [finance] already exists., slug: is taken by another application]", "application.group.name", "application.slug")
	h.send("POST", path+"/_compose", `{"application":{"name":"","nmae":"x"},"bindings":[{"user":"nobody","allow":1}]}`).
		refused(400, "[nmae: is not recognized as a valid property, allow: is not recognized as a valid property, name: must not be blank, user: User [nobody] can not be found.]",
			"application.nmae", "bindings[0].allow", "application.name", "bindings[0].user")
	h.send("POST", path+"/_compose", `{}`).refused(400, "[application: must not be null]", "application")
	if h.revisions() != before {
		t.Error("something was written")
	}
}

func TestAcceptance25AMissingPermissionComesBeforeNamesThatAreTaken(t *testing.T) {
	h := newHouse(t)
	path, body := h.composing("Acme")
	h.send("POST", path+"/_compose", body).status(http.StatusCreated)
	h.operator("carl", "carls password", "application:create", "entitlement:create", "application_group:create")
	token := h.signIn("carl", "carls password")
	h.send("POST", path+"/_compose", body, header("Authorization", "Bearer "+token)).
		refused(403, "Permission denied: bindings needs binding:create", "bindings")
	h.operator("dora", "doras password", "application:create", "binding:create", "entitlement:create")
	token = h.signIn("dora", "doras password")
	h.send("POST", path+"/_compose", body, header("Authorization", "Bearer "+token)).
		refused(403, "Permission denied: application.group needs application_group:create", "application.group")
}

func TestAcceptance26TwentyAtOnceMakeOneApplication(t *testing.T) {
	h := newHouse(t)
	path, body := h.composing("Acme")
	body = strings.ReplaceAll(body, `,"group":{"name":"Finance"}`, "")
	var wait sync.WaitGroup
	codes := make([]int, 20)
	for i := range codes {
		wait.Go(func() { codes[i] = h.send("POST", path+"/_compose", body).code })
	}
	wait.Wait()
	made := 0
	for _, code := range codes {
		switch code {
		case http.StatusCreated:
			made++
		case http.StatusConflict:
		default:
			t.Errorf("answered %d", code)
		}
	}
	if entries := h.send("GET", path, "").data(); made != 1 || len(entries) != 1 {
		t.Errorf("%d were made, %d are there", made, len(entries))
	}
}

func TestAcceptance27AKeyReplaysTheAnswerAndADryRunChangesNothing(t *testing.T) {
	h := newHouse(t)
	path, body := h.composing("Acme")
	before := h.revisions()
	dry := h.send("POST", path+"/_compose?dryRun=true", body).status(http.StatusOK)
	tree := dry.tree()
	if h.revisions() != before {
		t.Error("a dry run wrote something")
	}
	if at(tree, "application.id") != nil || at(tree, "provider.configuration.clientId") != nil || strings.Contains(string(dry.body), "clientSecret") ||
		tree["revision"] != nil || at(tree, "application.slug") != "payroll" || at(tree, "effectiveAccess.people") == nil {
		t.Errorf("a dry run: %s", dry.body)
	}
	key := header("Idempotency-Key", "one")
	first := h.send("POST", path+"/_compose", body, key).status(http.StatusCreated)
	again := h.send("POST", path+"/_compose", body, key).status(http.StatusCreated)
	if string(first.body) != string(again.body) || again.header.Get("Location") != first.header.Get("Location") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again:\n%s\n%s", first.body, again.body)
	}
	h.send("POST", path+"/_compose", strings.Replace(body, "5000", "6000", 1), key).
		refused(409, "The Idempotency-Key was used for another request. Choose a new key")
	h.send("POST", path+"/_compose", body, header("Idempotency-Key", "a b")).
		refused(400, "The header Idempotency-Key must be one value of 1 to 255 visible characters")
	// What failed does not occupy a key.
	key = header("Idempotency-Key", "two")
	h.send("POST", path+"/_compose", body, key).status(http.StatusConflict)
	h.send("POST", path+"/_compose", `{"application":{"name":"Wiki"}}`, key).status(http.StatusCreated)
	if entries := h.send("GET", path, "").data(); len(entries) != 2 {
		t.Errorf("%d applications", len(entries))
	}
	// Twins get the same answer.
	var wait sync.WaitGroup
	bodies := make([]string, 8)
	for i := range bodies {
		wait.Go(func() {
			bodies[i] = string(h.send("POST", path+"/_compose", `{"application":{"name":"Twin"}}`, header("Idempotency-Key", "twin")).status(http.StatusCreated).body)
		})
	}
	wait.Wait()
	for _, b := range bodies {
		if b != bodies[0] {
			t.Errorf("twins differ:\n%s\n%s", bodies[0], b)
		}
	}
	if strings.Contains(string(h.dumpOf("registration_attempts")), at(first.tree(), "provider.configuration.clientSecret").(string)) {
		t.Error("the secret is kept in the open")
	}
}

func TestAcceptance29AProviderKeepsIdentifierAndSecret(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Acme")
	base := "/management/domains/" + domain
	made := h.send("POST", base+"/providers", `{"name":"Payroll","type":"oauth2","configuration":{"clientId":"pay","redirectUris":["https://pay.example/cb"]}}`).
		status(http.StatusCreated).tree()
	id := made["id"].(string)
	if at(made, "configuration.clientSecret") == nil || made["assigned"] != false || made["authorizationFlow"] != "explicit-consent" {
		t.Errorf("made %v", made)
	}
	// It is no application, wherever applications are.
	if got := h.send("GET", base+"/applications", "").data(); len(got) != 0 {
		t.Errorf("the list has %v", got)
	}
	for _, path := range []string{"/applications/" + id, "/clients/" + id, "/clients/pay", "/applications/" + id + "/secrets", "/applications/" + id + "/access"} {
		h.send("GET", base+path, "").status(http.StatusNotFound)
	}
	h.send("PATCH", base+"/applications/"+id, `{"name":"x"}`).status(http.StatusNotFound)
	h.send("DELETE", base+"/applications/"+id, "").status(http.StatusNotFound)
	h.send("POST", base+"/applications", `{"name":"Thief","type":"service","clientId":"pay"}`).status(http.StatusBadRequest)
	h.send("POST", base+"/providers", `{"name":"Twin","type":"oauth2","configuration":{"clientId":"pay","redirectUris":["https://pay.example/cb"]}}`).
		refused(409, "[clientId: is taken]", "configuration.clientId")
	count := func(query string) int {
		return len(h.send("GET", base+"/providers"+query, "").status(http.StatusOK).data())
	}
	if count("?assigned=false") != 1 || count("?assigned=true") != 0 {
		t.Error("the list of providers")
	}
	h.send("PATCH", base+"/providers/"+id, `{"name":"Payroll 2"}`).status(http.StatusOK)
	h.send("PATCH", base+"/providers/"+id, `{"configuration":{"clientId":"other"}}`).refused(400, "[clientId: cannot be changed]", "configuration.clientId")

	app := h.application(domain, `{"name":"Payroll","type":"bookmark"}`)["id"].(string)
	assigned := h.send("PUT", base+"/applications/"+app+"/provider", `{"provider":"`+id+`"}`).status(http.StatusOK).tree()
	if at(assigned, "settings.oauth.clientId") != "pay" || assigned["type"] != "web" || len(assigned["secrets"].([]any)) != 1 {
		t.Errorf("assigned %v", assigned)
	}
	secrets, _ := json.Marshal(assigned["secrets"])
	if count("?assigned=false") != 0 || count("?assigned=true") != 1 || count("") != 1 {
		t.Error("the list of providers")
	}
	// It is the same provider, wherever it is looked for.
	there := func(path, application string) {
		t.Helper()
		got := h.send("GET", base+path, "").status(http.StatusOK).tree()
		if got["id"] != id || got["assigned"] != (application != "") || application != "" && got["application"] != application {
			t.Errorf("GET %s: %v", path, got)
		}
	}
	there("/providers/"+id, app)
	there("/applications/"+app+"/provider", app)
	if got := h.send("GET", base+"/providers", "").data(); got[0]["id"] != id {
		t.Errorf("the list has %v", got)
	}
	h.send("PATCH", base+"/providers/"+id, `{"name":"x"}`).refused(409, "Provider ["+id+"] belongs to application ["+app+"]. Change settings.oauth of that application")
	h.send("PUT", base+"/applications/"+app+"/provider", `{"provider":"`+id+`"}`).status(http.StatusConflict)

	released := h.send("DELETE", base+"/applications/"+app+"/provider", "").status(http.StatusOK).tree()
	if at(released, "configuration.clientId") != "pay" || released["assigned"] != false {
		t.Errorf("released %v", released)
	}
	there("/providers/"+id, "")
	h.send("GET", base+"/applications/"+app+"/provider", "").refused(404, "The application has no provider")
	bookmark := h.send("GET", base+"/applications/"+app, "").status(http.StatusOK).tree()
	if bookmark["type"] != "bookmark" || at(bookmark, "settings.oauth.clientId") != nil || bookmark["secrets"] != nil {
		t.Errorf("the application %v", bookmark)
	}
	h.send("DELETE", base+"/applications/"+app+"/provider", "").refused(404, "The application has no provider")
	h.send("PUT", base+"/applications/"+app+"/type", `{"type":"web"}`).status(http.StatusBadRequest)
	h.send("POST", base+"/applications/"+app+"/secrets", `{"name":"x"}`).status(http.StatusBadRequest)

	composed := h.send("POST", base+"/applications/_compose", `{"application":{"name":"Other"},"provider":{"id":"`+released["id"].(string)+`"}}`).status(http.StatusCreated).tree()
	again, _ := json.Marshal(at(composed, "application.secrets"))
	if at(composed, "provider.configuration.clientId") != "pay" || string(again) != string(secrets) {
		t.Errorf("composed %v", composed)
	}
	other := at(composed, "application.id").(string)
	if at(composed, "provider.id") != id {
		t.Errorf("the composed provider is %v", at(composed, "provider.id"))
	}
	there("/providers/"+id, other)
	// A deleted application may leave its provider.
	h.send("DELETE", base+"/applications/"+other+"?provider=keep", "").status(http.StatusNoContent)
	h.send("GET", base+"/applications/"+other, "").status(http.StatusNotFound)
	if count("?assigned=false") != 1 {
		t.Error("the provider is not kept")
	}
	there("/providers/"+id, "")
	h.send("PUT", base+"/applications/"+app+"/provider?dryRun=true", `{"provider":"`+id+`"}`).status(http.StatusOK)
	there("/providers/"+id, "")

	// A provider of an application can be deleted: what is left is a bookmark.
	h.send("PUT", base+"/applications/"+app+"/provider", `{"provider":"`+id+`"}`).status(http.StatusOK)
	h.send("DELETE", base+"/providers/"+id+"?dryRun=true", "").status(http.StatusNoContent)
	there("/providers/"+id, app)
	h.send("DELETE", base+"/providers/"+id, "", header("If-Match", `"1"`)).status(http.StatusPreconditionFailed)
	h.send("DELETE", base+"/providers/"+id, "").status(http.StatusNoContent)
	h.send("GET", base+"/providers/"+id, "").refused(404, "Provider ["+id+"] can not be found.")
	if got := h.send("GET", base+"/applications/"+app, "").status(http.StatusOK).tree(); got["type"] != "bookmark" || got["secrets"] != nil || count("") != 0 {
		t.Errorf("the application without its provider: %v", got)
	}

	// An application that was made with its sign-in settings has a provider as well, which keeps its identifier from then on.
	web := h.application(domain, `{"name":"Web","type":"web","redirectUris":["https://web.example/cb"]}`)["id"].(string)
	id = h.send("GET", base+"/applications/"+web+"/provider", "").status(http.StatusOK).tree()["id"].(string)
	there("/providers/"+id, web)
	if got := h.send("DELETE", base+"/applications/"+web+"/provider", "").status(http.StatusOK).tree(); got["id"] != id {
		t.Errorf("released as %v", got["id"])
	}
	there("/providers/"+id, "")
	h.send("PUT", base+"/applications/"+web+"/provider", `{"provider":"`+id+`"}`).status(http.StatusOK)
	there("/applications/"+web+"/provider", web)
}

// Whoever gives an application a provider is told where nobody can sign in to it.
func TestAnAssignedProviderWarns(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Acme")
	base := "/management/domains/" + domain
	for _, p := range h.send("GET", base+"/identities", "").array() {
		h.send("DELETE", base+"/identities/"+p["id"].(string), "").status(http.StatusNoContent)
	}
	id := h.send("POST", base+"/providers", `{"name":"Payroll","type":"oauth2","configuration":{"redirectUris":["https://pay.example/cb"]}}`).
		status(http.StatusCreated).tree()["id"].(string)
	app := h.application(domain, `{"name":"Payroll","type":"bookmark"}`)["id"].(string)
	warnings, _ := h.send("PUT", base+"/applications/"+app+"/provider", `{"provider":"`+id+`"}`).status(http.StatusOK).tree()["warnings"].([]any)
	if len(warnings) != 1 || warnings[0].(prototree.Object)["path"] != "identityProviders" {
		t.Errorf("warnings %v", warnings)
	}
}
