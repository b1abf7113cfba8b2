package conformance

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// assertion authenticates web by private_key_jwt.
func (s *signing) assertion(client string) map[string]string {
	return map[string]string{
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		"client_assertion": s.sign(jose.ES256, "JWT", map[string]any{
			"iss": client, "sub": client, "aud": issuer, "jti": secret.NewID(), "exp": s.Clock.Now().Add(time.Minute).Unix(), "iat": s.Clock.Now().Unix(),
		}),
	}
}

// par pushes parameters for web, which authenticates by its key.
func (s *signing) par(form url.Values) gatewaytest.Answer {
	s.t.Helper()
	form = maps.Clone(form)
	for name, v := range s.assertion("web") {
		form.Set(name, v)
	}
	return s.Post("/acme/oauth/par", form)
}

func (s *signing) pushed(form url.Values) url.Values {
	s.t.Helper()
	a := s.par(form)
	uri, _ := a.JSON(s.t)["request_uri"].(string)
	if a.Status != http.StatusCreated {
		s.t.Fatalf("%d %s", a.Status, a.Body)
	}
	return gatewaytest.Form("client_id", "web", "request_uri", uri)
}

func TestF1RequestsArePushedByClientsThatAuthenticate(t *testing.T) {
	s := newSigning(t, profile.FAPI2, nil, nil)
	good := gatewaytest.Form("client_id", "web", "response_type", "code", "redirect_uri", "https://web.example/cb", "scope", "openid",
		"code_challenge", challenge, "code_challenge_method", "S256")
	query := s.pushed(good)
	query.Set("state", "outside")
	query.Set("redirect_uri", "https://evil.example/")
	query.Set("scope", "openid email")
	if r := s.finish(query); !strings.HasPrefix(r.Location(), "https://web.example/cb?code=") || r.Query().Has("state") {
		t.Errorf("pushed: %d %s", r.StatusCode, r.Location())
	}
	s.wantError("in the URL", good, "page invalid_request")
	with := maps.Clone(good)
	with.Set("request", s.object())
	s.wantError("as an object in the URL", with, "page invalid_request")
	with.Del("request")
	with.Set("request_uri", "https://web.example/object")
	s.wantError("by reference", with, "page request_uri_not_supported")
	if a := s.Post("/acme/oauth/par", good); a.Status != http.StatusUnauthorized {
		t.Errorf("without authentication: %d %s", a.Status, a.Body)
	}
	if a := s.Post("/acme/oidc/ros", good); a.Status == http.StatusCreated {
		t.Errorf("stored: %d %s", a.Status, a.Body)
	}
}

func TestF2PushedRequestsAreHeldToTheProfile(t *testing.T) {
	s := newSigning(t, profile.FAPI2, nil, func(o *configv1.OAuthSettings) {
		o.ResponseTypes, o.GrantTypes = []string{"code", "code id_token"}, []string{"authorization_code", "implicit"}
	})
	good := func(changes ...string) url.Values {
		form := gatewaytest.Form("response_type", "code", "redirect_uri", "https://web.example/cb", "scope", "openid", "client_id", "web",
			"code_challenge", challenge, "code_challenge_method", "S256")
		for i := 0; i+1 < len(changes); i += 2 {
			if form.Del(changes[i]); changes[i+1] != "" {
				form.Set(changes[i], changes[i+1])
			}
		}
		return form
	}
	for name, tt := range map[string]struct {
		form url.Values
		want string
	}{
		"neither state nor nonce":         {good(), ""},
		"a nonce of 64 characters":        {good("nonce", strings.Repeat("n", 64)), ""},
		"another response type":           {good("response_type", "code id_token", "nonce", "n"), "unsupported_response_type"},
		"plain":                           {good("code_challenge_method", "plain"), "invalid_request"},
		"no challenge":                    {good("code_challenge", "", "code_challenge_method", ""), "invalid_request"},
		"no redirect URI":                 {good("redirect_uri", ""), "invalid_request"},
		"an unregistered redirect URI":    {good("redirect_uri", "https://web.example/other"), "invalid_request"},
		"a request_uri":                   {good("request_uri", "https://web.example/object"), "invalid_request"},
		"an http redirect URI":            {good("redirect_uri", "http://web.example/cb"), "invalid_request"},
		"a longer redirect URI":           {good("redirect_uri", "https://web.example/cb/more"), "invalid_request"},
		"an object that is not signed":    {good("request", unsigned("none", "", []byte("{}"))), "request_not_supported"},
		"an object that is signed by RSA": {good("request", s.sign(jose.RS256, "", s.claims())), "invalid_request_object"},
		"an object":                       {good("request", s.object()), ""},
	} {
		a := s.par(tt.form)
		if code, _ := a.JSON(t)["error"].(string); code != tt.want || (tt.want == "") != (a.Status == http.StatusCreated) {
			t.Errorf("%s: %d %s, want %q", name, a.Status, a.Body, tt.want)
		}
	}
}

func TestF2APushedRedirectURIMayBeNewWhereTheDomainSaysSo(t *testing.T) {
	s := newSigning(t, profile.FAPI2, func(d *configv1.Domain) { d.Oidc.AllowUnregisteredPushedRedirectUris = true }, nil)
	form := gatewaytest.Form("response_type", "code", "scope", "openid", "client_id", "web", "code_challenge", challenge, "code_challenge_method", "S256")
	form.Set("redirect_uri", "https://web.example/new?x=1")
	if r := s.finish(s.pushed(form)); !strings.HasPrefix(r.Location(), "https://web.example/new?x=1&code=") {
		t.Errorf("answer %d %s", r.StatusCode, r.Location())
	}
	for _, bad := range []string{"http://web.example/new", "com.web.app:/cb", "javascript:alert(1)", "https://u@web.example/new", "https://web.example/new#f"} {
		form.Set("redirect_uri", bad)
		if a := s.par(form); a.Status != http.StatusBadRequest || a.JSON(t)["error"] != "invalid_request" {
			t.Errorf("%s: %d %s", bad, a.Status, a.Body)
		}
	}
}

func TestF11RequestsAreSignedAndFresh(t *testing.T) {
	s := newSigning(t, profile.FAPI2MessageSigning, nil, nil)
	now := s.Clock.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	body, _ := json.Marshal(s.claims())
	foreign, err := jose.GenerateKey(jose.ES256, "client-ES256")
	if err != nil {
		t.Fatal(err)
	}
	forged, _ := foreign.Sign("oauth-authz-req+jwt", body)
	for name, tt := range map[string]struct{ object, want string }{
		"signed":                           {s.object(), ""},
		"PS256":                            {s.sign(jose.PS256, "oauth-authz-req+jwt", s.claims()), ""},
		"the issuer among several":         {s.object("aud", []string{issuer, "https://else.example"}), ""},
		"an hour":                          {s.object("exp", at(time.Hour)), ""},
		"nbf 8 s ahead":                    {s.object("nbf", at(8*time.Second)), ""},
		"nbf almost an hour ago":           {s.object("nbf", at(-59*time.Minute), "exp", at(time.Minute)), ""},
		"no nbf":                           {s.object("nbf", nil), "invalid_request_object"},
		"no exp":                           {s.object("exp", nil), "invalid_request_object"},
		"more than an hour":                {s.object("exp", at(61*time.Minute)), "invalid_request_object"},
		"nbf more than an hour ago":        {s.object("nbf", at(-61*time.Minute), "exp", at(-2*time.Minute)), "invalid_request_object"},
		"nbf and exp long ago and to come": {s.object("nbf", at(-61*time.Minute), "exp", at(time.Minute)), "invalid_request_object"},
		"nbf a minute ahead":               {s.object("nbf", at(61*time.Second)), "invalid_request_object"},
		"expired":                          {s.object("exp", at(-time.Minute)), "invalid_request_object"},
		"another aud":                      {s.object("aud", "https://else.example"), "invalid_request_object"},
		"RS256":                            {s.sign(jose.RS256, "", s.claims()), "invalid_request_object"},
		"unsigned":                         {unsigned("none", "", body), "invalid_request_object"},
		"a foreign key":                    {forged, "invalid_request_object"},
		"none at all":                      {"", "invalid_request"},
	} {
		form := gatewaytest.Form("client_id", "web", "request", tt.object)
		if tt.object == "" {
			form = gatewaytest.Form("client_id", "web", "response_type", "code", "redirect_uri", "https://web.example/cb", "scope", "openid",
				"code_challenge", challenge, "code_challenge_method", "S256")
		}
		a := s.par(form)
		if code, _ := a.JSON(t)["error"].(string); code != tt.want || (tt.want == "") != (a.Status == http.StatusCreated) {
			t.Errorf("%s: %d %s, want %q", name, a.Status, a.Body, tt.want)
		}
	}
	t.Run("parameters beside the object do not count", func(t *testing.T) {
		form := gatewaytest.Form("client_id", "web", "request", s.object("state", nil), "state", "outside")
		b := s.Browser("/acme")
		if r := b.Get("/oauth/authorize?" + s.pushed(form).Encode()); answerOf(r) != "sign-in" {
			t.Errorf("answer %s", r.Location())
		}
	})
}
