package registration_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

// TestWhatIsNotCopiedFromATemplate: what belongs to one client alone, each of which the template has.
func TestWhatIsNotCopiedFromATemplate(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isClientTemplateEnabled": true})
	at := editor.Place{Domain: domain}
	jwks, err := prototree.Parse([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for place, keys := range map[string]prototree.Object{"by value": {"jwks": jwks}, "by address": {"jwksUri": "https://template.example/jwks"}} {
		t.Run("a template with keys "+place, func(t *testing.T) {
			template := h.byHand(domain, prototree.Object{
				"name": "Template " + place, "type": "web", "redirectUris": []any{"https://template.example/cb"}, "metadata": prototree.Object{"a": "b"},
			})
			oauth := prototree.Object{"sectorIdentifierUri": "https://template.example/sector", "logoUri": "https://template.example/l.png"}
			for name, v := range keys {
				oauth[name] = v
			}
			template, err := editor.Patch(t.Context(), h.editor, catalog.Applications, at, template.GetId(), prototree.Object{
				"template": true, "identityProviders": []any{prototree.Object{"identity": "default-idp-" + domain, "selectionRule": "", "priority": int64(3)}},
				"settings": prototree.Object{"oauth": oauth, "advanced": prototree.Object{"skipConsent": true}},
			}, 0)
			if err != nil {
				t.Fatal(err)
			}
			asked := request(domain)
			asked.Template, asked.Given = template.GetId(), []string{"redirect_uris"}
			made, err := h.server.Create(t.Context(), asked)
			if err != nil {
				t.Fatal(err)
			}
			from, a := template.GetSettings().GetOauth(), made.GetApplication()
			o := a.GetSettings().GetOauth()
			if from.GetSectorIdentifierUri() == "" || from.GetJwks() == nil && from.GetJwksUri() == "" || !template.GetTemplate() || len(from.GetRedirectUris()) == 0 {
				t.Fatalf("the template lacks something: %v", template)
			}
			for _, tt := range []struct {
				name     string
				its, was any
			}{
				{"the client's name", o.GetClientName(), "Unknown Client"},
				{"the application's name", a.GetName(), "Unknown Client"},
				{"redirect_uris", o.GetRedirectUris()[0], "https://shop.example.com/callback"},
				{"how many redirect_uris", len(o.GetRedirectUris()), 1},
				{"sector_identifier_uri", o.GetSectorIdentifierUri(), ""},
				{"jwks", o.GetJwks() == nil, true},
				{"jwks_uri", o.GetJwksUri(), ""},
				{"the mark that it is a template", a.GetTemplate(), false},
				{"how many secrets", len(a.GetSecrets()), 1},
				{"how many settings of secrets", len(a.GetSecretSettings()), 1},
			} {
				if tt.its != tt.was {
					t.Errorf("%s: %v, want %v", tt.name, tt.its, tt.was)
				}
			}
			for name, equal := range map[string]bool{
				"id": a.GetId() == template.GetId(), "client_id": o.GetClientId() == from.GetClientId(),
				"the identifier of the secret": a.GetSecrets()[0].GetId() == template.GetSecrets()[0].GetId(),
				"the secret":                   a.GetSecrets()[0].GetHash() == template.GetSecrets()[0].GetHash(),
				"the settings of secrets":      a.GetSecretSettings()[0].GetId() == template.GetSecretSettings()[0].GetId(),
				"its slug":                     a.GetSlug() == template.GetSlug(),
			} {
				if equal {
					t.Errorf("%s: the template's", name)
				}
			}
			for name, copied := range map[string]bool{
				"identity providers": len(a.GetIdentityProviders()) == 1 && proto.Equal(a.GetIdentityProviders()[0], template.GetIdentityProviders()[0]),
				"metadata":           a.GetMetadata()["a"] == "b",
				"logo_uri":           o.GetLogoUri() == from.GetLogoUri(),
				"advanced settings":  a.GetSettings().GetAdvanced().GetSkipConsent(),
			} {
				if !copied {
					t.Errorf("%s: not copied", name)
				}
			}
		})
	}
}
