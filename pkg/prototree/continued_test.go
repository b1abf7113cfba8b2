package prototree_test

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

func TestLinesThatGoOnBehindABackslash(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"none", `{"a": "\\"}`, `{"a": "\\"}`},
		{"between members", "{ \\\n \"a\": 1, \\\r\n \"b\": 2 \\\n}", "{  \n \"a\": 1,  \r\n \"b\": 2  \n}"},
		{"not in a string", "{\"a\": \"x\\\ny\"} \\\n", "{\"a\": \"x\\\ny\"}  \n"},
		{"behind a string that ends with a backslash", "{\"a\": \"x\\\\\", \\\n\"b\": \"\\\"\"}", "{\"a\": \"x\\\\\",  \n\"b\": \"\\\"\"}"},
		{"not elsewhere", "{ \\ } \\\n", "{ \\ }  \n"},
		{"at the end", "{} \\", "{} \\"},
	} {
		given := []byte(tt.text)
		if got := string(prototree.JoinLines(given)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if string(given) != tt.text {
			t.Errorf("%s: the text was changed", tt.name)
		}
	}
}
