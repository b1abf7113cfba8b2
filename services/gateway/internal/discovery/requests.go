package discovery

import (
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// requests adds how authorization requests may come in: pushed (RFC 9126 §5), as objects (RFC 9101 §9, OpenID Connect
// Discovery §3), with which proofs of the code's origin (RFC 7636). A pushed request_uri is no use of the parameter
// request_uri in the sense of the metadata.
func requests(doc map[string]any, d *domain.Core) {
	pushed := d.Profile.RequiresPushed || d.Settings.GetOidc().GetRequirePushedAuthorizationRequests()
	doc["pushed_authorization_request_endpoint"] = d.Base + "/oauth/par"
	doc["require_pushed_authorization_requests"] = pushed
	doc["request_parameter_supported"] = true
	doc["request_uri_parameter_supported"] = !pushed
	doc["require_request_uri_registration"] = d.Profile.Strict()
	doc["require_signed_request_object"] = d.Profile.RequiresSignedRequest
	doc["request_object_signing_alg_values_supported"] = list(d.Profile.SigningAlgs)
	doc["request_object_encryption_alg_values_supported"] = list(d.DecryptionAlgs())
	doc["request_object_encryption_enc_values_supported"] = list(jose.ContentEncryptions())
	doc["code_challenge_methods_supported"] = list(d.Profile.Challenges)
	if !pushed {
		doc["request_object_endpoint"] = d.Base + "/oidc/ros"
	}
}
