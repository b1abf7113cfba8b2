package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// hoard puts secrets of other kinds into a domain: those of providers twice, so that the first ones lie in the history
// only, a key store and its password, an imported person's password and an operator's personal token. It returns the
// paths of resources that have a history, and what else there is to read.
func (s *site) hoard(t *testing.T, keep func(name, value string)) (versioned, others []string) {
	t.Helper()
	for _, p := range []struct{ id, kind, configuration string }{
		{"ldap-am-idp", "an LDAP password", `{"contextSourceUrl":"ldaps://dir.example:636","contextSourceBase":"dc=example,dc=com",
			"contextSourceUsername":"cn=reader,dc=example,dc=com","contextSourcePassword":"SECRET","userSearchFilter":"(uid={0})"}`},
		{"oauth2-generic-am-idp", "a client secret at a provider", `{"clientId":"c","clientSecret":"SECRET",
			"wellKnownUri":"https://op.example/.well-known/openid-configuration","scopes":["openid"]}`},
		{"http-am-idp", "a header for a site", `{"authenticationResource":{"baseURL":"https://people.example/{#login}","httpMethod":"POST",
			"httpHeaders":[{"name":"X-Key","value":"SECRET"}],
			"httpResponseErrorConditions":[{"value":"response.status == 401","exception":"BadCredentials"}]}}`},
	} {
		path := ""
		for _, when := range []string{"first", "later"} {
			value := "Rosebud-" + p.id + "-" + when
			keep(p.kind+" ("+when+")", value)
			body := proc.Object{"name": p.id, "type": p.id, "external": p.id == "oauth2-generic-am-idp",
				"configuration": strings.ReplaceAll(p.configuration, "SECRET", value)}
			if path == "" {
				path = s.path("/identities/" + s.api.Do("POST", s.path("/identities"), body).Text("id"))
				continue
			}
			s.api.Do("PUT", path, body)
		}
		versioned = append(versioned, path)
	}

	const storepass = "Rosebud-of-the-key-store"
	content := keyStore(t, storepass)
	file := base64.StdEncoding.EncodeToString(content)
	keep("the password of a key store", storepass)
	keep("a key store", string(content[len(content)/2:][:60]))
	keep("a key store as text", file[len(file)/2:][:80])
	upload := text(t, proc.Object{"name": "keys.p12", "type": "", "size": len(content), "content": file})
	made := s.api.Do("POST", s.path("/certificates"), proc.Object{"name": "uploaded", "type": "pkcs12-am-certificate",
		"configuration": text(t, proc.Object{"pkcs12": upload, "storepass": storepass, "alias": "uploaded"})})
	versioned = append(versioned, s.path("/certificates/"+made.Text("id")))

	const imported = "Imported-with-a-secret-7"
	keep("an imported user's password", imported)
	line := text(t, proc.Object{"firstName": "Ivy", "lastName": "I", "username": "ivy", "email": "ivy@example.com", "password": imported})
	answer := request(t, "POST", s.api.URL+s.path("/users/_import"), line+"\n", http.Header{
		"Authorization": {"Bearer " + s.api.Token}, "Content-Type": {"application/x-ndjson"},
	})
	if answer.JSON().Text("status") != "created" {
		t.Fatalf("import: %d %s", answer.Status, answer.Text)
	}
	others = append(others, s.path("/users?q=ivy"), s.path("/users/"+answer.JSON().Text("id")))

	tokens := "/organizations/DEFAULT/users/" + s.api.Do("GET", "/user", nil).Text("sub") + "/tokens"
	personal := s.api.Do("POST", tokens, proc.Object{"name": "for a program"}).Text("token")
	keep("a personal token", personal)
	used := request(t, "GET", s.api.URL+s.path(""), "", http.Header{"Authorization": {"Bearer " + personal}})
	if used.Status != http.StatusOK {
		t.Errorf("the personal token: %d %s", used.Status, used.Text)
	}
	return versioned, append(others, tokens, "/organizations/DEFAULT/users")
}

// past names every version of a resource, and what has changed since.
func (s *site) past(t *testing.T, path string) []string {
	t.Helper()
	paths := []string{path + "/history"}
	versions, _ := s.api.Do("GET", path+"/history", nil)["data"].([]any)
	if len(versions) == 0 {
		t.Errorf("%s has no history", path)
	}
	for _, v := range versions {
		entry, _ := v.(map[string]any)
		one := fmt.Sprintf("%s/history/%.0f", path, entry["revision"])
		paths = append(paths, one, one+"/diff")
	}
	return paths
}

// keyStore makes a PKCS #12 file with one key.
func keyStore(t *testing.T, password string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "uploaded"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file, err := pkcs12.Modern2023.Encode(key, certificate, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func text(t *testing.T, o proc.Object) string {
	t.Helper()
	encoded, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
