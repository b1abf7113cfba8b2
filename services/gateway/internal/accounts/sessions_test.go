package accounts_test

import (
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
	edge    = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
)

type session struct {
	ID, Browser, System, Address, IdentityProvider string
	Current, RememberMe                            bool
	SignedInAt, LastSeenAt, EndsAt                 time.Time
}

func sessions(t *testing.T, b *browsertest.Browser) (list []session, token string) {
	t.Helper()
	b.Headers["Accept"] = "application/json"
	defer delete(b.Headers, "Accept")
	res := b.Get("/account/sessions")
	var body struct {
		Sessions  []session
		XSRFToken string `json:"xsrfToken"`
	}
	if err := json.Unmarshal([]byte(res.Text), &body); err != nil || res.StatusCode != 200 {
		t.Fatalf("status %d: %v\n%s", res.StatusCode, err, res.Text)
	}
	return body.Sessions, body.XSRFToken
}

func TestSessions(t *testing.T) {
	r := newRig(t, gatewaytest.Options{}, func(l *configv1.LoginSettings, a *configv1.AccountSettings) {
		l.RememberMeEnabled, a.RememberMe, a.RememberMeDuration = true, true, 86400
	})
	r.Follow()
	browser := func(agent, address, name, remember string) *browsertest.Browser {
		b := r.Browser("/acme")
		b.Headers["User-Agent"], b.Address = agent, net.JoinHostPort(address, "1")
		page := b.Follow(b.Get("/oauth/authorize?" + query))
		f := b.Form(page)
		f.Values.Set("username", name)
		f.Values.Set("password", gatewaytest.Password)
		f.Values.Del("rememberMe")
		if remember != "" {
			f.Values.Set("rememberMe", remember)
		}
		b.Follow(b.Post(f.Action, f.Values))
		return b
	}
	began := r.Clock.Now()
	desk := browser(firefox, "192.0.2.10", "ann", "")
	phone := browser(iphone, "2001:db8::1", "ann", "true")
	r.Clock.Forward(5 * time.Minute)
	office := browser(edge, "192.0.2.30", "ann", "")
	bob := browser(edge, "192.0.2.40", "bob", "")

	t.Run("lists a person's own sessions, this one first", func(t *testing.T) {
		list, _ := sessions(t, desk)
		if len(list) != 3 || !list[0].Current || list[1].Current || list[2].Current {
			t.Fatalf("sessions %+v", list)
		}
		got := map[string]session{}
		for _, one := range list {
			one.ID, one.LastSeenAt = "", time.Time{}
			got[one.System] = one
		}
		want := map[string]session{
			"Linux":   {Browser: "Firefox", System: "Linux", Address: "192.0.2.10", IdentityProvider: "staff", Current: true, SignedInAt: began.UTC(), EndsAt: began.Add(12 * time.Hour).UTC()},
			"iOS":     {Browser: "Safari", System: "iOS", Address: "2001:db8::1", IdentityProvider: "staff", RememberMe: true, SignedInAt: began.UTC(), EndsAt: began.Add(24 * time.Hour).UTC()},
			"Windows": {Browser: "Edge", System: "Windows", Address: "192.0.2.30", IdentityProvider: "staff", SignedInAt: began.Add(5 * time.Minute).UTC(), EndsAt: began.Add(12*time.Hour + 5*time.Minute).UTC()},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sessions (-want +got):\n%s", diff)
		}
		wants(t, desk.Get("/account/sessions"), 200, "Firefox on Linux", "Safari on iOS", "Edge on Windows", "2001:db8::1", "the browser that you are using",
			`id="sessions-others"`, "Signed in")
		if list, _ := sessions(t, bob); len(list) != 1 {
			t.Errorf("bob has %d sessions", len(list))
		}
	})
	t.Run("nobody who is not signed in sees any", func(t *testing.T) {
		b := r.Browser("/acme")
		wants(t, b.Get("/account/sessions"), 403, "You are not signed in.")
		b.Headers["Accept"] = "application/json"
		if res := b.Get("/account/sessions"); res.StatusCode != 400 && res.StatusCode != 401 || !strings.Contains(res.Text, "login_required") {
			t.Errorf("status %d: %s", res.StatusCode, res.Text)
		}
	})
	post := func(b *browsertest.Browser, pairs ...string) *browsertest.Response {
		form := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return b.Post("/account/sessions", form)
	}
	id := func(system string) string {
		list, _ := sessions(t, desk)
		for _, one := range list {
			if one.System == system {
				return one.ID
			}
		}
		return ""
	}
	t.Run("a form of another browser, or for somebody else's session, ends nothing", func(t *testing.T) {
		_, token := sessions(t, desk)
		_, theirs := sessions(t, bob)
		post(desk, "session", id("iOS"))
		post(desk, "session", id("iOS"), "X-XSRF-TOKEN", theirs)
		desk.Headers["Origin"] = "https://evil.example"
		post(desk, "others", "true", "X-XSRF-TOKEN", token)
		delete(desk.Headers, "Origin")
		post(bob, "session", id("iOS"), "X-XSRF-TOKEN", theirs)
		if list, _ := sessions(t, desk); len(list) != 3 {
			t.Errorf("%d sessions are left", len(list))
		}
		if res := post(desk, "session", id("Linux"), "X-XSRF-TOKEN", token); res.StatusCode != 400 {
			t.Errorf("one's own: status %d", res.StatusCode)
		}
	})
	t.Run("one that is ended is signed out with the next request", func(t *testing.T) {
		_, token := sessions(t, desk)
		ended := id("iOS")
		if res := post(desk, "session", ended, "X-XSRF-TOKEN", token); res.Location() != base+"/account/sessions" {
			t.Fatalf("status %d, %s", res.StatusCode, res.Location())
		}
		if r.signedIn(phone) || !r.signedIn(desk) || !r.signedIn(office) || !r.signedIn(bob) {
			t.Error("not exactly the phone is signed out")
		}
		if list, _ := sessions(t, desk); len(list) != 2 {
			t.Errorf("%d sessions are left", len(list))
		}
		if res := post(desk, "session", ended, "X-XSRF-TOKEN", token); res.StatusCode != 302 {
			t.Errorf("once more: status %d", res.StatusCode)
		}
	})
	t.Run("all others end at once, from the page without a script", func(t *testing.T) {
		browser(firefox, "192.0.2.50", "ann", "")
		page := desk.Get("/account/sessions")
		token := page.Text[strings.Index(page.Text, `name="X-XSRF-TOKEN" value="`)+len(`name="X-XSRF-TOKEN" value="`):]
		token, _, _ = strings.Cut(token, `"`)
		post(desk, "others", "true", "X-XSRF-TOKEN", token)
		if list, _ := sessions(t, desk); len(list) != 1 || !list[0].Current || r.signedIn(office) || !r.signedIn(bob) {
			t.Errorf("sessions %+v", list)
		}
		if page := desk.Get("/account/sessions"); strings.Contains(page.Text, "sessions-others") {
			t.Error("the page offers to end sessions that are not there")
		}
	})
	t.Run("who signs in again in one browser has one session there", func(t *testing.T) {
		before, _ := sessions(t, desk)
		r.signIn(desk, "ann", gatewaytest.Password)
		if after, _ := sessions(t, desk); len(after) != 1 || after[0].ID != before[0].ID {
			t.Errorf("sessions %+v, before %+v", after, before)
		}
	})
	t.Run("an outage is said", func(t *testing.T) {
		r.Directory.Away(fault.Unavailablef("away"))
		defer r.Directory.Away(nil)
		if list, _ := sessions(t, desk); len(list) != 1 {
			t.Errorf("the directory is not needed: %+v", list)
		}
	})
}

func TestEndingASessionTellsItsClients(t *testing.T) {
	r := newRig(t, gatewaytest.Options{})
	a, b := r.Browser("/acme"), r.Browser("/acme")
	first := r.signIn(a, "ann", gatewaytest.Password)
	r.signIn(b, "ann", gatewaytest.Password)
	_, token := sessions(t, b)
	b.Post("/account/sessions", url.Values{"others": {"true"}, "X-XSRF-TOKEN": {token}})
	// What the ended session was given is worth nothing: its code, not redeemed yet.
	answer := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", first.Query().Get("code"),
		"redirect_uri", "https://web.example/cb"), gatewaytest.Basic("web"))
	if answer.Status != 400 || !strings.Contains(answer.Body, "invalid_grant") {
		t.Errorf("status %d: %s", answer.Status, answer.Body)
	}
}
