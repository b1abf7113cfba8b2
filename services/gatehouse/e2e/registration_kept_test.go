package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// redirected are the least metadata of a client, and some of its own.
func redirected(more proc.Object) proc.Object {
	more["redirect_uris"] = []string{"https://client.example/cb"}
	return more
}

// signsIn signs Bob in by his password and returns the answer.
func (r *registrar) signsIn(id, secret, scope string) proc.Object {
	r.t.Helper()
	answer := r.post(r.t, "/oauth/token", credentials{id: id, secret: secret}, url.Values{
		"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {scope},
	})
	if answer.Status != http.StatusOK {
		r.t.Fatalf("%d %s", answer.Status, answer.Text)
	}
	return answer.JSON()
}

// lifeOf is how long a token lives, in seconds.
func lifeOf(t *testing.T, token string) float64 {
	t.Helper()
	begins, _ := claimOf(t, token, "iat").(float64)
	ends, _ := claimOf(t, token, "exp").(float64)
	return ends - begins
}

// TestWhatIsNoMetadataIsTheOperators: the lifetimes that a gateway is told, and everything that an operator then gives a registered client,
// outlast its changes of itself, and count.
func TestWhatIsNoMetadataIsTheOperators(t *testing.T) {
	r := newRegistrar(t, "--registered-access-token-validity=5m", "--registered-refresh-token-validity=24h", "--registered-id-token-validity=90s")
	grants := []string{"authorization_code", "password", "refresh_token"}
	made := r.register(proc.Object{"grant_types": grants, "client_name": "Shop"})
	app, id, secret := "/applications/"+made.Text("id"), made.Text("client_id"), made.Text("client_secret")
	uri, token := made.Text("registration_client_uri"), made.Text("registration_access_token")
	read := func(below string) proc.Object { return r.api.Do("GET", r.path(app+below), nil) }

	t.Run("the gateway's lifetimes are the client's", func(t *testing.T) {
		tokens := r.signsIn(id, secret, "openid")
		if lifeOf(t, tokens.Text("access_token")) != 300 || tokens["expires_in"] != float64(300) || lifeOf(t, tokens.Text("id_token")) != 90 {
			t.Errorf("%v", tokens)
		}
		if o := read(""); o.At("settings", "oauth", "refreshTokenValiditySeconds") != float64(86400) {
			t.Errorf("%v", o.At("settings", "oauth"))
		}
	})

	certificate := r.api.Do("POST", r.path("/certificates"), proc.Object{
		"name": "Theirs", "type": "generated-am-certificate", "configuration": proc.Object{"algorithm": "ES384", "alias": "theirs"},
	}).Text("id")
	r.patch(app, proc.Object{
		"certificate": certificate, "metadata": proc.Object{"a": "b"},
		"identityProviders": []proc.Object{{"identity": "default-idp-" + r.id, "selectionRule": "", "priority": 3}},
		"settings": proc.Object{
			"oauth": proc.Object{
				"accessTokenValiditySeconds": 77, "refreshTokenValiditySeconds": 78, "idTokenValiditySeconds": 79, "enhanceScopesWithUserPermissions": true,
				"tokenCustomClaims": []proc.Object{{"tokenType": "ID_TOKEN", "claimName": "c", "claimValue": "v"}},
			},
			"secretExpirationSettings": proc.Object{"enabled": true, "expiryTimeSeconds": 3600},
			"login":                    proc.Object{"inherited": false, "rememberMeEnabled": true},
			"account":                  proc.Object{"inherited": false, "maxLoginAttempts": 7},
			"advanced":                 proc.Object{"skipConsent": true},
		},
	})
	r.api.Do("POST", r.path(app+"/forms"), proc.Object{"template": "login", "enabled": true, "content": "<p id=\"theirs\">hello</p>"})
	r.api.Do("POST", r.path(app+"/emails"), proc.Object{
		"template": "reset_password", "enabled": true, "from": "us@people.example", "subject": "s", "content": "c", "expiresAfter": 60,
	})
	r.api.Do("POST", r.path(app+"/secrets"), proc.Object{"name": "Second"})
	flows := []any{proc.Object{"type": "login", "name": "theirs", "enabled": true, "post": []any{proc.Object{
		"name": "mark", "policy": "set-attributes", "enabled": true, "configuration": proc.Object{"attributes": proc.Object{"partner": "\"north\""}},
	}}}}
	if answer, err := r.api.Try(t.Context(), "PUT", r.path(app+"/flows"), flows); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("flows: %d %s, %v", answer.Status, answer.Text, err)
	}
	r.settle()
	var paths [][]string
	for _, path := range []string{
		"id", "type", "enabled", "createdAt", "certificate", "metadata", "identityProviders", "secrets", "secretSettings", "settings/oauth/clientId",
		"settings/oauth/accessTokenValiditySeconds", "settings/oauth/refreshTokenValiditySeconds", "settings/oauth/idTokenValiditySeconds",
		"settings/oauth/enhanceScopesWithUserPermissions", "settings/oauth/tokenCustomClaims",
		"settings/secretExpirationSettings", "settings/login", "settings/account", "settings/advanced",
	} {
		paths = append(paths, strings.Split(path, "/"))
	}
	before := read("")
	kept := func() map[string]any {
		now, all := read(""), map[string]any{}
		for _, path := range paths {
			if all[strings.Join(path, ".")] = now.At(path...); now.At(path...) == nil {
				t.Errorf("there is no %v", path)
			}
		}
		for _, below := range []string{"/forms?template=LOGIN", "/emails?template=RESET_PASSWORD"} {
			all[below] = read(below)
		}
		all["/flows"] = r.api.List(r.path(app + "/flows"))
		return all
	}
	first := kept()
	key := keyOf(t, r.signsIn(id, secret, "openid").Text("id_token"))
	for _, tt := range []struct {
		method string
		body   proc.Object
	}{
		{"PUT", redirected(proc.Object{"client_name": "Overwritten", "grant_types": grants})},
		{"PATCH", proc.Object{"client_name": "Patched", "access_token_validity_seconds": 9}},
		{"PUT", redirected(proc.Object{"client_name": "Again", "grant_types": grants, "certificate": "x", "identity_providers": []string{}})},
	} {
		t.Run(tt.method+" keeps what is no metadata", func(t *testing.T) {
			r.t = t
			answer := r.send(tt.method, uri, token, tt.body)
			if answer.Status != http.StatusOK || answer.JSON().Text("client_name") != tt.body["client_name"] {
				t.Fatalf("%d %s", answer.Status, answer.Text)
			}
			token = answer.JSON().Text("registration_access_token")
			if before.Text("settings", "oauth", "clientName") == read("").Text("settings", "oauth", "clientName") {
				t.Error("nothing has changed at all")
			}
			for what, now := range kept() {
				if !same(first[what], now) {
					t.Errorf("%s was %v, is %v", what, first[what], now)
				}
			}
			tokens := r.signsIn(id, secret, "openid")
			if tokens["expires_in"] != float64(77) || lifeOf(t, tokens.Text("id_token")) != 79 || keyOf(t, tokens.Text("id_token")) != key {
				t.Errorf("tokens: %v", tokens)
			}
			asked := request(t, "GET", r.base+"/login?"+url.Values{
				"client_id": {id}, "response_type": {"code"}, "redirect_uri": {"https://client.example/cb"}, "scope": {"openid"},
			}.Encode(), "", nil)
			if !strings.Contains(asked.Text, `id="theirs"`) {
				t.Errorf("the login page is not the client's: %d %s", asked.Status, asked.Text)
			}
		})
	}
	t.Run("the settings of secrets count when the secret is renewed", func(t *testing.T) {
		r.t = t
		renewed := r.send("POST", uri+"/renew_secret", token, nil).JSON()
		if ends, _ := renewed["client_secret_expires_at"].(float64); ends < float64(time.Now().Unix()+3000) || ends > float64(time.Now().Unix()+4000) {
			t.Errorf("%v", renewed)
		}
	})
}

// TestSomebodyWithDCRAdminAdministersClients signs somebody in at an application that operators trust with dcr_admin. Their token manages any client
// of the domain, registers none, and ends with their account.
func TestSomebodyWithDCRAdminAdministersClients(t *testing.T) {
	r := newRegistrar(t)
	r.registration(true, false)
	desk := r.application(
		proc.Object{"name": "Desk", "type": "WEB", "redirectUris": []string{"https://desk.example/cb"}},
		proc.Object{
			"identityProviders": []proc.Object{{"identity": "default-idp-" + r.id}},
			"settings": proc.Object{"oauth": proc.Object{
				"grantTypes": []string{"authorization_code", "password"}, "scopeSettings": []proc.Object{{"scope": "openid"}, {"scope": "dcr_admin"}},
			}},
		})
	web := r.application(proc.Object{"name": "by hand", "type": "WEB", "redirectUris": []string{"https://hand.example/cb"}}, nil)
	r.settle()
	token := r.signsIn(desk.id, desk.secret, "dcr_admin").Text("access_token")
	if answer := r.send("POST", r.endpoint, token, redirected(proc.Object{})); answer.Status != http.StatusUnauthorized ||
		answer.JSON().Text("error_description") != "The access token was not issued for a Client" {
		t.Errorf("a registration: %d %s", answer.Status, answer.Text)
	}
	uri := r.endpoint + "/" + web.id
	for _, tt := range []struct {
		method, below string
		body          any
	}{
		{"GET", "", nil},
		{"PATCH", "", proc.Object{"client_name": "Changed"}},
		{"PUT", "", redirected(proc.Object{"client_name": "Changed again"})},
		{"POST", "/renew_secret", nil},
	} {
		if answer := r.send(tt.method, uri+tt.below, token, tt.body); answer.Status != http.StatusOK || answer.JSON().Text("client_id") != web.id {
			t.Errorf("%s: %d %s", tt.method, answer.Status, answer.Text)
		}
	}
	bob, _ := r.api.Do("GET", r.path("/users?q=bob"), nil)["data"].([]any)
	if len(bob) != 1 {
		t.Fatalf("%d people are bob", len(bob))
	}
	r.api.Do("PUT", r.path("/users/"+proc.Object(bob[0].(map[string]any)).Text("id")+"/status"), proc.Object{"enabled": false})
	proc.Await(t, "the token of somebody who is disabled is none", 10*time.Second, func(context.Context) error {
		answer := r.send("GET", uri, token, nil)
		if answer.Status == http.StatusUnauthorized && answer.JSON().Text("error") == "invalid_token" {
			return nil
		}
		return fmt.Errorf("%d %s", answer.Status, answer.Text)
	})
	if answer := r.send("DELETE", uri, token, nil); answer.Status != http.StatusUnauthorized {
		t.Errorf("it deletes: %d %s", answer.Status, answer.Text)
	}
}
