package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// shownElsewhere are values of the discovery document that a test of their own exercises.
var shownElsewhere = map[string]string{
	"token_endpoint_auth_methods_supported tls_client_auth":                     "TestClientCertificates",
	"token_endpoint_auth_methods_supported self_signed_tls_client_auth":         "TestClientCertificates",
	"introspection_endpoint_auth_methods_supported tls_client_auth":             "TestClientCertificates",
	"introspection_endpoint_auth_methods_supported self_signed_tls_client_auth": "TestClientCertificates",
	"revocation_endpoint_auth_methods_supported tls_client_auth":                "TestClientCertificates",
	"revocation_endpoint_auth_methods_supported self_signed_tls_client_auth":    "TestClientCertificates",
}

// notValues are members of the document whose values are no capabilities of their own.
var notValues = []string{"scopes_supported", "claims_supported", "ui_locales_supported", "claims_locales_supported"}

// TestCapabilities lets clients that others wrote use everything that the discovery document of a compatible domain
// advertises; clients/capabilities.mjs is their part. Whatever value of the document they do not use fails the test.
func TestCapabilities(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "capabilities")
	s.bob()
	key, public := ecKey(t, "partner")
	const trusted = "https://partner.example"
	s.patch("", proc.Object{
		"oidc": proc.Object{
			"sessionManagementEnabled": true,
			"trustedIssuers": []proc.Object{{
				"issuer": trusted, "jwks": proc.Object{"keys": []any{public}},
				"grantTypes": []string{"urn:ietf:params:oauth:grant-type:jwt-bearer"},
			}},
		},
		"tokenExchangeSettings": proc.Object{
			"enabled": true, "allowImpersonation": true,
			"allowedSubjectTokenTypes":   []string{"urn:ietf:params:oauth:token-type:access_token"},
			"allowedRequestedTokenTypes": []string{"urn:ietf:params:oauth:token-type:access_token"},
		},
	})
	s.registration(true, true)
	exchange := s.application(
		proc.Object{"name": "exchange", "type": "SERVICE"},
		proc.Object{"settings": proc.Object{"oauth": proc.Object{
			"grantTypes": []string{
				"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer",
			},
			"scopeSettings": []proc.Object{{"scope": "profile"}, {"scope": "email"}},
		}}})
	introspectors := map[string]any{}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"} {
		c := s.application(proc.Object{"name": alg, "type": "SERVICE"}, proc.Object{"settings": proc.Object{"oauth": proc.Object{
			"accessTokenSigningAlg": alg, "scopeSettings": []proc.Object{{"scope": "profile"}},
		}}})
		introspectors[alg] = map[string]string{"id": c.id, "secret": c.secret}
	}
	s.settle()
	said := s.walk(t, "capabilities.mjs", map[string]any{
		"exchangeId": exchange.id, "exchangeSecret": exchange.secret, "trustedIssuer": trusted, "trustedKey": key,
		"introspectors": introspectors,
	})

	document := request(t, http.MethodGet, s.issuer+"/.well-known/openid-configuration", "", nil).JSON()
	var unused []string
	for member, v := range document {
		list, ok := v.([]any)
		if !ok || !strings.HasSuffix(member, "_supported") || slices.Contains(notValues, member) {
			continue
		}
		for _, value := range list {
			if !said.exercised[member][fmt.Sprint(value)] && shownElsewhere[member+" "+fmt.Sprint(value)] == "" {
				unused = append(unused, member+" "+fmt.Sprint(value))
			}
		}
	}
	slices.Sort(unused)
	if diff := cmp.Diff([]string(nil), unused); diff != "" {
		t.Errorf("advertised and used by nobody:\n%s", diff)
	}
}
