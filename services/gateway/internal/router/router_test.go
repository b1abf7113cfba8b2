package router_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/router"
)

// say answers with a text, the domain and the rest of the path.
func say(text string) endpoint.Handler {
	return func(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
		_, err := io.WriteString(w, strings.TrimSpace(text+" "+d.Path+" "+r.PathValue("rest")))
		return err
	}
}

func routes() []endpoint.Route {
	page := func(w http.ResponseWriter, _ *http.Request, _ *domain.Domain, err error) {
		w.WriteHeader(endpoint.Protocol(err).Status())
		_, _ = io.WriteString(w, "page: "+string(endpoint.Protocol(err).Code))
	}
	return []endpoint.Route{
		{Name: "plain", Path: "/oauth/plain", Get: say("read"), Post: say("posted"), Errors: endpoint.ErrorJSON, CORS: true},
		{Name: "closed", Path: "/oauth/closed", Post: say("closed"), Errors: page},
		{Name: "register", Path: "/test/register", Post: say("registered"), Errors: endpoint.ErrorJSON},
		{Name: "client", Path: "/test/register/*", Get: say("client"), Delete: say("deleted"), Errors: endpoint.ErrorJSON},
		{Name: "acts", Path: "/acts", Get: say("acted"), NoHead: true, Errors: endpoint.ErrorJSON},
		{Name: "behind", Path: "/test/register/*/secret", Put: say("renewed"), Errors: page},
		{Name: "deeper", Path: "/test/register/deep/*", Get: say("deeper"), Errors: endpoint.ErrorJSON},
		{Name: "broken", Path: "/broken", Errors: endpoint.ErrorJSON, Get: func(http.ResponseWriter, *http.Request, *domain.Domain) error {
			return errors.New("secret cause")
		}},
		{Name: "panics", Path: "/panics", Errors: endpoint.ErrorJSON, Get: func(http.ResponseWriter, *http.Request, *domain.Domain) error {
			panic("secret cause")
		}},
	}
}

func TestRouting(t *testing.T) {
	acme, eu := gatewaytest.NewAcme(t), gatewaytest.NewConfig(t, "eu", "/acme/eu")
	eu.Certificate("es", jose.ES256)
	h := gatewaytest.New(t, gatewaytest.Options{Routes: routes(), RedisURL: "redis://127.0.0.1:1"}, acme, eu)
	const notFound = `{"error":"not_found","error_description":"There is no such endpoint"}`
	tests := []struct {
		name, method, path string
		status             int
		body               string
		header             map[string]string
	}{
		{"an endpoint is found below its domain", "GET", "/acme/oauth/plain", 200, "read /acme", nil},
		{"a domain of several segments has its own", "GET", "/acme/eu/oauth/plain", 200, "read /acme/eu", nil},
		{"each method has its handler", "POST", "/acme/oauth/plain", 200, "posted /acme", nil},
		{"trailing slashes are tolerated", "GET", "/acme/oauth/plain//", 200, "read /acme", nil},
		{"HEAD is GET without a body", "HEAD", "/acme/oauth/plain", 200, "", nil},
		{"HEAD is refused where GET changes something", "HEAD", "/acme/acts", 405, "", map[string]string{"Allow": "GET, OPTIONS"}},
		{"the rest of a path is handed on", "GET", "/acme/test/register/abc/renew", 200, "client /acme abc/renew", nil},
		{"a path may go on behind the rest", "PUT", "/acme/test/register/abc/secret", 200, "renewed /acme abc", nil},
		{"and has methods of its own", "GET", "/acme/test/register/abc/secret/", 405, "", map[string]string{"Allow": "PUT, OPTIONS"}},
		{"a trailing slash is no rest", "POST", "/acme/test/register/", 200, "registered /acme", nil},
		{"the longest prefix wins", "GET", "/acme/test/register/deep/x", 200, "deeper /acme x", nil},
		{"an unknown endpoint is 404", "GET", "/acme/nothing", 404, notFound, nil},
		{"so is the domain itself", "GET", "/acme", 404, notFound, nil},
		{"what is outside of every domain goes to the root", "GET", "/nobody/oauth/plain", 404, "", nil},
		{"another method is 405 and told which", "PUT", "/acme/oauth/plain", 405,
			`{"error":"method_not_allowed","error_description":"The endpoint answers GET, HEAD, POST, OPTIONS"}`, map[string]string{"Allow": "GET, HEAD, POST, OPTIONS"}},
		{"an invented method is 405", "BREW", "/acme/oauth/plain", 405, "", map[string]string{"Allow": "GET, HEAD, POST, OPTIONS"}},
		{"405 has the form of the endpoint", "GET", "/acme/oauth/closed", 405, "page: method_not_allowed", map[string]string{"Allow": "POST, OPTIONS"}},
		{"OPTIONS tells the methods", "OPTIONS", "/acme/test/register/x", 204, "", map[string]string{"Allow": "GET, HEAD, DELETE, OPTIONS"}},
		{"an error of ours says nothing", "GET", "/acme/broken", 500, `{"error":"server_error"}`, nil},
		{"neither does a panic", "GET", "/acme/panics", 500, `{"error":"server_error"}`, map[string]string{"Content-Type": "application/json"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequest(tt.method, h.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			a := h.Do(r)
			if a.Status != tt.status || (tt.body != "" && a.Body != tt.body) {
				t.Errorf("status %d, body %q; want %d, %q", a.Status, a.Body, tt.status, tt.body)
			}
			for name, want := range tt.header {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if tt.name != "neither does a panic" && (a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Referrer-Policy") != "no-referrer") {
				t.Errorf("security headers are missing: %v", a.Header)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	only := func(change func(*configv1.CorsSettings), origins ...string) *configv1.CorsSettings {
		s := &configv1.CorsSettings{Enabled: true, AllowedOrigins: origins}
		if change != nil {
			change(s)
		}
		return s
	}
	credentials := func(s *configv1.CorsSettings) { s.AllowCredentials = true }
	const app = "https://app.example"
	type header = map[string]string
	tests := []struct {
		name           string
		settings       *configv1.CorsSettings
		path, method   string
		origin, asking string
		status         int
		want           header
	}{
		{"switched off there is nothing", &configv1.CorsSettings{AllowedOrigins: []string{"*"}}, "/acme/oauth/plain", "GET", app, "", 200, header{}},
		{"without settings there is nothing", nil, "/acme/oauth/plain", "GET", app, "", 200, header{}},
		{"a listed origin may read", only(nil, app), "/acme/oauth/plain", "GET", app, "", 200,
			header{"Access-Control-Allow-Origin": app, "Vary": "Origin", "Access-Control-Expose-Headers": "WWW-Authenticate, X-Request-Id, DPoP-Nonce, Retry-After"}},
		{"another origin may not", only(nil, app), "/acme/oauth/plain", "GET", "https://evil.example", "", 200, header{"Vary": "Origin"}},
		{"an answer without origin varies as well", only(nil, app), "/acme/oauth/plain", "GET", "", "", 200, header{"Vary": "Origin"}},
		{"everybody may read", only(nil, "*"), "/acme/oauth/plain", "GET", app, "", 200,
			header{"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "WWW-Authenticate, X-Request-Id, DPoP-Nonce, Retry-After"}},
		{"everybody never has credentials", only(credentials, "*"), "/acme/oauth/plain", "GET", app, "", 200,
			header{"Access-Control-Allow-Origin": "*", "Vary": "Origin", "Access-Control-Expose-Headers": "WWW-Authenticate, X-Request-Id, DPoP-Nonce, Retry-After"}},
		{"a listed origin has them", only(credentials, "*", app), "/acme/oauth/plain", "GET", app, "", 200,
			header{"Access-Control-Allow-Origin": app, "Access-Control-Allow-Credentials": "true", "Vary": "Origin", "Access-Control-Expose-Headers": "WWW-Authenticate, X-Request-Id, DPoP-Nonce, Retry-After"}},
		{"a preflight is answered", only(nil, app), "/acme/oauth/plain", "OPTIONS", app, "POST", 204,
			header{"Access-Control-Allow-Origin": app, "Vary": "Origin", "Access-Control-Allow-Methods": "GET, HEAD, POST", "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP, Idempotency-Key"}},
		{"as the domain says", only(func(s *configv1.CorsSettings) {
			s.AllowedMethods, s.AllowedHeaders, s.MaxAge = []string{"GET"}, []string{"X-A", "X-B"}, 600
		}, app), "/acme/oauth/plain", "OPTIONS", app, "POST", 204,
			header{"Access-Control-Allow-Origin": app, "Vary": "Origin", "Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": "X-A, X-B", "Access-Control-Max-Age": "600"}},
		{"a preflight from elsewhere is an ordinary OPTIONS", only(nil, app), "/acme/oauth/plain", "OPTIONS", "https://evil.example", "POST", 204, header{"Vary": "Origin"}},
		{"endpoints for people have none", only(nil, "*"), "/acme/oauth/closed", "POST", app, "", 200, header{}},
		{"errors can be read too", only(nil, app), "/acme/oauth/plain", "PUT", app, "", 405,
			header{"Access-Control-Allow-Origin": app, "Vary": "Origin", "Access-Control-Expose-Headers": "WWW-Authenticate, X-Request-Id, DPoP-Nonce, Retry-After"}},
		{"the document on the root has them", only(nil, app), "/.well-known/oauth-authorization-server/acme/oidc", "GET", app, "", 200,
			header{"Access-Control-Allow-Origin": app, "Vary": "Origin", "Access-Control-Expose-Headers": "WWW-Authenticate, X-Request-Id, DPoP-Nonce, Retry-After"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			c.Domain.CorsSettings = tt.settings
			h := gatewaytest.New(t, gatewaytest.Options{Routes: routes(), RedisURL: "redis://127.0.0.1:1"}, c)
			r, err := http.NewRequest(tt.method, h.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			if tt.asking != "" {
				r.Header.Set("Access-Control-Request-Method", tt.asking)
			}
			a := h.Do(r)
			got := header{}
			for name := range a.Header {
				if name == "Vary" || strings.HasPrefix(name, "Access-Control-") {
					got[name] = a.Header.Get(name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || a.Status != tt.status {
				t.Errorf("status %d, header (-want +got):\n%s", a.Status, diff)
			}
		})
	}
}

func TestWiringMistakes(t *testing.T) {
	good := endpoint.Route{Name: "a", Path: "/a", Get: say(""), Errors: endpoint.ErrorJSON}
	star := endpoint.Route{Name: "b", Path: "/b/*", Get: say(""), Errors: endpoint.ErrorJSON}
	for name, list := range map[string][]endpoint.Route{
		"two routes with one path":   {good, good},
		"two routes with one prefix": {star, star},
		"no error writer":            {{Name: "a", Path: "/a", Get: say("")}},
		"no method":                  {{Name: "a", Path: "/a", Errors: endpoint.ErrorJSON}},
		"no slash":                   {{Name: "a", Path: "a", Get: say(""), Errors: endpoint.ErrorJSON}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the router was made")
				}
			}()
			router.New(router.Options{Routes: list, Metrics: observe.NewMetrics("gateway", "v1")})
		})
	}
}

func TestTheLogNamesWhatWentWrong(t *testing.T) {
	var log strings.Builder
	list := []endpoint.Route{{Name: "broken", Path: "/broken", Errors: endpoint.ErrorJSON, Get: func(http.ResponseWriter, *http.Request, *domain.Domain) error {
		return oauth2.InvalidGrant.Errorf("no such code").WithCause(errors.New("the cause"))
	}}}
	h := gatewaytest.New(t, gatewaytest.Options{Routes: list, RedisURL: "redis://127.0.0.1:1", Log: slog.New(slog.NewJSONHandler(&log, nil))}, gatewaytest.NewAcme(t))
	h.Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/acme/broken?code=secret", nil))
	for _, part := range []string{`"endpoint":"broken"`, `"domain":"acme-`, `"error":"invalid_grant"`, `"error_description":"no such code"`, `the cause`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not say %s: %s", part, log.String())
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log has the query: %s", log.String())
	}
}
