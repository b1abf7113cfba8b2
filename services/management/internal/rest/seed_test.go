package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The management calls of the product's documentation, word for word.
func TestTheDocumentedCalls(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("Walk")

	app := h.send("POST", strings.ReplaceAll("/management/organizations/DEFAULT/environments/DEFAULT/domains/:domainId/applications", ":domainId", domain),
		`{"name":"My App", "type": "SERVICE"}`, header("Content-Type", "application/json;charset=UTF-8")).status(http.StatusCreated)
	tree := app.tree()
	if got, want := app.header.Get("Location"), long+"/domains/"+domain+"/applications/"+tree["id"].(string); got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	if tree["type"] != "service" || at(tree, "settings.oauth.clientSecret") == nil {
		t.Errorf("created %s", app.body)
	}

	registration := "/management/domains/" + domain
	tests := []struct {
		name, body string
		want       map[string]any
	}{
		{
			name: "dynamic client registration is enabled",
			body: `{ "oidc": {
        "clientRegistrationSettings": { 
            "isDynamicClientRegistrationEnabled": true,
            "isOpenDynamicClientRegistrationEnabled": false
      }}}`,
			want: map[string]any{"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": false},
		},
		{
			name: "allowed scopes are enabled",
			body: `{ "oidc": {
        "clientRegistrationSettings": { 
            "isAllowedScopesEnabled": true,
            "allowedScopes": ["your","scope","list","..."]
      }}}`,
			want: map[string]any{
				"isAllowedScopesEnabled": true, "allowedScopes": []any{"your", "scope", "list", "..."},
				"isDynamicClientRegistrationEnabled": true,
			},
		},
		{
			name: "default scopes are set",
			body: `{ "oidc": {
        "clientRegistrationSettings": { 
            "defaultScopes": ["your","scope","list","..."]
      }}}`,
			want: map[string]any{"defaultScopes": []any{"your", "scope", "list", "..."}, "isAllowedScopesEnabled": true},
		},
		{
			name: "all registrations get the same scopes",
			body: `{ "oidc": {
        "clientRegistrationSettings": { 
            "isAllowedScopesEnabled": true,
            "allowedScopes": [],
            "defaultScopes": ["your","scope","list","..."]
      }}}`,
			want: map[string]any{
				"isAllowedScopesEnabled": true, "allowedScopes": []any{}, "defaultScopes": []any{"your", "scope", "list", "..."},
			},
		},
		{
			name: "templates are enabled",
			body: `{ "oidc": {
        "clientRegistrationSettings": { 
            "isDynamicClientRegistrationEnabled": true,
            "isClientTemplateEnabled": true
      }}}`,
			want: map[string]any{"isDynamicClientRegistrationEnabled": true, "isClientTemplateEnabled": true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			patched := h.send("PATCH", registration, tt.body).status(http.StatusOK).tree()
			read := h.send("GET", registration, "").status(http.StatusOK).tree()
			for name, want := range tt.want {
				path := "oidc.clientRegistrationSettings." + name
				if diff := cmp.Diff(want, at(patched, path)); diff != "" {
					t.Errorf("%s in the answer (-want +got):\n%s", name, diff)
				}
				if diff := cmp.Diff(want, at(read, path)); diff != "" {
					t.Errorf("%s when read (-want +got):\n%s", name, diff)
				}
			}
		})
	}

	for _, id := range []string{at(tree, "settings.oauth.clientId").(string), tree["id"].(string)} {
		path := "/management/domains/" + domain + "/clients/" + id
		if got := h.send("PATCH", path, `{"template":true}`).status(http.StatusOK).tree(); got["template"] != true || got["id"] != tree["id"] {
			t.Errorf("PATCH %s: %v", path, got)
		}
		if got := h.send("GET", path, "").status(http.StatusOK).tree(); got["id"] != tree["id"] {
			t.Errorf("GET %s: %v", path, got)
		}
	}
}

func TestANewDomainOwnsWhatIsDocumented(t *testing.T) {
	h := newHouse(t)
	created := h.send("POST", long+"/domains/", `{"name":"Blue Sky","description":"first"}`).status(http.StatusCreated)
	d := created.tree()
	id := d["id"].(string)
	for name, want := range map[string]any{
		"hrid": "blue-sky", "path": "/blue-sky", "enabled": false, "version": "V2_0", "dataPlaneId": "default", "description": "first",
	} {
		if d[name] != want {
			t.Errorf("%s is %v, want %v", name, d[name], want)
		}
	}
	if got, want := created.header.Get("Location"), long+"/domains/"+id; got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	if got := h.send("GET", long+"/domains/_hrid/blue-sky", "").status(http.StatusOK).tree()["id"]; got != id {
		t.Errorf("by human-readable id: %v", got)
	}
	scopes := h.send("GET", long+"/domains/"+id+"/scopes?size=50", "").status(http.StatusOK)
	if got := len(scopes.data()); got != 14 {
		t.Errorf("%d scopes", got)
	}
	providers := h.send("GET", long+"/domains/"+id+"/identities", "").status(http.StatusOK).array()
	if len(providers) != 1 || providers[0]["id"] != "default-idp-"+id || providers[0]["type"] != "mongo-am-idp" {
		t.Errorf("providers %v", providers)
	}
	certificates := h.send("GET", long+"/domains/"+id+"/certificates", "").status(http.StatusOK).array()
	if len(certificates) != 1 || certificates[0]["system"] != true {
		t.Errorf("certificates %v", certificates)
	}
	entry := h.send("GET", short+"/domains/"+id+"/entrypoints", "").status(http.StatusOK).array()
	if len(entry) != 1 || entry[0]["url"] != "http://gateway.example:8092" || entry[0]["id"] == nil || entry[0]["name"] == nil {
		t.Errorf("entrypoints %v", entry)
	}
	environments := h.send("GET", "/management/organizations/DEFAULT/environments", "").status(http.StatusOK).array()
	if len(environments) != 1 || environments[0]["id"] != "DEFAULT" {
		t.Errorf("environments %v", environments)
	}
	h.send("DELETE", long+"/domains/"+id, "").status(http.StatusNoContent)
	h.send("GET", long+"/domains/"+id, "").refused(http.StatusNotFound, "Domain ["+id+"] can not be found.")
}
