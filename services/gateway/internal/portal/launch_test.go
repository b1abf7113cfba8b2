package portal_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestAcceptance34ASignedOutLaunchEndsAtTheTarget(t *testing.T) {
	s := newSite(t)
	s.put(s.app("payroll", func(a *configv1.Application) {
		a.Name, a.LaunchUrl = "Payroll", "https://pay.example/start?who={{user.username}}&mail={{user.email}}"
	}))
	b := s.Browser("/acme")
	away := b.Get("/application/launch/payroll/?prompt=login&login_hint=ann&evil=1&iss=x&acr_values=urn%3Aa")
	if diff := cmp.Diff([]string{"acr_values", "launch", "login_hint", "prompt"}, values(away)); diff != "" {
		t.Errorf("what reaches the sign-in (-want +got):\n%s", diff)
	}
	page := b.Follow(away)
	if !strings.Contains(page.Text, "Continue to <strong>Payroll</strong>") || !strings.Contains(page.Text, `value="ann"`) {
		t.Fatalf("%d %s", page.StatusCode, page.Text)
	}
	done := b.SignIn(page, "ann", gatewaytest.Password)
	if !strings.HasPrefix(done.Location(), b.Base+"/application/launch/payroll/?") {
		t.Fatalf("after the sign-in: %d %s", done.StatusCode, done.Location())
	}
	done = b.Follow(done)
	if want := "https://pay.example/start?who=ann&mail=ann%40acme.example"; done.StatusCode != http.StatusFound || done.Location() != want {
		t.Fatalf("%d %s, want %s", done.StatusCode, done.Location(), want)
	}
	if got := []string{done.Header.Get("Cache-Control"), done.Header.Get("Referrer-Policy")}; !cmp.Equal(got, []string{"no-store", "no-referrer"}) {
		t.Errorf("headers %v", got)
	}
	// The sign-in that was asked for counted once.
	if again := b.Get("/application/launch/payroll?prompt=login"); !strings.Contains(again.Location(), "/acme/login?") {
		t.Errorf("a second time it asks: %d %s", again.StatusCode, again.Location())
	}
	for _, path := range []string{"/application/launch/payroll/", "/application/launch/payroll", "/application/launch/payroll?other=https://evil.example"} {
		got, head := b.Get(path), b.Head(path)
		if got.StatusCode != http.StatusFound || got.Location() != done.Location() || head.StatusCode != got.StatusCode || head.Location() != got.Location() {
			t.Errorf("%s: %d %s, HEAD %d %s", path, got.StatusCode, got.Location(), head.StatusCode, head.Location())
		}
	}
	if got := b.Post("/application/launch/payroll/", url.Values{}); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", got.StatusCode)
	}
	if got := s.Browser("/acme").Get("/application/launch/payroll/?prompt=none"); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.Text, "login_required") {
		t.Errorf("prompt=none: %d %s", got.StatusCode, got.Text)
	}
}

// TestAcceptance31ATemplateYieldsOneURLForAwkwardValues is the part of the row that gateways have: management refuses unknown fields.
func TestAcceptance31ATemplateYieldsOneURLForAwkwardValues(t *testing.T) {
	s := newSite(t)
	s.put(s.app("files", func(a *configv1.Application) {
		a.LaunchUrl = "https://files.example/a%20b/{{user.attributes.team}}?q=%20&who={{user.attributes.team}}#{{user.attributes.none}}"
	}))
	b := s.signedIn()
	user, err := s.Directory.SignIn(t.Context(), s.id, "", gatewaytest.Identity("ann"))
	if err != nil {
		t.Fatal(err)
	}
	if user.AdditionalInformation, err = structpb.NewStruct(map[string]any{"team": "Ä b/c?d=e&f%#"}); err != nil {
		t.Fatal(err)
	}
	s.Directory.Put(s.id, user)
	s.Clock.Forward(time.Minute)
	got := b.Get("/application/launch/files/")
	want := "https://files.example/a%20b/%C3%84%20b%2Fc%3Fd%3De%26f%25%23?q=%20&who=%C3%84%20b%2Fc%3Fd%3De%26f%25%23#"
	if got.StatusCode != http.StatusFound || strings.TrimSuffix(got.Location(), "#") != strings.TrimSuffix(want, "#") {
		t.Errorf("%d %s, want %s", got.StatusCode, got.Location(), want)
	}
}

// client is an application that signs people in, with a slug.
func (s *site) client(slug string, change ...func(*configv1.Application)) *configv1.Application {
	return gatewaytest.NewApp(s.id, slug, append([]func(*configv1.Application){func(a *configv1.Application) {
		a.Slug, a.Name, a.IdentityProviders = slug, slug, []*configv1.ApplicationIdentityProvider{{Identity: "staff"}}
		a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
	}}, change...)...)
}

// authorize is a sign-in that an application begins.
func authorize(b *browsertest.Browser, slug string) *browsertest.Response {
	return b.Follow(b.Get("/oauth/authorize?" + url.Values{
		"client_id": {slug}, "redirect_uri": {"https://" + slug + ".example/cb"}, "response_type": {"code"}, "scope": {"openid"},
	}.Encode()))
}

func TestAcceptance32BlankHidesTheCardAndNothingElse(t *testing.T) {
	s := newSite(t)
	s.put(s.client("blank", func(a *configv1.Application) { a.LaunchUrl = "blank://blank" }))
	b := s.signedIn()
	if got := read(t, b.Get("/portal/applications")); got.TotalCount != 0 {
		t.Errorf("shown: %s", got.slugs())
	}
	if got := b.Get("/application/launch/blank/"); got.StatusCode != http.StatusNotFound {
		t.Errorf("launched: %d", got.StatusCode)
	}
	if got := authorize(b, "blank"); got.StatusCode != http.StatusFound || got.Query().Get("code") == "" {
		t.Errorf("sign-in from the application: %d %s", got.StatusCode, got.Location())
	}
}

func TestAcceptance33DisabledHiddenAndDeniedAreThreeThings(t *testing.T) {
	s := newSite(t)
	s.group("out")
	s.put(
		s.client("disabled", func(a *configv1.Application) { a.Enabled = proto.Bool(false) }),
		s.client("hidden", func(a *configv1.Application) { a.Hidden = true }),
		s.client("denied", For("out")),
	)
	b := s.signedIn()
	if got := read(t, b.Get("/portal/applications")); got.TotalCount != 0 {
		t.Errorf("My applications has %s", got.slugs())
	}
	for slug, want := range map[string][2]string{
		"disabled": {"404 This application is not available", "400 No client found"},
		"hidden":   {"302 https://hidden.example", "302 code"},
		"denied":   {"403 You have no access to", "403 You have no access to"},
	} {
		for i, got := range []*browsertest.Response{b.Get("/application/launch/" + slug + "/"), authorize(b, slug)} {
			status, text, _ := strings.Cut(want[i], " ")
			if said := got.Text + got.Location(); strconv.Itoa(got.StatusCode) != status || !strings.Contains(said, text) {
				t.Errorf("%s by %s: %d, want %s\n%s", slug, [...]string{"launch", "sign-in"}[i], got.StatusCode, want[i], said)
			}
		}
	}
}

func TestTargets(t *testing.T) {
	s := newSite(t)
	s.put(
		s.client("first", func(a *configv1.Application) {
			a.Settings.Oauth.RedirectUris = []string{"com.app:/cb", "https://first.example:8443/a/cb?x=1"}
		}),
		s.client("starts", func(a *configv1.Application) { a.Settings.Oauth.InitiateLoginUri = "https://starts.example/login?a=b" }),
		s.app("path", func(a *configv1.Application) { a.LaunchUrl = "/local/{{app.slug}}?d=%20" }),
		s.app("dept", func(a *configv1.Application) { a.LaunchUrl = "https://x.example/{{user.attributes.dept}}/" }),
	)
	b := s.signedIn()
	for slug, want := range map[string]string{
		"first":  "https://first.example:8443",
		"starts": "https://starts.example/login?a=b&iss=" + url.QueryEscape(gatewaytest.PublicURL+"/acme/oidc"),
		"path":   "/local/path?d=%20",
	} {
		if got := b.Get("/application/launch/" + slug + "/"); got.StatusCode != http.StatusFound || got.Location() != want {
			t.Errorf("%s: %d %s, want %s", slug, got.StatusCode, got.Location(), want)
		}
	}
	got := b.Get("/application/launch/dept/")
	if got.StatusCode != http.StatusConflict || !strings.Contains(got.Text, "user.attributes.dept") || !strings.Contains(got.Text, "Dept") {
		t.Errorf("an attribute that is absent: %d %s", got.StatusCode, got.Text)
	}
}

func TestLinksThatLeadNowhere(t *testing.T) {
	s := newSite(t)
	s.put(
		s.app("hidden", func(a *configv1.Application) { a.Hidden = true }),
		s.app("blank", func(a *configv1.Application) { a.LaunchUrl = "blank://blank" }),
		s.app("aimless", func(a *configv1.Application) { a.LaunchUrl = "" }),
		s.app("disabled", func(a *configv1.Application) { a.Enabled = proto.Bool(false) }),
		s.app("waiting", func(a *configv1.Application) { a.Part = configv1.Application_PROVIDER }),
		s.app("shown"),
	)
	signedIn, stranger := s.signedIn(), s.Browser("/acme")
	if got := read(t, signedIn.Get("/portal/applications")); got.slugs() != "shown" || got.TotalCount != 1 {
		t.Errorf("shown: %s", got.slugs())
	}
	if got := read(t, signedIn.Get("/portal/applications?search=disabled")); got.TotalCount != 0 {
		t.Errorf("a search finds %s", got.slugs())
	}
	unknown := signedIn.Get("/application/launch/nothing-here/")
	for _, slug := range []string{"nothing-here", "blank", "aimless", "waiting", "Hidden", "hid%20den", "a/b", "%2e%2e", "-x"} {
		for who, b := range map[string]*browsertest.Browser{"somebody": signedIn, "a stranger": stranger} {
			got := b.Get("/application/launch/" + slug + "/")
			if got.StatusCode != http.StatusNotFound || plain(got) != plain(unknown) || len(got.Cookies()) != 0 {
				t.Errorf("%s at %s: %d with %d cookies\n%s", who, slug, got.StatusCode, len(got.Cookies()), got.Text)
			}
		}
	}
	for who, b := range map[string]*browsertest.Browser{"somebody": signedIn, "a stranger": stranger} {
		got := b.Get("/application/launch/disabled/")
		if got.StatusCode != http.StatusNotFound || !strings.Contains(got.Text, "This application is not available") || strings.Contains(got.Text, "Disabled") {
			t.Errorf("%s at a disabled one: %d\n%s", who, got.StatusCode, got.Text)
		}
	}
	if got := signedIn.Get("/application/launch/hidden/"); got.StatusCode != http.StatusFound || got.Location() != "https://hidden.example/" {
		t.Errorf("a hidden one: %d %s", got.StatusCode, got.Location())
	}
	for _, slug := range []string{"disabled", "blank-", "waiting", "nothing-here"} {
		if got := signedIn.Get("/portal/applications/" + slug + "/access"); got.StatusCode != http.StatusNotFound || !strings.Contains(got.Text, "There is no such application") {
			t.Errorf("access of %s: %d %s", slug, got.StatusCode, got.Text)
		}
	}
	if got := signedIn.Get("/portal/applications/shown/access"); got.Text != `{"verdict":"allowed","messages":[]}` {
		t.Errorf("access: %s", got.Text)
	}
	// The pages of a sign-in for nothing are no better informed.
	for _, slug := range []string{"nothing-here", "blank", "disabled"} {
		if got := stranger.Follow(stranger.Get("/login?launch=" + slug)); got.StatusCode != http.StatusNotFound {
			t.Errorf("signing in for %s: %d", slug, got.StatusCode)
		}
	}
}

var requestID = regexp.MustCompile(`<code id="request-id">[^<]*</code>`)

// plain is a page without what every one of them has anew.
func plain(r *browsertest.Response) string { return requestID.ReplaceAllString(r.Text, "") }
