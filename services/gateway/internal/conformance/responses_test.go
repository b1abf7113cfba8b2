package conformance_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// answering is a domain with one client for every response type, and a browser that is signed in.
func answering(t *testing.T, change ...func(*configv1.Application)) (*gatewaytest.Harness, func(more string) (location string, page string)) {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	c.App("all", func(app *configv1.Application) {
		o := app.Settings.Oauth
		o.GrantTypes = append(o.GrantTypes, "implicit")
		o.ResponseTypes = []string{"code", "token", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
		app.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
		for _, f := range change {
			f(app)
		}
	})
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	ask := func(more string) (string, string) {
		t.Helper()
		res := b.Get("/oauth/authorize?client_id=all&scope=openid&redirect_uri=" + url.QueryEscape("https://all.example/cb") + "&" + more)
		return res.Location(), res.Text
	}
	b.Follow(b.SignIn(b.Follow(b.Get("/oauth/authorize?client_id=all&response_type=code&scope=openid")), "ann", gatewaytest.Password))
	return h, ask
}

// names are the names of the parameters of a query or fragment, in their order.
func names(location string) (part string, list []string, values url.Values) {
	i := strings.IndexAny(location, "?#")
	if i < 0 {
		return "", nil, nil
	}
	values, _ = url.ParseQuery(location[i+1:])
	for pair := range strings.SplitSeq(location[i+1:], "&") {
		name, _, _ := strings.Cut(pair, "=")
		list = append(list, name)
	}
	return location[i : i+1], list, values
}

func payload(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWS", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

var responseTypes = []struct{ kind, part, params, hashes string }{
	{"code", "?", "code state iss", ""},
	{"token", "#", "access_token token_type expires_in scope state iss", ""},
	{"id_token", "#", "id_token state iss", "s_hash"},
	{"token id_token", "#", "access_token token_type expires_in scope id_token state iss", "at_hash s_hash"},
	{"code id_token", "#", "code id_token state iss", "c_hash s_hash"},
	{"token code", "#", "code access_token token_type expires_in scope state iss", ""},
	{"id_token token code", "#", "code access_token token_type expires_in scope id_token state iss", "at_hash c_hash s_hash"},
}

func TestA22EachResponseTypeHasItsParametersAndItsPlace(t *testing.T) {
	_, ask := answering(t)
	for _, tt := range responseTypes {
		location, _ := ask("state=s&nonce=n&response_type=" + url.QueryEscape(tt.kind))
		part, list, values := names(location)
		if part != tt.part || strings.Join(list, " ") != tt.params || values.Get("state") != "s" {
			t.Errorf("%s: answer %s", tt.kind, location)
		}
	}
	location, _ := ask("state=s&nonce=n&response_type=id_token&response_mode=query")
	if part, _, values := names(location); part != "#" || values.Get("error") != "invalid_request" {
		t.Errorf("tokens in a query: %s", location)
	}
}

func TestA24HashesTieTheFrontIDTokenToTheRestOfTheAnswer(t *testing.T) {
	_, ask := answering(t, func(app *configv1.Application) { app.Settings.Oauth.IncludeStateHash = true })
	for _, tt := range responseTypes {
		location, _ := ask("state=s&nonce=n&response_type=" + url.QueryEscape(tt.kind))
		_, _, values := names(location)
		if !values.Has("id_token") {
			continue
		}
		claims := payload(t, values.Get("id_token"))
		var has []string
		for name, of := range map[string]string{"at_hash": values.Get("access_token"), "c_hash": values.Get("code"), "s_hash": "s"} {
			want := ""
			if of != "" {
				want, has = jose.ES256.HalfHash(of), append(has, name)
			}
			if got, _ := claims[name].(string); got != want {
				t.Errorf("%s: %s is %q, want %q", tt.kind, name, got, want)
			}
		}
		if len(has) != len(strings.Fields(tt.hashes)) || claims["nonce"] != "n" {
			t.Errorf("%s: hashes %v, claims %v", tt.kind, has, claims)
		}
	}
}

func TestA23ErrorsTravelInTheModeOfSuccess(t *testing.T) {
	_, ask := answering(t)
	for mode, part := range map[string]string{"query": "?", "fragment": "#", "query.jwt": "?", "fragment.jwt": "#", "jwt": "?"} {
		for _, more := range []string{"", "&code_challenge_method=S256"} {
			location, _ := ask("state=s&response_type=code&response_mode=" + mode + more)
			got, list, values := names(location)
			signed := strings.HasSuffix(mode, "jwt")
			if got != part || signed != (len(list) == 1 && list[0] == "response") {
				t.Errorf("%s%s: %s", mode, more, location)
			}
			if has := values.Has("error"); !signed && has != (more != "") {
				t.Errorf("%s%s: %s", mode, more, location)
			}
		}
	}
	for _, mode := range []string{"form_post", "form_post.jwt"} {
		for _, more := range []string{"", "&code_challenge_method=S256"} {
			if _, page := ask("state=s&response_type=code&response_mode=" + mode + more); !strings.Contains(page, `<form action="https://all.example/cb" method="post">`) {
				t.Errorf("%s%s: %s", mode, more, page)
			}
		}
	}
}

func TestA26AnswersOfJARMAreSignedForTheClientAndEnd(t *testing.T) {
	h, ask := answering(t)
	location, _ := ask("state=s&response_type=code&response_mode=jwt")
	_, _, values := names(location)
	claims := payload(t, values.Get("response"))
	exp, _ := claims["exp"].(float64)
	if claims["iss"] != gatewaytest.PublicURL+"/acme/oidc" || claims["aud"] != "all" || claims["code"] == nil || claims["state"] != "s" ||
		exp <= float64(h.Clock.Now().Unix()) || exp > float64(h.Clock.Now().Add(10*time.Minute).Unix()) {
		t.Errorf("claims %v", claims)
	}
	if location, _ = ask("state=s&nonce=n&response_type=id_token&response_mode=jwt"); !strings.Contains(location, "#response=") {
		t.Errorf("jwt of tokens goes to %s", location)
	}
	location, _ = ask("state=s&nonce=n&response_type=id_token&response_mode=query.jwt")
	if part, _, values := names(location); part != "#" || values.Get("error") != "invalid_request" {
		t.Errorf("tokens in a query that is not encrypted: %s", location)
	}
}
