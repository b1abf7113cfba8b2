package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// The secrets of an application say when and where they were last used, and which of them end soon.
func TestTheUseOfSecrets(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Used")
	d := short + "/domains/" + domain
	app := h.application(domain, `{"name":"Worker","type":"SERVICE"}`)
	id := app["id"].(string)
	path := d + "/applications/" + id + "/secrets"
	secretID := h.send("GET", path, "").status(http.StatusOK).array()[0]["id"].(string)
	then := time.Now().Truncate(time.Second)
	if err := h.store.SecretUses().Record(t.Context(), []store.SecretUse{
		{Secret: secretID, Domain: domain, Application: id, At: then, By: "gateway-7"},
	}); err != nil {
		t.Fatal(err)
	}
	used := h.send("GET", path, "").status(http.StatusOK).array()[0]
	if used["lastUsedAt"] != float64(then.UnixMilli()) || used["lastUsedBy"] != "gateway-7" {
		t.Errorf("a used secret: %v", used)
	}
	expiring := d + "/secrets/_expiring"
	if got := string(h.send("GET", expiring, "").status(http.StatusOK).body); got != `{"data":[],"currentPage":0,"totalCount":0}` {
		t.Errorf("nothing ends: %s", got)
	}
	h.send("PATCH", d, `{"secretSettings":{"enabled":true,"expiryTimeSeconds":864000}}`).status(http.StatusOK)
	second := h.send("POST", path, `{"name":"second"}`).status(http.StatusCreated).tree()
	entry := h.send("GET", expiring, "").status(http.StatusOK).data()
	if len(entry) != 1 {
		t.Fatalf("entries %v", entry)
	}
	want := prototree.Object{
		"domain": domain, "application": id, "applicationName": "Worker", "clientId": at(app, "settings.oauth.clientId"),
		"id": second["id"], "name": "second", "expiresAt": entry[0]["expiresAt"],
	}
	if diff := cmp.Diff(want, entry[0]); diff != "" || entry[0]["expiresAt"] == nil {
		t.Errorf("an entry (-want +got):\n%s", diff)
	}
	if got := h.send("GET", expiring+"?days=9", "").status(http.StatusOK).data(); len(got) != 0 {
		t.Errorf("within nine days: %v", got)
	}
	if got := h.send("GET", long+"/secrets/_expiring?days=11&size=1", "").status(http.StatusOK).data(); len(got) != 1 {
		t.Errorf("of all domains: %v", got)
	}
	h.send("GET", expiring+"?days=x", "").refused(400, "[x: must be a whole number from 0 to 3660]", "days")
	h.send("GET", expiring+"?days=-1", "").refused(400, "[-1: must be a whole number from 0 to 3660]", "days")
	h.send("GET", short+"/domains/nope/secrets/_expiring", "").refused(404, "Domain [nope] can not be found.")
	h.send("GET", expiring, "", anonymous).status(http.StatusUnauthorized)
}

// What is kept and does not run yet is said in the answer that keeps it.
func TestAnswersSayWhatWaits(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Waiting")
	app := h.application(domain, `{"name":"Client","type":"WEB","redirectUris":["https://x.example/cb"]}`)
	if app["notices"] != nil {
		t.Errorf("a new application waits: %v", app["notices"])
	}
	path := short + "/domains/" + domain + "/applications/" + app["id"].(string)
	answer := h.send("PATCH", path, `{"settings":{"oauth":{"grantTypes":["authorization_code","urn:openid:params:grant-type:ciba"]},"mfa":{"loginRule":""}}}`).
		status(http.StatusOK).tree()
	var paths []string
	notices, _ := answer["notices"].([]any)
	for _, n := range notices {
		paths = append(paths, n.(prototree.Object)["path"].(string))
	}
	if got := strings.Join(paths, " "); got != "settings.oauth.grantTypes[1] settings.mfa" {
		t.Errorf("notices %v", answer["notices"])
	}
	h.send("PUT", path, string(h.send("GET", path, "").status(http.StatusOK).body)).status(http.StatusOK)
	h.send("PATCH", path, `{"settings":{"oauth":{"tokenEndpointAuthMethod":"tls_client_auth"}}}`).
		refused(400, "Missing TLS parameter for tls_client_auth.", "settings.oauth.tokenEndpointAuthMethod")
	h.send("PATCH", path, `{"settings":{"oauth":{"registrationAccessToken":"x"}}}`).
		refused(400, "Property [registrationAccessToken] is not recognized as a valid property", "settings.oauth.registrationAccessToken")
	for _, name := range []string{"scopes", "defaultScopes", "scopeApprovals"} {
		h.send("PATCH", path, `{"settings":{"oauth":{"`+name+`":[]}}}`).
			refused(400, "Property ["+name+"] is not recognized as a valid property", "settings.oauth."+name)
	}
	h.send("PATCH", path, `{"identities":[]}`).refused(400, "Property [identities] is not recognized as a valid property", "identities")
}

func TestEntrypoints(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Doors")
	path := short + "/domains/" + domain
	list := h.send("GET", path+"/entrypoints", "").status(http.StatusOK).array()
	if len(list) != 1 || !strings.HasPrefix(list[0]["url"].(string), "http://gateway.example:8092") || list[0]["id"] != "DEFAULT" || list[0]["name"] != "Default" {
		t.Errorf("by path: %v", list)
	}
	h.send("PATCH", path, `{"vhostMode":true}`).refused(400, "[vhosts: must not be empty while vhostMode is on]", "vhosts")
	answer := h.send("PATCH", path, `{"vhostMode":true,"vhosts":[{"host":"login.example.com"},{"host":"X.example:8443","path":"eu","overrideEntrypoint":true}]}`).
		status(http.StatusOK).tree()
	if answer["notices"] == nil {
		t.Error("virtual hosts do not run yet, and the answer does not say so")
	}
	var urls []any
	for _, entry := range h.send("GET", path+"/entrypoints", "").status(http.StatusOK).array() {
		urls = append(urls, entry["url"], entry["defaultEntrypoint"])
	}
	if diff := cmp.Diff([]any{"http://login.example.com", false, "http://x.example:8443/eu", true}, urls); diff != "" {
		t.Errorf("by host (-want +got):\n%s", diff)
	}
	other := short + "/domains/" + h.domain("Others")
	h.send("PATCH", other, `{"vhostMode":true,"vhosts":[{"host":"login.example.com"}]}`).
		refused(400, "A domain [login.example.com/] already exists.", "vhosts[0]")
	strict := h.send("PATCH", other, `{"oidc":{"securityProfileSettings":{"profile":"FAPI2"}}}`).status(http.StatusOK).tree()
	if at(strict, "oidc.securityProfileSettings.profile") != "fapi2" {
		t.Errorf("profile %v", at(strict, "oidc.securityProfileSettings"))
	}
	h.send("PATCH", other, `{"dataPlaneId":"other"}`).refused(400, "[dataPlaneId: can not be changed]", "dataPlaneId")
	reset := h.send("PATCH", other, `{"accountSettings":null,"loginSettings":null,"oidc":null}`).status(http.StatusOK).tree()
	if at(reset, "accountSettings.rememberMe") != false || at(reset, "oidc.redirectUriStrictMatching") != true {
		t.Errorf("null does not reset: %v", reset)
	}
}
