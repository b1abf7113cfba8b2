package prototree_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

func TestParse(t *testing.T) {
	got, err := prototree.Parse([]byte(" {\"n\":12345678901234567890.10,\"s\":\"\\u00e9\",\"l\":[null,true,{}],\"o\":{\"x\":[]}}\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := prototree.Object{
		"n": json.Number("12345678901234567890.10"),
		"s": "é",
		"l": []any{nil, true, prototree.Object{}},
		"o": prototree.Object{"x": []any{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}" }
	if _, err := prototree.Parse([]byte(deep(prototree.MaxDepth))); err != nil {
		t.Errorf("the greatest depth is refused: %v", err)
	}
	tests := []struct{ name, body, detail string }{
		{"nothing", "", "ends too early"},
		{"white space only", " \n", "ends too early"},
		{"a list", "[]", "must be a JSON object"},
		{"a word", "null", "must be a JSON object"},
		{"text that is no JSON", "name=x", "invalid character"},
		{"an object that does not end", `{"a":1`, "ends too early"},
		{"a member without value", `{"a":}`, "invalid character"},
		{"a comma too many", `{"a":1,}`, "invalid character"},
		{"a comma too many in a list", `{"a":[1,]}`, "invalid character"},
		{"a member without name", `{1:2}`, "invalid character"},
		{"single quotes", `{'a':1}`, "invalid character"},
		{"a number with a leading zero", `{"a":01}`, "invalid character"},
		{"not a number", `{"a":NaN}`, "invalid character"},
		{"a comment", "{} // done", "nothing after it"},
		{"two objects", "{}{}", "nothing after it"},
		{"a bracket too many", "{}}", "nothing after it"},
		{"a member given twice", `{"a":1,"b":{"c":1,"c":1}}`, `"c" is given twice`},
		{"a member given twice in different spelling", `{"a":1,"\u0061":1}`, `"a" is given twice`},
		{"text that is not UTF-8", "{\"a\":\"\xff\"}", "must be UTF-8"},
		{"too many lists in each other", deep(prototree.MaxDepth + 1), "more than 32 levels"},
		{"too many objects in each other", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), "more than 32 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := prototree.Parse([]byte(tt.body))
			var e *prototree.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v", err)
			}
			if e.Reason != prototree.Malformed || e.Message() != "Malformed json" || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("error is %+v with the message %q", e, e.Message())
			}
		})
	}
}
