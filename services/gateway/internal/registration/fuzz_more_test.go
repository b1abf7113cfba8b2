package registration_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

// FuzzRegisterByStatement checks that whatever an issuer signs, next to whatever the client sends, is refused as what is wrong with
// it, or makes a client that is served, reads back and keeps its statement.
func FuzzRegisterByStatement(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"iss":"https://org.example"}`, minimal},
		{`{"iss":"https://org.example","redirect_uris":null,"grant_types":[]}`, `{}`},
		{`{"iss":"https://org.example","scope":7,"jwks":{"keys":[{}]}}`, `{"redirect_uris":[]}`},
		{`{"iss":"https://org.example","exp":-1,"client_name":{}}`, minimal},
		{`{"iss":"https://org.example","exp":1e300,"aud":[1],"software_id":"t","software_statement":"x"}`, minimal},
		{`{"iss":"https://org.example","client_id":"x","client_secret":"y","token_endpoint_auth_method":null}`, minimal},
		{`[]`, `[]`}, {`null`, `null`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	p := newPublisher(f)
	rg := newRig(f, trusting(p.issuer(org)))
	f.Fuzz(func(t *testing.T, claims, body []byte) {
		rg := *rg
		rg.TB = t
		statement, err := p.key.Sign("JWT", claims)
		if err != nil {
			return
		}
		var members map[string]any
		if json.Unmarshal(body, &members) != nil || members == nil {
			members = map[string]any{}
		}
		members["software_statement"] = statement
		whole, err := json.Marshal(members)
		if err != nil {
			return
		}
		made := rg.register(string(whole))
		rg.servedOrRefused(t, made)
		if made.status != http.StatusCreated {
			return
		}
		token := made.field("registration_access_token")
		for _, change := range [][2]string{{"PATCH", string(body)}, {"PATCH", `{"software_statement":null}`}, {"PUT", string(whole)}, {"PUT", string(body)}} {
			path := "/acme/oidc/register/" + made.field("client_id")
			got := rg.do(change[0], path, change[1], bearer(token)...)
			switch {
			case got.status == http.StatusOK:
				token = got.field("registration_access_token")
				if got.field("software_statement") != statement {
					t.Errorf("%s of %q sheds the statement: %s", change[0], change[1], got.text)
				}
			case got.status != http.StatusBadRequest:
				t.Errorf("%s of %q: %d %s", change[0], change[1], got.status, got.text)
			}
		}
	})
}

// FuzzRegisterByToken does the same for initial access tokens with a template and scopes, and for keys of whatever form.
func FuzzRegisterByToken(f *testing.F) {
	f.Add([]byte(minimal), "7f9c1e0e-5c1b-4b3e-9a55-0a2a4a3b7f11", "", true, "openid")
	f.Add([]byte(`{"scope":"openid dcr_admin","software_id":null}`), "", "t1", true, "")
	f.Add([]byte(`{"software_id":"t1","scope":null}`), "\x00", "t1", false, "x")
	f.Add([]byte(`{ \`+"\n"+`"redirect_uris":[] \`+"\n}"), "kkkkkkkkkkkkkkkkk", "t 1", true, "\xff")
	rg := newRig(f, closed())
	f.Fuzz(func(t *testing.T, body []byte, key, template string, limited bool, scope string) {
		rg.now = rg.now.Add(time.Second) // as many questions as these may be asked in the time that they take
		rg := *rg
		rg.TB = t
		rg.withToken(&registrationv1.FindInitialAccessTokenResponse{Template: toText(template), ScopesLimited: limited, Scopes: []string{toText(scope)}})
		got := rg.register(string(body), "Authorization", "Bearer "+initial, "Idempotency-Key", key)
		rg.servedOrRefused(t, got)
		if got.status == http.StatusCreated && limited && (template == "" || rg.management.last().GetApplication().GetSettings().GetOauth().GetScopeSettings() != nil) {
			for _, s := range rg.management.last().GetApplication().GetSettings().GetOauth().GetScopeSettings() {
				if s.GetScope() != toText(scope) {
					t.Errorf("it is registered for %q", s.GetScope())
				}
			}
		}
	})
}

// toText is what of a text can travel to management.
func toText(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	var clean string
	if json.Unmarshal(text, &clean) != nil {
		return ""
	}
	return clean
}

// servedOrRefused demands that a registration is refused as what the client did wrong, or that its client is served and read back.
func (rg *rig) servedOrRefused(t *testing.T, got answer) {
	t.Helper()
	if got.status == http.StatusBadRequest && got.code() != "" && got.description() != "" {
		return
	}
	if got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if _, err := rg.set.Domain(acme).Client(t.Context(), got.field("client_id")); err != nil {
		t.Fatalf("it is not served: %v", err)
	}
	read := rg.do("GET", "/acme/oidc/register/"+got.field("client_id"), "", bearer(got.field("registration_access_token"))...)
	if read.status != http.StatusOK || read.field("client_id") != got.field("client_id") {
		t.Fatalf("read back %d %s", read.status, read.text)
	}
}
