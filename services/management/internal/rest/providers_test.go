package rest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// configured are good configurations of every type.
var configured = map[string]string{
	"inline-am-idp": `{"users":[{"firstname":"Ann","lastname":"Lee","username":"ann","password":"rosebud-inline"}]}`,
	"mongo-am-idp":  `{}`,
	"http-am-idp": `{"authenticationResource":{"baseURL":"https://people.example/{#login}","httpMethod":"POST",
		"httpHeaders":[{"name":"Content-Type","value":"application/json"},{"name":"X-Key","value":"rosebud-header"}],
		"httpBody":"{\"name\":\"{#login}\",\"password\":\"{#password}\"}",
		"httpResponseErrorConditions":[{"value":"response.status == 401","exception":"BadCredentials"}]}}`,
	"ldap-am-idp": `{"contextSourceUrl":"ldaps://dir.example:636","contextSourceBase":"dc=example,dc=com",
		"contextSourceUsername":"cn=reader,dc=example,dc=com","contextSourcePassword":"rosebud-ldap",
		"userSearchFilter":"(&(objectClass=person)(|(uid={0})(mail={0})))","groupSearchFilter":"member={0}"}`,
	"oauth2-generic-am-idp": `{"clientId":"c","clientSecret":"rosebud-oauth","wellKnownUri":"https://op.example/.well-known/openid-configuration","scopes":["openid"],"signature":"RSA_RS256"}`,
	"google-am-idp":         `{"clientId":"c","clientSecret":"rosebud-google"}`,
	"github-am-idp":         `{"clientId":"c","clientSecret":"rosebud-github","userAuthorizationUri":"https://ghe.example/login/oauth/authorize"}`,
	"azure-ad-am-idp":       `{"tenantId":"common","clientId":"c","clientSecret":"rosebud-azure"}`,
	"facebook-am-idp":       `{"clientId":"c","clientSecret":"rosebud-facebook"}`,
	"linkedin-am-idp":       `{"clientId":"c","clientSecret":"rosebud-linkedin"}`,
	"franceconnect-am-idp":  `{"clientId":"c","clientSecret":"rosebud-france","environment":"DEVELOPMENT"}`,
	"jdbc-am-idp":           `{"host":"db.example","protocol":"postgresql","database":"people","usersTable":"users","user":"reader","password":"rosebud-sql","options":[{"option":"key","value":"rosebud-option"}]}`,
	"saml2-generic-am-idp":  `{"entityId":"https://idp.example","signInUrl":"https://idp.example/sso"}`,
}

func TestEveryTypeOfProvider(t *testing.T) {
	h := newHouse(t)
	path := short + "/domains/" + h.domain("People") + "/identities"
	types := h.send("GET", "/management/platform/plugins/identities", "").status(http.StatusOK).array()
	if len(types) != len(configured) {
		t.Errorf("%d types, want %d", len(types), len(configured))
	}
	for _, kind := range types {
		id := kind["id"].(string)
		if kind["name"] == nil || kind["description"] == nil {
			t.Errorf("type %v", kind)
		}
		body := jsonText(t, map[string]any{"id": "p-" + id, "name": id, "type": id, "configuration": configured[id], "external": kind["external"]})
		made := h.send("POST", path, body).status(http.StatusCreated).tree()
		if made["external"] != kind["external"] || made["type"] != id {
			t.Errorf("%s: %v", id, made)
		}
		if waits := made["notices"] != nil; waits == kind["deployed"].(bool) {
			t.Errorf("%s: deployed %v, notices %v", id, kind["deployed"], made["notices"])
		}
		// What was read can be sent back, and nothing is lost.
		one := path + "/p-" + id
		read := h.send("GET", one, "").status(http.StatusOK)
		again := h.send("PUT", one, string(read.body)).status(http.StatusOK).tree()
		if diff := cmp.Diff(made["configuration"], again["configuration"]); diff != "" {
			t.Errorf("%s, sent back (-want +got):\n%s", id, diff)
		}
		external := jsonText(t, map[string]any{"name": id, "type": id, "configuration": configured[id], "external": true})
		if kind["external"] == false {
			h.send("POST", path, external).refused(400, "[true: must be false for a provider that checks names and passwords itself]", "external")
		}
		h.send("POST", path, body).refused(400, "Identity Provider [p-"+id+"] already exists.", "id")

		described := h.send("GET", "/management/platform/plugins/identities/"+id+"/schema", "").status(http.StatusOK).tree()
		if described["$schema"] != "https://json-schema.org/draft/2020-12/schema" || described["type"] != "object" || described["properties"] == nil {
			t.Errorf("%s: schema %v", id, described)
		}
		h.send("GET", "/management/platform/plugins/identities/"+id, "").status(http.StatusOK)
	}
	h.send("GET", "/management/platform/plugins/identities/odd/schema", "").refused(404, "Identity Provider Plugin [odd] can not be found.")
	if got := h.send("GET", "/management/platform/plugins/certificates", "").status(http.StatusOK).array(); len(got) != 4 || got[2]["id"] != "javakeystore-am-certificate" || got[2]["deployed"] != true {
		t.Errorf("types of certificate %v", got)
	}
	for _, where := range []string{string(h.dump()), h.log.String(), string(h.send("GET", path, "").body)} {
		if i := strings.Index(where, "rosebud"); i >= 0 {
			t.Errorf("a secret is kept or shown: %s", where[max(0, i-80):min(len(where), i+40)])
		}
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	h := newHouse(t)
	path := short + "/domains/" + h.domain("People") + "/identities"
	for _, tt := range []struct{ what, kind, patch, path, text string }{
		{"no URL", "http-am-idp", `{"authenticationResource":{"baseURL":null}}`, "authenticationResource.baseURL", "[baseURL: must not be blank]"},
		{"a relative URL", "http-am-idp", `{"authenticationResource":{"baseURL":"/check"}}`, "authenticationResource.baseURL", "[/check: must be an absolute URL]"},
		{"a host that people choose", "http-am-idp", `{"authenticationResource":{"baseURL":"https://{#login}.example/"}}`, "authenticationResource.baseURL", ""},
		{"JSON in which a value is not text", "http-am-idp", `{"authenticationResource":{"httpBody":"{\"name\": {#login}}"}}`, "authenticationResource.httpBody", ""},
		{"a body in which nothing can be escaped", "http-am-idp", `{"authenticationResource":{"httpBody":"{#login}","httpHeaders":[{"name":"content-type","value":"text/plain"}]}}`, "authenticationResource.httpBody", ""},
		{"an odd method", "http-am-idp", `{"authenticationResource":{"httpMethod":"TRACE"}}`, "authenticationResource.httpMethod", "[TRACE: must be one of GET, POST, PUT, PATCH, DELETE]"},
		{"a body that does not compile", "http-am-idp", `{"authenticationResource":{"httpBody":"{#nobody}"}}`, "authenticationResource.httpBody", ""},
		{"a condition that is no truth", "http-am-idp", `{"authenticationResource":{"httpResponseErrorConditions":[{"value":"1 + 1"}]}}`, "authenticationResource.httpResponseErrorConditions[0].value", ""},
		{"a header on two lines", "http-am-idp", `{"authenticationResource":{"httpHeaders":[{"name":"X","value":"a\nb"}]}}`, "authenticationResource.httpHeaders[0].value", "[value: must be one line]"},
		{"a negative time", "http-am-idp", `{"connectTimeout":-1}`, "connectTimeout", "[-1: must be from 0 to 3600000]"},
		{"another scheme", "ldap-am-idp", `{"contextSourceUrl":"https://x.example"}`, "contextSourceUrl", "[https://x.example: must have the scheme ldap or ldaps]"},
		{"no base", "ldap-am-idp", `{"contextSourceBase":null}`, "contextSourceBase", "[contextSourceBase: must not be blank]"},
		{"a base that is no DN", "ldap-am-idp", `{"contextSourceBase":"example.com"}`, "contextSourceBase", ""},
		{"a filter without the name", "ldap-am-idp", `{"userSearchFilter":"(uid=ann)"}`, "userSearchFilter", "[(uid=ann): must contain {0}, which stands for what is searched for]"},
		{"a filter that does not end", "ldap-am-idp", `{"userSearchFilter":"(&(uid={0})"}`, "userSearchFilter", ""},
		{"a user without a password", "ldap-am-idp", `{"contextSourcePassword":null}`, "contextSourcePassword", "[contextSourcePassword: must not be blank]"},
		{"TLS twice", "ldap-am-idp", `{"startTLS":true}`, "startTLS", ""},
		{"certificates that are none", "ldap-am-idp", `{"trustedCertificates":"x"}`, "trustedCertificates", "[trustedCertificates: must be certificates in PEM]"},
		{"no endpoints at all", "oauth2-generic-am-idp", `{"wellKnownUri":null}`, "userAuthorizationUri", ""},
		{"plain http", "oauth2-generic-am-idp", `{"wellKnownUri":"http://op.example/x"}`, "wellKnownUri", "[http://op.example/x: must have the scheme https]"},
		{"a secret that is missing", "oauth2-generic-am-idp", `{"clientSecret":null}`, "clientSecret", "[clientSecret: must not be blank]"},
		{"an odd response type", "oauth2-generic-am-idp", `{"responseType":"token"}`, "responseType", "[token: must be one of code]"},
		{"ID tokens without keys", "oauth2-generic-am-idp", `{"wellKnownUri":null,"userAuthorizationUri":"https://op.example/a","accessTokenUri":"https://op.example/t","useIdTokenForUserInfo":true}`, "useIdTokenForUserInfo", ""},
		{"a given key that is none", "oauth2-generic-am-idp", `{"publicKeyResolver":"GIVEN_KEY","resolverParameter":"sesame"}`, "resolverParameter", "[resolverParameter: must be a public key in PEM, as a JWK, or the base64 of its DER]"},
		{"a key for an HMAC", "oauth2-generic-am-idp", `{"signature":"HMAC_HS256","publicKeyResolver":"GIVEN_KEY","resolverParameter":"sesame"}`, "publicKeyResolver", ""},
		{"an HMAC without a secret", "oauth2-generic-am-idp", `{"signature":"HS256","clientAuthenticationMethod":"none","clientSecret":null}`, "clientSecret", ""},
		{"an odd scope", "oauth2-generic-am-idp", `{"scopes":["a b"]}`, "scopes[0]", ""},
		{"an odd algorithm", "oauth2-generic-am-idp", `{"signature":"none"}`, "signature", "[none: must be a JWS algorithm, such as RS256]"},
		{"an odd PKCE method", "google-am-idp", `{"codeChallengeMethod":"S512"}`, "codeChallengeMethod", "[S512: must be one of S256, plain]"},
		{"no client", "github-am-idp", `{"clientId":null}`, "clientId", "[clientId: must not be blank]"},
		{"an odd tenant", "azure-ad-am-idp", `{"tenantId":"a/b"}`, "tenantId", ""},
		{"an odd environment", "franceconnect-am-idp", `{"environment":"test"}`, "environment", "[test: must be one of DEVELOPMENT, PRODUCTION]"},
		{"an odd database", "jdbc-am-idp", `{"protocol":"oracle"}`, "protocol", ""},
		{"a port that is none", "jdbc-am-idp", `{"port":70000}`, "port", "[70000: must be from 0 to 65535]"},
		{"an unknown member", "google-am-idp", `{"clientID":"x"}`, "clientID", "Property [clientID] is not recognized as a valid property"},
	} {
		refused := h.send("POST", path, jsonText(t, map[string]any{
			"name": "x", "type": tt.kind, "configuration": merged(t, configured[tt.kind], tt.patch),
		})).status(400).tree()
		errors, _ := refused["errors"].([]any)
		if len(errors) == 0 || errors[0].(prototree.Object)["path"] != "configuration."+tt.path || tt.text != "" && refused["message"] != tt.text {
			t.Errorf("%s: %v", tt.what, refused)
		}
	}
	if n := len(h.send("GET", path, "").array()); n != 1 {
		t.Errorf("%d providers are left behind", n)
	}
}

// merged puts a patch into a configuration.
func merged(t *testing.T, configuration, patch string) map[string]any {
	t.Helper()
	var whole, change map[string]any
	if json.Unmarshal([]byte(configuration), &whole) != nil || json.Unmarshal([]byte(patch), &change) != nil {
		t.Fatalf("bad JSON: %s or %s", configuration, patch)
	}
	var merge func(into, from map[string]any)
	merge = func(into, from map[string]any) {
		for name, value := range from {
			inner, ok := value.(map[string]any)
			old, both := into[name].(map[string]any)
			switch {
			case ok && both:
				merge(old, inner)
			case value == nil:
				delete(into, name)
			default:
				into[name] = value
			}
		}
	}
	merge(whole, change)
	return whole
}

func TestMappers(t *testing.T) {
	h := newHouse(t)
	domain := short + "/domains/" + h.domain("People")
	role := h.send("POST", domain+"/roles", `{"name":"Staff"}`).status(http.StatusCreated).tree()["id"].(string)
	group := h.send("POST", domain+"/groups", `{"name":"North"}`).status(http.StatusCreated).tree()["id"].(string)
	body := func(more map[string]any) string {
		whole := map[string]any{"name": "G", "type": "google-am-idp", "configuration": configured["google-am-idp"]}
		for name, value := range more {
			whole[name] = value
		}
		return jsonText(t, whole)
	}
	one := domain + "/identities/" + h.send("POST", domain+"/identities", body(nil)).status(http.StatusCreated).tree()["id"].(string)
	put := h.send("PUT", one, body(map[string]any{
		"mappers":         map[string]any{"email": "mail", "name": "{#profile.given_name}"},
		"roleMapper":      map[string]any{role: []any{"department=sales", `{#profile.email.endsWith("@acme.example")}`}},
		"groupMapper":     map[string]any{group: []any{"region=north"}},
		"domainWhitelist": []any{"acme.example"},
	})).status(http.StatusOK).tree()
	if at(put, "roleMapper."+role) == nil || at(put, "groupMapper."+group) == nil || at(put, "mappers.email") != "mail" {
		t.Errorf("put %v", put)
	}
	h.send("PUT", one, body(map[string]any{"roleMapper": map[string]any{"nope": []any{"a=b"}}})).refused(400, "Role [nope] can not be found.", "roleMapper.nope")
	h.send("PUT", one, body(map[string]any{"groupMapper": map[string]any{"nope": []any{"a=b"}}})).refused(400, "Group [nope] can not be found.", "groupMapper.nope")
	h.send("PUT", one, body(map[string]any{"roleMapper": map[string]any{role: []any{"sales"}}})).
		refused(400, "[sales: must be name=value or an expression in {#…}]", "roleMapper."+role+"[0]")
	h.send("PUT", one, body(map[string]any{"mappers": map[string]any{"x": "{#nobody}"}})).status(400)
	h.send("PUT", one, body(map[string]any{"domainWhitelist": []any{"a@b"}})).refused(400, "[a@b: must be a domain name]", "domainWhitelist[0]")

	// What goes is taken out.
	h.send("DELETE", domain+"/roles/"+role, "").status(http.StatusNoContent)
	h.send("DELETE", domain+"/groups/"+group, "").status(http.StatusNoContent)
	left := h.send("GET", one, "").status(http.StatusOK).tree()
	if left["roleMapper"] != nil || left["groupMapper"] != nil || at(left, "mappers.email") != "mail" {
		t.Errorf("left %v", left)
	}
}
