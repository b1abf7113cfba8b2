package pages

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

var (
	styleTag  = regexp.MustCompile(`(?s)<style>(.*)</style>`)
	scriptTag = regexp.MustCompile(`(?s)<script>(.*)</script>`)
)

func TestP5ThePolicyAllowsWhatThePageHoldsAndNothingElse(t *testing.T) {
	d := &domain.Domain{Core: &domain.Core{Name: "Acme"}}
	c := &domain.Client{ClientID: "web", Application: &configv1.Application{}}
	p, r := New(), httptest.NewRequest("GET", "/", nil)
	tests := []struct {
		name   string
		write  func(w *httptest.ResponseRecorder) error
		script bool
		ids    []string
	}{
		{"login", func(w *httptest.ResponseRecorder) error {
			return p.Login(w, r, d, Login{Action: "https://gw.example/login", Client: c, Current: "ann"})
		}, false, []string{"username", "password", "login-submit"}},
		{"identifier", func(w *httptest.ResponseRecorder) error {
			return p.Identifier(w, r, d, Identifier{Action: "https://gw.example/login/identifier", Client: c})
		}, false, []string{"username"}},
		{"consent", func(w *httptest.ResponseRecorder) error {
			return p.Consent(w, r, d, Consent{Action: "https://gw.example/oauth/consent", Client: c, Scopes: []Scope{{Key: "a", Name: "A"}}, Choice: true})
		}, false, []string{"consent-allow", "consent-deny"}},
		{"logout", func(w *httptest.ResponseRecorder) error {
			return p.Logout(w, r, d, Logout{Action: "https://gw.example/logout", Host: "a.example"})
		}, false, []string{"logout-confirm"}},
		{"device", func(w *httptest.ResponseRecorder) error {
			return p.Device(w, r, d, Device{Action: "https://gw.example/device", Code: `"><b>`})
		}, false, []string{"user_code", "device-submit"}},
		{"device question", func(w *httptest.ResponseRecorder) error {
			return p.DeviceQuestion(w, r, d, DeviceQuestion{Action: "https://gw.example/device", Client: c, Code: "BCDF-GHJK", Scopes: []Scope{{Key: "a", Name: "A"}}})
		}, false, []string{"device-code", "device-allow", "device-deny"}},
		{"form_post", func(w *httptest.ResponseRecorder) error {
			return p.FormPost(w, r, d, "com.app:/cb", []Field{{"state", `"><script>`}})
		}, true, []string{"form-post-submit"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if err := tt.write(w); err != nil {
				t.Fatal(err)
			}
			body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
			style := styleTag.FindStringSubmatch(body)
			if style == nil || !strings.Contains(policy, "style-src "+hash(style[1])) {
				t.Error("the policy forbids the page's style")
			}
			if script := scriptTag.FindStringSubmatch(body); (script != nil) != tt.script {
				t.Errorf("script %q", script)
			} else if tt.script && !strings.Contains(policy, "script-src "+hash(script[1])) {
				t.Error("the policy forbids the page's script")
			}
			for _, id := range tt.ids {
				if strings.Count(body, `id="`+id+`"`) != 1 {
					t.Errorf("element %s is not there once", id)
				}
			}
			if strings.Count(body, "<form ") != 1 || strings.Contains(body, "ZgotmplZ") || strings.Contains(body, " style=") {
				t.Errorf("page:\n%s", body)
			}
		})
	}
	w := httptest.NewRecorder()
	_ = p.FormPost(w, r, d, "com.app:/cb", nil)
	if !strings.Contains(w.Body.String(), `action="com.app:/cb"`) {
		t.Error("a private-use scheme is not a target")
	}
}

func TestStatus(t *testing.T) {
	for code, want := range map[oauth2.Code]int{
		oauth2.InvalidRequest: 400, oauth2.LoginRequired: 400, oauth2.InvalidClient: 400, "": 400,
		oauth2.AccessDenied: 403, oauth2.NotFound: 404, oauth2.MethodNotAllowed: 405,
		oauth2.ServerError: 500, oauth2.TemporarilyUnavailable: 503,
	} {
		if got := Status(code); got != want {
			t.Errorf("%s has status %d, want %d", code, got, want)
		}
		if headlines[Status(code)] == [2]string{} {
			t.Errorf("status %d has no words", Status(code))
		}
	}
}

func TestLinks(t *testing.T) {
	for link, want := range map[string]bool{
		"https://a.example/p": true, "http://a.example": true, "javascript:alert(1)": false, "//a.example": false,
		"https://u@a.example": false, "https:///x": false, "": false, "data:text/html,x": false,
	} {
		if got := web(link) != ""; got != want {
			t.Errorf("%q is linked: %v, want %v", link, got, want)
		}
	}
}
