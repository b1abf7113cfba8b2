package browser_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func managed(d *configv1.Domain) { d.Oidc.SessionManagementEnabled = true }

// TestS6SessionStateIsAHashThatThePageCanRepeat computes what the script of the page computes.
func TestS6SessionStateIsAHashThatThePageCanRepeat(t *testing.T) {
	env := browsertest.New(t, managed, browsertest.App("web"))
	d := env.Domain()
	s := state.Session{ID: "sid-1", Domain: d.ID, AuthTime: env.Clock.Now().Unix(), Ends: env.Clock.Now().Unix() + 3600}
	w := httptest.NewRecorder()
	visit := browser.Open(w, httptest.NewRequest(http.MethodGet, browsertest.Base+"/login", nil), d)
	if err := visit.SignIn(t.Context(), env.Store, s); err != nil {
		t.Fatal(err)
	}
	var cookie *http.Cookie
	cookies := w.Result().Cookies()
	for _, c := range cookies {
		if c.Name == browser.StateCookie {
			cookie = c
		}
	}
	if cookie == nil || cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteNoneMode || cookie.Path != "/acme" {
		t.Fatalf("the state's cookie is %v", cookie)
	}
	if last := cookies[len(cookies)-1]; last.Name != browser.SessionCookie || strings.Contains(cookie.Value, last.Value) || strings.Contains(cookie.Value, s.ID) {
		t.Errorf("the last cookie is %s; the state's says %s", last.Name, cookie.Value)
	}
	for uri, origin := range map[string]string{
		"https://web.example/cb":           "https://web.example",
		"https://Web.Example:443/cb?x=1":   "https://web.example",
		"http://127.0.0.1:8080/cb":         "http://127.0.0.1:8080",
		"http://[::1]/cb":                  "http://[::1]",
		"com.example.app:/cb":              "",
		"https:///nowhere":                 "",
		"http://web.example:80/":           "http://web.example",
		"https://web.example:8443/cb#frag": "https://web.example:8443",
	} {
		got := browser.SessionState(d, "web", uri, visit.Session)
		if origin == "" {
			if got != "" {
				t.Errorf("%s: session_state %s for no web page", uri, got)
			}
			continue
		}
		hash, salt, _ := strings.Cut(got, ".")
		sum := sha256.Sum256([]byte("web " + origin + " " + cookie.Value + " " + salt))
		if want := base64.RawURLEncoding.EncodeToString(sum[:]); hash != want || salt == "" || strings.Contains(got, " ") {
			t.Errorf("%s: session_state %s, want the hash %s", uri, got, want)
		}
		if again := browser.SessionState(d, "web", uri, visit.Session); again == got {
			t.Errorf("%s: the salt is the same twice", uri)
		}
	}
	if got := browser.SessionState(d, "web", "https://web.example/cb", nil); got != "" {
		t.Errorf("session_state %s where nobody is signed in", got)
	}
	off := browsertest.New(t, nil).Domain()
	if got := browser.SessionState(off, "web", "https://web.example/cb", &s); got != "" {
		t.Errorf("session_state %s while session management is off", got)
	}
}

func TestS6TheStateGoesWithTheSession(t *testing.T) {
	for _, on := range []bool{true, false} {
		env := browsertest.New(t, func(d *configv1.Domain) { d.Oidc.SessionManagementEnabled = on })
		s := state.Session{ID: "sid-1", Domain: browsertest.DomainID, Ends: env.Clock.Now().Unix() + 3600}
		request := func(cookies []*http.Cookie) *http.Request {
			r := httptest.NewRequest(http.MethodGet, browsertest.Base+"/logout", nil)
			for _, c := range cookies {
				if c.MaxAge >= 0 {
					r.AddCookie(c)
				}
			}
			return r
		}
		named := func(w *httptest.ResponseRecorder) *http.Cookie {
			for _, c := range (&http.Response{Header: w.Header()}).Cookies() {
				if c.Name == browser.StateCookie {
					return c
				}
			}
			return nil
		}
		w := httptest.NewRecorder()
		if err := browser.Open(w, request(nil), env.Domain()).SignIn(t.Context(), env.Store, s); err != nil {
			t.Fatal(err)
		}
		held := w.Result().Cookies()
		if (named(w) != nil) != on {
			t.Fatalf("session management on is %v: %v", on, held)
		}
		if !on {
			continue
		}
		w = httptest.NewRecorder()
		visit := browser.Open(w, request(held), env.Domain())
		if c := named(w); c != nil {
			t.Errorf("before anybody looked for the session its state is %v", c)
		}
		if err := visit.Load(t.Context(), env.Store); err != nil {
			t.Fatal(err)
		}
		if c := named(w); c == nil || c.MaxAge < 0 {
			t.Errorf("the state of a session that goes on is %v", c)
		}
		if err := visit.SignOut(t.Context(), env.Store); err != nil {
			t.Fatal(err)
		}
		visit.Forget()
		if c := named(w); c == nil || c.MaxAge >= 0 {
			t.Errorf("after signing out the state is %v", c)
		}
		w = httptest.NewRecorder()
		visit = browser.Open(w, request(held), env.Domain())
		if err := visit.Load(t.Context(), env.Store); err != nil {
			t.Fatal(err)
		}
		if c := named(w); c == nil || c.MaxAge >= 0 {
			t.Errorf("of a session that ended elsewhere the state is %v", c)
		}
	}
}
