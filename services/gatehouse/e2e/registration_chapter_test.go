package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// The commands of the documentation of dynamic client registration, as they are printed there, with their backslashes.
const (
	chapterEnable = `# enable Dynamic Client Registration
curl -X PATCH \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ "oidc": {
        "clientRegistrationSettings": { \
            "isDynamicClientRegistrationEnabled": true,
            "isOpenDynamicClientRegistrationEnabled": false
      }}}' \
  http://GRAVITEEIO-AM-MGT-API-HOST/management/domains/:domainId
`
	chapterToken = `#Request a token
curl -X POST \
  'http://GRAVITEEIO-AM-GATEWAY-HOST/:domain/oauth/token?grant_type=client_credentials&scope=dcr_admin&client_id=:clientId&client_secret=:clientSecret'
`
	chapterWeb = `# Register a new Relying Party (client)
curl -X POST \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ \
        "redirect_uris": ["https://myDomain/callback"], \
        "client_name": "my web application", \
        "grant_types": [ "authorization_code","refresh_token"], \
        "scope":"openid" \
      }' \
  http://GRAVITEEIO-AM-GATEWAY-HOST/::domain/oidc/register
`
	chapterSPA = `# Register a new Relying Party (client)
curl -X POST \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ \
        "redirect_uris": ["https://myDomain/callback"], \
        "client_name": "my single page application", \
        "grant_types": [ "implicit" ], \
        "response_types": [ "token" ], \
        "scope":"openid" \
      }' \
  http://GRAVITEEIO-AM-GATEWAY-HOST/::domain/oidc/register
`
	chapterServer = `# Register a new Relying Party (client)
curl -X POST \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ \
        "redirect_uris": [], \
        "application_type": "server", \
        "client_name": "my server application", \
        "grant_types": [ "client_credentials" ], \
        "response_types": [ ] \
      }' \
  http://GRAVITEEIO-AM-GATEWAY-HOST/::domain/oidc/register
`
	chapterMobile = `# Register a new Relying Party (client)
curl -X POST \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ \
        "redirect_uris": ["com.mycompany.app://callback"], \
        "application_type": "native", \
        "client_name": "my mobile application", \
        "grant_types": [ "authorization_code","refresh_token" ], \
        "response_types": [ "code" ] \
      }' \
  http://GRAVITEEIO-AM-GATEWAY-HOST/::domain/oidc/register
`
	chapterUpdate = `# Update a registered Relying Party (client)
curl -X PATCH \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ "client_name": "myNewApplicationName"}' \
  http://GRAVITEEIO-AM-GATEWAY-HOST/::domain/oidc/register/:client_id
`
	chapterRenew = `# Renew the client secret of a registered Relying Party (client)
curl -X POST \
  -H 'Authorization: Bearer :accessToken' \
  http://GRAVITEEIO-AM-GATEWAY-HOST/::domain/oidc/register/:client_id/renew_secret
`
	chapterAllowed = `# Enable Allowed Scopes feature.
curl -X PATCH \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ "oidc": {
        "clientRegistrationSettings": { \
            "isAllowedScopesEnabled": true,
            "allowedScopes": ['your','scope','list','...']
      }}}' \
  http://GRAVITEEIO-AM-MGT-API-HOST/management/domains/:domainId
`
	chapterDefault = `# Enable Default Scopes feature
curl -X PATCH \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ "oidc": {
        "clientRegistrationSettings": { \
            "defaultScopes": ['your','scope','list','...']
      }}}' \
  http://GRAVITEEIO-AM-MGT-API-HOST/management/domains/:domainId
`
	chapterForce = `# Force set of scopes on each client registration
curl -X PATCH \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ "oidc": {
        "clientRegistrationSettings": { \
            "isAllowedScopesEnabled": true,
            "allowedScopes": [],
            "defaultScopes": ['your','scope','list','...']
      }}}' \
  http://GRAVITEEIO-AM-MGT-API-HOST/management/domains/:domainId
`
	chapterTemplates = `# enable Dynamic Client Registration
curl -X PATCH \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ "oidc": {
        "clientRegistrationSettings": { \
            "isDynamicClientRegistrationEnabled": true,
            "isClientTemplateEnabled": true
      }}}' \
  http://GRAVITEEIO-AM-MGT-API-HOST/management/domains/:domainId
`
	chapterTemplate = `# enable Dynamic Client Registration
curl -X PATCH \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{"template":true}' \
  http://GRAVITEEIO-AM-MGT-API-HOST/management/domains/:domainId/clients/:clientId
`
	chapterCopy = `# Register a new Relying Party (client)
curl -X POST \
  -H 'Authorization: Bearer :accessToken' \
  -H 'Content-Type: application/json' \
  -d '{ \
        "software_id": "", \
        "redirect_uris": ["https://myDomain/callback"], \
        "client_name": "my single page application from a template" \
      }' \
  http://GRAVITEEIO-AM-GATEWAY-HOST/::domain/oidc/register
`
)

// reader runs the chapter's commands as somebody who replaces hosts and placeholders.
type reader struct {
	*site
	t     *testing.T
	g     *proc.Gatehouse
	shell *shell
	admin credentials
}

// run runs a command with further replacements, pairs of text and value, and returns the JSON that it prints.
func (r *reader) run(command string, more ...string) proc.Object {
	r.t.Helper()
	path := strings.TrimPrefix(r.base, r.g.GatewayURL)
	pairs := append(slices.Clone(more),
		"http://GRAVITEEIO-AM-MGT-API-HOST/management", r.g.ManagementURL,
		"http://GRAVITEEIO-AM-GATEWAY-HOST/::domain", r.g.GatewayURL+path,
		"http://GRAVITEEIO-AM-GATEWAY-HOST/:domain", r.g.GatewayURL+path,
		"['your','scope','list','...']", `["openid","profile"]`,
		":domainId", r.id, "curl ", "curl -s ")
	output := r.shell.run(r.t, strings.NewReplacer(pairs...).Replace(command))
	var answer proc.Object
	if err := json.Unmarshal([]byte(output), &answer); err != nil {
		r.t.Fatalf("%s\nprints %s", command, output)
	}
	r.settle()
	return answer
}

// manage runs a command of the management API.
func (r *reader) manage(command string, more ...string) proc.Object {
	r.t.Helper()
	token := r.shell.run(r.t, `curl -s -X POST -u admin:adminadmin `+r.g.ManagementURL+`/auth/token | sed 's/.*"access_token":"\([^"]*\)".*/\1/'`)
	return r.run(command, append(more, ":accessToken", strings.TrimSpace(token))...)
}

// token runs the documented line for an access token.
func (r *reader) token() string {
	r.t.Helper()
	return r.run(chapterToken, ":clientId", r.admin.id, ":clientSecret", r.admin.secret).Text("access_token")
}

// TestTheRegistrationChapter runs every command of the chapter in its order, and holds each of its notes.
func TestTheRegistrationChapter(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	r := &reader{site: newSite(t, g, "chapter"), t: t, g: g, shell: newShell(t)}
	r.bob()
	r.admin = r.service("dcr_admin")
	r.patch("/applications/"+r.admin.app, proc.Object{"settings": proc.Object{"oauth": proc.Object{"tokenEndpointAuthMethod": "client_secret_post"}}})
	r.settle()
	endpoint := r.base + "/oidc/register"
	send := (&registrar{site: r.site, t: t, endpoint: endpoint}).send
	settings := func(answer proc.Object, name string) any {
		return answer.At("oidc", "clientRegistrationSettings", name)
	}
	minimal := proc.Object{"redirect_uris": []string{"https://myDomain/callback"}}

	t.Run("by default the feature is disabled", func(t *testing.T) {
		if answer := send("POST", endpoint, "", minimal); answer.Status != http.StatusForbidden || answer.JSON().Text("error") != "registration_forbidden" {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
		domain := r.api.Do("GET", r.path(""), nil)
		for _, name := range []string{"isDynamicClientRegistrationEnabled", "isOpenDynamicClientRegistrationEnabled", "isClientTemplateEnabled", "isAllowedScopesEnabled"} {
			if settings(domain, name) != false {
				t.Errorf("%s is %v", name, settings(domain, name))
			}
		}
	})
	t.Run("open registration is off where only dynamic registration was switched on", func(t *testing.T) {
		r.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{"isDynamicClientRegistrationEnabled": true}}})
		r.settle()
		if answer := send("POST", endpoint, "", minimal); answer.Status != http.StatusUnauthorized || answer.JSON().Text("error") != "invalid_token" {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
	})
	t.Run("it is enabled with the API", func(t *testing.T) {
		r.t = t
		answer := r.manage(chapterEnable)
		if settings(answer, "isDynamicClientRegistrationEnabled") != true || settings(answer, "isOpenDynamicClientRegistrationEnabled") != false {
			t.Errorf("%v", answer["oidc"])
		}
	})
	t.Run("unauthenticated requests register nobody unless registration is open", func(t *testing.T) {
		if answer := send("POST", endpoint, "", minimal); answer.Status != http.StatusUnauthorized {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
	})
	t.Run("they register clients once it is", func(t *testing.T) {
		r.registration(true, true)
		r.settle()
		if answer := send("POST", endpoint, "", minimal); answer.Status != http.StatusCreated {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
		r.registration(true, false)
		r.settle()
		if answer := send("POST", endpoint, "", minimal); answer.Status != http.StatusUnauthorized {
			t.Errorf("closed again: %d %s", answer.Status, answer.Text)
		}
	})
	r.t = t
	access := r.token()
	if access == "" {
		t.Fatal("no access token")
	}
	discovery := request(t, "GET", r.issuer+"/.well-known/openid-configuration", "", nil).JSON()
	t.Run("the endpoint is in the discovery document", func(t *testing.T) {
		if discovery.Text("registration_endpoint") != endpoint {
			t.Errorf("registration_endpoint %v", discovery["registration_endpoint"])
		}
	})
	t.Run("only redirect_uris is mandatory", func(t *testing.T) {
		if answer := send("POST", endpoint, access, minimal); answer.Status != http.StatusCreated {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
		if answer := send("POST", endpoint, access, proc.Object{"client_name": "my web application"}); answer.Status != http.StatusBadRequest || answer.JSON().Text("error") != "invalid_redirect_uri" {
			t.Errorf("without it: %d %s", answer.Status, answer.Text)
		}
	})
	var web proc.Object
	t.Run("a web application", func(t *testing.T) {
		r.t = t
		web = r.run(chapterWeb, ":accessToken", access)
		t.Run("the answer has identifier, secret, and the way to manage it", func(t *testing.T) {
			for _, name := range []string{"client_id", "client_secret", "registration_access_token", "registration_client_uri"} {
				if web.Text(name) == "" {
					t.Errorf("no %s", name)
				}
			}
		})
		t.Run("response_types is not required: the default is code", func(t *testing.T) {
			if !same(web["response_types"], []string{"code"}) || web.Text("scope") != "openid" || web.Text("client_name") != "my web application" {
				t.Errorf("%v", web)
			}
		})
	})
	t.Run("a single page application", func(t *testing.T) {
		r.t = t
		spa := r.run(chapterSPA, ":accessToken", access)
		if !same(spa["grant_types"], []string{"implicit"}) || !same(spa["response_types"], []string{"token"}) {
			t.Errorf("%v", spa)
		}
	})
	t.Run("response_types must be token in order to override the default", func(t *testing.T) {
		answer := send("POST", endpoint, access, proc.Object{"redirect_uris": []string{"https://myDomain/callback"}, "grant_types": []string{"implicit"}})
		made := answer.JSON()
		if answer.Status != http.StatusCreated || !same(made["response_types"], []string{"code"}) || !same(made["grant_types"], []string{"authorization_code"}) {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
		stored := send("GET", endpoint+"/"+made.Text("client_id"), access, nil).JSON()
		if !same(stored["response_types"], made["response_types"]) || !same(stored["grant_types"], made["grant_types"]) {
			t.Errorf("stored is %v", stored)
		}
	})
	t.Run("redirect URIs are forced for implicit grants", func(t *testing.T) {
		answer := send("POST", endpoint, access, proc.Object{"redirect_uris": []string{}, "grant_types": []string{"implicit"}, "response_types": []string{"token"}})
		if answer.Status != http.StatusBadRequest || answer.JSON().Text("error") != "invalid_redirect_uri" {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
	})
	t.Run("a server application", func(t *testing.T) {
		r.t = t
		server := r.run(chapterServer, ":accessToken", access)
		if server.Text("application_type") != "server" || !same(server["grant_types"], []string{"client_credentials"}) {
			t.Errorf("%v", server)
		}
		got := r.post(t, "/oauth/token", credentials{id: server.Text("client_id"), secret: server.Text("client_secret")}, url.Values{"grant_type": {"client_credentials"}})
		if got.Status != http.StatusOK {
			t.Errorf("a token: %d %s", got.Status, got.Text)
		}
	})
	t.Run("response_types and redirect_uris must be set as empty arrays", func(t *testing.T) {
		answer := send("POST", endpoint, access, proc.Object{"grant_types": []string{"client_credentials"}, "response_types": []string{}})
		if answer.Status != http.StatusBadRequest || answer.JSON().Text("error") != "invalid_redirect_uri" {
			t.Errorf("without redirect_uris: %d %s", answer.Status, answer.Text)
		}
		answer = send("POST", endpoint, access, proc.Object{"redirect_uris": []string{"https://myDomain/callback"}, "grant_types": []string{"client_credentials"}})
		if grants, _ := answer.JSON()["grant_types"].([]any); !same(answer.JSON()["response_types"], []string{"code"}) || !slices.Contains(grants, any("authorization_code")) {
			t.Errorf("without response_types the default stays: %d %s", answer.Status, answer.Text)
		}
	})
	t.Run("a mobile application", func(t *testing.T) {
		r.t = t
		mobile := r.run(chapterMobile, ":accessToken", access)
		if mobile.Text("application_type") != "native" || !same(mobile["redirect_uris"], []string{"com.mycompany.app://callback"}) {
			t.Errorf("%v", mobile)
		}
		t.Run("it proves with PKCE that it asked", func(t *testing.T) {
			asked := request(t, "GET", r.base+"/oauth/authorize?"+url.Values{
				"client_id": {mobile.Text("client_id")}, "response_type": {"code"}, "redirect_uri": {"com.mycompany.app://callback"}, "scope": {"openid"},
				"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
			}.Encode(), "", nil)
			if to := asked.Header.Get("Location"); asked.Status != http.StatusFound || !strings.HasPrefix(to, r.base+"/login?") {
				t.Errorf("%d to %s", asked.Status, to)
			}
		})
	})
	t.Run("the registration access token has the scope dcr", func(t *testing.T) {
		if got := claimOf(t, web.Text("registration_access_token"), "scope"); got != "dcr" {
			t.Errorf("scope %v", got)
		}
	})
	t.Run("the client reads itself with its registration access token", func(t *testing.T) {
		if answer := send("GET", web.Text("registration_client_uri"), web.Text("registration_access_token"), nil); answer.Status != http.StatusOK || answer.JSON().Text("client_id") != web.Text("client_id") {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
		if answer := send("GET", web.Text("registration_client_uri"), "", nil); answer.Status != http.StatusUnauthorized {
			t.Errorf("without it: %d %s", answer.Status, answer.Text)
		}
	})
	var updated proc.Object
	t.Run("the client updates itself with its registration access token", func(t *testing.T) {
		r.t = t
		updated = r.run(chapterUpdate, ":accessToken", web.Text("registration_access_token"), ":client_id", web.Text("client_id"))
		if updated.Text("client_name") != "myNewApplicationName" {
			t.Errorf("%v", updated)
		}
	})
	t.Run("PATCH is a partial update", func(t *testing.T) {
		if !same(updated["grant_types"], web["grant_types"]) || updated.Text("scope") != "openid" {
			t.Errorf("%v", updated)
		}
	})
	t.Run("each update gives a new registration access token and revokes the previous one", func(t *testing.T) {
		if updated.Text("registration_access_token") == "" || updated.Text("registration_access_token") == web.Text("registration_access_token") {
			t.Error("it is the old one, or none")
		}
		if answer := send("GET", web.Text("registration_client_uri"), web.Text("registration_access_token"), nil); answer.Status != http.StatusForbidden {
			t.Errorf("the old one: %d %s", answer.Status, answer.Text)
		}
	})
	t.Run("PUT is a full overwrite", func(t *testing.T) {
		answer := send("PUT", web.Text("registration_client_uri"), updated.Text("registration_access_token"), minimal)
		if updated = answer.JSON(); answer.Status != http.StatusOK || updated.Text("client_name") != "Unknown Client" || !same(updated["grant_types"], []string{"authorization_code"}) {
			t.Errorf("%d %s", answer.Status, answer.Text)
		}
	})
	t.Run("the scope dcr can not be obtained", func(t *testing.T) {
		carrier := r.service("dcr", "email")
		r.patch("/applications/"+carrier.app, proc.Object{"settings": proc.Object{"oauth": proc.Object{"scopeSettings": []proc.Object{
			{"scope": "dcr", "defaultScope": true}, {"scope": "email", "defaultScope": true},
		}}}})
		r.settle()
		got := r.post(t, "/oauth/token", carrier, url.Values{"grant_type": {"client_credentials"}, "scope": {"dcr"}})
		if got.Status != http.StatusBadRequest || got.JSON().Text("error") != "invalid_scope" || got.JSON().Text("error_description") != "Invalid scope(s): dcr" {
			t.Errorf("asked for: %d %s", got.Status, got.Text)
		}
		got = r.post(t, "/oauth/token", carrier, url.Values{"grant_type": {"client_credentials"}})
		if got.Status != http.StatusOK || got.JSON().Text("scope") != "email" {
			t.Errorf("by default: %d %s", got.Status, got.Text)
		}
	})
	t.Run("the secret is renewed without a body, at the address that discovery tells", func(t *testing.T) {
		r.t = t
		if discovery.Text("registration_renew_secret_endpoint") != endpoint+"/:client_id/renew_secret" {
			t.Errorf("discovery says %v", discovery["registration_renew_secret_endpoint"])
		}
		renewed := r.run(chapterRenew, ":accessToken", updated.Text("registration_access_token"), ":client_id", web.Text("client_id"))
		if renewed.Text("client_secret") == "" || renewed.Text("client_secret") == web.Text("client_secret") ||
			renewed.Text("registration_access_token") == updated.Text("registration_access_token") {
			t.Errorf("%v", renewed)
		}
	})
	t.Run("dcr_admin grants to create, read, update and delete any client", func(t *testing.T) {
		byHand := r.application(proc.Object{"name": "by hand", "type": "WEB", "redirectUris": []string{"https://hand.example/cb"}}, nil)
		r.settle()
		registered := send("POST", endpoint, access, minimal).JSON()
		for _, id := range []string{registered.Text("client_id"), byHand.id} {
			for _, tt := range []struct {
				method string
				body   any
				want   int
			}{
				{"GET", nil, http.StatusOK},
				{"PUT", minimal, http.StatusOK},
				{"PATCH", proc.Object{"client_name": "theirs"}, http.StatusOK},
				{"DELETE", nil, http.StatusNoContent},
				{"GET", nil, http.StatusNotFound},
			} {
				if answer := send(tt.method, endpoint+"/"+id, access, tt.body); answer.Status != tt.want {
					t.Errorf("%s %s: %d %s", tt.method, id, answer.Status, answer.Text)
				}
			}
		}
	})
	t.Run("the client deletes itself with its registration access token", func(t *testing.T) {
		made := send("POST", endpoint, access, minimal).JSON()
		for _, want := range []int{http.StatusNoContent, http.StatusUnauthorized} {
			if answer := send("DELETE", made.Text("registration_client_uri"), made.Text("registration_access_token"), nil); answer.Status != want {
				t.Errorf("%d %s, want %d", answer.Status, answer.Text, want)
			}
		}
	})
	scopeOf := func(t *testing.T, scope string) string {
		t.Helper()
		body := proc.Object{"redirect_uris": []string{"https://myDomain/callback"}}
		if scope != "" {
			body["scope"] = scope
		}
		answer := send("POST", endpoint, access, body)
		if answer.Status != http.StatusCreated {
			t.Fatalf("%d %s", answer.Status, answer.Text)
		}
		return answer.JSON().Text("scope")
	}
	t.Run("by default no scope restrictions are applied", func(t *testing.T) {
		if got := scopeOf(t, "openid email"); got != "openid email" {
			t.Errorf("scope %q", got)
		}
	})
	t.Run("allowed scopes", func(t *testing.T) {
		r.t = t
		if answer := r.manage(chapterAllowed); !same(settings(answer, "allowedScopes"), []string{"openid", "profile"}) {
			t.Errorf("%v", answer["oidc"])
		}
		if got := scopeOf(t, "openid email"); got != "openid" {
			t.Errorf("scope %q", got)
		}
	})
	t.Run("default scopes", func(t *testing.T) {
		r.t = t
		r.manage(chapterDefault)
		if got := scopeOf(t, ""); got != "openid profile" {
			t.Errorf("scope %q", got)
		}
	})
	t.Run("an empty list removes all requested scopes, and the default ones are applied", func(t *testing.T) {
		r.t = t
		r.manage(chapterForce)
		if got := scopeOf(t, "email"); got != "openid profile" {
			t.Errorf("scope %q", got)
		}
	})
	t.Run("templates", func(t *testing.T) {
		r.t = t
		if at := discoveryOf(t, r)["registration_templates_endpoint"]; at != nil {
			t.Errorf("templates are off, and listed at %v", at)
		}
		r.manage(chapterTemplates)
		template := r.application(
			proc.Object{"name": "Pattern", "type": "BROWSER", "redirectUris": []string{"https://pattern.example/cb"}},
			proc.Object{"settings": proc.Object{"oauth": proc.Object{"grantTypes": []string{"implicit"}, "responseTypes": []string{"token"}}}})
		if answer := r.manage(chapterTemplate, ":clientId", template.id); answer["template"] != true {
			t.Errorf("%v", answer)
		}
		t.Run("a template can no longer be used for authentication", func(t *testing.T) {
			got := request(t, "GET", r.base+"/oauth/authorize?"+url.Values{
				"client_id": {template.id}, "response_type": {"token"}, "redirect_uri": {"https://pattern.example/cb"},
			}.Encode(), "", nil)
			if to := got.Header.Get("Location"); strings.Contains(to, "/login") || got.Status == http.StatusOK {
				t.Errorf("%d to %s", got.Status, to)
			}
			for _, c := range []credentials{template, {id: template.id}} {
				asked := r.post(t, "/oauth/token", c, url.Values{"grant_type": {"client_credentials"}, "client_id": {template.id}})
				if asked.Status != http.StatusUnauthorized || asked.JSON().Text("error") != "invalid_client" {
					t.Errorf("at the token endpoint: %d %s", asked.Status, asked.Text)
				}
			}
			if answer := send("GET", endpoint+"/"+template.id, access, nil); answer.Status != http.StatusNotFound {
				t.Errorf("at the registration endpoint: %d %s", answer.Status, answer.Text)
			}
		})
		t.Run("templates are listed where discovery says", func(t *testing.T) {
			got := request(t, "GET", discoveryOf(t, r).Text("registration_templates_endpoint"), "", nil)
			if got.Status != http.StatusOK || !strings.Contains(got.Text, template.app) || !strings.Contains(got.Text, "Pattern") {
				t.Errorf("%d %s", got.Status, got.Text)
			}
		})
		r.patch("/applications/"+template.app, proc.Object{"identityProviders": []proc.Object{{"identity": "default-idp-" + r.id}}})
		r.api.Do("POST", r.path("/applications/"+template.app+"/forms"), proc.Object{"template": "login", "enabled": true, "content": `<p id="pattern">hello</p>`})
		r.api.Do("POST", r.path("/applications/"+template.app+"/emails"), proc.Object{
			"template": "reset_password", "enabled": true, "from": "us@people.example", "subject": "of the pattern", "content": "c", "expiresAfter": 60,
		})
		r.settle()
		copied := r.run(chapterCopy, ":accessToken", access, `"software_id": ""`, `"software_id": "`+template.app+`"`)
		if copied.Text("client_name") != "my single page application from a template" || !same(copied["grant_types"], []string{"implicit"}) {
			t.Errorf("%v", copied)
		}
		t.Run("identity providers, forms and e-mails are the template's", func(t *testing.T) {
			app := "/applications/" + copied.Text("id")
			if list, _ := r.api.Do("GET", r.path(app), nil)["identityProviders"].([]any); len(list) != 1 || proc.Object(list[0].(map[string]any)).Text("identity") != "default-idp-"+r.id {
				t.Errorf("identity providers %v", list)
			}
			if mail := r.api.Do("GET", r.path(app+"/emails?template=RESET_PASSWORD"), nil); mail.Text("subject") != "of the pattern" {
				t.Errorf("e-mail %v", mail)
			}
			page := request(t, "GET", r.base+"/login?"+url.Values{
				"client_id": {copied.Text("client_id")}, "response_type": {"token"}, "redirect_uri": {"https://myDomain/callback"},
			}.Encode(), "", nil)
			if !strings.Contains(page.Text, `id="pattern"`) {
				t.Errorf("login page: %d %s", page.Status, page.Text)
			}
		})
		t.Run("secret and redirect URIs are not copied", func(t *testing.T) {
			if !same(copied["redirect_uris"], []string{"https://myDomain/callback"}) || copied.Text("client_secret") == template.secret || copied.Text("client_id") == template.id {
				t.Errorf("%v", copied)
			}
			answer := send("POST", endpoint, access, proc.Object{"software_id": template.app})
			if answer.Status != http.StatusBadRequest || answer.JSON().Text("error") != "invalid_redirect_uri" {
				t.Errorf("without redirect URIs: %d %s", answer.Status, answer.Text)
			}
		})
		t.Run("it is listed with its template, and differs once somebody changes either", func(t *testing.T) {
			list := func() proc.Object { return r.api.Do("GET", r.path("/registrations?template="+template.app), nil) }
			if first, _ := list()["data"].([]any); len(first) != 1 || first[0].(map[string]any)["differs"] != false {
				t.Errorf("%v", list())
			}
			r.patch("/applications/"+template.app, proc.Object{"settings": proc.Object{"oauth": proc.Object{"accessTokenValiditySeconds": 60}}})
			if first, _ := list()["data"].([]any); len(first) != 1 || first[0].(map[string]any)["differs"] != true {
				t.Errorf("%v", list())
			}
			told := r.api.Do("GET", r.path("/applications/"+copied.Text("id")+"/template-difference"), nil)
			entries, _ := told["differences"].([]any)
			if told["differs"] != true || len(entries) != 1 || entries[0].(map[string]any)["path"] != "settings.oauth.accessTokenValiditySeconds" {
				t.Errorf("%v", told)
			}
		})
	})
}

// claimOf reads a claim of a JWT, without verifying it.
func claimOf(t *testing.T, token, name string) any {
	t.Helper()
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var claims map[string]any
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatalf("%v in %q", err, token)
	}
	return claims[name]
}

func discoveryOf(t *testing.T, r *reader) proc.Object {
	t.Helper()
	return request(t, "GET", r.issuer+"/.well-known/openid-configuration", "", nil).JSON()
}

// TestOperatorsLookAfterRegistrations: initial access tokens and approval over REST, with a client that registers at the gateway.
func TestOperatorsLookAfterRegistrations(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "desk")
	s.registration(true, false)
	s.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{"isApprovalRequired": true}}})
	s.settle()
	endpoint := s.base + "/oidc/register"
	send := (&registrar{site: s, t: t, endpoint: endpoint}).send
	minimal := proc.Object{"redirect_uris": []string{"https://client.example/cb"}, "grant_types": []string{"client_credentials"}, "response_types": []string{}}
	made := s.api.Do("POST", s.path("/registration-tokens"), proc.Object{"name": "Partner", "quota": 2})
	token, item := made.Text("token"), "/registration-tokens/"+made.Text("id")
	if token == "" || made.Text("status") != "active" {
		t.Fatalf("%v", made)
	}
	register := func() proc.Object {
		t.Helper()
		answer := send("POST", endpoint, token, minimal)
		if answer.Status != http.StatusCreated || answer.JSON()["enabled"] != false {
			t.Fatalf("%d %s", answer.Status, answer.Text)
		}
		return answer.JSON()
	}
	first, second := register(), register()
	if answer := send("POST", endpoint, token, minimal); answer.Status != http.StatusUnauthorized || answer.JSON().Text("error") != "invalid_token" {
		t.Errorf("one too many: %d %s", answer.Status, answer.Text)
	}
	read := s.api.Do("GET", s.path(item), nil)
	if read["token"] != nil || read["used"] != float64(2) || read.Text("status") != "exhausted" || read["lastUsedAt"] == nil {
		t.Errorf("%v", read)
	}
	asks := func(c proc.Object) string {
		return s.post(t, "/oauth/token", credentials{id: c.Text("client_id"), secret: c.Text("client_secret")}, url.Values{"grant_type": {"client_credentials"}}).JSON().Text("error")
	}
	if got := asks(first); got != "invalid_client" {
		t.Errorf("before it is accepted: %q", got)
	}
	pending := s.api.Do("GET", s.path("/registrations?status=pending"), nil)
	if pending["totalCount"] != float64(2) {
		t.Errorf("%v", pending)
	}
	if got := s.api.Do("POST", s.path("/registrations/"+first.Text("id")+"/_accept"), nil); got["enabled"] != true {
		t.Errorf("%v", got)
	}
	s.api.Do("POST", s.path("/registrations/"+second.Text("id")+"/_reject"), nil)
	s.settle()
	if got := asks(first); got != "" {
		t.Errorf("accepted: %q", got)
	}
	if answer := send("GET", second.Text("registration_client_uri"), second.Text("registration_access_token"), nil); answer.Status != http.StatusUnauthorized {
		t.Errorf("rejected: %d %s", answer.Status, answer.Text)
	}
	s.api.Do("DELETE", s.path(item), nil)
	if list := s.api.Do("GET", s.path("/registration-tokens"), nil); list["totalCount"] != float64(0) {
		t.Errorf("%v", list)
	}
}
