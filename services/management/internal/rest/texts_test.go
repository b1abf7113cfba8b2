package rest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

func TestDomains(t *testing.T) {
	h := newHouse(t)
	id := h.domain("Acme")
	path := long + "/domains/" + id
	h.send("POST", long+"/domains", `{"name":"Acme"}`).refused(400, "A domain [Acme] already exists.")
	h.send("POST", long+"/domains", `{"name":" "}`).refused(400, "[name: must not be blank]", "name")
	h.send("POST", long+"/domains", `{}`).refused(400, "[name: must not be blank]", "name")
	h.send("POST", long+"/domains", `{"name":"x","dataPlaneId":"mars"}`).refused(400, "Data Plane [mars] can not be found.", "dataPlaneId")

	whole := h.send("GET", path, "").status(http.StatusOK)
	again := h.send("PUT", path, string(whole.body)).status(http.StatusOK).tree()
	want := whole.tree()
	for _, moved := range []string{"revision", "updatedAt"} {
		delete(again, moved)
		delete(want, moved)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("a body that was read and sent back (-want +got):\n%s", diff)
	}

	if got := h.send("PATCH", path, `{"enabled":true}`).status(http.StatusOK).tree(); got["enabled"] != true {
		t.Errorf("not enabled: %v", got)
	}
	h.send("PATCH", path, `{"oidc":{"clientRegistrationSettings":{"isAllowedScopesEnabled":true}}}`).status(http.StatusOK)
	reset := h.send("PATCH", path, `{"oidc":{"clientRegistrationSettings":null}}`).status(http.StatusOK).tree()
	if at(reset, "oidc.clientRegistrationSettings.isAllowedScopesEnabled") != false {
		t.Errorf("null does not reset: %v", reset["oidc"])
	}

	certificate := h.send("GET", path+"/certificates", "").array()[0]["id"].(string)
	set := h.send("PUT", path+"/certificate-settings", `{"fallbackCertificate":"`+certificate+`"}`).status(http.StatusOK).tree()
	if at(set, "certificateSettings.fallbackCertificate") != certificate {
		t.Errorf("fallback certificate %v", set["certificateSettings"])
	}
	cleared := h.send("PUT", path+"/certificate-settings", `{"fallbackCertificate":null}`).status(http.StatusOK).tree()
	if at(cleared, "certificateSettings.fallbackCertificate") != nil {
		t.Errorf("fallback certificate %v", cleared["certificateSettings"])
	}
	h.send("PUT", path+"/certificate-settings", `{"fallbackCertificate":"nope"}`).refused(400, "Certificate [nope] can not be found.")
	h.send("PUT", path+"/certificate-settings", `{"other":null}`).refused(400, "Property [other] is not recognized as a valid property", "other")
	rotated := h.send("POST", path+"/certificates/rotate", "").status(http.StatusCreated)
	if got, want := rotated.header.Get("Location"), path+"/certificates/"+rotated.tree()["id"].(string); got != want {
		t.Errorf("Location %q, want %q", got, want)
	}

	h.domain("Beta")
	list := h.send("GET", long+"/domains?q=be*&size=1", "").status(http.StatusOK)
	if data := list.data(); len(data) != 1 || data[0]["name"] != "Beta" {
		t.Errorf("found %s", list.body)
	}
	page := h.send("GET", short+"/domains?page=1&size=1", "").status(http.StatusOK).tree()
	if cmp.Diff(prototree.Object{"data": page["data"], "currentPage": page["currentPage"], "totalCount": page["totalCount"]}, page) != "" ||
		page["currentPage"].(interface{ String() string }).String() != "1" || page["totalCount"].(interface{ String() string }).String() != "2" {
		t.Errorf("page %v", page)
	}
	if got := string(h.send("GET", short+"/domains?page=7", "").status(http.StatusOK).body); got != `{"data":[],"currentPage":7,"totalCount":2}` {
		t.Errorf("an empty page is %s", got)
	}
}

func TestApplications(t *testing.T) {
	h := newHouse(t)
	domain, other := h.domain("Apps"), h.domain("Other")
	path := short + "/domains/" + domain + "/applications"
	h.send("POST", path, `{"name":"x"}`).refused(400, "[type: must not be blank]", "type")
	h.send("POST", path, `{"type":"WEB"}`).refused(400, "[name: must not be blank]", "name")
	h.send("POST", path, `{"name":"No URI","type":"WEB"}`).refused(400, "At least one redirect_uri is required")
	h.send("POST", path, `{"name":"Local","type":"WEB","redirectUris":["http://localhost/cb"]}`).refused(400, "localhost is forbidden")
	h.send("POST", path, `{"name":"Plain","type":"WEB","redirectUris":["http://x.example/cb"]}`).refused(400, "Unsecured http scheme is forbidden")

	web := h.application(domain, `{"name":"Web","type":"web","clientId":"web","clientSecret":"chosen by a person","redirectUris":["https://x.example/cb"],"metadata":{"a.b":"c"}}`)
	id := web["id"].(string)
	if at(web, "settings.oauth.clientId") != "web" || at(web, "settings.oauth.clientSecret") != "chosen by a person" ||
		at(web, "settings.oauth.clientName") != "Web" || at(web, "metadata") == nil || web["secretSettings"] == nil {
		t.Errorf("created %v", web)
	}
	if secrets := web["secrets"].([]any); len(secrets) != 1 || secrets[0].(prototree.Object)["name"] != "Default" {
		t.Errorf("secrets %v", secrets)
	}
	h.send("POST", path, `{"name":"Again","type":"SERVICE","clientId":"web"}`).
		refused(400, "A client [web] already exists for domain ["+domain+"]")
	h.send("GET", short+"/domains/"+other+"/applications/"+id, "").refused(400, "Application does not belong to domain")
	h.send("PATCH", path+"/"+id, `{"type":"SERVICE"}`).status(400)
	h.send("PATCH", path+"/"+id, `{"identityProviders":[{"identity":"nope"}]}`).refused(400, "Identity Provider [nope] can not be found.")
	h.send("PATCH", path+"/"+id, `{"settings":{"oauth":{"scopeSettings":[{"scope":"nope"}]}}}`).refused(400, "scope nope is not valid.")
	h.send("PATCH", path+"/"+id, `{"settings":{"oauth":{"grantTypes":[]}}}`).status(http.StatusOK)
	h.send("PATCH", path+"/"+id, `{"settings":{"oauth":{"grantTypes":["nope"]}}}`).refused(400, "Missing or invalid grant type.")
	h.send("PATCH", path+"/"+id, `{"settings":{"oauth":{"grantTypes":["client_credentials","refresh_token"]}}}`).
		refused(400, "refresh_token grant type must be associated with one of authorization_code, password, urn:ietf:params:oauth:grant-type:jwt-bearer")

	renamed := h.send("PUT", path+"/"+id, `{"name":"Renamed"}`).status(http.StatusOK).tree()
	if renamed["name"] != "Renamed" || at(renamed, "settings.oauth.clientName") != "Renamed" || at(renamed, "settings.oauth.clientId") != "web" {
		t.Errorf("PUT does not merge: %v", renamed)
	}

	service := h.application(domain, `{"name":"Svc","type":"SERVICE"}`)["id"].(string)
	typed := h.send("PUT", path+"/"+service+"/type", `{"type":"WEB"}`).status(http.StatusOK).tree()
	if typed["type"] != "web" || !cmp.Equal(at(typed, "settings.oauth.grantTypes"), any([]any{"authorization_code", "password"})) {
		t.Errorf("after the change of type: %v", typed)
	}
	h.send("PUT", path+"/"+service+"/type", `{}`).refused(400, "[type: must not be null]", "type")
	h.send("PUT", path+"/"+service+"/type", `{"type":"SERVICE","name":"x"}`).
		refused(400, "Property [name] is not recognized as a valid property", "name")
	h.send("PUT", path+"/nope/type", `{"type":"WEB"}`).refused(404, "Application [nope] can not be found.")
	h.send("PATCH", path+"/"+service, `{"enabled":false}`).refused(400, "At least one redirect_uri is required")
	h.send("PATCH", path+"/"+service, `{"enabled":false,"settings":{"oauth":{"redirectUris":["https://y.example/cb"]}}}`).status(http.StatusOK)

	entries := h.send("GET", path, "").status(http.StatusOK).data()
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	for _, entry := range entries {
		for name := range entry {
			switch name {
			case "id", "name", "description", "type", "enabled", "template", "updatedAt", "clientId":
			case "slug", "hidden", "visibility", "access": // what people see of it
			default:
				t.Errorf("an entry of the list has %s", name)
			}
		}
		if entry["clientId"] == nil {
			t.Errorf("entry %v has no clientId", entry)
		}
	}
	for query, want := range map[string]string{
		"?q=ren*": id, "?q=WEB": id, "?status=disabled": service, "?status=ENABLED": id, "?type=browser&type=WEB&status=true": id,
	} {
		if got := h.send("GET", path+query, "").status(http.StatusOK).data(); len(got) != 1 || got[0]["id"] != want {
			t.Errorf("%s finds %v", query, got)
		}
	}
	if got := h.send("GET", path+"?type=browser", "").status(http.StatusOK).data(); len(got) != 0 {
		t.Errorf("found %v", got)
	}
	h.send("DELETE", short+"/domains/"+domain+"/clients/web", "").status(http.StatusNoContent)
	h.send("DELETE", path+"/"+id, "").refused(404, "Application ["+id+"] can not be found.")
}

func TestIdentityProviders(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People")
	path := short + "/domains/" + domain + "/identities"
	inline := `{"users":[{"firstname":"Ann","lastname":"Lee","username":"ann","password":"ann's password"}]}`
	body := `{"name":"inline","type":"inline-am-idp","configuration":` + quote(inline) + `,"external":false}`
	made := h.send("POST", path, body).status(http.StatusCreated).tree()
	id := made["id"].(string)
	h.send("POST", path, `{"name":"Another","type":"inline-am-idp","configuration":`+inline+`,"id":"chosen"}`).status(http.StatusCreated)
	h.send("POST", path, `{"name":"none","type":"inline-am-idp"}`).status(400)
	h.send("POST", path, `{"name":"bad","type":"inline-am-idp","configuration":"{"}`).status(400)
	h.send("POST", path, `{"name":"odd","type":"odd-am-idp","configuration":"{}"}`).status(400)

	list := h.send("GET", path, "").status(http.StatusOK).array()
	var names []any
	for _, entry := range list {
		names = append(names, entry["name"])
		if entry["configuration"] != nil || entry["type"] == nil || entry["system"] == nil || entry["external"] == nil {
			t.Errorf("entry %v", entry)
		}
	}
	if diff := cmp.Diff([]any{"Another", "Default Identity Provider", "inline"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}

	read := h.send("GET", path+"/"+id, "").status(http.StatusOK)
	h.send("PUT", path+"/"+id, string(read.body)).status(http.StatusOK)
	h.send("PUT", path+"/"+id, `{"name":"inline","type":"mongo-am-idp","configuration":"{}"}`).status(400)

	app := h.application(domain, `{"name":"User","type":"SERVICE"}`)["id"].(string)
	h.send("PATCH", short+"/domains/"+domain+"/applications/"+app, `{"identityProviders":[{"identity":"`+id+`"}]}`).status(http.StatusOK)
	h.send("DELETE", path+"/"+id, "").refused(400, "You can't delete an identity provider with existing clients.")
	h.send("PATCH", short+"/domains/"+domain+"/applications/"+app, `{"identityProviders":[]}`).status(http.StatusOK)
	h.send("DELETE", path+"/"+id, "").status(http.StatusNoContent)
}

func TestScopes(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Scopes")
	path := short + "/domains/" + domain + "/scopes"
	made := h.send("POST", path, `{"key":"read  all","name":"Read","description":"Read all"}`).status(http.StatusCreated).tree()
	id := made["id"].(string)
	if made["key"] != "read_all" || made["discovery"] != false || made["parameterized"] != false {
		t.Errorf("made %v", made)
	}
	h.send("POST", path, `{"key":"read all","name":"Read","description":"x"}`).
		refused(400, "A scope [read_all] already exists for domain ["+domain+"]")
	h.send("POST", path, `{"key":"k","name":"n"}`).refused(400, "[description: must not be blank]", "description")
	h.send("POST", path, `{"key":"k","name":"n","description":"d","iconUri":"not a uri"}`).refused(400, "Icon uri claim is malformed : not a uri")
	put := h.send("PUT", path+"/"+id, `{"key":"other","name":"New","description":"new","discovery":null}`).status(http.StatusOK).tree()
	if put["key"] != "read_all" || put["name"] != "New" {
		t.Errorf("put %v", put)
	}
	h.send("PUT", path+"/"+id, `{"name":"New"}`).refused(400, "[description: must not be blank]", "description")
	if got := h.send("PATCH", path+"/"+id, `{}`).status(http.StatusOK).tree(); got["name"] != "New" {
		t.Errorf("an empty patch left %v", got)
	}
	openid := h.send("GET", path+"?q=openid", "").data()[0]["id"].(string)
	h.send("DELETE", path+"/"+openid, "").refused(400, "Scope ["+openid+"] is flag as system and cannot be deleted.")
	if got := len(h.send("GET", path+"?size=500", "").status(http.StatusOK).data()); got != 15 {
		t.Errorf("%d scopes", got)
	}
	h.send("DELETE", path+"/"+id, "").status(http.StatusNoContent)
}

func TestPagesOfScopesAreAtMostFifty(t *testing.T) {
	request := func(query string) *http.Request { return httptest.NewRequest("GET", "/management/domains"+query, nil) }
	if page, size, _, err := (&Mux{}).Page(request("?size=500"), 50); err != nil || page != 0 || size != 50 {
		t.Errorf("page %d of %d: %v", page, size, err)
	}
	if _, size, _, err := (&Mux{}).Page(request(""), 0); err != nil || size != 50 {
		t.Errorf("size %d: %v", size, err)
	}
	if _, size, _, err := (&Mux{}).Page(request("?size=5000"), 0); err != nil || size != 1000 {
		t.Errorf("size %d: %v", size, err)
	}
}

func TestCertificates(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Keys")
	path := short + "/domains/" + domain + "/certificates"
	made := h.send("POST", path, `{"name":"ec","type":"generated-am-certificate","configuration":"{\"algorithm\":\"ES256\",\"alias\":\"ec-1\"}"}`).
		status(http.StatusCreated).tree()
	if made["kid"] != "ec-1" || made["algorithm"] != "ES256" {
		t.Errorf("made %v", made)
	}
	h.send("POST", path, `{"name":"again","type":"generated-am-certificate","configuration":{"algorithm":"ES256","alias":"ec-1"}}`).status(http.StatusConflict)
	id := made["id"].(string)
	app := h.application(domain, `{"name":"Signer","type":"SERVICE"}`)["id"].(string)
	h.send("PATCH", short+"/domains/"+domain+"/applications/"+app, `{"certificate":"`+id+`"}`).status(http.StatusOK)
	h.send("DELETE", path+"/"+id, "").refused(400, "You can't delete a certificate with existing applications.")
	h.send("PATCH", short+"/domains/"+domain+"/applications/"+app, `{"certificate":null}`).status(http.StatusOK)
	h.send("DELETE", path+"/"+id, "").status(http.StatusNoContent)
}
