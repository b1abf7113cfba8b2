package userinfo_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

type rig struct {
	*gatewaytest.Harness
	t       *testing.T
	domain  string
	subject string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.App("web")
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c) // nothing here needs Redis
	return &rig{h, t, c.Domain.GetId(), gatewaytest.Subject("staff", "ann")}
}

// token makes an access token of ann for some scopes; without a person it is the client's own.
func (r *rig) token(person bool, scopes ...string) string {
	r.t.Helper()
	d := r.Domains.Domain(r.domain)
	c, err := d.Client(r.t.Context(), "web")
	if err != nil {
		r.t.Fatal(err)
	}
	a := tokens.Authorization{Client: c, Scopes: scopes}
	if person {
		user, err := r.Directory.SignIn(r.t.Context(), r.domain, "", gatewaytest.Identity("ann"))
		if err != nil {
			r.t.Fatal(err)
		}
		who := tokens.PersonOf(user)
		a.Person = &who
	}
	made, err := r.Minter.Mint(r.t.Context(), d, a)
	if err != nil {
		r.t.Fatal(err)
	}
	return made.AccessToken
}

const path = "/acme/oidc/userinfo"

func bearer(token string) gatewaytest.Change {
	return gatewaytest.Header("Authorization", "Bearer "+token)
}

func TestU1UserInfoTakesTheTokenInHeaderAndForm(t *testing.T) {
	r := newRig(t)
	full := `{"email":"ann@acme.example","email_verified":false,"family_name":"Doe","given_name":"ann","name":"ann Doe","preferred_username":"ann","sub":"` + r.subject + `"}`
	token := r.token(true, "openid", "profile", "email")
	ways := map[string]func() gatewaytest.Answer{
		"GET with a header":   func() gatewaytest.Answer { return r.Get(path, bearer(token)) },
		"POST with a header":  func() gatewaytest.Answer { return r.Post(path, nil, bearer(token)) },
		"POST with a form":    func() gatewaytest.Answer { return r.Post(path, gatewaytest.Form("access_token", token)) },
		"GET with a query":    func() gatewaytest.Answer { return r.Get(path + "?access_token=" + token) },
		"the scheme in small": func() gatewaytest.Answer { return r.Get(path, gatewaytest.Header("Authorization", "bearer "+token)) },
		"POST with a body of JSON": func() gatewaytest.Answer {
			return r.Post(path, nil, bearer(token), gatewaytest.Header("Content-Type", "application/json"))
		},
		"GET with other parameters": func() gatewaytest.Answer { return r.Get(path+"?schema=openid", bearer(token)) },
	}
	for name, ask := range ways {
		t.Run(name, func(t *testing.T) {
			a := ask()
			if a.Status != http.StatusOK || a.Body != full || a.Header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
			want := "no-store"
			if name == "GET with a query" {
				want = "no-store, private"
			}
			if got := a.Header.Get("Cache-Control"); got != want {
				t.Errorf("Cache-Control %q, want %q", got, want)
			}
		})
	}
	t.Run("openid alone", func(t *testing.T) {
		if a := r.Get(path, bearer(r.token(true, "openid"))); a.Body != `{"sub":"`+r.subject+`"}` {
			t.Errorf("body %s", a.Body)
		}
	})
	t.Run("a change in the directory shows", func(t *testing.T) {
		user, err := r.Directory.User(context.Background(), r.domain, r.subject)
		if err != nil {
			t.Fatal(err)
		}
		user.FirstName = "Anna"
		r.Directory.Put(r.domain, user)
		r.Clock.Forward(time.Second)
		if a := r.Get(path, bearer(token)); a.JSON(t)["given_name"] != "Anna" {
			t.Errorf("body %s", a.Body)
		}
	})
}

func TestU5WhyATokenIsRefused(t *testing.T) {
	r := newRig(t)
	const plain = `Bearer realm="gatehouse"`
	invalid := plain + `, error="invalid_token", error_description="The access token is invalid"`
	good := r.token(true, "openid")
	tests := []struct {
		name      string
		ask       func() gatewaytest.Answer
		want      string
		challenge string
	}{
		{"no token", func() gatewaytest.Answer { return r.Get(path) }, "Unauthorized | invalid_token | Missing access token", plain},
		{"an empty form", func() gatewaytest.Answer { return r.Post(path, nil) }, "Unauthorized | invalid_token | Missing access token", plain},
		{"a bad token", func() gatewaytest.Answer { return r.Get(path, bearer("x")) }, "Unauthorized | invalid_token | The access token is invalid", invalid},
		{"a bad token in a form", func() gatewaytest.Answer { return r.Post(path, gatewaytest.Form("access_token", "x")) }, "Unauthorized | invalid_token | The access token is invalid", invalid},
		{"a client's own token", func() gatewaytest.Answer { return r.Get(path, bearer(r.token(false, "openid"))) },
			"Unauthorized | invalid_token | The access token was not issued for an End-User.", plain + `, error="invalid_token", error_description="The access token was not issued for an End-User."`},
		{"a token without openid", func() gatewaytest.Answer { return r.Get(path, bearer(r.token(true, "profile"))) },
			"Forbidden | insufficient_scope | Invalid access token scopes. The access token should have at least 'openid' scope",
			plain + `, error="insufficient_scope", error_description="Invalid access token scopes. The access token should have at least 'openid' scope", scope="openid"`},
		{"two tokens", func() gatewaytest.Answer { return r.Post(path, gatewaytest.Form("access_token", good), bearer(good)) },
			"Bad Request | invalid_request | The access token was sent twice", plain + `, error="invalid_request", error_description="The access token was sent twice"`},
		{"another scheme", func() gatewaytest.Answer { return r.Get(path, gatewaytest.Basic("web")) },
			"Unauthorized | invalid_token | The access token must be sent with the scheme Bearer or DPoP", plain + `, error="invalid_token", error_description="The access token must be sent with the scheme Bearer or DPoP"`},
		{"a header without a space", func() gatewaytest.Answer { return r.Get(path, gatewaytest.Header("Authorization", good)) },
			"Bad Request | invalid_request | The Authorization header has no credentials", plain + `, error="invalid_request", error_description="The Authorization header has no credentials"`},
		{"a form that is too large", func() gatewaytest.Answer { return r.Post(path, gatewaytest.Form("x", strings.Repeat("x", 300<<10))) },
			"Bad Request | invalid_request | The request body is larger than 262144 bytes", plain + `, error="invalid_request", error_description="The request body is larger than 262144 bytes"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.ask()
			if got := a.Error(t); got != tt.want {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
			if got := a.Header.Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("challenge %s, want %s", got, tt.challenge)
			}
		})
	}
}

func TestU5ATokenWhoseOwnersAreGone(t *testing.T) {
	const invalid = "Unauthorized | invalid_token | The access token is invalid"
	tests := []struct {
		name string
		do   func(r *rig)
		want string
	}{
		{"the person is removed", func(r *rig) { r.Directory.Remove(r.domain, r.subject) }, invalid},
		{"the person is disabled", func(r *rig) {
			user, err := r.Directory.User(context.Background(), r.domain, r.subject)
			if err != nil {
				r.t.Fatal(err)
			}
			user.Enabled = proto.Bool(false)
			r.Directory.Put(r.domain, user)
		}, invalid},
		{"the client is deleted", func(r *rig) { r.Apply(gatewaytest.Deletes(2, gatewaytest.NewApp(r.domain, "web"))) }, invalid},
		{"the client was disabled for a while", func(r *rig) {
			r.Clock.Forward(time.Second)
			r.Apply(gatewaytest.Upserts(2, gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) { a.TokensValidFrom = timestamppb.New(r.Clock.Now()) })))
		}, invalid},
		{"the client is disabled", func(r *rig) {
			r.Apply(gatewaytest.Upserts(2, gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) { a.Enabled = proto.Bool(false) })))
		}, invalid},
		{"the client is a template", func(r *rig) {
			r.Apply(gatewaytest.Upserts(2, gatewaytest.NewApp(r.domain, "web", func(a *configv1.Application) { a.Template = true })))
		}, invalid},
		{"the directory is away from the beginning", func(r *rig) { r.Directory.Away(fault.Unavailablef("away")) },
			"Service Unavailable | temporarily_unavailable | a part that is needed to answer is not available, try again shortly"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			token := r.token(true, "openid")
			tt.do(r)
			if got := r.Get(path, bearer(token)).Error(t); got != tt.want {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("the directory goes away later", func(t *testing.T) {
		r := newRig(t)
		token := r.token(true, "openid")
		r.Get(path, bearer(token))
		r.Directory.Away(fault.Unavailablef("away"))
		r.Clock.Forward(5 * time.Minute)
		if a := r.Get(path, bearer(token)); a.Status != http.StatusOK {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
}
