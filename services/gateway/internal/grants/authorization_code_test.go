package grants_test

import (
	"net/http"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

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
	t.Run("a code of before another password, or of somebody who was disabled, is worth nothing", func(t *testing.T) {
		ann, err := r.Directory.User(t.Context(), r.domain, gatewaytest.Subject("staff", "ann"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { r.Directory.Put(r.domain, ann); r.Clock.Forward(time.Minute) }()
		for name, change := range map[string]func(u *directoryv1.User){
			"password": func(u *directoryv1.User) { u.LastPasswordReset = timestamppb.New(r.Clock.Now()) },
			"disabled": func(u *directoryv1.User) { u.Enabled = proto.Bool(false) },
		} {
			r.Directory.Put(r.domain, proto.CloneOf(ann))
			r.Clock.Forward(time.Minute)
			code := r.Code(r.domain, "web", "ann")
			r.Clock.Forward(time.Second)
			u := proto.CloneOf(ann)
			change(u)
			r.Directory.Put(r.domain, u)
			r.Clock.Forward(31 * time.Second)
			if a := r.token("web", "grant_type", "authorization_code", "code", code); a.Status == http.StatusOK {
				t.Errorf("%s: %s", name, a.Body)
			} else {
				r.refused(a, invalid)
			}
		}
	})
	t.Run("nor is one of before its application was disabled", func(t *testing.T) {
		code := r.Code(r.domain, "other2", "ann")
		r.Clock.Forward(time.Second)
		r.Apply(gatewaytest.Upserts(2, gatewaytest.NewApp(r.domain, "other2", func(a *configv1.Application) {
			a.TokensValidFrom = timestamppb.New(r.Clock.Now())
		})))
		r.refused(r.token("other2", "grant_type", "authorization_code", "code", code), invalid)
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
