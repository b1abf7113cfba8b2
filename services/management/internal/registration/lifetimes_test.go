package registration_test

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

// lives are how long tokens of an application live, in seconds: access, refresh, ID.
func lives(a *configv1.Application) [3]int32 {
	o := a.GetSettings().GetOauth()
	return [3]int32{o.GetAccessTokenValiditySeconds(), o.GetRefreshTokenValiditySeconds(), o.GetIdTokenValiditySeconds()}
}

// TestLifetimesOfRegisteredClients: those that the gateway says, else the usual ones; a template's for its copies, whatever the gateway says;
// and once the client is there, the operators'.
func TestLifetimesOfRegisteredClients(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	h.set(domain, prototree.Object{"isClientTemplateEnabled": true})
	at := editor.Place{Domain: domain}
	template := h.byHand(domain, prototree.Object{"name": "Template", "type": "web", "redirectUris": []any{"https://shop.example.com/callback"}})
	oauth := func(members prototree.Object) prototree.Object {
		return prototree.Object{"settings": prototree.Object{"oauth": members}}
	}
	change := func(id string, body prototree.Object) *configv1.Application {
		t.Helper()
		a, err := editor.Patch(t.Context(), h.editor, catalog.Applications, at, id, body, 0)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	change(template.GetId(), prototree.Object{"template": true})
	change(template.GetId(), oauth(prototree.Object{"accessTokenValiditySeconds": int64(11)}))
	for _, tt := range []struct {
		name     string
		asked    [3]int32
		template bool
		want     [3]int32
	}{
		{"a gateway that says nothing", [3]int32{}, false, [3]int32{7200, 14400, 14400}},
		{"a gateway that says all of them", [3]int32{300, 86400, 90}, false, [3]int32{300, 86400, 90}},
		{"a copy of a template", [3]int32{}, true, [3]int32{11, 14400, 14400}},
		{"a copy of a template, though the gateway says others", [3]int32{300, 86400, 90}, true, [3]int32{11, 14400, 14400}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := request(domain)
			o := asked.Application.Settings.Oauth
			o.AccessTokenValiditySeconds, o.RefreshTokenValiditySeconds, o.IdTokenValiditySeconds = tt.asked[0], tt.asked[1], tt.asked[2]
			if tt.template {
				asked.Template, asked.Given = template.GetId(), []string{"redirect_uris"}
			}
			made, err := h.server.Create(t.Context(), asked)
			if err != nil {
				t.Fatal(err)
			}
			if got := lives(made.GetApplication()); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			a := change(made.GetApplication().GetId(), oauth(prototree.Object{"accessTokenValiditySeconds": int64(77), "idTokenValiditySeconds": int64(79)}))
			answer, err := h.server.Update(t.Context(), updating(a, made.GetRegistrationAccessToken(), func(o *configv1.OAuthSettings) {
				o.ClientName, o.AccessTokenValiditySeconds, o.RefreshTokenValiditySeconds, o.IdTokenValiditySeconds = "Other", 1, 2, 3
			}))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := lives(answer.GetApplication()), ([3]int32{77, tt.want[1], 79}); got != want {
				t.Errorf("after the operator and the client changed it: %v, want %v", got, want)
			}
		})
	}
}
