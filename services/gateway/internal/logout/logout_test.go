package logout_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/logout"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/router"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const cookie = "GATEHOUSE_SESSION"

func serve(env *browsertest.Env) http.Handler {
	p := pages.New()
	return router.New(router.Options{
		Domains: env.Domains, Routes: logout.New(env.Store, p, env.Clock.Now).Routes(),
		Root: p.Root(), Metrics: observe.NewMetrics("test", "v1"), Log: env.Log,
	})
}

func signIn(t *testing.T, env *browsertest.Env, b *browsertest.Browser) {
	t.Helper()
	signInAs(t, env, b, "sub-ann")
}

func signInAs(t *testing.T, env *browsertest.Env, b *browsertest.Browser, subject string) {
	t.Helper()
	b.Cookies[cookie] = secret.NewToken()
	err := env.Store.SaveSession(t.Context(), b.Cookies[cookie], state.Session{
		ID: "sid", Domain: browsertest.DomainID, Provider: browsertest.Provider, Client: "web",
		Person:   state.Person{UserID: "id-ann", Subject: subject, Username: "ann"},
		AuthTime: env.Clock.Now().Unix(), Ends: env.Clock.Now().Add(12 * time.Hour).Unix(),
	}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
}

func ended(t *testing.T, env *browsertest.Env, value string) bool {
	t.Helper()
	_, err := env.Store.Session(t.Context(), value, browsertest.DomainID, time.Hour)
	return err != nil
}

// own is an application with a list of its own, lent one without.
func own(o *configv1.OAuthSettings) {
	o.PostLogoutRedirectUris = []string{"https://web.example/bye", "https://web.example/bye?x=1"}
}

func hint(t *testing.T, key *jose.Key, sub, aud string) string {
	t.Helper()
	token, err := key.Sign(jose.TypeJWT, []byte(`{"iss":"`+browsertest.Issuer+`","sub":"`+sub+`","aud":"`+aud+`","exp":1}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestLogout is the table of targets and answers.
func TestLogout(t *testing.T) {
	foreign, err := jose.GenerateKey(jose.ES256, "k1")
	if err != nil {
		t.Fatal(err)
	}
	lists := func(d *configv1.Domain) { d.Oidc.PostLogoutRedirectUris = []string{"https://portal.example/"} }
	silent := func(d *configv1.Domain) { d.Oidc.LogoutConfirmation = proto.Bool(false) }
	const bye, portal, elsewhere = "https://web.example/bye", "https://portal.example/", "https://elsewhere.example/x"
	const page, asks = "page", "asks"
	tests := []struct {
		name   string
		domain func(*configv1.Domain)
		client string // "" = the session's, which is web
		target string
		hint   string // subject:audience; "bad" = signed by somebody else
		more   url.Values
		want   string // location, "asks", or "page" with
		text   string // the error's description
	}{
		{name: "no target: signed out", want: "/"},
		{name: "no target, state and hint only: signed out", hint: "sub-ann:web", more: url.Values{"state": {"s"}}, want: "/"},
		{name: "no target, a bad hint: signed out", hint: "bad", want: "/"},
		{name: "registered, with a valid hint", target: bye, hint: "sub-ann:web", more: url.Values{"state": {"a b&c"}}, want: bye + "?state=a+b%26c"},
		{name: "registered with a query, with a valid hint", target: bye + "?x=1", hint: "sub-ann:web", more: url.Values{"state": {"s"}}, want: bye + "?x=1&state=s"},
		{name: "no state is invented", target: bye, hint: "sub-ann:web", want: bye},
		{name: "target_url wins", target: elsewhere, hint: "sub-ann:web", more: url.Values{"target_url": {bye}}, want: bye},
		{name: "the client is the hint's", domain: lists, client: "", target: portal, hint: "sub-ann:plain", want: portal},
		{name: "registered at the domain, no hint", domain: lists, client: "plain", target: portal, want: portal},
		{name: "registered at the domain, for a client that has a list of its own", domain: lists, target: portal, want: page, text: "The post_logout_redirect_uri MUST match the registered callback URLs"},
		{name: "registered at the client, no hint", target: bye, want: asks},
		{name: "registered at the client, the hint names another person", target: bye, hint: "sub-bob:web", want: asks},
		{name: "lists exist, no match", target: elsewhere, hint: "sub-ann:web", want: page, text: "The post_logout_redirect_uri MUST match the registered callback URLs"},
		{name: "a longer URI is no match", target: bye + "/x", hint: "sub-ann:web", want: page, text: "The post_logout_redirect_uri MUST match the registered callback URLs"},
		{name: "user-info part", target: "https://x:y@web.example/bye", hint: "sub-ann:web", want: page, text: "The post_logout_redirect_uri [ https://x:y@web.example/bye ] MUST NOT contain userInfo part"},
		{name: "user-info part of what does not parse", target: "https://x@web.example:port/bye", want: page, text: "The post_logout_redirect_uri [ https://x@web.example:port/bye ] MUST NOT contain userInfo part"},
		{name: "nothing registered anywhere", client: "plain", target: elsewhere, want: asks},
		{name: "nothing registered anywhere, with a valid hint", target: elsewhere, hint: "sub-ann:plain", want: asks},
		{name: "nothing registered anywhere, a script", client: "plain", target: "javascript:alert(1)", want: page, text: "The post_logout_redirect_uri MUST match the registered callback URLs"},
		{name: "nothing registered anywhere, no web page", client: "plain", target: "com.app:/bye", want: page, text: "The post_logout_redirect_uri MUST match the registered callback URLs"},
		{name: "nothing registered anywhere, relative", client: "plain", target: "//elsewhere.example", want: page, text: "The post_logout_redirect_uri MUST match the registered callback URLs"},
		{name: "a bad hint leads to no redirect", target: bye, hint: "bad", want: page, text: "Invalid parameter: id_token_hint"},
		{name: "a hint of another client leads to no redirect", client: "plain", target: bye, hint: "sub-ann:web", want: page, text: "Invalid parameter: id_token_hint"},
		{name: "without confirmation, no hint", domain: silent, target: bye, want: bye},
		{name: "without confirmation, nothing registered", domain: silent, client: "plain", target: elsewhere, want: elsewhere},
		{name: "without confirmation, no match", domain: silent, target: elsewhere, want: page, text: "The post_logout_redirect_uri MUST match the registered callback URLs"},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "POST"} {
			t.Run(tt.name+" "+method, func(t *testing.T) {
				env := browsertest.New(t, tt.domain, browsertest.App("web", browsertest.OAuth(own)), browsertest.App("plain"))
				b := browsertest.NewBrowser(t, serve(env))
				signIn(t, env, b)
				value := b.Cookies[cookie]
				q := url.Values{}
				for name, v := range tt.more {
					q[name] = v
				}
				if tt.client != "" {
					q.Set("client_id", tt.client)
				}
				if tt.target != "" {
					q.Set("post_logout_redirect_uri", tt.target)
				}
				if tt.hint == "bad" {
					q.Set("id_token_hint", hint(t, foreign, "sub-ann", "web"))
				} else if sub, aud, ok := strings.Cut(tt.hint, ":"); ok {
					q.Set("id_token_hint", hint(t, env.Key, sub, aud))
				}
				var res *browsertest.Response
				if method == "GET" {
					res = b.Get("/logout?" + q.Encode())
				} else {
					res = b.Post("/logout", q)
				}
				switch tt.want {
				case page:
					if res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/error?") || res.Query().Get("error_description") != tt.text {
						t.Errorf("status %d, %s", res.StatusCode, res.Location())
					}
					if ended(t, env, value) {
						t.Error("signed out by a request that was refused")
					}
				case asks:
					u, _ := url.Parse(tt.target)
					if res.StatusCode != 200 || !strings.Contains(res.Text, `id="logout-confirm"`) || !strings.Contains(res.Text, u.Host) {
						t.Fatalf("status %d, %s\n%s", res.StatusCode, res.Location(), res.Text)
					}
					if ended(t, env, value) {
						t.Error("signed out without an answer")
					}
					f := b.Form(res)
					res = b.Post(f.Action, f.Values)
					if res.StatusCode != 302 || res.Location() != tt.target || !ended(t, env, value) {
						t.Errorf("after the answer: status %d, %s", res.StatusCode, res.Location())
					}
				default:
					if res.StatusCode != 302 || res.Location() != tt.want || !ended(t, env, value) || b.Cookies[cookie] != "" {
						t.Errorf("status %d, %s, cookies %v", res.StatusCode, res.Location(), b.Cookies)
					}
				}
			})
		}
	}
}

func TestQuestionsNeedTheirAnswer(t *testing.T) {
	env := browsertest.New(t, nil, browsertest.App("web", browsertest.OAuth(own)), browsertest.App("plain"))
	b := browsertest.NewBrowser(t, serve(env))
	signIn(t, env, b)
	value := b.Cookies[cookie]
	f := b.Form(b.Get("/logout?client_id=plain&state=s&post_logout_redirect_uri=https%3A%2F%2Felsewhere.example%2Fx"))
	for name, change := range map[string]func(url.Values){
		"without a token":    func(v url.Values) { v.Del("X-XSRF-TOKEN") },
		"for another target": func(v url.Values) { v.Set("post_logout_redirect_uri", "https://evil.example/") },
		"with a made-up one": func(v url.Values) { v.Set("X-XSRF-TOKEN", "t.x") },
	} {
		form := url.Values{}
		for k, v := range f.Values {
			form[k] = append([]string(nil), v...)
		}
		change(form)
		if res := b.Post(f.Action, form); res.StatusCode != 200 || ended(t, env, value) {
			t.Errorf("%s: status %d, %s", name, res.StatusCode, res.Location())
		}
	}
	if res := b.Get("/logout?" + f.Values.Encode()); res.StatusCode != 200 {
		t.Errorf("an answer in a link: status %d, %s", res.StatusCode, res.Location())
	}
	if res := b.Post(f.Action, f.Values); res.Location() != "https://elsewhere.example/x?state=s" || !ended(t, env, value) {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
}

func TestInvalidateTokens(t *testing.T) {
	env := browsertest.New(t, nil, browsertest.App("web"))
	b := browsertest.NewBrowser(t, serve(env))
	subject := "sub-" + secret.NewID()
	token := state.Token{Domain: browsertest.DomainID, JTI: "j", Subject: subject, IssuedAt: env.Clock.Now().UnixMilli()}
	signInAs(t, env, b, subject)
	b.Get("/logout")
	if env.Store.Revoked(token) {
		t.Error("an ordinary logout revokes tokens")
	}
	for name, more := range map[string]string{
		"no hint": "", "the hint of another person": "&id_token_hint=" + hint(t, env.Key, "sub-bob", "web"), "a bad hint": "&id_token_hint=a.b.c",
	} {
		signInAs(t, env, b, subject)
		value := b.Cookies[cookie]
		if res := b.Get("/logout?invalidate_tokens=true" + more); res.StatusCode != 302 || res.Location() != "/" || !ended(t, env, value) || env.Store.Revoked(token) {
			t.Errorf("%s: location %s, revoked %v", name, res.Location(), env.Store.Revoked(token))
		}
	}
	signInAs(t, env, b, subject)
	if res := b.Get("/logout?invalidate_tokens=true&id_token_hint=" + hint(t, env.Key, subject, "web")); res.Location() != "/" || !env.Store.Revoked(token) {
		t.Errorf("with a hint: location %s, revoked %v", res.Location(), env.Store.Revoked(token))
	}
	token.IssuedAt = env.Clock.Now().Add(time.Minute).UnixMilli()
	if env.Store.Revoked(token) {
		t.Error("later tokens are revoked as well")
	}
	env.Clock.Advance(2 * time.Minute)
	signInAs(t, env, b, subject)
	f := b.Form(b.Get("/logout?invalidate_tokens=true&client_id=web&post_logout_redirect_uri=https%3A%2F%2Felsewhere.example%2Fx"))
	if res := b.Post(f.Action, f.Values); res.Location() != "https://elsewhere.example/x" || !env.Store.Revoked(token) {
		t.Errorf("confirmed: location %s, revoked %v", res.Location(), env.Store.Revoked(token))
	}
}

func TestHeadSignsNobodyOut(t *testing.T) {
	env := browsertest.New(t, nil)
	b := browsertest.NewBrowser(t, serve(env))
	signIn(t, env, b)
	value := b.Cookies[cookie]
	if res := b.Head("/logout"); res.StatusCode != 405 || ended(t, env, value) {
		t.Errorf("status %d, ended %v", res.StatusCode, ended(t, env, value))
	}
}

func TestLogoutWithoutSession(t *testing.T) {
	env := browsertest.New(t, nil, browsertest.App("web", browsertest.OAuth(own)))
	b := browsertest.NewBrowser(t, serve(env))
	if res := b.Get("/logout"); res.StatusCode != 302 || res.Location() != "/" {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
	if res := b.Get("/logout?id_token_hint=" + hint(t, env.Key, "sub-ann", "web") + "&post_logout_redirect_uri=https%3A%2F%2Fweb.example%2Fbye"); res.Location() != "https://web.example/bye" {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
	if res := b.Get("/logout?client_id=nobody&post_logout_redirect_uri=https%3A%2F%2Fweb.example%2Fbye"); res.StatusCode != 200 {
		t.Errorf("a client that does not exist has no list: status %d, %s", res.StatusCode, res.Location())
	}
	if res := b.Get("/logout?state=a&state=b"); res.StatusCode != 302 || res.Query().Get("error_description") != "Parameter [state] is included more than once" {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
}

func TestRoot(t *testing.T) {
	env := browsertest.New(t, nil)
	b := browsertest.NewBrowser(t, serve(env))
	if res := b.Get(browsertest.PublicURL + "/"); res.StatusCode != 200 || !strings.Contains(res.Text, "You are signed out") {
		t.Errorf("status %d\n%s", res.StatusCode, res.Text)
	}
	if res := b.Get(browsertest.PublicURL + "/nobody/login"); res.StatusCode != 404 || res.Header.Get("Content-Type") != "application/json" || !strings.Contains(res.Text, `"error":"not_found"`) {
		t.Errorf("status %d, %s", res.StatusCode, res.Text)
	}
	b.Headers["Accept"] = "text/html,*/*"
	if res := b.Get(browsertest.PublicURL + "/nobody/login"); res.StatusCode != 404 || !strings.Contains(res.Text, "Page not found") {
		t.Errorf("status %d, %s", res.StatusCode, res.Text)
	}
	if res := b.Post(browsertest.PublicURL+"/", nil); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestLogoutWithoutRedis(t *testing.T) {
	env := browsertest.NewWithRedis(t, "redis://127.0.0.1:1/0", browsertest.PublicURL, nil)
	b := browsertest.NewBrowser(t, serve(env))
	b.Cookies[cookie] = secret.NewToken()
	if res := b.Get("/logout"); res.StatusCode != 503 || !strings.Contains(res.Text, "temporarily_unavailable") {
		t.Errorf("status %d\n%s", res.StatusCode, res.Text)
	}
}

func TestRootBelowAPath(t *testing.T) {
	env := browsertest.NewAt(t, "https://gw.example/gate", nil)
	b := browsertest.NewBrowser(t, serve(env))
	if res := b.Get("https://gw.example/acme/logout"); res.Location() != "/gate/" || !strings.Contains(strings.Join(res.Header.Values("Set-Cookie"), ""), "; Path=/gate/acme;") {
		t.Errorf("location %s, cookies %q", res.Location(), res.Header.Values("Set-Cookie"))
	}
}
