package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// site is a gateway with applications of every kind that matters to authorization requests.
type site struct {
	*gatewaytest.Harness
	t      *testing.T
	domain string
}

// newSite returns a domain of a profile with these applications: web, two, which has two redirect URIs, native, spa, which is
// public, front, which registered every response type, and open, which anybody registered.
func newSite(t *testing.T, name profile.Name, change ...func(*configv1.Domain)) *site {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: name}
	for _, f := range change {
		f(c.Domain)
	}
	app := func(id string, changes ...func(*configv1.Application, *configv1.OAuthSettings)) {
		c.App(id, func(a *configv1.Application) {
			a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
			for _, f := range changes {
				f(a, a.Settings.Oauth)
			}
		})
	}
	app("web", func(_ *configv1.Application, o *configv1.OAuthSettings) {
		o.RedirectUris = []string{"https://web.example/cb?tenant=1&x=%20"}
	})
	app("two", func(_ *configv1.Application, o *configv1.OAuthSettings) {
		o.RedirectUris = []string{"https://two.example/a", "https://two.example/b", "http://two.example/plain", "com.two.app:/cb"}
	})
	app("native", func(a *configv1.Application, o *configv1.OAuthSettings) {
		a.Type, o.ApplicationType = configv1.Application_NATIVE, "native"
		o.TokenEndpointAuthMethod = "none"
		o.RedirectUris = []string{"http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb", "com.example.app:/cb", "https://native.example/cb"}
	})
	app("spa", func(_ *configv1.Application, o *configv1.OAuthSettings) { o.TokenEndpointAuthMethod = "none" })
	app("front", func(_ *configv1.Application, o *configv1.OAuthSettings) {
		o.GrantTypes = []string{"authorization_code", "implicit"}
		o.ResponseTypes = nil
		for _, r := range oauth2.ResponseTypes() {
			o.ResponseTypes = append(o.ResponseTypes, string(r))
		}
	})
	app("open", func(_ *configv1.Application, o *configv1.OAuthSettings) { o.RegistrationAccessTokenHash = "hash" })
	return &site{Harness: gatewaytest.New(t, gatewaytest.Options{}, c), t: t, domain: c.Domain.GetId()}
}

// ask is a good request with parameters changed, which stand in turn; an empty value takes one away.
func ask(changes ...string) url.Values {
	form := gatewaytest.Form("client_id", "web", "response_type", "code", "redirect_uri", "https://web.example/cb?tenant=1&x=%20",
		"scope", "openid", "state", "s t&a=t+e", "nonce", "n", "code_challenge", challenge, "code_challenge_method", "S256")
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

// of is ask for another client, whose redirect URI is the usual one unless it is changed.
func of(client string, changes ...string) url.Values {
	return ask(append([]string{"client_id", client, "redirect_uri", "https://" + client + ".example/cb"}, changes...)...)
}

// signedIn is a browser in which ann is signed in.
func (s *site) signedIn() *browsertest.Browser {
	s.t.Helper()
	b := s.Browser("/acme")
	page := b.Follow(b.Get("/oauth/authorize?" + ask().Encode()))
	if done := b.Follow(b.SignIn(page, "ann", gatewaytest.Password)); done.Query().Get("code") == "" {
		s.t.Fatalf("sign-in: status %d to %s", done.StatusCode, done.Location())
	}
	return b
}

// answerOf says in one text where an answer goes and what it is: `client`, `page` or `sign-in`, then the error.
func answerOf(r *browsertest.Response) string {
	q := r.Query()
	where := "client"
	if rest, own := strings.CutPrefix(r.Location(), gatewaytest.PublicURL+"/acme"); own {
		where, _, _ = strings.Cut(rest, "?")
	}
	where = map[string]string{"/oauth/error": "page", "/login": "sign-in"}[where] + map[bool]string{true: where}[where == "client"]
	if code := q.Get("error"); code != "" {
		return where + " " + code
	}
	if q.Has("code") {
		return where + " code"
	}
	return where
}

func (s *site) want(name string, form url.Values, want string) {
	s.t.Helper()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		b := s.Browser("/acme")
		r := send(b, method, form.Encode())
		if got := answerOf(r); got != want {
			s.t.Errorf("%s by %s: %s, want %s (%d %s)", name, method, got, want, r.StatusCode, r.Location())
		}
		if r.Query().Has("error") && form.Has("state") && r.Query().Get("state") != form.Get("state") && want != "page invalid_request" {
			s.t.Errorf("%s by %s: state %q", name, method, r.Query().Get("state"))
		}
	}
}

func send(b *browsertest.Browser, method, query string) *browsertest.Response {
	if method == http.MethodPost {
		return b.PostBody("/oauth/authorize", "application/x-www-form-urlencoded", query)
	}
	return b.Get("/oauth/authorize?" + query)
}

func TestA1NothingGoesAnywhereBeforeClientAndRedirectURIAreTrusted(t *testing.T) {
	s := newSite(t, profile.None)
	s.want("an unknown client", of("nobody"), "page invalid_request")
	s.want("no client", ask("client_id", ""), "page invalid_request")
	s.want("a foreign redirect URI", ask("redirect_uri", "https://evil.example/cb"), "page redirect_uri_mismatch")
	s.want("a foreign redirect URI and another fault", ask("redirect_uri", "https://evil.example/cb", "code_challenge_method", "S1"), "page invalid_request")
	s.want("a fault with a trusted one", ask("code_challenge_method", "S1"), "client invalid_request")
	t.Run("the page names the fault, as text", func(t *testing.T) {
		b := s.Browser("/acme")
		page := b.Follow(b.Get("/oauth/authorize?" + ask("redirect_uri", "https://evil.example/<script>").Encode()))
		if page.StatusCode != http.StatusBadRequest || strings.Contains(page.Text, "<script>") || !strings.Contains(page.Text, "evil.example/&lt;script&gt;") {
			t.Errorf("status %d: %s", page.StatusCode, page.Text)
		}
	})
}

func TestA2RedirectURIsAreComparedAsTheyAre(t *testing.T) {
	for _, name := range []profile.Name{profile.None, profile.OAuth21} {
		s := newSite(t, name)
		uri := "https://web.example/cb?tenant=1&x=%20"
		s.want("the registered one", ask(), "sign-in")
		for _, other := range []string{
			"https://web.example/cb", "https://web.example/cb?x=%20&tenant=1", "https://web.example/cb?tenant=1&x=+", uri + "&y=1", uri + "#f", uri + "#",
			"https://web.example/cb/?tenant=1&x=%20", "https://web.example:443/cb?tenant=1&x=%20", "HTTPS://web.example/cb?tenant=1&x=%20",
			"https://WEB.example/cb?tenant=1&x=%20", "https://web.example/./cb?tenant=1&x=%20", "http://web.example/cb?tenant=1&x=%20",
			"https://u@web.example/cb?tenant=1&x=%20", "https://web.example.evil.example/cb?tenant=1&x=%20",
		} {
			s.want(other, ask("redirect_uri", other), "page redirect_uri_mismatch")
		}
		native := func(uri string) url.Values { return of("native", "redirect_uri", uri) }
		for _, uri := range []string{"http://127.0.0.1:51004/cb", "http://[::1]:61023/cb", "http://127.0.0.1/cb"} {
			s.want(uri, native(uri), "sign-in")
		}
		for _, uri := range []string{"http://localhost:51004/cb", "http://127.0.0.1:51004/other", "http://127.0.0.2:51004/cb", "https://native.example:8443/cb", "http://127.0.0.1:51004/cb?x=1"} {
			s.want(uri, native(uri), "page redirect_uri_mismatch")
		}
	}
}

func TestA2ProfilesBeyondNoneCannotBeRelaxed(t *testing.T) {
	relaxed := func(d *configv1.Domain) {
		no := false
		d.Oidc.RedirectUriStrictMatching = &no
		d.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{AllowWildCardRedirectUri: true}
	}
	longer := of("front", "redirect_uri", "https://front.example/cb/more")
	newSite(t, profile.None, relaxed).want("none", longer, "sign-in")
	newSite(t, profile.OAuth21, relaxed).want("oauth21", longer, "page redirect_uri_mismatch")
}

func TestA3TheRedirectURIMayBeLeftOutWhereThereIsOneAndTheProfileAllows(t *testing.T) {
	s := newSite(t, profile.None)
	s.want("one registered", ask("redirect_uri", ""), "sign-in")
	s.want("several registered", of("two", "redirect_uri", ""), "page invalid_request")
	if r := s.signedIn().Get("/oauth/authorize?" + ask("redirect_uri", "").Encode()); !strings.HasPrefix(r.Location(), "https://web.example/cb?tenant=1&x=%20&code=") {
		t.Errorf("answer %s", r.Location())
	}
	newSite(t, profile.OAuth21).want("under oauth21", ask("redirect_uri", ""), "page invalid_request")
}

func TestA4PostIsTakenLikeGet(t *testing.T) {
	s := newSite(t, profile.None)
	b := s.signedIn()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r := send(b, method, ask().Encode())
		if answerOf(r) != "client code" || r.Query().Get("state") != "s t&a=t+e" || r.StatusCode != http.StatusFound {
			t.Errorf("%s: %d %s", method, r.StatusCode, r.Location())
		}
	}
	r := s.Browser("/acme").PostBody("/oauth/authorize", "application/json", "{}")
	if got := answerOf(r); got != "page invalid_request" {
		t.Errorf("a body that is no form: %s", got)
	}
}

func TestA5ResponseTypesThatAreMissingOrUnknown(t *testing.T) {
	s := newSite(t, profile.None)
	s.want("missing", ask("response_type", ""), "client invalid_request")
	for _, unknown := range []string{"cod", "code code", "none", "code  token", "Code"} {
		s.want(unknown, ask("response_type", unknown), "client unsupported_response_type")
	}
	s.want("unknown, for a redirect URI that is not trusted", ask("response_type", "cod", "redirect_uri", "https://evil.example/"), "page unsupported_response_type")
	s.want("not registered", ask("response_type", "id_token"), "client unauthorized_client")
}

func TestA5ProfilesServeTheirResponseTypesAlone(t *testing.T) {
	for _, p := range profile.All() {
		if p.RequiresPushed {
			continue // shown by F2
		}
		s := newSite(t, p.Name)
		for _, r := range oauth2.ResponseTypes() {
			if !p.ServesResponse(r) {
				s.want(fmt.Sprintf("%s under %s", r, p.Name), of("front", "response_type", string(r)), "client unsupported_response_type")
			}
		}
	}
}

func TestA6ANonceIsNeededWhereAnIDTokenComesFromHere(t *testing.T) {
	s := newSite(t, profile.None)
	for _, r := range oauth2.ResponseTypes() {
		got := answerOf(s.Browser("/acme").Get("/oauth/authorize?" + of("front", "response_type", string(r), "nonce", "").Encode()))
		if needed := got == "client invalid_request"; needed != r.HasIDToken() {
			t.Errorf("%s without nonce: %s", r, got)
		}
	}
	b := s.signedIn()
	const nonce = `n-0S6_WzA2Mj "+&% é`
	code := b.Get("/oauth/authorize?" + ask("nonce", nonce).Encode()).Query().Get("code")
	tokens := s.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", code,
		"redirect_uri", ask().Get("redirect_uri"), "code_verifier", verifier), gatewaytest.Basic("web")).JSON(t)
	id, _ := tokens["id_token"].(string)
	if got := claim(t, id, "nonce"); got != nonce {
		t.Errorf("nonce %q of %v", got, tokens)
	}
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B

func TestA7PKCEIsWhatClientDomainAndProfileSay(t *testing.T) {
	bare := []string{"code_challenge", "", "code_challenge_method", ""}
	plain := []string{"code_challenge_method", "plain"}
	unnamed := []string{"code_challenge_method", ""}
	forced := func(d *configv1.Domain) { d.Oidc.ForcePkce = true }
	tests := []struct {
		name    string
		profile profile.Name
		change  func(*configv1.Domain)
		form    url.Values
		want    string
	}{
		{"S256 everywhere", profile.None, nil, ask(), "sign-in"},
		{"plain where it is allowed", profile.None, nil, ask(plain...), "sign-in"},
		{"no method is plain", profile.None, nil, ask(unnamed...), "sign-in"},
		{"none for a confidential client", profile.None, nil, ask(bare...), "sign-in"},
		{"none for a public client", profile.None, nil, of("spa", bare...), "client invalid_request"},
		{"none where the domain wants it", profile.None, forced, ask(bare...), "client invalid_request"},
		{"none under oauth21", profile.OAuth21, nil, ask(bare...), "client invalid_request"},
		{"plain under oauth21", profile.OAuth21, nil, ask(plain...), "client invalid_request"},
		{"no method under oauth21", profile.OAuth21, nil, ask(unnamed...), "client invalid_request"},
		{"S256 under oauth21", profile.OAuth21, nil, ask(), "sign-in"},
		{"none under mcp", profile.MCP, nil, ask(bare...), "client invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var changes []func(*configv1.Domain)
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			s := newSite(t, tt.profile, changes...)
			s.want(tt.name, tt.form, tt.want)
		})
	}
	for _, p := range profile.All() {
		listed, _ := newSite(t, p.Name).Get("/acme/oidc/.well-known/openid-configuration").JSON(t)["code_challenge_methods_supported"].([]any)
		if len(listed) != len(p.Challenges) || !slices.Contains(listed, any("S256")) {
			t.Errorf("%s advertises %v", p.Name, listed)
		}
	}
}

func TestA8LongStateAndNonceComeBackOrFailCleanly(t *testing.T) {
	s := newSite(t, profile.None)
	b := s.signedIn()
	long := strings.Repeat("état&=%+", 120)
	r := b.Get("/oauth/authorize?" + ask("state", long, "nonce", long).Encode())
	if answerOf(r) != "client code" || r.Query().Get("state") != long {
		t.Errorf("%d characters: %s", len(long), answerOf(r))
	}
	tokens := s.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", r.Query().Get("code"),
		"redirect_uri", ask().Get("redirect_uri"), "code_verifier", verifier), gatewaytest.Basic("web")).JSON(t)
	if id, _ := tokens["id_token"].(string); claim(t, id, "nonce") != long {
		t.Error("the nonce is another one")
	}
	s.want("a nonce beyond the limit", ask("nonce", strings.Repeat("n", 4<<10+1)), "client invalid_request")
	s.want("a state beyond the limit, which no answer could hold", ask("state", strings.Repeat("s", 8<<10+1)), "page invalid_request")
}

func TestA10NativeApplicationsAreTreatedByTheirRules(t *testing.T) {
	for _, name := range []profile.Name{profile.None, profile.OAuth21} {
		s := newSite(t, name)
		for _, uri := range []string{"http://127.0.0.1:4711/cb", "http://[::1]:4711/cb", "http://localhost/cb", "com.example.app:/cb", "https://native.example/cb"} {
			s.want(uri, of("native", "redirect_uri", uri), "sign-in")
		}
		for _, uri := range []string{"com.example.app:/other", "com.example.app://cb", "COM.example.app:/cb", "com.evil.app:/cb", "javascript:/cb"} {
			s.want(uri, of("native", "redirect_uri", uri), "page redirect_uri_mismatch")
		}
	}
	t.Run("private-use schemes are for native clients alone", func(t *testing.T) {
		newSite(t, profile.OAuth21).want("oauth21", of("two", "redirect_uri", "com.two.app:/cb"), "page redirect_uri_mismatch")
		newSite(t, profile.None).want("none", of("two", "redirect_uri", "com.two.app:/cb"), "sign-in")
	})
}

func TestE1ParametersStandOnce(t *testing.T) {
	s := newSite(t, profile.None)
	again := func(form url.Values, name, value string) url.Values {
		form.Add(name, value)
		return form
	}
	s.want("a repeated one", again(ask(), "scope", "openid"), "client invalid_request")
	s.want("a repeated unknown one", again(again(ask(), "foo", "1"), "foo", "2"), "client invalid_request")
	s.want("a repeated redirect URI", again(ask(), "redirect_uri", ask().Get("redirect_uri")), "page invalid_request")
	s.want("unknown ones", ask("foo", "bar", "é", "ü"), "sign-in")
	if r := s.Browser("/acme").PostBody("/oauth/authorize?state=1", "application/x-www-form-urlencoded", ask().Encode()); answerOf(r) != "client invalid_request" {
		t.Errorf("one in the query and in the body: %s", answerOf(r))
	}
	t.Run("in whatever order", func(t *testing.T) {
		pairs := strings.Split(ask().Encode(), "&")
		for range len(pairs) {
			pairs = append(pairs[1:], pairs[0])
			if got := answerOf(s.Browser("/acme").Get("/oauth/authorize?" + strings.Join(pairs, "&"))); got != "sign-in" {
				t.Errorf("%v: %s", pairs, got)
			}
		}
	})
	t.Run("resource may be repeated", func(t *testing.T) {
		s := newSite(t, profile.None, func(d *configv1.Domain) {
			d.Oidc.Resources = []*configv1.ProtectedResource{{Identifier: "https://a.example/"}, {Identifier: "https://b.example/"}}
		})
		form := ask()
		form["resource"] = []string{"https://a.example/", "https://b.example/"}
		s.want("two resources", form, "sign-in")
	})
	t.Run("at the token endpoint too", func(t *testing.T) {
		form := again(gatewaytest.Form("grant_type", "client_credentials"), "scope", "read")
		if got := s.Post("/acme/oauth/token", again(form, "foo", "bar"), gatewaytest.Basic("web")); got.Status != http.StatusOK {
			t.Errorf("an unknown parameter: %d %s", got.Status, got.Body)
		}
		if got := s.Post("/acme/oauth/token", again(form, "scope", "write"), gatewaytest.Basic("web")).Error(t); got != "Bad Request | invalid_request | Parameter [scope] is included more than once" {
			t.Errorf("a repeated one: %s", got)
		}
	})
}

func TestE3AnswersTravelOverHTTPSAlone(t *testing.T) {
	plain := of("two", "redirect_uri", "http://two.example/plain")
	s := newSite(t, profile.None)
	s.want("http for a web client", plain, "page redirect_uri_mismatch")
	s.want("http to a native client on the same machine", of("native", "redirect_uri", "http://127.0.0.1:4711/cb"), "sign-in")
	allowed := func(d *configv1.Domain) {
		d.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{AllowHttpSchemeRedirectUri: true}
	}
	newSite(t, profile.None, allowed).want("http where the domain allows it", plain, "sign-in")
	newSite(t, profile.OAuth21, allowed).want("http under oauth21, whatever the domain allows", plain, "page redirect_uri_mismatch")
	t.Run("every published endpoint is https", func(t *testing.T) {
		for name, v := range s.Get("/acme/oidc/.well-known/openid-configuration").JSON(t) {
			if text, ok := v.(string); ok && (strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri")) && !strings.HasPrefix(text, "https://") {
				t.Errorf("%s is %s", name, text)
			}
		}
	})
}

func TestP8ErrorsOfClientsThatAnybodyRegisteredWaitForTheSignIn(t *testing.T) {
	s := newSite(t, profile.None, func(d *configv1.Domain) {
		d.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{
			DynamicClientRegistrationEnabled: true, OpenDynamicClientRegistrationEnabled: true,
		}
	})
	bad := of("open", "response_type", "cod")
	s.want("nobody is signed in", bad, "page unsupported_response_type")
	s.want("prompt=none", of("open", "prompt", "none"), "client login_required")
	s.want("a client of the administrator's", ask("response_type", "cod"), "client unsupported_response_type")
	if got := answerOf(s.signedIn().Get("/oauth/authorize?" + bad.Encode())); got != "client unsupported_response_type" {
		t.Errorf("somebody is signed in: %s", got)
	}
}
