package registration_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzRegister checks that no body makes the endpoint fail, and that what it accepts reads back as it was answered.
func FuzzRegister(f *testing.F) {
	for _, body := range []string{
		minimal, ``, `{}`, `null`, `[]`, `{"redirect_uris":null}`, `{"redirect_uris":[""]}`, "{\"redirect_uris\":[\"\xff\"]}",
		`{"redirect_uris":[],"grant_types":["client_credentials"],"response_types":[],"application_type":"server"}`,
		`{"redirect_uris":["a:b"],"grant_types":["password~x","refresh_token"],"response_types":["token id_token"]}`,
		`{"redirect_uris":[],"default_max_age":9223372036854775807,"require_auth_time":null,"contacts":[]}`,
		`{"redirect_uris":[],"default_max_age":-1e400}`, `{"redirect_uris":[],"scope":"a a  b\u0000"}`,
		`{"redirect_uris":[],"jwks":{"keys":[{}]},"software_statement":"a.b.c","client_name":"\ud800"}`,
		`{"redirect_uris":[],"id_token_signed_response_alg":"ES256","logo_uri":"http://[::1","client_uri":"https://x"}`,
		`{"redirect_uris":[],"redirect_uris":[]}`, `{"scope_settings":[{}],"client_id":"x","redirect_uris":[]}`,
	} {
		f.Add([]byte(body))
	}
	rg := newRig(f, open())
	f.Fuzz(func(t *testing.T, body []byte) {
		rg := *rg
		rg.TB = t
		got := rg.register(string(body), "Content-Type", "application/json")
		switch {
		case got.status == 400 && got.code() != "" && got.description() != "":
			return
		case got.status != 201:
			t.Fatalf("%d %s", got.status, got.text)
		}
		read := rg.do("GET", "/acme/oidc/register/"+got.field("client_id"), "", bearer(got.field("registration_access_token"))...)
		for _, name := range []string{"client_secret", "registration_access_token", "registration_client_uri"} {
			delete(got.body, name)
		}
		if diff := cmp.Diff(got.body, read.body); read.status != 200 || diff != "" {
			t.Fatalf("read back %d (-registered +read):\n%s", read.status, diff)
		}
		if !json.Valid([]byte(got.text)) {
			t.Fatalf("answered %q", got.text)
		}
	})
}
