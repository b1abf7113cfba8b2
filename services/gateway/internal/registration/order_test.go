package registration_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// set is metadata as the body of a registration; nil is null.
type set map[string]any

// over lays metadata over other ones.
func (s set) over(others set) set {
	all := set{}
	maps.Copy(all, others)
	maps.Copy(all, s)
	return all
}

func (s set) body(t testing.TB) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// broken is a rule of registration, metadata that break it, and the answer.
type broken struct {
	rule string
	set  set
	code oauth2.Code
	text string
}

// inOrder are the rules of registration in the order in which they are looked for, after the scopes.
var inOrder = func() []broken {
	const meta = oauth2.InvalidClientMetadata
	const nobody = "https://nobody.example/"
	rows := []broken{
		{"the grant types are known", set{"grant_types": []string{"magic"}}, meta, "Missing or invalid grant type."},
		{"the response types are known", set{"response_types": []string{"magic"}}, meta, "Invalid response type."},
		{"the subject type is public or pairwise", set{"subject_type": "private"}, meta, "Unsupported subject type"},
		{"request_uris are on the web", set{"request_uris": []string{"urn:x"}}, meta, "request_uris: urn:x is not valid."},
		{"sector_identifier_uri is an address", set{"sector_identifier_uri": "sector"}, meta, "sector_identifier_uri: sector is not valid."},
		{"sector_identifier_uri is https", set{"sector_identifier_uri": "http://client.example/s"}, meta, "Scheme must be https for sector_identifier_uri : http://client.example/s"},
		{"sector_identifier_uri can be fetched", set{"sector_identifier_uri": nobody + "s"}, meta, "Unable to parse sector_identifier_uri : " + nobody + "s"},
		{"sector_identifier_uri lists the redirect URIs", set{"sector_identifier_uri": "https://client.example/sector"}, oauth2.InvalidRedirectURI,
			"redirect uris are not allowed according to sector_identifier_uri: https://client.example/callback"},
		{"jwks and jwks_uri are not used together", set{"jwks": json.RawMessage(`{"keys":[]}`), "jwks_uri": nobody + "k"}, meta, "The jwks_uri and jwks parameters MUST NOT be used together."},
		{"jwks_uri can be read", set{"jwks_uri": nobody + "k"}, meta, "Unable to parse jwks from " + nobody + "k"},
		{"UserInfo is signed by a known algorithm", set{"userinfo_signed_response_alg": "none"}, meta, "Unsupported userinfo signing algorithm"},
	}
	pair := func(what, member string) {
		alg, enc := member+"_alg", member+"_enc"
		rows = append(rows,
			broken{what + " encrypted: enc needs alg", set{alg: nil, enc: "ROT13"}, meta, "When " + enc + " is included, " + alg + " MUST also be provided"},
			broken{what + " encrypted: alg is known", set{alg: "RSA1_5", enc: "ROT13"}, meta, "Unsupported " + alg + " value"},
			broken{what + " encrypted: enc is known", set{alg: "dir", enc: "ROT13"}, meta, "Unsupported " + enc + " value"})
	}
	pair("UserInfo is", "userinfo_encrypted_response")
	rows = append(rows, broken{"ID tokens are signed by a known algorithm", set{"id_token_signed_response_alg": "none"}, meta, "Unsupported id_token signing algorithm"})
	pair("ID tokens are", "id_token_encrypted_response")
	rows = append(rows,
		broken{"tls_client_auth describes the certificate", set{"token_endpoint_auth_method": "tls_client_auth"}, meta, "Missing TLS parameter for tls_client_auth."},
		broken{"self_signed_tls_client_auth has keys", set{"token_endpoint_auth_method": "self_signed_tls_client_auth"}, meta, "The self_signed_tls_client_auth requires at least a jwks or a valid jwks_uri."},
		broken{"answers are signed by a known algorithm", set{"authorization_signed_response_alg": "none"}, meta, "Unsupported authorization signing algorithm"})
	pair("answers are", "authorization_encrypted_response")
	rows = append(rows, broken{"request objects are signed by a known algorithm", set{"request_object_signing_alg": "none"}, meta, "Unsupported request object signing algorithm"})
	pair("request objects are", "request_object_encryption")
	return append(rows,
		broken{"the grant of CIBA is not served", set{"grant_types": []string{"authorization_code", "urn:openid:params:grant-type:ciba"}}, meta, "CIBA flow not supported"},
		broken{"initiate_login_uri is https", set{"initiate_login_uri": "http://client.example/l"}, meta, "Scheme must be https for initiate_login_uri : http://client.example/l"})
}()

// TestTheFirstOfTwoBrokenRulesAnswers: for every two rules, in a registration, an overwriting and a change, with metadata that break both.
// Neighbours prove the order; the others prove that no rule looks at something before its turn.
func TestTheFirstOfTwoBrokenRulesAnswers(t *testing.T) {
	rg := newRig(t, open())
	rg.web["https://client.example/sector"] = `["https://elsewhere.example/cb"]`
	made := rg.register(minimal)
	if made.status != 201 {
		t.Fatalf("%d %s", made.status, made.text)
	}
	base := set{"redirect_uris": []string{"https://client.example/callback"}}
	ask := func(t *testing.T, first broken, s set) {
		t.Helper()
		rg := *rg
		rg.TB = t
		rg.refused(rg.register(s.over(base).body(t)), 400, first.code, first.text)
		rg.refused(rg.change("PUT", made, s.over(base).body(t)), 400, first.code, first.text)
		rg.refused(rg.change("PATCH", made, s.body(t)), 400, first.code, first.text)
	}
	for i, first := range inOrder {
		t.Run(first.rule, func(t *testing.T) {
			ask(t, first, first.set)
			for _, second := range inOrder[i+1:] {
				ask(t, first, first.set.over(second.set))
			}
		})
	}
	if rg.management.updated != nil {
		t.Error("management was asked for something that breaks a rule")
	}
}

// TestWhatAnswersBeforeAndAfterTheRules: keys are looked at while the body is read, then whether redirect_uris are there at all; what
// management looks for comes after all of it.
func TestWhatAnswersBeforeAndAfterTheRules(t *testing.T) {
	last := inOrder[len(inOrder)-1]
	const badKey = "Unable to parse jwks content: "
	for _, first := range append([]broken{{"redirect_uris are there", nil, oauth2.InvalidRedirectURI, "Missing or invalid redirect_uris."}}, inOrder...) {
		t.Run("a bad key before: "+first.rule, func(t *testing.T) {
			rg := newRig(t, open())
			s := set{"jwks": json.RawMessage(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)}.over(first.set)
			if got := rg.register(s.body(t)); got.status != 400 || got.code() != string(oauth2.InvalidClientMetadata) || len(got.description()) <= len(badKey) || got.description()[:len(badKey)] != badKey {
				t.Errorf("%d %s", got.status, got.text)
			}
		})
	}
	for _, second := range inOrder {
		t.Run("no redirect_uris before: "+second.rule, func(t *testing.T) {
			rg := newRig(t, open())
			rg.refused(rg.register(second.set.body(t)), 400, oauth2.InvalidRedirectURI, "Missing or invalid redirect_uris.")
			made := rg.register(minimal)
			rg.refused(rg.change("PUT", made, second.set.body(t)), 400, oauth2.InvalidRedirectURI, "Missing or invalid redirect_uris.")
		})
	}
	t.Run(last.rule+" before what management looks for", func(t *testing.T) {
		rg := newRig(t, open())
		rg.management.refuse(fault.Invalidf("localhost is forbidden").At("settings.oauth.redirectUris[0]", "x"))
		s := set{"redirect_uris": []string{"http://localhost/cb"}}
		rg.refused(rg.register(last.set.over(s).body(t)), 400, last.code, last.text)
		rg.refused(rg.register(s.body(t)), 400, oauth2.InvalidRedirectURI, "localhost is forbidden")
	})
	t.Run("scopes are filtered before, and refused after", func(t *testing.T) {
		rg := newRig(t, open())
		rg.refused(rg.register(last.set.over(set{"redirect_uris": []string{}, "scope": "dcr_admin"}).body(t)), 400, last.code, last.text)
	})
}
