package authflow_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/authflow"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/authorize"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/admission"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/router"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// serve serves the whole way from the authorization endpoint through the pages.
func serve(env *browsertest.Env) http.Handler {
	p := pages.New()
	signIn := signin.New(env.Directory, env.Store, env.Log, nil)
	people := tokens.NewPeople(env.Directory, env.Clock.Now)
	var routes []endpoint.Route
	routes = append(routes, authorize.New(env.Store, env.Requests(), env.Directory, people, tokens.NewMinter(nil, env.Clock.Now, nil), access.New(people, env.Log, nil, env.Clock.Now), authorize.Flows{}, p, env.Clock.Now).Routes()...)
	routes = append(routes, authflow.New(env.Store, env.Requests(), signIn, admission.New(env.Store, env.Clock.Now), nil, people, access.New(people, env.Log, nil, env.Clock.Now), env.Directory, nil, p, env.Clock.Now).Routes()...)
	return observe.Requests(
		router.New(router.Options{Domains: env.Domains, Routes: routes, Root: p.Root(), Metrics: observe.NewMetrics("test", "v1"), Log: env.Log}),
		observe.RequestsOptions{Log: env.Log, Metrics: observe.NewMetrics("test", "v1")})
}

func identifierFirst(a *configv1.Application) {
	a.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), IdentifierFirstEnabled: true}
}

// locksAfterTwo makes an application of which no earlier run has counted attempts.
func locksAfterTwo(a *configv1.Application) {
	a.Id += "-" + secret.NewID()
	a.Settings.Account = &configv1.AccountSettings{Inherited: proto.Bool(false), LoginAttemptsDetectionEnabled: true, MaxLoginAttempts: 2}
}

// start returns an environment with the usual applications, and a browser without cookies.
func start(t *testing.T, apps ...*configv1.Application) (*browsertest.Env, *browsertest.Browser) {
	t.Helper()
	apps = append(apps, browsertest.App("web"), browsertest.App("asks", browsertest.AsksConsent), browsertest.App("first", identifierFirst),
		browsertest.App("locks", locksAfterTwo), browsertest.App("partner", func(a *configv1.Application) { a.IdentityProviders[0].Identity = "partners" }))
	env := browsertest.New(t, nil, apps...)
	return env, browsertest.NewBrowser(t, serve(env))
}

// request is an authorization request of a client.
func request(client, more string) string {
	return "/oauth/authorize?client_id=" + client + "&response_type=code&state=s&redirect_uri=" + url.QueryEscape("https://"+client+".example/cb") + more
}

// answered returns the authorization behind the code that an answer carries.
func answered(t *testing.T, env *browsertest.Env, client string, res *browsertest.Response) state.Authorization {
	t.Helper()
	if !strings.HasPrefix(res.Location(), "https://"+client+".example/cb?code=") {
		t.Fatalf("status %d, answer %s\n%s", res.StatusCode, res.Location(), res.Text)
	}
	a, err := env.Store.Redeem(t.Context(), browsertest.DomainID, client, res.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantForm fails unless a page with a form was answered, with both cookies in their order.
func wantForm(t *testing.T, res *browsertest.Response, path string) {
	t.Helper()
	if res.StatusCode != 200 || !strings.Contains(res.Text, `<form action="`+browsertest.Base+path) {
		t.Fatalf("status %d, location %s, want the form of %s\n%s", res.StatusCode, res.Location(), path, res.Text)
	}
	cookies := res.Header.Values("Set-Cookie")
	if len(cookies) != 2 || !strings.HasPrefix(cookies[0], "XSRF-TOKEN=") || !strings.HasPrefix(cookies[1], "GATEHOUSE_SESSION=") {
		t.Errorf("cookies %q", cookies)
	}
	wantHeaders(t, res)
}

// wantHeaders checks what every page has.
func wantHeaders(t *testing.T, res *browsertest.Response) {
	t.Helper()
	h := res.Header
	policy := h.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
	for _, bad := range []string{"src=\"http", "url(", "onclick", "onload", " style=\"", "ZgotmplZ"} {
		if strings.Contains(res.Text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
}
