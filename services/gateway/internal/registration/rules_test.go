package registration_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestRules(t *testing.T) {
	const uris = `"redirect_uris":["https://client.example/cb"],`
	const badGrant, badResponse = "Missing or invalid grant type.", "Invalid response type."
	tests := []struct {
		name, body  string
		code        oauth2.Code
		description string
	}{
		{"no redirect_uris", `{}`, oauth2.InvalidRedirectURI, "Missing or invalid redirect_uris."},
		{"no redirect_uris goes before everything else", `{"grant_types":[],"response_types":["x"]}`,
			oauth2.InvalidRedirectURI, "Missing or invalid redirect_uris."},
		{"redirect_uris null counts as present", `{"redirect_uris":null}`, "", ""},
		{"no grant types", `{` + uris + `"grant_types":[]}`, oauth2.InvalidClientMetadata, badGrant},
		{"grant types null", `{` + uris + `"grant_types":null}`, oauth2.InvalidClientMetadata, badGrant},
		{"an unknown grant type", `{` + uris + `"grant_types":["authorization_code","magic"]}`, oauth2.InvalidClientMetadata, badGrant},
		{"a grant type goes before a response type", `{` + uris + `"grant_types":["magic"],"response_types":["magic"]}`,
			oauth2.InvalidClientMetadata, badGrant},
		{"a suffix behind a tilde is ignored", `{` + uris + `"grant_types":["authorization_code","password~x"]}`, "", ""},
		{"an unknown response type", `{` + uris + `"response_types":["code","none"]}`, oauth2.InvalidClientMetadata, badResponse},
		{"an empty response type", `{` + uris + `"response_types":[""]}`, oauth2.InvalidClientMetadata, badResponse},
		{"no response types", `{` + uris + `"response_types":[]}`, "", ""},
		{"response types null", `{` + uris + `"response_types":null}`, "", ""},
		{"an ID token that is not signed", `{` + uris + `"id_token_signed_response_alg":"none"}`,
			oauth2.InvalidClientMetadata, "Unsupported id_token signing algorithm"},
		{"an algorithm the domain gets a key for", `{` + uris + `"id_token_signed_response_alg":"RS512"}`, "", ""},
		{"an algorithm the domain has a key for", `{` + uris + `"id_token_signed_response_alg":"ES256"}`, "", ""},
		{"an algorithm that is null", `{` + uris + `"id_token_signed_response_alg":null}`, "", ""},
		{"a picture that is a script", `{` + uris + `"logo_uri":"javascript:alert(1)"}`,
			oauth2.InvalidClientMetadata, "logo_uri: javascript:alert(1) is not valid."},
		{"a page without a host", `{` + uris + `"policy_uri":"https:///x"}`, oauth2.InvalidClientMetadata, "policy_uri: https:///x is not valid."},
		{"a page that is no address", `{` + uris + `"tos_uri":"%zz"}`, oauth2.InvalidClientMetadata, "tos_uri: %zz is not valid."},
		{"pages on the web", `{` + uris + `"client_uri":"https://client.example","logo_uri":"http://client.example/logo.png"}`, "", ""},
		{"pages that are empty", `{` + uris + `"client_uri":"","tos_uri":null}`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := newRig(t, open())
			got := rg.register(tt.body)
			if tt.code == "" {
				if got.status != 201 {
					t.Errorf("%d %s", got.status, got.text)
				}
				return
			}
			rg.refused(got, 400, tt.code, tt.description)
			if rg.management.last() != nil {
				t.Error("management was asked all the same")
			}
		})
	}
}

func TestThreeStates(t *testing.T) {
	type lists struct{ Grants, Responses, URIs []string }
	tests := []struct {
		name, body string
		want       lists
	}{
		{"absent is the default", `{"redirect_uris":["https://a.example/cb"]}`,
			lists{[]string{"authorization_code"}, []string{"code"}, []string{"https://a.example/cb"}}},
		{"an empty list replaces the default", `{"redirect_uris":[],"grant_types":["client_credentials"],"response_types":[]}`,
			lists{[]string{"client_credentials"}, nil, nil}},
		{"null replaces the default", `{"redirect_uris":null,"grant_types":["client_credentials"],"response_types":null}`,
			lists{[]string{"client_credentials"}, nil, nil}},
		{"a value replaces the default", `{"redirect_uris":[],"grant_types":["implicit"],"response_types":["token id_token","code"]}`,
			lists{[]string{"implicit"}, []string{"id_token token", "code"}, nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := newRig(t, open())
			if got := rg.register(tt.body); got.status != 201 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			o := rg.management.last().GetApplication().GetSettings().GetOauth()
			if diff := cmp.Diff(tt.want, lists{o.GetGrantTypes(), o.GetResponseTypes(), o.GetRedirectUris()}); diff != "" {
				t.Errorf("lists (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScopes(t *testing.T) {
	allowed := func(scopes ...string) *configv1.Strings { return &configv1.Strings{Values: scopes} }
	tests := []struct {
		name     string
		settings func(*configv1.ClientRegistrationSettings)
		scope    string // as JSON; empty = absent
		want     []string
		standard bool
	}{
		{"every scope is kept without restrictions", nil, `"b a"`, []string{"b", "a"}, false},
		{"a scope named twice counts once", nil, `"a b  a"`, []string{"a", "b"}, false},
		{"what is not allowed is dropped", func(s *configv1.ClientRegistrationSettings) {
			s.AllowedScopesEnabled, s.AllowedScopes = true, allowed("a", "c")
		}, `"a b c"`, []string{"a", "c"}, false},
		{"an allowed list that is off filters nothing", func(s *configv1.ClientRegistrationSettings) {
			s.AllowedScopes = allowed("a")
		}, `"a b"`, []string{"a", "b"}, false},
		{"no allowed list filters nothing", func(s *configv1.ClientRegistrationSettings) {
			s.AllowedScopesEnabled = true
		}, `"a b"`, []string{"a", "b"}, false},
		{"an empty allowed list drops everything", func(s *configv1.ClientRegistrationSettings) {
			s.AllowedScopesEnabled, s.AllowedScopes = true, allowed()
		}, `"a b"`, nil, false},
		{"what is left of a request keeps the defaults away", func(s *configv1.ClientRegistrationSettings) {
			s.AllowedScopesEnabled, s.AllowedScopes, s.DefaultScopes = true, allowed("a"), []string{"d"}
		}, `"a b"`, []string{"a"}, false},
		{"defaults stand in for what was dropped", func(s *configv1.ClientRegistrationSettings) {
			s.AllowedScopesEnabled, s.AllowedScopes, s.DefaultScopes = true, allowed("a"), []string{"e", "d", "e"}
		}, `"b"`, []string{"e", "d"}, false},
		{"defaults stand in for no scope, in their order", func(s *configv1.ClientRegistrationSettings) {
			s.DefaultScopes = []string{"e", "d"}
		}, "", []string{"e", "d"}, false},
		{"defaults stand in for null", func(s *configv1.ClientRegistrationSettings) { s.DefaultScopes = []string{"d"} }, `null`, []string{"d"}, false},
		{"defaults stand in for an empty text", func(s *configv1.ClientRegistrationSettings) { s.DefaultScopes = []string{"d"} }, `""`, []string{"d"}, false},
		{"defaults do not join what was asked for", func(s *configv1.ClientRegistrationSettings) { s.DefaultScopes = []string{"d"} }, `"a"`, []string{"a"}, false},
		{"without scope and without defaults the standard scopes are open", nil, "", nil, true},
		{"so they are with scope null", nil, `null`, nil, true},
		{"and with an empty scope", nil, `" "`, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			settings := open()
			if tt.settings != nil {
				tt.settings(settings)
			}
			rg := newRig(t, settings)
			body := minimal
			if tt.scope != "" {
				body = `{"redirect_uris":["https://client.example/callback"],"scope":` + tt.scope + `}`
			}
			got := rg.register(body)
			if got.status != 201 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			o := rg.management.last().GetApplication().GetSettings().GetOauth()
			var scopes []string
			for _, s := range o.GetScopeSettings() {
				scopes = append(scopes, s.GetScope())
				if s.GetDefaultScope() || s.GetRequiredScope() || s.GetScopeApproval() != 0 {
					t.Errorf("scope %s arrives with settings: %v", s.GetScope(), s)
				}
			}
			if diff := cmp.Diff(tt.want, scopes); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
			if o.GetStandardScopes() != tt.standard {
				t.Errorf("standard scopes: %v", o.GetStandardScopes())
			}
			echoed, there := got.body["scope"]
			if there != (len(tt.want) > 0) || (there && echoed != oauth2.JoinScope(tt.want)) {
				t.Errorf("answered scope %v", echoed)
			}
		})
	}
}

func TestAdministrativeScopesNeedAnAdministrator(t *testing.T) {
	for _, scope := range []string{"dcr_admin", "scim", "consent_admin"} {
		body := `{"redirect_uris":["https://client.example/cb"],"scope":"openid ` + scope + `"}`
		rg := newRig(t, open())
		rg.refused(rg.register(body), 400, oauth2.InvalidClientMetadata, "scope "+scope+" is not valid.")
		rg.refused(rg.register(body, bearer(rg.admin())...), 400, oauth2.InvalidClientMetadata, "scope "+scope+" is not valid.")

		settings := open()
		settings.DefaultScopes = []string{scope}
		rg = newRig(t, settings)
		rg.refused(rg.register(minimal), 400, oauth2.InvalidClientMetadata, "scope "+scope+" is not valid.")

		rg = newRig(t, closed())
		if got := rg.register(body, bearer(rg.admin())...); got.status != 201 || got.field("scope") != "openid "+scope {
			t.Errorf("an administrator registers %s: %d %s", scope, got.status, got.text)
		}
	}
	rg := newRig(t, open())
	if got := rg.register(`{"redirect_uris":[],"scope":"dcr uma_protection"}`); got.status != 201 {
		t.Errorf("other system scopes: %d %s", got.status, got.text)
	}
}
