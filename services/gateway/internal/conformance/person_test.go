package conformance_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestA11PromptNoneShowsNoPage(t *testing.T) {
	h, ask := answering(t)
	if location, _ := ask("response_type=code&prompt=none"); !strings.HasPrefix(location, "https://all.example/cb?code=") {
		t.Errorf("signed in: %s", location)
	}
	res := h.Browser("/acme").Get("/oauth/authorize?client_id=all&response_type=code&prompt=none&redirect_uri=" + url.QueryEscape("https://all.example/cb"))
	if !strings.HasPrefix(res.Location(), "https://all.example/cb?error=login_required&") {
		t.Errorf("not signed in: %s", res.Location())
	}
}

func TestA14MaxAgeSignsInAnewAndShowsAuthTime(t *testing.T) {
	h, ask := answering(t)
	h.Clock.Forward(time.Minute)
	if location, _ := ask("response_type=code&max_age=30"); !strings.HasPrefix(location, gatewaytest.PublicURL+"/acme/login?") {
		t.Errorf("an old session: %s", location)
	}
	location, _ := ask("response_type=id_token&nonce=n&max_age=300")
	_, _, values := names(location)
	if at, _ := payload(t, values.Get("id_token"))["auth_time"].(float64); int64(at) != h.Clock.Now().Add(-time.Minute).Unix() {
		t.Errorf("auth_time %v", at)
	}
}

func TestA15AuthTimeStaysThatOfTheSignIn(t *testing.T) {
	h, ask := answering(t)
	began := h.Clock.Now().Unix()
	h.Clock.Forward(time.Minute)
	location, _ := ask("response_type=code+id_token&nonce=n")
	_, _, values := names(location)
	front := payload(t, values.Get("id_token"))
	h.Clock.Forward(10 * time.Second)
	redeemed := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", values.Get("code"),
		"redirect_uri", "https://all.example/cb"), gatewaytest.Basic("all")).JSON(t)
	h.Clock.Forward(10 * time.Second)
	token, _ := redeemed["refresh_token"].(string)
	refreshed := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "refresh_token", "refresh_token", token), gatewaytest.Basic("all")).JSON(t)
	for name, answer := range map[string]map[string]any{"redeemed": redeemed, "refreshed": refreshed} {
		id, _ := answer["id_token"].(string)
		claims := payload(t, id)
		if at, _ := claims["auth_time"].(float64); int64(at) != began || claims["sub"] != front["sub"] || claims["iss"] != front["iss"] {
			t.Errorf("%s: %v, want what came in front: %v", name, claims, front)
		}
	}
}

func TestA17WishesAreNoReasonToFail(t *testing.T) {
	_, ask := answering(t)
	for _, more := range []string{
		"login_hint=bob", "display=popup", "display=hologram", "ui_locales=fr-CA+fr", "claims_locales=%3Cx%3E", "acr_values=gold+silver", "foo=bar",
	} {
		if location, _ := ask("response_type=code&" + more); !strings.Contains(location, "/cb?code=") {
			t.Errorf("%s: %s", more, location)
		}
	}
}

func TestA20StateComesBackAsItWasSent(t *testing.T) {
	_, ask := answering(t)
	const state = `a b&c=d#"é%41`
	for _, more := range []string{"", "&code_challenge_method=S256"} {
		location, _ := ask("response_type=code&state=" + url.QueryEscape(state) + more)
		if _, _, values := names(location); values.Get("state") != state {
			t.Errorf("answer %s", location)
		}
		location, _ = ask("response_type=code" + more)
		if _, _, values := names(location); values.Has("state") {
			t.Errorf("a state was invented: %s", location)
		}
	}
}

func TestA25TheIssuerIsTheLastParameterOfEveryAnswer(t *testing.T) {
	_, ask := answering(t)
	want := "&iss=" + url.QueryEscape(gatewaytest.PublicURL+"/acme/oidc")
	for _, tt := range responseTypes {
		for _, more := range []string{"", "&max_age=soon"} {
			if location, _ := ask("state=s&nonce=n&response_type=" + url.QueryEscape(tt.kind) + more); !strings.HasSuffix(location, want) {
				t.Errorf("%s%s: %s", tt.kind, more, location)
			}
		}
	}
}

func TestF7ACodeIsGoodOnceEvenASecondLater(t *testing.T) {
	h, ask := answering(t)
	redeem := func(code string) int {
		return h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", code,
			"redirect_uri", "https://all.example/cb"), gatewaytest.Basic("all")).Status
	}
	location, _ := ask("response_type=code")
	_, _, values := names(location)
	first := redeem(values.Get("code"))
	h.Clock.Forward(time.Second)
	if second := redeem(values.Get("code")); first != 200 || second != 400 {
		t.Errorf("first use %d, second use %d", first, second)
	}
}

func TestP6AfterAPostTheBrowserIsSentOnWith302OrUnderStrictProfiles303(t *testing.T) {
	for name, want := range map[profile.Name]int{profile.None: 302, profile.OAuth21: 303} {
		c := gatewaytest.NewAcme(t)
		c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: name}
		c.App("web")
		b := gatewaytest.New(t, gatewaytest.Options{}, c).Browser("/acme")
		page := b.Get("/login?client_id=web&response_type=code")
		for _, password := range []string{"wrong", gatewaytest.Password} {
			if res := b.SignIn(page, "ann", password); res.StatusCode != want {
				t.Errorf("%s, password %q: status %d", name, password, res.StatusCode)
			}
		}
	}
}
