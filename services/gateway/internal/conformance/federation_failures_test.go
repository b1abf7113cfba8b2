package conformance_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// TestWhereAFailedCallbackLeads has a row for each documented way back.
func TestWhereAFailedCallbackLeads(t *testing.T) {
	first := &configv1.LoginSettings{IdentifierFirstEnabled: true}
	tests := []struct {
		name     string
		settings *configv1.LoginSettings
		rule     string
		others   []string
		// want is the page that is shown, or "client".
		want string
	}{
		{"by a button: to the login page", nil, "", []string{"staff"}, "/login"},
		{"from the identifier page: there", first, "true", []string{"staff"}, "/login/identifier"},
		{"under a hidden form with one provider: to the client", &configv1.LoginSettings{HideForm: true}, "", []string{"staff"}, "client"},
		{"where a rule would choose again: to the client", &configv1.LoginSettings{SelectionRulesOnLoginPage: true}, "true", []string{"staff"}, "client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			s := gatewaytest.NewSite(t)
			c.Elsewhere("site", s)
			list := []*configv1.ApplicationIdentityProvider{ruled("site", tt.rule, 1)}
			for _, id := range tt.others {
				list = append(list, ruled(id, "", 2))
			}
			change := []func(*configv1.Application){letsIn(list...)}
			if tt.settings != nil {
				change = append(change, signingIn(proto.CloneOf(tt.settings)))
			}
			c.App("web", change...)
			b := gatewaytest.New(t, gatewaytest.Options{}, c).Browser("/acme")
			var location string
			if tt.settings == first {
				f := b.Form(b.Follow(b.Get(authorizing("web", ""))))
				f.Values.Set("username", "ann")
				location = b.Post(f.Action, f.Values).Location()
			} else {
				location = journey(t, b, "web", "")
			}
			u, err := url.Parse(location)
			if err != nil {
				t.Fatal(err)
			}
			res := b.Get(u.Query().Get("redirect_uri") + "&error=access_denied&state=" + u.Query().Get("state") + "&iss=" + url.QueryEscape(s.URL))
			if tt.want == "client" {
				q := res.Query()
				if !strings.HasPrefix(res.Location(), "https://web.example/cb?error=server_error&error_description=could+not+authenticate+user&state=s") || q.Get("iss") == "" {
					t.Errorf("location %s", res.Location())
				}
				return
			}
			if got := pagesError(res, tt.want); got != failedCallback {
				t.Errorf("location %s", res.Location())
			}
			if page := b.Follow(res); page.StatusCode != 200 || !strings.Contains(page.Text, "could not authenticate user") {
				t.Errorf("status %d\n%s", page.StatusCode, page.Text)
			}
		})
	}
}

func TestAHiddenFormHandsErrorsToTheClient(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	query := strings.SplitN(authorizing("hidden", ""), "?", 2)[1]
	for sent, want := range map[string]string{
		"access_denied": "https://hidden.example/cb?error=access_denied&state=s", "login_failed": "https://hidden.example/cb?error=login_failed&state=s",
		"%3Cscript%3E": "https://hidden.example/cb?error=server_error&state=s",
	} {
		res := b.Get("/login?" + query + "&error=" + sent + "&error_description=Call+0900-EVIL")
		if !strings.HasPrefix(res.Location(), want) || strings.Contains(res.Location(), "0900") {
			t.Errorf("%s: location %s", sent, res.Location())
		}
	}
	res := b.Get("/login?client_id=hidden&response_type=code&redirect_uri=https%3A%2F%2Fevil.example&error=x")
	if strings.Contains(res.Location(), "//evil.example") {
		t.Errorf("an open redirect: %s", res.Location())
	}
}

func TestASiteThatIsAwayAffectsItsOwnSignInsAlone(t *testing.T) {
	r := newRig(t)
	r.site.Break()
	b := r.Browser("/acme")
	res := b.Get("/login/provider/site?" + strings.SplitN(authorizing("web", ""), "?", 2)[1])
	if got := pagesError(res, "/login"); !strings.HasPrefix(got, "social_authentication_failed temporarily_unavailable The identity provider does not answer") {
		t.Fatalf("location %s", res.Location())
	}
	page := b.Follow(res)
	if page.StatusCode != http.StatusOK || !strings.Contains(page.Text, "does not answer at the moment") {
		t.Errorf("status %d\n%s", page.StatusCode, page.Text)
	}
	authorized(t, r.Harness, r.domain, "web", b.Follow(b.SignIn(page, "ann", gatewaytest.Password)))
	if got := r.Browser("/acme").Get("/login?" + strings.SplitN(authorizing("hidden", ""), "?", 2)[1]).Location(); !strings.HasPrefix(got, "https://hidden.example/cb?error=server_error") {
		t.Errorf("under a hidden form: %s", got)
	}
}

func TestDomainWhitelist(t *testing.T) {
	for _, tt := range []struct {
		name   string
		list   []string
		claims map[string]any
		want   bool
	}{
		{"an empty list lets everybody in", nil, nil, true},
		{"the domain of the address", []string{"partner.example"}, nil, true},
		{"in any case", []string{"PARTNER.example"}, map[string]any{"email": "eve@Partner.Example"}, true},
		{"the domain of a username, which people choose", []string{"corp.example"}, map[string]any{"preferred_username": "eve@corp.example"}, false},
		{"one of several", []string{"a.example", "partner.example"}, nil, true},
		{"another domain", []string{"corp.example"}, nil, false},
		{"a domain below it", []string{"example"}, nil, false},
		{"a domain that ends alike", []string{"partner.example"}, map[string]any{"email": "eve@evilpartner.example"}, false},
		{"the last at sign counts", []string{"partner.example"}, map[string]any{"email": "eve@partner.example@evil.example"}, false},
		{"nobody's address", []string{"partner.example"}, map[string]any{"email": nil}, false},
		{"an address that the site has not verified", []string{"partner.example"}, map[string]any{"email_verified": false}, false},
		{"nor as a username", []string{"partner.example"}, map[string]any{"email_verified": false, "preferred_username": "EVE@partner.example"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			s := gatewaytest.NewSite(t)
			for name, v := range tt.claims {
				s.Claims[name] = v
			}
			c.Elsewhere("site", s).DomainWhitelist = tt.list
			c.App("web", letsIn(use("staff"), use("site")))
			h := gatewaytest.New(t, gatewaytest.Options{}, c)
			b := h.Browser("/acme")
			res := b.Get(s.Authorize(journey(t, b, "web", "")))
			if !tt.want {
				if got := pagesError(res, "/login"); got != failedCallback {
					t.Errorf("location %s", res.Location())
				}
				return
			}
			authorized(t, h, c.Domain.GetId(), "web", b.Follow(res))
		})
	}
}

func TestASiteThatIgnoresWhatItIsAskedLoopsNobody(t *testing.T) {
	r := newRig(t)
	now := r.Clock.Now()
	for _, tt := range []struct {
		name, more string
		at         any // auth_time
		want       string
	}{
		{"prompt=login, and the site had the person sign in", "&prompt=login", now.Unix(), ""},
		{"prompt=login, and the site says it did not", "&prompt=login", now.Add(-time.Hour).Unix(), "login_required"},
		{"max_age=0 is prompt=login", "&max_age=0", now.Add(-time.Hour).Unix(), "login_required"},
		{"max_age, and the sign-in was longer ago", "&max_age=60", now.Add(-time.Hour).Unix(), "login_required"},
		{"max_age, and it was not", "&max_age=7200", now.Add(-time.Hour).Unix(), ""},
		{"nothing is asked for, and it was yesterday", "", now.Add(-24 * time.Hour).Unix(), ""},
		{"another account is wanted, and it was yesterday", "&prompt=select_account", now.Add(-24 * time.Hour).Unix(), ""},
		{"a class that the sign-in may not meet, and it was yesterday", "&acr_values=urn:gatehouse:acr:password", now.Add(-24 * time.Hour).Unix(), ""},
		{"prompt=login, and the site does not tell when", "&prompt=login", nil, ""},
	} {
		for _, client := range []string{"web", "hidden"} {
			t.Run(tt.name+", "+client, func(t *testing.T) {
				r.site.ID = map[string]any{"auth_time": tt.at}
				b := r.Browser("/acme")
				res := b.Follow(b.Get(r.site.Authorize(journey(t, b, client, tt.more))))
				if tt.want != "" {
					if !strings.HasPrefix(res.Location(), "https://"+client+".example/cb?error="+tt.want) {
						t.Errorf("location %s", res.Location())
					}
					return
				}
				a := authorized(t, r.Harness, r.domain, client, res)
				if at, ok := tt.at.(int64); ok && a.AuthTime != at || !ok && a.AuthTime != now.Unix() {
					t.Errorf("auth_time %d", a.AuthTime)
				}
			})
		}
	}
}

func TestPeopleWhoMayNotComeIn(t *testing.T) {
	r := newRig(t)
	back := func(b *browsertest.Browser) *browsertest.Response {
		return b.Get(r.site.Authorize(journey(t, b, "web", "")))
	}
	b := r.Browser("/acme")
	r.Directory.Away(fault.Deniedf("disabled"))
	if got := pagesError(back(b), "/login"); !strings.Contains(got, "account_disabled") {
		t.Errorf("a disabled account: %q", got)
	}
	r.Directory.Away(fault.Invalidf("too long"))
	if got := pagesError(back(r.Browser("/acme")), "/login"); got != failedCallback {
		t.Errorf("what cannot be kept: %q", got)
	}
	r.Directory.Away(fault.Unavailablef("away"))
	if res := back(r.Browser("/acme")); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a directory that is away: %d", res.StatusCode)
	}
}
