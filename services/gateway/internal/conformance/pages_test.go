package conformance

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

var (
	elementIDs = regexp.MustCompile(`<[a-z][^>]* id="([^"]*)"`)
	formTags   = regexp.MustCompile(`<form [^>]*>`)
	formAction = regexp.MustCompile(` action="([^"]*)"`)
	linkTags   = regexp.MustCompile(`<a [^>]*href="([^"]*)"`)
	handlers   = regexp.MustCompile(`(?i)<[^>]* on[a-z]+=|javascript:`)
)

// plainPage checks that a page needs no script: what can be done on it is done by forms and links that lead somewhere from
// wherever the page was saved, and whoever reads it finds the elements by their ids.
func plainPage(t *testing.T, name string, r *browsertest.Response, status int, ids ...string) {
	t.Helper()
	if r.StatusCode != status || r.Header.Get("Content-Type") != "text/html; charset=utf-8" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: status %d, header %v", name, r.StatusCode, r.Header)
	}
	if strings.Contains(r.Text, "<script") || handlers.MatchString(r.Text) {
		t.Errorf("%s wants a script:\n%s", name, r.Text)
	}
	var found []string
	for _, m := range elementIDs.FindAllStringSubmatch(r.Text, -1) {
		if slices.Contains(found, m[1]) {
			t.Errorf("%s: two elements are called %s", name, m[1])
		}
		found = append(found, m[1])
	}
	for _, id := range ids {
		if !slices.Contains(found, id) {
			t.Errorf("%s: no element is called %s, there are %v:\n%s", name, id, found, r.Text)
		}
	}
	forms := formTags.FindAllString(r.Text, -1)
	for _, form := range forms {
		action := formAction.FindStringSubmatch(form)
		if action == nil || !strings.HasPrefix(action[1], gatewaytest.PublicURL+"/acme/") || !strings.Contains(form, `method="post"`) {
			t.Errorf("%s: %s", name, form)
		}
	}
	if strings.Count(r.Text, `type="submit"`) < len(forms) {
		t.Errorf("%s: a form cannot be sent:\n%s", name, r.Text)
	}
	for _, link := range linkTags.FindAllStringSubmatch(r.Text, -1) {
		if u, err := url.Parse(link[1]); err != nil || !u.IsAbs() && !strings.HasPrefix(link[1], "/") {
			t.Errorf("%s: link to %s", name, link[1])
		}
	}
}

func TestP1EveryPageWorksWithoutScripts(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("asks", func(a *configv1.Application) { a.Settings.Oauth.FrontchannelLogoutUri = "https://asks.example/out" })
	c.App("names", silent(), func(a *configv1.Application) {
		a.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), IdentifierFirstEnabled: true}
	})
	c.App("tv", silent(), func(a *configv1.Application) {
		a.Settings.Oauth.GrantTypes = []string{"urn:ietf:params:oauth:grant-type:device_code"}
		a.Settings.Oauth.ResponseTypes = nil
	})
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")

	page := b.Follow(b.Get(askFor("asks", "&state=s")))
	plainPage(t, "sign-in", page, http.StatusOK, "username", "password", "login-submit")
	page = b.Follow(b.SignIn(page, "ann", "wrong"))
	plainPage(t, "sign-in again", page, http.StatusOK, "username", "password", "login-submit", "message")
	page = b.Follow(b.SignIn(page, "ann", gatewaytest.Password))
	plainPage(t, "consent", page, http.StatusOK, "consent-allow", "consent-deny")
	form := b.Form(page)
	form.Values.Set("user_oauth_approval", "true")
	for name := range form.Values {
		if strings.HasPrefix(name, "scope.") {
			form.Values.Set(name, "true")
		}
	}
	if done := b.Follow(b.Post(form.Action, form.Values)); !strings.HasPrefix(done.Location(), "https://asks.example/cb?code=") {
		t.Errorf("after consent: %d %s", done.StatusCode, done.Location())
	}

	other := h.Browser("/acme")
	page = other.Follow(other.Get(askFor("names", "")))
	plainPage(t, "identifier", page, http.StatusOK, "username")
	form = other.Form(page)
	form.Values.Set("username", "bob")
	page = other.Follow(other.Post(form.Action, form.Values))
	plainPage(t, "password", page, http.StatusOK, "username", "password", "login-submit")
	if done := other.Follow(other.SignIn(page, "bob", gatewaytest.Password)); !strings.HasPrefix(done.Location(), "https://names.example/cb?code=") {
		t.Errorf("identifier first: %d %s", done.StatusCode, done.Location())
	}

	plainPage(t, "error", b.Follow(b.Get(askFor("nobody", ""))), http.StatusBadRequest)

	codes := h.Post("/acme/oauth/device_authorization", gatewaytest.Form("client_id", "tv"), gatewaytest.Basic("tv")).JSON(t)
	page = b.Follow(b.Get("/device"))
	plainPage(t, "device", page, http.StatusOK, "user_code", "device-submit")
	form = b.Form(page)
	form.Values.Set("user_code", codes["user_code"].(string))
	page = b.Follow(b.Post(form.Action, form.Values))
	plainPage(t, "device question", page, http.StatusOK, "device-code", "device-allow", "device-deny")
	form = b.Form(page)
	form.Values.Set("user_oauth_approval", "true")
	plainPage(t, "device done", b.Follow(b.Post(form.Action, form.Values)), http.StatusOK)

	plainPage(t, "applications", b.Get("/account/applications"), http.StatusOK)

	page = b.Follow(b.Get("/logout?post_logout_redirect_uri=https%3A%2F%2Fasks.example%2Fbye"))
	plainPage(t, "logout", page, http.StatusOK, "logout-confirm")
	form = b.Form(page)
	page = b.Follow(b.Post(form.Action, form.Values))
	plainPage(t, "front-channel logout", page, http.StatusOK, "logout-continue")
	next := regexp.MustCompile(`id="logout-continue" href="([^"]*)"`).FindStringSubmatch(page.Text)
	if next == nil {
		t.Fatal("no way on")
	}
	plainPage(t, "signed out", b.Get(gatewaytest.PublicURL+"/"), http.StatusOK)
}

func TestE5WhatHoldsSecretsOrPersonalDataIsNotKept(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(everything, func(o *configv1.OAuthSettings) {
		o.GrantTypes = append(o.GrantTypes, "urn:ietf:params:oauth:grant-type:device_code")
	}))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	web := gatewaytest.Basic("web")
	kept := func(name string, header http.Header) {
		t.Helper()
		if got := header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
	}
	answer := func(name string, a gatewaytest.Answer, status int) gatewaytest.Answer {
		t.Helper()
		if a.Status != status {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		kept(name, a.Header)
		return a
	}

	b := h.Browser("/acme")
	page := b.Get(askFor("web", ""))
	kept("the way to the sign-in page", page.Header)
	page = b.Follow(page)
	kept("the sign-in page", page.Header)
	signed := b.SignIn(page, "ann", gatewaytest.Password)
	kept("the answer to a password, which sets the cookie", signed.Header)
	back := b.Follow(signed)
	kept("an answer with a code", back.Header)
	for _, kind := range []string{"token", "id_token", "code id_token token"} {
		kept("an answer of "+kind, b.Get("/oauth/authorize?"+of("web", "response_type", kind).Encode()).Header)
	}
	kept("an answer by form", b.Get("/oauth/authorize?"+of("web", "response_mode", "form_post").Encode()).Header)
	kept("an answer by JARM", b.Get("/oauth/authorize?"+of("web", "response_mode", "jwt").Encode()).Header)
	kept("the error page", b.Follow(b.Get(askFor("nobody", ""))).Header)

	form := gatewaytest.Form("grant_type", "authorization_code", "code", back.Query().Get("code"), "redirect_uri", "https://web.example/cb")
	made := answer("the code grant", h.Post("/acme/oauth/token", form, web), http.StatusOK).JSON(t)
	access, _ := made["access_token"].(string)
	refresh, _ := made["refresh_token"].(string)
	answer("a code that was used", h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", "x"), web), http.StatusBadRequest)
	refreshed := answer("the refresh grant", h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "refresh_token", "refresh_token", refresh), web), http.StatusOK).JSON(t)
	answer("client credentials", h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "client_credentials"), web), http.StatusOK)
	answer("a wrong secret", h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "client_credentials"), gatewaytest.BasicWith("web", "x")), http.StatusUnauthorized)
	answer("UserInfo", h.Get("/acme/oidc/userinfo", bearer(access)), http.StatusOK)
	answer("UserInfo by POST", h.Post("/acme/oidc/userinfo", nil, bearer(access)), http.StatusOK)
	answer("UserInfo with a wrong token", h.Get("/acme/oidc/userinfo", bearer("x")), http.StatusUnauthorized)
	answer("introspection", h.Post("/acme/oauth/introspect", gatewaytest.Form("token", access), web), http.StatusOK)
	answer("introspection of nothing known", h.Post("/acme/oauth/introspect", gatewaytest.Form("token", "x"), web), http.StatusOK)
	answer("a pushed request", h.Post("/acme/oauth/par", of("web"), web), http.StatusCreated)
	answer("a device's codes", h.Post("/acme/oauth/device_authorization", gatewaytest.Form("scope", "openid"), web), http.StatusOK)
	answer("revocation", h.Post("/acme/oauth/revoke", gatewaytest.Form("token", refreshed["refresh_token"].(string)), web), http.StatusOK)
	kept("what a person allowed", b.Get("/account/applications").Header)
	kept("the logout question", b.Get("/logout?post_logout_redirect_uri=https%3A%2F%2Fweb.example%2Fbye").Header)
	kept("the end of the session", b.Get("/logout").Header)
}
