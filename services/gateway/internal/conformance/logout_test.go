package conformance

import (
	"context"
	"encoding/pem"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// silent is an application that asks for no consent.
func silent(change ...func(*configv1.OAuthSettings)) func(*configv1.Application) {
	return func(a *configv1.Application) {
		a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
		for _, f := range change {
			f(a.Settings.Oauth)
		}
	}
}

func askFor(client, more string) string {
	return "/oauth/authorize?response_type=code&scope=openid&client_id=" + client + "&redirect_uri=" + url.QueryEscape("https://"+client+".example/cb") + more
}

// enter signs ann in, or goes on as whoever is signed in, and returns the answer to the client.
func enter(t *testing.T, b *browsertest.Browser, client, more string) url.Values {
	t.Helper()
	res := b.Follow(b.Get(askFor(client, more)))
	if strings.Contains(res.Text, `id="login-submit"`) {
		res = b.Follow(b.SignIn(res, "ann", gatewaytest.Password))
	}
	if !strings.HasPrefix(res.Location(), "https://"+client+".example/cb?") {
		t.Fatalf("status %d, %s\n%s", res.StatusCode, res.Location(), res.Text)
	}
	return res.Query()
}

// redeem exchanges a code for tokens.
func redeem(t *testing.T, h *gatewaytest.Harness, client string, answer url.Values) map[string]any {
	t.Helper()
	got := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", answer.Get("code"),
		"redirect_uri", "https://"+client+".example/cb"), gatewaytest.Basic(client))
	if got.Status != http.StatusOK {
		t.Fatalf("status %d, %s", got.Status, got.Body)
	}
	return got.JSON(t)
}

func refresh(h *gatewaytest.Harness, client string, tokens map[string]any) gatewaytest.Answer {
	return h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "refresh_token", "refresh_token", tokens["refresh_token"].(string)), gatewaytest.Basic(client))
}

func unread(t *testing.T, token any) *jose.Claims {
	t.Helper()
	_, claims, err := jose.Unverified(token.(string))
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestS1LogoutTakesHints(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(func(o *configv1.OAuthSettings) { o.PostLogoutRedirectUris = []string{"https://web.example/bye"} }))
	c.App("other", silent())
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	hint := redeem(t, h, "web", enter(t, b, "web", ""))["id_token"].(string)
	h.Clock.Forward(24 * time.Hour)
	enter(t, b, "web", "")
	out := func(pairs ...string) url.Values {
		return gatewaytest.Form(append([]string{"post_logout_redirect_uri", "https://web.example/bye", "state", "s 1"}, pairs...)...)
	}
	header, rest, _ := strings.Cut(hint, ".")
	_ = header
	unsigned := encoded(t, map[string]any{"alg": "none", "typ": "JWT"}) + "." + rest[:strings.IndexByte(rest, '.')] + "."
	tampered := hint[:len(hint)-4] + "AAAA"
	for name, form := range map[string]url.Values{
		"a hint without a signature": out("id_token_hint", unsigned), "a hint of another signer": out("id_token_hint", tampered),
		"a hint of another client": out("id_token_hint", hint, "client_id", "other"),
	} {
		if res := b.Post("/logout", form); !strings.HasPrefix(res.Location(), b.Base+"/oauth/error?") {
			t.Errorf("%s: status %d, %s", name, res.StatusCode, res.Location())
		}
	}
	if res := b.Get("/logout?" + out("id_token_hint", hint, "client_id", "web").Encode()); res.Location() != "https://web.example/bye?state=s+1" {
		t.Errorf("an expired hint, by GET: status %d, %s", res.StatusCode, res.Location())
	}
	enter(t, b, "web", "")
	if res := b.Post("/logout", out("id_token_hint", hint)); res.Location() != "https://web.example/bye?state=s+1" {
		t.Errorf("an expired hint, by POST: status %d, %s", res.StatusCode, res.Location())
	}
}

func TestS2NobodyIsSentOnWithoutProofOrAnswer(t *testing.T) {
	for _, tt := range []struct {
		profile      configv1.SecurityProfileSettings_Profile
		unregistered bool // asked about, not refused
		atDomain     bool // sent on without a question
		unasked      bool // sent on where the domain wants no questions
	}{
		{configv1.SecurityProfileSettings_NONE, true, true, true},
		{configv1.SecurityProfileSettings_OAUTH21, false, false, false},
		{configv1.SecurityProfileSettings_FAPI2, false, false, false},
	} {
		t.Run(tt.profile.String(), func(t *testing.T) {
			start := func(change func(*gatewaytest.Config)) *browsertest.Browser {
				c := gatewaytest.NewAcme(t)
				c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: tt.profile}
				change(c)
				return gatewaytest.New(t, gatewaytest.Options{}, c).Browser("/acme")
			}
			own := func(o *configv1.OAuthSettings) { o.PostLogoutRedirectUris = []string{"https://web.example/bye"} }
			asks := func(res *browsertest.Response) bool { return strings.Contains(res.Text, `id="logout-confirm"`) }

			b := start(func(c *gatewaytest.Config) { c.App("web", silent(own)) })
			if res := b.Get("/logout?client_id=web&post_logout_redirect_uri=https://web.example/bye"); !asks(res) {
				t.Errorf("registered, without a hint: %s", res.Location())
			}
			if res := b.Get("/logout?client_id=web&post_logout_redirect_uri=https://web.example/bye/"); !strings.HasPrefix(res.Location(), b.Base+"/oauth/error?") {
				t.Errorf("nearly registered: %s", res.Location())
			}

			b = start(func(c *gatewaytest.Config) { c.App("web", silent()) })
			res := b.Get("/logout?client_id=web&post_logout_redirect_uri=https://web.example/bye")
			if asks(res) != tt.unregistered || !asks(res) && !strings.HasPrefix(res.Location(), b.Base+"/oauth/error?") {
				t.Errorf("nothing registered: status %d, %s", res.StatusCode, res.Location())
			}

			b = start(func(c *gatewaytest.Config) {
				c.App("web", silent())
				c.Domain.Oidc.PostLogoutRedirectUris = []string{"https://portal.example/"}
			})
			res = b.Get("/logout?client_id=web&post_logout_redirect_uri=https://portal.example/")
			if (res.Location() == "https://portal.example/") != tt.atDomain || asks(res) == tt.atDomain {
				t.Errorf("registered at the domain: status %d, %s", res.StatusCode, res.Location())
			}

			b = start(func(c *gatewaytest.Config) {
				c.App("web", silent(own))
				c.Domain.Oidc.LogoutConfirmation = proto.Bool(false)
			})
			res = b.Get("/logout?client_id=web&post_logout_redirect_uri=https://web.example/bye")
			if (res.Location() == "https://web.example/bye") != tt.unasked || asks(res) == tt.unasked {
				t.Errorf("without questions: status %d, %s", res.StatusCode, res.Location())
			}
		})
	}
}

func TestS3ABareCallSignsOut(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent())
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	for name, query := range map[string]string{"alone": "", "with a state": "?state=s", "with a hint": "?id_token_hint="} {
		b := h.Browser("/acme")
		tokens := redeem(t, h, "web", enter(t, b, "web", ""))
		if strings.HasSuffix(query, "hint=") {
			query += tokens["id_token"].(string)
		}
		res := b.Get("/logout" + query)
		if res.StatusCode != http.StatusFound || res.Location() != "/" {
			t.Errorf("%s: status %d, %s", name, res.StatusCode, res.Location())
		}
		if page := h.Get("/"); page.Status != http.StatusOK || !strings.Contains(page.Body, "You are signed out") {
			t.Errorf("%s: the page afterwards: status %d", name, page.Status)
		}
		if got := b.Get(askFor("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
			t.Errorf("%s: still signed in: %s", name, got)
		}
	}
}

func TestS4ClientsAreToldInTheFrontChannel(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(func(o *configv1.OAuthSettings) {
		o.FrontchannelLogoutUri, o.FrontchannelLogoutSessionRequired = "https://web.example/out?x=1", true
		o.PostLogoutRedirectUris = []string{"https://web.example/bye"}
	}))
	c.App("plain", silent(func(o *configv1.OAuthSettings) { o.FrontchannelLogoutUri = "https://plain.example/out" }))
	c.App("quiet", silent())
	c.App("unused", silent(func(o *configv1.OAuthSettings) { o.FrontchannelLogoutUri = "https://unused.example/out" }))
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	id := redeem(t, h, "web", enter(t, b, "web", ""))["id_token"].(string)
	enter(t, b, "plain", "")
	enter(t, b, "quiet", "")
	res := b.Get("/logout?state=s&post_logout_redirect_uri=https://web.example/bye&id_token_hint=" + id)
	var frames []string
	for _, m := range regexp.MustCompile(`<iframe src="([^"]*)"`).FindAllStringSubmatch(res.Text, -1) {
		frames = append(frames, html.UnescapeString(m[1]))
	}
	want := []string{"https://plain.example/out", "https://web.example/out?x=1&iss=" + url.QueryEscape(issuer) + "&sid=" + unread(t, id).SessionID}
	if res.StatusCode != http.StatusOK || !slices.Equal(frames, want) || unread(t, id).SessionID == "" {
		t.Fatalf("status %d, frames %q, want %q", res.StatusCode, frames, want)
	}
	const onward = "https://web.example/bye?state=s"
	for _, part := range []string{`<meta http-equiv="refresh" content="3;url=` + onward + `">`, `id="logout-continue" href="` + onward + `"`} {
		if !strings.Contains(res.Text, part) {
			t.Errorf("the page has no %s:\n%s", part, res.Text)
		}
	}
	policy := res.Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "; frame-src https://plain.example https://web.example") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "script-src") {
		t.Errorf("the policy is %s", policy)
	}
	if got := b.Get(askFor("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
		t.Errorf("still signed in: %s", got)
	}
}

// receiver is a client's server for logout tokens. Each request waits for its answer.
type receiver struct {
	*httptest.Server
	requests chan *http.Request
	answers  chan int
}

func newReceiver(t *testing.T) (*receiver, *outbound.Options) {
	t.Helper()
	r := &receiver{requests: make(chan *http.Request, 16), answers: make(chan int)}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_ = q.ParseForm()
		r.requests <- q
		select {
		case status := <-r.answers:
			w.WriteHeader(status)
		case <-q.Context().Done(): // nobody waits for it any more
		}
	}))
	t.Cleanup(r.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return r, &outbound.Options{Allow: []string{"127.0.0.0/8"}, CAFile: file}
}

// run lets a gateway deliver until stop is called.
func run(t *testing.T, h *gatewaytest.Harness) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.LogoutTokens.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// TestS5LogoutTokensAreDelivered by another gateway if need be: the client stalls, fails and works at last.
func TestS5LogoutTokensAreDelivered(t *testing.T) {
	r, out := newReceiver(t)
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(func(o *configv1.OAuthSettings) { o.BackchannelLogoutUri = r.URL + "/out?x=1" }))
	c.App("quiet", silent())
	first := gatewaytest.New(t, gatewaytest.Options{Outbound: out}, c)
	second := gatewaytest.New(t, gatewaytest.Options{Outbound: out}, c)
	b := first.Browser("/acme")
	id := unread(t, redeem(t, first, "web", enter(t, b, "web", ""))["id_token"])
	enter(t, b, "quiet", "")

	stop := run(t, first)
	if res := b.Get("/logout"); res.Location() != "/" { // the receiver answers nothing yet
		t.Fatalf("status %d, %s", res.StatusCode, res.Location())
	}
	seen := map[string]bool{}
	read := func() {
		t.Helper()
		q := <-r.requests
		if q.Method != http.MethodPost || q.URL.RawQuery != "x=1" || q.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(q.PostForm) != 1 {
			t.Errorf("%s %s with %v", q.Method, q.URL, q.PostForm)
		}
		token := q.PostForm.Get("logout_token")
		checked, err := first.Domains.Domain(c.Domain.GetId()).Keys.Verify(token, jose.Check{Types: []string{"logout+jwt"}})
		if err != nil {
			t.Fatalf("%s: %v", token, err)
		}
		claims, err := checked.Claims()
		if err != nil {
			t.Fatal(err)
		}
		if claims.Issuer != issuer || len(claims.Audience) != 1 || claims.Audience[0] != "web" || claims.Subject != id.Subject || claims.SessionID != id.SessionID || claims.Has("nonce") {
			t.Errorf("the token says %s", checked.Payload)
		}
		if claims.ExpiresAt.Sub(claims.IssuedAt) != 2*time.Minute || claims.ID == "" || seen[claims.ID] {
			t.Errorf("the token says %s", checked.Payload)
		}
		if !strings.Contains(string(checked.Payload), `"events":{"http://schemas.openid.net/event/backchannel-logout":{}}`) {
			t.Errorf("the token says %s", checked.Payload)
		}
		seen[claims.ID] = true
	}
	read()
	stop() // the gateway ends while the client stalls, and hands over what it has not told
	run(t, second)
	read()
	r.answers <- http.StatusServiceUnavailable
	for len(r.requests) == 0 { // it is tried again once its pause is over
		second.Clock.Forward(time.Second)
		pause := time.NewTimer(20 * time.Millisecond)
		<-pause.C
	}
	read()
	r.answers <- http.StatusOK
	for left := int64(1); left > 0; {
		var err error
		if left, err = second.Store.WaitingNotices(t.Context(), c.Domain.GetId()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestS5AGatewayThatStopsFinishesWhatItIsTelling(t *testing.T) {
	r, out := newReceiver(t)
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(func(o *configv1.OAuthSettings) { o.BackchannelLogoutUri = r.URL }))
	h := gatewaytest.New(t, gatewaytest.Options{Outbound: out}, c)
	b := h.Browser("/acme")
	enter(t, b, "web", "")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- h.LogoutTokens.Run(ctx) }()
	b.Get("/logout")
	<-r.requests
	stop()
	r.answers <- http.StatusOK
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, err := h.Store.WaitingNotices(t.Context(), c.Domain.GetId()); err != nil || left != 0 {
		t.Errorf("%d notices wait although the client has answered: %v", left, err)
	}
}

func TestS5TheClientIsToldWhoseSessionEndedOtherwise(t *testing.T) {
	r, out := newReceiver(t)
	c := gatewaytest.NewAcme(t)
	c.App("web", silent(func(o *configv1.OAuthSettings) { o.BackchannelLogoutUri = r.URL }))
	h := gatewaytest.New(t, gatewaytest.Options{Outbound: out}, c)
	run(t, h)
	ann := gatewaytest.Subject("staff", "ann")
	told := func(what string) string {
		t.Helper()
		claims := unread(t, (<-r.requests).PostForm.Get("logout_token"))
		r.answers <- http.StatusNoContent
		if claims.Subject != ann {
			t.Errorf("%s: the token names %s", what, claims.Subject)
		}
		return claims.SessionID
	}
	b := h.Browser("/acme")
	one := unread(t, redeem(t, h, "web", enter(t, b, "web", ""))["id_token"]).SessionID
	again := b.Follow(b.Get(askFor("web", "&prompt=login")))
	if got := unread(t, redeem(t, h, "web", b.Follow(b.SignIn(again, "ann", gatewaytest.Password)).Query())["id_token"]).SessionID; got != one {
		t.Errorf("the same person goes on as another session: %s, %s", one, got)
	}
	other := b.Follow(b.Get(askFor("web", "&prompt=login")))
	if got := unread(t, redeem(t, h, "web", b.Follow(b.SignIn(other, "bob", gatewaytest.Password)).Query())["id_token"]).SessionID; got == one {
		t.Error("another person goes on in the same session")
	}
	if got := told("somebody else signed in"); got != one {
		t.Errorf("the token names the session %s, not %s", got, one)
	}
	b = h.Browser("/acme")
	enter(t, b, "web", "")
	h.Clock.Forward(time.Minute)
	h.Directory.Put(c.Domain.GetId(), &directoryv1.User{
		Id: "user-ann", Domain: c.Domain.GetId(), Username: "ann", Subject: ann, Source: "staff", ExternalId: "ann",
		LastPasswordReset: timestamppb.New(h.Clock.Now()),
	})
	h.Clock.Forward(time.Minute)
	b.Get(askFor("web", "&prompt=none"))
	told("the password was changed")
}

func TestS7LogoutEndsRefreshTokensButThoseForOfflineAccess(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent())
	c.App("mail")
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	online := redeem(t, h, "web", enter(t, b, "web", ""))
	page := b.Follow(b.Get(strings.Replace(askFor("mail", "&prompt=consent"), "scope=openid", "scope=openid+offline_access", 1)))
	f := b.Form(page)
	f.Values.Set("user_oauth_approval", "true")
	offline := redeem(t, h, "mail", b.Follow(b.Post(f.Action, f.Values)).Query())
	if got := refresh(h, "web", online); got.Status != http.StatusOK {
		t.Fatalf("before: %s", got.Body)
	} else {
		online = got.JSON(t)
	}
	b.Get("/logout")
	if got := refresh(h, "web", online); got.Status != http.StatusBadRequest || got.JSON(t)["error"] != "invalid_grant" {
		t.Errorf("online: status %d, %s", got.Status, got.Body)
	}
	if got := refresh(h, "mail", offline); got.Status != http.StatusOK {
		t.Errorf("offline: status %d, %s", got.Status, got.Body)
	}
}

func TestS8AfterLogoutNobodyIsSignedInAnywhere(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent())
	c.App("other", silent())
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	enter(t, b, "web", "")
	enter(t, b, "other", "")
	stolen := b.Cookies["GATEHOUSE_SESSION"]
	b.Get("/logout")
	for _, client := range []string{"web", "other"} {
		if got := b.Get(askFor(client, "&prompt=none")).Query().Get("error"); got != "login_required" {
			t.Errorf("%s: %s", client, got)
		}
	}
	b.Cookies["GATEHOUSE_SESSION"] = stolen
	if got := b.Get(askFor("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
		t.Errorf("a copy of the cookie: %s", got)
	}
}

func TestS9SessionCookies(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web", silent())
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	b := h.Browser("/acme")
	page := b.Follow(b.Get(askFor("web", "")))
	before := b.Cookies["GATEHOUSE_SESSION"]
	res := b.SignIn(page, "ann", gatewaytest.Password)
	cookies := res.Cookies()
	last := cookies[len(cookies)-1]
	if last.Name != "GATEHOUSE_SESSION" || last.Value == before || last.Domain != "" || !last.Secure || !last.HttpOnly || last.SameSite != http.SameSiteNoneMode || last.Path != "/acme" {
		t.Errorf("the cookie is %v", last)
	}
	b.Cookies["GATEHOUSE_SESSION"] = before
	if got := b.Get(askFor("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
		t.Errorf("the cookie from before the sign-in is signed in: %s", got)
	}
}

func TestS10SessionsEnd(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.Domain.SessionSettings = &configv1.SessionSettings{IdleSeconds: 3600, MaxAgeSeconds: 7200}
	c.App("web", silent())
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	ann := gatewaytest.Subject("staff", "ann")
	signedIn := func(b *browsertest.Browser) bool {
		return b.Get(askFor("web", "&prompt=none")).Query().Has("code")
	}
	b := h.Browser("/acme")
	enter(t, b, "web", "")
	h.Clock.Forward(2*time.Hour - time.Second)
	if !signedIn(b) {
		t.Error("it ends before its maximum age")
	}
	h.Clock.Forward(2 * time.Second)
	if signedIn(b) {
		t.Error("it does not end at its maximum age")
	}
	other := h.Browser("/acme")
	enter(t, other, "web", "")
	h.Clock.Forward(time.Minute)
	h.Directory.Put(c.Domain.GetId(), &directoryv1.User{
		Id: "user-ann", Domain: c.Domain.GetId(), Username: "ann", Subject: ann, Source: "staff", ExternalId: "ann",
		LastPasswordReset: timestamppb.New(h.Clock.Now()),
	})
	h.Clock.Forward(31 * time.Second)
	if signedIn(other) {
		t.Error("a session outlives the password that it began with")
	}
	enter(t, other, "web", "")
	if !signedIn(other) {
		t.Error("a session with the new password ends as well")
	}
}
