package discovery

import (
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// aliased are the endpoints that clients may call where they are asked for certificates (RFC 8705 §5).
var aliased = []string{
	"token_endpoint", "revocation_endpoint", "introspection_endpoint", "device_authorization_endpoint",
	"pushed_authorization_request_endpoint", "userinfo_endpoint", "registration_endpoint",
}

// addClients adds how clients authenticate and prove the possession of keys. It comes last: the aliases are those of the
// endpoints that are in the document.
func addClients(doc map[string]any, can Capabilities, d *domain.Core) {
	methods := slices.DeleteFunc(slices.Clone(can.AuthMethods), func(m oauth2.AuthMethod) bool { return !d.Profile.Accepts(m) })
	var algorithms []string
	if slices.Contains(methods, oauth2.AuthPrivateKeyJWT) {
		algorithms = append(algorithms, list(asymmetric(d.Profile.SigningAlgs))...)
	}
	if slices.Contains(methods, oauth2.AuthSecretJWT) {
		algorithms = append(algorithms, list(d.Profile.SecretAlgs)...)
	}
	for _, endpoint := range []string{"token", "revocation", "introspection"} {
		doc[endpoint+"_endpoint_auth_methods_supported"] = list(methods)
		if len(algorithms) > 0 {
			doc[endpoint+"_endpoint_auth_signing_alg_values_supported"] = algorithms
		}
	}
	doc["introspection_endpoint_auth_methods_supported"] = without(methods, oauth2.AuthNone)
	doc["tls_client_certificate_bound_access_tokens"] = can.Certificates
	if d.DPoP.Enabled {
		doc["dpop_signing_alg_values_supported"] = list(d.DPoP.Algorithms)
	}
	if d.MTLSBase == "" {
		return
	}
	aliases := map[string]string{}
	for _, name := range aliased {
		if url, ok := doc[name].(string); ok {
			aliases[name] = d.MTLSBase + strings.TrimPrefix(url, d.Base)
		}
	}
	doc["mtls_endpoint_aliases"] = aliases
}

func asymmetric(algorithms []jose.Algorithm) []jose.Algorithm {
	return slices.DeleteFunc(slices.Clone(algorithms), jose.Algorithm.Symmetric)
}
