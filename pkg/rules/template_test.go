package rules

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestATemplateGives(t *testing.T) {
	tests := []struct {
		name  string
		place Place
		text  string
		want  any
	}{
		{"an attribute", Claim, `{#context.attributes['user']['email']}`, "ann@acme.example"},
		{"a field of the user", Claim, `{#user.additionalInformation['dept']}`, "sales"},
		{"literal text", Claim, `gold`, "gold"},
		{"empty text", Claim, ``, ""},
		{"a brace in literal text", Claim, `{a} # {`, "{a} # {"},
		{"blanks around an expression", Claim, " {#1}\n", int64(1)},
		{"text and expressions", Claim, `dept:{#user.additionalInformation.dept}, level {#user.additionalInformation.level}!`, "dept:sales, level 7!"},
		{"two expressions", RedirectParam, `{#client.clientId}{#context.domain.name}`, "shopacme"},
		{"numbers and booleans in text", RedirectParam, `{#1 + 1}-{#1.5}-{#2u}-{#true}`, "2-1.5-2-true"},
		{"times in text", RedirectParam, `{#timestamp("2026-01-02T03:04:05Z")} {#duration("90s")}`, "2026-01-02T03:04:05Z 90s"},
		{"braces within an expression", Claim, `{#{"a": {"b": [1, 2.5, "x", null, true]}}}`,
			map[string]any{"a": map[string]any{"b": []any{int64(1), 2.5, "x", nil, true}}}},
		{"braces within strings", Claim, `<{#"}" + '{' + r"\}" + """a"}b""" + "\"}"}>`, `<}{\}a"}b"}>`},
		{"braces within comments", Claim, "{#1 // }\n + 1}", int64(2)},
		{"a string over two lines", Claim, "{#\"\"\"a\n}\"\"\"}", "a\n}"},
		{"null", Claim, `{#null}`, nil},
		{"a list", Claim, `{#client.scopes}`, []any{"openid", "email"}},
		{"groups of the user", Claim, `{#user.groups.filter(g, g != "dev")}`, []any{"ops"}},
		{"an absent optional", Claim, `{#user.?phone}`, nil},
		{"a present optional", Claim, `{#user.?email}`, "ann@acme.example"},
		{"a map of numbers", Claim, `{#{1: "a", true: "b"}}`, map[string]any{"1": "a", "true": "b"}},
		{"an object", Claim, `{#context.domain}`, map[string]any{"id": "d1", "name": "acme", "path": "/acme"}},
		{"headers", Claim, `{#request.headers}`, map[string]any{"x-zone": []any{"intranet", "lab"}}},
		{"bytes", Claim, `{#b"ab"}`, "YWI="},
		{"a time", Claim, `{#timestamp("2026-01-02T03:04:05.5Z")}`, "2026-01-02T03:04:05.5Z"},
		{"a duration", Claim, `{#duration("1500ms")}`, "1.5s"},
		{"a nested map", Claim, `{#client.metadata}`, map[string]any{"region": "eu", "tiers": []any{"gold", map[string]any{"n": 2.0}}}},
		{"a JSON number", Claim, `{#context.attributes.big + 1}`, int64(9007199254740994)},
		{"a bare expression", FlowValue, `login.lowerAscii()`, "ann@acme.example"},
		{"a bare expression in braces", FlowValue, `{#size(client.scopes)}`, int64(2)},
		{"text of a flow", FlowText, `Hello {#user.email}`, "Hello ann@acme.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := CompileTemplate(tt.place, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			in := acme()
			in.Attributes["big"] = json.Number("9007199254740993")
			got, err := tpl.Value(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestATemplateIsRefused(t *testing.T) {
	tests := []struct {
		name         string
		place        Place
		text         string
		line, column int
		detail       string
	}{
		{"an unknown name behind text", Claim, "dept: {#usr.dept}", 1, 9, "undeclared reference to 'usr'"},
		{"a fault on the third line", Claim, "a\nb {#1}\n c {#true &&\n 1}", 4, 2, "expected type 'bool' but found 'int'"},
		{"the candidate", Claim, "{#identityProvider.id}", 1, 3, "undeclared reference to 'identityProvider'"},
		{"a number as parameter", RedirectParam, "{#1}", 1, 3, "the expression must give a string; it gives int"},
		{"a list within text", Claim, "x{#client.scopes}", 1, 4,
			"an expression within text must give a string, a number, a boolean or a time; it gives list(string)"},
		{"null within text", Claim, "x{#null}", 1, 4,
			"an expression within text must give a string, a number, a boolean or a time; it gives null_type"},
		{"a type", Claim, "{#type(1)}", 1, 3, "the expression must give a JSON value; it gives type(int)"},
		{"an address", Claim, "{#ip(request.ip)}", 1, 3, "the expression must give a JSON value; it gives net.IP"},
		{"open braces", Claim, "a {#1", 1, 3, "{# without its closing brace"},
		{"braces closed in a string", Claim, `{#"}`, 1, 1, "{# without its closing brace"},
		{"braces closed in a comment", Claim, `{#1 // }`, 1, 1, "{# without its closing brace"},
		{"an open string on the second line", Claim, "a {#1 +\n 'b\n}", 2, 2, "the string is not closed"},
		{"empty braces", Claim, "{#}", 1, 3, "the expression is empty"},
		{"an empty bare expression", FlowValue, " ", 1, 1, "the expression is empty"},
		{"too many expressions", Claim, strings.Repeat("{#1}", 17), 1, 67, "the text has more than 16 expressions"},
		{"too long a text", Claim, strings.Repeat("x", 16385), 1, 1, "the text has 16385 characters, more than 16384"},
		{"a rule", SelectionRule, "true", 1, 1, "selectionRule takes no text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := CompileTemplate(tt.place, tt.text)
			wantError(t, err, Error{Line: tt.line, Column: tt.column, Detail: tt.detail})
		})
	}
}

func TestATemplateHasNoValue(t *testing.T) {
	tests := []struct {
		name  string
		place Place
		text  string
		want  string
	}{
		{"a missing key", Claim, `{#context.attributes['nothing']}`, "no such key: nothing"},
		{"a missing key within text", Claim, `a {#context.attributes['nothing']}`, "no such key: nothing"},
		{"a number as parameter", RedirectParam, `{#context.attributes.count}`, "must give a string; it gave int"},
		{"null as parameter", RedirectParam, `{#context.attributes.none}`, "must give a string; it gave null"},
		{"null within text", Claim, `a {#context.attributes.none}`, "must give a string, a number, a boolean or a time; it gave null"},
		{"a list within text", Claim, `a {#user.groups}`, "must give a string, a number, a boolean or a time; it gave list"},
		{"no number", Claim, `{#context.attributes.count / 0.0}`, "wrong type"},
		{"infinity", Claim, `{#1.0 / 0.0}`, "JSON value"},
		{"a foreign value", Claim, `{#context.attributes.channel}`, "could not use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := CompileTemplate(tt.place, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			in := acme()
			in.Attributes["none"] = nil
			in.Attributes["channel"] = make(chan int)
			got, err := tpl.Value(t.Context(), in)
			if err == nil || got != nil {
				t.Fatalf("%v, %v", got, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]bool{"": true, "gold": true, "{#1}": false, "a {#1}": false} {
		tpl, err := CompileTemplate(Claim, text)
		if err != nil {
			t.Fatal(err)
		}
		if tpl.Literal() != want || tpl.Text() != text {
			t.Errorf("Literal() of %q = %v", text, !want)
		}
	}
}
