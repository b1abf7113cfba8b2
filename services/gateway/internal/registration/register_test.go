package registration_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/registration"
)

func TestRegister(t *testing.T) {
	rg := newRig(t, open())
	got := rg.register(`{
		"redirect_uris": ["https://client.example/callback?a=1&b=2"], "client_name": "my web application",
		"grant_types": ["authorization_code", "refresh_token"], "contacts": ["ann@client.example"],
		"post_logout_redirect_uris": ["https://client.example/bye"], "default_max_age": 0, "software_id": "4NRB1",
		"scope": "openid profile", "backchannel_token_delivery_mode": "poll", "client_id": "mine", "client_secret": "mine",
		"force_pkce": true, "registration_access_token_hash": "x", "access_token_validity_seconds": 1
	}`)
	if got.status != 201 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache",
	} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if !strings.HasPrefix(got.text, "{\n  \"application_type\": \"web\",\n") || strings.Contains(got.text, `\u0026`) {
		t.Errorf("the answer is not written for people:\n%s", got.text)
	}
	id := got.field("client_id")
	want := map[string]any{
		"redirect_uris": []any{"https://client.example/callback?a=1&b=2"}, "client_name": "my web application",
		"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"},
		"application_type": "web", "token_endpoint_auth_method": "client_secret_basic", "contacts": []any{"ann@client.example"},
		"post_logout_redirect_uris": []any{"https://client.example/bye"}, "default_max_age": json.Number("0"),
		"require_auth_time": false, "software_id": "4NRB1", "scope": "openid profile",
		"client_id_issued_at": json.Number("1800000000"), "client_secret_expires_at": json.Number("0"),
		"registration_client_uri": endpoint + "/" + id, "domain": acme, "enabled": true,
		"created_at": json.Number("1800000000000"), "updated_at": json.Number("1800000000000"),
	}
	for _, name := range []string{"client_id", "client_secret", "registration_access_token", "id"} {
		if len(got.field(name)) < 20 || got.field(name) == "mine" {
			t.Errorf("%s is %q", name, got.field(name))
		}
		want[name] = got.body[name]
	}
	if diff := cmp.Diff(want, beside(want, got.body)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}

	// What management was asked for: nothing that a client may not choose.
	request := rg.management.last()
	maxAge := int64(0)
	app := &configv1.Application{Domain: acme, Name: "my web application", Settings: &configv1.ApplicationSettings{
		Oauth: &configv1.OAuthSettings{
			RedirectUris: []string{"https://client.example/callback?a=1&b=2"}, ClientName: "my web application",
			GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, ApplicationType: "web",
			TokenEndpointAuthMethod: "client_secret_basic", Contacts: []string{"ann@client.example"},
			PostLogoutRedirectUris: []string{"https://client.example/bye"}, DefaultMaxAge: &maxAge, SoftwareId: "4NRB1",
			ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid"}, {Scope: "profile"}},
		},
	}}
	if o := request.GetApplication().GetSettings().GetOauth(); clientmeta.Registered("authorization_signed_response_alg") {
		app.Settings.Oauth.AuthorizationSignedResponseAlg = "RS256" // on every write
	} else if o.GetAuthorizationSignedResponseAlg() != "" {
		t.Error("a member that nothing acts on has a default")
	}
	if diff := cmp.Diff(app, request.GetApplication(), protocmp.Transform()); diff != "" {
		t.Errorf("application asked for (-want +got):\n%s", diff)
	}
	if request.GetDomain() != acme || request.GetIssuer() != "https://gate.example/acme/oidc" || request.GetRegistrationEndpoint() != endpoint {
		t.Errorf("request %v", request)
	}

	// The registration is what GET repeats, without what is shown once.
	for _, name := range []string{"client_secret", "registration_access_token", "registration_client_uri"} {
		delete(want, name)
	}
	read := rg.do("GET", "/acme/oidc/register/"+id, "", bearer(got.field("registration_access_token"))...)
	if diff := cmp.Diff(want, beside(want, read.body)); read.status != 200 || diff != "" {
		t.Errorf("GET %d (-want +got):\n%s", read.status, diff)
	}
}

// beside returns an answer without what it has beside the wanted members by default: switches that are off, and the algorithm
// of answers.
func beside(want, got map[string]any) map[string]any {
	kept := map[string]any{}
	for name, v := range got {
		if _, wanted := want[name]; wanted || v != false && name != "authorization_signed_response_alg" {
			kept[name] = v
		}
	}
	return kept
}

func TestTheGatewayServesTheClientAtOnce(t *testing.T) {
	rg := newRig(t, open())
	got := rg.register(minimal)
	before := rg.set.Domain(acme)
	c, err := before.Client(t.Context(), got.field("client_id"))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := secret.VerifyGenerated(c.Secrets[0].Hash, got.field("client_secret")); !ok || err != nil {
		t.Errorf("the secret of the answer is not the client's: %v", err)
	}
	// Older news of the stream do not undo it.
	rg.push(&configv1.Scope{Id: "s1", Domain: acme, Key: "late"})
	if _, err := rg.set.Domain(acme).Client(t.Context(), got.field("client_id")); err != nil {
		t.Errorf("after an unrelated batch: %v", err)
	}
}

// The four examples of the product's documentation.
func TestDocumentedExamples(t *testing.T) {
	tests := []struct {
		name, body string
		want       map[string]any
	}{
		{
			"web application",
			`{"redirect_uris": ["https://myDomain/callback"], "client_name": "my web application",
			  "grant_types": ["authorization_code","refresh_token"], "scope":"openid"}`,
			map[string]any{
				"redirect_uris": []any{"https://myDomain/callback"}, "client_name": "my web application", "scope": "openid",
				"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"},
				"application_type": "web", "token_endpoint_auth_method": "client_secret_basic",
			},
		},
		{
			"single page application",
			`{"redirect_uris": ["https://myDomain/callback"], "client_name": "my single page application",
			  "grant_types": ["implicit"], "response_types": ["token"], "scope":"openid"}`,
			map[string]any{
				"redirect_uris": []any{"https://myDomain/callback"}, "client_name": "my single page application", "scope": "openid",
				"grant_types": []any{"implicit"}, "response_types": []any{"token"},
				"application_type": "web", "token_endpoint_auth_method": "client_secret_basic",
			},
		},
		{
			"server to server application",
			`{"redirect_uris": [], "application_type": "server", "client_name": "my server application",
			  "grant_types": ["client_credentials"], "response_types": []}`,
			map[string]any{
				"redirect_uris": []any{}, "client_name": "my server application",
				"grant_types": []any{"client_credentials"}, "response_types": []any{},
				"application_type": "server", "token_endpoint_auth_method": "client_secret_basic",
			},
		},
		{
			"mobile application",
			`{"redirect_uris": ["com.mycompany.app://callback"], "application_type": "native", "client_name": "my mobile application",
			  "grant_types": ["authorization_code","refresh_token"], "response_types": ["code"]}`,
			map[string]any{
				"redirect_uris": []any{"com.mycompany.app://callback"}, "client_name": "my mobile application",
				"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"},
				"application_type": "native", "token_endpoint_auth_method": "client_secret_basic",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := newRig(t, closed())
			got := rg.register(tt.body, bearer(rg.admin())...)
			if got.status != 201 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			for _, name := range []string{
				"client_id", "client_secret", "registration_access_token", "registration_client_uri", "id", "domain", "enabled",
				"client_id_issued_at", "client_secret_expires_at", "created_at", "updated_at", "require_auth_time",
			} {
				if _, there := got.body[name]; !there {
					t.Errorf("no %s", name)
				}
				delete(got.body, name)
			}
			if diff := cmp.Diff(tt.want, beside(tt.want, got.body)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBodiesThatAreNone(t *testing.T) {
	rg := newRig(t, open())
	deep := `{"redirect_uris":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`
	tests := []struct {
		name, body, contentType, description string
	}{
		{"an empty body", "", "", "no content"},
		{"an empty body of another type", "", "text/plain", "no content"},
		{"white space", " \n", "application/json", "no content"},
		{"JSON that breaks off", `{"redirect_uris":[`, "application/json", "Malformed json: ends too early"},
		{"no JSON", `redirect_uris`, "application/json", "Malformed json: invalid character 'r' looking for beginning of value"},
		{"a list", `[]`, "application/json", "Malformed json: must be a JSON object"},
		{"null", `null`, "application/json", "Malformed json: must be a JSON object"},
		{"a member given twice", `{"redirect_uris":[],"redirect_uris":[]}`, "application/json", "Malformed json: member 'redirect_uris' is given twice"},
		{"something after the object", `{"redirect_uris":[]} 1`, "application/json", "Malformed json: must be one JSON object and nothing after it"},
		{"endless nesting", deep, "application/json", "Malformed json: is nested more than 32 levels deep"},
		{"a form", "redirect_uris=x", "application/x-www-form-urlencoded", "Unsupported Content-Type"},
		{"JSON that says it is text", minimal, "text/plain", "Unsupported Content-Type"},
		{"too much", `{"x":"` + strings.Repeat("x", registration.MaxBody) + `"}`, "application/json", "The request body is larger than 262144 bytes"},
		{"a name that is a number", `{"redirect_uris":[],"client_name":7}`, "application/json", "client_name must be a string"},
		{"one URI instead of a list", `{"redirect_uris":"https://a.example"}`, "application/json", "redirect_uris must be a list of strings"},
		{"null in a list", `{"redirect_uris":["https://a.example",null]}`, "application/json", "redirect_uris[1] must be a string"},
		{"a switch that is text", `{"redirect_uris":[],"require_auth_time":"yes"}`, "application/json", "require_auth_time must be a boolean"},
		{"a fraction of a second", `{"redirect_uris":[],"default_max_age":1.5}`, "application/json", "default_max_age must be a whole number"},
		{"a list of scopes", `{"redirect_uris":[],"scope":["openid"]}`, "application/json", "scope must be a string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := *rg
			rg.TB = t
			rg.refused(rg.register(tt.body, "Content-Type", tt.contentType), 400, oauth2.InvalidClientMetadata, tt.description)
		})
	}
	if rg.management.last() != nil {
		t.Error("management was asked to register something unreadable")
	}
	for _, contentType := range []string{"", "application/json; charset=UTF-8", "Application/JSON"} {
		if got := rg.register(minimal, "Content-Type", contentType); got.status != 201 {
			t.Errorf("Content-Type %q: %d %s", contentType, got.status, got.text)
		}
	}
}

func TestManagementRefuses(t *testing.T) {
	tests := []struct {
		name        string
		refusal     error
		status      int
		code        oauth2.Code
		description string
	}{
		{"a redirect URI", fault.Invalidf("localhost is forbidden").At("settings.oauth.redirectUris[0]", "x"),
			400, oauth2.InvalidRedirectURI, "localhost is forbidden"},
		{"all redirect URIs", fault.Invalidf("At least one redirect_uri is required").At("settings.oauth.redirectUris", "x"),
			400, oauth2.InvalidRedirectURI, "At least one redirect_uri is required"},
		{"a post-logout URI", fault.Invalidf("post_logout_redirect_uri : localhost is forbidden").At("settings.oauth.postLogoutRedirectUris[2]", "x"),
			400, "invalid_target_url", "post_logout_redirect_uri : localhost is forbidden"},
		{"a request URI", fault.Invalidf("Wildcard are forbidden").At("settings.oauth.requestUris[0]", "x"),
			400, oauth2.InvalidRequestURI, "Wildcard are forbidden"},
		{"a scope", fault.Invalidf("scope nosuch is not valid.").At("settings.oauth.scopeSettings[0].scope", "x"),
			400, oauth2.InvalidClientMetadata, "scope nosuch is not valid."},
		{"something without a place", fault.Invalidf("no"), 400, oauth2.InvalidClientMetadata, "no"},
		{"a member whose name only begins alike", fault.Invalidf("no").At("settings.oauth.redirectUrisOther", "x"),
			400, oauth2.InvalidClientMetadata, "no"},
		{"more at once", fault.Limitedf("internal text"), 503, oauth2.TemporarilyUnavailable,
			"the client is being changed by others, try again shortly"},
		{"to know the domain", fault.NotFoundf("Domain [x] can not be found."), 503, oauth2.TemporarilyUnavailable,
			"the domain is being changed, try again shortly"},
		{"to be there", fault.Unavailablef("mongodb at 10.0.0.1"), 503, oauth2.TemporarilyUnavailable,
			"a part that is needed to answer is not available, try again shortly"},
		{"to say why", fault.Newf(fault.Internal, "secret text"), 500, oauth2.ServerError, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rg := newRig(t, open())
			rg.management.refuse(tt.refusal)
			rg.refused(rg.register(minimal), tt.status, tt.code, tt.description)
		})
	}
}
