package discovery_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	wellKnown = "/acme/oidc/.well-known/openid-configuration"
	jwks      = "/acme/oidc/.well-known/jwks.json"
)

func newHarness(t *testing.T) (*gatewaytest.Harness, *gatewaytest.Config) {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	return gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c), c
}

func TestMetadata(t *testing.T) {
	h, _ := newHarness(t)
	a := h.Get(wellKnown)
	if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "public, max-age=60" {
		t.Fatalf("status %d, header %v", a.Status, a.Header)
	}
	var indented strings.Builder
	e := json.NewEncoder(&indented)
	e.SetIndent("", "  ")
	if err := e.Encode(a.JSON(t)); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "openid-configuration.json")
	if *update {
		if err := os.WriteFile(golden, []byte(indented.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), indented.String()); diff != "" {
		t.Errorf("metadata (-want +got); -update writes the file:\n%s", diff)
	}
}

func TestMetadataTellsTheTruth(t *testing.T) {
	h, c := newHarness(t)
	m := h.Get(wellKnown).JSON(t)
	t.Run("the endpoints it names are there", func(t *testing.T) {
		for _, name := range []string{"token_endpoint", "userinfo_endpoint", "revocation_endpoint", "introspection_endpoint", "jwks_uri"} {
			path := strings.TrimPrefix(m[name].(string), gatewaytest.PublicURL)
			if a := h.Get(path); a.Status == http.StatusNotFound {
				t.Errorf("%s is not served", name)
			}
		}
	})
	t.Run("ID tokens and UserInfo are signed and encrypted as clients register it", func(t *testing.T) {
		for _, what := range []string{"id_token", "userinfo"} {
			for member, values := range map[string][]string{
				"_signing_alg_values_supported":    {"RS256", "ES512", "PS384", "HS256"},
				"_encryption_alg_values_supported": {"RSA-OAEP-256", "ECDH-ES", "dir", "A256GCMKW"},
				"_encryption_enc_values_supported": {"A128CBC-HS256", "A256GCM"},
			} {
				for _, v := range values {
					if list, _ := m[what+member].([]any); !slices.Contains(list, any(v)) || slices.Contains(list, any("none")) {
						t.Errorf("%s%s is %v, without %s", what, member, list, v)
					}
				}
			}
		}
	})
	t.Run("it lists what signs introspection answers, and nothing else", func(t *testing.T) {
		if diff := cmp.Diff([]any{"RS256", "ES256"}, m["introspection_signing_alg_values_supported"]); diff != "" {
			t.Errorf("algorithms (-want +got):\n%s", diff)
		}
		h.Apply(gatewaytest.Deletes(2, &configv1.Certificate{Id: "rs", Domain: c.Domain.GetId()}))
		if diff := cmp.Diff([]any{"ES256"}, h.Get(wellKnown).JSON(t)["introspection_signing_alg_values_supported"]); diff != "" {
			t.Errorf("algorithms (-want +got):\n%s", diff)
		}
	})
	t.Run("scopes follow the domain, sorted", func(t *testing.T) {
		h.Apply(gatewaytest.Upserts(3, c.Scope("aaa", func(s *configv1.Scope) { s.Discovery = true }), c.Scope("secret")))
		list := h.Get(wellKnown).JSON(t)["scopes_supported"].([]any)
		if list[0] != "aaa" || strings.Contains(h.Get(wellKnown).Body, `"secret"`) {
			t.Errorf("scopes %v", list)
		}
	})
	t.Run("the issuer is that of the tokens, byte for byte", func(t *testing.T) {
		if m["issuer"] != h.Domains.Domain(c.Domain.GetId()).Issuer || m["issuer"].(string)+"/.well-known/openid-configuration" != gatewaytest.PublicURL+wellKnown {
			t.Errorf("issuer %v", m["issuer"])
		}
	})
}

func TestJWKS(t *testing.T) {
	h, c := newHarness(t)
	a := h.Get(jwks)
	set, err := jose.ParseJWKS([]byte(a.Body)) // refuses private parts
	if err != nil || set.Len() != 3 || !set.Has("es") || !set.Has("rs") {
		t.Fatalf("keys %s, error %v", a.Body, err)
	}
	if a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", a.Header)
	}
	for _, member := range []string{`"use":"sig"`, `"alg":"ES256"`, `"kty":"RSA"`} {
		if !strings.Contains(a.Body, member) {
			t.Errorf("the set has no %s: %s", member, a.Body)
		}
	}
	h.Apply(gatewaytest.Upserts(2, c.Certificate("young", jose.ES256)))
	if set, err := jose.ParseJWKS([]byte(h.Get(jwks).Body)); err != nil || !set.Has("young") {
		t.Error("a new key is not published at once")
	}
}

func TestDocumentsAreCached(t *testing.T) {
	h, c := newHarness(t)
	for _, path := range []string{wellKnown, jwks} {
		first := h.Get(path)
		tag := first.Header.Get("ETag")
		for name, header := range map[string]string{"the tag": tag, "a weak tag": "W/" + tag, "a list": `"x", ` + tag, "anything": "*"} {
			if a := h.Get(path, gatewaytest.Header("If-None-Match", header)); a.Status != http.StatusNotModified || a.Body != "" || a.Header.Get("ETag") != tag {
				t.Errorf("%s with %s: status %d", path, name, a.Status)
			}
		}
		if a := h.Get(path, gatewaytest.Header("If-None-Match", `"another"`)); a.Status != http.StatusOK {
			t.Errorf("%s with another tag: status %d", path, a.Status)
		}
		r, err := http.NewRequest(http.MethodHead, h.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := h.Do(r); a.Status != http.StatusOK || a.Body != "" || a.Header.Get("Content-Length") != first.Header.Get("Content-Length") {
			t.Errorf("HEAD %s: status %d, header %v", path, a.Status, a.Header)
		}
	}
	before := h.Get(wellKnown).Header.Get("ETag")
	h.Apply(gatewaytest.Upserts(2, c.Scope("more", func(s *configv1.Scope) { s.Discovery = true })))
	if h.Get(wellKnown).Header.Get("ETag") == before {
		t.Error("a changed document has its old tag")
	}
}

func TestTheDocumentOnTheRoot(t *testing.T) {
	h, _ := newHarness(t)
	const path = "/.well-known/oauth-authorization-server"
	want := h.Get(wellKnown).Body
	for _, below := range []string{"/acme/oidc", "/acme/oidc/"} {
		if a := h.Get(path + below); a.Status != http.StatusOK || a.Body != want {
			t.Errorf("%s: status %d", below, a.Status)
		}
	}
	for _, below := range []string{"", "/", "/acme", "/acme/", "/nobody/oidc", "/acme/oidc/x", "x/acme/oidc"} {
		if a := h.Get(path + below); a.Status != http.StatusNotFound {
			t.Errorf("%q: status %d", below, a.Status)
		}
	}
	if a := h.Post(path+"/acme/oidc", nil); a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d", a.Status)
	}
}

func TestTheDocumentNamesTemplatesWhereThereAreSome(t *testing.T) {
	h, c := newHarness(t)
	const name = "registration_templates_endpoint"
	if m := h.Get(wellKnown).JSON(t); m[name] != nil {
		t.Errorf("without templates: %v", m[name])
	}
	d := proto.CloneOf(c.Domain)
	d.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{DynamicClientRegistrationEnabled: true, ClientTemplateEnabled: true}
	h.Apply(gatewaytest.Upserts(2, d))
	if m := h.Get(wellKnown).JSON(t); m[name] != gatewaytest.PublicURL+"/acme/oidc/register_templates" {
		t.Errorf("with templates: %v", m[name])
	}
}
