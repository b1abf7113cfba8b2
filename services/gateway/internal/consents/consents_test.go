package consents_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

const path = "/account/applications"

func ask(client, more string) string {
	return "/oauth/authorize?response_type=code&scope=openid+profile&client_id=" + client + "&redirect_uri=" + url.QueryEscape("https://"+client+".example/cb") + more
}

type house struct {
	*gatewaytest.Harness
	t       *testing.T
	domain  string
	browser *browsertest.Browser
}

func start(t *testing.T) *house {
	c := gatewaytest.NewAcme(t)
	c.App("web", func(a *configv1.Application) { a.Name = "Web & <mail>" })
	c.App("other")
	h := &house{Harness: gatewaytest.New(t, gatewaytest.Options{}, c), t: t, domain: c.Domain.GetId()}
	h.browser = h.Browser("/acme")
	return h
}

// allow signs ann in where she is not, approves what is asked, and returns the client's tokens.
func (h *house) allow(client string) map[string]any {
	h.t.Helper()
	b := h.browser
	res := b.Follow(b.Get(ask(client, "")))
	if strings.Contains(res.Text, `id="login-submit"`) {
		res = b.Follow(b.SignIn(res, "ann", gatewaytest.Password))
	}
	if strings.Contains(res.Text, `id="consent-allow"`) {
		f := b.Form(res)
		f.Values.Set("user_oauth_approval", "true")
		res = b.Follow(b.Post(f.Action, f.Values))
	}
	got := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", res.Query().Get("code"),
		"redirect_uri", "https://"+client+".example/cb"), gatewaytest.Basic(client))
	if got.Status != http.StatusOK {
		h.t.Fatalf("%s: %s\n%s", res.Location(), got.Body, res.Text)
	}
	return got.JSON(h.t)
}

// worth says which tokens still work: r for the refresh token, u for the access token at userinfo, i at introspection.
func (h *house) worth(client string, tokens map[string]any) (works string) {
	h.t.Helper()
	access := tokens["access_token"].(string)
	if h.Get("/acme/oidc/userinfo", gatewaytest.Header("Authorization", "Bearer "+access)).Status == http.StatusOK {
		works += "u"
	}
	if h.Post("/acme/oauth/introspect", gatewaytest.Form("token", access), gatewaytest.Basic("other")).JSON(h.t)["active"] == true {
		works += "i"
	}
	refresh := tokens["refresh_token"].(string)
	if h.Post("/acme/oauth/introspect", gatewaytest.Form("token", refresh), gatewaytest.Basic("other")).JSON(h.t)["active"] == true {
		works += "I"
	}
	got := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "refresh_token", "refresh_token", refresh), gatewaytest.Basic(client))
	if got.Status == http.StatusOK {
		tokens["refresh_token"] = got.JSON(h.t)["refresh_token"]
		works += "r"
	}
	return works
}

// silently asks for a code without showing a page.
func (h *house) silently(client string) string {
	q := h.browser.Get(ask(client, "&prompt=none")).Query()
	if q.Has("code") {
		return "code"
	}
	return q.Get("error")
}

var forms = regexp.MustCompile(`(?s)<form .*?</form>`)

// form is the one that withdraws what a client was allowed; ok is false if the page has none.
func (h *house) form(client string) (f browsertest.Form, ok bool) {
	h.t.Helper()
	page := h.browser.Get(path)
	for _, text := range forms.FindAllString(page.Text, -1) {
		if strings.Contains(text, `name="client_id" value="`+client+`"`) {
			return h.browser.Form(&browsertest.Response{Response: page.Response, Text: text}), true
		}
	}
	return f, false
}

func TestPeopleWithdrawWhatTheyAllowed(t *testing.T) {
	h := start(t)
	web, other := h.allow("web"), h.allow("other")
	page := h.browser.Get(path)
	for _, part := range []string{"Web &amp; &lt;mail&gt;", "other", "Allowed since", "openid", "profile"} {
		if !strings.Contains(page.Text, part) {
			t.Errorf("the page does not say %q:\n%s", part, page.Text)
		}
	}
	if page.StatusCode != http.StatusOK || strings.Contains(page.Text, "<script") || page.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("status %d, header %v", page.StatusCode, page.Header)
	}
	f, ok := h.form("web")
	if !ok {
		t.Fatalf("no form for the application:\n%s", page.Text)
	}
	if w, o := h.worth("web", web), h.worth("other", other); w != "uiIr" || o != "uiIr" {
		t.Fatalf("before: %s and %s", w, o)
	}
	forged := url.Values{"client_id": {"web"}, "X-XSRF-TOKEN": {"t.x"}}
	if res := h.browser.Post(f.Action, forged); !strings.Contains(h.browser.Get(res.Location()).Text, "Your session expired") || h.worth("web", web) != "uiIr" {
		t.Error("a forged form withdraws")
	}
	if res := h.browser.Post(f.Action, f.Values); res.StatusCode != http.StatusFound || res.Location() != h.browser.Base+path {
		t.Fatalf("status %d, %s", res.StatusCode, res.Location())
	}
	if got := h.worth("web", web); got != "" {
		t.Errorf("withdrawn, and %s still works", got)
	}
	if got := h.worth("other", other); got != "uiIr" {
		t.Errorf("another application has only %s", got)
	}
	if got := h.silently("web"); got != "interaction_required" && got != "consent_required" {
		t.Errorf("without being asked again: %s", got)
	}
	if _, ok := h.form("web"); ok {
		t.Error("the page still shows it")
	}
	h.Clock.Forward(time.Second)
	if got := h.worth("web", h.allow("web")); !strings.Contains(got, "r") {
		t.Errorf("allowed again, only %s works", got)
	}
}

func TestOperatorsWithdrawWhatPeopleAllowed(t *testing.T) {
	h := start(t)
	web := h.allow("web")
	if got := h.worth("web", web); got != "uiIr" {
		t.Fatalf("before: %s", got)
	}
	if err := h.Directory.Withdraw(h.domain, "user-ann", "web", h.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	h.Clock.Forward(31 * time.Second)
	if got := h.worth("web", web); got != "" {
		t.Errorf("half a minute later %s still works", got)
	}
}

func TestConsentsExpire(t *testing.T) {
	h := start(t)
	h.allow("web")
	if got := h.silently("web"); got != "code" {
		t.Fatalf("while it is young: %s", got)
	}
	soon := timestamppb.New(h.Clock.Now().Add(time.Minute))
	err := h.Directory.SaveConsents(t.Context(), h.domain, "user-ann", "web", []*directoryv1.Consent{
		{Scope: "openid", Approved: true, ExpiresAt: soon}, {Scope: "profile", Approved: true, ExpiresAt: soon},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Clock.Forward(61 * time.Second)
	if got := h.silently("web"); got != "interaction_required" && got != "consent_required" {
		t.Errorf("once it has expired: %s", got)
	}
	if _, ok := h.form("web"); ok {
		t.Error("the page shows what has expired")
	}
}

func TestThePageIsForPeopleWhoAreSignedIn(t *testing.T) {
	h := start(t)
	stranger := h.Browser("/acme")
	if res := stranger.Get(path); res.StatusCode != http.StatusForbidden || !strings.Contains(res.Text, "You are not signed in") || strings.Contains(res.Text, "<form") {
		t.Errorf("status %d\n%s", res.StatusCode, res.Text)
	}
	if res := stranger.Post(path, url.Values{"client_id": {"web"}}); res.StatusCode != http.StatusFound {
		t.Errorf("status %d", res.StatusCode)
	}
	h.allow("web")
	f, _ := h.form("web")
	f.Values.Set("client_id", "unknown|client")
	if res := h.browser.Post(f.Action, f.Values); res.StatusCode != http.StatusFound {
		t.Errorf("an unknown client: status %d", res.StatusCode)
	}
	f.Values.Del("client_id")
	if res := h.browser.Post(f.Action, f.Values); res.StatusCode != http.StatusBadRequest {
		t.Errorf("no client: status %d", res.StatusCode)
	}
	h.Directory.Away(fault.Unavailablef("management is away"))
	if res := h.browser.Get(path); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without management: status %d", res.StatusCode)
	}
}
