package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestG13WhomADomainTrustsMayChange: clients that registered with a statement change themselves after that, those that were let in by it
// stay as it says, and operators find them.
func TestG13WhomADomainTrustsMayChange(t *testing.T) {
	r := newRegistrar(t)
	key, err := jose.GenerateKey(jose.ES256, "k")
	if err != nil {
		t.Fatal(err)
	}
	const org = "https://org.example"
	payload, err := json.Marshal(proc.Object{"iss": org, "client_name": "Bank of Ann", "scope": "openid"})
	if err != nil {
		t.Fatal(err)
	}
	statement, err := key.Sign(jose.TypeJWT, payload)
	if err != nil {
		t.Fatal(err)
	}
	trust := func(required bool, issuers ...any) {
		t.Helper()
		r.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{
			"softwareStatementIssuers": append([]any{}, issuers...), "isSoftwareStatementRequired": required,
		}}})
		r.settle()
	}
	change := func(client proc.Object, body any) proc.Object {
		t.Helper()
		answer := r.send("PATCH", client.Text("registration_client_uri"), client.Text("registration_access_token"), body)
		if answer.Status != http.StatusOK {
			t.Fatalf("PATCH of %v: %d %s", body, answer.Status, answer.Text)
		}
		got := answer.JSON()
		client["registration_access_token"] = got["registration_access_token"]
		return got
	}
	// grants returns a statement of grant types.
	grants := func(names ...string) string {
		t.Helper()
		payload, err := json.Marshal(proc.Object{"iss": org, "grant_types": names})
		if err != nil {
			t.Fatal(err)
		}
		text, err := key.Sign(jose.TypeJWT, payload)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	listed := func() any {
		t.Helper()
		return r.api.Do("GET", r.path("/registrations?statementIssuer="+url.QueryEscape(org)), nil)["totalCount"]
	}

	plain, foreign := r.register(nil), r.register(proc.Object{"software_statement": "a.b.c"})
	trust(true, proc.Object{"issuer": org, "jwks": proc.Object{"keys": []any{key.PublicJWK()}}})
	if answer := r.try(nil); answer.JSON().Text("error") != "invalid_software_statement" {
		t.Errorf("without a statement: %d %s", answer.Status, answer.Text)
	}
	for name, client := range map[string]proc.Object{"no statement": plain, "a statement of nobody": foreign} {
		if got := change(client, proc.Object{"client_name": "Mine"}); got.Text("client_name") != "Mine" {
			t.Errorf("a client from before with %s: %v", name, got)
		}
	}
	if answer := r.try(proc.Object{"software_statement": grants("authorization_code"), "response_types": []string{"token"}}); answer.JSON().Text("error") != "invalid_client_metadata" {
		t.Errorf("other grant types by response types: %d %s", answer.Status, answer.Text)
	}
	machine := r.register(proc.Object{"software_statement": grants("client_credentials")})
	if list, _ := machine["grant_types"].([]any); len(list) != 1 || list[0] != "client_credentials" {
		t.Errorf("grant types %v", list)
	}
	if answer := r.send("DELETE", machine.Text("registration_client_uri"), machine.Text("registration_access_token"), nil); answer.Status != http.StatusNoContent {
		t.Errorf("deleted: %d %s", answer.Status, answer.Text)
	}
	accepted := r.register(proc.Object{"software_statement": statement, "client_name": "Mine"})
	if accepted.Text("client_name") != "Bank of Ann" {
		t.Errorf("%v", accepted)
	}
	trust(false)
	for _, body := range []proc.Object{{"client_name": "Mine", "scope": "openid profile"}, {"software_statement": nil, "client_name": "Mine"}} {
		if got := change(accepted, body); got.Text("client_name") != "Bank of Ann" || got.Text("scope") != "openid" || got.Text("software_statement") != statement {
			t.Errorf("after %v: %v", body, got)
		}
	}
	app := r.api.Do("GET", r.path("/applications/"+accepted.Text("id")), nil)
	if app.Text("settings", "oauth", "softwareStatementVerdict", "issuer") != org || listed() != float64(1) {
		t.Errorf("operators do not see who signed it: %v, %v listed", app.At("settings", "oauth", "softwareStatementVerdict"), listed())
	}

	boss := r.application(proc.Object{"name": "Boss", "type": "service"}, proc.Object{"settings": proc.Object{"oauth": proc.Object{
		"scopeSettings": []any{proc.Object{"scope": "dcr_admin"}},
	}}})
	r.settle()
	token := r.post(t, "/oauth/token", boss, url.Values{"grant_type": {"client_credentials"}, "scope": {"dcr_admin"}}).JSON().Text("access_token")
	answer := r.send("PATCH", accepted.Text("registration_client_uri"), token, proc.Object{"software_statement": nil, "client_name": "Free"})
	if got := answer.JSON(); answer.Status != http.StatusOK || got.Text("client_name") != "Free" || got["software_statement"] != nil || listed() != float64(0) {
		t.Errorf("taken away by an administrator: %d %s, %v listed", answer.Status, answer.Text, listed())
	}
}
