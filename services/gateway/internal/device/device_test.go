package device_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

const grantType = string(oauth2.GrantDeviceCode)

// rig is a gateway with a television that people allow things.
type rig struct {
	*gatewaytest.Harness
	t      *testing.T
	domain string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	grants := func(a *configv1.Application) {
		a.Name = "Living room " + a.Settings.Oauth.ClientId
		a.Settings.Oauth.GrantTypes = []string{grantType, "refresh_token"}
		a.Settings.Oauth.ResponseTypes = nil
	}
	c.App("tv", grants, func(a *configv1.Application) {
		a.Settings.Oauth.TokenEndpointAuthMethod = "none"
		a.Settings.Oauth.FrontchannelLogoutUri = "https://tv.example/out"
	})
	c.App("box", grants)
	c.App("strict", grants, func(a *configv1.Application) { a.Settings.Oauth.SecurityProfile = profile.OAuth21 })
	c.App("web")
	c.Inline("guests", "gil")
	c.App("guest", grants, func(a *configv1.Application) { a.IdentityProviders[0].Identity = "guests" })
	return &rig{gatewaytest.New(t, gatewaytest.Options{}, c), t, c.Domain.GetId()}
}

// codes is what a device is told.
type codes struct {
	Device    string `json:"device_code"`
	User      string `json:"user_code"`
	URI       string `json:"verification_uri"`
	Complete  string `json:"verification_uri_complete"`
	ExpiresIn int    `json:"expires_in"`
	Interval  int    `json:"interval"`
}

// begin lets the television ask.
func (r *rig) begin(pairs ...string) codes {
	r.t.Helper()
	a := r.Post("/acme/oauth/device_authorization", gatewaytest.Form(append([]string{"client_id", "tv"}, pairs...)...))
	var c codes
	if err := json.Unmarshal([]byte(a.Body), &c); err != nil || a.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("header %v", a.Header)
	}
	return c
}

// poll lets the television collect.
func (r *rig) poll(c codes) gatewaytest.Answer {
	r.t.Helper()
	return r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", grantType, "client_id", "tv", "device_code", c.Device))
}

// open goes to a device page as somebody, signing in where that is asked for.
func (r *rig) open(b *browsertest.Browser, target, name string) *browsertest.Response {
	r.t.Helper()
	page := b.Follow(b.Get(target))
	if strings.Contains(page.Text, `id="password"`) {
		page = b.Follow(b.SignIn(page, name, gatewaytest.Password))
	}
	return page
}

// decide answers the question of a page.
func decide(b *browsertest.Browser, page *browsertest.Response, approval string) *browsertest.Response {
	f := b.Form(page)
	f.Values.Set("user_oauth_approval", approval)
	return b.Post(f.Action, f.Values)
}

func wants(t *testing.T, page *browsertest.Response, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page.Text, text) {
			t.Errorf("status %d, location %q, the page lacks %q:\n%s", page.StatusCode, page.Location(), text, page.Text)
		}
	}
}

func TestT16TheDeviceAuthorizationEndpoint(t *testing.T) {
	r := newRig(t)
	c := r.begin("scope", "openid read")
	const page = gatewaytest.PublicURL + "/acme/device"
	if c.ExpiresIn != 600 || c.Interval != 5 || c.URI != page || c.Complete != page+"?user_code="+url.QueryEscape(c.User) || len(c.Device) < 43 {
		t.Errorf("answer %+v", c)
	}
	tests := []struct {
		name   string
		path   string
		form   url.Values
		change gatewaytest.Change
		want   string
	}{
		{"a confidential client authenticates", "", gatewaytest.Form("scope", "read"), gatewaytest.Basic("box"), ""},
		{"and not by its name alone", "", gatewaytest.Form("client_id", "box"), nil, "Unauthorized | invalid_client | Client authentication failed due to unknown clientId, expired or invalid client secret"},
		{"nobody", "", nil, nil, "Unauthorized | invalid_client | Invalid client: missing or unsupported authentication method"},
		{"a client without the grant", "", nil, gatewaytest.Basic("web"), "Bad Request | unauthorized_client | The client is not registered for the grant type: " + grantType},
		{"a scope the client has not", "", gatewaytest.Form("client_id", "tv", "scope", "nope"), nil, "Bad Request | invalid_scope | Invalid scope(s): nope"},
		{"a resource that nobody knows", "", gatewaytest.Form("client_id", "tv", "resource", "https://x.example"), nil, "Bad Request | invalid_target | The resource [ https://x.example ] is not one that this client can ask for"},
		{"a repeated parameter", "", gatewaytest.Form("client_id", "tv", "client_id", "tv"), nil, "Bad Request | invalid_request | Parameter [client_id] is included more than once"},
		{"parameters in the query", "?scope=read", nil, gatewaytest.Basic("box"), ""},
		{"which strict profiles refuse", "?scope=read", nil, gatewaytest.Basic("strict"), "Bad Request | invalid_request | The parameters must be in the body of the request, not in its query"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var changes []gatewaytest.Change
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			a := r.Post("/acme/oauth/device_authorization"+tt.path, tt.form, changes...)
			if tt.want == "" && a.Status != http.StatusOK || tt.want != "" && a.Error(t) != tt.want {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
	document := r.Get("/acme/oidc/.well-known/openid-configuration").JSON(t)
	if document["device_authorization_endpoint"] != gatewaytest.PublicURL+"/acme/oauth/device_authorization" {
		t.Errorf("the document says %v", document["device_authorization_endpoint"])
	}
}

func TestT17UserCodesAreReadAsPeopleWriteThem(t *testing.T) {
	r := newRig(t)
	form := regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`)
	b := r.Browser("/acme")
	c := r.begin()
	if !form.MatchString(c.User) {
		t.Fatalf("user code %q", c.User)
	}
	for _, typed := range []string{c.User, strings.ToLower(c.User), strings.ReplaceAll(c.User, "-", ""), " " + strings.ReplaceAll(c.User, "-", " ") + " "} {
		page := b.Get("/device")
		wants(t, page, `id="user_code"`, "Enter the code that your device shows")
		f := b.Form(page)
		f.Values.Set("user_code", typed)
		res := b.Post(f.Action, f.Values)
		if res.StatusCode != 302 || res.Location() != c.Complete {
			t.Errorf("%q leads to %d %s", typed, res.StatusCode, res.Location())
		}
	}
	t.Run("other codes are told so", func(t *testing.T) {
		for _, typed := range []string{"BCDF-GHJK", "AAAA-AAAA", "x", "<b>", strings.Repeat("B", 1000)} {
			page := b.Follow(b.Get("/device?user_code=" + url.QueryEscape(typed)))
			wants(t, page, "This code is not known, or its time is over", `id="user_code"`)
			if strings.Contains(page.Text, "<b>") {
				t.Error("what was typed is not escaped")
			}
		}
	})
	t.Run("a form that another site sent is not taken", func(t *testing.T) {
		f := b.Form(b.Get("/device"))
		f.Values.Set("user_code", c.User)
		f.Values.Set("X-XSRF-TOKEN", "x")
		wants(t, b.Post(f.Action, f.Values), "Your session expired, please try again.")
	})
	t.Run("they are used once", func(t *testing.T) {
		page := r.open(b, c.Complete, "ann")
		again := r.Browser("/acme")
		other := r.open(again, c.Complete, "bob")
		wants(t, decide(b, page, "true"), "Your device is connected")
		wants(t, decide(again, other, "true"), "This code is not known, or its time is over")
		wants(t, again.Get(c.Complete), "This code is not known, or its time is over")
	})
	t.Run("guessing is limited for a browser, and known codes do not count", func(t *testing.T) {
		good := r.begin()
		b := r.Browser("/acme")
		r.open(b, good.Complete, "ann")
		for range 20 {
			wants(t, b.Get(good.Complete), `id="device-allow"`)
		}
		for range 10 {
			wants(t, b.Get("/device?user_code=BCDFGHJK"), "This code is not known")
		}
		wants(t, b.Get(good.Complete), "Too many codes were tried")
		wants(t, r.open(r.Browser("/acme"), good.Complete, "ann"), `id="device-allow"`)
	})
	t.Run("and for an address, whatever cookies it has", func(t *testing.T) {
		limited := 0
		for range 120 {
			b := r.Browser("/acme")
			b.Address = "192.0.2.1:4711"
			if page := b.Get("/device?user_code=BCDFGHJK"); strings.Contains(page.Text, "Too many codes were tried") {
				limited++
			}
		}
		if limited < 10 {
			t.Errorf("%d of 120 tries were refused", limited)
		}
	})
}

func TestT18ThePageSignsInNamesAndAlwaysAsks(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	c := r.begin("scope", "openid read")
	login := b.Get(c.Complete)
	if login.StatusCode != 302 || !strings.HasPrefix(login.Location(), gatewaytest.PublicURL+"/acme/login?client_id=tv&user_code=") {
		t.Fatalf("status %d, location %s", login.StatusCode, login.Location())
	}
	page := r.open(b, c.Complete, "ann")
	wants(t, page, "Living room tv", "signed in as <strong>ann</strong>", c.User, "openid", "read", `id="device-allow"`, `id="device-deny"`)
	wants(t, decide(b, page, "true"), "Your device is connected", "Living room tv")
	t.Run("asks again for the next code, of somebody who is signed in and has allowed the same", func(t *testing.T) {
		next := r.begin("scope", "openid read")
		wants(t, b.Get(next.Complete), `id="device-allow"`, next.User)
		if got := r.poll(next).Error(t); !strings.HasPrefix(got, "Bad Request | authorization_pending") {
			t.Errorf("answer %s", got)
		}
	})
	t.Run("a wrong password stays with the code", func(t *testing.T) {
		b := r.Browser("/acme")
		next := r.begin()
		page := b.Follow(b.SignIn(b.Follow(b.Get(next.Complete)), "ann", "wrong"))
		wants(t, page, "Invalid or unknown user")
		wants(t, b.Follow(b.SignIn(page, "ann", gatewaytest.Password)), `id="device-allow"`, next.User)
	})
	t.Run("somebody whom the application does not let in signs in as somebody else", func(t *testing.T) {
		a := r.Post("/acme/oauth/device_authorization", nil, gatewaytest.Basic("guest"))
		link := a.JSON(t)["verification_uri_complete"].(string)
		res := b.Get(link)
		if res.StatusCode != 302 || !strings.Contains(res.Location(), "/acme/login?client_id=guest&") {
			t.Errorf("status %d, location %s", res.StatusCode, res.Location())
		}
		wants(t, r.open(b, link, "gil"), "signed in as <strong>gil</strong>")
	})
	t.Run("a decision needs the form of this page, this code and this person", func(t *testing.T) {
		one, two := r.begin(), r.begin()
		b := r.Browser("/acme")
		f := b.Form(r.open(b, one.Complete, "ann"))
		f.Values.Set("user_oauth_approval", "true")
		f.Values.Set("user_code", two.User)
		wants(t, b.Post(f.Action, f.Values), "Your session expired", two.User)
		other := r.Browser("/acme")
		r.open(other, one.Complete, "bob")
		f.Values.Set("user_code", one.User)
		wants(t, other.Post(f.Action, f.Values), "Your session expired", one.User)
		for _, c := range []codes{one, two} {
			if got := r.poll(c).Error(t); !strings.HasPrefix(got, "Bad Request | authorization_pending") {
				t.Errorf("answer %s", got)
			}
		}
	})
	t.Run("nobody can be framed into it", func(t *testing.T) {
		for _, page := range []*browsertest.Response{b.Get("/device"), r.open(b, r.begin().Complete, "ann")} {
			if h := page.Header; !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("X-Frame-Options") != "DENY" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("header %v", h)
			}
		}
	})
}

func TestT19Polling(t *testing.T) {
	const bad = "Bad Request | "
	r := newRig(t)
	refused := func(t *testing.T, c codes, want string) {
		t.Helper()
		if got := r.poll(c).Error(t); got != bad+want {
			t.Errorf("answer %q, want %q", got, bad+want)
		}
	}
	const (
		pending = "authorization_pending | The person has not decided yet"
		slow    = "slow_down | Wait five seconds longer between requests"
		invalid = "invalid_grant | The device code is invalid"
	)
	allow := func(t *testing.T, c codes, approval string) {
		t.Helper()
		b := r.Browser("/acme")
		decide(b, r.open(b, c.Complete, "ann"), approval)
	}
	t.Run("each too early question adds five seconds", func(t *testing.T) {
		c := r.begin()
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, pending}, {5 * time.Second, pending}, {4 * time.Second, slow}, {6 * time.Second, slow}, {15 * time.Second, pending}, {14 * time.Second, slow}, {20 * time.Second, pending}} {
			r.Clock.Forward(step.after)
			refused(t, c, step.want)
		}
	})
	t.Run("tokens of the person, once", func(t *testing.T) {
		c := r.begin("scope", "openid read")
		refused(t, c, pending)
		allow(t, c, "true")
		a := r.poll(c)
		body := a.JSON(t)
		if a.Status != 200 || body["scope"] != "openid read" || body["refresh_token"] == nil || body["id_token"] == nil {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		refused(t, c, invalid)
		refresh := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "refresh_token", "client_id", "tv", "refresh_token", body["refresh_token"].(string)))
		if refresh.Status != 200 {
			t.Errorf("status %d: %s", refresh.Status, refresh.Body)
		}
	})
	t.Run("a refusal", func(t *testing.T) {
		c := r.begin()
		allow(t, c, "false")
		refused(t, c, "access_denied | User denied access")
		refused(t, c, invalid)
	})
	t.Run("when the time is over", func(t *testing.T) {
		c := r.begin()
		b := r.Browser("/acme")
		page := r.open(b, c.Complete, "ann")
		r.Clock.Forward(10 * time.Minute)
		refused(t, c, "expired_token | The device code is expired")
		page = decide(b, page, "true")
		wants(t, page, "This code is not known, or its time is over")
	})
	t.Run("another client, an invented code and none", func(t *testing.T) {
		c := r.begin()
		allow(t, c, "true")
		a := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", grantType, "device_code", c.Device), gatewaytest.Basic("box"))
		if got := a.Error(t); got != bad+invalid {
			t.Errorf("answer %q", got)
		}
		refused(t, codes{Device: "invented"}, invalid)
		refused(t, codes{}, "invalid_request | Missing parameter: device_code")
		if a := r.poll(c); a.Status != 200 {
			t.Errorf("another client used the code up: %s", a.Body)
		}
	})
	t.Run("one of many at once succeeds", func(t *testing.T) {
		c := r.begin()
		allow(t, c, "true")
		start, results := make(chan struct{}), make(chan int)
		for range 32 {
			go func() {
				<-start
				answer, err := http.PostForm(r.URL+"/acme/oauth/token", gatewaytest.Form("grant_type", grantType, "client_id", "tv", "device_code", c.Device))
				if err != nil {
					results <- 0
					return
				}
				_ = answer.Body.Close()
				results <- answer.StatusCode
			}()
		}
		close(start)
		count := map[int]int{}
		for range 32 {
			count[<-results]++
		}
		if count[200] != 1 || count[400] != 31 {
			t.Errorf("statuses %v", count)
		}
	})
}
