package grants_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// rig is a gateway with the domain acme and a few clients.
type rig struct {
	*gatewaytest.Harness
	t      *testing.T
	domain string
}

func newRig(t *testing.T, o gatewaytest.Options) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.App("web")
	c.App("other")
	c.App("other2")
	c.App("service", func(a *configv1.Application) { a.Settings.Oauth.GrantTypes = []string{"client_credentials"} })
	c.App("public", func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "none" })
	c.App("fixed", func(a *configv1.Application) { a.Settings.Oauth.DisableRefreshTokenRotation = true })
	c.App("norefresh", func(a *configv1.Application) {
		a.Settings.Oauth.GrantTypes = []string{"authorization_code", "password"}
	})
	c.App("closed", func(a *configv1.Application) { a.IdentityProviders = nil })
	c.Waiting("corporate")
	c.App("waiting", func(a *configv1.Application) {
		a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: "corporate"}}
	})
	c.App("ruled", func(a *configv1.Application) {
		a.IdentityProviders[0].SelectionRule = `login == "ann" && request.params["username"][0] == "ann" && !("password" in request.params) && request.method == "POST" && !("x" in context.attributes)`
	})
	c.App("defaults", func(a *configv1.Application) { a.Settings.Oauth.ScopeSettings[4].DefaultScope = true })
	c.App("openid", func(a *configv1.Application) { a.Settings.Oauth.ScopeSettings[0].DefaultScope = true })
	h := gatewaytest.New(t, o, c)
	return &rig{h, t, c.Domain.GetId()}
}

// token posts a token request of a client that authenticates by Basic; "" leaves authentication out.
func (r *rig) token(client string, pairs ...string) gatewaytest.Answer {
	r.t.Helper()
	var changes []gatewaytest.Change
	if client != "" {
		changes = append(changes, gatewaytest.Basic(client))
	}
	return r.Post("/acme/oauth/token", gatewaytest.Form(pairs...), changes...)
}

// answer is a successful answer of the token endpoint.
type answer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

func (r *rig) granted(a gatewaytest.Answer) answer {
	r.t.Helper()
	if a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	var got answer
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
		r.t.Fatal(err)
	}
	if got.TokenType != "bearer" || got.ExpiresIn != 7200 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" || a.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("answer %s with header %v", a.Body, a.Header)
	}
	return got
}

func (r *rig) refused(a gatewaytest.Answer, want string) {
	r.t.Helper()
	if got := a.Error(r.t); got != want {
		r.t.Errorf("refused with %q, want %q", got, want)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("header %v", a.Header)
	}
}

// claims reads a token that the domain signed.
func (r *rig) claims(token string) map[string]any {
	r.t.Helper()
	checked, err := r.Domains.Domain(r.domain).Keys.Verify(token, jose.Check{Types: []string{"JWT"}})
	if err != nil {
		r.t.Fatalf("token %q: %v", token, err)
	}
	var claims map[string]any
	if err := json.Unmarshal(checked.Payload, &claims); err != nil {
		r.t.Fatal(err)
	}
	return claims
}

// sid is what a client calls a session.
func (r *rig) sid(clientID, session string) string {
	r.t.Helper()
	d := r.Domains.Domain(r.domain)
	c, err := d.Client(r.t.Context(), clientID)
	if err != nil {
		r.t.Fatal(err)
	}
	return tokens.SessionID(d, c, session)
}

// alive reports whether an access token is in force.
func (r *rig) alive(token string) bool {
	r.t.Helper()
	_, err := r.Verifier.Verify(r.Domains.Domain(r.domain), token)
	return err == nil
}

const (
	badRequest   = "Bad Request | "
	unauthorized = "Unauthorized | invalid_client | "
	failed       = unauthorized + "Client authentication failed due to unknown clientId, expired or invalid client secret"
	missing      = unauthorized + "Invalid client: missing or unsupported authentication method"
)

func TestOrderOfChecks(t *testing.T) {
	r := newRig(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"})
	t.Run("a repeated parameter comes before client authentication", func(t *testing.T) {
		r.refused(r.token("", "grant_type", "client_credentials", "grant_type", "client_credentials"), badRequest+"invalid_request | Parameter [grant_type] is included more than once")
		r.refused(r.token("", "x", "1", "x", "2"), badRequest+"invalid_request | Parameter [x] is included more than once")
	})
	t.Run("a missing grant_type comes before client authentication", func(t *testing.T) {
		r.refused(r.token(""), badRequest+"invalid_request | Missing parameter: grant_type")
		r.refused(r.token("nobody", "grant_type", ""), badRequest+"invalid_request | Missing parameter: grant_type")
	})
	t.Run("client authentication comes before the grant", func(t *testing.T) {
		r.refused(r.token("", "grant_type", "magic"), missing)
		a := r.token("nobody", "grant_type", "magic")
		r.refused(a, failed)
		if got := a.Header.Get("WWW-Authenticate"); got != `Basic realm="gatehouse"` {
			t.Errorf("challenge %q", got)
		}
		a = r.token("", "grant_type", "magic", "client_id", "web", "client_secret", "wrong")
		r.refused(a, failed)
		if got := a.Header.Get("WWW-Authenticate"); got != "" {
			t.Errorf("post is challenged by %q", got)
		}
	})
	t.Run("a grant that is unknown or not the client's", func(t *testing.T) {
		r.refused(r.token("web", "grant_type", "magic"), badRequest+"unsupported_grant_type | Unsupported grant type: magic")
		r.refused(r.token("service", "grant_type", "password"), badRequest+"unsupported_grant_type | Unsupported grant type: password")
		r.refused(r.token("web", "grant_type", "urn:é\"\\\nx"), badRequest+"unsupported_grant_type | Unsupported grant type: urn:?'/ x")
	})
	t.Run("other methods are refused", func(t *testing.T) {
		a := r.Get("/acme/oauth/token?grant_type=client_credentials", gatewaytest.Basic("web"))
		r.refused(a, "Method Not Allowed | method_not_allowed | The endpoint answers POST, OPTIONS")
	})
	t.Run("a body that is too large is refused as JSON", func(t *testing.T) {
		r.refused(r.token("web", "grant_type", "client_credentials", "x", strings.Repeat("x", 300<<10)), badRequest+"invalid_request | The request body is larger than 262144 bytes")
	})
	t.Run("so is a huge one, of known and of unknown length, without being read", func(t *testing.T) {
		huge := "grant_type=client_credentials&x=" + strings.Repeat("x", 20<<20)
		for _, body := range []io.Reader{strings.NewReader(huge), io.MultiReader(strings.NewReader(huge))} {
			req, err := http.NewRequest(http.MethodPost, r.URL+"/acme/oauth/token", body)
			if err != nil {
				t.Fatal(err)
			}
			r.refused(r.Do(req, gatewaytest.Basic("web"), gatewaytest.Header("Content-Type", "application/x-www-form-urlencoded")),
				badRequest+"invalid_request | The request body is larger than 262144 bytes")
		}
	})
	t.Run("a body that is no form is refused", func(t *testing.T) {
		a := r.Post("/acme/oauth/token", gatewaytest.Form("a", "b"), gatewaytest.Basic("web"), gatewaytest.Header("Content-Type", "application/json"))
		r.refused(a, badRequest+"invalid_request | Unsupported Content-Type")
	})
}

// TestClientCredentials has no Redis behind it: the grant needs none.
func TestClientCredentials(t *testing.T) {
	r := newRig(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"})
	t.Run("the token is the client's own", func(t *testing.T) {
		got := r.granted(r.token("service", "grant_type", "client_credentials", "scope", "write  read", "unknown", "parameter"))
		if got.Scope != "write read" || got.RefreshToken != "" || got.IDToken != "" {
			t.Errorf("answer %+v", got)
		}
		claims := r.claims(got.AccessToken)
		now := float64(r.Clock.Now().Unix())
		for name, want := range map[string]any{
			"iss": "https://gw.example/acme/oidc", "sub": "service", "aud": "service", "client_id": "service", "domain": r.domain,
			"scope": "write read", "iat": now, "exp": now + 7200,
		} {
			if claims[name] != want {
				t.Errorf("%s is %v, want %v", name, claims[name], want)
			}
		}
		if jti, _ := claims["jti"].(string); len(claims) != 9 || len(jti) < 22 {
			t.Errorf("claims %v", claims)
		}
		if again := r.claims(r.granted(r.token("service", "grant_type", "client_credentials")).AccessToken); again["jti"] == claims["jti"] || again["scope"] != nil {
			t.Errorf("claims %v", again)
		}
	})
	t.Run("the answer has only what there is, in order", func(t *testing.T) {
		body := r.token("service", "grant_type", "client_credentials").Body
		if !strings.HasPrefix(body, `{"access_token":"eyJ`) || !strings.HasSuffix(body, `","token_type":"bearer","expires_in":7200}`) {
			t.Errorf("answer %s", body)
		}
	})
	t.Run("parameters may be in the query of an empty post", func(t *testing.T) {
		req, err := http.NewRequest(http.MethodPost, r.URL+"/acme/oauth/token?grant_type=client_credentials&scope=read", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.granted(r.Do(req, gatewaytest.Basic("web"))); got.Scope != "read" {
			t.Errorf("answer %+v", got)
		}
	})
	t.Run("default scopes", func(t *testing.T) {
		if got := r.granted(r.token("defaults", "grant_type", "client_credentials")); got.Scope != "read" {
			t.Errorf("answer %+v", got)
		}
	})
	for _, tt := range []struct {
		name, client string
		more         []string
		want         string
	}{
		{"openid is for people", "service", []string{"scope", "read openid"}, "invalid_scope | Invalid scope: OPENID"},
		{"openid by default is for people too", "openid", nil, "invalid_scope | Invalid scope: OPENID"},
		{"a scope the client has not", "service", []string{"scope", "read nope"}, "invalid_scope | Invalid scope(s): nope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.refused(r.token(tt.client, append(tt.more, "grant_type", "client_credentials")...), badRequest+tt.want)
		})
	}
	t.Run("a public client cannot act for itself", func(t *testing.T) {
		r.refused(r.token("", "grant_type", "client_credentials", "client_id", "public"), missing)
	})
}

func TestPassword(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	t.Run("a person gets tokens", func(t *testing.T) {
		got := r.granted(r.token("web", "grant_type", "password", "username", "ANN", "password", gatewaytest.Password, "scope", "openid email read"))
		if got.Scope != "openid email read" || got.RefreshToken == "" || got.IDToken == "" {
			t.Errorf("answer %+v", got)
		}
		subject := gatewaytest.Subject("staff", "ann")
		access, id := r.claims(got.AccessToken), r.claims(got.IDToken)
		if access["sub"] != subject || access["gis"] != "staff:ann" || access["aud"] != "web" || access["email"] != nil || access["username"] != nil {
			t.Errorf("access token %v", access)
		}
		if id["sub"] != subject || id["email"] != "ann@acme.example" || id["auth_time"] != float64(r.Clock.Now().Unix()) || id["nonce"] != nil ||
			id["client_id"] != nil || id["jti"] != nil || id["gis"] != nil || id["name"] != nil {
			t.Errorf("ID token %v", id)
		}
		refreshed := r.granted(r.token("web", "grant_type", "refresh_token", "refresh_token", got.RefreshToken))
		if r.claims(refreshed.IDToken)["auth_time"] != id["auth_time"] {
			t.Error("a refresh moved auth_time")
		}
	})
	t.Run("without openid there is no ID token, without the grant no refresh token", func(t *testing.T) {
		if got := r.granted(r.token("norefresh", "grant_type", "password", "username", "ann", "password", gatewaytest.Password)); got.IDToken != "" || got.RefreshToken != "" || got.Scope != "" {
			t.Errorf("answer %+v", got)
		}
	})
	t.Run("a rule sees the request", func(t *testing.T) {
		r.granted(r.token("ruled", "grant_type", "password", "username", "ann", "password", gatewaytest.Password))
		r.refused(r.token("ruled", "grant_type", "password", "username", "bob", "password", gatewaytest.Password), badRequest+"invalid_grant | No identity provider found for client : ruled")
	})
	for _, tt := range []struct{ name, client, username, password, scope, want string }{
		{"no name", "web", "", "x", "", badRequest + "invalid_request | Missing parameter: username"},
		{"no password", "web", "ann", "", "", badRequest + "invalid_request | Missing parameter: password"},
		{"a wrong password", "web", "ann", "wrong", "", badRequest + "invalid_grant | The credentials entered are invalid"},
		{"nobody of this name", "web", "eve", gatewaytest.Password, "", badRequest + "invalid_grant | The credentials entered are invalid"},
		{"no provider", "closed", "ann", gatewaytest.Password, "", badRequest + "invalid_grant | No identity provider found for client : closed"},
		{"only a provider that does not run yet", "waiting", "ann", gatewaytest.Password, "", badRequest + "invalid_grant | No identity provider found for client : waiting"},
		{"a scope the client has not", "web", "ann", gatewaytest.Password, "nope", badRequest + "invalid_scope | Invalid scope(s): nope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.refused(r.token(tt.client, "grant_type", "password", "username", tt.username, "password", tt.password, "scope", tt.scope), tt.want)
		})
	}
	t.Run("a disabled account", func(t *testing.T) {
		user, err := r.Directory.SignIn(t.Context(), r.domain, "", gatewaytest.Identity("bob"))
		if err != nil {
			t.Fatal(err)
		}
		user.Enabled = proto.Bool(false)
		r.Directory.Put(r.domain, user)
		r.refused(r.token("web", "grant_type", "password", "username", "bob", "password", gatewaytest.Password), badRequest+"invalid_grant | The account is disabled")
	})
	t.Run("management is away", func(t *testing.T) {
		r.Directory.Away(fault.Unavailablef("away"))
		defer r.Directory.Away(nil)
		a := r.token("web", "grant_type", "password", "username", "ann", "password", gatewaytest.Password)
		if got := a.JSON(t)["error"]; a.Status != 503 || got != "temporarily_unavailable" {
			t.Errorf("status %d, error %v", a.Status, got)
		}
	})
}

// verifier is the example of RFC 7636, appendix B, with its challenge.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func TestAuthorizationCode(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	bound := func(a *state.Authorization) { a.RedirectURISent = true }
	pkce := func(method, value string) func(*state.Authorization) {
		return func(a *state.Authorization) { a.Challenge, a.ChallengeMethod = value, method }
	}
	const cb = "https://web.example/cb"
	const invalid = badRequest + "invalid_grant | The authorization code is invalid"
	tests := []struct {
		name    string
		change  func(*state.Authorization)
		pairs   []string
		refusal string
	}{
		{"a plain code", nil, nil, ""},
		{"a redirect URI where none was sent before, the right one", nil, []string{"redirect_uri", cb}, ""},
		{"a redirect URI where none was sent before, another one", nil, []string{"redirect_uri", "https://evil.example"}, badRequest + "invalid_grant | Redirect URI mismatch."},
		{"the redirect URI of the request", bound, []string{"redirect_uri", cb}, ""},
		{"another redirect URI", bound, []string{"redirect_uri", cb + "/"}, badRequest + "invalid_grant | Redirect URI mismatch."},
		{"no redirect URI although one was sent", bound, nil, badRequest + "invalid_grant | Redirect URI is missing"},
		{"S256 with its verifier (RFC 7636, appendix B)", pkce("S256", challenge), []string{"code_verifier", verifier}, ""},
		{"plain with its verifier", pkce("plain", verifier), []string{"code_verifier", verifier}, ""},
		{"no method is plain", pkce("", verifier), []string{"code_verifier", verifier}, ""},
		{"no verifier", pkce("S256", challenge), nil, badRequest + "invalid_grant | Missing parameter: code_verifier"},
		{"a verifier that is too short", pkce("S256", challenge), []string{"code_verifier", verifier[:42]}, badRequest + "invalid_grant | Invalid parameter: code_verifier"},
		{"a verifier with other characters", pkce("S256", challenge), []string{"code_verifier", verifier[:42] + "+"}, badRequest + "invalid_grant | Invalid parameter: code_verifier"},
		{"a wrong verifier", pkce("S256", challenge), []string{"code_verifier", challenge}, badRequest + "invalid_grant | Invalid code_verifier"},
		{"a verifier where there is no challenge", nil, []string{"code_verifier", verifier}, badRequest + "invalid_grant | Invalid code_verifier"},
		{"a code of another client", func(a *state.Authorization) { a.ClientID = "other" }, nil, invalid},
		{"a code of another domain", func(a *state.Authorization) { a.Domain = "elsewhere" }, nil, invalid},
		{"no code", nil, []string{"code", ""}, badRequest + "invalid_request | Missing parameter: code"},
		{"an invented code", nil, []string{"code", "invented"}, invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var changes []func(*state.Authorization)
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			pairs := append([]string{"grant_type", "authorization_code"}, tt.pairs...)
			if len(tt.pairs) == 0 || tt.pairs[0] != "code" {
				pairs = append(pairs, "code", r.Code(r.domain, "web", "ann", changes...))
			}
			a := r.token("web", pairs...)
			if tt.refusal != "" {
				r.refused(a, tt.refusal)
				return
			}
			r.granted(a)
		})
	}
	t.Run("the tokens say what was authorized", func(t *testing.T) {
		got := r.granted(r.token("web", "grant_type", "authorization_code", "code", r.Code(r.domain, "web", "ann")))
		if got.Scope != "openid profile read" || got.RefreshToken == "" {
			t.Errorf("answer %+v", got)
		}
		id, now := r.claims(got.IDToken), float64(r.Clock.Now().Unix())
		for name, want := range map[string]any{
			"iss": "https://gw.example/acme/oidc", "aud": "web", "nonce": "n-0S6_WzA2Mj", "auth_time": now - 5, "iat": now, "exp": now + 14400,
			"sid": r.sid("web", "sid-ann"), "acr": "urn:gatehouse:acr:password", "name": "ann Doe", "preferred_username": "ann",
			"at_hash": jose.ES256.HalfHash(got.AccessToken), "c_hash": nil, "email": nil,
		} {
			if id[name] != want {
				t.Errorf("%s is %v, want %v", name, id[name], want)
			}
		}
	})
	t.Run("a code that fails once is spent", func(t *testing.T) {
		code := r.Code(r.domain, "web", "ann", pkce("S256", challenge))
		r.refused(r.token("web", "grant_type", "authorization_code", "code", code, "code_verifier", challenge), badRequest+"invalid_grant | Invalid code_verifier")
		r.refused(r.token("web", "grant_type", "authorization_code", "code", code, "code_verifier", verifier), invalid)
	})
	t.Run("a second use ends what the first one made", func(t *testing.T) {
		code := r.Code(r.domain, "web", "ann")
		first := r.granted(r.token("web", "grant_type", "authorization_code", "code", code))
		second := r.granted(r.token("web", "grant_type", "refresh_token", "refresh_token", first.RefreshToken))
		other := r.granted(r.token("web", "grant_type", "authorization_code", "code", r.Code(r.domain, "web", "ann")))
		// Another client that has seen the code can do nothing with it, not even this.
		r.refused(r.token("other", "grant_type", "authorization_code", "code", code), invalid)
		if !r.alive(first.AccessToken) {
			t.Fatal("another client ended the grant")
		}
		r.refused(r.token("web", "grant_type", "authorization_code", "code", code), invalid)
		if r.alive(first.AccessToken) || r.alive(second.AccessToken) {
			t.Error("access tokens of the code are alive")
		}
		r.refused(r.token("web", "grant_type", "refresh_token", "refresh_token", second.RefreshToken), badRequest+"invalid_grant | Refresh token is invalid")
		if !r.alive(other.AccessToken) {
			t.Error("the tokens of another code ended too")
		}
	})
	t.Run("a public client needs no secret", func(t *testing.T) {
		code := r.Code(r.domain, "public", "ann", pkce("S256", challenge))
		a := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "client_id", "public", "code", code, "code_verifier", verifier))
		r.granted(a)
	})
	t.Run("a client without the refresh grant gets no refresh token", func(t *testing.T) {
		if got := r.granted(r.token("norefresh", "grant_type", "authorization_code", "code", r.Code(r.domain, "norefresh", "ann"))); got.RefreshToken != "" {
			t.Errorf("answer %+v", got)
		}
	})
	t.Run("a code dies with its client and its person's revocation", func(t *testing.T) {
		code := r.Code(r.domain, "web", "ann")
		if err := r.Store.RevokeSubject(t.Context(), r.domain, gatewaytest.Subject("staff", "ann"), r.Clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		r.refused(r.token("web", "grant_type", "authorization_code", "code", code), invalid)
		r.Clock.Forward(time.Millisecond)
		r.granted(r.token("web", "grant_type", "authorization_code", "code", r.Code(r.domain, "web", "ann")))
	})
}

func TestRefreshToken(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	begin := func(client string) answer {
		t.Helper()
		return r.granted(r.token(client, "grant_type", "authorization_code", "code", r.Code(r.domain, client, "ann")))
	}
	refresh := func(client, token string, more ...string) gatewaytest.Answer {
		t.Helper()
		return r.token(client, append(more, "grant_type", "refresh_token", "refresh_token", token)...)
	}
	const invalid = badRequest + "invalid_grant | Refresh token is invalid"
	t.Run("it is exchanged for the same person's tokens", func(t *testing.T) {
		first := begin("web")
		before := r.claims(first.IDToken)
		r.Clock.Forward(time.Minute)
		second := r.granted(refresh("web", first.RefreshToken))
		after := r.claims(second.IDToken)
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid", "acr"} {
			if after[name] != before[name] {
				t.Errorf("%s went from %v to %v", name, before[name], after[name])
			}
		}
		if after["nonce"] != nil || after["iat"] == before["iat"] || second.RefreshToken == "" || second.RefreshToken == first.RefreshToken || second.Scope != "openid profile read" {
			t.Errorf("ID token %v, answer %+v", after, second)
		}
		if !r.alive(first.AccessToken) {
			t.Error("the refresh ended the earlier access token")
		}
	})
	t.Run("without rotation none is sent and the old one stays", func(t *testing.T) {
		first := begin("fixed")
		for range 3 {
			if got := r.granted(refresh("fixed", first.RefreshToken)); got.RefreshToken != "" {
				t.Errorf("answer %+v", got)
			}
		}
	})
	t.Run("the scope may be narrowed for one access token", func(t *testing.T) {
		first := begin("web")
		second := r.granted(refresh("web", first.RefreshToken, "scope", "read write nope"))
		if second.Scope != "read" || second.IDToken != "" || r.claims(second.AccessToken)["scope"] != "read" {
			t.Errorf("answer %+v", second)
		}
		third := r.granted(refresh("web", second.RefreshToken))
		if third.Scope != "openid profile read" {
			t.Errorf("the grant lost scopes: %+v", third)
		}
		if fourth := r.granted(refresh("web", third.RefreshToken, "scope", "nope")); fourth.Scope != "" {
			t.Errorf("answer %+v", fourth)
		}
	})
	t.Run("a lost answer is repeated", func(t *testing.T) {
		first := begin("web")
		r.granted(refresh("web", first.RefreshToken))
		second := r.granted(refresh("web", first.RefreshToken))
		r.granted(refresh("web", second.RefreshToken))
	})
	t.Run("a reuse ends the family and its access tokens", func(t *testing.T) {
		first := begin("web")
		second := r.granted(refresh("web", first.RefreshToken))
		third := r.granted(refresh("web", second.RefreshToken))
		r.refused(refresh("web", first.RefreshToken), invalid)
		r.refused(refresh("web", third.RefreshToken), invalid)
		for _, got := range []answer{first, second, third} {
			if r.alive(got.AccessToken) {
				t.Error("an access token of the family is alive")
			}
		}
	})
	t.Run("another client cannot use it and changes nothing", func(t *testing.T) {
		first := begin("web")
		r.refused(refresh("other", first.RefreshToken), badRequest+"invalid_grant | Refresh token was issued to another client")
		r.granted(refresh("web", first.RefreshToken))
	})
	t.Run("the person is asked for once in a while, and not at every refresh", func(t *testing.T) {
		got := r.granted(refresh("web", begin("web").RefreshToken))
		before := r.Directory.Calls()
		for range 5 {
			got = r.granted(refresh("web", got.RefreshToken))
		}
		if n := r.Directory.Calls() - before; n != 0 {
			t.Errorf("%d questions", n)
		}
	})
	for name, lose := range map[string]func(user *directoryv1.User){
		"deleted": func(u *directoryv1.User) { r.Directory.Remove(r.domain, u.GetSubject()) },
		"disabled": func(u *directoryv1.User) {
			u.Enabled = proto.Bool(false)
			r.Directory.Put(r.domain, u)
		},
	} {
		t.Run("of a person who was "+name+" it ends with its grant", func(t *testing.T) {
			first := begin("web")
			ann, err := r.Directory.User(t.Context(), r.domain, gatewaytest.Subject("staff", "ann"))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Directory.Put(r.domain, proto.CloneOf(ann))
			second := r.granted(refresh("web", first.RefreshToken))
			lose(ann)
			r.Clock.Forward(30 * time.Second)
			r.Directory.Away(fault.Unavailablef("away"))
			third := r.granted(refresh("web", second.RefreshToken)) // a directory that is away stops nobody
			r.Directory.Away(nil)
			r.Clock.Forward(5 * time.Second)
			r.refused(refresh("web", third.RefreshToken), invalid)
			for _, got := range []answer{first, second, third} {
				if r.alive(got.AccessToken) {
					t.Error("an access token of the grant is alive")
				}
			}
			r.Clock.Forward(30 * time.Second)
		})
	}
	t.Run("goes on while the directory has never answered", func(t *testing.T) {
		first := r.granted(r.token("web", "grant_type", "authorization_code", "code", r.Code(r.domain, "web", "bob")))
		r.Directory.Away(fault.Unavailablef("away"))
		defer r.Directory.Away(nil)
		r.granted(refresh("web", first.RefreshToken))
		r.Clock.Forward(time.Second)
	})
	t.Run("is nothing to an application that takes over the client_id", func(t *testing.T) {
		first := begin("other")
		code := r.Code(r.domain, "other", "ann")
		r.Apply(gatewaytest.Deletes(2, gatewaytest.NewApp(r.domain, "other")))
		again := gatewaytest.NewApp(r.domain, "other", func(a *configv1.Application) { a.Id = "app-other-2" })
		r.Apply(gatewaytest.Upserts(3, again))
		r.refused(refresh("other", first.RefreshToken), badRequest+"invalid_grant | Refresh token was issued to another client")
		r.refused(r.token("other", "grant_type", "authorization_code", "code", code), badRequest+"invalid_grant | The authorization code is invalid")
	})
	t.Run("ends when its application is disabled, also once that is enabled again", func(t *testing.T) {
		first := begin("other2")
		r.Clock.Forward(time.Second)
		r.Apply(gatewaytest.Upserts(4, gatewaytest.NewApp(r.domain, "other2", func(a *configv1.Application) {
			a.TokensValidFrom = timestamppb.New(r.Clock.Now())
		})))
		r.Clock.Forward(time.Second)
		r.refused(refresh("other2", first.RefreshToken), invalid)
	})
	t.Run("an expired one is told so", func(t *testing.T) {
		first := begin("web")
		r.Clock.Forward(4 * time.Hour)
		r.refused(refresh("web", first.RefreshToken), badRequest+"invalid_grant | Refresh token is expired")
	})
	t.Run("anything else is invalid", func(t *testing.T) {
		r.refused(refresh("web", "garbage"), invalid)
		r.refused(refresh("web", begin("web").AccessToken), invalid)
		r.refused(refresh("web", ""), badRequest+"invalid_request | A refresh token must be supplied.")
	})
}

func TestRedisIsAway(t *testing.T) {
	r := newRig(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"})
	for name, pairs := range map[string][]string{
		"code":     {"grant_type", "authorization_code", "code", "x"},
		"refresh":  {"grant_type", "refresh_token", "refresh_token", strings.Repeat("a", 22) + "." + strings.Repeat("b", 22) + "." + strings.Repeat("c", 43)},
		"password": {"grant_type", "password", "username", "ann", "password", gatewaytest.Password},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			a := r.token("web", pairs...)
			if got := a.JSON(t)["error"]; a.Status != 503 || got != string(oauth2.TemporarilyUnavailable) {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
			if took := time.Since(began); name != "password" && took > time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestEveryGrantIsServedUnderItsName(t *testing.T) {
	r := newRig(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"})
	a := r.Get("/acme/oidc/.well-known/openid-configuration")
	for _, name := range a.JSON(t)["grant_types_supported"].([]any) {
		answer := r.token("web", "grant_type", name.(string))
		if e := answer.JSON(t)["error"]; e == "unsupported_grant_type" || e == "server_error" {
			t.Errorf("%s is listed and answers %v", name, e)
		}
	}
	if _, err := url.Parse(a.JSON(t)["token_endpoint"].(string)); err != nil {
		t.Error(err)
	}
}

// TestADomainWithoutAKeyThatSigns has retired keys alone: it says that it cannot answer now, and does not sign with them.
func TestADomainWithoutAKeyThatSigns(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("service", func(a *configv1.Application) { a.Settings.Oauth.GrantTypes = []string{"client_credentials"} })
	r := &rig{gatewaytest.New(t, gatewaytest.Options{}, c), t, c.Domain.GetId()}
	retired := func(c *configv1.Certificate) { c.Status = configv1.Certificate_RETIRED }
	if rejected := r.Domains.Apply(t.Context(), gatewaytest.Upserts(1000,
		c.Certificate("es", jose.ES256, retired), c.Certificate("rs", jose.RS256, retired))); len(rejected) != 1 {
		t.Errorf("rejected: %v", rejected)
	}
	a := r.token("service", "grant_type", "client_credentials")
	if body := a.JSON(t); a.Status != 503 || body["error"] != "temporarily_unavailable" || body["access_token"] != nil {
		t.Errorf("%d %v", a.Status, body)
	}
}
