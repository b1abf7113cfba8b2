package discovery

import (
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// addAuthorization adds what can be asked of the authorization endpoint, and how it answers.
func addAuthorization(doc map[string]any, can Capabilities, d *domain.Core) {
	oidc := d.Settings.GetOidc()
	doc["response_types_supported"] = sorted(slices.DeleteFunc(slices.Clone(can.ResponseTypes), func(t oauth2.ResponseType) bool {
		return !d.Profile.ServesResponse(t)
	}))
	doc["response_modes_supported"] = list(slices.DeleteFunc(slices.Clone(can.ResponseModes), func(m oauth2.ResponseMode) bool {
		return d.Profile.RequiresSignedResponse && !m.Signed()
	}))
	classes := slices.Clone(can.ACRValues)
	for _, class := range oidc.GetAuthenticationContexts() {
		if !slices.Contains(classes, class.GetName()) {
			classes = append(classes, class.GetName())
		}
	}
	doc["acr_values_supported"] = sorted(classes)
	doc["prompt_values_supported"] = list(can.Prompts)
	doc["claims_parameter_supported"] = true
	doc["display_values_supported"] = []string{"page", "popup", "touch", "wap"}
	doc["ui_locales_supported"] = []string{"en"}
	doc["claims_locales_supported"] = []string{"en"}
	for name, uri := range map[string]string{
		"service_documentation": oidc.GetServiceDocumentation(), "op_policy_uri": oidc.GetOpPolicyUri(), "op_tos_uri": oidc.GetOpTosUri(),
	} {
		if uri != "" {
			doc[name] = uri
		}
	}
}
