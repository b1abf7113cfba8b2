package authflow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
)

func TestCookiesOverHTTP(t *testing.T) {
	env := browsertest.NewAt(t, "http://gw.example", nil, browsertest.App("web"))
	b := browsertest.NewBrowser(t, serve(env))
	cookies := b.Get("http://gw.example/acme/login?client_id=web").Header.Values("Set-Cookie")
	if len(cookies) != 2 || !strings.HasSuffix(cookies[1], "; Path=/acme; HttpOnly; SameSite=Lax") {
		t.Errorf("cookies %q", cookies)
	}
}

func TestSessionFixation(t *testing.T) {
	env, b := start(t)
	for _, planted := range []string{secret.NewToken(), "v" + secret.NewToken(), "x"} {
		b.Cookies = map[string]string{session: planted}
		res := b.SignIn(b.Follow(b.Get(request("web", ""))), "ann", browsertest.Password)
		if b.Cookies[session] == planted || !b.Follow(res).Query().Has("code") {
			t.Fatalf("location %s", res.Location())
		}
		attacker := browsertest.NewBrowser(t, serve(env))
		attacker.Cookies[session] = planted
		if got := attacker.Get(request("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
			t.Errorf("the planted cookie %q is signed in: %q", planted, got)
		}
	}
}

func TestCookieOfAnotherDomainIsWorthless(t *testing.T) {
	env, b := start(t)
	b.Follow(b.SignIn(b.Follow(b.Get(request("web", ""))), "ann", browsertest.Password))
	s, err := env.Store.Session(t.Context(), b.Cookies[session], browsertest.DomainID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.Domain = "d2"
	cookie := b.Cookies[session]
	if err := env.Store.SaveSession(t.Context(), cookie, s, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := env.Store.EndSession(t.Context(), cookie, browsertest.DomainID); err != nil {
		t.Fatal(err)
	}
	if got := b.Get(request("web", "&prompt=none")).Query().Get("error"); got != "login_required" {
		t.Errorf("answer %q", got)
	}
	b.Cookies[session] = cookie
	b.Follow(b.SignIn(b.Follow(b.Get(request("web", ""))), "ann", browsertest.Password))
	if _, err := env.Store.Session(t.Context(), cookie, "d2", time.Hour); err != nil {
		t.Errorf("the other domain's session was ended by a sign-in here: %v", err)
	}
}

// TestCookieParser covers what simple and hostile clients send back.
func TestCookieParser(t *testing.T) {
	_, b := start(t)
	b.Follow(b.SignIn(b.Follow(b.Get(request("web", ""))), "ann", browsertest.Password))
	good := session + "=" + b.Cookies[session]
	dead := session + "=" + secret.NewToken()
	tests := []struct {
		name, header string
		want         bool
	}{
		{"alone", good, true},
		{"with its attributes handed back", good + "; Path=/acme; HttpOnly; Secure; SameSite=None", true},
		{"with an expiry handed back", "XSRF-TOKEN=x; Expires=Thu, 01 Jan 2099 00:00:00 GMT; " + good, true},
		{"two Set-Cookie fields joined", "XSRF-TOKEN=x; Path=/acme; HttpOnly, " + good + "; Path=/acme", true},
		{"quoted", session + `="` + b.Cookies[session] + `"`, true},
		{"behind fragments", "=; ;;, a; b=; =c;" + good, true},
		{"behind a cookie that another site planted", dead + "; " + good, true},
		{"behind two planted ones", dead + "; " + session + "=" + secret.NewToken() + "; " + good, true},
		{"behind three planted ones", dead + "; " + session + "=" + secret.NewToken() + "; " + session + "=" + secret.NewToken() + "; " + good, false},
		{"behind malformed ones", session + "=; " + session + "=../../x; " + session + "=%00; " + session + "=" + strings.Repeat("a", 4000) + "; " + good, true},
		{"another name", "gatehouse_session=" + b.Cookies[session], false},
		{"cut short", good[:len(good)-1], false},
		{"as a visitor's", session + "=v" + b.Cookies[session], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.RawCookie = tt.header
			res := b.Get(request("web", "&prompt=none"))
			if got := res.Query().Has("code"); got != tt.want {
				t.Errorf("signed in: %v, want %v", got, tt.want)
			}
			if cookies := res.Header.Values("Set-Cookie"); len(cookies) != 1 || !strings.HasPrefix(cookies[0], session+"=") {
				t.Errorf("cookies %q", cookies)
			}
		})
	}
}

// TestLastCookieIsEnough signs in with a client that returns only the last cookie it saw.
func TestLastCookieIsEnough(t *testing.T) {
	_, b := start(t)
	last := func(res *browsertest.Response) *browsertest.Response {
		cookies := res.Header.Values("Set-Cookie")
		if len(cookies) == 0 {
			t.Fatalf("an answer sets no cookie: %d %s", res.StatusCode, res.Location())
		}
		b.RawCookie = cookies[len(cookies)-1]
		return res
	}
	res := last(b.Get(request("asks", "&scope=openid")))
	f := b.Form(last(b.Get(res.Location())))
	f.Values.Set("username", "ann")
	f.Values.Set("password", browsertest.Password)
	res = last(b.Post(f.Action, f.Values))
	signedIn := b.RawCookie
	res = last(b.Get(res.Location()))
	f = b.Form(last(b.Get(res.Location())))
	f.Values.Set("user_oauth_approval", "true")
	res = last(b.Post(f.Action, f.Values))
	if b.RawCookie != signedIn {
		t.Error("the consent changed the session's cookie")
	}
	if res = last(b.Get(res.Location())); !res.Query().Has("code") {
		t.Errorf("answer %s", res.Location())
	}
}
