package e2e

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestSecretsStaySecret uses every secret there is, and then looks for it where it must not be: in logs at the level that
// says most, in audit records, in what management answers to reads, and in the files of the database.
func TestSecretsStaySecret(t *testing.T) {
	g := proc.StartGatehouse(t)
	demo := g.Demonstration()
	s := newSite(t, g, "vault")
	s.bob()
	web, service := s.web(), s.service("profile", "dcr_admin")
	s.registration(true, false)
	s.settle()

	secrets := map[string]string{
		"the operator's password":         proc.DevelopmentPassword,
		"the operator's token":            s.api.Token,
		"the web application's secret":    web.secret,
		"the service's secret":            service.secret,
		"bob's password":                  bobPassword,
		"the demonstration user":          demo.User.Password,
		"the demonstration's web secret":  demo.Web.ClientSecret,
		"the demonstration service's key": demo.Service.ClientSecret,
	}
	keep := func(name, value string) {
		t.Helper()
		if len(value) < 8 {
			t.Fatalf("%s is %q", name, value)
		}
		secrets[name] = value
	}

	// A chosen secret and one that was made later.
	chosen := "a-chosen-secret-of-32-characters"
	s.application(proc.Object{"name": "chosen", "type": "SERVICE", "clientSecret": chosen}, nil)
	keep("a chosen secret", chosen)
	added := s.api.Do("POST", s.path("/applications/"+service.app+"/secrets"), proc.Object{"name": "second"})
	keep("a second secret", added.Text("secret"))
	// A user of an inline provider.
	s.api.Do("POST", s.path("/identities"), proc.Object{
		"name": "inline", "type": "inline-am-idp", "external": false,
		"configuration": `{"users":[{"firstname":"C","lastname":"C","username":"carol","password":"Carols-secret-word-1"}]}`,
	})
	keep("an inline user's password", "Carols-secret-word-1")

	versioned, byTheWay := s.hoard(t, keep)

	// A login with a wrong password first, then everything that brings tokens.
	verifier := oauth2.GenerateVerifier()
	keep("a PKCE verifier", verifier)
	authorize := s.base + "/oauth/authorize?" + url.Values{
		"client_id": {web.id}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid profile email"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode()
	visitor := proc.NewVisitor(callback)
	keep("a wrong password", "what bob typed by mistake")
	if _, err := visitor.LogIn(t.Context(), authorize, "bob", "what bob typed by mistake"); err == nil {
		t.Error("a wrong password signs in")
	}
	back, err := visitor.LogIn(t.Context(), authorize, "bob", bobPassword)
	if err != nil {
		t.Fatal(err)
	}
	keep("a code", back.Query().Get("code"))
	for _, c := range visitor.Cookies(s.base) {
		keep("cookie "+c.Name, c.Value)
	}
	tokens := s.post(t, "/oauth/token", web, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}).JSON()
	keep("an access token", tokens.Text("access_token"))
	keep("a refresh token", tokens.Text("refresh_token"))
	keep("an ID token", tokens.Text("id_token"))
	s.post(t, "/oauth/introspect", web, url.Values{"token": {tokens.Text("access_token")}})
	refreshed := s.post(t, "/oauth/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Text("refresh_token")}}).JSON()
	keep("a rotated refresh token", refreshed.Text("refresh_token"))
	request(t, "GET", s.base+"/oidc/userinfo?access_token="+refreshed.Text("access_token"), "", nil)
	s.post(t, "/oauth/revoke", web, url.Values{"token": {refreshed.Text("refresh_token")}})
	s.post(t, "/oauth/token", web, url.Values{"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}})
	// Secrets in the query end up in the logs of careless servers.
	request(t, "POST", s.base+"/oauth/token?"+url.Values{
		"grant_type": {"client_credentials"}, "client_id": {service.id}, "client_secret": {service.secret},
	}.Encode(), "", nil)
	own := s.post(t, "/oauth/token", service, url.Values{"grant_type": {"client_credentials"}, "scope": {"dcr_admin"}}).JSON()
	keep("a token for registration", own.Text("access_token"))
	made := request(t, "POST", s.base+"/oidc/register", `{"redirect_uris":["https://a.example/cb"]}`, http.Header{
		"Authorization": {"Bearer " + own.Text("access_token")}, "Content-Type": {"application/json"},
	}).JSON()
	keep("a registered client's secret", made.Text("client_secret"))
	keep("a registration token", made.Text("registration_access_token"))

	look := func(where, text string) {
		t.Helper()
		for name, secret := range secrets {
			for _, form := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
				if strings.Contains(text, form) {
					t.Errorf("%s is in %s: …%s…", name, where, around(text, form))
					break
				}
			}
		}
	}

	// What management answers to reads.
	reads := append([]string{"/domains", "/organizations/DEFAULT/audits?size=1000", s.path("/audits?size=1000"),
		s.path("/history?size=100"), s.path("/users/_export")}, byTheWay...)
	versioned = append(versioned, s.path("/applications/"+web.app), s.path("/applications/"+service.app))
	for _, path := range versioned {
		reads = append(reads, s.past(t, path)...)
	}
	for _, id := range []string{s.id, demo.Domain.ID} {
		reads = append(reads, "/domains/"+id)
		for _, below := range []string{"/applications?size=50", "/identities", "/certificates", "/scopes", "/users"} {
			reads = append(reads, "/domains/"+id+below)
		}
	}
	for _, kind := range []string{"applications", "identities", "certificates", "users"} {
		for _, id := range s.ids(kind) {
			reads = append(reads, s.path("/"+kind+"/"+id))
			if kind == "applications" {
				reads = append(reads, s.path("/applications/"+id+"/secrets"))
			}
		}
	}
	for _, path := range reads {
		answer, err := s.api.Try(t.Context(), "GET", path, nil)
		if err != nil || answer.Status != http.StatusOK {
			t.Errorf("GET %s: %v %d %s", path, err, answer.Status, answer.Text)
		}
		look("GET "+path, answer.Text)
		if strings.Contains(answer.Text, "$argon2id$") || strings.Contains(answer.Text, "$sha256$") {
			t.Errorf("GET %s shows a hash", path)
		}
		if strings.Contains(path, "/audits") && len(answer.Text) < 200 {
			t.Errorf("GET %s says next to nothing: %s", path, answer.Text)
		}
	}

	g.Stop()
	look("the log", g.Stderr())
	if !strings.Contains(g.Stderr(), `"level":"DEBUG"`) {
		t.Error("the log does not say everything")
	}
	var stored strings.Builder
	err = filepath.WalkDir(filepath.Join(g.DataDir, "mongodb"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		stored.Write(text)
		look(filepath.Base(path), string(text))
		for _, key := range []string{"PRIVATE KEY", `"d":"`, `"kty":"oct"`} {
			if strings.Contains(string(text), key) {
				t.Errorf("%s contains a private key: …%s…", filepath.Base(path), around(string(text), key))
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// What is no secret is found, so the secrets would be.
	for _, known := range []string{web.id, service.id, bobEmail, made.Text("client_id"), "dir.example", "ivy@example.com"} {
		if !strings.Contains(stored.String(), known) {
			t.Errorf("the database does not contain %s", known)
		}
	}
	if !strings.Contains(g.Stderr(), s.id) {
		t.Error("the log does not contain the domain")
	}
	for _, name := range []string{"demo.json", "sealing-key", "plane/authority.pem", "plane/management.pem", "plane/gateway.pem"} {
		info, err := os.Stat(filepath.Join(g.DataDir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, want mode 0600", name, fmt.Sprint(info, err))
		}
	}
}

// ids lists what there is of a kind.
func (s *site) ids(kind string) []string {
	answer := s.api.Do("GET", s.path("/"+kind+"?size=50"), nil)
	list, _ := answer["data"].([]any)
	if list == nil {
		list = s.api.List(s.path("/" + kind))
	}
	var ids []string
	for _, v := range list {
		entry, _ := v.(map[string]any)
		ids = append(ids, proc.Object(entry).Text("id"))
	}
	return ids
}

// around shows where a text was found.
func around(text, found string) string {
	at := strings.Index(text, found)
	return fmt.Sprintf("%q", text[max(0, at-60):min(len(text), at+len(found)+20)])
}
