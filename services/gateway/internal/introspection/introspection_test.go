package introspection_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

type rig struct {
	*gatewaytest.Harness
	t        *testing.T
	config   *gatewaytest.Config
	domain   string
	revision int64
}

func newRig(t *testing.T, redis string) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.App("web", func(a *configv1.Application) {
		a.Settings.Oauth.TokenCustomClaims = []*configv1.CustomClaim{
			{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "dept", ClaimValue: "north"},
			{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "active", ClaimValue: "forged"},
			{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "username", ClaimValue: "forged"},
		}
	})
	c.App("api")
	c.App("public", func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "none" })
	return &rig{gatewaytest.New(t, gatewaytest.Options{RedisURL: redis}, c), t, c, c.Domain.GetId(), 1}
}

func (r *rig) tokens(pairs ...string) map[string]any {
	r.t.Helper()
	a := r.Post("/acme/oauth/token", gatewaytest.Form(pairs...), gatewaytest.Basic("web"))
	if a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return a.JSON(r.t)
}

func (r *rig) introspect(token any) gatewaytest.Answer {
	r.t.Helper()
	return r.Post("/acme/oauth/introspect", gatewaytest.Form("token", token.(string)), gatewaytest.Basic("api"))
}

// described introspects a token that is in force.
func (r *rig) described(token any) map[string]any {
	r.t.Helper()
	a := r.introspect(token)
	got := a.JSON(r.t)
	if a.Status != http.StatusOK || got["active"] != true || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
		r.t.Fatalf("status %d: %s, header %v", a.Status, a.Body, a.Header)
	}
	return got
}

func (r *rig) inactive(why string, token any) {
	r.t.Helper()
	if a := r.introspect(token); a.Status != http.StatusOK || a.Body != `{"active":false}` {
		r.t.Errorf("%s: status %d, body %s", why, a.Status, a.Body)
	}
}

func (r *rig) apply(parts ...*configv1.Application) {
	r.revision++
	for _, p := range parts {
		r.Apply(gatewaytest.Upserts(r.revision, p))
	}
}

func TestAccessToken(t *testing.T) {
	r := newRig(t, "redis://127.0.0.1:1") // nothing here needs Redis
	t.Run("of a client: its claims, active and the type", func(t *testing.T) {
		token := r.tokens("grant_type", "client_credentials", "scope", "read write")["access_token"]
		got := r.described(token)
		now := float64(r.Clock.Now().Unix())
		for name, want := range map[string]any{
			"active": true, "token_type": "bearer", "client_id": "web", "sub": "web", "aud": "web", "scope": "read write", "iat": now, "exp": now + 7200,
			"iss": "https://gw.example/acme/oidc", "domain": r.domain, "dept": "north",
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if names := slices.Sorted(maps.Keys(got)); len(names) != 12 || got["jti"] == nil {
			t.Errorf("members %v", names)
		}
		if again := r.described(token); again["jti"] != got["jti"] {
			t.Error("a second look differs")
		}
	})
	t.Run("of another algorithm", func(t *testing.T) {
		r.apply(gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) { a.Settings.Oauth.AccessTokenSigningAlg = "RS256" }))
		r.described(r.tokens("grant_type", "client_credentials")["access_token"])
	})
	token := r.tokens("grant_type", "client_credentials")["access_token"].(string)
	t.Run("that is none", func(t *testing.T) {
		parts := strings.Split(token, ".")
		foreign, err := jose.GenerateKey(jose.ES256, "es")
		if err != nil {
			t.Fatal(err)
		}
		forged, err := foreign.Sign(jose.TypeJWT, []byte(`{"iss":"https://gw.example/acme/oidc","sub":"web","client_id":"web","jti":"1","domain":"`+r.domain+`","exp":9999999999}`))
		if err != nil {
			t.Fatal(err)
		}
		for why, token := range map[string]string{
			"malformed": "x", "no payload": parts[0] + ".." + parts[2], "cut off": token[:len(token)-5], "changed": parts[0] + "." + parts[1][:len(parts[1])-2] + "AA." + parts[2],
			"unsigned": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3ZWIifQ.", "wrongly signed": forged, "huge": strings.Repeat("a", 100_000), "binary": "\x00\xff",
		} {
			r.inactive(why, token)
		}
	})
	t.Run("signed by the domain and no access token", func(t *testing.T) {
		key := r.config.Keys["es"]
		exp := r.Clock.Now().Add(time.Hour).Unix()
		sign := func(typ string, change map[string]any) string {
			claims := map[string]any{
				"iss": "https://gw.example/acme/oidc", "sub": "web", "aud": "web", "client_id": "web", "jti": "1", "domain": r.domain, "iat": exp - 3600, "exp": exp,
			}
			for name, v := range change {
				if claims[name] = v; v == nil {
					delete(claims, name)
				}
			}
			body, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			token, err := key.Sign(typ, body)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		r.described(sign(jose.TypeJWT, nil))
		r.described(sign(jose.TypeAccessToken, nil))
		r.described(sign(jose.TypeJWT, map[string]any{"iat": r.Clock.Now().Unix() + 29})) // the clock of another gateway
		for why, token := range map[string]string{
			"an ID token":                   sign(jose.TypeJWT, map[string]any{"client_id": nil, "jti": nil, "domain": nil}),
			"a registration access token":   sign(jose.TypeJWT, map[string]any{"client_id": nil, "scope": "dcr"}),
			"one with a client":             sign(jose.TypeJWT, map[string]any{"scope": "dcr"}),
			"a logout token":                sign(jose.TypeLogoutToken, nil),
			"of another issuer":             sign(jose.TypeJWT, map[string]any{"iss": "https://gw.example/other/oidc"}),
			"of another domain":             sign(jose.TypeJWT, map[string]any{"domain": "other"}),
			"expired":                       sign(jose.TypeJWT, map[string]any{"exp": r.Clock.Now().Unix()}),
			"without an end":                sign(jose.TypeJWT, map[string]any{"exp": nil}),
			"made far in the future":        sign(jose.TypeJWT, map[string]any{"iat": r.Clock.Now().Unix() + 31}),
			"of a client that is not there": sign(jose.TypeJWT, map[string]any{"client_id": "gone"}),
		} {
			r.inactive(why, token)
		}
	})
	t.Run("that expires while it is remembered", func(t *testing.T) {
		r.described(token)
		r.Clock.Forward(7200 * time.Second)
		r.inactive("expired", token)
		r.Clock.Forward(-7200 * time.Second)
	})
	t.Run("of a client that is disabled, and enabled again, and deleted", func(t *testing.T) {
		r.described(token)
		r.apply(gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) { a.Enabled = proto.Bool(false) }))
		r.inactive("disabled", token)
		r.apply(gatewaytest.NewApp(r.domain, "web"))
		r.described(token)
		r.revision++
		r.Apply(gatewaytest.Deletes(r.revision, gatewaytest.NewApp(r.domain, "web")))
		r.inactive("deleted", token)
		r.apply(gatewaytest.NewApp(r.domain, "web"))
	})
	t.Run("that is older than what its client may use", func(t *testing.T) {
		token := r.tokens("grant_type", "client_credentials")["access_token"]
		from := func(at time.Time) func(*configv1.Application) {
			return func(a *configv1.Application) { a.TokensValidFrom = timestamppb.New(at) }
		}
		r.apply(gatewaytest.NewApp(r.domain, "web", from(r.Clock.Now().Add(999*time.Millisecond))))
		r.described(token) // tokens know whole seconds
		r.Clock.Forward(time.Second)
		r.apply(gatewaytest.NewApp(r.domain, "web", from(r.Clock.Now()), func(a *configv1.Application) { a.Enabled = proto.Bool(false) }))
		r.apply(gatewaytest.NewApp(r.domain, "web", from(r.Clock.Now())))
		r.inactive("the client was disabled meanwhile", token)
		fresh := r.tokens("grant_type", "client_credentials")["access_token"]
		r.described(fresh)
		r.Clock.Forward(time.Second)
		r.revision++
		r.Apply(gatewaytest.Deletes(r.revision, gatewaytest.NewApp(r.domain, "web")))
		r.apply(gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) {
			a.Id, a.CreatedAt = "app-web-2", timestamppb.New(r.Clock.Now())
		}))
		r.inactive("another application took over the client_id", fresh)
		r.revision++
		r.Apply(gatewaytest.Deletes(r.revision, gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) { a.Id = "app-web-2" })))
		r.apply(gatewaytest.NewApp(r.domain, "web"))
	})
	t.Run("whose key is withdrawn, although it was verified before", func(t *testing.T) {
		r.described(token)
		r.revision++
		fresh := r.config.Certificate("fresh", jose.ES256)
		r.Apply(gatewaytest.Upserts(r.revision, fresh))
		r.Apply(gatewaytest.Deletes(r.revision, &configv1.Certificate{Id: "rs", Domain: r.domain}, &configv1.Certificate{Id: "es", Domain: r.domain}))
		r.inactive("signed by a key that is gone", token)
	})
}

func TestTokenOfAPerson(t *testing.T) {
	r := newRig(t, "")
	token := r.tokens("grant_type", "password", "username", "ann", "password", gatewaytest.Password)["access_token"]
	subject := gatewaytest.Subject("staff", "ann")
	t.Run("the directory says the name", func(t *testing.T) {
		got := r.described(token)
		if got["username"] != "ann" || got["sub"] != subject || got["gis"] != "staff:ann" {
			t.Errorf("members %v", got)
		}
	})
	t.Run("it is asked once in a while", func(t *testing.T) {
		before := r.Directory.Calls()
		for range 10 {
			r.described(token)
		}
		if n := r.Directory.Calls() - before; n != 0 {
			t.Errorf("%d questions", n)
		}
	})
	t.Run("without it the name is repeated for a while, then left out", func(t *testing.T) {
		r.Directory.Away(fault.Unavailablef("away"))
		defer r.Directory.Away(nil)
		r.Clock.Forward(9 * time.Minute)
		if got := r.described(token); got["username"] != "ann" {
			t.Errorf("members %v", got)
		}
		r.Clock.Forward(2 * time.Minute)
		if got := r.described(token); got["username"] != nil || got["sub"] != subject {
			t.Errorf("members %v", got)
		}
		r.Clock.Forward(2 * time.Second)
	})
	t.Run("somebody who may not sign in any more", func(t *testing.T) {
		user, err := r.Directory.User(context.Background(), r.domain, subject)
		if err != nil {
			t.Fatal(err)
		}
		user.Enabled = proto.Bool(false)
		r.Directory.Put(r.domain, user)
		r.Clock.Forward(time.Minute)
		r.inactive("disabled", token)
		r.Directory.Remove(r.domain, subject)
		r.Clock.Forward(time.Minute)
		r.inactive("removed", token)
	})
}

func TestRefreshToken(t *testing.T) {
	r := newRig(t, "")
	begin := func() string {
		return r.tokens("grant_type", "password", "username", "ann", "password", gatewaytest.Password, "scope", "read")["refresh_token"].(string)
	}
	token := begin()
	got, now := r.described(token), float64(r.Clock.Now().Unix())
	want := map[string]any{
		"active": true, "token_type": "refresh_token", "client_id": "web", "scope": "read", "sub": gatewaytest.Subject("staff", "ann"), "username": "ann",
		"iss": "https://gw.example/acme/oidc", "domain": r.domain, "iat": now, "exp": now + 14400,
	}
	if !maps.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	r.described(token) // looking does not use it
	next := r.tokens("grant_type", "refresh_token", "refresh_token", token)["refresh_token"]
	r.inactive("rotated", token)
	r.described(next)
	r.inactive("garbage of the same form", strings.Repeat("a", 22)+"."+strings.Repeat("b", 22)+"."+strings.Repeat("c", 43))
	r.apply(gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) { a.Enabled = proto.Bool(false) }))
	r.inactive("of a disabled client", next)
	r.apply(gatewaytest.NewApp(r.domain, "web"))
	r.Clock.Forward(4 * time.Hour)
	r.inactive("expired", next)
}

func TestI1WhoMayIntrospect(t *testing.T) {
	r := newRig(t, "redis://127.0.0.1:1")
	tests := []struct {
		name   string
		pairs  []string
		change []gatewaytest.Change
		want   string
	}{
		{"nobody", []string{"token", "x"}, nil, "Unauthorized | invalid_client | Invalid client: missing or unsupported authentication method"},
		{"a public client", []string{"token", "x", "client_id", "public"}, nil, "Unauthorized | invalid_client | Invalid client: missing or unsupported authentication method"},
		{"a wrong secret", []string{"token", "x"}, []gatewaytest.Change{gatewaytest.BasicWith("api", "wrong")}, "Unauthorized | invalid_client | Client authentication failed due to unknown clientId, expired or invalid client secret"},
		{"no token", nil, []gatewaytest.Change{gatewaytest.Basic("api")}, "Bad Request | invalid_request | Missing parameter: token"},
		{"two tokens", []string{"token", "x", "token", "y"}, []gatewaytest.Change{gatewaytest.Basic("api")}, "Bad Request | invalid_request | Parameter [token] is included more than once"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Post("/acme/oauth/introspect", gatewaytest.Form(tt.pairs...), tt.change...).Error(t); got != tt.want {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
		})
	}
	if a := r.Get("/acme/oauth/introspect?token=x", gatewaytest.Basic("api")); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET is %d", a.Status)
	}
	t.Run("a hint is only a hint", func(t *testing.T) {
		token := r.tokens("grant_type", "client_credentials")["access_token"].(string)
		a := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", token, "token_type_hint", "refresh_token"), gatewaytest.Basic("api"))
		if a.JSON(t)["active"] != true {
			t.Errorf("body %s", a.Body)
		}
	})
	t.Run("what cannot be told is not told wrong", func(t *testing.T) {
		a := r.introspect(strings.Repeat("a", 22) + "." + strings.Repeat("b", 22) + "." + strings.Repeat("c", 43)) // Redis is away
		if a.Status != 503 || a.JSON(t)["error"] != "temporarily_unavailable" {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
}

func TestAClientThatCannotBeLookedUp(t *testing.T) {
	away := errors.New("away")
	c := gatewaytest.NewAcme(t)
	c.App("web")
	c.App("api")
	r := &rig{gatewaytest.New(t, gatewaytest.Options{
		RedisURL: "redis://127.0.0.1:1",
		Resolve:  gatewaytest.Resolve(func(context.Context, string, string) (*configv1.Application, error) { return nil, away }),
	}, c), t, c, c.Domain.GetId(), 1}
	token := r.tokens("grant_type", "client_credentials")["access_token"]
	r.Apply(gatewaytest.Deletes(2, gatewaytest.NewApp(r.domain, "web")))
	if a := r.introspect(token); a.Status != http.StatusInternalServerError || a.Body != `{"error":"server_error"}` {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
}
