package registration_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

// numbered is a JSON list of so many values.
func numbered(format string, n int) string {
	values := make([]string, n)
	for i := range values {
		values[i] = `"` + fmt.Sprintf(format, i) + `"`
	}
	return "[" + strings.Join(values, ",") + "]"
}

func TestListsAreBounded(t *testing.T) {
	const uri = "https://client.example/%d"
	words := strings.Trim(strings.ReplaceAll(numbered("s%d", 50_000)[1:], `","`, " "), `"]`)
	if len(words) > 350_000 {
		t.Fatal(len(words))
	}
	words = words[:200_000]
	for _, tt := range []struct {
		body, description string
		code              oauth2.Code
	}{
		{`{"redirect_uris":` + numbered(uri, 101) + `}`, "redirect_uris: more than 100 values", oauth2.InvalidRedirectURI},
		{`{"redirect_uris":[],"post_logout_redirect_uris":` + numbered(uri, 101) + `}`, "post_logout_redirect_uris: more than 100 values", "invalid_target_url"},
		{`{"redirect_uris":[],"request_uris":` + numbered(uri, 101) + `}`, "request_uris: more than 100 values", oauth2.InvalidRequestURI},
		{`{"redirect_uris":[],"contacts":` + numbered("c%d@client.example", 101) + `}`, "contacts: more than 100 values", oauth2.InvalidClientMetadata},
		{`{"redirect_uris":[],"default_acr_values":` + numbered("acr%d", 101) + `}`, "default_acr_values: more than 100 values", oauth2.InvalidClientMetadata},
		{`{"redirect_uris":[],"scope":"` + words + `"}`, "scope: more than 1000 values", oauth2.InvalidClientMetadata},
	} {
		rg := newRig(t, open())
		rg.refused(rg.register(tt.body), 400, tt.code, tt.description)
	}
	rg := newRig(t, open())
	made := rg.register(`{"redirect_uris":` + numbered(uri, 100) + `}`)
	if made.status != http.StatusCreated {
		t.Fatalf("a hundred: %d %s", made.status, made.text)
	}
	rg.refused(rg.change("PATCH", made, `{"redirect_uris":`+numbered(uri, 101)+`}`), 400, oauth2.InvalidRedirectURI, "redirect_uris: more than 100 values")
}

// TestInventedTokensReachManagementOnce shows that who makes up tokens cannot have management look each of them up for ever.
func TestInventedTokensReachManagementOnce(t *testing.T) {
	rg := newRig(t, closed())
	for range 3 {
		rg.refused(rg.register(minimal, bearer("gatehouse_iat_invented")...), 401, oauth2.InvalidToken, "The access token is invalid")
	}
	if n := rg.management.found.Load(); n != 1 {
		t.Errorf("management was asked %d times within a second", n)
	}
	made := newRig(t, open())
	gone := made.register(minimal)
	own, token := "/acme/oidc/register/"+gone.field("client_id"), gone.field("registration_access_token")
	if got := made.do("DELETE", own, "", bearer(token)...); got.status != http.StatusNoContent {
		t.Fatalf("%d %s", got.status, got.text)
	}
	before := made.management.resolved.Load()
	for range 5 {
		made.refused(made.do("GET", own, "", bearer(token)...), 401, oauth2.InvalidToken, "The access token is invalid")
	}
	if n := made.management.resolved.Load() - before; n > 2 {
		t.Errorf("management was asked %d times for a client that is gone", n)
	}
}

// TestAReadShowsWhatAnotherGatewayChanged is the promise of the next request: the stream has not said so yet.
func TestAReadShowsWhatAnotherGatewayChanged(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(minimal)
	id, old := made.field("client_id"), made.field("registration_access_token")
	own := "/acme/oidc/register/" + id
	rg.client("admin", oauth2.ScopeDCRAdmin)
	changed, err := rg.management.Update(context.Background(), &registrationv1.UpdateRequest{
		Domain: acme, ClientId: id, Revision: rg.management.clients[id].GetRevision(), Issuer: "https://gate.example/acme/oidc",
		Application: &configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: func() *configv1.OAuthSettings {
			o := proto.CloneOf(rg.management.clients[id].GetSettings().GetOauth())
			o.ClientName = "elsewhere"
			return o
		}()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rg.refused(rg.do("GET", own, "", bearer(old)...), 403, oauth2.RegistrationForbidden, "Non matching registration_access_token")
	for _, token := range []string{changed.GetRegistrationAccessToken(), rg.token("admin", "", oauth2.ScopeDCRAdmin)} {
		if got := rg.do("GET", own, "", bearer(token)...); got.status != http.StatusOK || got.field("client_name") != "elsewhere" {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
}

func TestATemplatesOtherHalfOfAPair(t *testing.T) {
	settings := open()
	settings.ClientTemplateEnabled = true
	rg := newRig(t, settings)
	got := rg.register(`{"software_id":"t1","userinfo_encrypted_response_enc":"A256GCM"}`)
	if got.status != http.StatusCreated || rg.management.last().GetApplication().GetSettings().GetOauth().GetUserinfoEncryptedResponseEnc() != "A256GCM" {
		t.Errorf("%d %s", got.status, got.text)
	}
	rg.refused(rg.register(`{"software_id":"t1","userinfo_encrypted_response_enc":"ROT13"}`), 400, oauth2.InvalidClientMetadata, "Unsupported userinfo_encrypted_response_enc value")
	rg.refused(rg.register(`{"redirect_uris":[],"userinfo_encrypted_response_enc":"A256GCM"}`), 400, oauth2.InvalidClientMetadata,
		"When userinfo_encrypted_response_enc is included, userinfo_encrypted_response_alg MUST also be provided")
}

func TestEncryptionIsGivenUpByItsAlgorithm(t *testing.T) {
	rg := newRig(t, open())
	made := rg.register(`{"redirect_uris":[],"userinfo_encrypted_response_alg":"RSA-OAEP-256"}`)
	if made.status != http.StatusCreated || made.field("userinfo_encrypted_response_enc") != "A128CBC-HS256" {
		t.Fatalf("%d %s", made.status, made.text)
	}
	got := rg.change("PATCH", made, `{"userinfo_encrypted_response_alg":null}`)
	if got.status != http.StatusOK || got.field("userinfo_encrypted_response_alg") != "" || got.field("userinfo_encrypted_response_enc") != "" {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestKeysThatAreNoneDoNotAuthenticate(t *testing.T) {
	rg := newRig(t, open())
	rg.refused(rg.register(`{"redirect_uris":[],"token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{"keys":[]}}`), 400,
		oauth2.InvalidClientMetadata, "The self_signed_tls_client_auth requires at least a jwks or a valid jwks_uri.")
}
