package conformance

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

const documentPath = "/acme/oidc/.well-known/openid-configuration"

// acme is a gateway with one domain, whose settings a test may change.
func acme(t *testing.T, change func(*configv1.Domain)) *gatewaytest.Harness {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	if change != nil {
		change(c.Domain)
	}
	return gatewaytest.New(t, gatewaytest.Options{}, c)
}

func TestD3ADomainWithRegistrationListsWhatOpenIDConnectDemands(t *testing.T) {
	h := acme(t, func(d *configv1.Domain) {
		d.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{DynamicClientRegistrationEnabled: true}
	})
	document := h.Get(documentPath).JSON(t)
	for name, demanded := range map[string][]string{
		"response_types_supported": {"code", "id_token", "id_token token"},
		"grant_types_supported":    {"authorization_code", "implicit"},
	} {
		listed, _ := document[name].([]any)
		for _, value := range demanded {
			if !slices.Contains(listed, any(value)) {
				t.Errorf("%s: %q is not in %v", name, value, listed)
			}
		}
	}
}

func TestD8TheDocumentIsAlsoWhereOAuthLooksForIt(t *testing.T) {
	h := acme(t, nil)
	openID, oauth := h.Get(documentPath), h.Get("/.well-known/oauth-authorization-server/acme/oidc")
	if oauth.Status != http.StatusOK {
		t.Fatalf("status %d: %s", oauth.Status, oauth.Body)
	}
	if diff := cmp.Diff(openID.Body, oauth.Body); diff != "" {
		t.Errorf("the documents differ:\n%s", diff)
	}
}

func TestD9TheDocumentSaysWhatElseThereIs(t *testing.T) {
	always := []string{
		"authorization_response_iss_parameter_supported", "frontchannel_logout_supported", "frontchannel_logout_session_supported",
		"backchannel_logout_supported", "backchannel_logout_session_supported", "device_authorization_endpoint",
		"require_pushed_authorization_requests", "require_signed_request_object", "introspection_endpoint_auth_methods_supported",
		"revocation_endpoint_auth_methods_supported", "display_values_supported", "ui_locales_supported", "claims_locales_supported",
	}
	configured := map[string]any{
		"service_documentation": "https://acme.example/docs", "op_policy_uri": "https://acme.example/policy",
		"op_tos_uri": "https://acme.example/terms", "check_session_iframe": gatewaytest.PublicURL + "/acme/oidc/check_session",
	}
	plain := acme(t, nil).Get(documentPath).JSON(t)
	for _, name := range always {
		if _, there := plain[name]; !there {
			t.Errorf("%s is missing", name)
		}
	}
	for name := range configured {
		if v, there := plain[name]; there {
			t.Errorf("%s is %v, and nobody configured it", name, v)
		}
	}
	full := acme(t, func(d *configv1.Domain) {
		d.Oidc.ServiceDocumentation = "https://acme.example/docs"
		d.Oidc.OpPolicyUri, d.Oidc.OpTosUri = "https://acme.example/policy", "https://acme.example/terms"
		d.Oidc.SessionManagementEnabled = true
	}).Get(documentPath).JSON(t)
	for name, want := range configured {
		if full[name] != want {
			t.Errorf("%s is %v, want %v", name, full[name], want)
		}
	}
}

func TestE10OtherOriginsMayCallWhatIsForProgramsAndNothingElse(t *testing.T) {
	const origin = "https://app.example"
	h := acme(t, func(d *configv1.Domain) {
		d.CorsSettings = &configv1.CorsSettings{Enabled: true, AllowedOrigins: []string{origin}}
	})
	allowed := func(method, path, from string) bool {
		r, err := http.NewRequest(method, h.URL+path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		return h.Do(r, gatewaytest.Header("Origin", from)).Header.Get("Access-Control-Allow-Origin") == from
	}
	for _, tt := range []struct {
		method, path string
		open         bool
	}{
		{"POST", "/acme/oauth/token", true},
		{"GET", "/acme/oidc/userinfo", true},
		{"GET", documentPath, true},
		{"GET", "/acme/oidc/.well-known/jwks.json", true},
		{"POST", "/acme/oauth/revoke", true},
		{"POST", "/acme/oidc/register", true},
		{"GET", "/acme/oauth/authorize", false},
		{"POST", "/acme/oauth/authorize", false},
		{"GET", "/acme/login", false},
		{"GET", "/acme/logout", false},
	} {
		if got := allowed(tt.method, tt.path, origin); got != tt.open {
			t.Errorf("%s %s is open to another origin: %t", tt.method, tt.path, got)
		}
		if allowed(tt.method, tt.path, "https://evil.example") {
			t.Errorf("%s %s is open to an origin that nobody listed", tt.method, tt.path)
		}
	}
}
