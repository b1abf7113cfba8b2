package registration_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

const whole = `{"redirect_uris":["https://client.example/cb"],"client_name":"Shop","contacts":["ann"],"application_type":"native",
	"grant_types":["authorization_code","refresh_token"],"logo_uri":"https://client.example/l.png","scope":"openid email","require_auth_time":true}`

func own(made answer) string { return "/acme/oidc/register/" + made.field("client_id") }

// change sends a body for a client with its token, and returns what came back; its token is the current one after that.
func (rg *rig) change(method string, made answer, body string) answer {
	rg.Helper()
	got := rg.do(method, own(made), body, bearer(made.field("registration_access_token"))...)
	if got.status == 200 {
		made.body["registration_access_token"] = got.body["registration_access_token"]
	}
	return got
}

func TestPatchHasThreeStates(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(whole)
	got := rg.change("PATCH", made, `{"client_name":"Store","contacts":null,"tos_uri":"https://client.example/t"}`)
	if got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	want := map[string]any{}
	for name, v := range made.body {
		want[name] = v
	}
	delete(want, "client_secret")
	delete(want, "contacts")
	want["client_name"], want["tos_uri"] = "Store", "https://client.example/t"
	want["authorization_signed_response_alg"] = got.body["authorization_signed_response_alg"]
	if got.body["authorization_signed_response_alg"] == nil {
		delete(want, "authorization_signed_response_alg")
	}
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if at := rg.management.updated; at.GetRegistrationEndpoint() != endpoint || at.GetIssuer() != "https://gate.example/acme/oidc" || at.GetCaller() != "" {
		t.Errorf("management was asked %v", at)
	}
}

func TestPutOverwrites(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(whole)
	first := made.field("registration_access_token")
	got := rg.change("PUT", made, `{"client_id":"`+made.field("client_id")+`","client_secret":"`+made.field("client_secret")+`",
		"redirect_uris":["https://client.example/new"],"registration_access_token":"x","registration_client_uri":"y","client_id_issued_at":1}`)
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	for name, want := range map[string]any{
		"client_name": "Unknown Client", "application_type": "web", "grant_types": []any{"authorization_code"}, "response_types": []any{"code"},
		"token_endpoint_auth_method": "client_secret_basic", "require_auth_time": false, "redirect_uris": []any{"https://client.example/new"},
		"contacts": nil, "logo_uri": nil, "scope": nil, "client_secret": nil, "client_id": made.body["client_id"], "created_at": made.body["created_at"],
		"registration_client_uri": made.body["registration_client_uri"],
	} {
		if diff := cmp.Diff(want, got.body[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if token := got.field("registration_access_token"); token == "" || token == first || token == "x" {
		t.Errorf("registration access token %q", token)
	}
	rg.refused(rg.change("PUT", made, `{}`), 400, oauth2.InvalidRedirectURI, "Missing or invalid redirect_uris.")
	rg.refused(rg.change("PUT", made, minimalWith(`"client_id":"another"`)), 400, oauth2.InvalidClientMetadata, "client_id is not that of the client")
	rg.refused(rg.change("PUT", made, minimalWith(`"client_secret":"guess"`)), 400, oauth2.InvalidClientMetadata, "client_secret is not that of the client")
	rg.refused(rg.change("PATCH", made, `{"client_id":"another"}`), 400, oauth2.InvalidClientMetadata, "client_id is not that of the client")
	rg.refused(rg.change("PATCH", made, ``), 400, oauth2.InvalidClientMetadata, "no content")
}

func minimalWith(member string) string {
	return strings.TrimSuffix(minimal, "}") + "," + member + "}"
}

// TestG4ARegistrationIsManagedByItsToken reads, changes, renews and deletes a registration with the token that it got, and
// each change ends the token before.
func TestG4ARegistrationIsManagedByItsToken(t *testing.T) {
	for _, admin := range []bool{false, true} {
		for _, request := range [][2]string{{"PUT", minimal}, {"PATCH", `{"client_name":"x"}`}, {"POST", ""}} {
			rg := newRig(t, open())
			made := rg.register(minimal)
			first := made.field("registration_access_token")
			header, path := bearer(first), own(made)
			if admin {
				header = bearer(rg.admin())
			}
			if request[0] == "POST" {
				path += "/renew_secret"
			}
			got := rg.do(request[0], path, request[1], header...)
			token := got.field("registration_access_token")
			if got.status != 200 || token == first || token == "" || got.field("registration_client_uri") != endpoint+"/"+made.field("client_id") {
				t.Fatalf("%v: %d %s", request, got.status, got.text)
			}
			if renewed := got.field("client_secret"); (renewed != "") != (request[0] == "POST") || renewed == made.field("client_secret") {
				t.Errorf("%v: secret %q", request, renewed)
			}
			for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
				rg.refused(rg.do(method, own(made), minimal, bearer(first)...), 403, oauth2.RegistrationForbidden, "Non matching registration_access_token")
			}
			rg.refused(rg.do("POST", own(made)+"/renew_secret", "", bearer(first)...), 403, oauth2.RegistrationForbidden, "Non matching registration_access_token")
			if read := rg.do("GET", own(made), "", bearer(token)...); read.status != 200 {
				t.Errorf("by the new token: %d %s", read.status, read.text)
			}
			rg.refused(rg.do("GET", own(made), "", bearer(token+"x")...), 401, oauth2.InvalidToken, "The access token is invalid")
			if gone := rg.do("DELETE", own(made), "", bearer(token)...); gone.status != 204 {
				t.Errorf("DELETE: %d %s", gone.status, gone.text)
			}
			rg.refused(rg.do("GET", own(made), "", bearer(token)...), 401, oauth2.InvalidToken, "The access token is invalid")
		}
	}
}

// TestATokenThatAnotherGatewayGave is good here before the stream says so.
func TestATokenThatAnotherGatewayGave(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(minimal)
	rg.management.mu.Lock()
	app := proto.CloneOf(rg.management.clients[made.field("client_id")])
	app.Settings.Oauth.ClientName = "Elsewhere"
	token := rg.management.store(app, "https://gate.example/acme/oidc")
	rg.management.mu.Unlock()
	if got := rg.do("GET", own(made), "", bearer(token)...); got.status != 200 || got.field("client_name") != "Elsewhere" {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// TestAChangeThatIsLateStartsAnew: what an administrator changed in between is not lost.
func TestAChangeThatIsLateStartsAnew(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(whole)
	rg.management.mu.Lock()
	app := rg.management.clients[made.field("client_id")]
	rg.management.revision++
	app.Revision, app.Settings.Oauth.PolicyUri = rg.management.revision, "https://client.example/p"
	rg.management.mu.Unlock()
	got := rg.change("PATCH", made, `{"client_name":"Store"}`)
	if got.status != 200 || got.field("policy_uri") != "https://client.example/p" || got.field("client_name") != "Store" {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestScopesOfAChange(t *testing.T) {
	settings := open()
	settings.AllowedScopesEnabled, settings.AllowedScopes, settings.DefaultScopes = true, &configv1.Strings{Values: []string{"openid", "email"}}, []string{"profile"}
	tests := []struct{ name, method, body, want string }{
		{"PATCH without scope keeps them, unfiltered", "PATCH", `{"client_name":"x"}`, "openid phone"},
		{"PATCH with scope filters", "PATCH", `{"scope":"email phone"}`, "email"},
		{"PATCH with scope null is the defaults", "PATCH", `{"scope":null}`, "profile"},
		{"PATCH that is filtered to nothing is the defaults", "PATCH", `{"scope":"phone"}`, "profile"},
		{"PUT without scope is the defaults", "PUT", minimal, "profile"},
		{"PUT with scope filters", "PUT", minimalWith(`"scope":"openid phone"`), "openid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := newRig(t, settings)
			made := rg.register(minimal)
			rg.management.mu.Lock()
			app := proto.CloneOf(rg.management.clients[made.field("client_id")])
			app.Settings.Oauth.ScopeSettings = []*configv1.ScopeSetting{{Scope: "openid", DefaultScope: true}, {Scope: "phone"}}
			made.body["registration_access_token"] = rg.management.store(app, "https://gate.example/acme/oidc")
			rg.management.mu.Unlock()
			got := rg.change(tt.method, made, tt.body)
			if got.status != 200 || got.field("scope") != tt.want {
				t.Errorf("%d, scope %q, want %q", got.status, got.field("scope"), tt.want)
			}
			for _, s := range rg.management.updated.GetApplication().GetSettings().GetOauth().GetScopeSettings() {
				if s.GetDefaultScope() != (s.GetScope() == "openid") {
					t.Errorf("scope %s: %v", s.GetScope(), s)
				}
			}
		})
	}
	rg := newRig(t, settings)
	made := rg.register(minimal)
	rg.management.mu.Lock()
	app := proto.CloneOf(rg.management.clients[made.field("client_id")])
	app.Settings.Oauth.ScopeSettings = nil
	made.body["registration_access_token"] = rg.management.store(app, "https://gate.example/acme/oidc")
	rg.management.mu.Unlock()
	if got := rg.change("PATCH", made, `{"client_name":"x"}`); got.field("scope") != "profile" {
		t.Errorf("a client that has none receives the defaults: %s", got.text)
	}
}

// TestG11NoRegistrationRaisesItself tries to get administrative scopes by every way that a client has.
func TestG11NoRegistrationRaisesItself(t *testing.T) {
	for _, scope := range []string{"dcr_admin", "scim", "consent_admin"} {
		rg := newRig(t, open())
		text := "scope " + scope + " is not valid."
		rg.refused(rg.register(minimalWith(`"scope":"`+scope+`"`)), 400, oauth2.InvalidClientMetadata, text)
		made := rg.register(minimal)
		rg.refused(rg.change("PATCH", made, `{"scope":"`+scope+`"}`), 400, oauth2.InvalidClientMetadata, text)
		rg.refused(rg.change("PUT", made, minimalWith(`"scope":"openid `+scope+`"`)), 400, oauth2.InvalidClientMetadata, text)
		given := rg.do("PATCH", own(made), `{"scope":"`+scope+`"}`, bearer(rg.admin())...)
		if given.status != 200 || rg.management.updated.GetCaller() != "admin" || rg.management.updated.GetRegistrationAccessTokenHash() != "" {
			t.Fatalf("by an administrator: %d %s", given.status, given.text)
		}
		made.body["registration_access_token"] = given.body["registration_access_token"]
		if kept := rg.change("PATCH", made, `{"scope":"`+scope+`","client_name":"x"}`); kept.status != 200 || kept.field("scope") != scope {
			t.Errorf("what an administrator gave is not kept: %d %s", kept.status, kept.text)
		}
	}
}

// TestAnAdministratorIsOneToday: a token that was made while the client had dcr_admin is worth nothing once it has not.
func TestAnAdministratorIsOneToday(t *testing.T) {
	rg := newRig(t, closed())
	header := bearer(rg.admin())
	made := rg.register(minimal, header...)
	if made.status != 201 || rg.management.last().GetCaller() != "admin" {
		t.Fatalf("%d %s", made.status, made.text)
	}
	rg.client("admin")
	const text = "Invalid access token scopes. The access token should have at least 'dcr_admin' scope"
	rg.refused(rg.register(minimal, header...), 403, oauth2.InsufficientScope, text)
	rg.refused(rg.do("DELETE", own(made), "", header...), 403, oauth2.InsufficientScope, text)
}

func TestStrictProfilesShowTheRegistrationToItsHolder(t *testing.T) {
	for _, strict := range []bool{false, true} {
		rg := newRig(t, open())
		if strict {
			d := proto.CloneOf(rg.set.Domain(acme).Settings)
			d.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: configv1.SecurityProfileSettings_OAUTH21}
			rg.push(d)
		}
		made := rg.register(minimal)
		token := made.field("registration_access_token")
		read := rg.do("GET", own(made), "", bearer(token)...)
		if shown := read.field("registration_access_token") == token && read.field("registration_client_uri") == made.field("registration_client_uri"); shown != strict {
			t.Errorf("strict %t: %s", strict, read.text)
		}
		by := rg.do("GET", own(made), "", bearer(rg.admin())...)
		if _, there := by.body["registration_access_token"]; there || by.status != 200 || by.body["registration_client_uri"] != nil || read.body["client_secret"] != nil {
			t.Errorf("strict %t, to an administrator: %s", strict, by.text)
		}
	}
}

func TestDefaultsFollowTheProfile(t *testing.T) {
	rg := newRig(t, open())
	d := proto.CloneOf(rg.set.Domain(acme).Settings)
	d.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: configv1.SecurityProfileSettings_FAPI2}
	rg.push(d)
	if made := rg.register(minimal); made.status != 201 || made.field("token_endpoint_auth_method") != "private_key_jwt" {
		t.Errorf("%d %s", made.status, made.text)
	}
}

func TestTemplates(t *testing.T) {
	rg := newRig(t, open())
	rg.refused(rg.do("GET", "/acme/oidc/register_templates", ""), 403, oauth2.RegistrationForbidden, "Not allowed to access to this resource.")
	settings := open()
	settings.ClientTemplateEnabled = true
	settings.AllowedScopesEnabled, settings.AllowedScopes, settings.DefaultScopes = true, &configv1.Strings{Values: []string{"openid"}}, []string{"profile"}
	rg = newRig(t, settings)
	template := func(id, name string) *configv1.Application {
		return &configv1.Application{
			Id: id, Domain: acme, Name: name, Template: true, Type: configv1.Application_WEB,
			Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{ClientId: "client-" + id}},
		}
	}
	if got := rg.do("GET", "/acme/oidc/register_templates", ""); got.status != 200 || got.text != "[]" {
		t.Errorf("%d %s", got.status, got.text)
	}
	first, second, gone := template("t1", "Web"), template("t2", "App"), template("t3", "Gone")
	rg.push(first, second, gone)
	gone.Template = false
	rg.push(gone)
	want := "[\n  {\n    \"description\": \"App\",\n    \"software_id\": \"t2\"\n  },\n  {\n    \"description\": \"Web\",\n    \"software_id\": \"t1\"\n  }\n]"
	if got := rg.do("GET", "/acme/oidc/register_templates", ""); got.status != 200 || got.text != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", got.status, got.text)
	}

	made := rg.register(`{"software_id":"t1","client_name":"Mine","contacts":null,"scope":"openid email"}`)
	asked := rg.management.last()
	o := asked.GetApplication().GetSettings().GetOauth()
	if made.status != 201 || asked.GetTemplate() != "t1" || !slices.Equal(asked.GetGiven(), []string{"client_name", "contacts", "scope", "software_id"}) ||
		o.GetTokenEndpointAuthMethod() != "" || len(o.GetGrantTypes()) != 0 || len(o.GetScopeSettings()) != 1 || o.GetScopeSettings()[0].GetScope() != "openid" {
		t.Errorf("%d, asked for %v", made.status, asked)
	}
	if rg.register(`{"software_id":"t1"}`); len(rg.management.last().GetApplication().GetSettings().GetOauth().GetScopeSettings()) != 0 {
		t.Errorf("scopes of a template are defaulted: %v", rg.management.last())
	}
	rg.refused(rg.register(`{"software_id":"t1","grant_types":[]}`), 400, oauth2.InvalidClientMetadata, "Missing or invalid grant type.")
	rg.refused(rg.register(`{"software_id":""}`), 400, oauth2.InvalidClientMetadata, "No template found for software_id ")
	if rg.register(minimalWith(`"software_id":null`)); rg.management.last().GetTemplate() != "" {
		t.Error("null is a template")
	}
	rg.refused(rg.do("GET", "/acme/oidc/register/client-t1", "", bearer(rg.admin())...), 404, oauth2.NotFound, "client not found")

	rg = newRig(t, open())
	if made := rg.register(minimalWith(`"software_id":"t1"`)); made.status != 201 || made.field("software_id") != "t1" || rg.management.last().GetTemplate() != "" {
		t.Errorf("where templates are off it is plain metadata: %d %s", made.status, made.text)
	}
}

func TestASecretThatIsRenewedWorksAtOnce(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(minimal)
	got := rg.do("POST", own(made)+"/renew_secret", "", bearer(made.field("registration_access_token"))...)
	c, err := rg.set.Domain(acme).Client(t.Context(), made.field("client_id"))
	if err != nil {
		t.Fatal(err)
	}
	for plain, want := range map[string]bool{got.field("client_secret"): true, made.field("client_secret"): false} {
		if ok, _ := secret.VerifyGenerated(c.Secrets[0].Hash, plain); ok != want {
			t.Errorf("a secret is good: %t", ok)
		}
	}
}

// TestG9ALoginThatOthersBeginIsKept: initiate_login_uri is kept and echoed, in the registration answer and by GET. A start of
// the application from a portal does not exist yet, so nothing else uses it.
func TestG9ALoginThatOthersBeginIsKept(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(minimalWith(`"initiate_login_uri":"https://client.example/login"`))
	read := rg.do("GET", own(made), "", bearer(made.field("registration_access_token"))...)
	for _, got := range []answer{made, read} {
		if got.field("initiate_login_uri") != "https://client.example/login" {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
	rg.refused(rg.register(minimalWith(`"initiate_login_uri":"http://client.example/login"`)), 400, oauth2.InvalidClientMetadata,
		"Scheme must be https for initiate_login_uri : http://client.example/login")
}
