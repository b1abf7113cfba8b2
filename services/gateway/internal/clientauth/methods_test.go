package clientauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/assembly"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestC1OnlyTheRegisteredMethodAndOnlyOneAreAccepted(t *testing.T) {
	key := gatewaytest.ClientKey(t, "es", jose.ES256)
	c := gatewaytest.NewAcme(t)
	c.App("basic")
	c.App("post", func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = "client_secret_post" })
	c.App("key", gatewaytest.ByKey(t, key))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	form := func(pairs ...string) []string { return append([]string{"grant_type", "client_credentials"}, pairs...) }
	tests := []struct {
		name   string
		form   []string
		assert string
		change gatewaytest.Change
		want   string
	}{
		{"Basic", form(), "", gatewaytest.Basic("basic"), ""},
		{"Basic beside the client_id", form("client_id", "basic"), "", gatewaytest.Basic("basic"), ""},
		{"the parameters of a client of Basic", form("client_id", "basic", "client_secret", gatewaytest.Secret), "", nil, "invalid_client"},
		{"Basic of a client of post", form(), "", gatewaytest.Basic("post"), "invalid_client"},
		{"an assertion of a client of Basic", form(), "basic", nil, "invalid_client"},
		{"Basic of a client with keys", form(), "", gatewaytest.Basic("key"), "invalid_client"},
		{"nothing of a client with keys", form("client_id", "key"), "", nil, "invalid_client"},
		{"Basic and parameters", form("client_id", "basic", "client_secret", gatewaytest.Secret), "", gatewaytest.Basic("basic"), "invalid_request"},
		{"Basic and an assertion", form(), "key", gatewaytest.Basic("basic"), "invalid_request"},
		{"parameters and an assertion", form("client_id", "key", "client_secret", gatewaytest.Secret), "key", nil, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := gatewaytest.Form(tt.form...)
			if tt.assert != "" {
				f = h.Asserting(f, key, tt.assert)
			}
			got := h.Post("/acme/oauth/token", f, tt.change)
			if code, _ := got.JSON(t)["error"].(string); code != tt.want {
				t.Errorf("%d %s, want %q", got.Status, got.Body, tt.want)
			}
		})
	}
}

func TestC2AFailureIs401AndABasicOneIsChallenged(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("basic")
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	for name, tt := range map[string]struct {
		change    gatewaytest.Change
		challenge string
	}{
		"by Basic":  {gatewaytest.BasicWith("basic", "wrong"), `Basic realm="gatehouse"`},
		"otherwise": {nil, ""},
	} {
		got := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "client_credentials", "client_id", "basic"), tt.change)
		if got.Status != http.StatusUnauthorized || got.JSON(t)["error"] != "invalid_client" || got.Header.Get("WWW-Authenticate") != tt.challenge {
			t.Errorf("%s: %d %s, challenge %q", name, got.Status, got.Body, got.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestC3CredentialsOfBasicAreDecodedFirst(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("with+plus", func(a *configv1.Application) { a.Secrets[0].Hash = secret.Generated("p+q%:") })
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	for name, credentials := range map[string]string{"encoded": "with%2Bplus:p%2Bq%25%3A", "with a plus as it is": "with+plus:p+q%25%3A"} {
		if got := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "client_credentials"), rawBasic(credentials)); got.Status != 200 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
}

func TestC6KeysAreOfferedAndSecretsKeptAsHashes(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("basic")
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	listed := h.Get("/acme/oidc/.well-known/openid-configuration").Body
	if !strings.Contains(listed, `"private_key_jwt"`) {
		t.Errorf("keys are not offered: %s", listed)
	}
	client, err := h.Domains.Domain(c.Domain.GetId()).Client(t.Context(), "basic")
	if err != nil {
		t.Fatal(err)
	}
	if s := client.Secrets[0]; s.Value != "" || strings.Contains(s.Hash, gatewaytest.Secret) {
		t.Errorf("the gateway has more than a hash: %+v", s)
	}
}

func TestC7ASecretOfAPublicClientHasNoWeight(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("native", func(a *configv1.Application) {
		a.Type, a.Settings.Oauth.TokenEndpointAuthMethod = configv1.Application_NATIVE, "none"
	})
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	credentials := gatewaytest.Form("grant_type", "client_credentials", "client_id", "native")
	for name, change := range map[string]gatewaytest.Change{"its secret": gatewaytest.Basic("native"), "its name": nil} {
		if got := h.Post("/acme/oauth/token", credentials, change); got.Status != 401 {
			t.Errorf("by %s it acts for itself: %d %s", name, got.Status, got.Body)
		}
		if got := h.Post("/acme/oauth/introspect", gatewaytest.Form("token", "x", "client_id", "native"), change); got.Status != 401 {
			t.Errorf("by %s it introspects: %d %s", name, got.Status, got.Body)
		}
	}
}

func TestE9WhatOnlyAProxyMaySayIsTakenFromNobodyElse(t *testing.T) {
	proxies := func(list ...string) *observe.Proxies {
		p, err := observe.ParseProxies(list)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, tt := range map[string]struct {
		proxies *observe.Proxies
		kept    bool
	}{"from anybody": {proxies("192.0.2.0/24"), false}, "from a trusted proxy": {proxies("127.0.0.0/8", "::1"), true}, "where there is no proxy": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			// A rule sees the header of the request, if there is one.
			c.App("ruled", func(a *configv1.Application) {
				a.IdentityProviders[0].SelectionRule = `"x-forwarded-for" in request.headers || "X-Forwarded-For" in request.headers`
			})
			h := gatewaytest.New(t, gatewaytest.Options{Proxies: tt.proxies, Certificates: assembly.Certificates{Header: "Client-Cert"}}, c)
			got := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "password", "username", "ann", "password", gatewaytest.Password),
				gatewaytest.Basic("ruled"), gatewaytest.Header("X-Forwarded-For", "198.51.100.7"))
			if kept := got.Status == 200; kept != tt.kept {
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
}

func TestProfilesRefuseMethods(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("basic", in(profile.FAPI2))
	c.App("secret", bySecret, in(profile.FAPI2))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	for name, got := range map[string]gatewaytest.Answer{
		"Basic":             h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "client_credentials"), gatewaytest.Basic("basic")),
		"client_secret_jwt": h.Post("/acme/oauth/token", h.Asserting(gatewaytest.Form("grant_type", "client_credentials"), hmacKey(t, jose.HS256, longSecret), "secret")),
	} {
		if want := "Unauthorized | " + string(oauth2.InvalidClient) + " | Client authentication failed: the security profile does not allow the client's method"; got.Error(t) != want {
			t.Errorf("%s: %s", name, got.Error(t))
		}
	}
}
