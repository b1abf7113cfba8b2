package e2e

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// registrar is a domain in which everybody may register clients.
type registrar struct {
	*site
	t        *testing.T
	endpoint string
}

func newRegistrar(t *testing.T, args ...string) *registrar {
	t.Helper()
	s := newSite(t, proc.StartGatehouse(t, append([]string{"--demo=false"}, args...)...), "registers")
	s.registration(true, true)
	s.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{
		"allowLocalhostRedirectUri": false, "allowHttpSchemeRedirectUri": false,
	}}})
	s.bob()
	s.settle()
	return &registrar{site: s, t: t, endpoint: s.base + "/oidc/register"}
}

// send sends JSON, with a token unless it is empty.
func (r *registrar) send(method, target, token string, body any) proc.Answer {
	r.t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	text := ""
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			r.t.Fatal(err)
		}
		text = string(encoded)
		header.Set("Content-Type", "application/json")
	}
	return request(r.t, method, target, text, header)
}

// register registers a client with a redirect URI and further members.
func (r *registrar) register(members proc.Object) proc.Object {
	r.t.Helper()
	answer := r.try(members)
	if answer.Status != http.StatusCreated {
		r.t.Fatalf("registration: %d %s", answer.Status, answer.Text)
	}
	return answer.JSON()
}

func (r *registrar) try(members proc.Object) proc.Answer {
	r.t.Helper()
	body := proc.Object{"redirect_uris": []string{"https://client.example/cb"}}
	maps.Copy(body, members)
	return r.send("POST", r.endpoint, "", body)
}

// asks signs Bob in for a scope and returns the error of that, or nothing.
func (r *registrar) asks(client proc.Object, scope string) string {
	r.t.Helper()
	return r.post(r.t, "/oauth/token", credentials{id: client.Text("client_id"), secret: client.Text("client_secret")}, url.Values{
		"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {scope},
	}).JSON().Text("error")
}

// TestG1ARegistrationAnswersWhatIsStored: 201 with every value, defaults filled in, and when the secret ends.
func TestG1ARegistrationAnswersWhatIsStored(t *testing.T) {
	r := newRegistrar(t)
	sent := proc.Object{
		"client_name": "Shop", "contacts": []any{"ann@client.example"}, "logo_uri": "https://client.example/l.png", "client_uri": "https://client.example",
		"policy_uri": "https://client.example/p", "tos_uri": "https://client.example/t", "default_max_age": float64(60), "require_auth_time": true,
		"software_id": "4NRB1", "software_version": "2", "initiate_login_uri": "https://client.example/login", "subject_type": "pairwise",
		"post_logout_redirect_uris": []any{"https://client.example/bye"}, "id_token_signed_response_alg": "ES256", "software_statement": "a.b.c",
	}
	made := r.register(sent)
	for name, want := range sent {
		if got := made[name]; !same(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]any{
		"grant_types": []any{"authorization_code"}, "response_types": []any{"code"}, "token_endpoint_auth_method": "client_secret_basic",
		"application_type": "web", "client_secret_expires_at": float64(0), "domain": r.id, "enabled": true,
		"registration_client_uri": r.endpoint + "/" + made.Text("client_id"),
	} {
		if got := made[name]; !same(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	read := r.send("GET", made.Text("registration_client_uri"), made.Text("registration_access_token"), nil).JSON()
	for name, v := range made {
		switch name {
		case "client_secret", "registration_access_token", "registration_client_uri":
			if read[name] != nil {
				t.Errorf("GET repeats %s", name)
			}
		default:
			if !same(read[name], v) {
				t.Errorf("GET: %s is %v, registered %v", name, read[name], v)
			}
		}
	}
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// TestG2ARegistrationNeedsNoScope: the client may ask for the standard scopes, for offline_access if it refreshes, and for
// nothing else.
func TestG2ARegistrationNeedsNoScope(t *testing.T) {
	r := newRegistrar(t)
	plain := r.register(proc.Object{"grant_types": []string{"authorization_code", "password"}})
	refreshing := r.register(proc.Object{"grant_types": []string{"authorization_code", "password", "refresh_token"}})
	for _, tt := range []struct {
		name   string
		client proc.Object
		scope  string
		want   string
	}{
		{"the standard scopes", plain, "openid profile email address phone", ""},
		{"offline access without refresh tokens", plain, "openid offline_access", "invalid_scope"},
		{"offline access with them", refreshing, "openid offline_access", ""},
		{"another scope of the domain", plain, "openid scim", "invalid_scope"},
		{"a scope that there is not", plain, "openid nothing", "invalid_scope"},
	} {
		if got := r.asks(tt.client, tt.scope); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if plain["scope"] != nil {
		t.Errorf("scope %v", plain["scope"])
	}
}

// TestG3MetadataThatCannotBeAreRefused, with the code and the text that say where; types that do not fit are completed or
// removed, and echoed.
func TestG3MetadataThatCannotBeAreRefused(t *testing.T) {
	r := newRegistrar(t)
	_, public := ecKey(t, "k")
	for _, tt := range []struct {
		name       string
		members    proc.Object
		code, text string
	}{
		{"a fragment", proc.Object{"redirect_uris": []string{"https://client.example/cb#x"}}, "invalid_redirect_uri", "redirect_uri with fragment is forbidden"},
		{"http", proc.Object{"redirect_uris": []string{"http://client.example/cb"}}, "invalid_redirect_uri", "Unsecured http scheme is forbidden"},
		{"localhost before http", proc.Object{"redirect_uris": []string{"http://localhost/cb"}}, "invalid_redirect_uri", "localhost is forbidden"},
		{"a pattern", proc.Object{"redirect_uris": []string{"https://*.client.example/cb"}}, "invalid_redirect_uri", "Wildcard are forbidden"},
		{"no redirect URI", proc.Object{"redirect_uris": []string{}}, "invalid_redirect_uri", "At least one redirect_uri is required"},
		{"a response type that there is not", proc.Object{"response_types": []string{"code magic"}}, "invalid_client_metadata", "Invalid response type."},
		{"a grant type that there is not", proc.Object{"grant_types": []string{"magic"}}, "invalid_client_metadata", "Missing or invalid grant type."},
		{"refresh tokens alone", proc.Object{"grant_types": []string{"refresh_token", "client_credentials"}, "response_types": []string{}}, "invalid_client_metadata", "refresh_token grant type must be associated with one of authorization_code, password, urn:ietf:params:oauth:grant-type:jwt-bearer"},
		{"keys in two places", proc.Object{"jwks": proc.Object{"keys": []any{public}}, "jwks_uri": "https://client.example/k"}, "invalid_client_metadata", "The jwks_uri and jwks parameters MUST NOT be used together."},
		{"keys of this machine's surroundings", proc.Object{"jwks_uri": "https://127.0.0.1:1/k"}, "invalid_client_metadata", "Unable to parse jwks from https://127.0.0.1:1/k"},
		{"a login that is begun by http", proc.Object{"initiate_login_uri": "http://client.example/l"}, "invalid_client_metadata", "Scheme must be https for initiate_login_uri : http://client.example/l"},
		{"a scope that there is not", proc.Object{"scope": "nothing"}, "invalid_client_metadata", "scope nothing is not valid."},
		{"a page after logout by http", proc.Object{"post_logout_redirect_uris": []string{"http://client.example"}}, "invalid_target_url", "post_logout_redirect_uri : Unsecured http scheme is forbidden"},
	} {
		answer := r.try(tt.members)
		if got := answer.JSON(); answer.Status != http.StatusBadRequest || got.Text("error") != tt.code || got.Text("error_description") != tt.text {
			t.Errorf("%s: %d %s", tt.name, answer.Status, answer.Text)
		}
	}
	for _, tt := range []struct {
		name              string
		grants, responses []string
		want              []any
	}{
		{"a response type brings its grant", []string{"client_credentials"}, []string{"code"}, []any{"client_credentials", "authorization_code"}},
		{"a grant without a response type goes", []string{"authorization_code", "client_credentials"}, []string{}, []any{"client_credentials"}},
	} {
		made := r.register(proc.Object{"grant_types": tt.grants, "response_types": tt.responses})
		if !same(made["grant_types"], tt.want) {
			t.Errorf("%s: %v", tt.name, made["grant_types"])
		}
	}
}

// TestG4AfterTheDeletionEverythingIsDead: registration access token, secret and access tokens.
func TestG4AfterTheDeletionEverythingIsDead(t *testing.T) {
	r := newRegistrar(t)
	watcher := r.service("profile")
	r.settle()
	made := r.register(proc.Object{"grant_types": []string{"client_credentials"}, "response_types": []string{}, "scope": "profile"})
	self := credentials{id: made.Text("client_id"), secret: made.Text("client_secret")}
	token := r.post(t, "/oauth/token", self, url.Values{"grant_type": {"client_credentials"}}).JSON().Text("access_token")
	alive := func() bool {
		t.Helper()
		return r.post(t, "/oauth/introspect", watcher, url.Values{"token": {token}}).JSON().At("active") == true
	}
	if token == "" || !alive() {
		t.Fatal("the client has no token")
	}
	uri, access := made.Text("registration_client_uri"), made.Text("registration_access_token")
	if answer := r.send("DELETE", uri, access, nil); answer.Status != http.StatusNoContent || answer.Text != "" {
		t.Fatalf("%d %s", answer.Status, answer.Text)
	}
	if alive() {
		t.Error("an access token is alive")
	}
	if answer := r.send("GET", uri, access, nil); answer.Status != http.StatusUnauthorized || answer.JSON().Text("error") != "invalid_token" {
		t.Errorf("the registration access token: %d %s", answer.Status, answer.Text)
	}
	if answer := r.post(t, "/oauth/token", self, url.Values{"grant_type": {"client_credentials"}}); answer.JSON().Text("error") != "invalid_client" {
		t.Errorf("the secret: %d %s", answer.Status, answer.Text)
	}
}

// TestG5ATypicalClientRegisters with what such clients send, and an initial access token where registration is not open.
func TestG5ATypicalClientRegisters(t *testing.T) {
	r := newRegistrar(t)
	_, public := ecKey(t, "k")
	typical := proc.Object{
		"client_name": "Typical", "grant_types": []string{"authorization_code"}, "response_types": []string{"code"}, "contacts": []string{"ann@client.example"},
		"redirect_uris": []string{"https://client.example/cb"}, "jwks": proc.Object{"keys": []any{public}}, "token_endpoint_auth_method": "client_secret_basic",
	}
	r.register(typical)
	admin := r.service("dcr_admin")
	r.registration(true, false)
	r.settle()
	if answer := r.send("POST", r.endpoint, "", typical); answer.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", answer.Status, answer.Text)
	}
	// The documented line, with parameters in the query and Basic, gives the initial access token.
	initial := r.post(t, "/oauth/token?grant_type=client_credentials&scope=dcr_admin", admin, nil).JSON().Text("access_token")
	answer := r.send("POST", r.endpoint, initial, typical)
	made := answer.JSON()
	if answer.Status != http.StatusCreated {
		t.Fatalf("%d %s", answer.Status, answer.Text)
	}
	asked := request(t, "GET", r.base+"/oauth/authorize?"+url.Values{
		"client_id": {made.Text("client_id")}, "response_type": {"code"}, "redirect_uri": {"https://client.example/cb"}, "scope": {"openid email"},
	}.Encode(), "", nil)
	if to := asked.Header.Get("Location"); asked.Status != http.StatusFound || !strings.HasPrefix(to, r.base+"/login?") {
		t.Errorf("without PKCE: %d to %s", asked.Status, to)
	}
	if keys, _ := made.At("jwks", "keys").([]any); len(keys) != 1 {
		t.Errorf("jwks %v", made["jwks"])
	}
	uri, token := made.Text("registration_client_uri"), made.Text("registration_access_token")
	renewed := r.send("POST", uri+"/renew_secret", token, nil).JSON()
	if renewed.Text("client_secret") == made.Text("client_secret") || renewed.Text("registration_access_token") == token {
		t.Errorf("renewed %v", renewed)
	}
	put := r.send("PUT", uri, renewed.Text("registration_access_token"), proc.Object{"redirect_uris": []string{"https://client.example/other"}})
	if put.Status != http.StatusOK || put.JSON().Text("client_name") != "Unknown Client" || put.JSON()["jwks"] != nil {
		t.Errorf("PUT %d %s", put.Status, put.Text)
	}
	patched := r.send("PATCH", uri, initial, proc.Object{"client_name": "Renamed"})
	if patched.Status != http.StatusOK || patched.JSON().Text("client_name") != "Renamed" || !strings.HasSuffix(patched.JSON().Text("registration_client_uri"), made.Text("client_id")) {
		t.Errorf("PATCH %d %s", patched.Status, patched.Text)
	}
	template := r.application(proc.Object{"name": "Template", "type": "WEB", "redirectUris": []string{"https://template.example/cb"}}, proc.Object{"template": true})
	r.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{"isClientTemplateEnabled": true}}})
	r.settle()
	copied := r.send("POST", r.endpoint, initial, proc.Object{"software_id": template.app, "redirect_uris": []string{"https://copy.example/cb"}})
	if grants, _ := copied.JSON()["grant_types"].([]any); copied.Status != http.StatusCreated || !slices.Contains(grants, any("password")) {
		t.Errorf("a copy of a template: %d %s", copied.Status, copied.Text)
	}
}

// TestG6WhatIsRegisteredCountsAtOnce: the method of authentication and the algorithm, in the first request.
func TestG6WhatIsRegisteredCountsAtOnce(t *testing.T) {
	r := newRegistrar(t)
	form := url.Values{"grant_type": {"client_credentials"}}
	made := r.register(proc.Object{
		"grant_types": []string{"client_credentials"}, "response_types": []string{}, "token_endpoint_auth_method": "client_secret_post", "scope": "profile",
	})
	if answer := r.post(t, "/oauth/token", credentials{id: made.Text("client_id"), secret: made.Text("client_secret")}, form); answer.Status != http.StatusUnauthorized {
		t.Errorf("by Basic: %d %s", answer.Status, answer.Text)
	}
	posted := url.Values{"client_id": {made.Text("client_id")}, "client_secret": {made.Text("client_secret")}}
	maps.Copy(posted, form)
	if answer := r.post(t, "/oauth/token", credentials{}, posted); answer.Status != http.StatusOK {
		t.Errorf("by post: %d %s", answer.Status, answer.Text)
	}
	person := r.register(proc.Object{"id_token_signed_response_alg": "PS256", "grant_types": []string{"password"}, "response_types": []string{}})
	answer := r.post(t, "/oauth/token", credentials{id: person.Text("client_id"), secret: person.Text("client_secret")}, url.Values{
		"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {"openid"},
	})
	if alg := algorithmOf(t, answer.JSON().Text("id_token")); alg != "PS256" {
		t.Errorf("the ID token is signed with %s: %d %s", alg, answer.Status, answer.Text)
	}
	discovery := request(t, "GET", r.issuer+"/.well-known/openid-configuration", "", nil).JSON()
	if !strings.HasPrefix(made.Text("registration_client_uri"), discovery.Text("registration_endpoint")+"/") ||
		discovery.Text("registration_renew_secret_endpoint") != discovery.Text("registration_endpoint")+"/:client_id/renew_secret" {
		t.Errorf("addresses %v", discovery["registration_endpoint"])
	}
}

// algorithmOf reads how a JWT is signed, without verifying it.
func algorithmOf(t *testing.T, raw string) string {
	t.Helper()
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	return header.Algorithm
}

// TestG10TheProviderChoosesClientIdentifiers, and none of them can be the subject of a person: those are made of names
// (version 3 or 5 of RFC 9562), these at random (version 4).
func TestG10TheProviderChoosesClientIdentifiers(t *testing.T) {
	r := newRegistrar(t)
	made := r.register(proc.Object{"client_id": "mine", "client_secret": "mine", "grant_types": []string{"password"}, "response_types": []string{}})
	if made.Text("client_id") == "mine" || made.Text("client_secret") == "mine" {
		t.Errorf("the client chose %s", made.Text("client_id"))
	}
	answer := r.post(t, "/oauth/token", credentials{id: made.Text("client_id"), secret: made.Text("client_secret")}, url.Values{
		"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {"openid"},
	})
	var claims struct {
		Subject string `json:"sub"`
	}
	_, rest, _ := strings.Cut(answer.JSON().Text("access_token"), ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, answer.Text)
	}
	client, subject := version(made.Text("client_id")), version(claims.Subject)
	if client != "4" || subject != "3" && subject != "5" {
		t.Errorf("client_id %s, subject %s", made.Text("client_id"), claims.Subject)
	}
}

// version returns that of a UUID.
func version(id string) string {
	if len(id) != 36 {
		return ""
	}
	return id[14:15]
}
