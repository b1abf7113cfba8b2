package pagetext

import (
	"strings"
	"testing"
)

func TestEveryLanguageSaysEverything(t *testing.T) {
	for _, language := range languages {
		for name := range said["en"].mails {
			saysAll(t, name, language)
		}
		saysAll(t, "registration_taken", language)
		if len(units[language]) != len(units["en"]) {
			t.Errorf("%s: units of time are missing", language)
		}
	}
}

func saysAll(t *testing.T, name, language string) {
	t.Helper()
	v := Email(name)
	content, subject, got := v.StandardIn(language)
	if got != language {
		t.Errorf("%s in %s is said in %s", name, language, got)
	}
	text, err := Compile(v, content)
	if err != nil {
		t.Fatalf("%s in %s: %v", name, language, err)
	}
	line, err := CompileLine(v, subject)
	if err != nil {
		t.Fatalf("subject of %s in %s: %v", name, language, err)
	}
	out, err := text.Render(v.Sample())
	if err != nil {
		t.Fatal(err)
	}
	title, err := line.Render(v.Sample())
	if err != nil || !strings.Contains(title, "Acme") {
		t.Errorf("subject of %s in %s: %q, %v", name, language, title, err)
	}
	for _, want := range []string{"Ann", "Acme", `lang="` + language + `"`, "https://auth.example.com/acme/"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s in %s does not say %s:\n%s", name, language, want, out)
		}
	}
	if strings.ContainsAny(out, "[]") || strings.Contains(out, "<img") {
		t.Errorf("%s in %s:\n%s", name, language, out)
	}
	if english, _ := v.Standard(); language != "en" && content == english {
		t.Errorf("%s in %s is English", name, language)
	}
}

func TestWhichLanguageIsSpoken(t *testing.T) {
	for _, tt := range []struct {
		name   string
		wanted []string
		want   string
	}{
		{"nothing is known", nil, "en"},
		{"a language", []string{"de"}, "de"},
		{"a language of a country", []string{"de-CH"}, "de"},
		{"in another spelling", []string{"FR_fr"}, "fr"},
		{"the best of those that there are", []string{"nl", "es", "de"}, "es"},
		{"none of them", []string{"nl", "", "*"}, "en"},
	} {
		if _, _, got := Email("forgot_password").StandardIn(tt.wanted...); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if _, _, got := Email("mfa_challenge").StandardIn("de"); got != "en" {
		t.Errorf("a message that is said in English only: %s", got)
	}
	if got := duration(int64(86400), "de") + ", " + duration(int64(1), "fr") + ", " + duration(int64(7200), "xx"); got != "24 Stunden, 1 seconde, 2 hours" {
		t.Error(got)
	}
}
