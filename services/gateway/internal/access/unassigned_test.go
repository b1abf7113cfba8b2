package access_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestAcceptance29AnUnassignedProviderAnswersForNobodyAtAnyEndpoint(t *testing.T) {
	r := newRig(t, func(_ *gatewaytest.Config, a *configv1.Application) {
		a.Slug, a.LaunchUrl = "pay", "https://pay.example/"
	})
	ann := r.Browser("/acme")
	issued, second := r.tokens(ann, "ann", "pay"), r.tokens(ann, "ann", "pay")
	code := r.enter(ann, "ann", authorize("pay")).Query().Get("code")
	started := r.Post("/acme/oauth/device_authorization", gatewaytest.Form("scope", "openid"), gatewaytest.Basic("pay")).JSON(t)
	pushed := r.Post("/acme/oauth/par", pushedRequest(), gatewaytest.Basic("pay")).JSON(t)
	token := func(tokens map[string]any, name string) string { text, _ := tokens[name].(string); return text }
	if code == "" || token(started, "device_code") == "" || token(pushed, "request_uri") == "" {
		t.Fatalf("before: code %q, device %v, pushed %v", code, started, pushed)
	}

	// Every question is asked by the client, and by one that never was.
	questions := []struct {
		what string
		ask  func(client string) gatewaytest.Answer
	}{
		{"client credentials", func(c string) gatewaytest.Answer { return r.token(c, "grant_type", "client_credentials") }},
		{"the password grant", func(c string) gatewaytest.Answer { return r.password(c, "ann") }},
		{"a code", func(c string) gatewaytest.Answer {
			return r.token(c, "grant_type", "authorization_code", "code", code, "redirect_uri", "https://pay.example/cb")
		}},
		{"a refresh token", func(c string) gatewaytest.Answer {
			return r.token(c, "grant_type", "refresh_token", "refresh_token", token(issued, "refresh_token"))
		}},
		{"a device code", func(c string) gatewaytest.Answer {
			return r.token(c, "grant_type", device, "device_code", token(started, "device_code"))
		}},
		{"an exchange", func(c string) gatewaytest.Answer {
			return r.token(c, "grant_type", exchange, "subject_token", token(issued, "access_token"), "subject_token_type", accessType)
		}},
		{"device authorization", func(c string) gatewaytest.Answer {
			return r.Post("/acme/oauth/device_authorization", gatewaytest.Form("scope", "openid"), gatewaytest.Basic(c))
		}},
		{"a pushed request", func(c string) gatewaytest.Answer {
			return r.Post("/acme/oauth/par", pushedRequest(), gatewaytest.Basic(c))
		}},
		{"introspection", func(c string) gatewaytest.Answer {
			return r.Post("/acme/oauth/introspect", gatewaytest.Form("token", token(issued, "access_token")), gatewaytest.Basic(c))
		}},
		{"revocation", func(c string) gatewaytest.Answer {
			return r.Post("/acme/oauth/revoke", gatewaytest.Form("token", token(issued, "refresh_token")), gatewaytest.Basic(c))
		}},
		{"authorization", func(c string) gatewaytest.Answer { return r.Get("/acme" + authorize(c)) }},
		{"authorization by a pushed request", func(c string) gatewaytest.Answer {
			return r.Get("/acme/oauth/authorize?client_id=" + c + "&request_uri=" + url.QueryEscape(token(pushed, "request_uri")))
		}},
	}
	before := r.token("pay", "grant_type", "client_credentials")
	if before.Status != http.StatusOK {
		t.Fatalf("before: %d %s", before.Status, before.Body)
	}
	r.put(2, func(a *configv1.Application) {
		a.Part, a.Slug, a.LaunchUrl = configv1.Application_PROVIDER, "pay", "https://pay.example/"
	})
	for _, q := range questions {
		got, stranger := q.ask("pay"), q.ask("nobody")
		if got.Status != stranger.Status || strings.ReplaceAll(got.Body, "pay", "nobody") != strings.ReplaceAll(stranger.Body, "pay", "nobody") || got.Status == http.StatusOK {
			t.Errorf("%s: %d %s; somebody who never was: %d %s", q.what, got.Status, got.Body, stranger.Status, stranger.Body)
		}
	}
	if a := r.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+token(issued, "access_token"))); a.Status != http.StatusUnauthorized {
		t.Errorf("UserInfo with a token of before: %d %s", a.Status, a.Body)
	}
	info := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", token(issued, "access_token")), gatewaytest.Basic("open"))
	want(t, "introspection of a token of before, by another", info.Body, `{"active":false}`)
	if page := ann.Get("/application/launch/pay/"); page.StatusCode != http.StatusNotFound {
		t.Errorf("launch: %d", page.StatusCode)
	}
	if list := ann.Get("/portal/applications"); list.StatusCode != http.StatusOK || strings.Contains(list.Text, "Payroll") {
		t.Errorf("My applications: %d %s", list.StatusCode, list.Text)
	}

	// Connected again it is who it was.
	r.put(3, func(*configv1.Application) {})
	if a := r.token("pay", "grant_type", "client_credentials"); a.Status != http.StatusOK {
		t.Errorf("connected again: %d %s", a.Status, a.Body)
	}
	want(t, "a refresh token that nobody revoked", fmt.Sprint(r.refresh("pay", second).Status), "200")
}

func pushedRequest() url.Values {
	_, query, _ := strings.Cut(authorize("pay"), "?")
	q, _ := url.ParseQuery(query)
	q.Del("client_id")
	return q
}

func (r *rig) token(client string, pairs ...string) gatewaytest.Answer {
	r.t.Helper()
	return r.Post("/acme/oauth/token", gatewaytest.Form(pairs...), gatewaytest.Basic(client))
}
