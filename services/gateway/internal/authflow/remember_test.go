package authflow_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

const week = 7 * 24 * time.Hour

func remembers(login, account bool, seconds int32) func(a *configv1.Application) {
	return func(a *configv1.Application) {
		a.Settings.Login = &configv1.LoginSettings{Inherited: proto.Bool(false), RememberMeEnabled: login}
		a.Settings.Account = &configv1.AccountSettings{Inherited: proto.Bool(false), RememberMe: account, RememberMeDuration: seconds}
	}
}

func TestRememberMe(t *testing.T) {
	env, b := start(t, browsertest.App("weekly", remembers(true, true, int32(week/time.Second))), browsertest.App("usual", remembers(true, true, 0)),
		browsertest.App("unasked", remembers(false, true, 60)), browsertest.App("unwilling", remembers(true, false, 60)))
	const box = `name="rememberMe" type="checkbox"`
	cookie := func(res *browsertest.Response) string {
		fields := res.Header.Values("Set-Cookie")
		return fields[len(fields)-1]
	}
	signIn := func(client, remember string) *browsertest.Response {
		t.Helper()
		b.Cookies = map[string]string{}
		f := b.Form(b.Follow(b.Get(request(client, ""))))
		f.Values.Set("username", "ann")
		f.Values.Set("password", browsertest.Password)
		f.Values.Del("rememberMe")
		if remember != "" {
			f.Values.Set("rememberMe", remember)
		}
		return b.Post(f.Action, f.Values)
	}
	silent := func(more string) string { return b.Get(request("weekly", "&prompt=none"+more)).Query().Get("error") }

	t.Run("is offered where both settings are on", func(t *testing.T) {
		for client, want := range map[string]bool{"weekly": true, "usual": true, "unasked": false, "unwilling": false, "web": false} {
			if got := strings.Contains(b.Follow(b.Get(request(client, ""))).Text, box); got != want {
				t.Errorf("%s: %v, want %v", client, got, want)
			}
		}
	})
	t.Run("keeps the cookie and the session for the time that is set", func(t *testing.T) {
		res := signIn("weekly", "true")
		if got := cookie(res); !strings.Contains(got, "; Max-Age=604800; HttpOnly; Secure; SameSite=None") {
			t.Fatalf("cookie %q", got)
		}
		a := answered(t, env, "weekly", b.Follow(res))
		for range 6 {
			env.Clock.Advance(24*time.Hour - time.Minute)
			res := b.Get(request("weekly", "&prompt=none"))
			again := answered(t, env, "weekly", res)
			if again.AuthTime != a.AuthTime || !strings.Contains(cookie(res), "; Max-Age=604800;") {
				t.Fatalf("sign-in of %d, want %d; cookie %q", again.AuthTime, a.AuthTime, cookie(res))
			}
		}
		if got := silent("&max_age=3600"); got != "login_required" {
			t.Errorf("a sign-in of days ago is good for max_age=3600: %q", got)
		}
		if got := silent(""); got != "" {
			t.Errorf("the session is over before its time: %q", got)
		}
		env.Clock.Advance(25 * time.Hour)
		if got := silent(""); got != "login_required" {
			t.Errorf("the session is not over after its time: %q", got)
		}
	})
	t.Run("is two weeks where nothing is set", func(t *testing.T) {
		if got := cookie(signIn("usual", "true")); !strings.Contains(got, "; Max-Age=1209600;") {
			t.Errorf("cookie %q", got)
		}
	})
	t.Run("counts where it was offered alone", func(t *testing.T) {
		for _, client := range []string{"unasked", "unwilling", "web"} {
			if got := cookie(signIn(client, "true")); strings.Contains(got, "Max-Age") {
				t.Errorf("%s: cookie %q", client, got)
			}
		}
	})
	t.Run("is the person's wish", func(t *testing.T) {
		res := signIn("weekly", "")
		if got := cookie(res); strings.Contains(got, "Max-Age") {
			t.Errorf("cookie %q", got)
		}
		b.Follow(res)
		env.Clock.Advance(13 * time.Hour)
		if got := silent(""); got != "login_required" {
			t.Errorf("after the domain's own age: %q", got)
		}
	})
	t.Run("cannot be made longer by changing the cookie", func(t *testing.T) {
		signIn("weekly", "true")
		b.Cookies[session] = "r" + "7fffffff" + b.Cookies[session][9:]
		if got := silent(""); got != "login_required" {
			t.Errorf("answer %q", got)
		}
	})
	t.Run("ends by another sign-in that does not ask for it", func(t *testing.T) {
		b.Follow(signIn("weekly", "true"))
		kept := b.Cookies[session]
		f := b.Form(b.Follow(b.Get(request("weekly", "&prompt=login"))))
		f.Values.Set("username", "ann")
		f.Values.Set("password", browsertest.Password)
		f.Values.Del("rememberMe")
		if got := cookie(b.Post(f.Action, f.Values)); strings.Contains(got, "Max-Age") {
			t.Errorf("cookie %q", got)
		}
		b.Cookies[session] = kept
		if got := silent(""); got != "login_required" {
			t.Errorf("the cookie of before still works: %q", got)
		}
	})
}

func TestTooManyFailuresFromOneNetwork(t *testing.T) {
	env, b := start(t)
	wrong := func(name string) *browsertest.Response {
		return b.SignIn(b.Get("/login?client_id=web"), name, "wrong")
	}
	address, _, _ := strings.Cut(b.Address, ":")
	for range 99 { // as many as have failed before
		w := state.Window{Purpose: "sign-in", Domain: browsertest.DomainID, By: address + "/32", Max: 100, Period: 15 * time.Minute}
		if _, err := env.Store.EnterWindows(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if res := wrong("nobody"); !strings.Contains(res.Location(), "error_code=invalid_user") {
		t.Fatalf("the last attempt: %s", res.Location())
	}
	res := b.SignIn(b.Get("/login?client_id=web"), "ann", browsertest.Password)
	if res.StatusCode != 302 || !strings.Contains(res.Location(), "error=login_failed&error_code=too_many_attempts&error_description=Too+many+failed+attempts") {
		t.Fatalf("status %d, %s", res.StatusCode, res.Location())
	}
	if page := b.Follow(res); !strings.Contains(page.Text, "Too many failed attempts, please try again in a quarter of an hour.") {
		t.Errorf("page:\n%s", page.Text)
	}
	b.Headers["X-Forwarded-For"] = "198.51.100.77"
	if res := wrong("bob"); !strings.Contains(res.Location(), "too_many_attempts") {
		t.Errorf("whoever writes a header has another address: %s", res.Location())
	}
	delete(b.Headers, "X-Forwarded-For")
	b.Address = "198.51.100.77:1"
	if res := b.SignIn(b.Get("/login?client_id=web"), "ann", browsertest.Password); strings.Contains(res.Location(), "error") {
		t.Errorf("from another network: %s", res.Location())
	}
}
