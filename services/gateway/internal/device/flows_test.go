package device_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestFlowsOfDevices shows that a device gets nothing past the flows of its client, even from somebody who is signed in already.
func TestFlowsOfDevices(t *testing.T) {
	deny := func(condition string) []*configv1.FlowStep {
		return []*configv1.FlowStep{{Name: "deny", Condition: condition, Config: &configv1.FlowStep_Deny{
			Deny: &configv1.DenyStep{Error: "access_denied", Message: "Not from this device"},
		}}}
	}
	set := func(expression string) []*configv1.FlowStep {
		return []*configv1.FlowStep{{Name: "set", Config: &configv1.FlowStep_SetAttributes{
			SetAttributes: &configv1.SetAttributesStep{Attributes: map[string]string{"partner": expression}},
		}}}
	}
	const name = `{#'partner' in context.attributes['authFlow'] ? context.attributes['authFlow']['partner'] : "-"}`
	const ann = "context.attributes['user']['username'] == 'ann'"
	tests := []struct {
		name    string
		flow    *configv1.Flow
		refuses string // "page" or "answer"
		want    string
	}{
		{"ROOT pre refuses", &configv1.Flow{Type: flows.Root, Pre: deny("true")}, "page", ""},
		{"CONSENT pre refuses", &configv1.Flow{Type: flows.Consent, Pre: deny("true")}, "page", ""},
		{"CONSENT post refuses", &configv1.Flow{Type: flows.Consent, Post: deny("true")}, "answer", ""},
		{"ROOT post refuses", &configv1.Flow{Type: flows.Root, Post: deny("true")}, "answer", ""},
		{"ROOT pre sets", &configv1.Flow{Type: flows.Root, Pre: set("'a'")}, "", "a"},
		{"CONSENT post sets, and knows who it is", &configv1.Flow{Type: flows.Consent, Post: set(ann + " ? 'b' : 'x'")}, "", "b"},
		{"ROOT post sees what came before", &configv1.Flow{Type: flows.Root, Pre: set("'c'"), Post: set("context.attributes['partner'] + 'd'")}, "", "cd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			plain := func(a *configv1.Application) {
				a.Settings.Oauth.GrantTypes, a.Settings.Oauth.ResponseTypes = []string{grantType}, nil
				a.Settings.Oauth.TokenEndpointAuthMethod = "none"
			}
			c.App("tv", plain, func(a *configv1.Application) {
				a.Settings.Oauth.TokenCustomClaims = []*configv1.CustomClaim{{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "partner", ClaimValue: name}}
			})
			tt.flow.Id, tt.flow.Domain, tt.flow.Application, tt.flow.Level = "flow", c.Domain.GetId(), "app-tv", "app-tv"
			c.Add(tt.flow)
			r := &rig{gatewaytest.New(t, gatewaytest.Options{}, c), t, c.Domain.GetId()}
			b := r.Browser("/acme")
			r.open(b, r.begin().Complete, "ann") // signed in from here on, unless ROOT refuses
			device := r.begin()
			page := r.open(b, device.Complete, "ann")
			if tt.refuses != "page" {
				wants(t, page, `id="device-allow"`)
				page = decide(b, page, "true")
			}
			answer := r.poll(device)
			if tt.refuses != "" {
				wants(t, page, "Not from this device")
				if got := answer.Error(t); got != "Bad Request | access_denied | User denied access" {
					t.Errorf("the device is told %s", got)
				}
				return
			}
			wants(t, page, "Your device is connected")
			token, _ := answer.JSON(t)["access_token"].(string)
			parts := strings.Split(token, ".")
			if len(parts) != 3 {
				t.Fatalf("answer %s", answer.Body)
			}
			payload, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err != nil {
				t.Fatal(err)
			}
			var claims map[string]any
			if err := json.Unmarshal(payload, &claims); err != nil || claims["partner"] != tt.want {
				t.Errorf("claims %s", payload)
			}
		})
	}
}
