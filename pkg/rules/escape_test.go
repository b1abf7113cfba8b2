package rules_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
)

var hostile = []string{
	"ann", `a"b`, `","admin":true,"x":"`, `\`, "a\nb", "/../admin", "..", "a?b=c&d#e", "a%2Fb", "a+b c", "<x>&'", "ä€😀", "\x00", "\xff", "{#login}",
}

func TestEscapedKeepsValuesWhereTheyStand(t *testing.T) {
	body, err := rules.CompileTemplate(rules.ProviderRequest, `{"name": "{#login}", "known": false}`)
	if err != nil {
		t.Fatal(err)
	}
	address, err := rules.CompileTemplate(rules.ProviderRequest, `https://site.example/people/{#login}/check?name={#login}&x=1`)
	if err != nil {
		t.Fatal(err)
	}
	form, err := rules.CompileTemplate(rules.ProviderRequest, `{#login}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range hostile {
		in := &rules.Input{Login: name}
		text, err := body.Escaped(t.Context(), in, rules.EscapeJSON)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(text), &members); err != nil || len(members) != 2 || members["known"] != false {
			t.Errorf("%q breaks out of JSON: %s", name, text)
		}
		if got := members["name"]; got != name && name != "\xff" {
			t.Errorf("%q arrives in JSON as %q", name, got)
		}
		text, err = address.Escaped(t.Context(), in, rules.EscapeURL)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(text)
		if err != nil || u.Host != "site.example" || u.Fragment != "" || u.Path != "/people/"+name+"/check" ||
			u.Query().Get("name") != name || len(u.Query()) != 2 {
			t.Errorf("%q breaks out of the URL: %s", name, text)
		}
		if text, err = form.Escaped(t.Context(), in, rules.EscapeForm); err != nil || text != rules.EscapeURL(name) {
			t.Errorf("%q alone: %q, %v", name, text, err)
		}
	}
	if got := rules.EscapeXML(`<a b='c'>&"`); got != "&lt;a b=&#39;c&#39;&gt;&amp;&#34;" {
		t.Errorf("XML %s", got)
	}
}

func TestWhereExpressionsMayStand(t *testing.T) {
	for text, fine := range map[string]bool{
		"https://site.example/x":                              true,
		"https://site.example/{#login}":                       true,
		"https://site.example?q={#login}":                     true,
		"https://{#login}":                                    false,
		"https://{#login}.site.example/":                      false,
		"https://site.example{#login}":                        false,
		"https://site.example:{#login}/":                      false,
		"{#login}":                                            false,
		"{#context.attributes['scheme']}://site.example/":     false,
		"https://site.example/#{#login}":                      false,
		`https://site.example\{#login}`:                       false,
		"https://site.example/a/{#login}/b?c={#request.path}": true,
	} {
		if err := rules.CheckURL(text); (err == nil) != fine {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, tt := range []struct {
		name, body, contentType string
		fine                    bool
	}{
		{"inside quotes", `{"name": "{#login}"}`, "", true},
		{"inside quotes of a named type", `{"name": "{#login}"}`, "application/json; charset=utf-8", true},
		{"outside of quotes", `{"name": {#login}}`, "application/json", false},
		{"the whole body", `{#login}`, "", false},
		{"no JSON", `name={#login}`, "application/vnd.x+json", false},
		{"a form", `name={#login}&password={#password}`, "application/x-www-form-urlencoded", true},
		{"XML", `<name>{#login}</name>`, "text/xml", true},
		{"plain text", `{#login}`, "text/plain", false},
		{"a type that cannot be read", `{#login}`, ";;", false},
		{"plain text without expressions", `hello`, "text/plain", true},
	} {
		if err := rules.CheckBody(tt.body, tt.contentType); (err == nil) != tt.fine {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestClimbs(t *testing.T) {
	for path, want := range map[string]bool{
		"": false, "/": false, "/people/ann": false, "/people/a..b/...": false, "/people/%2Fann": false, "/50%25": false, "/%": false, "/%zz/%2": false,
		"/people/..": true, "/./ann": true, "/people/%2e%2E": true, "/people/..%2Fadmin": true, "/people/%2F..%2Fadmin": true,
		"/people/..%5Cadmin": true, "/people/..%252Fadmin": true, "/people/%25252e%25252e%25252fadmin": true,
		"/people/..%2Fadmin%25": true, "/people/..;x=1/admin": true, "/people/..%3B": true,
	} {
		if got := rules.Climbs(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
