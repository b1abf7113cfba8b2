package http_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	idphttp "github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/http"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
)

const password = "correct horse"

func client(t testing.TB, allow ...string) *outbound.Client {
	t.Helper()
	c, err := outbound.New(outbound.Options{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// site knows people, and can stall and go away.
type site struct {
	asked   atomic.Int64
	stalled atomic.Pointer[chan struct{}]
	server  *http.Server
	address string
}

var odd = []string{`a"b`, `a\b`, "a&b=c", "a/b", "a?b", "a#b", "ünï", "{#login}", "<x>", "o'neill", "a%2fb"}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	body, _ := io.ReadAll(r.Body)
	if stalled := s.stalled.Load(); stalled != nil {
		select {
		case <-*stalled:
		case <-r.Context().Done():
		}
		return
	}
	var asked map[string]string
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	if err := decoder.Decode(&asked); err != nil || len(asked) != 2 || r.Header.Get("X-Key") != "k" || r.URL.Path != "/check" ||
		r.Header.Get("Content-Type") != "application/json" || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	name := strings.ToLower(asked["name"])
	switch {
	case asked["password"] != password:
		w.WriteHeader(http.StatusUnauthorized)
	case name == "ann":
		_, _ = io.WriteString(w, `{"id": 9007199254740993, "login": "ann", "email": "ann@acme.example", "email_verified": true, "given_name": "Ann",
			"family_name": "Doe", "name": "Ann Doe", "teams": ["a", "b"]}`)
	case slices.Contains(odd, name):
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "odd " + name})
	case name == "locked":
		_, _ = io.WriteString(w, `{"state": "locked"}`)
	default:
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (s *site) start(t testing.TB) {
	t.Helper()
	address := s.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(listener) }()
}

func config(address string) *configv1.HTTPProvider {
	return &configv1.HTTPProvider{
		AuthenticationResource: &configv1.HTTPResource{
			BaseUrl: address + "/check", HttpHeaders: []*configv1.HTTPHeader{{Name: "X-Key", Value: "k"}},
			HttpBody: `{"name": "{#login}", "password": "{#password}"}`,
			HttpResponseErrorConditions: []*configv1.HTTPErrorCondition{
				{Value: "response.status == 401", Exception: "BadCredentials"},
				{Value: "has(response.json.state) && response.json.state == 'locked'", Exception: "AccountLocked"},
			},
		},
		UserResource: &configv1.HTTPProvider_UserResource{IdentifierAttribute: "id", UsernameAttribute: "login"},
	}
}

func TestSuite(t *testing.T) {
	idptest.Password(t, func(t *testing.T) *idptest.Rig {
		s := &site{}
		s.start(t)
		t.Cleanup(func() { _ = s.server.Close() })
		p, err := idphttp.New("site", config("http://"+s.address), client(t, "http://127.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		return &idptest.Rig{
			Provider: p, Username: "ann", Password: password, Odd: odd, Blocked: []string{"locked"}, Requests: s.asked.Load,
			Identity: &idp.Identity{
				Source: "site", ExternalId: "9007199254740993", Username: "ann", Email: "ann@acme.example", EmailVerified: true,
				FirstName: "Ann", LastName: "Doe", DisplayName: "Ann Doe",
			},
			Profile: map[string]any{"teams": []any{"a", "b"}}, Limit: 7 * time.Second,
			Stall: func(*testing.T) func() {
				stalled := make(chan struct{})
				s.stalled.Store(&stalled)
				return func() {
					s.stalled.Store(nil)
					close(stalled)
				}
			},
			Away: func(t *testing.T) func() {
				_ = s.server.Close()
				return func() { s.start(t) }
			},
		}
	})
}

// answers is a provider of a site that gives one answer.
func answers(t testing.TB, change func(*configv1.HTTPResource), handler http.HandlerFunc) *idphttp.Provider {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := config(server.URL)
	if change != nil {
		change(c.AuthenticationResource)
	}
	p, err := idphttp.New("site", c, client(t, "http://127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sign(t testing.TB, p *idphttp.Provider, name string) (*idp.Assertion, error) {
	t.Helper()
	return p.Authenticate(t.Context(), idp.Credentials{Username: name, Password: password, Input: &rules.Input{}})
}

func TestWhatAnswersMean(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		conditions []*configv1.HTTPErrorCondition
		want       error
	}{
		{"a person", `{"id": "7"}`, 200, nil, nil},
		{"a person who was made just now", `{"id": "7"}`, 201, nil, nil},
		{"nobody", ``, 401, nil, idp.ErrRefused},
		{"not found", ``, 404, nil, idp.ErrRefused},
		{"a fault of the site", `{"id": "7"}`, 500, nil, idp.ErrUnavailable},
		{"too many requests", ``, 429, nil, idp.ErrUnavailable},
		{"a redirect", `{"id": "7"}`, 302, nil, idp.ErrUnavailable},
		{"no JSON", `hello`, 200, nil, idp.ErrUnavailable},
		{"JSON with something behind it", `{"id": "7"} x`, 200, nil, idp.ErrUnavailable},
		{"a list", `[{"id": "7"}]`, 200, nil, idp.ErrUnavailable},
		{"a person without the member that says who it is", `{"sub": "7"}`, 200, nil, idp.ErrUnavailable},
		{"a person whom an object names", `{"id": {"x": "7"}}`, 200, nil, idp.ErrUnavailable},
		{"a condition that means refusal", `{"id": "7", "ok": false}`, 200, []*configv1.HTTPErrorCondition{{Value: "!response.json.ok"}}, idp.ErrRefused},
		{"a condition with a class's name", `{"id": "7"}`, 200, []*configv1.HTTPErrorCondition{{Value: "true", Exception: "UsernameNotFoundException"}}, idp.ErrRefused},
		{"a condition that means a block", `{"id": "7"}`, 200, []*configv1.HTTPErrorCondition{{Value: "true", Exception: "AccountDisabled"}}, idp.ErrBlocked},
		{"a condition that means an outage", `{"id": "7"}`, 200, []*configv1.HTTPErrorCondition{{Value: "true", Exception: "unavailable"}}, idp.ErrUnavailable},
		{"the first condition decides", ``, 200, []*configv1.HTTPErrorCondition{{Value: "false"}, {Value: "true", Exception: "blocked"}, {Value: "true"}}, idp.ErrBlocked},
		{"a condition that cannot be evaluated admits nobody", `{"id": "7"}`, 200, []*configv1.HTTPErrorCondition{{Value: "response.json.missing == 'x'"}}, idp.ErrUnavailable},
		{"an answer that is too long", `{"id": "7", "x": "` + strings.Repeat("x", 300<<10) + `"}`, 200, nil, idp.ErrUnavailable},
	} {
		p := answers(t, func(r *configv1.HTTPResource) { r.HttpResponseErrorConditions = tt.conditions }, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		if got, err := sign(t, p, "ann"); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || err == nil && got.Identity.GetExternalId() != "7" {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

func TestWhatIsTypedStaysInItsPlace(t *testing.T) {
	type asked struct{ Path, Query, Header, Body string }
	var got asked
	var calls int
	p := answers(t, func(r *configv1.HTTPResource) {
		r.BaseUrl = strings.TrimSuffix(r.BaseUrl, "/check") + "/people/{#login}/check?name={#login}&fixed=1"
		r.HttpHeaders = append(r.HttpHeaders, &configv1.HTTPHeader{Name: "X-Name", Value: "is {#login}"}, &configv1.HTTPHeader{Name: "Content-Type", Value: "application/x-www-form-urlencoded"})
		r.HttpBody = "name={#login}&fixed=1"
	}, func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, _ := io.ReadAll(r.Body)
		got = asked{r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("X-Name"), string(body)}
		_, _ = io.WriteString(w, `{"id": "7"}`)
	})
	for name, want := range map[string]asked{
		"ann":         {"/people/ann/check", "name=ann&fixed=1", "is ann", "name=ann&fixed=1"},
		"dom/ann":     {"/people/dom%2Fann/check", "name=dom%2Fann&fixed=1", "is dom/ann", "name=dom%2Fann&fixed=1"},
		"a&fixed=2#x": {"/people/a%26fixed%3D2%23x/check", "name=a%26fixed%3D2%23x&fixed=1", "is a&fixed=2#x", "name=a%26fixed%3D2%23x&fixed=1"},
	} {
		if _, err := sign(t, p, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	before := calls
	for _, name := range []string{"..", ".", "../admin", `..\admin`, "x/../../admin", "..%2fadmin", "..;/admin"} {
		if _, err := sign(t, p, name); !errors.Is(err, idp.ErrRefused) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if calls != before {
		t.Error("a name that is a way upwards was sent")
	}
}

func TestSitesThatMayNotBeAsked(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the site was asked") }))
	defer server.Close()
	p, err := idphttp.New("site", config(server.URL), client(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sign(t, p, "ann"); !errors.Is(err, idp.ErrUnavailable) || strings.Contains(err.Error(), password) {
		t.Errorf("%v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*configv1.HTTPResource){
		"no URL":                            func(r *configv1.HTTPResource) { r.BaseUrl = "" },
		"a host that people choose":         func(r *configv1.HTTPResource) { r.BaseUrl = "https://{#login}/" },
		"a URL that does not compile":       func(r *configv1.HTTPResource) { r.BaseUrl = "https://site.example/{#nobody}" },
		"JSON in which values are not text": func(r *configv1.HTTPResource) { r.HttpBody = `{"name": {#login}}` },
		"plain text": func(r *configv1.HTTPResource) {
			r.HttpHeaders = append(r.HttpHeaders, &configv1.HTTPHeader{Name: "content-type", Value: "text/plain"})
		},
		"a condition that does not compile": func(r *configv1.HTTPResource) { r.HttpResponseErrorConditions[0].Value = "nobody" },
		"a condition that is blank":         func(r *configv1.HTTPResource) { r.HttpResponseErrorConditions[0].Value = "" },
		"a header that does not compile":    func(r *configv1.HTTPResource) { r.HttpHeaders[0].Value = "{#" },
	} {
		c := config("https://site.example")
		change(c.AuthenticationResource)
		if _, err := idphttp.New("site", c, client(t)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
