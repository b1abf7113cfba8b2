package gatewaytest_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// The scenarios of the gateway that need no Redis, in process: the public handler is called directly, and the Redis of
// the harness does not exist. Beside them is the floor of a token request.

// sink is a ResponseWriter that keeps the last answer and allocates nothing.
type sink struct {
	header http.Header
	status int
	body   []byte
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(n int)   { s.status = n }
func (s *sink) Write(p []byte) (int, error) {
	s.body = append(s.body, p...)
	return len(p), nil
}

// client repeats one request against a handler.
type client struct {
	handler http.Handler
	request *http.Request
	body    string
	reader  strings.Reader
	sink    sink
}

func newClient(t testing.TB, h http.Handler, method, path, body string, changes ...gatewaytest.Change) *client {
	t.Helper()
	r, err := http.NewRequest(method, "https://gw.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:4711"
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, change := range changes {
		change(r)
	}
	return &client{handler: h, request: r, body: body, sink: sink{header: http.Header{}}}
}

// do sends the request and wants a status.
func (c *client) do(t testing.TB, status int) {
	if c.body != "" {
		c.reader.Reset(c.body)
		c.request.Body = io.NopCloser(&c.reader)
		c.request.ContentLength = int64(len(c.body))
	}
	clear(c.sink.header)
	c.sink.status, c.sink.body = 200, c.sink.body[:0]
	c.handler.ServeHTTP(&c.sink, c.request)
	if c.sink.status != status {
		t.Fatalf("status %d: %s", c.sink.status, c.sink.body)
	}
}

func (c *client) bench(b *testing.B, status int) {
	b.Helper()
	c.do(b, status)
	b.ReportAllocs()
	for b.Loop() {
		c.do(b, status)
	}
}

// harness serves acme with the clients of the scenarios.
func harness(t testing.TB) (*gatewaytest.Harness, string) {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	alg := func(name string) func(*configv1.Application) {
		return func(a *configv1.Application) { a.Settings.Oauth.AccessTokenSigningAlg = name }
	}
	c.App("es", alg("ES256"))
	c.App("rs", alg("RS256"))
	return gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c), c.Domain.GetId()
}

const tokenForm = "grant_type=client_credentials&scope=read+write"

func tokenClient(t testing.TB, h *gatewaytest.Harness, id string) *client {
	return newClient(t, h.Handler, http.MethodPost, "/acme/oauth/token", tokenForm, gatewaytest.Basic(id))
}

func BenchmarkClientCredentials(b *testing.B) {
	h, _ := harness(b)
	b.Run("floor ES256", func(b *testing.B) { floor(b, "es").bench(b, 200) })
	b.Run("ES256", func(b *testing.B) { tokenClient(b, h, "es").bench(b, 200) })
	b.Run("floor RS256", func(b *testing.B) { floor(b, "rs").bench(b, 200) })
	b.Run("RS256", func(b *testing.B) { tokenClient(b, h, "rs").bench(b, 200) })
}

// floor is the smallest honest token endpoint: it parses the form, checks the secret, signs the same claims and answers.
func floor(b *testing.B, kid string) *client {
	config := gatewaytest.NewAcme(b)
	key := config.Keys[kid]
	want := sha256.Sum256([]byte(gatewaytest.Secret))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		id, password, ok := r.BasicAuth()
		got := sha256.Sum256([]byte(password))
		if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		now := time.Now().Unix()
		claims, _ := json.Marshal(map[string]any{
			"iss": "https://gw.example/acme/oidc", "sub": id, "aud": id, "domain": config.Domain.GetId(), "iat": now, "exp": now + 7200,
			"jti": secret.NewToken()[:22], "scope": r.PostForm.Get("scope"), "client_id": id,
		})
		token, err := key.Sign(jose.TypeJWT, claims)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "bearer", "expires_in": 7200, "scope": r.PostForm.Get("scope")})
	})
	return newClient(b, handler, http.MethodPost, "/token", tokenForm, gatewaytest.Basic("es"))
}

// mint makes n access tokens of one client or person.
func mint(t testing.TB, h *gatewaytest.Harness, domainID string, n int, person bool) []string {
	t.Helper()
	d := h.Domains.Domain(domainID)
	c, err := d.Client(context.Background(), "es")
	if err != nil {
		t.Fatal(err)
	}
	a := tokens.Authorization{Client: c, Scopes: []string{"openid", "profile", "email"}}
	if person {
		user, err := h.Directory.SignIn(context.Background(), domainID, "", gatewaytest.Identity("ann"))
		if err != nil {
			t.Fatal(err)
		}
		who := tokens.PersonOf(user)
		a.Person = &who
	}
	list := make([]string, n)
	for i := range list {
		made, err := h.Minter.Mint(context.Background(), d, a)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = made.AccessToken
	}
	return list
}

func introspecting(t testing.TB, h *gatewaytest.Harness, token string) *client {
	return newClient(t, h.Handler, http.MethodPost, "/acme/oauth/introspect", "token="+token, gatewaytest.Basic("es"))
}

func BenchmarkIntrospection(b *testing.B) {
	h, id := harness(b)
	b.Run("hot", func(b *testing.B) { introspecting(b, h, mint(b, h, id, 1, false)[0]).bench(b, 200) })
	b.Run("hot, of a person", func(b *testing.B) { introspecting(b, h, mint(b, h, id, 1, true)[0]).bench(b, 200) })
	b.Run("cold", func(b *testing.B) {
		list := mint(b, h, id, 4096, false)
		c := introspecting(b, h, list[0])
		d := h.Domains.Domain(id)
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			if n == len(list) {
				d.Tokens.Purge()
				n = 0
			}
			c.body = "token=" + list[n]
			n++
			c.do(b, 200)
		}
	})
}

func BenchmarkUserInfo(b *testing.B) {
	h, id := harness(b)
	token := mint(b, h, id, 1, true)[0]
	newClient(b, h.Handler, http.MethodGet, "/acme/oidc/userinfo", "", gatewaytest.Header("Authorization", "Bearer "+token)).bench(b, 200)
}

func BenchmarkDocuments(b *testing.B) {
	h, id := harness(b)
	tag := h.Domains.Domain(id).Metadata.ETag
	b.Run("discovery", func(b *testing.B) {
		newClient(b, h.Handler, http.MethodGet, "/acme/oidc/.well-known/openid-configuration", "").bench(b, 200)
	})
	b.Run("discovery, held already", func(b *testing.B) {
		newClient(b, h.Handler, http.MethodGet, "/acme/oidc/.well-known/openid-configuration", "", gatewaytest.Header("If-None-Match", tag)).bench(b, 304)
	})
	b.Run("JWKS", func(b *testing.B) {
		newClient(b, h.Handler, http.MethodGet, "/acme/oidc/.well-known/jwks.json", "").bench(b, 200)
	})
}

// TestAllocations holds the hot paths to what they need, and to needing no Redis: there is none.
func TestAllocations(t *testing.T) {
	h, id := harness(t)
	bearer := gatewaytest.Header("Authorization", "Bearer "+mint(t, h, id, 1, true)[0])
	for _, tt := range []struct {
		name string
		c    *client
		most float64
	}{
		{"client_credentials ES256", tokenClient(t, h, "es"), 120},
		{"introspection", introspecting(t, h, mint(t, h, id, 1, false)[0]), 60},
		{"introspection of a person's token", introspecting(t, h, mint(t, h, id, 1, true)[0]), 60},
		{"userinfo", newClient(t, h.Handler, http.MethodGet, "/acme/oidc/userinfo", "", bearer), 60},
		{"discovery", newClient(t, h.Handler, http.MethodGet, "/acme/oidc/.well-known/openid-configuration", ""), 10},
		{"JWKS", newClient(t, h.Handler, http.MethodGet, "/acme/oidc/.well-known/jwks.json", ""), 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.do(t, 200)
			got := testing.AllocsPerRun(50, func() { tt.c.do(t, 200) })
			t.Logf("%.0f allocations", got)
			if got > tt.most {
				t.Errorf("%.0f allocations, at most %.0f are allowed", got, tt.most)
			}
		})
	}
}

// TestTheFloorIsHonest makes sure that floor and gateway do the same.
func TestTheFloorIsHonest(t *testing.T) {
	h, _ := harness(t)
	c := tokenClient(t, h, "es")
	c.do(t, 200)
	var answer map[string]any
	if err := json.Unmarshal(c.sink.body, &answer); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(fmt.Sprint(answer["access_token"]), ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil || len(claims) != 9 || answer["scope"] != "read write" {
		t.Errorf("claims %s of answer %s", payload, c.sink.body)
	}
	if _, err := url.ParseQuery(tokenForm); err != nil {
		t.Error(err)
	}
}
