package rest

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

func TestLint(t *testing.T) {
	h := newHouse(t)
	domain := short + "/domains/" + h.domain("Lint")
	create := func(body string) prototree.Object {
		return h.send("POST", domain+"/applications", body).status(http.StatusCreated).tree()
	}
	web := create(`{"name":"Web","type":"web","redirectUris":["https://web.example/cb"]}`)
	create(`{"name":"Service","type":"service"}`)
	one := domain + "/applications/" + web["id"].(string) + "/_lint"

	if got := h.send("POST", one, "").status(http.StatusOK).tree(); got["profile"] != "none" || got["clean"] != true || len(got["violations"].([]any)) != 0 {
		t.Errorf("in a domain without a profile: %v", got)
	}
	got := h.send("POST", one+"?profile=OAuth21", "").status(http.StatusOK).tree()
	want := prototree.Object{
		"id": web["id"], "name": "Web", "clientId": at(web, "settings.oauth.clientId"), "profile": "oauth21", "clean": false,
		"violations": []any{
			prototree.Object{
				"path": "settings.oauth.responseTypes", "clause": "RFC 9700 §2.1.2",
				"why":   "tokens in a redirect leak through histories, logs and referrers, and cannot be bound to whom they were meant for",
				"value": []any{"code", "code id_token token", "code id_token", "code token"}, "cure": []any{"code", "code id_token"},
			},
			prototree.Object{
				"path": "settings.oauth.grantTypes", "clause": "RFC 9700 §2.1.2, §2.4",
				"why":   "a password that a client sees is no longer the person's alone, and the implicit grant gives tokens to whoever holds the redirect",
				"value": []any{"authorization_code", "password"}, "cure": []any{"authorization_code"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lint (-want +got):\n%s", diff)
	}
	h.send("POST", one+"?profile=strict", "").refused(400, "[strict: must be one of none, oauth21, mcp, fapi2, fapi2_message_signing]", "profile")
	h.send("POST", domain+"/applications/nope/_lint", "").refused(404, "Application [nope] can not be found.")

	if data := h.send("POST", domain+"/_lint", "").status(http.StatusOK).data(); len(data) != 0 {
		t.Errorf("in a domain without a profile: %v", data)
	}
	if data := h.send("POST", domain+"/_lint?profile=oauth21&size=1", "").status(http.StatusOK).data(); len(data) != 1 || at(data[0], "name") != "Web" {
		t.Errorf("under oauth21: %v", data)
	}
	if data := h.send("POST", domain+"/_lint?profile=fapi2", "").status(http.StatusOK).data(); len(data) != 2 {
		t.Errorf("under fapi2: %v", data)
	}

	// The domain becomes stricter. Nothing is rewritten; a change is refused for what it changes itself.
	h.send("PATCH", domain, `{"oidc":{"securityProfileSettings":{"profile":"oauth21"}}}`).status(http.StatusOK)
	application := domain + "/applications/" + web["id"].(string)
	h.send("PATCH", application, `{"description":"still mine"}`).status(http.StatusOK)
	h.send("PATCH", application, `{"settings":{"oauth":{"userinfoSignedResponseAlg":"HS256"}}}`).refused(400,
		"[userinfoSignedResponseAlg: breaks the security profile oauth21 (RFC 8725 §3.1, §3.2): a key that both sides know proves to nobody else who signed, and old algorithms are the first to break]",
		"settings.oauth.userinfoSignedResponseAlg")
	h.send("PATCH", application, `{"settings":{"oauth":{"securityProfile":"none"}}}`).refused(400,
		"[securityProfile: breaks the security profile oauth21 (OAuth 2.1): an application is only ever stricter than its domain]", "settings.oauth.securityProfile")
	h.send("PATCH", application, `{"settings":{"oauth":{"responseTypes":["code","code id_token"],"grantTypes":["authorization_code"]}}}`).status(http.StatusOK)
	if got := h.send("POST", one, "").status(http.StatusOK).tree(); got["profile"] != "oauth21" || got["clean"] != true {
		t.Errorf("after the cures: %v", got)
	}
	fresh := create(`{"name":"New","type":"web","redirectUris":["https://new.example/cb"]}`)
	if diff := cmp.Diff([]any{"authorization_code"}, at(fresh, "settings.oauth.grantTypes")); diff != "" {
		t.Errorf("grant types of a new application (-want +got):\n%s", diff)
	}
}
