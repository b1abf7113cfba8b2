package webapp

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		method string
		path   string
		header http.Header
		status int
		want   string
	}{
		{name: "the start page offers to sign in", method: "GET", path: "/", status: 200, want: `href="/login"`},
		{name: "before there is a domain nobody signs in", method: "GET", path: "/login", status: 502, want: "there is no demonstration domain yet"},
		{name: "an answer that no sign-in asked for is refused", method: "GET", path: "/callback?code=x&state=y", status: 400, want: "does not belong"},
		{name: "so is one for a session that is unknown", method: "GET", path: "/callback?code=x&state=", status: 400,
			header: http.Header{"Cookie": {cookieName + "=x"}}, want: "does not belong"},
		{name: "another site cannot sign out", method: "POST", path: "/logout", header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, status: 403},
		{name: "refreshing without tokens leads home", method: "POST", path: "/refresh", status: 303},
		{name: "there is nothing else", method: "GET", path: "/admin", status: 404},
	}
	app := New(Options{PublicURL: "http://localhost:8092", URL: "http://localhost:8094"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, nil)
			for name, values := range tt.header {
				r.Header[name] = values
			}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d, want %d\n%s", w.Code, tt.status, w.Body)
			}
		})
	}
}

func TestProblemIsEscaped(t *testing.T) {
	app := New(Options{PublicURL: "http://localhost:8092", URL: "http://localhost:8094"})
	begun := httptest.NewRecorder()
	app.begin(begun, &session{state: "the state"})
	r := httptest.NewRequest("GET", "/callback?state=the+state&error=access_denied&error_description=%3Cscript%3E", nil)
	r.Header.Set("Cookie", begun.Header().Get("Set-Cookie"))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	if body := w.Body.String(); !strings.Contains(body, "&lt;script&gt;") || strings.Contains(body, "<script>") {
		t.Errorf("the page:\n%s", body)
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	app := New(Options{})
	for range 3 * maxSessions {
		app.begin(httptest.NewRecorder(), &session{})
	}
	if len(app.sessions) != maxSessions || len(app.order) != maxSessions {
		t.Errorf("%d sessions, %d in order", len(app.sessions), len(app.order))
	}
}
