package pages

import (
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

var (
	action   = regexp.MustCompile(`\{\{[^}]*\}\}`)
	script   = regexp.MustCompile(`(?s)<(style|script)[ >].*?</(style|script)>`)
	tag      = regexp.MustCompile(`<[^>]*>`)
	spoken   = regexp.MustCompile(` (title|alt|placeholder|aria-label)="([^"]*)"`)
	word     = regexp.MustCompile(`\p{L}{2,}`)
	textKeys = regexp.MustCompile(`"([a-z0-9_-]+(?:\.[a-z0-9_-]+)+)"`)
)

// sources are the texts of files of a kind below the gateway's packages.
func sources(t *testing.T, root, ext string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ext || strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path) //nolint:gosec // a file of the repository
		out[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTemplatesHoldNoWords(t *testing.T) {
	for name, source := range sources(t, "templates", ".html") {
		if strings.HasSuffix(name, "check-session.html") {
			continue // nobody sees it
		}
		source = script.ReplaceAllString(action.ReplaceAllString(source, ""), "")
		for _, m := range spoken.FindAllStringSubmatch(source, -1) {
			if w := word.FindString(m[2]); w != "" && strings.Trim(m[2], "X-") != "" {
				t.Errorf("%s says %q in %s", name, m[2], m[1])
			}
		}
		if w := word.FindString(html.UnescapeString(tag.ReplaceAllString(source, " "))); w != "" {
			t.Errorf("%s says %q", name, w)
		}
	}
}

func TestEveryTextIsUsedAndEveryUseHasAText(t *testing.T) {
	languages, err := readTexts(textFiles)
	if err != nil {
		t.Fatal(err)
	}
	texts, used := languages[0].texts, map[string]bool{"date.day": true, "date.months": true}
	for name, source := range sources(t, "templates", ".html") {
		for _, m := range regexp.MustCompile(`\bt "([^"]*)"`).FindAllStringSubmatch(source, -1) {
			used[m[1]] = true
			if _, ok := texts[m[1]]; !ok {
				t.Errorf("%s: no text %s", name, m[1])
			}
		}
	}
	for _, source := range sources(t, ".", ".go") {
		for _, m := range textKeys.FindAllStringSubmatch(source, -1) {
			used[m[1]] = true
		}
	}
	var all strings.Builder
	for _, source := range sources(t, "..", ".go") {
		all.WriteString(source)
	}
	for key, v := range texts {
		switch {
		case strings.HasPrefix(key, scopePrefix):
		case strings.HasPrefix(key, messagePrefix):
			if !strings.Contains(all.String(), `"`+v.other+`"`) {
				t.Errorf("nobody says %q (%s)", v.other, key)
			}
		case !used[key]:
			t.Errorf("nobody says %s", key)
		}
	}
}

func TestTextsAreSafeAndCarryTheSameValues(t *testing.T) {
	languages, err := readTexts(textFiles)
	if err != nil {
		t.Fatal(err)
	}
	values := regexp.MustCompile(`\{[a-z]+\}`)
	for key, english := range languages[0].texts {
		for _, l := range languages {
			v := l.texts[key]
			bare := strings.NewReplacer("<strong>", "", "</strong>", "").Replace(v.other + v.one)
			if strings.ContainsAny(bare, "<>&\"") {
				t.Errorf("%s in %s holds markup: %s", key, l.tag, v.other)
			}
			if strings.Contains(v.other, "<strong>") && (strings.HasPrefix(key, messagePrefix) || strings.HasSuffix(key, ".title")) {
				t.Errorf("%s in %s holds markup where none is shown", key, l.tag)
			}
			if (v.one == "") != (english.one == "") {
				t.Errorf("%s counts in %s or in en, not in both", key, l.tag)
			}
			for _, value := range values.FindAllString(english.other, -1) {
				if !strings.Contains(v.other, value) {
					t.Errorf("%s in %s lacks %s", key, l.tag, value)
				}
			}
		}
	}
}

func TestTextsAreReadStrictly(t *testing.T) {
	const whole = "a.b\nen: A\nde: B\nfr: C\nes: D\nit: E\n"
	for name, content := range map[string]string{
		"a language is missing":      "a.b\nen: A\nde: B\nfr: C\nes: D\n",
		"a language is there twice":  whole + "it: F\n",
		"a language nobody speaks":   whole + "xx: F\n",
		"a number nobody knows":      whole + "en two: F\n",
		"a key with a capital in it": strings.Replace(whole, "a.b", "a.B", 1),
	} {
		if _, err := readTexts(fstest.MapFS{"texts/a.txt": {Data: []byte(content)}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := readTexts(fstest.MapFS{"texts/a.txt": {Data: []byte(whole)}}); err != nil {
		t.Error(err)
	}
}

func TestNumbersChooseTheirForm(t *testing.T) {
	content := "n\nen one: {n} minute\nen: {n} minutes\nde one: {n} Minute\nde: {n} Minuten\nfr one: {n} minute\nfr: {n} minutes\nes one: {n} minuto\nes: {n} minutos\nit one: {n} minuto\nit: {n} minuti\n"
	languages, err := readTexts(fstest.MapFS{"texts/a.txt": {Data: []byte(content)}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"0 minutes 1 minute 2 minutes", "0 Minuten 1 Minute 2 Minuten", "0 minute 1 minute 2 minutes", "0 minutos 1 minuto 2 minutos", "0 minuti 1 minuto 2 minuti"} {
		var got []string
		for n := range 3 {
			s, err := languages[i].text("n", "n", n)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(s))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", tags[i], got, want)
		}
	}
}

func TestTheLanguageOfAnAnswer(t *testing.T) {
	p := New()
	tests := []struct {
		name, locales, kept string
		accept              []string
		want                string
	}{
		{"nothing is asked for", "", "", nil, "en"},
		{"the browser prefers German", "", "", []string{"de-AT,de;q=0.9,en;q=0.8"}, "de"},
		{"the first preferred is not spoken", "", "", []string{"ja, it;q=0.5, fr;q=0.7"}, "fr"},
		{"several fields are one list", "", "", []string{"ja", "es"}, "es"},
		{"a language is refused", "", "", []string{"de;q=0, es;q=0.1"}, "es"},
		{"anything will do", "", "", []string{"*"}, "en"},
		{"ill-formed preferences are left out", "", "", []string{";;;,q=,de;q=x,de;q=NaN,fr;q=7,,it;q=0.2"}, "it"},
		{"the client asks for French", "fr-CA", "", []string{"de"}, "fr"},
		{"the client asks for several", "ja it de", "", []string{"de"}, "it"},
		{"the client asks for what nobody speaks", "ja", "", []string{"de"}, "de"},
		{"a kept request asks for Spanish", "", "ES", []string{"de"}, "es"},
	}
	d := &domain.Domain{Core: &domain.Core{Name: "Acme"}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/login?ui_locales="+url.QueryEscape(tt.locales), nil)
			r.Header["Accept-Language"] = tt.accept
			w := httptest.NewRecorder()
			if err := p.Identifier(w, WithLocales(r, tt.kept), d, Identifier{Client: &domain.Client{Application: &configv1.Application{}}}); err != nil {
				t.Fatal(err)
			}
			if got := w.Header().Get("Content-Language"); got != tt.want || w.Header().Get("Vary") != "Accept-Language" {
				t.Errorf("language %s, want %s; Vary %q", got, tt.want, w.Header().Get("Vary"))
			}
			if !strings.Contains(w.Body.String(), `<html lang="`+tt.want+`" dir="ltr">`) {
				t.Errorf("page:\n%s", w.Body.String())
			}
		})
	}
}

func TestPagesSpeakGerman(t *testing.T) {
	d := &domain.Domain{Core: &domain.Core{Name: "Acme"}}
	c := &domain.Client{ClientID: "web", Name: "<b>&co", Application: &configv1.Application{}}
	p := New()
	r := httptest.NewRequest(http.MethodGet, "/?ui_locales=de", nil)
	for name, tt := range map[string]struct {
		write func(w http.ResponseWriter) error
		want  []string
	}{
		"login": {func(w http.ResponseWriter) error {
			return p.Login(w, r, d, Login{Client: c, Message: "Invalid or unknown user"})
		}, []string{"<title>Anmelden · Acme</title>", "weiter zu <strong>&lt;b&gt;&amp;co</strong>", "Benutzername oder Passwort ist falsch"}},
		"a message of an administrator": {func(w http.ResponseWriter) error {
			return p.Login(w, r, d, Login{Client: c, Message: "Come <back> on Monday"})
		},
			[]string{"Come &lt;back&gt; on Monday"}},
		"scopes": {func(w http.ResponseWriter) error {
			return p.Consent(w, r, d, Consent{Client: c, Scopes: []Scope{
				{Key: "email", Name: "Email", Description: "Your mail"}, {Key: "phone:x", Name: "Phone: x", Description: "Access to the phone number of the user"}, {Key: "orders", Name: "Groups"},
			}})
		}, []string{"<strong>E-Mail</strong><small>Your mail</small>", "<strong>Telefon: x</strong><small>Ihre Telefonnummer</small>", "<strong>Groups</strong>", "&lt;b&gt;&amp;co bittet um Zugriff"}},
		"applications": {func(w http.ResponseWriter) error {
			return p.Applications(w, r, d, Applications{Username: "ann", List: []Allowed{{Name: `"a"`, Since: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)}}})
		}, []string{"Erlaubt seit 4. März 2026", `aria-label="&#34;a&#34; den Zugriff entziehen"`}},
		"errors": {func(w http.ResponseWriter) error {
			return p.Error(w, r, d, "", oauth2.AccessDenied.Errorf("User denied access"))
		}, []string{"Zugriff verweigert", "Der Zugriff wurde abgelehnt", "access_denied"}},
	} {
		w := httptest.NewRecorder()
		if err := tt.write(w); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, w.Body.String())
			}
		}
	}
}
