package authflow_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// toConsent signs ann in and goes on to the consent page.
func toConsent(t *testing.T, b *browsertest.Browser, client, more string) *browsertest.Response {
	t.Helper()
	res := b.Follow(b.Get(request(client, more)))
	if strings.Contains(res.Text, `id="login-submit"`) {
		res = b.Follow(b.SignIn(res, "ann", browsertest.Password))
	}
	wantForm(t, res, "/oauth/consent?")
	return res
}

func decide(b *browsertest.Browser, page *browsertest.Response, approval string, dropped ...string) *browsertest.Response {
	f := b.Form(page)
	f.Values.Set("user_oauth_approval", approval)
	for _, scope := range dropped {
		f.Values.Del("scope." + scope)
	}
	return b.Post(f.Action, f.Values)
}

func decisions(t *testing.T, env *browsertest.Env, client string) map[string]*directoryv1.Consent {
	t.Helper()
	list, err := env.Directory.Consents(t.Context(), browsertest.DomainID, "id-ann", client)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*directoryv1.Consent{}
	for _, c := range list {
		all[c.GetScope()] = c
	}
	return all
}

func TestConsent(t *testing.T) {
	env, b := start(t, browsertest.App("lasting", browsertest.AsksConsent, browsertest.OAuth(func(o *configv1.OAuthSettings) {
		o.ScopeSettings[1].ScopeApproval = 60
	})))
	page := toConsent(t, b, "lasting", "&scope=openid+profile+email+pay:7")
	for _, want := range []string{`id="consent-allow"`, `id="consent-deny"`, `name="scope.openid"`, `name="scope.pay:7"`, "Payments: 7", "Your name and picture", "signed in as <strong>ann</strong>"} {
		if !strings.Contains(page.Text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	signedIn := b.Cookies[session]
	res := decide(b, page, "true")
	if !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/authorize?client_id=lasting") || b.Cookies[session] != signedIn {
		t.Fatalf("location %s", res.Location())
	}
	if got := strings.Join(answered(t, env, "lasting", b.Follow(res)).Scopes, " "); got != "openid profile email pay:7" {
		t.Errorf("scopes %q", got)
	}
	// An approval lasts as the application says, else the scope, else a month.
	now := env.Clock.Now()
	for scope, want := range map[string]time.Duration{"profile": time.Minute, "email": 10 * time.Minute, "openid": 30 * 24 * time.Hour} {
		c := decisions(t, env, "lasting")[scope]
		if !c.GetApproved() || !c.GetExpiresAt().AsTime().Equal(now.Add(want).UTC()) {
			t.Errorf("%s: %v", scope, c)
		}
	}
	answered(t, env, "lasting", b.Get(request("lasting", "&scope=openid+profile+email+pay:7")))
	if res := b.Get(request("lasting", "&scope=openid+profile&prompt=none")); !res.Query().Has("code") {
		t.Errorf("answer %s", res.Location())
	}

	env.Clock.Advance(61 * time.Second)
	if got := b.Get(request("lasting", "&scope=openid+profile&prompt=none")).Query(); got.Get("error") != "interaction_required" || got.Get("error_description") != "Interaction required" {
		t.Errorf("an expired approval: %v", got)
	}
	page = toConsent(t, b, "lasting", "&scope=openid+profile+email")
	if f := b.Form(page); !f.Values.Has("scope.profile") || f.Values.Has("scope.openid") || f.Values.Has("scope.email") {
		t.Errorf("not only what is unapproved is asked: %v", f.Values)
	}
}

func TestConsentDropsWhatIsUnticked(t *testing.T) {
	env, b := start(t)
	res := decide(b, toConsent(t, b, "asks", "&scope=openid+profile+email"), "true", "email")
	if got := strings.Join(answered(t, env, "asks", b.Follow(res)).Scopes, " "); got != "openid profile" {
		t.Errorf("scopes %q", got)
	}
	if d := decisions(t, env, "asks"); d["email"].GetApproved() || d["email"] == nil || !d["profile"].GetApproved() {
		t.Errorf("decisions %v", d)
	}
	page := toConsent(t, b, "asks", "&scope=openid+profile+email")
	if f := b.Form(page); !f.Values.Has("scope.email") || f.Values.Has("scope.profile") {
		t.Errorf("a denied scope is not asked for again: %v", f.Values)
	}
}

func TestConsentValues(t *testing.T) {
	env, b := start(t, browsertest.App("whole", browsertest.AsksConsent, browsertest.OAuth(func(o *configv1.OAuthSettings) {
		o.OptInScopeSelection = proto.Bool(false)
	})))
	tests := []struct {
		name, client string
		form         url.Values
		want         string // scopes, or the error
	}{
		{"a value that begins with approve counts", "asks", url.Values{"user_oauth_approval": {"true"}, "scope.openid": {"Approved"}}, "openid"},
		{"any other value does not", "asks", url.Values{"user_oauth_approval": {"true"}, "scope.openid": {"true"}, "scope.profile": {"yes"}}, "openid"},
		{"a scope that was not asked for is ignored", "asks", url.Values{"user_oauth_approval": {"true"}, "scope.openid": {"true"}, "scope.email": {"true"}}, "openid"},
		{"nothing approved is a refusal", "asks", url.Values{"user_oauth_approval": {"true"}}, "access_denied"},
		{"false is a refusal", "asks", url.Values{"user_oauth_approval": {"false"}, "scope.openid": {"true"}}, "access_denied"},
		{"no decision is a refusal", "asks", url.Values{"scope.openid": {"true"}}, "access_denied"},
		{"without a choice of scopes yes is yes to all", "whole", url.Values{"user_oauth_approval": {"true"}}, "openid profile"},
		{"without a choice of scopes no is no", "whole", url.Values{"user_oauth_approval": {"false"}}, "access_denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page := toConsent(t, b, tt.client, "&scope=openid+profile&prompt=consent")
			f := b.Form(page)
			tt.form.Set("X-XSRF-TOKEN", f.Values.Get("X-XSRF-TOKEN"))
			res := b.Follow(b.Post(f.Action, tt.form))
			if tt.want == "access_denied" {
				q := res.Query()
				if q.Get("error") != "access_denied" || q.Get("error_description") != "User denied access" || q.Get("state") != "s" || q.Has("code") || q.Get("iss") == "" {
					t.Errorf("answer %s", res.Location())
				}
				return
			}
			if got := strings.Join(answered(t, env, tt.client, res).Scopes, " "); got != tt.want {
				t.Errorf("scopes %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPromptConsent(t *testing.T) {
	env, b := start(t)
	for range 2 {
		page := toConsent(t, b, "web", "&scope=openid+profile&prompt=consent")
		answered(t, env, "web", b.Follow(decide(b, page, "true")))
	}
	// A refusal replaces what was approved before.
	page := toConsent(t, b, "asks", "&scope=openid")
	answered(t, env, "asks", b.Follow(decide(b, page, "true")))
	decide(b, toConsent(t, b, "asks", "&scope=openid&prompt=consent"), "false")
	if decisions(t, env, "asks")["openid"].GetApproved() {
		t.Error("what was approved before a refusal stays approved")
	}
	page = toConsent(t, b, "asks", "&scope=openid&prompt=login+consent")
	answered(t, env, "asks", b.Follow(decide(b, page, "true")))
}

func TestRequiredScope(t *testing.T) {
	env, b := start(t, browsertest.App("strict", browsertest.AsksConsent, browsertest.OAuth(func(o *configv1.OAuthSettings) {
		o.ScopeSettings[1].RequiredScope = true
	})))
	page := toConsent(t, b, "strict", "&scope=openid+profile")
	if !strings.Contains(page.Text, `type="hidden" name="scope.profile"`) {
		t.Error("a required scope can be unticked")
	}
	res := decide(b, page, "true", "profile")
	if res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/login?client_id=strict") || !strings.Contains(res.Location(), "error=access_denied") {
		t.Fatalf("location %s", res.Location())
	}
	if len(decisions(t, env, "strict")) != 0 {
		t.Error("something was stored")
	}
	if login := b.Follow(res); !strings.Contains(login.Text, "User denied access") {
		t.Errorf("the page after it:\n%s", login.Text)
	}
	res = decide(b, toConsent(t, b, "strict", "&scope=openid+profile"), "false")
	if res.Query().Get("error") != "access_denied" || !strings.HasPrefix(res.Location(), "https://strict.example/") {
		t.Errorf("a refusal of everything: %s", res.Location())
	}
}

func TestA9OfflineAccessNeedsConsent(t *testing.T) {
	env, b := start(t)
	b.Follow(b.SignIn(b.Follow(b.Get(request("web", ""))), "ann", browsertest.Password))
	if got := strings.Join(answered(t, env, "web", b.Get(request("web", "&scope=openid+offline_access"))).Scopes, " "); got != "openid" {
		t.Errorf("without consent: %q", got)
	}
	page := toConsent(t, b, "web", "&scope=openid+offline_access&prompt=consent")
	if got := strings.Join(answered(t, env, "web", b.Follow(decide(b, page, "true"))).Scopes, " "); got != "openid offline_access" {
		t.Errorf("with consent: %q", got)
	}
	if got := strings.Join(answered(t, env, "web", b.Get(request("web", "&scope=openid+offline_access"))).Scopes, " "); got != "openid offline_access" {
		t.Errorf("with remembered consent: %q", got)
	}
}

func TestConsentPageIsShownOnlyWhereItIsDue(t *testing.T) {
	_, b := start(t)
	query := strings.SplitN(request("asks", "&scope=openid"), "?", 2)[1]
	for _, target := range []string{"/oauth/consent?" + query, "/oauth/consent", "/oauth/consent?client_id=asks&client_id=asks"} {
		if res := b.Get(target); res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/authorize") {
			t.Errorf("%s: status %d, %s", target, res.StatusCode, res.Location())
		}
		if res := b.Post(target, url.Values{"user_oauth_approval": {"true"}}); res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/authorize") {
			t.Errorf("POST %s: status %d, %s", target, res.StatusCode, res.Location())
		}
	}
	page := toConsent(t, b, "asks", "&scope=openid")
	for _, more := range []string{"&prompt=login", "&max_age=0"} {
		if res := b.Get("/oauth/consent?" + query + more); !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/authorize?") {
			t.Errorf("consent with %s passes by the sign-in: %d", more, res.StatusCode)
		}
	}
	_ = page
}

func TestConsentTokens(t *testing.T) {
	env, b := start(t)
	page := toConsent(t, b, "asks", "&scope=openid")
	f := b.Form(page)
	forged := func(name, target, token string) {
		t.Helper()
		res := b.Post(target, url.Values{"X-XSRF-TOKEN": {token}, "user_oauth_approval": {"true"}, "scope.openid": {"true"}, "scope.email": {"true"}})
		if res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/consent?") || !strings.Contains(res.Location(), "error=session_expired") {
			t.Errorf("%s: status %d, %s", name, res.StatusCode, res.Location())
		}
	}
	forged("no token", f.Action, "")
	forged("a token for another request", strings.Replace(f.Action, "scope=openid", "scope=openid+email", 1), f.Values.Get("X-XSRF-TOKEN"))
	forged("a token of the sign-in page", f.Action, b.Form(b.Get("/login?client_id=asks")).Values.Get("X-XSRF-TOKEN"))
	if len(decisions(t, env, "asks")) != 0 {
		t.Error("a forged form was obeyed")
	}
	res := b.Follow(b.Post(f.Action, url.Values{}))
	if !strings.Contains(res.Text, "Your session expired, please try again.") {
		t.Errorf("the page after it:\n%s", res.Text)
	}
	answered(t, env, "asks", b.Follow(decide(b, res, "true")))
}

func TestConsentWhileManagementIsAway(t *testing.T) {
	env, b := start(t)
	page := toConsent(t, b, "asks", "&scope=openid")
	env.Directory.Err = fault.Unavailablef("no connection")
	if res := decide(b, page, "true"); res.StatusCode != 503 || !strings.Contains(res.Text, "temporarily_unavailable") {
		t.Errorf("status %d\n%s", res.StatusCode, res.Text)
	}
	if res := b.Get(request("asks", "&scope=openid")); res.StatusCode != 503 {
		t.Errorf("status %d", res.StatusCode)
	}
	env.Directory.Err = nil
	answered(t, env, "asks", b.Follow(decide(b, page, "true")))
}

func TestSignOutDuringConsent(t *testing.T) {
	env, b := start(t)
	page := toConsent(t, b, "asks", "&scope=openid")
	if err := env.Store.EndSession(t.Context(), b.Cookies[session], browsertest.DomainID); err != nil {
		t.Fatal(err)
	}
	res := b.Follow(decide(b, page, "true"))
	wantForm(t, res, "/login?")
	if len(decisions(t, env, "asks")) != 0 {
		t.Error("a decision of nobody was stored")
	}
}

func TestConsentShowsTheApplication(t *testing.T) {
	_, b := start(t, browsertest.App("links", browsertest.AsksConsent, func(a *configv1.Application) { a.Name = `<b>"Évil"</b>` },
		browsertest.OAuth(func(o *configv1.OAuthSettings) {
			o.PolicyUri, o.TosUri = "https://links.example/policy", "javascript:alert(1)"
		})))
	page := toConsent(t, b, "links", "&scope=openid")
	if !strings.Contains(page.Text, `<a href="https://links.example/policy" target="_blank" rel="noopener noreferrer">`) {
		t.Error("the policy is not linked")
	}
	if strings.Contains(page.Text, "javascript:") || strings.Contains(page.Text, "<b>") || !strings.Contains(page.Text, "Évil") {
		t.Errorf("the application's words are not escaped:\n%s", page.Text)
	}
	wantHeaders(t, page)
}

func TestSessionsThatAreOverApproveNothing(t *testing.T) {
	for name, lose := range map[string]func(*browsertest.Env){
		"deleted":             func(e *browsertest.Env) { e.Directory.Gone = map[string]bool{"sub-ann": true} },
		"disabled":            func(e *browsertest.Env) { e.Directory.Disabled = map[string]bool{"sub-ann": true} },
		"with a new password": func(e *browsertest.Env) { e.Directory.NewPassword = map[string]time.Time{"sub-ann": e.Clock.Now()} },
	} {
		t.Run(name, func(t *testing.T) {
			env, b := start(t)
			page := toConsent(t, b, "asks", "&scope=openid+profile")
			env.Clock.Advance(31 * time.Second)
			lose(env)
			value := b.Cookies["GATEHOUSE_SESSION"]
			res := decide(b, page, "true")
			if !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/authorize?") || len(decisions(t, env, "asks")) != 0 {
				t.Errorf("status %d, %s, decisions %v", res.StatusCode, res.Location(), decisions(t, env, "asks"))
			}
			if _, err := env.Store.Session(t.Context(), value, browsertest.DomainID, time.Hour); !errors.Is(err, state.ErrUnknown) {
				t.Errorf("the session is there: %v", err)
			}
			wantForm(t, b.Follow(res), "/login?")
		})
	}
}
