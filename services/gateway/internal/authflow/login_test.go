package authflow_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
)

const session = "GATEHOUSE_SESSION"

func TestSignIn(t *testing.T) {
	env, b := start(t)
	query := strings.TrimPrefix(request("web", "&scope=openid&nonce=n"), "/oauth/authorize?")
	page := b.Follow(b.Get("/oauth/authorize?" + query))
	wantForm(t, page, "/login?")
	for _, id := range []string{`id="username"`, `id="password"`, `id="login-submit"`} {
		if !strings.Contains(page.Text, id) {
			t.Errorf("the page has no %s", id)
		}
	}
	f := b.Form(page)
	if f.Action != browsertest.Base+"/login?"+query {
		t.Errorf("action %s", f.Action)
	}
	for _, name := range []string{"X-XSRF-TOKEN", "client_id", "username", "password"} {
		if !f.Values.Has(name) {
			t.Errorf("the form has no %s", name)
		}
	}
	before := b.Cookies[session]
	res := b.SignIn(page, "Ann", browsertest.Password)
	if res.StatusCode != 302 || res.Location() != browsertest.Base+"/oauth/authorize?"+query || res.Header.Get("Content-Length") != "0" {
		t.Fatalf("status %d, location %s", res.StatusCode, res.Location())
	}
	cookies := res.Header.Values("Set-Cookie")
	if b.Cookies[session] == before || len(cookies) != 1 || !strings.HasSuffix(cookies[0], "; Path=/acme; HttpOnly; Secure; SameSite=None") {
		t.Errorf("cookies after sign-in: %q", cookies)
	}
	a := answered(t, env, "web", b.Follow(res))
	if a.Person.Subject != "sub-ann" || a.AuthTime != env.Clock.Now().Unix() || a.AMR[0] != "pwd" || a.Nonce != "n" {
		t.Errorf("authorization %+v", a)
	}
	env.Clock.Advance(10 * time.Minute)
	again := answered(t, env, "web", b.Get("/oauth/authorize?"+query))
	if again.AuthTime != a.AuthTime || again.SessionID != a.SessionID {
		t.Error("another answer of the session tells of another sign-in")
	}
}

func TestSignInByMultipartForm(t *testing.T) {
	_, b := start(t)
	f := b.Form(b.Get("/login?" + strings.SplitN(request("web", ""), "?", 2)[1]))
	f.Values.Set("username", "ann")
	f.Values.Set("password", browsertest.Password)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name := range f.Values {
		_ = w.WriteField(name, f.Values.Get(name))
	}
	_ = w.Close()
	res := b.PostBody(f.Action, w.FormDataContentType(), body.String())
	if !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/authorize?client_id=web") {
		t.Errorf("status %d, location %s", res.StatusCode, res.Location())
	}
}

func TestFailedSignIn(t *testing.T) {
	env, b := start(t, browsertest.App("ruled", func(a *configv1.Application) { a.IdentityProviders[0].SelectionRule = "false" }))
	tests := []struct{ name, client, username, password string }{
		{"wrong password", "web", "ann", "wrong"},
		{"unknown person", "web", "nobody", browsertest.Password},
		{"nothing", "web", "", ""},
		{"password beyond every limit", "web", "ann", strings.Repeat("x", 5000)},
		{"person of a provider that the client does not use", "web", "eve", browsertest.Password},
		{"no provider takes part", "ruled", "ann", browsertest.Password},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page := b.Follow(b.Get(request(tt.client, "&prompt=login")))
			res := b.SignIn(page, tt.username, tt.password)
			const text = "error=login_failed&error_code=invalid_user&error_description=Invalid+or+unknown+user"
			if res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/login?client_id="+tt.client) || !strings.Contains(res.Location(), text) {
				t.Fatalf("status %d, location %s", res.StatusCode, res.Location())
			}
			page = b.Follow(res)
			if !strings.Contains(page.Text, "Invalid or unknown user") || strings.Contains(b.Form(page).Action, "error") {
				t.Errorf("the page after it:\n%s", page.Text)
			}
		})
	}
	t.Run("the browser is signed out", func(t *testing.T) {
		b.Follow(b.SignIn(b.Follow(b.Get(request("web", ""))), "ann", browsertest.Password))
		if res := b.Get(request("web", "&prompt=none")); !res.Query().Has("code") {
			t.Fatalf("not signed in: %s", res.Location())
		}
		signedIn := b.Cookies[session]
		b.SignIn(b.Follow(b.Get(request("web", "&prompt=login"))), "ann", "wrong")
		if got := b.Get(request("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
			t.Errorf("answer %q", got)
		}
		b.Cookies[session] = signedIn
		if got := b.Get(request("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
			t.Errorf("the old cookie still works: %q", got)
		}
	})
	t.Run("a disabled account has its own error", func(t *testing.T) {
		env.Directory.Err = fault.Deniedf("the user is disabled")
		defer func() { env.Directory.Err = nil }()
		res := b.SignIn(b.Follow(b.Get(request("web", "&prompt=login"))), "ann", browsertest.Password)
		if !strings.Contains(res.Location(), "error=login_failed&error_code=account_disabled&error_description=The+account+is+disabled") {
			t.Errorf("location %s", res.Location())
		}
	})
	t.Run("a locked account has its own error, whatever the password", func(t *testing.T) {
		b.Cookies = map[string]string{}
		page := func() *browsertest.Response { return b.Follow(b.Get(request("locks", ""))) }
		for range 2 {
			if res := b.SignIn(page(), "ann", "wrong"); !strings.Contains(res.Location(), "error_code=invalid_user") {
				t.Fatalf("location %s", res.Location())
			}
		}
		if res := b.SignIn(page(), "ann", browsertest.Password); !strings.Contains(res.Location(), "error=login_failed&error_code=account_locked&error_description=The+account+is+locked") {
			t.Errorf("location %s", res.Location())
		}
		if res := b.SignIn(b.Follow(b.Get(request("web", ""))), "ann", browsertest.Password); strings.Contains(res.Location(), "error") {
			t.Errorf("another application is locked as well: %s", res.Location())
		}
	})
	t.Run("management that is away is a page with 503", func(t *testing.T) {
		env.Directory.Err = fault.Unavailablef("no connection")
		defer func() { env.Directory.Err = nil }()
		res := b.SignIn(b.Follow(b.Get(request("web", "&prompt=login"))), "ann", browsertest.Password)
		if res.StatusCode != 503 || !strings.Contains(res.Text, "temporarily_unavailable") || strings.Contains(res.Text, "no connection") {
			t.Errorf("status %d\n%s", res.StatusCode, res.Text)
		}
		wantHeaders(t, res)
	})
}

func TestRedisAway(t *testing.T) {
	env := browsertest.NewWithRedis(t, "redis://127.0.0.1:1/0", browsertest.PublicURL, nil, browsertest.App("web"))
	b := browsertest.NewBrowser(t, serve(env))
	page := b.Follow(b.Get(request("web", "")))
	began := time.Now()
	res := b.SignIn(page, "ann", browsertest.Password)
	if res.StatusCode != 503 || !strings.Contains(res.Text, "temporarily_unavailable") || time.Since(began) > 2*time.Second {
		t.Errorf("status %d after %v\n%s", res.StatusCode, time.Since(began), res.Text)
	}
	if cookies := res.Header.Values("Set-Cookie"); len(cookies) != 1 {
		t.Errorf("cookies %q", cookies)
	}
}

func TestLoginWithoutClient(t *testing.T) {
	_, b := start(t)
	for _, path := range []string{"/login", "/login/identifier"} {
		for query, want := range map[string]string{
			"":                             "Missing parameter: client_id",
			"?client_id=nobody":            "No client found for client_id nobody",
			"?client_id=web&client_id=web": "Parameter [client_id] is included more than once",
			"?client_id=%zz":               "The parameters are not form-encoded",
		} {
			res := b.Get(path + query)
			if res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/error?") || res.Query().Get("error_description") != want {
				t.Errorf("%s%s: status %d, %s", path, query, res.StatusCode, res.Location())
			}
		}
	}
	if res := b.Get("/login?client_id=web"); res.StatusCode != 200 {
		t.Errorf("a client is all the page needs: status %d", res.StatusCode)
	}
	if res := b.Post("/login", url.Values{"client_id": {"web"}, "username": {"ann"}}); res.StatusCode != 302 {
		t.Errorf("a client in the form is enough: status %d", res.StatusCode)
	}
}

func TestIdentifierFirst(t *testing.T) {
	_, b := start(t)
	query := strings.SplitN(request("first", "&login_hint=old"), "?", 2)[1]
	page := b.Follow(b.Get("/oauth/authorize?" + query))
	wantForm(t, page, "/login/identifier?")
	if f := b.Form(page); f.Action != browsertest.Base+"/login/identifier?"+query || f.Values.Get("username") != "old" || !f.Values.Has("client_id") || f.Values.Has("password") {
		t.Errorf("form %+v", f)
	}
	if res := b.Get("/login/identifier?" + query + "&username=x"); res.StatusCode != 200 {
		t.Errorf("an extra username: status %d", res.StatusCode)
	}
	f := b.Form(page)
	f.Values.Set("username", "ann+x@acme.example&y")
	res := b.Post(f.Action, f.Values)
	want := browsertest.Base + "/login?" + strings.Replace(query, "&login_hint=old", "", 1) + "&login_hint=ann%2Bx%40acme.example%26y"
	if res.StatusCode != 302 || res.Location() != want {
		t.Fatalf("location %s, want %s", res.Location(), want)
	}
	page = b.Follow(res)
	if got := b.Form(page).Values.Get("username"); got != "ann+x@acme.example&y" || !strings.Contains(page.Text, `id="identifier-back"`) {
		t.Errorf("username %q", got)
	}
	if res := b.SignIn(page, "ann", browsertest.Password); !b.Follow(res).Query().Has("code") {
		t.Errorf("location %s", res.Location())
	}
	f.Values.Set("username", "")
	if res := b.Post(f.Action, f.Values); res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/login/identifier?") {
		t.Errorf("no name: location %s", res.Location())
	}
}

func TestA12PromptLoginSignsInAnewOncePerRequest(t *testing.T) {
	env, b := start(t)
	for _, more := range []string{"&prompt=login", "&max_age=0"} {
		t.Run(more, func(t *testing.T) {
			var last int64
			// The same request is sent again: its answer does not count for the next time.
			for range 3 {
				env.Clock.Advance(time.Minute)
				page := b.Follow(b.Get(request("web", more)))
				wantForm(t, page, "/login?")
				a := answered(t, env, "web", b.Follow(b.SignIn(page, "ann", browsertest.Password)))
				if a.AuthTime <= last {
					t.Error("auth_time does not move")
				}
				last = a.AuthTime
			}
		})
	}
}

func TestA16AnotherPersonThanTheHintIsRefused(t *testing.T) {
	env, b := start(t)
	hint, err := env.Key.Sign("JWT", []byte(`{"iss":"`+browsertest.Issuer+`","sub":"sub-ann","aud":"web"}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the refusal is not remembered
		page := b.Follow(b.Get(request("web", "&id_token_hint="+hint)))
		wantForm(t, page, "/login?")
		res := b.Follow(b.SignIn(page, "bob", browsertest.Password))
		if res.Query().Get("error") != "login_required" || res.Query().Get("state") != "s" {
			t.Fatalf("answer %s", res.Location())
		}
	}
	page := b.Follow(b.Get(request("web", "&id_token_hint="+hint)))
	answered(t, env, "web", b.Follow(b.SignIn(page, "ann", browsertest.Password)))
}

func TestA13SelectAccountLetsThePersonChoose(t *testing.T) {
	env, b := start(t)
	const choice = `id="account-current"`
	page := b.Follow(b.Get(request("web", "&prompt=select_account")))
	if strings.Contains(page.Text, choice) {
		t.Error("nobody is signed in, and may go on as somebody")
	}
	first := answered(t, env, "web", b.Follow(b.SignIn(page, "ann", browsertest.Password)))

	env.Clock.Advance(20 * time.Minute)
	page = b.Follow(b.Get(request("web", "&prompt=select_account")))
	wantForm(t, page, "/login?")
	if !strings.Contains(page.Text, choice) || !strings.Contains(page.Text, "Continue as <strong>ann</strong>") {
		t.Fatalf("no choice:\n%s", page.Text)
	}
	f := b.Form(page)
	f.Values.Set("account", "current")
	a := answered(t, env, "web", b.Follow(b.Post(f.Action, f.Values)))
	if a.AuthTime != first.AuthTime || a.Person.Subject != "sub-ann" {
		t.Errorf("going on as ann: %+v", a)
	}

	page = b.Follow(b.Get(request("web", "&prompt=select_account")))
	if !strings.Contains(page.Text, choice) {
		t.Error("the same request does not ask again")
	}
	a = answered(t, env, "web", b.Follow(b.SignIn(page, "bob", browsertest.Password)))
	if a.Person.Subject != "sub-bob" {
		t.Errorf("another account: %+v", a)
	}

	page = b.Follow(b.Get(request("web", "&prompt=select_account+login")))
	f = b.Form(page)
	f.Values.Set("account", "current")
	if res := b.Follow(b.Post(f.Action, f.Values)); strings.Contains(page.Text, choice) || res.StatusCode != 200 {
		t.Errorf("a request that asks for a sign-in was answered without: %s", res.Location())
	}
}

func TestForeignProvider(t *testing.T) {
	_, b := start(t)
	b.Follow(b.SignIn(b.Follow(b.Get(request("web", ""))), "ann", browsertest.Password))
	res := b.Get(request("partner", ""))
	if !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/error?client_id=partner&error=access_denied&error_description=Invalid+request+for+the+current+SSO+context&state=s") {
		t.Fatalf("location %s", res.Location())
	}
	if page := b.Follow(res); page.StatusCode != 403 || !strings.Contains(page.Text, "Invalid request for the current SSO context") {
		t.Errorf("status %d\n%s", page.StatusCode, page.Text)
	}
}

func TestP7FormsAreBoundToTheBrowserTheyWereMadeFor(t *testing.T) {
	env, b := start(t)
	const target = "/login?client_id=web"
	expired := func(res *browsertest.Response) bool {
		return res.StatusCode == 302 && strings.HasPrefix(res.Location(), browsertest.Base+"/login?client_id=web&error=session_expired&")
	}
	fill := func(f browsertest.Form) url.Values {
		f.Values.Set("username", "ann")
		f.Values.Set("password", browsertest.Password)
		return f.Values
	}
	t.Run("missing", func(t *testing.T) {
		form := fill(b.Form(b.Get(target)))
		form.Del("X-XSRF-TOKEN")
		if res := b.Post(target, form); !expired(res) {
			t.Errorf("location %s", res.Location())
		}
	})
	t.Run("made up", func(t *testing.T) {
		for _, token := range []string{"x", "t.x", ".", "zzzzzzzzzzzzzz.x", strings.Repeat("a", 9000)} {
			form := fill(b.Form(b.Get(target)))
			form.Set("X-XSRF-TOKEN", token)
			if res := b.Post(target, form); !expired(res) {
				t.Errorf("%q: location %s", token, res.Location())
			}
		}
	})
	t.Run("of another browser", func(t *testing.T) {
		other := browsertest.NewBrowser(t, serve(env))
		form := fill(other.Form(other.Get(target)))
		if res := b.Post(target, form); !expired(res) {
			t.Errorf("location %s", res.Location())
		}
	})
	t.Run("of another page", func(t *testing.T) {
		form := fill(b.Form(b.Get("/login/identifier?client_id=web")))
		if res := b.Post(target, form); !expired(res) {
			t.Errorf("location %s", res.Location())
		}
	})
	t.Run("without its cookie", func(t *testing.T) {
		form := fill(b.Form(b.Get(target)))
		b.Cookies = map[string]string{}
		if res := b.Post(target, form); !expired(res) {
			t.Errorf("location %s", res.Location())
		}
	})
	t.Run("after a quarter of an hour", func(t *testing.T) {
		form := fill(b.Form(b.Get(target)))
		env.Clock.Advance(15*time.Minute + time.Second)
		if res := b.Post(target, form); !expired(res) {
			t.Errorf("location %s", res.Location())
		}
	})
	t.Run("sent by another site", func(t *testing.T) {
		for _, header := range [][2]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
			form := fill(b.Form(b.Get(target)))
			b.Headers[header[0]] = header[1]
			res := b.Post(target, form)
			delete(b.Headers, header[0])
			if !expired(res) {
				t.Errorf("%s: location %s", header, res.Location())
			}
		}
	})
	t.Run("sent by our own page", func(t *testing.T) {
		for _, header := range [][2]string{{"Origin", "null"}, {"Origin", "https://gw.example"}, {"Sec-Fetch-Site", "same-origin"}} {
			form := fill(b.Form(b.Get(target)))
			b.Headers[header[0]] = header[1]
			res := b.Post(target, form)
			delete(b.Headers, header[0])
			if expired(res) {
				t.Errorf("%s: location %s", header, res.Location())
			}
		}
	})
	t.Run("replayed after sign-in", func(t *testing.T) {
		b.Cookies = map[string]string{}
		form := fill(b.Form(b.Get(target)))
		if res := b.Post(target, form); expired(res) {
			t.Fatalf("location %s", res.Location())
		}
		if res := b.Post(target, form); !expired(res) {
			t.Errorf("location %s", res.Location())
		}
	})
	t.Run("in two tabs", func(t *testing.T) {
		b.Cookies = map[string]string{}
		first := b.Follow(b.Get(request("web", "&nonce=1")))
		second := b.Follow(b.Get(request("web", "&nonce=2")))
		if got := answered(t, env, "web", b.Follow(b.SignIn(second, "ann", browsertest.Password))); got.Nonce != "2" {
			t.Errorf("nonce %q", got.Nonce)
		}
		// The first tab's form was made for the cookie that is gone; the page it gets instead works.
		res := b.SignIn(first, "ann", browsertest.Password)
		if !strings.Contains(res.Location(), "error=session_expired") {
			t.Fatalf("location %s", res.Location())
		}
		if got := answered(t, env, "web", b.Follow(b.SignIn(b.Follow(res), "ann", browsertest.Password))); got.Nonce != "1" {
			t.Errorf("nonce %q", got.Nonce)
		}
	})
	t.Run("in two tabs, the first failing", func(t *testing.T) {
		b.Cookies = map[string]string{}
		first, second := b.Get(target), b.Get(target)
		b.SignIn(first, "ann", "wrong")
		if res := b.SignIn(second, "ann", browsertest.Password); expired(res) {
			t.Errorf("location %s", res.Location())
		}
	})
}

func TestMessagesMustBeAuthentic(t *testing.T) {
	_, b := start(t)
	page := b.Get("/login?client_id=web&error=login_failed&error_description=Call+0900-EVIL")
	if strings.Contains(page.Text, "0900") || page.StatusCode != 200 {
		t.Errorf("a made-up error is shown:\n%s", page.Text)
	}
	res := b.SignIn(page, "ann", "wrong")
	other := res.Location()
	if tampered := strings.Replace(other, "Invalid+or+unknown+user", "Call+0900-EVIL", 1); strings.Contains(b.Get(tampered).Text, "0900") {
		t.Error("a changed error is shown")
	}
	b.Cookies = map[string]string{}
	if strings.Contains(b.Get(other).Text, "Invalid or unknown user") {
		t.Error("another browser's error is shown")
	}
}

func TestEchoesAreEscaped(t *testing.T) {
	_, b := start(t)
	const attack = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	q := url.QueryEscape(attack)
	for _, target := range []string{
		"/login?client_id=web&state=" + q + "&login_hint=" + q + "&error=" + q + "&error_description=" + q + "&x" + q + "=1",
		"/login/identifier?client_id=web&state=" + q + "&login_hint=" + q + "&error=" + q,
		"/login?client_id=web&" + strings.ReplaceAll(attack, " ", "%20"),
		"/oauth/error?client_id=" + q + "&error=" + q + "&error_description=" + q + "&state=" + q,
		"/oauth/authorize?client_id=" + q + "&response_type=code&state=" + q,
		"/oauth/authorize?client_id=web&response_type=" + q + "&state=" + q,
		"/oauth/authorize?client_id=web&response_type=code&redirect_uri=" + q,
	} {
		res := b.Follow(b.Get(target))
		if res.StatusCode != 200 && res.StatusCode != 400 {
			t.Errorf("%s: status %d", target, res.StatusCode)
		}
		if strings.Contains(res.Text, "<script") || strings.Contains(res.Text, "<img") || strings.Contains(res.Text, "javascript:") {
			t.Errorf("%s is not escaped:\n%s", target, res.Text)
		}
		wantHeaders(t, res)
	}
}

func TestP3TheErrorPageShowsEscapedTextAndItsStatus(t *testing.T) {
	_, b := start(t)
	for code, want := range map[string]int{
		"invalid_request": 400, "redirect_uri_mismatch": 400, "login_required": 400, "": 400, "made_up": 400,
		"access_denied": 403, "server_error": 500, "temporarily_unavailable": 503,
	} {
		b.Headers["X-Request-Id"] = "" // an identity of our own
		res := b.Get("/oauth/error?client_id=web&error=" + code + "&error_description=made+up+text&state=s")
		if res.StatusCode != want || strings.Contains(res.Text, "made up text") {
			t.Errorf("%q: status %d, want %d, and no text of others", code, res.StatusCode, want)
		}
		wantHeaders(t, res)
		if id := res.Header.Get("X-Request-Id"); id == "" || !strings.Contains(res.Text, id) {
			t.Errorf("the page does not print its request %q", id)
		}
	}
	b.Cookies = map[string]string{}
	res := b.Get("/oauth/authorize?client_id=nobody&response_type=code&state=s")
	b.Cookies = map[string]string{}
	if page := b.Follow(res); page.StatusCode != 400 || !strings.Contains(page.Text, "No client found for client_id nobody") {
		t.Errorf("status %d\n%s", page.StatusCode, page.Text)
	}
	if res := b.Post("/oauth/error?error=x", nil); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestOversizedForms(t *testing.T) {
	_, b := start(t)
	f := b.Form(b.Get("/login?client_id=web"))
	f.Values.Set("username", strings.Repeat("x", 300<<10))
	if res := b.Post(f.Action, f.Values); res.StatusCode != 302 || !strings.HasPrefix(res.Location(), browsertest.Base+"/oauth/error?") {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
	if res := b.PostBody(f.Action, "application/x-www-form-urlencoded", "username=a&username=b"); res.StatusCode != 302 || res.Query().Get("error_description") != "Parameter [username] is included more than once" {
		t.Errorf("status %d, %s", res.StatusCode, res.Location())
	}
	if res := b.PostBody(f.Action, "text/plain", "x"); res.StatusCode != 302 {
		t.Errorf("status %d", res.StatusCode)
	}
}
