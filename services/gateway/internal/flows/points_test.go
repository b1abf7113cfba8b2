package flows_test

import (
	"strings"
	"testing"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestWhatIsSetAtAPointReachesTheToken(t *testing.T) {
	tests := []struct {
		name    string
		flow    *configv1.Flow
		partner any
	}{
		{"at the start", pre(flows.Root, set("partner", `client.clientId`)), "web"},
		{"before the client is answered", post(flows.Root, set("partner", `user.username`)), "ann"},
		{"before the page that asks for the name", pre(flows.Identifier, set("partner", `request.path`)), "/acme/login/identifier"},
		{"after the name was given", post(flows.Identifier, set("partner", `login`)), "ann"},
		{"before the page of the sign-in, which knows the name", pre(flows.Login, set("partner", `login`)), "ann"},
		{"after the sign-in, when the person is known", post(flows.Login, set("partner", `user.email`)), "ann@acme.example"},
		{"before the page of the consent", pre(flows.Consent, set("partner", `user.username`)), "ann"},
		{"after the consent", post(flows.Consent, set("partner", `"scope.openid" in request.params`)), true},
		{"before tokens are made", pre(flows.Token, set("partner", `user.username + " " + request.path`)), "ann /acme/oauth/token"},
		{"at a point that this login does not pass", pre(flows.Register, set("partner", `"x"`)), "-"},
		{"too late for the token", post(flows.Token, set("partner", `"x"`)), "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, []*configv1.Flow{tt.flow}, asks, nameFirst)
			if got := r.claims(r.login(r.Browser("/acme")))["partner"]; got != tt.partner {
				t.Errorf("partner is %v, want %v", got, tt.partner)
			}
		})
	}
}

func TestARefusal(t *testing.T) {
	const told = `Closed to {#login == "" ? "everybody" : login}`
	tests := []struct {
		name string
		flow *configv1.Flow
		// where is a part of the URL that the browser ends at, shown a part of the page.
		where, shown string
		signedIn     bool
	}{
		{"at the start goes to the client", pre(flows.Root, deny("", "closed", told)),
			"https://web.example/cb?error=closed&error_description=Closed+to+everybody", "", false},
		{"before the answer goes to the client", post(flows.Root, deny("", "closed", told)),
			"https://web.example/cb?error=closed&error_description=Closed+to+ann", "", true},
		{"before the page of the name goes to the client", pre(flows.Identifier, deny("", "", "")),
			"https://web.example/cb?error=access_denied&error_description=Access+denied", "", false},
		{"after the name is shown above it", post(flows.Identifier, deny("", "closed", told)), "", "Closed to ann", false},
		{"before the page of the sign-in goes to the client", pre(flows.Login, deny("", "closed", told)),
			"https://web.example/cb?error=closed&error_description=Closed+to+ann", "", false},
		{"after the sign-in is shown above it, and signs nobody in", post(flows.Login, deny(`user.username == "ann"`, "closed", told)), "", "Closed to ann", false},
		{"before the consent goes to the client", pre(flows.Consent, deny("", "closed", told)),
			"https://web.example/cb?error=closed&error_description=Closed+to+ann", "", true},
		{"after the consent goes to the client", post(flows.Consent, deny("", "closed", told)),
			"https://web.example/cb?error=closed&error_description=Closed+to+ann", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, []*configv1.Flow{tt.flow}, asks, nameFirst)
			b := r.Browser("/acme")
			res := r.login(b)
			if tt.where != "" && !strings.HasPrefix(res.Location(), tt.where) {
				t.Errorf("status %d, it ends at %s\n%s", res.StatusCode, res.Location(), res.Text)
			}
			if !strings.Contains(res.Text, tt.shown) {
				t.Errorf("status %d, the page does not say %q:\n%s", res.StatusCode, tt.shown, res.Text)
			}
			if got := len(b.Cookies["GATEHOUSE_SESSION"]) == 43; got != tt.signedIn {
				t.Errorf("signed in: %v, want %v", got, tt.signedIn)
			}
			if tt.signedIn {
				return
			}
			if silent := b.Follow(b.Get(authorize("&prompt=none"))); !strings.Contains(silent.Location(), "error=login_required") && !strings.Contains(silent.Location(), "error=closed") {
				t.Errorf("the refused person is signed in: %s", silent.Location())
			}
		})
	}
}

func TestARefusalAtTheTokenEndpoint(t *testing.T) {
	r := start(t, []*configv1.Flow{pre(flows.Token, deny(`"x-closed" in request.headers`, "partner_unknown", `No "tokens" for {#client.name}`))})
	closed := gatewaytest.Header("X-Closed", "1")
	const want = "Bad Request | partner_unknown | No 'tokens' for web"
	client := gatewaytest.Form("grant_type", "client_credentials", "scope", "read")
	if got := r.Post("/acme/oauth/token", client, gatewaytest.Basic("web"), closed).Error(t); got != want {
		t.Errorf("a client for itself: %s", got)
	}
	if got := r.Post("/acme/oauth/token", client, gatewaytest.Basic("web")); got.Status != 200 {
		t.Errorf("a client that is not refused: %s", got.Body)
	}
	person := gatewaytest.Form("grant_type", "password", "username", "ann", "password", gatewaytest.Password)
	if got := r.Post("/acme/oauth/token", person, gatewaytest.Basic("web"), closed).Error(t); got != want {
		t.Errorf("a password: %s", got)
	}
	made := r.Post("/acme/oauth/token", person, gatewaytest.Basic("web")).JSON(t)
	refresh := gatewaytest.Form("grant_type", "refresh_token", "refresh_token", made["refresh_token"].(string))
	if got := r.Post("/acme/oauth/token", refresh, gatewaytest.Basic("web"), closed).Error(t); got != want {
		t.Errorf("a refresh token: %s", got)
	}
	r.Clock.Forward(time.Hour) // beyond the time in which a lost answer is repeated
	if got := r.Post("/acme/oauth/token", refresh, gatewaytest.Basic("web")); got.Status != 200 {
		t.Errorf("the refusal has used the refresh token up: %s", got.Body)
	}
	code := r.login(r.Browser("/acme")).Query().Get("code")
	redeem := gatewaytest.Form("grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI)
	if got := r.Post("/acme/oauth/token", redeem, gatewaytest.Basic("web"), closed).Error(t); got != want {
		t.Errorf("a code: %s", got)
	}
	if got := r.Post("/acme/oauth/token", redeem, gatewaytest.Basic("web")).Error(t); !strings.Contains(got, "invalid_grant") {
		t.Errorf("a code that was refused: %s", got)
	}
}

func TestTokensOfTheAuthorizationEndpointPassTheSamePoint(t *testing.T) {
	implicit := func(a *configv1.Application) {
		a.Settings.Oauth.GrantTypes = append(a.Settings.Oauth.GrantTypes, "implicit")
		a.Settings.Oauth.ResponseTypes = append(a.Settings.Oauth.ResponseTypes, "token")
	}
	for phase, flow := range map[string]*configv1.Flow{
		"pre":  pre(flows.Token, deny("", "closed", "")),
		"post": post(flows.Token, deny("", "closed", "")),
	} {
		r := start(t, []*configv1.Flow{flow}, implicit)
		b := r.Browser("/acme")
		res := r.goOn(b, b.Get(strings.Replace(authorize(""), "response_type=code", "response_type=token", 1)))
		if !strings.HasPrefix(res.Location(), redirectURI+"#error=closed") {
			t.Errorf("%s: %s", phase, res.Location())
		}
	}
	r := start(t, []*configv1.Flow{pre(flows.Token, set("partner", `user.username`))}, implicit)
	b := r.Browser("/acme")
	res := r.goOn(b, b.Get(strings.Replace(authorize(""), "response_type=code", "response_type=token", 1)))
	answer := gatewaytest.Answer{Body: `{"access_token":"` + res.Query().Get("access_token") + `"}`}
	if got := r.read(answer)["partner"]; got != "ann" {
		t.Errorf("partner is %v", got)
	}
}

func TestNobodyGetsAroundWhatStandsBeforeAPage(t *testing.T) {
	for _, at := range []flows.Point{flows.Root, flows.Login} {
		r := start(t, []*configv1.Flow{pre(at, deny(`"x-closed" in request.headers`, "closed", "Closed"))})
		b := r.Browser("/acme")
		page := b.Follow(b.Get(authorize("")))
		b.Headers["X-Closed"] = "1"
		f := b.Form(page)
		f.Values.Set("username", "ann")
		f.Values.Set("password", gatewaytest.Password)
		// The form of one login is posted as the answer to another, whose page was never shown.
		res := b.Post(strings.Replace(f.Action, "state=s", "state=other", 1), f.Values)
		if !strings.HasPrefix(res.Location(), redirectURI+"?error=closed") {
			t.Errorf("%s: %d %s", at, res.StatusCode, res.Location())
		}
	}
}
