package push_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

// oauth adjusts an application's OAuth settings.
func oauth(f func(*configv1.OAuthSettings)) func(*configv1.Application) {
	return func(app *configv1.Application) { f(app.Settings.Oauth) }
}

func public(o *configv1.OAuthSettings) { o.TokenEndpointAuthMethod = "none" }

// serve returns a gateway with the applications web and other, which authenticate by Basic, spa, which cannot, asks, which
// wants consent, and pushes, whose requests must be pushed.
func serve(t *testing.T, change ...func(*gatewaytest.Config)) *gatewaytest.Harness {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	for _, id := range []string{"web", "other"} {
		c.App(id, skipConsent)
	}
	c.App("spa", oauth(public), skipConsent)
	c.App("asks")
	c.App("pushes", skipConsent, oauth(func(o *configv1.OAuthSettings) { o.RequirePushedAuthorizationRequests = true }))
	for _, f := range change {
		f(c)
	}
	return gatewaytest.New(t, gatewaytest.Options{}, c)
}

func skipConsent(app *configv1.Application) {
	app.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
}

// request is a good request of a client with some parameters changed; an empty value takes one away.
func request(clientID string, changes ...string) url.Values {
	form := gatewaytest.Form("client_id", clientID, "response_type", "code", "redirect_uri", "https://"+clientID+".example/cb",
		"scope", "openid profile", "state", "af0if jsldkj", "nonce", "n-0S6", "code_challenge", challenge, "code_challenge_method", "S256")
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

// push pushes a request and returns its request_uri.
func push(t *testing.T, h *gatewaytest.Harness, form url.Values, changes ...gatewaytest.Change) string {
	t.Helper()
	a := h.Post("/acme/oauth/par", form, changes...)
	uri, _ := a.JSON(t)["request_uri"].(string)
	if a.Status != http.StatusCreated || uri == "" {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return uri
}

func authorize(clientID, uri string) string {
	return "/oauth/authorize?client_id=" + clientID + "&request_uri=" + url.QueryEscape(uri)
}

// signIn opens a path, which must lead to the sign-in page, and signs ann in there.
func signIn(t *testing.T, b *browsertest.Browser, path string) *browsertest.Response {
	t.Helper()
	page := b.Follow(b.Get(path))
	if page.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %s: %s", page.StatusCode, page.Location(), page.Text)
	}
	return b.Follow(b.SignIn(page, "ann", gatewaytest.Password))
}

func TestR6APushedRequestIsAnsweredWithAReference(t *testing.T) {
	h := serve(t)
	a := h.Post("/acme/oauth/par", request("web"), gatewaytest.Basic("web"))
	members := a.JSON(t)
	if a.Status != http.StatusCreated || members["expires_in"] != 60.0 || len(members) != 2 {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", a.Header)
	}
	uri, _ := members["request_uri"].(string)
	if random, ok := strings.CutPrefix(uri, state.RequestPrefix); !ok || len(random) != 43 {
		t.Errorf("request_uri %q", uri)
	}
}

func TestR6APushedRequestIsValidatedAsTheAuthorizationEndpointWould(t *testing.T) {
	h := serve(t)
	tests := []struct {
		name string
		form url.Values
		with []gatewaytest.Change
		want string
	}{
		{"a client that does not authenticate", request("web"), nil, "Unauthorized | invalid_client | Client authentication failed due to unknown clientId, expired or invalid client secret"},
		{"a client with a wrong secret", request("web"), []gatewaytest.Change{gatewaytest.BasicWith("web", "wrong")}, "Unauthorized | invalid_client | Client authentication failed due to unknown clientId, expired or invalid client secret"},
		{"another client's name", request("other"), []gatewaytest.Change{gatewaytest.Basic("web")}, "Unauthorized | invalid_client | Client authentication failed due to unknown clientId, expired or invalid client secret"},
		{"a body that is not form-encoded", request("web"), []gatewaytest.Change{gatewaytest.Basic("web"), gatewaytest.Header("Content-Type", "application/json")}, "Bad Request | invalid_request | Unsupported Content-Type"},
		{"a request_uri inside", request("web", "request_uri", "https://web.example/object"), []gatewaytest.Change{gatewaytest.Basic("web")}, "Bad Request | invalid_request | request_uri not authorized"},
		{"no response type", request("web", "response_type", ""), []gatewaytest.Change{gatewaytest.Basic("web")}, "Bad Request | invalid_request | Missing parameter: response_type"},
		{"an unknown response type", request("web", "response_type", "cod"), []gatewaytest.Change{gatewaytest.Basic("web")}, "Bad Request | unsupported_response_type | Unsupported response type: cod"},
		{"a foreign redirect URI", request("web", "redirect_uri", "https://evil.example/cb"), []gatewaytest.Change{gatewaytest.Basic("web")}, "Bad Request | redirect_uri_mismatch | The redirect_uri [ https://evil.example/cb ] MUST match the registered callback URL for this application"},
		{"a public client without a challenge", request("spa", "code_challenge", "", "code_challenge_method", ""), nil, "Bad Request | invalid_request | Missing parameter: code_challenge"},
		{"a scope the client does not have", request("web", "scope", "openid root"), []gatewaytest.Change{gatewaytest.Basic("web")}, "Bad Request | invalid_scope | Invalid scope(s): root"},
		{"a malformed max_age", request("web", "max_age", "soon"), []gatewaytest.Change{gatewaytest.Basic("web")}, "Bad Request | invalid_request | Invalid parameter: max_age"},
		{"a malformed dpop_jkt", request("web", "dpop_jkt", "short"), []gatewaytest.Change{gatewaytest.Basic("web")}, "Bad Request | invalid_request | Invalid parameter: dpop_jkt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := h.Post("/acme/oauth/par", tt.form, tt.with...).Error(t); got != tt.want {
				t.Errorf("answer %q\nwant   %q", got, tt.want)
			}
		})
	}
	t.Run("a repeated parameter, before anything else", func(t *testing.T) {
		form := request("web")
		form.Add("state", "again")
		if got := h.Post("/acme/oauth/par", form).Error(t); got != "Bad Request | invalid_request | Parameter [state] is included more than once" {
			t.Errorf("answer %q", got)
		}
	})
	t.Run("prompt=none is for the authorization endpoint to decide", func(t *testing.T) {
		push(t, h, request("web", "prompt", "none"), gatewaytest.Basic("web"))
	})
	t.Run("other verbs", func(t *testing.T) {
		a := h.Get("/acme/oauth/par")
		if got := a.JSON(t)["error"]; a.Status != http.StatusMethodNotAllowed || got != "method_not_allowed" || a.Header.Get("Allow") != "POST, OPTIONS" {
			t.Errorf("status %d, allowed %q: %s", a.Status, a.Header.Get("Allow"), a.Body)
		}
	})
}

func TestR7APushedRequestCanBeOpenedAgainUntilItIsComplete(t *testing.T) {
	h := serve(t)
	uri := push(t, h, request("web"), gatewaytest.Basic("web"))
	b := h.Browser("/acme")
	for range 3 { // a page that is reloaded
		if page := b.Follow(b.Get(authorize("web", uri))); page.StatusCode != http.StatusOK || !strings.Contains(page.Text, "password") {
			t.Fatalf("status %d: %s", page.StatusCode, page.Text)
		}
	}
	done := signIn(t, b, authorize("web", uri))
	q := done.Query()
	if !strings.HasPrefix(done.Location(), "https://web.example/cb?code=") || q.Get("state") != "af0if jsldkj" {
		t.Fatalf("answer %s", done.Location())
	}
	tokens := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", q.Get("code"),
		"redirect_uri", "https://web.example/cb", "code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), gatewaytest.Basic("web"))
	if tokens.Status != http.StatusOK || tokens.JSON(t)["scope"] != "openid profile" {
		t.Errorf("status %d: %s", tokens.Status, tokens.Body)
	}
	t.Run("never after", func(t *testing.T) {
		for _, b := range []*browsertest.Browser{b, h.Browser("/acme")} {
			refusedOnPage(t, b.Get(authorize("web", uri)))
		}
	})
}

// refusedOnPage fails the test unless an answer tells the person, and nobody else, that a request_uri is worth nothing.
func refusedOnPage(t *testing.T, r *browsertest.Response) {
	t.Helper()
	if !strings.HasPrefix(r.Location(), "https://gw.example/acme/oauth/error?") || r.Query().Get("error") != "invalid_request_uri" {
		t.Errorf("status %d, answer %s", r.StatusCode, r.Location())
	}
}

func TestR7APushedRequestIsItsClientsAlone(t *testing.T) {
	h := serve(t)
	uri := push(t, h, request("web"), gatewaytest.Basic("web"))
	b := h.Browser("/acme")
	for _, bad := range []struct{ name, clientID, uri string }{
		{"another client", "other", uri},
		{"a shortened one", "web", uri[:len(uri)-1]},
		{"one that never was", "web", state.RequestPrefix + strings.Repeat("a", 43)},
		{"nothing but the prefix", "web", state.RequestPrefix},
	} {
		t.Run(bad.name, func(t *testing.T) { refusedOnPage(t, b.Get(authorize(bad.clientID, bad.uri))) })
		t.Run(bad.name+", with a redirect URI beside it", func(t *testing.T) {
			refusedOnPage(t, b.Get(authorize(bad.clientID, bad.uri)+"&state=s&redirect_uri="+url.QueryEscape("https://"+bad.clientID+".example/cb")))
		})
		t.Run(bad.name+", at the sign-in page", func(t *testing.T) {
			refusedOnPage(t, b.Get("/login?client_id="+bad.clientID+"&request_uri="+url.QueryEscape(bad.uri)))
		})
	}
	if done := signIn(t, b, authorize("web", uri)); done.Query().Get("code") == "" {
		t.Errorf("the client itself: %s", done.Location())
	}
}

func TestR2ParametersBesideAPushedRequestDoNotCount(t *testing.T) {
	h := serve(t)
	uri := push(t, h, request("web", "state", ""), gatewaytest.Basic("web"))
	b := h.Browser("/acme")
	done := signIn(t, b, authorize("web", uri)+"&state=outside&scope=email&prompt=none&redirect_uri=https%3A%2F%2Fevil.example%2F&response_type=token")
	if !strings.HasPrefix(done.Location(), "https://web.example/cb?code=") || done.Query().Has("state") {
		t.Errorf("answer %s", done.Location())
	}
}

func TestR7TheAnswerThatIsNoCodeCompletesARequestToo(t *testing.T) {
	h := serve(t)
	t.Run("prompt=none without a session", func(t *testing.T) {
		uri := push(t, h, request("web", "prompt", "none"), gatewaytest.Basic("web"))
		b := h.Browser("/acme")
		if r := b.Get(authorize("web", uri)); r.Query().Get("error") != "login_required" || r.Query().Get("state") != "af0if jsldkj" {
			t.Errorf("answer %s", r.Location())
		}
		refusedOnPage(t, b.Get(authorize("web", uri)))
	})
	t.Run("the person says no", func(t *testing.T) {
		uri := push(t, h, request("asks"), gatewaytest.Basic("asks"))
		b := h.Browser("/acme")
		form := b.Form(signIn(t, b, authorize("asks", uri)))
		form.Values.Set("user_oauth_approval", "false")
		if r := b.Post(form.Action, form.Values); r.Query().Get("error") != "access_denied" || r.Query().Get("state") != "af0if jsldkj" {
			t.Fatalf("answer %s", r.Location())
		}
		refusedOnPage(t, b.Get(authorize("asks", uri)))
	})
	t.Run("the person says yes", func(t *testing.T) {
		uri := push(t, h, request("asks", "prompt", "consent"), gatewaytest.Basic("asks"))
		b := h.Browser("/acme")
		form := b.Form(signIn(t, b, authorize("asks", uri)))
		form.Values.Set("user_oauth_approval", "true")
		form.Values.Set("scope.openid", "true")
		if r := b.Follow(b.Post(form.Action, form.Values)); r.Query().Get("code") == "" {
			t.Fatalf("answer %s", r.Location())
		}
	})
}

// TestR7OneOfManyFinishes has 32 browsers that finish one request at the same time.
func TestR7OneOfManyFinishes(t *testing.T) {
	h := serve(t)
	uri := push(t, h, request("web"), gatewaytest.Basic("web"))
	b := h.Browser("/acme")
	signIn(t, b, "/oauth/authorize?"+request("web").Encode())
	var codes, refused atomic.Int32
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			racer := h.Browser("/acme")
			racer.Cookies = map[string]string{"GATEHOUSE_SESSION": b.Cookies["GATEHOUSE_SESSION"]}
			switch r := racer.Get(authorize("web", uri)); {
			case r.Query().Get("code") != "":
				codes.Add(1)
			case r.Query().Get("error") == "invalid_request_uri" && strings.HasPrefix(r.Location(), "https://gw.example/"):
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if codes.Load() != 1 || refused.Load() != 31 {
		t.Errorf("%d codes and %d refusals", codes.Load(), refused.Load())
	}
}

func TestR8PushedRequestsCanBeRequired(t *testing.T) {
	strict := func(h func(*configv1.OpenIDSettings)) func(*gatewaytest.Config) {
		return func(c *gatewaytest.Config) { h(c.Domain.Oidc) }
	}
	tests := []struct {
		name, client string
		change       func(*gatewaytest.Config)
		toClient     bool
	}{
		{"by the client", "pushes", func(*gatewaytest.Config) {}, true},
		{"by the domain", "web", strict(func(o *configv1.OpenIDSettings) { o.RequirePushedAuthorizationRequests = true }), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := serve(t, tt.change)
			b := h.Browser("/acme")
			for _, more := range []string{"", "&request=a.b.c", "&request_uri=https%3A%2F%2Fweb.example%2Fobject"} {
				r := b.Get("/oauth/authorize?" + request(tt.client).Encode() + more)
				if r.Query().Get("error") != "invalid_request" || r.Query().Get("error_description") != "The client must push its authorization requests" ||
					strings.HasPrefix(r.Location(), "https://"+tt.client+".example/cb?") != tt.toClient {
					t.Errorf("%s: answer %s", more, r.Location())
				}
			}
			if done := signIn(t, b, authorize(tt.client, push(t, h, request(tt.client), gatewaytest.Basic(tt.client)))); done.Query().Get("code") == "" {
				t.Errorf("pushed: %s", done.Location())
			}
		})
	}
}

func TestR9AKeyThatIsNamedBindsTheCode(t *testing.T) {
	var domain string
	h := serve(t, func(c *gatewaytest.Config) { domain = c.Domain.GetId() })
	const jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	uri := push(t, h, request("web", "dpop_jkt", jkt), gatewaytest.Basic("web"))
	for name, path := range map[string]string{"pushed": authorize("web", uri), "in the URL": "/oauth/authorize?" + request("web", "dpop_jkt", jkt).Encode()} {
		done := signIn(t, h.Browser("/acme"), path)
		a, err := h.Store.Redeem(t.Context(), domain, "app-web", done.Query().Get("code"))
		if err != nil || a.Confirmation.JKT != jkt {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

func TestR9AProofThatCameAlongBindsTheCode(t *testing.T) {
	var domain string
	h := serve(t, func(c *gatewaytest.Config) { domain = c.Domain.GetId() })
	p := gatewaytest.NewProver(t)
	claims := func() gatewaytest.Change {
		return gatewaytest.Header("DPoP", p.Sign(p.Claims("POST", "https://gw.example/acme/oauth/par", h.Clock.Now()), nil))
	}
	uri := push(t, h, request("web"), gatewaytest.Basic("web"), claims())
	done := signIn(t, h.Browser("/acme"), authorize("web", uri))
	a, err := h.Store.Redeem(t.Context(), domain, "app-web", done.Query().Get("code"))
	if err != nil || a.Confirmation.JKT != p.Thumbprint() {
		t.Errorf("%+v, %v", a, err)
	}
	push(t, h, request("web", "dpop_jkt", p.Thumbprint()), gatewaytest.Basic("web"), claims())
	other := gatewaytest.NewProver(t).Thumbprint()
	if got := h.Post("/acme/oauth/par", request("web", "dpop_jkt", other), gatewaytest.Basic("web"), claims()); got.Status != http.StatusBadRequest || got.JSON(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("dpop_jkt of another key: %d %s", got.Status, got.Body)
	}
	if got := h.Post("/acme/oauth/par", request("web"), gatewaytest.Basic("web"), gatewaytest.Header("DPoP", "x")); got.Status != http.StatusBadRequest || got.JSON(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("a malformed proof: %d %s", got.Status, got.Body)
	}
}

func TestNothingIsHalfDoneWhileRedisIsAway(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", skipConsent)
	redis := gatewaytest.StartRedis(t)
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: redis.URL}, c)
	uri := push(t, h, request("web"), gatewaytest.Basic("web"))
	b := h.Browser("/acme")
	page := b.Follow(b.Get(authorize("web", uri)))
	redis.Kill(t)
	if a := h.Post("/acme/oauth/par", request("web"), gatewaytest.Basic("web")); a.Status != http.StatusServiceUnavailable || a.JSON(t)["error"] != "temporarily_unavailable" {
		t.Errorf("pushing: %d %s", a.Status, a.Body)
	}
	for _, path := range []string{authorize("web", uri), "/login?client_id=web&request_uri=" + url.QueryEscape(uri)} {
		if r := b.Get(path); r.StatusCode != http.StatusServiceUnavailable || r.Location() != "" {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Location())
		}
	}
	if r := b.SignIn(page, "ann", gatewaytest.Password); r.StatusCode != http.StatusServiceUnavailable || r.Location() != "" {
		t.Errorf("signing in: %d %s", r.StatusCode, r.Location())
	}
}
