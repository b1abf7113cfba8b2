package conformance_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// ruled is an application's provider with a rule and a priority; a negative priority is none.
func ruled(id, rule string, priority int32) *configv1.ApplicationIdentityProvider {
	return &configv1.ApplicationIdentityProvider{Identity: id, SelectionRule: rule, Priority: priority}
}

// TestWhichExternalProviderIsTaken has a row for each sentence about external providers in the guide's chapter on application
// identity providers, and in what is documented about priority, selection rules and the login page. Every row is shown at a
// whole gateway, by where its browser is sent.
func TestWhichExternalProviderIsTaken(t *testing.T) {
	type providers = []*configv1.ApplicationIdentityProvider
	const east, west = `login.endsWith("@east.example")`, `login.endsWith("@west.example")`
	first := configv1.LoginSettings{IdentifierFirstEnabled: true}
	firstToo := configv1.LoginSettings{IdentifierFirstEnabled: true, SelectionRulesOnLoginPage: true}
	onPage := configv1.LoginSettings{SelectionRulesOnLoginPage: true}
	hidden := configv1.LoginSettings{HideForm: true}
	tests := []struct {
		name      string
		settings  *configv1.LoginSettings
		providers providers
		// login is typed on the identifier page where there is one; more is added to the request.
		login, more string
		// want is the provider that the browser is sent to; form or name that the login or the identifier page is shown, buttons that
		// the login page has nothing to type a password into. buttons are on the login page.
		want, buttons string
	}{
		// The guide: "Priority … gives more control over the authentication flow by deciding which provider should evaluate credentials first."
		{"by priority, ascending", &first, providers{ruled("p1", "true", 5), ruled("p2", "true", 1)}, "ann", "", "p2", ""},
		{"equal priorities keep the given order", &first, providers{ruled("p2", "true", 1), ruled("p1", "true", 1)}, "ann", "", "p2", ""},
		{"a negative priority comes after all others", &first, providers{ruled("p1", "true", -1), ruled("p2", "true", 9)}, "ann", "", "p2", ""},
		{"negative priorities keep the given order", &first, providers{ruled("p2", "true", -1), ruled("p1", "true", -7)}, "ann", "", "p2", ""},

		// The guide: "If you are not using identifier-first login, the rule won’t be effective on Social/Enterprise providers."
		{"without identifier-first login a rule that holds is without effect", nil, providers{ruled("staff", "", 0), ruled("p1", "true", 1)}, "", "", "form", "p1"},
		{"and so is one that does not hold: the provider is a button", nil, providers{ruled("staff", "", 0), ruled("p1", "false", 1)}, "", "", "form", "p1"},
		{"without a rule a provider is a button and is never chosen", nil, providers{ruled("staff", "", 0), ruled("p1", "", 1)}, "", "", "form", "p1"},
		{"buttons are in order of priority", nil, providers{ruled("p1", "", 4), ruled("staff", "", 0), ruled("p2", "", 3)}, "", "", "form", "p2 p1"},

		// The guide: "if you are using identifier-first login: If the rule is empty, the provider WILL NOT BE taken into account."
		{"identifier-first login leaves out a provider without a rule", &first, providers{ruled("staff", "", 0), ruled("p1", "", 1)}, "ann", "", "form", "p1"},
		{"and one whose rule is blank", &first, providers{ruled("staff", "", 0), ruled("p1", " {# } ", 1)}, "ann", "", "form", "p1"},
		// The guide: "Otherwise, AM will authenticate with the first identity provider where the rule matches."
		{"identifier-first login takes the provider whose rule holds", &first, providers{ruled("p1", east, 1), ruled("p2", west, 2)}, "ann@west.example", "", "p2", ""},
		{"the first of several whose rules hold", &first, providers{ruled("p1", "true", 2), ruled("p2", "true", 3)}, "ann", "", "p1", ""},
		{"a provider without a rule before it does not count", &first, providers{ruled("p1", "", 1), ruled("p2", west, 2)}, "ann@west.example", "", "p2", ""},
		{"an internal provider before it does not count", &first, providers{ruled("staff", "", 0), ruled("p2", west, 2)}, "ann@west.example", "", "p2", ""},
		{"where no rule holds the password is asked for", &first, providers{ruled("staff", "", 0), ruled("p1", east, 1)}, "ann@north.example", "", "form", "p1"},
		{"a rule that fails counts as false", &first, providers{ruled("p1", `request.params["no"][0] == "x"`, 1), ruled("p2", "true", 2)}, "ann", "", "p2", ""},
		{"a rule sees the request", &first, providers{ruled("staff", "", 0), ruled("p1", `"tenant" in request.params && request.params["tenant"][0] == "blue"`, 1)}, "ann", "&tenant=blue", "p1", ""},
		{"and the client", &first, providers{ruled("p1", `client.clientId == "web"`, 1)}, "ann", "", "p1", ""},
		{"and the provider itself", &first, providers{ruled("p1", `identityProvider.id == "p2"`, 1), ruled("p2", `identityProvider.id == "p2"`, 2)}, "ann", "", "p2", ""},
		{"the name is asked for before anything is chosen", &first, providers{ruled("p1", "true", 1)}, "", "", "name", ""},

		// selectionRulesOnLoginPage.
		{"the switch has rules looked at on the login page too", &onPage, providers{ruled("staff", "", 0), ruled("p1", "true", 1)}, "", "", "p1", ""},
		{"there the name is the login_hint", &onPage, providers{ruled("p1", east, 1), ruled("p2", west, 2)}, "", "&login_hint=ann@west.example", "p2", ""},
		{"there a provider without a rule is a button", &onPage, providers{ruled("staff", "", 0), ruled("p1", "", 1)}, "", "", "form", "p1"},
		{"in an identifier-first login as well", &firstToo, providers{ruled("staff", "", 0), ruled("p1", `request.path == "/acme/login"`, 1)}, "ann", "", "p1", ""},
		{"without the switch the login page looks at no rule", &first, providers{ruled("staff", "", 0), ruled("p1", `request.path.endsWith("/login")`, 1)}, "ann", "", "form", "p1"},

		// hideForm.
		{"a hidden form with one external provider leads straight to it", &hidden, providers{ruled("staff", "", 0), ruled("p1", "", 1)}, "", "", "p1", ""},
		{"before rules are looked at", &configv1.LoginSettings{HideForm: true, SelectionRulesOnLoginPage: true}, providers{ruled("p1", "false", 1)}, "", "", "p1", ""},
		{"with two it shows their buttons and no form", &hidden, providers{ruled("staff", "", 0), ruled("p1", "", 1), ruled("p2", "", 2)}, "", "", "buttons", "p1 p2"},
		{"with none too", &hidden, providers{ruled("staff", "", 0)}, "", "", "form", ""},
		{"where no provider takes a password there is no form either", nil, providers{ruled("p1", "", 1), ruled("p2", "", 2)}, "", "", "buttons", "p1 p2"},
		{"nor after the name was asked for", &first, providers{ruled("p1", east, 1)}, "ann", "", "buttons", "p1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			sites := map[string]*gatewaytest.Site{"p1": gatewaytest.NewSite(t), "p2": gatewaytest.NewSite(t)}
			for id, s := range sites {
				c.Elsewhere(id, s)
			}
			change := []func(*configv1.Application){letsIn(tt.providers...)}
			if tt.settings != nil {
				change = append(change, signingIn(proto.CloneOf(tt.settings)))
			}
			c.App("web", change...)
			b := gatewaytest.New(t, gatewaytest.Options{}, c).Browser("/acme")
			res := b.Follow(b.Get(authorizing("web", tt.more)))
			if tt.login != "" {
				f := b.Form(res)
				f.Values.Set("username", tt.login)
				res = b.Follow(b.Post(f.Action, f.Values))
			}
			got := "nowhere"
			for id, s := range sites {
				if strings.HasPrefix(res.Location(), s.URL+"/authorize?") {
					got = id
				}
			}
			switch {
			case res.StatusCode == 200 && strings.Contains(res.Text, `id="password"`):
				got = "form"
			case res.StatusCode == 200 && strings.Contains(res.Text, `id="username"`):
				got = "name"
			case res.StatusCode == 200 && strings.Contains(res.Text, `id="provider-`) && !strings.Contains(res.Text, `id="login-submit"`):
				got = "buttons"
			}
			if got != tt.want {
				t.Errorf("taken: %s, want %s; status %d, location %s", got, tt.want, res.StatusCode, res.Location())
			}
			if got == "form" || got == "buttons" {
				if found := buttonsOf(res); found != tt.buttons {
					t.Errorf("buttons %q, want %q", found, tt.buttons)
				}
			}
		})
	}
}

// buttonsOf are the providers on a page, in order.
func buttonsOf(page *browsertest.Response) string {
	var ids []string
	for _, part := range strings.Split(page.Text, `id="provider-`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func TestWhatGoesAlongToTheSite(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	s := gatewaytest.NewSite(t)
	c.Elsewhere("p1", s)
	c.Elsewhere("form", s, func(o *configv1.OAuth2Provider) { o.ResponseMode = "FORM_POST" })
	c.App("first", letsIn(ruled("staff", "", 0), ruled("p1", "true", 1)), signingIn(&configv1.LoginSettings{IdentifierFirstEnabled: true}))
	c.App("page", letsIn(ruled("p1", "true", 1)), signingIn(&configv1.LoginSettings{SelectionRulesOnLoginPage: true}))
	c.App("posts", letsIn(ruled("form", "", 1)), signingIn(&configv1.LoginSettings{HideForm: true}))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)

	b := h.Browser("/acme")
	f := b.Form(b.Follow(b.Get(authorizing("first", "&ui_locales=fr-CA+fr"))))
	f.Values.Set("username", "ann+test me@west.example")
	location := b.Post(f.Action, f.Values).Location()
	if !strings.HasSuffix(location, "&login_hint=ann%2Btest%20me%40west.example") {
		t.Errorf("from the identifier step: %s", location)
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"login_hint": "ann+test me@west.example", "response_type": "code", "client_id": gatewaytest.SiteClient, "scope": "openid profile email",
		"redirect_uri": gatewaytest.PublicURL + "/acme/login/callback?provider=p1", "ui_locales": "fr-CA fr", "tenant": "1", "code_challenge_method": "S256",
		"prompt": "", "max_age": "", "response_mode": "",
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	if len(q.Get("state")) != 43 || len(q.Get("nonce")) != 43 || len(q.Get("code_challenge")) != 43 || q.Get("state") == q.Get("nonce") {
		t.Errorf("random values of %s", location)
	}
	if got := b.Follow(b.Get(authorizing("page", "&login_hint=ann"))).Query(); got.Has("login_hint") || got.Get("state") == "" {
		t.Errorf("from the login page: %v", got)
	}
	if got := b.Follow(b.Get(authorizing("posts", ""))).Query(); got.Get("response_mode") != "form_post" {
		t.Errorf("response mode: %v", got)
	}
	for more, want := range map[string][2]string{
		"&prompt=login": {"login", "0"}, "&max_age=0": {"login", "0"}, "&max_age=60": {"", "60"},
		"&prompt=select_account": {"select_account", ""}, "&prompt=login+select_account": {"login select_account", "0"},
	} {
		got := b.Follow(b.Get(authorizing("page", more))).Query()
		if !slices.Equal([]string{got.Get("prompt"), got.Get("max_age")}, want[:]) {
			t.Errorf("%s: prompt %q, max_age %q", more, got.Get("prompt"), got.Get("max_age"))
		}
	}
}

func TestRulesOnTheLoginPage(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	s := gatewaytest.NewSite(t)
	c.Elsewhere("p1", s)
	c.App("plain", letsIn(ruled("staff", "", 0)))
	for id, rule := range map[string]string{"known": `user.username == "ann"`, "path": `request.path == "/acme/login" && request.method == "GET"`} {
		c.App(id, letsIn(ruled("staff", "", 0), ruled("p1", rule, 1)), signingIn(&configv1.LoginSettings{SelectionRulesOnLoginPage: true}))
	}
	c.App("off", letsIn(ruled("staff", "", 0), ruled("p1", `user.username == "ann"`, 1)))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)

	t.Run("know who is signed in", func(t *testing.T) {
		b := h.Browser("/acme")
		away := func(client string) bool {
			return strings.HasPrefix(b.Follow(b.Get(authorizing(client, "&prompt=login"))).Location(), s.URL+"/authorize?")
		}
		if away("known") {
			t.Error("nobody is signed in, and the rule holds")
		}
		for _, name := range []string{"ann", "bob"} {
			b.Follow(b.SignIn(b.Follow(b.Get(authorizing("plain", "&prompt=login"))), name, gatewaytest.Password))
			if got := away("known"); got != (name == "ann") {
				t.Errorf("%s is signed in; sent away: %v", name, got)
			}
			if away("off") {
				t.Errorf("%s is signed in; sent away without the switch", name)
			}
		}
	})
	t.Run("see after a failed callback what they see at first", func(t *testing.T) {
		b := h.Browser("/acme")
		u, err := url.Parse(b.Follow(b.Get(authorizing("path", ""))).Location())
		if err != nil || u.Query().Get("state") == "" {
			t.Fatalf("not sent away: %s, %v", u, err)
		}
		res := b.Get(u.Query().Get("redirect_uri") + "&error=access_denied&state=" + u.Query().Get("state") + "&iss=" + url.QueryEscape(s.URL))
		if !strings.HasPrefix(res.Location(), "https://path.example/cb?") || res.Query().Get("error") != "server_error" {
			t.Errorf("answer %s", res.Location())
		}
	})
}

// TestAFormOfOneClientIsNotThatOfAnother shows that no password is tried at a client by the form of another, and none where the form
// is hidden, even if it was not when it was shown.
func TestAFormOfOneClientIsNotThatOfAnother(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	s := gatewaytest.NewSite(t)
	c.Elsewhere("site", s)
	both := letsIn(use("staff"), use("site"))
	c.App("web", both)
	c.App("shop", both)
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	web := b.Form(b.Follow(b.Get(authorizing("web", ""))))
	shop := b.Form(b.Follow(b.Get(authorizing("shop", ""))))
	send := func(action string, f browsertest.Form) string {
		f.Values.Set("username", "ann")
		f.Values.Set("password", gatewaytest.Password)
		return b.Post(action, f.Values).Location()
	}
	if got := send(shop.Action, web); !strings.Contains(got, "/login?") || !strings.Contains(got, "error=session_expired") {
		t.Errorf("the form of another client leads to %s", got)
	}
	h.Apply(gatewaytest.Upserts(2, gatewaytest.NewApp(c.Domain.GetId(), "shop", both, signingIn(&configv1.LoginSettings{HideForm: true}))))
	if got := send(shop.Action, shop); !strings.Contains(got, "/login?") || !strings.Contains(got, "error=login_failed") {
		t.Errorf("a form that is hidden leads to %s", got)
	}
	if got := b.Get(authorizing("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
		t.Errorf("somebody is signed in: %q", got)
	}
}

// TestSitesThatTheApplicationDoesNotListAreOff is the guide's "You can enable/disable them".
func TestSitesThatTheApplicationDoesNotListAreOff(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.Elsewhere("p1", gatewaytest.NewSite(t))
	c.Elsewhere("p2", gatewaytest.NewSite(t))
	c.App("web", lists(ruled("staff", "", 0), ruled("p1", "", 1)))
	b := gatewaytest.New(t, gatewaytest.Options{}, c).Browser("/acme")
	if got := buttonsOf(b.Follow(b.Get(authorizing("web", "")))); got != "p1" {
		t.Errorf("buttons %q", got)
	}
	_, query, _ := strings.Cut(authorizing("web", ""), "?")
	for id, on := range map[string]bool{"p1": true, "p2": false} {
		res := b.Get("/login/provider/" + id + "?" + query)
		if got := res.Query().Get("client_id") == gatewaytest.SiteClient; got != on {
			t.Errorf("%s: sent away: %v, %s", id, got, res.Location())
		}
		if got := pagesError(res, "/oauth/error"); !on && !strings.HasPrefix(got, "invalid_request") {
			t.Errorf("%s: %s", id, res.Location())
		}
	}
}
