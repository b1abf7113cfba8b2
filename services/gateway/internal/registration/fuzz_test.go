package registration_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzRegister checks that no body makes the endpoint fail, and that what it accepts is served, reads back as it was answered,
// and can be sent back by PUT. The same body is then a PATCH of that client.
func FuzzRegister(f *testing.F) {
	for _, body := range []string{
		minimal, ``, `{}`, `null`, `[]`, `{"redirect_uris":null}`, `{"redirect_uris":[""]}`, "{\"redirect_uris\":[\"\xff\"]}",
		`{"redirect_uris":[],"grant_types":["client_credentials"],"response_types":[],"application_type":"server"}`,
		`{"redirect_uris":["a:b"],"grant_types":["password~x","refresh_token"],"response_types":["token id_token"]}`,
		`{"redirect_uris":[],"default_max_age":9223372036854775807,"require_auth_time":null,"contacts":[]}`,
		`{"redirect_uris":[],"default_max_age":-1e400}`, `{"redirect_uris":[],"scope":"a a  b\u0000"}`,
		`{"redirect_uris":[],"jwks":{"keys":[{}]},"software_statement":"a.b.c","client_name":"\ud800"}`,
		`{"redirect_uris":[],"jwks":{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}}`,
		`{"redirect_uris":[],"jwks":null,"jwks_uri":"https://client.example/jwks","sector_identifier_uri":"https://client.example/sector","subject_type":"pairwise"}`,
		`{"redirect_uris":["https://client.example/cb"],"sector_identifier_uri":"https://client.example/sector"}`,
		`{"redirect_uris":[],"id_token_signed_response_alg":"ES256","logo_uri":"http://[::1","client_uri":"https://x"}`,
		`{"redirect_uris":[],"id_token_encrypted_response_alg":"dir","userinfo_encrypted_response_enc":"x","request_uris":["https://x/#y"]}`,
		`{"redirect_uris":[],"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_ip":"::1","tls_client_auth_san_dns":""}`,
		`{"redirect_uris":[],"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"HS256"}`,
		`{"redirect_uris":[],"redirect_uris":[]}`, `{"scope_settings":[{}],"client_id":"x","redirect_uris":[]}`,
		`{"software_id":"","initiate_login_uri":"https://x","client_secret":"x"}`, `{"redirect_uris":[],"client_id":7}`,
	} {
		f.Add([]byte(body))
	}
	settings := open()
	settings.ClientTemplateEnabled = true
	rg := newRig(f, settings)
	rg.web["https://client.example/jwks"] = `{"keys":[]}`
	rg.web["https://client.example/sector"] = `["https://client.example/cb"]`
	f.Fuzz(func(t *testing.T, body []byte) {
		rg := *rg
		rg.TB = t
		got := rg.register(string(body), "Content-Type", "application/json")
		refused := func(a answer) bool { return a.status == 400 && a.code() != "" && a.description() != "" }
		switch {
		case refused(got):
			return
		case got.status != 201:
			t.Fatalf("%d %s", got.status, got.text)
		}
		if _, err := rg.set.Domain(acme).Client(t.Context(), got.field("client_id")); err != nil {
			t.Fatalf("it is not served: %v", err)
		}
		path, once := "/acme/oidc/register/"+got.field("client_id"), []string{"client_secret", "registration_access_token", "registration_client_uri"}
		token := got.field("registration_access_token")
		read := rg.do("GET", path, "", bearer(token)...)
		for _, name := range once {
			delete(got.body, name)
		}
		if diff := cmp.Diff(got.body, read.body); read.status != 200 || diff != "" {
			t.Fatalf("read back %d (-registered +read):\n%s", read.status, diff)
		}
		if !json.Valid([]byte(got.text)) {
			t.Fatalf("answered %q", got.text)
		}
		put := rg.do("PUT", path, read.text, bearer(token)...)
		if put.status == 200 {
			token = put.field("registration_access_token")
			for _, name := range append(once, "updated_at") {
				delete(put.body, name)
				delete(got.body, name)
			}
			if diff := cmp.Diff(got.body, put.body); diff != "" {
				t.Fatalf("sent back by PUT (-registered +put):\n%s", diff)
			}
		} else if !refused(put) {
			t.Fatalf("PUT %d %s", put.status, put.text)
		}
		if patched := rg.do("PATCH", path, string(body), append(bearer(token), "Content-Type", "application/json")...); patched.status != 200 && !refused(patched) {
			t.Fatalf("PATCH %d %s", patched.status, patched.text)
		}
	})
}
