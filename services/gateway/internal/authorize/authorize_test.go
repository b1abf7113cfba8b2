package authorize_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/authorize"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/router"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

func serve(env *browsertest.Env) http.Handler {
	p := pages.New()
	return router.New(router.Options{
		Domains: env.Domains, Routes: authorize.New(env.Store, env.Requests(), env.Directory, tokens.NewPeople(env.Directory, env.Clock.Now), tokens.NewMinter(nil, env.Clock.Now, nil), nil, authorize.Flows{}, p, env.Clock.Now).Routes(),
		Root: p.Root(), Metrics: observe.NewMetrics("test", "v1"), Log: env.Log,
	})
}

// signIn gives the browser a session, as the sign-in page would.
func signIn(t *testing.T, env *browsertest.Env, b *browsertest.Browser, change ...func(*state.Session)) {
	t.Helper()
	cookie := secret.NewToken()
	s := state.Session{
		ID: secret.NewID(), Domain: browsertest.DomainID, Provider: browsertest.Provider, AMR: []string{"pwd"}, ACR: "acr",
		Person:   state.Person{UserID: "id-ann", Subject: "sub-ann", Username: "ann"},
		AuthTime: env.Clock.Now().Unix(), Ends: env.Clock.Now().Add(12 * time.Hour).Unix(), Client: "web",
	}
	for _, f := range change {
		f(&s)
	}
	if err := env.Store.SaveSession(t.Context(), cookie, s, time.Hour); err != nil {
		t.Fatal(err)
	}
	b.Cookies["GATEHOUSE_SESSION"] = cookie
}

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

var apps = []*configv1.Application{
	browsertest.App("web"),
	browsertest.App("two", browsertest.OAuth(func(o *configv1.OAuthSettings) {
		o.RedirectUris = []string{"https://two.example/a", "https://two.example/b"}
	})),
	browsertest.App("nowhere", browsertest.OAuth(func(o *configv1.OAuthSettings) { o.RedirectUris = nil })),
	browsertest.App("spa", browsertest.OAuth(func(o *configv1.OAuthSettings) { o.TokenEndpointAuthMethod = "none" })),
	browsertest.App("s256", browsertest.OAuth(func(o *configv1.OAuthSettings) { o.ForceS256CodeChallengeMethod = true })),
	browsertest.App("service", browsertest.OAuth(func(o *configv1.OAuthSettings) { o.GrantTypes = []string{"client_credentials"} })),
	browsertest.App("bare", browsertest.OAuth(func(o *configv1.OAuthSettings) { o.ResponseTypes = nil })),
	browsertest.App("hybrid", browsertest.OAuth(func(o *configv1.OAuthSettings) {
		o.GrantTypes, o.ResponseTypes = []string{"authorization_code", "implicit"}, []string{"code", "id_token", "code id_token"}
	})),
	browsertest.App("half", browsertest.OAuth(func(o *configv1.OAuthSettings) { o.ResponseTypes = []string{"code", "id_token"} })),
	browsertest.App("off", func(a *configv1.Application) { a.Enabled = proto.Bool(false) }),
	browsertest.App("template", func(a *configv1.Application) { a.Template = true }),
	browsertest.App("dynamic", browsertest.OAuth(func(o *configv1.OAuthSettings) { o.RegistrationAccessTokenHash = "hash" })),
	browsertest.App("partner", func(a *configv1.Application) { a.IdentityProviders[0].Identity = "partners" }),
	browsertest.App("asks", browsertest.AsksConsent),
	browsertest.App("native", func(a *configv1.Application) {
		a.Type = configv1.Application_NATIVE
		a.Settings.Oauth.RedirectUris = []string{"http://127.0.0.1/cb", "com.app:/cb"}
	}),
}

// Where an answer goes.
const (
	toClient = "client"
	toPage   = "page"
	toLogin  = "login"
)

// TestChecks is the table of refusals: which error, in which order, and where it goes.
func TestChecks(t *testing.T) {
	env := browsertest.New(t, func(d *configv1.Domain) {
		d.Oidc.Resources = []*configv1.ProtectedResource{{Identifier: "urn:a"}, {Identifier: "urn:b"}}
	}, apps...)
	handler := serve(env)
	const cb = "&redirect_uri=https%3A%2F%2Fweb.example%2Fcb"
	tests := []struct {
		name, query string
		signedIn    bool
		where       string
		error, text string
	}{
		{"a good request goes to the sign-in page", "client_id=web&response_type=code" + cb, false, toLogin, "", ""},
		{"the only registered redirect URI need not be named", "client_id=web&response_type=code", false, toLogin, "", ""},

		{"1 repeated parameter, client and redirect URI known", "client_id=web&response_type=code&scope=a&scope=b&state=s" + cb, false, toClient, "invalid_request", "Parameter [scope] is included more than once"},
		{"1 repeated redirect URI", "client_id=web&response_type=code&redirect_uri=x&state=s" + cb, false, toPage, "invalid_request", "Parameter [redirect_uri] is included more than once"},
		{"1 repeated client", "client_id=web&client_id=web&response_type=code&state=s" + cb, false, toPage, "invalid_request", "Parameter [client_id] is included more than once"},
		{"1 comes before everything else", "client_id=web&prompt=bad&scope=a&scope=b&state=s" + cb, false, toClient, "invalid_request", "Parameter [scope] is included more than once"},
		{"1 resource may be repeated", "client_id=web&response_type=code&resource=urn:a&resource=urn:b", false, toLogin, "", ""},

		{"2 response_type missing", "client_id=web&state=s" + cb, false, toClient, "invalid_request", "Missing parameter: response_type"},
		{"2 response_type unknown", "client_id=web&response_type=cod&state=s" + cb, false, toClient, "unsupported_response_type", "Unsupported response type: cod"},
		{"2 comes before 3", "response_type=cod&state=s", false, toPage, "unsupported_response_type", "Unsupported response type: cod"},
		{"3 client_id missing", "response_type=code&state=s" + cb, false, toPage, "invalid_request", "Missing parameter: client_id"},
		{"4 client unknown", "client_id=nobody&response_type=code&state=s" + cb, false, toPage, "invalid_request", "No client found for client_id nobody"},
		{"4 client disabled", "client_id=off&response_type=code&state=s", false, toPage, "invalid_request", "No client found for client_id off"},
		{"4 client a template", "client_id=template&response_type=code&state=s", false, toPage, "invalid_request", "No client found for client_id template"},
		{"5 request", "client_id=web&response_type=code&request=x&state=s" + cb, false, toClient, "request_not_supported", "The parameter request is not supported"},
		{"5 request_uri", "client_id=web&response_type=code&request_uri=urn:x&state=s" + cb, false, toClient, "request_uri_not_supported", "The parameter request_uri is not supported"},
		{"6 id_token_hint of somebody else", "client_id=web&response_type=code&id_token_hint=a.b.c&state=s" + cb, false, toClient, "invalid_request", "Invalid parameter: id_token_hint"},
		{"7 prompt=none without session", "client_id=web&response_type=code&prompt=none&state=s" + cb, false, toClient, "login_required", "Login required"},
		{"7 prompt=none with another value", "client_id=web&response_type=code&prompt=none+login&state=s" + cb, true, toClient, "invalid_request", "Invalid parameter: prompt"},
		{"7 comes before 8", "client_id=spa&response_type=code&prompt=none&state=s&redirect_uri=https%3A%2F%2Fspa.example%2Fcb", false, toClient, "login_required", "Login required"},
		{"8 method without challenge", "client_id=web&response_type=code&code_challenge_method=S256&state=s" + cb, false, toClient, "invalid_request", "Missing parameter: code_challenge"},
		{"8 challenge missing while forced", "client_id=spa&response_type=code&state=s&redirect_uri=https%3A%2F%2Fspa.example%2Fcb", false, toClient, "invalid_request", "Missing parameter: code_challenge"},
		{"8 bad method", "client_id=web&response_type=code&code_challenge_method=S512&state=s&code_challenge=" + challenge + cb, false, toClient, "invalid_request", "Invalid parameter: code_challenge_method"},
		{"8 plain while S256 is forced", "client_id=s256&response_type=code&state=s&code_challenge_method=plain&redirect_uri=https%3A%2F%2Fs256.example%2Fcb&code_challenge=" + challenge, false, toClient, "invalid_request", "Invalid parameter: code_challenge_method"},
		{"8 no method while S256 is forced", "client_id=s256&response_type=code&state=s&redirect_uri=https%3A%2F%2Fs256.example%2Fcb&code_challenge=" + challenge, false, toClient, "invalid_request", "Invalid parameter: code_challenge_method"},
		{"8 no method is plain", "client_id=web&response_type=code&code_challenge=" + challenge + cb, false, toLogin, "", ""},
		{"8 short challenge", "client_id=web&response_type=code&code_challenge=" + challenge[1:] + "&state=s" + cb, false, toClient, "invalid_request", "Invalid parameter: code_challenge"},
		{"8 long challenge", "client_id=web&response_type=code&code_challenge=" + strings.Repeat("a", 129) + "&state=s" + cb, false, toClient, "invalid_request", "Invalid parameter: code_challenge"},
		{"8 bad characters", "client_id=web&response_type=code&code_challenge=" + strings.Repeat("%2B", 43) + "&state=s" + cb, false, toClient, "invalid_request", "Invalid parameter: code_challenge"},
		{"9 max_age no number", "client_id=web&response_type=code&max_age=soon&state=s" + cb, false, toClient, "invalid_request", "Invalid parameter: max_age"},
		{"9 max_age negative", "client_id=web&response_type=code&max_age=-1&state=s" + cb, false, toClient, "invalid_request", "Invalid parameter: max_age"},
		{"9 max_age beyond every number is no limit", "client_id=web&response_type=code&max_age=99999999999999999999" + cb, false, toLogin, "", ""},
		{"9 claims no object", "client_id=web&response_type=code&claims=%5B%5D&state=s" + cb, false, toClient, "invalid_request", "Invalid parameter: claims"},
		{"9 claims that nobody knows are ignored", "client_id=web&response_type=code&claims=%7B%22id_token%22%3A%7B%22shoe_size%22%3Anull%7D%2C%22tea%22%3A1%7D" + cb, false, toLogin, "", ""},
		{"9 response_mode unknown", "client_id=web&response_type=code&response_mode=pigeon&state=s" + cb, false, toClient, "unsupported_response_mode", "Unsupported response mode: pigeon"},
		{"9 tokens in a query", "client_id=hybrid&response_type=id_token&nonce=n&response_mode=query&state=s&redirect_uri=https%3A%2F%2Fhybrid.example%2Fcb", false, toClient, "invalid_request", "response_mode query is not allowed for response_type id_token"},
		{"9 nonce", "client_id=hybrid&response_type=code+id_token&state=s&redirect_uri=https%3A%2F%2Fhybrid.example%2Fcb", false, toClient, "invalid_request", "Missing parameter: nonce is required for Implicit and Hybrid Flow"},
		{"10 no grant of this endpoint", "client_id=service&response_type=code&state=s&redirect_uri=https%3A%2F%2Fservice.example%2Fcb", false, toClient, "unauthorized_client", "Client should at least have one authorization grant type configured"},
		{"10 response_type not registered", "client_id=web&response_type=id_token&nonce=n&state=s" + cb, false, toClient, "unauthorized_client", "Client should have all requested response_type"},
		{"10 no response_type registered", "client_id=bare&response_type=code&state=s&redirect_uri=https%3A%2F%2Fbare.example%2Fcb", false, toClient, "unauthorized_client", "Client should have all requested response_type"},
		{"10 an implicit type without the implicit grant", "client_id=half&response_type=id_token&nonce=n&state=s&redirect_uri=https%3A%2F%2Fhalf.example%2Fcb", false, toClient, "unauthorized_client", "Client should have all requested response_type"},
		{"11 none sent and none registered", "client_id=nowhere&response_type=code&state=s", false, toPage, "invalid_request", "A redirect_uri must be supplied"},
		{"11 none sent and several registered", "client_id=two&response_type=code&state=s", false, toPage, "invalid_request", "Unable to find suitable redirect_uri, a redirect_uri must be supplied"},
		{"11 no match", "client_id=web&response_type=code&state=s&redirect_uri=https%3A%2F%2Fevil.example%2Fcb", false, toPage, "redirect_uri_mismatch", "The redirect_uri [ https://evil.example/cb ] MUST match the registered callback URL for this application"},
		{"11 user-info part", "client_id=web&response_type=code&state=s&redirect_uri=https%3A%2F%2Fx%40web.example%2Fcb", false, toPage, "redirect_uri_mismatch", "The redirect_uri [ https://x@web.example/cb ] MUST match the registered callback URL for this application"},
		{"11 sent and none registered", "client_id=nowhere&response_type=code&state=s&redirect_uri=https%3A%2F%2Fnowhere.example%2Fcb", false, toPage, "redirect_uri_mismatch", "The redirect_uri [ https://nowhere.example/cb ] MUST match the registered callback URL for this application"},
		{"11 a resource that nobody knows", "client_id=web&response_type=code&resource=urn:c&state=s" + cb, false, toClient, "invalid_target", "The resource [ urn:c ] is not one that this client can ask for"},
		{"11 comes after 8", "client_id=spa&response_type=code&state=s&redirect_uri=https%3A%2F%2Fevil.example%2Fcb", false, toPage, "invalid_request", "Missing parameter: code_challenge"},
		{"13 comes after 12", "client_id=web&response_type=code&scope=root&state=s" + cb, false, toLogin, "", ""},
		{"13 a scope the client does not have", "client_id=web&response_type=code&scope=openid+root+admin&state=s" + cb, true, toClient, "invalid_scope", "Invalid scope(s): root admin"},
		{"14 consent due with prompt=none", "client_id=asks&response_type=code&scope=openid&prompt=none&state=s&redirect_uri=https%3A%2F%2Fasks.example%2Fcb", true, toClient, "interaction_required", "Interaction required"},

		{"an error without a redirect URI in the request is shown", "client_id=web&response_type=code&prompt=none&state=s", false, toPage, "login_required", "Login required"},
		{"a session of a foreign provider is shown an error", "client_id=partner&response_type=code&state=s&redirect_uri=https%3A%2F%2Fpartner.example%2Fcb", true, toPage, "access_denied", "Invalid request for the current SSO context"},
		{"unknown parameters are ignored", "client_id=web&response_type=code&display=popup&ui_locales=fr&acr_values=x&registration=%7B%7D&foo=bar" + cb, false, toLogin, "", ""},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "POST"} {
			t.Run(tt.name+" "+method, func(t *testing.T) {
				b := browsertest.NewBrowser(t, handler)
				if tt.signedIn {
					signIn(t, env, b)
				}
				var res *browsertest.Response
				if method == "GET" {
					res = b.Get("/oauth/authorize?" + tt.query)
				} else {
					res = b.PostBody("/oauth/authorize", "application/x-www-form-urlencoded", tt.query)
				}
				checkAnswer(t, res, tt.where)
				q := res.Query()
				if tt.where == toLogin {
					return
				}
				if q.Get("error") != tt.error || q.Get("error_description") != tt.text || q.Get("state") != "s" {
					t.Errorf("answer %s", res.Location())
				}
				if q.Has("code") {
					t.Error("an error came with a code")
				}
			})
		}
	}
}

// checkAnswer checks what every answer has, and where it goes.
func checkAnswer(t *testing.T, res *browsertest.Response, where string) {
	t.Helper()
	if res.StatusCode != 302 || res.Text != "" || res.Header.Get("Content-Length") != "0" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, length %q, cache %q, body %q", res.StatusCode, res.Header.Get("Content-Length"), res.Header.Get("Cache-Control"), res.Text)
	}
	cookies := res.Header.Values("Set-Cookie")
	if len(cookies) != 1 || !strings.HasPrefix(cookies[0], "GATEHOUSE_SESSION=") {
		t.Errorf("cookies %q", cookies)
	}
	u, err := url.Parse(res.Location())
	if err != nil {
		t.Fatal(err)
	}
	switch where {
	case toLogin:
		if !strings.HasPrefix(res.Location(), browsertest.Base+"/login?") {
			t.Errorf("answer goes to %s, want the sign-in page", res.Location())
		}
	case toPage:
		if !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/error?") || res.Query().Has("iss") {
			t.Errorf("answer goes to %s, want the error page", res.Location())
		}
	case toClient:
		iss := "&iss=" + url.QueryEscape(browsertest.Issuer)
		if !strings.HasSuffix(u.Host, ".example") || u.Host == "gw.example" || u.Path != "/cb" || !strings.HasSuffix(res.Location(), iss) {
			t.Errorf("answer goes to %s, want the client, with the issuer last", res.Location())
		}
	}
}

func TestErrorsTravelInTheModeOfTheAnswer(t *testing.T) {
	env := browsertest.New(t, nil, apps...)
	b := browsertest.NewBrowser(t, serve(env))
	tests := []struct{ name, query, part string }{
		{"implicit", "client_id=hybrid&response_type=id_token&nonce=n&prompt=none", "#"},
		{"hybrid", "client_id=hybrid&response_type=code+id_token&nonce=n&prompt=none", "#"},
		{"fragment asked for", "client_id=hybrid&response_type=code&response_mode=fragment&prompt=none", "#"},
		{"fragment asked for with an unknown type", "client_id=hybrid&response_type=cod&response_mode=fragment", "#"},
		{"query forbidden for tokens", "client_id=hybrid&response_type=id_token&nonce=n&response_mode=query", "#"},
		{"code", "client_id=hybrid&response_type=code&prompt=none", "?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := b.Get("/oauth/authorize?" + tt.query + "&redirect_uri=https%3A%2F%2Fhybrid.example%2Fcb")
			if !strings.HasPrefix(res.Location(), "https://hybrid.example/cb"+tt.part+"error=") {
				t.Errorf("answer %s", res.Location())
			}
		})
	}
	res := b.Get("/oauth/authorize?client_id=hybrid&response_type=code&response_mode=form_post&prompt=none&state=%22%3E%3Cscript%3E&redirect_uri=https%3A%2F%2Fhybrid.example%2Fcb")
	f := b.Form(res)
	if res.StatusCode != 200 || f.Action != "https://hybrid.example/cb" || f.Values.Get("error") != "login_required" ||
		f.Values.Get("state") != `"><script>` || f.Values.Get("iss") != browsertest.Issuer || strings.Contains(res.Text, "<script>\">") {
		t.Errorf("form_post:\n%s", res.Text)
	}
}

func TestAnswer(t *testing.T) {
	env := browsertest.New(t, nil, apps...)
	handler := serve(env)
	b := browsertest.NewBrowser(t, handler)
	began := env.Clock.Now()
	signIn(t, env, b)
	env.Clock.Advance(time.Minute)

	res := b.Get("/oauth/authorize?client_id=web&response_type=code&scope=openid+profile+openid&state=a%26b&nonce=n&max_age=3600" +
		"&code_challenge=" + challenge + "&code_challenge_method=S256&redirect_uri=https%3A%2F%2Fweb.example%2Fcb")
	checkAnswer(t, res, toClient)
	code := res.Query().Get("code")
	if len(code) < 22 || res.Query().Get("state") != "a&b" {
		t.Fatalf("answer %s", res.Location())
	}
	a, err := env.Store.Redeem(t.Context(), browsertest.DomainID, "web", code)
	if err != nil {
		t.Fatal(err)
	}
	if a.Domain != browsertest.DomainID || a.ApplicationID != "web" || a.ClientID != "web" || strings.Join(a.Scopes, " ") != "openid profile" || a.Person.Subject != "sub-ann" {
		t.Errorf("who may do what: %+v", a)
	}
	if a.AuthTime != began.Unix() || a.ACR != "acr" || a.AMR[0] != "pwd" || a.Nonce != "n" || a.SessionID == "" || !a.AuthTimeRequired {
		t.Errorf("the sign-in: %+v", a)
	}
	if a.RedirectURI != "https://web.example/cb" || !a.RedirectURISent || a.Challenge != challenge || a.ChallengeMethod != "S256" {
		t.Errorf("what the code is bound to: %+v", a)
	}

	res = b.Get("/oauth/authorize?client_id=web&response_type=code")
	if a, err = env.Store.Redeem(t.Context(), browsertest.DomainID, "web", res.Query().Get("code")); err != nil {
		t.Fatal(err)
	}
	if a.RedirectURI != "https://web.example/cb" || a.RedirectURISent || strings.Join(a.Scopes, " ") != "openid" || a.AuthTimeRequired || res.Query().Has("state") {
		t.Errorf("a request that leaves everything to the registration: %+v, %s", a, res.Location())
	}

	res = b.Get("/oauth/authorize?client_id=native&response_type=code&code_challenge=" + challenge + "&redirect_uri=http%3A%2F%2F127.0.0.1%3A51004%2Fcb")
	if !strings.HasPrefix(res.Location(), "http://127.0.0.1:51004/cb?code=") {
		t.Errorf("native client: %s", res.Location())
	}

	res = b.Get("/oauth/authorize?client_id=web&response_type=code&response_mode=fragment&state=s")
	if !strings.HasPrefix(res.Location(), "https://web.example/cb#code=") {
		t.Errorf("fragment: %s", res.Location())
	}

	f := b.Form(b.Get("/oauth/authorize?client_id=web&response_type=code&response_mode=form_post&state=s"))
	if f.Action != "https://web.example/cb" || f.Values.Get("code") == "" || f.Values.Get("state") != "s" || f.Values.Get("iss") != browsertest.Issuer {
		t.Errorf("form_post: %+v", f)
	}
}

func TestPagesKeepTheQuery(t *testing.T) {
	env := browsertest.New(t, nil, browsertest.App("web"), browsertest.App("first", func(a *configv1.Application) {
		a.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), IdentifierFirstEnabled: true}
	}), browsertest.App("asks", browsertest.AsksConsent))
	b := browsertest.NewBrowser(t, serve(env))
	state := strings.Repeat("long state ", 300)
	query := "response_type=code&scope=openid%20profile&client_id=web&state=" + url.QueryEscape(state) + "&x=%C3%A9"
	tests := []struct{ name, query, want string }{
		{"as it was sent", query, "/login?" + query},
		{"without errors of pages", query + "&error=x&error_description=y", "/login?" + query},
		{"to the identifier page", "client_id=first&response_type=code", "/login/identifier?client_id=first&response_type=code"},
		{"past the identifier page with a username", "client_id=first&response_type=code&username=ann", "/login?client_id=first&response_type=code&username=ann"},
		{"to the identifier page with an empty username", "client_id=first&response_type=code&username=", "/login/identifier?client_id=first&response_type=code&username="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.Get("/oauth/authorize?" + tt.query).Location(); got != browsertest.Base+tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
	res := b.PostBody("/oauth/authorize?client_id=web", "application/x-www-form-urlencoded", "response_type=code&state=a+b")
	if got := res.Location(); got != browsertest.Base+"/login?client_id=web&response_type=code&state=a+b" {
		t.Errorf("posted request went to %s", got)
	}
	signIn(t, env, b)
	res = b.Get("/oauth/authorize?client_id=asks&response_type=code&scope=openid")
	if got := res.Location(); got != browsertest.Base+"/oauth/consent?client_id=asks&response_type=code&scope=openid" {
		t.Errorf("consent is asked at %s", got)
	}
}

func TestIDTokenHint(t *testing.T) {
	env := browsertest.New(t, nil, apps...)
	b := browsertest.NewBrowser(t, serve(env))
	signIn(t, env, b)
	foreign, err := jose.GenerateKey(jose.ES256, "k1")
	if err != nil {
		t.Fatal(err)
	}
	sign := func(key *jose.Key, claims string) string {
		token, err := key.Sign(jose.TypeJWT, []byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	const iss = `"iss":"` + browsertest.Issuer + `"`
	tests := []struct{ name, hint, want string }{
		{"the person, in an expired token", sign(env.Key, `{`+iss+`,"sub":"sub-ann","aud":"web","exp":1}`), ""},
		{"another person", sign(env.Key, `{`+iss+`,"sub":"sub-bob","aud":"web"}`), "login_required"},
		{"signed by somebody else", sign(foreign, `{`+iss+`,"sub":"sub-ann","aud":"web"}`), "invalid_request"},
		{"of another issuer", sign(env.Key, `{"iss":"https://x","sub":"sub-ann","aud":"web"}`), "invalid_request"},
		{"an access token", sign(env.Key, `{`+iss+`,"sub":"sub-ann","aud":"web","client_id":"web","jti":"j"}`), "invalid_request"},
		{"algorithm none", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdWItYW5uIn0.", "invalid_request"},
		{"no token", "x", "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := b.Get("/oauth/authorize?client_id=web&response_type=code&prompt=none&redirect_uri=https%3A%2F%2Fweb.example%2Fcb&id_token_hint=" + tt.hint)
			checkAnswer(t, res, toClient)
			if got := res.Query().Get("error"); got != tt.want {
				t.Errorf("answer %s", res.Location())
			}
		})
	}
}

func TestErrorsOfAnonymousClientsAreShown(t *testing.T) {
	open := func(d *configv1.Domain) {
		d.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{
			DynamicClientRegistrationEnabled: true, OpenDynamicClientRegistrationEnabled: true,
		}
	}
	const request = "/oauth/authorize?response_type=cod&redirect_uri=https%3A%2F%2Fdynamic.example%2Fcb&client_id=dynamic"
	env := browsertest.New(t, open, apps...)
	b := browsertest.NewBrowser(t, serve(env))
	checkAnswer(t, b.Get(request), toPage)
	checkAnswer(t, b.Get(request+"&prompt=none"), toClient)
	signIn(t, env, b)
	checkAnswer(t, b.Get(request), toClient)

	env = browsertest.New(t, nil, apps...)
	checkAnswer(t, browsertest.NewBrowser(t, serve(env)).Get(request), toClient)
}

func TestNothingIsAnsweredWithoutRedis(t *testing.T) {
	env := browsertest.NewWithRedis(t, "redis://127.0.0.1:1/0", browsertest.PublicURL, nil, apps...)
	b := browsertest.NewBrowser(t, serve(env))
	if res := b.Get("/oauth/authorize?client_id=web&response_type=code"); res.StatusCode != 302 {
		t.Errorf("a browser without a session needs no Redis: status %d", res.StatusCode)
	}
	b.Cookies["GATEHOUSE_SESSION"] = secret.NewToken()
	began := time.Now()
	res := b.Get("/oauth/authorize?client_id=web&response_type=code")
	if res.StatusCode != 503 || !strings.Contains(res.Text, "temporarily_unavailable") || time.Since(began) > 1500*time.Millisecond {
		t.Errorf("status %d after %v:\n%s", res.StatusCode, time.Since(began), res.Text)
	}
	res = b.Get("/oauth/authorize?client_id=web&response_type=code&prompt=none&state=s&redirect_uri=https%3A%2F%2Fweb.example%2Fcb")
	checkAnswer(t, res, toClient)
	if res.Query().Get("error") != "temporarily_unavailable" {
		t.Errorf("answer %s", res.Location())
	}
}

// signingOut is a store in which every session ends just before it is written.
type signingOut struct{ *state.Store }

func (s signingOut) UpdateSession(ctx context.Context, cookie string, v state.Session, _ time.Duration) error {
	_ = s.EndSession(ctx, cookie, v.Domain)
	return state.ErrUnknown
}

func (s signingOut) NoteClient(ctx context.Context, cookie string, v state.Session, _ state.SessionClient, _, idle time.Duration) error {
	return s.UpdateSession(ctx, cookie, v, idle)
}

func TestSignOutMeanwhile(t *testing.T) {
	env := browsertest.New(t, nil, apps...)
	p := pages.New()
	b := browsertest.NewBrowser(t, router.New(router.Options{
		Domains: env.Domains, Routes: authorize.New(signingOut{env.Store}, env.Requests(), env.Directory, tokens.NewPeople(env.Directory, env.Clock.Now), tokens.NewMinter(nil, env.Clock.Now, nil), nil, authorize.Flows{}, p, env.Clock.Now).Routes(),
		Root: p.Root(), Metrics: observe.NewMetrics("test", "v1"), Log: env.Log,
	}))
	signIn(t, env, b, func(s *state.Session) { s.Client = "other" })
	const query = "?client_id=web&response_type=code"
	res := b.Get("/oauth/authorize" + query)
	if res.Location() != browsertest.Base+"/oauth/authorize"+query {
		t.Fatalf("status %d, %s", res.StatusCode, res.Location())
	}
	if res = b.Get(res.Location()); res.Location() != browsertest.Base+"/login"+query {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
}

func TestPeopleWhoAreGoneAreSignedOut(t *testing.T) {
	const request = "/oauth/authorize?client_id=web&response_type=code&redirect_uri=https%3A%2F%2Fweb.example%2Fcb"
	for name, lose := range map[string]func(*browsertest.Directory){
		"deleted":  func(d *browsertest.Directory) { d.Gone = map[string]bool{"sub-ann": true} },
		"disabled": func(d *browsertest.Directory) { d.Disabled = map[string]bool{"sub-ann": true} },
	} {
		t.Run(name, func(t *testing.T) {
			env := browsertest.New(t, nil, apps...)
			b, hidden := browsertest.NewBrowser(t, serve(env)), browsertest.NewBrowser(t, serve(env))
			signIn(t, env, b)
			signIn(t, env, hidden)
			value := b.Cookies["GATEHOUSE_SESSION"]
			checkAnswer(t, b.Get(request), toClient)
			lose(env.Directory)
			env.Clock.Advance(30 * time.Second)
			checkAnswer(t, b.Get(request), toLogin)
			if _, err := env.Store.Session(t.Context(), value, browsertest.DomainID, time.Hour); !errors.Is(err, state.ErrUnknown) {
				t.Errorf("the session is there: %v", err)
			}
			res := hidden.Get(request + "&prompt=none")
			checkAnswer(t, res, toClient)
			if res.Query().Get("error") != "login_required" || res.Query().Has("code") {
				t.Errorf("answer %s", res.Location())
			}
		})
	}
	t.Run("not while the directory is away", func(t *testing.T) {
		env := browsertest.New(t, nil, apps...)
		b := browsertest.NewBrowser(t, serve(env))
		signIn(t, env, b)
		env.Directory.Err = fault.Unavailablef("away")
		res := b.Get(request)
		checkAnswer(t, res, toClient)
		if !res.Query().Has("code") {
			t.Errorf("answer %s", res.Location())
		}
	})
}

func TestHeadIsRefused(t *testing.T) {
	env := browsertest.New(t, nil, apps...)
	b := browsertest.NewBrowser(t, serve(env))
	signIn(t, env, b)
	if res := b.Head("/oauth/authorize?client_id=web&response_type=code"); res.StatusCode != 405 || res.Location() != "" {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
}

func TestOversizedRequests(t *testing.T) {
	env := browsertest.New(t, nil, apps...)
	b := browsertest.NewBrowser(t, serve(env))
	res := b.Post("/oauth/authorize", url.Values{"client_id": {"web"}, "state": {strings.Repeat("x", 300<<10)}})
	if res.StatusCode != 302 || res.Query().Get("error") != "invalid_request" {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
	res = b.PostBody("/oauth/authorize", "application/json", `{"client_id":"web"}`)
	if res.StatusCode != 302 || res.Query().Get("error_description") != "Unsupported Content-Type" {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
	res = b.Get("/oauth/authorize?client_id=web&%zz")
	if res.StatusCode != 302 || res.Query().Get("error_description") != "The parameters are not form-encoded" {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
	if res := b.PostBody("/oauth/authorize", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\nweb\r\n--x\r\nContent-Disposition: form-data; name=\"response_type\"\r\n\r\ncode\r\n--x--\r\n"); !strings.HasPrefix(res.Location(), browsertest.Base+"/login?") {
		t.Errorf("multipart: status %d, %s", res.StatusCode, res.Location())
	}
}
