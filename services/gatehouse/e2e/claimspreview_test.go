package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestThePreviewOfClaimsIsWhatAGatewaySays asks a gateway for tokens and UserInfo, and management for their preview: claim by claim
// they are the same, but for values that are marked as samples.
func TestThePreviewOfClaimsIsWhatAGatewaySays(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "acme")
	api := s.api
	role := api.Do("POST", s.path("/roles"), proc.Object{"name": "Clerk"}).Text("id")
	bob := api.Do("POST", s.path("/users"), proc.Object{
		"firstName": "Bob", "lastName": "Builder", "username": "bob", "email": bobEmail, "password": bobPassword,
		"additionalInformation": proc.Object{"locale": "de", "department": "pay", "level": 7},
	}).Text("id")
	payables := api.Do("POST", s.path("/groups"), proc.Object{"name": "Payables", "members": []string{bob}, "roles": []string{role}}).Text("id")
	api.Do("POST", s.path("/groups"), proc.Object{"name": "Finance", "groups": []string{payables}, "attributes": proc.Object{"limit": 5}})
	custom := func(kind, name, value string) proc.Object {
		return proc.Object{"tokenType": kind, "claimName": name, "claimValue": value}
	}
	web := s.web()
	entitlement := api.Do("POST", s.path("/applications/"+web.app+"/entitlements"), proc.Object{"name": "approver", "attributes": proc.Object{"limit": 5000}}).Text("id")
	api.Do("POST", s.path("/applications/"+web.app+"/entitlements/"+entitlement+"/bindings"), proc.Object{"group": payables})
	var granted []string
	var settings []proc.Object
	for _, scope := range []string{"openid", "profile", "email", "groups", "roles", "entitlements", "full_profile"} {
		settings = append(settings, proc.Object{"scope": scope})
		granted = append(granted, scope)
	}
	s.patch("/applications/"+web.app, proc.Object{"settings": proc.Object{"oauth": proc.Object{
		"scopeSettings": settings,
		"tokenCustomClaims": []proc.Object{
			custom("ACCESS_TOKEN", "who", "{#context.attributes['user']['username']}"), custom("ACCESS_TOKEN", "aud", "https://api.example"),
			custom("ID_TOKEN", "from", "{#context.attributes['client']['name']}"), custom("ID_TOKEN", "name", "overridden"),
		},
		"userinfoCustomClaims": []proc.Object{custom("ID_TOKEN", "greeting", "hello")},
	}}})
	all := []string{"userinfo", "idToken", "accessToken"}
	for _, mapping := range []proc.Object{
		{"name": "limit", "default": true, "targets": all, "expression": `{"limit": entitlementAttributes[?"limit"].orValue(0), "acme": {"app": app.slug}}`},
		{"name": "more", "default": true, "targets": all, "order": 5, "scope": "email", "expression": `{"acme": {"groups": user.groups, "level": user.mergedAttributes["limit"]}, "who": "mapped"}`},
	} {
		api.Do("POST", s.path("/claim-mappings"), mapping)
	}
	s.settle()

	for _, scopes := range [][]string{{"openid"}, granted[:2], granted[:3], granted[:6], {"openid", "full_profile"}, {"openid", "roles", "entitlements", "email"}} {
		t.Run(strings.Join(scopes, " "), func(t *testing.T) {
			answer := s.post(t, "/oauth/token", web, url.Values{
				"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {strings.Join(scopes, " ")},
			})
			if answer.Status != http.StatusOK {
				t.Fatalf("%d %s", answer.Status, answer.Text)
			}
			tokens := answer.JSON()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/oidc/userinfo", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+tokens.Text("access_token"))
			info, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer info.Body.Close()
			var userinfo map[string]any
			if err := json.NewDecoder(info.Body).Decode(&userinfo); err != nil || info.StatusCode != http.StatusOK {
				t.Fatal(info.StatusCode, err)
			}
			preview := api.Do("POST", s.path("/applications/"+web.app+"/claims/_preview"), proc.Object{"user": bob, "scopes": scopes})
			for name, said := range map[string]map[string]any{
				"userinfo": userinfo, "idToken": claimsOf(t, tokens.Text("id_token")), "accessToken": claimsOf(t, tokens.Text("access_token")),
			} {
				told, _ := preview[name].(map[string]any)
				sameButSamples(t, name, said, told)
			}
		})
	}
}

// sameButSamples compares what was said with what was told in advance.
func sameButSamples(t *testing.T, what string, said, told map[string]any) {
	t.Helper()
	made, _ := told["claims"].(map[string]any)
	sources, _ := told["sources"].([]any)
	explained := map[string]bool{}
	for _, one := range sources {
		source, _ := one.(map[string]any)
		claim, _ := source["claim"].(string)
		explained[claim] = true
		if sample, _ := source["sample"].(bool); sample {
			delete(said, claim)
			delete(made, claim)
		}
	}
	for claim := range made {
		if !explained[claim] {
			t.Errorf("%s: nothing says where %s comes from", what, claim)
		}
	}
	if diff := cmp.Diff(said, made); diff != "" {
		t.Errorf("%s (-the gateway +the preview):\n%s", what, diff)
	}
}

// claimsOf reads the claims of a token.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
