package pages

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

func deniedDomain(help string) *domain.Domain {
	return &domain.Domain{Core: &domain.Core{Name: "Acme", Base: "https://gw.example/acme", Settings: &configv1.Domain{
		AccessSettings: &configv1.AccessSettings{HelpContact: help},
	}}}
}

func TestTheDeniedPageSpeaksTheReadersLanguage(t *testing.T) {
	office := map[string]string{"default": "Only at the office", "de": "Nur im Büro", "nl": "Alleen op kantoor", "pt-BR": "Só no escritório"}
	late := map[string]string{"en": "Come back tomorrow"}
	tests := []struct {
		name, accept, query string
		messages            []map[string]string
		want                []string
	}{
		{"the text of the browser's language", "de-CH, en;q=0.5", "", []map[string]string{office}, []string{"Nur im Büro"}},
		{"of a language that our own pages do not speak", "nl, de;q=0.5", "", []map[string]string{office}, []string{"Alleen op kantoor"}},
		{"a region is found by itself", "pt-br", "", []map[string]string{office}, []string{"Só no escritório"}},
		{"what the application wishes comes first", "nl", "?ui_locales=de", []map[string]string{office}, []string{"Nur im Büro"}},
		{"all others read the default", "ja", "", []map[string]string{office}, []string{"Only at the office"}},
		{"without a default the language of the page", "ja", "", []map[string]string{late}, []string{"Come back tomorrow"}},
		{"every binding in its order", "de", "", []map[string]string{late, office}, []string{"Come back tomorrow", "Nur im Büro"}},
		{"both where both are written", "en", "", []map[string]string{office, late}, []string{"Only at the office", "Come back tomorrow"}},
		{"the same text stands once", "en", "", []map[string]string{office, office}, []string{"Only at the office"}},
		{"our own advice where nobody has written any", "de", "", nil, []string{"Mit diesem Konto dürfen Sie die Anwendung nicht benutzen"}},
	}
	p := New()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/"+tt.query, nil)
			r.Header.Set("Accept-Language", tt.accept)
			w := httptest.NewRecorder()
			c := &domain.Client{ClientID: "pay", Name: "Payroll", Application: &configv1.Application{}}
			if err := p.Denied(w, r, deniedDomain(""), Denied{Client: c, Username: "ann", Messages: tt.messages}); err != nil {
				t.Fatal(err)
			}
			if w.Code != http.StatusForbidden {
				t.Errorf("status %d", w.Code)
			}
			body, at := w.Body.String(), 0
			for _, text := range tt.want {
				i := strings.Index(body[at:], text)
				if i < 0 {
					t.Fatalf("%q is not there, or not in its place:\n%s", text, body)
				}
				at += i
			}
			if n := strings.Count(body, `class="detail"`); n != len(tt.want) {
				t.Errorf("%d texts, want %d:\n%s", n, len(tt.want), body)
			}
		})
	}
}

func TestTheDeniedPageIsSafeAndLeadsOn(t *testing.T) {
	p := New()
	app := &configv1.Application{Icon: &configv1.Icon{Light: "sha256-l", Dark: "sha256-d"}}
	tests := []struct {
		name, help string
		app        *configv1.Application
		page       Denied
		want, not  []string
	}{
		{"messages are texts", "", &configv1.Application{},
			Denied{Messages: []map[string]string{{"default": "<script>alert(1)</script>"}}, Username: "<b>"},
			[]string{"&lt;script&gt;", "&lt;b&gt;", `>P</span>`}, []string{"<script>", "denied-return", "denied-portal", "denied-other", "denied-help"}},
		{"every way that there is", "help@acme.example", app,
			Denied{Return: "https://gw.example/acme/oauth/denied?x=1", Portal: "https://gw.example/acme/portal", Other: "https://gw.example/acme/login?x=1"},
			[]string{`href="https://gw.example/acme/oauth/denied?x=1"`, `href="https://gw.example/acme/portal"`, `href="https://gw.example/acme/login?x=1"`,
				`href="mailto:help@acme.example"`, `src="https://gw.example/acme/assets/sha256-l"`, `srcset="https://gw.example/acme/assets/sha256-d"`}, nil},
		{"help on a page", "https://help.acme.example/it", app, Denied{}, []string{`href="https://help.acme.example/it"`}, []string{"mailto"}},
		{"help that is no link", "javascript:alert(1)", app, Denied{}, nil, []string{"javascript", "denied-help"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			tt.page.Client = &domain.Client{ClientID: "pay", Name: "Payroll", Application: tt.app}
			if err := p.Denied(w, r, deniedDomain(tt.help), tt.page); err != nil {
				t.Fatal(err)
			}
			body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
			for _, text := range tt.want {
				if !strings.Contains(body, text) {
					t.Errorf("%q is missing:\n%s", text, body)
				}
			}
			for _, text := range tt.not {
				if strings.Contains(body, text) {
					t.Errorf("%q is there:\n%s", text, body)
				}
			}
			if got := strings.Contains(policy, "img-src 'self'"); got != (tt.app == app) {
				t.Errorf("policy %s", policy)
			}
		})
	}
}
