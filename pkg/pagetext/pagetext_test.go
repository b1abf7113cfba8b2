package pagetext

import (
	"errors"
	"strings"
	"testing"
)

func TestStandardTexts(t *testing.T) {
	for _, v := range append(Pages(), Emails()...) {
		content, subject := v.Standard()
		compiled, err := Compile(v, content)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if out, err := compiled.Render(v.Sample()); err != nil || !strings.Contains(out, "Acme") {
			t.Errorf("%s: %v\n%s", v.Name, err, out)
		}
		if _, err := CompileLine(v, subject); err != nil {
			t.Errorf("subject of %s: %v", v.Name, err)
		}
		everyMemberHasSample(t, v.Name, v.Members)
	}
}

func everyMemberHasSample(t *testing.T, path string, members []Member) {
	t.Helper()
	for _, m := range members {
		if m.Doc == "" {
			t.Errorf("%s.%s has no description", path, m.Name)
		}
		switch {
		case m.Type == Group:
			everyMemberHasSample(t, path+"."+m.Name, m.Members)
		case m.sample == nil:
			t.Errorf("%s.%s has no sample", path, m.Name)
		}
	}
}

func TestWhatATextMaySay(t *testing.T) {
	for _, tt := range []struct{ name, source, want string }{
		{"plain text", "Hello", "Hello"},
		{"nothing", "", ""},
		{"a comment alone", "{{/* later */}}", ""},
		{"a member", "{{.username}}", "ann"},
		{"a member of a group", "{{.application.name}}", "Example App"},
		{"a condition", `{{if .message}}bad{{else}}good{{end}}`, "bad"},
		{"with", `{{with .application}}{{.clientId}}{{end}}`, "example-app"},
		{"a list", `{{range .scopes}}{{.key}} {{end}}`, "openid email "},
		{"a list with its index", `{{range $i, $s := .scopes}}{{if gt $i 0}}, {{end}}{{$s.key}}{{end}}`, "openid, email"},
		{"the root within a list", `{{range .scopes}}{{$.username}} {{end}}`, "ann ann "},
		{"a variable", `{{$n := .username}}{{$n = upper $n}}{{$n}}`, "ANN"},
		{"functions", `{{.username | upper | truncate 2}} {{len .scopes}} {{initial .username}} {{default "x" ""}}`, "AN… 2 A x"},
		{"comparisons", `{{eq .username "bob" "ann"}} {{ne (len .scopes) 2}} {{and .choice (lt 1 2)}}`, "true false true"},
		{"a variable number as an argument", `{{$n := 2}}{{truncate $n .username}} {{eq $n (len .scopes)}}`, "an… true"},
		{"a moment", `{{date "2 January 2006" 0}} {{duration 86400}} {{duration 1}} {{duration 172800}}`, "1 January 1970 24 hours 1 second 2 days"},
		{"break", `{{range .scopes}}{{.key}}{{break}}{{end}}`, "openid"},
		{"a link", `<a href="{{.application.policyUri}}">x</a>`, `<a href="https://app.example.com/privacy">x</a>`},
		{"print", `{{print .username "-" 1}}`, "ann-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := Page("oauth2_user_consent")
			compiled, err := Compile(v, tt.source)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := compiled.Render(v.Sample()); err != nil || got != tt.want {
				t.Errorf("rendered %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	deep := strings.Repeat("{{if .username}}", 70) + strings.Repeat("{{end}}", 70)
	for _, tt := range []struct {
		name, source string
		line, column int
		want         string
	}{
		{"an unknown member", "Hello\n  {{.nobody}}", 2, 5, "there is no nobody here; there is domain, application,"},
		{"an unknown member where the sample does not go", `{{if .message}}{{else}}{{.nobody}}{{end}}`, 1, 26, "there is no nobody here"},
		{"an unknown member of an entry", `{{range .scopes}}{{.label}}{{end}}`, 1, 20, "there is no label here; there is key, name, description, required"},
		{"a member of a text", `{{.username.name}}`, 1, 12, "a text has no member name"},
		{"a group as a value", `{{.application}}`, 1, 3, "this is a group"},
		{"a list as a value", `{{.scopes}}`, 1, 3, "this is a list"},
		{"an unknown function", `é{{shell "x"}}`, 1, 4, "there is no function shell"},
		{"a function of Go that is not among ours", `{{printf "%9999999d" 1}}`, 1, 3, "there is no function printf"},
		{"call", `{{call .username}}`, 1, 3, "there is no function call"},
		{"too few arguments", `{{eq .username}}`, 1, 3, "eq is used like this: eq a b …"},
		{"a wrong argument", `{{upper .scopes}}`, 1, 3, "argument 1 is a list"},
		{"an argument to a member", `{{.username "x"}}`, 1, 3, ".username is no function"},
		{"a range over a number", `{{range 1000000000}}x{{end}}`, 1, 9, "only a list can be repeated over; this is a number"},
		{"a range over a variable number", `{{$n := 1000000000}}{{range $n}}x{{end}}`, 1, 29, "only a list can be repeated over"},
		{"a template", `{{template "text"}}`, 1, 12, "templates within templates cannot be used"},
		{"a definition", `{{define "x"}}{{template "x"}}{{end}}`, 1, 15, "templates within templates cannot be used"},
		{"a block", `{{block "x" .}}y{{end}}`, 1, 0, "templates within templates cannot be used"},
		{"lists within lists within lists", strings.Repeat(`{{range $.scopes}}`, 3) + "x" + strings.Repeat(`{{end}}`, 3), 1, 0, "the text repeats too much"},
		{"deep nesting", deep, 1, 0, "nested more than 64 levels deep"},
		{"an action that is not closed", "a\nb {{.username", 2, 3, "unclosed action"},
		{"a block that is not ended", "{{if .username}}x", 1, 18, "an if, range or with is not ended"},
		{"an end too many", "a\nb {{.username}} {{end}}", 2, 17, "unexpected {{end}}"},
		{"a bad character", "{{.username}} {{.username ; }}", 1, 15, "unexpected"},
		{"an unknown variable", `{{$x}}`, 1, 1, "undefined variable"},
		{"a variable of another type", `{{$x := "a"}}{{$x = 1}}`, 1, 16, "$x is a text and stays one"},
		{"a fraction", `{{eq 1 1.5}}`, 1, 8, "1.5 is no whole number"},
		{"nil", `{{eq nil 1}}`, 1, 6, "nil cannot be used in a text"},
		{"a value in a place that cannot be told", `<a href="{{if .choice}}/p/{{else}}/s?q={{end}}{{.username}}">`, 1, 49, "ambiguous context"},
		{"an attribute that is not closed", `<a href="{{.action}}`, 1, 0, "ends in a non-text context"},
		{"not UTF-8", "\xff", 0, 0, "the text is not valid UTF-8"},
		{"too long", strings.Repeat("x", MaxSource+1), 0, 0, "more than 262144"},
		{"too many actions", strings.Repeat("{{1}}", maxActions+1), 1, 0, "more than 4000 actions"},
		{"a long action", "{{" + strings.Repeat("(", maxAction+1) + "}}", 1, 1, "more than 4096 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(Page("oauth2_user_consent"), tt.source)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Detail, tt.want) {
				t.Fatalf("refused with %v, want %q", err, tt.want)
			}
			if e.Line != tt.line || tt.column != 0 && e.Column != tt.column || (e.Line > 0) != (e.Column > 0) {
				t.Errorf("at %d:%d, want %d:%d (%s)", e.Line, e.Column, tt.line, tt.column, e.Detail)
			}
		})
	}
}

func TestRender(t *testing.T) {
	v := Page("login")
	compiled, err := Compile(v, `<p>{{.username}}</p><a href="{{.back}}">b</a>{{range .providers}}{{.name}}{{end}}{{.message}}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := compiled.Render(map[string]any{"username": "<script>", "back": "javascript:alert(1)", "unknown": struct{ Secret string }{"x"}})
	if want := `<p>&lt;script&gt;</p><a href="#ZgotmplZ">b</a>`; err != nil || got != want {
		t.Errorf("rendered %q, %v; want %q", got, err, want)
	}
	for name, values := range map[string]map[string]any{
		"another type":     {"username": 1},
		"a rich value":     {"username": errors.New("x")},
		"too many entries": {"providers": make([]map[string]any, MaxEntries+1)},
		"a list of texts":  {"providers": []string{"x"}},
		"text for a list":  {"providers": "x"},
	} {
		if got, err := compiled.Render(values); err == nil {
			t.Errorf("%s: rendered %q", name, got)
		}
	}
	if got, err := compiled.Render(map[string]any{"message": strings.Repeat("x", MaxOutput)}); err == nil {
		t.Errorf("rendered %d bytes", len(got))
	}
	// A text that grows by itself stays within its bounds.
	grows := `{{$x := "0123456789"}}` + strings.Repeat(`{{$x = print $x $x $x $x $x $x $x $x $x $x}}`, 20) + `{{$x}}`
	if _, err := Compile(v, grows); err == nil || !strings.Contains(err.Error(), "longer than 65536 bytes") {
		t.Errorf("a growing text: %v", err)
	}
}

func TestSubjects(t *testing.T) {
	v := Email("mfa_challenge")
	line, err := CompileLine(v, "{{.code}} & {{.user.firstName}}")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := line.Render(map[string]any{"code": "1", "user": map[string]any{"firstName": "<A>"}}); err != nil || got != "1 & <A>" {
		t.Errorf("rendered %q, %v", got, err)
	}
	if got, err := line.Render(map[string]any{"code": "1\r\nBcc: everybody@example.com"}); err == nil {
		t.Errorf("a header was let in: %q", got)
	}
	for _, source := range []string{"a\nb", "a\rb", "a\x00", `{{print "a\nb"}}`, "{{.nobody}}", strings.Repeat("x", MaxLine+1)} {
		if _, err := CompileLine(v, source); err == nil {
			t.Errorf("%q is a subject", source)
		}
	}
}

func TestFunctionsAreDescribed(t *testing.T) {
	for _, f := range Functions() {
		if f.Doc == "" || !strings.HasPrefix(f.Signature, f.Name) {
			t.Errorf("%s: %q %q", f.Name, f.Signature, f.Doc)
		}
	}
	if Page("nothing") != nil || Email("login") != nil {
		t.Error("a vocabulary that does not exist was found")
	}
}

func FuzzCompile(f *testing.F) {
	for _, v := range append(Pages(), Emails()...) {
		content, subject := v.Standard()
		f.Add(content)
		f.Add(subject)
	}
	f.Add(`{{range $i, $s := .scopes}}{{with $s}}{{.key | upper}}{{end}}{{else}}{{break}}{{end}}`)
	f.Add(`<script>var x = {{.username}}; if (x) { y(` + "`{{.token}}`" + `) }</script><style>a{color:{{.username}}}</style>`)
	f.Fuzz(func(t *testing.T, source string) {
		for _, v := range []*Vocabulary{Page("oauth2_user_consent"), Email("magic_link")} {
			for _, compile := range []func(*Vocabulary, string) (*Text, error){Compile, CompileLine} {
				compiled, err := compile(v, source)
				var e *Error
				if err != nil && (!errors.As(err, &e) || e.Detail == "" || e.Line < 0 || (e.Line > 0) != (e.Column > 0)) {
					t.Errorf("%q: %#v", source, err)
				}
				if err == nil {
					if _, err := compiled.Render(v.Sample()); err != nil {
						t.Errorf("%q compiles and cannot be rendered: %v", source, err)
					}
				}
			}
		}
	})
}
