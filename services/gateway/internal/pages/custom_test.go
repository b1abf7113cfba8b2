package pages_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/builtin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/pages"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

// studio is a domain with two clients whose pages are written by an administrator.
type studio struct {
	t        *testing.T
	set      *domain.Set
	id       string
	pages    *pages.Pages
	revision int64
	counted  int
}

func newStudio(t *testing.T) *studio {
	s := &studio{t: t, pages: pages.New(), revision: 1}
	s.pages.Failures = ruleerrors.New(slog.New(slog.DiscardHandler), time.Now, func(string) { s.counted++ })
	config := gatewaytest.NewAcme(t)
	s.id = config.Domain.GetId()
	config.App("web")
	config.App("other")
	s.set = domain.NewSet(domain.Options{
		PublicURL: gatewaytest.PublicURL, Open: builtin.Tools{}.Open, Failures: s.pages.Failures, Logger: slog.New(slog.DiscardHandler),
	})
	if rejected := s.set.Apply(t.Context(), config.Batch(s.revision)); len(rejected) > 0 {
		t.Fatalf("rejected: %v", rejected)
	}
	return s
}

// write stores a page at a level: "" is the domain's. It returns what of the configuration cannot be used.
func (s *studio) write(level string, template configv1.Form_Template, content string, change ...func(*configv1.Form)) int {
	s.t.Helper()
	s.revision++
	f := &configv1.Form{
		Id: "form-" + level + template.String(), Domain: s.id, Application: level, Template: template, Enabled: true, Content: content, Revision: s.revision,
	}
	for _, c := range change {
		c(f)
	}
	return len(s.set.Apply(s.t.Context(), gatewaytest.Upserts(s.revision, f)))
}

func (s *studio) client(id string) (*domain.Domain, *domain.Client) {
	s.t.Helper()
	d := s.set.Domain(s.id)
	c, err := d.Client(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return d, c
}

func (s *studio) show(write func(w http.ResponseWriter, r *http.Request) error) *httptest.ResponseRecorder {
	s.t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://gw.example/acme/login", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	if err := write(w, r); err != nil {
		s.t.Fatal(err)
	}
	return w
}

func (s *studio) login(client string) *httptest.ResponseRecorder {
	s.t.Helper()
	d, c := s.client(client)
	return s.show(func(w http.ResponseWriter, r *http.Request) error {
		return s.pages.Login(w, r, d, pages.Login{Action: "https://gw.example/acme/login?a=b&c=d", Client: c, Token: "t", Username: `"><b>`, Message: "The account is locked"})
	})
}

func TestThePageOfAnApplicationCountsBeforeThatOfItsDomain(t *testing.T) {
	s := newStudio(t)
	_, web := s.client("web")
	steps := []struct {
		name       string
		do         func()
		web, other string
	}{
		{"nobody wrote one", func() {}, "login-submit", "login-submit"},
		{"the domain has one", func() { s.write("", configv1.Form_LOGIN, "the domain's") }, "the domain's", "the domain's"},
		{"the application has one", func() { s.write(web.ID, configv1.Form_LOGIN, "the application's") }, "the application's", "the domain's"},
		{"the application's is off", func() {
			s.write(web.ID, configv1.Form_LOGIN, "the application's", func(f *configv1.Form) { f.Enabled = false })
		}, "the domain's", "the domain's"},
		{"another page", func() { s.write("", configv1.Form_ERROR, "an error") }, "the domain's", "the domain's"},
		{"the domain's cannot be used", func() {
			if n := s.write("", configv1.Form_LOGIN, "{{.nobody}}"); n != 1 {
				t.Errorf("%d rejections", n)
			}
		}, "login-submit", "login-submit"},
		{"the domain's is gone", func() {
			s.revision++
			s.set.Apply(t.Context(), gatewaytest.Deletes(s.revision, resource.Resource(&configv1.Form{Id: "form-LOGIN", Domain: s.id})))
		}, "login-submit", "login-submit"},
	}
	for _, step := range steps {
		step.do()
		for client, want := range map[string]string{"web": step.web, "other": step.other} {
			if w := s.login(client); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %s shows\n%s", step.name, client, w.Body.String())
			}
		}
	}
}

func TestThePolicyOfAnAdministratorsPage(t *testing.T) {
	s := newStudio(t)
	content := `<head><style>p{}</style></head><p style="color:red">{{.message}}</p><form action="{{.action}}"><input value="{{.username}}"></form><script>alert(1)</script>`
	s.write("", configv1.Form_LOGIN, content, func(f *configv1.Form) { f.Assets = "b{}</style><script>" })
	w := s.login("web")
	nonce := regexp.MustCompile(`<style nonce="([A-Z0-9]{20,})">`).FindAllStringSubmatch(w.Body.String(), -1)
	if len(nonce) != 2 || nonce[0][1] != nonce[1][1] {
		t.Fatalf("page:\n%s", w.Body.String())
	}
	want := "default-src 'none'; style-src 'nonce-" + nonce[0][1] + "'; style-src-attr 'unsafe-inline'; img-src 'self' https: data:; font-src https: data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	if diff := cmp.Diff(want, w.Header().Get("Content-Security-Policy")); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	for _, part := range []string{
		`<p style="color:red">The account is locked</p><form action="https://gw.example/acme/login?a=b&amp;c=d"><input value="&#34;&gt;&lt;b&gt;">`, `b{}<\/style><script></style>`,
	} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("no %s in\n%s", part, w.Body.String())
		}
	}
	if again := s.login("web"); strings.Contains(again.Body.String(), nonce[0][1]) {
		t.Error("two answers have one nonce")
	}
	if w.Header().Get("X-Frame-Options") != "DENY" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
}

func TestAPageThatCannotBeRenderedGivesWayToOurOwn(t *testing.T) {
	s := newStudio(t)
	s.write("", configv1.Form_OAUTH2_USER_CONSENT, "mine {{range .scopes}}{{.name}}{{end}}")
	d, c := s.client("web")
	consent := func(n int) string {
		page := pages.Consent{Client: c, Scopes: make([]pages.Scope, n)}
		return s.show(func(w http.ResponseWriter, r *http.Request) error { return s.pages.Consent(w, r, d, page) }).Body.String()
	}
	if got := consent(2); !strings.Contains(got, "mine") {
		t.Errorf("page:\n%s", got)
	}
	if got := consent(pagetext.MaxEntries + 1); strings.Contains(got, "mine") || !strings.Contains(got, `id="consent-allow"`) {
		t.Errorf("page:\n%s", got)
	}
	status := s.set.Statuses()[0]
	if s.counted != 1 || len(status.Failures) != 1 || status.Failures[0].Kind != "form" || status.Failures[0].Name != "oauth2_user_consent" || status.Failures[0].Message == "" {
		t.Errorf("counted %d, failures %+v", s.counted, status.Failures)
	}
	s.write("", configv1.Form_OAUTH2_USER_CONSENT, "mended")
	if got := s.set.Statuses()[0].Failures; len(got) != 0 {
		t.Errorf("after it was mended: %+v", got)
	}
}

// elements are what scripts and browsers rely on: the names and ids of a page's inputs, buttons and forms, and what inputs are for.
func elements(page string) []string {
	var out []string
	for _, tag := range regexp.MustCompile(`<(?:input|button|form|a|p|code)[^>]*>`).FindAllString(page, -1) {
		for _, m := range regexp.MustCompile(` (id|name|type|autocomplete|action|value)="([^"]*)"`).FindAllStringSubmatch(tag, -1) {
			if one := m[1] + "=" + m[2]; !slices.Contains(out, one) {
				out = append(out, one)
			}
		}
	}
	slices.Sort(out)
	return out
}

// The texts that administrators begin with are a plain form of our own pages: what scripts rely on is the same in both.
func TestTheStandardTextsHaveTheElementsOfOurOwnPages(t *testing.T) {
	s := newStudio(t)
	d, c := s.client("web")
	for template, write := range map[configv1.Form_Template]func(w http.ResponseWriter, r *http.Request) error{
		configv1.Form_LOGIN: func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Login(w, r, d, pages.Login{Action: "https://gw.example/a", Client: c, Token: "t", Username: "ann", Message: "no", Current: "bob", Back: "https://gw.example/b", Remember: true,
				Forgot: "https://gw.example/f", Register: "https://gw.example/r", Providers: []pages.Provider{{ID: "p", Name: "Partner", Type: "google-am-idp", URL: "https://gw.example/p"}}})
		},
		configv1.Form_IDENTIFIER_FIRST_LOGIN: func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Identifier(w, r, d, pages.Identifier{Action: "https://gw.example/a", Client: c, Token: "t", Username: "ann", Message: "no"})
		},
		configv1.Form_OAUTH2_USER_CONSENT: func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Consent(w, r, d, pages.Consent{Action: "https://gw.example/a", Client: c, Token: "t", Choice: true, Scopes: []pages.Scope{{Key: "a", Name: "A", Required: true}, {Key: "b", Name: "B"}}})
		},
		configv1.Form_REGISTRATION: func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Register(w, r, d, pages.Register{Action: "https://gw.example/a", Client: c, Token: "t", Email: "a@b.example", Back: "https://gw.example/b"})
		},
		configv1.Form_FORGOT_PASSWORD: func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Forgot(w, r, d, pages.Forgot{Action: "https://gw.example/a", Client: c, Token: "t", Back: "https://gw.example/b"})
		},
		configv1.Form_RESET_PASSWORD: func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Password(w, r, d, pages.Password{Action: "https://gw.example/a", Client: c, Token: "t", Ticket: "k", Username: "ann", Form: "reset_password"})
		},
		configv1.Form_ERROR: func(w http.ResponseWriter, r *http.Request) error {
			return s.pages.Error(w, r, d, "web", oauth2.InvalidRequest.Errorf("bad"))
		},
	} {
		ours := s.show(write)
		standard, _ := pagetext.Page(strings.ToLower(template.String())).Standard()
		s.write("", template, standard)
		d, c = s.client("web")
		theirs := s.show(write)
		if ours.Code != theirs.Code || ours.Body.String() == theirs.Body.String() {
			t.Errorf("%s: status %d and %d", template, ours.Code, theirs.Code)
		}
		want := elements(ours.Body.String())
		got := elements(theirs.Body.String())
		missing := slices.DeleteFunc(slices.Clone(want), func(one string) bool { return slices.Contains(got, one) })
		if len(missing) > 0 {
			t.Errorf("%s lacks %v", template, missing)
		}
	}
}
