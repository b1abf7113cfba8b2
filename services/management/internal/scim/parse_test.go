package scim

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	username = Attribute{"username", Text}
	email    = Attribute{"email", Text}
	enabled  = Attribute{"enabled", Bool}
)

func TestParse(t *testing.T) {
	at := time.Date(2011, 5, 13, 4, 42, 34, 0, time.UTC)
	is := func(name string) Filter { return Comparison{username, Equal, name} }
	tests := []struct {
		name, text string
		want       Filter
	}{
		{"RFC 7644 figure 1, a name", `userName eq "bjensen"`, is("bjensen")},
		{"RFC 7644 figure 1, a member of a member", `name.familyName co "O'Malley"`, Comparison{Attribute{"lastName", Text}, Contains, "O'Malley"}},
		{"RFC 7644 figure 1, a beginning", `userName sw "J"`, Comparison{username, StartsWith, "J"}},
		{"RFC 7644 figure 1, with the schema", `urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"`, Comparison{username, StartsWith, "J"}},
		{"RFC 7644 figure 1, later than a time", `meta.lastModified gt "2011-05-13T04:42:34Z"`, Comparison{Attribute{"updatedAt", Time}, Greater, at}},
		{"a time in milliseconds", `createdAt le 1305261754000`, Comparison{Attribute{"createdAt", Time}, LessOrEqual, at}},
		{"names and operators in any case", `USERNAME Eq "x" AND Enabled EQ True`, And{is("x"), Comparison{enabled, Equal, true}}},
		{"and binds more than or", `userName eq "a" or userName eq "b" and userName eq "c"`, Or{is("a"), And{is("b"), is("c")}}},
		{"parentheses bind most", `(userName eq "a" or userName eq "b") and userName eq "c"`, And{Or{is("a"), is("b")}, is("c")}},
		{"not", `not (email pr)`, Not{Comparison{email, Present, nil}}},
		{"not binds more than and", `not (email pr) and userName eq "a"`, And{Not{Comparison{email, Present, nil}}, is("a")}},
		{"equal to null is not present", `email eq null`, Not{Comparison{email, Present, nil}}},
		{"not equal to null is present", `email ne null`, Comparison{email, Present, nil}},
		{"no space around parentheses", `(userName eq "a")and(userName eq "b")`, And{is("a"), is("b")}},
		{"quotes in a text", `userName eq "a\"b\\\u00e9"`, is(`a"b\é`)},
		{"operators in a text", `userName eq "a) or (b"`, is("a) or (b")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	tests := []struct {
		name, text string
		column     int
		detail     string
	}{
		{"nothing", ``, 1, "a comparison is missing"},
		{"an unknown attribute", `userName eq "a" and rank eq 1`, 21, `"rank" can not be searched for`},
		{"a column counts characters", `userName eq "é" and rank eq 1`, 21, `"rank" can not be searched for`},
		{"an unknown operator", `userName is "a"`, 10, `"is" is no operator`},
		{"no operator", `userName`, 9, `"" is no operator`},
		{"no value", `userName eq`, 12, "a value is missing"},
		{"a text without quotes", `userName eq ann`, 13, `"ann" is no value`},
		{"a text without an end", `userName eq "ann`, 13, "the text in quotes does not end"},
		{"a text with a bad escape", `userName eq "\x"`, 13, "the text in quotes does not end"},
		{"what no text may hold", `userName co "\u0000"`, 13, "a text has no sign U+0000"},
		{"a number for a text", `userName eq 7`, 13, "username is compared with a text in quotes"},
		{"a text for a switch", `enabled eq "true"`, 12, "enabled is compared with true or false"},
		{"an order of switches", `enabled gt true`, 9, "gt does not compare true and false"},
		{"a part of a time", `createdAt sw "2026"`, 11, "sw compares texts only"},
		{"no time", `createdAt gt "yesterday"`, 14, "createdAt is compared with a time"},
		{"no second filter", `userName eq "a" and`, 20, "a comparison is missing"},
		{"no operator between", `userName eq "a" userName eq "b"`, 17, `"userName" is not expected here`},
		{"no closing parenthesis", `(userName eq "a"`, 17, "a closing parenthesis is missing"},
		{"no opening parenthesis", `userName eq "a")`, 16, `")" is not expected here`},
		{"not without parentheses", `not userName eq "a"`, 5, "an opening parenthesis must follow not"},
		{"a filter of values", `emails[type eq "work"]`, 7, `"[" is no operator`},
		{"too many levels", strings.Repeat("(", 40) + `email pr` + strings.Repeat(")", 40), 17, "a filter has at most 16 levels"},
		{"too many comparisons", strings.Repeat(`email pr or `, 64) + `email pr`, 64*12 + 1, "a filter has at most 64 comparisons"},
		{"too long", strings.Repeat(" ", MaxLength+1), 1, "a filter has at most 4096 bytes"},
		{"no UTF-8", "userName eq \"\xff\"", 1, "must be UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.text)
			var refused *Error
			if !errors.As(err, &refused) || refused.Column != tt.column || !strings.HasPrefix(refused.Detail, tt.detail) {
				t.Errorf("%v, want column %d: %s", err, tt.column, tt.detail)
			}
		})
	}
}

// FuzzParse holds that nothing a stranger writes ends the program, and that every refusal has a column within the text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`userName sw "an" and (enabled eq true or not (email co "@example.com"))`, `meta.created gt "2011-05-13T04:42:34Z"`, `(((`, `"\`, `not(not(id pr))`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		var refused *Error
		switch {
		case err == nil && got == nil:
			t.Error("neither a filter nor an error")
		case err != nil && (!errors.As(err, &refused) || refused.Column < 1 || refused.Column > len(text)+1 || refused.Detail == ""):
			t.Errorf("refused without a place: %v", err)
		}
	})
}
