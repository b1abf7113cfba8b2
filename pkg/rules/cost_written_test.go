package rules

import (
	"fmt"
	"strings"
	"testing"
)

// Loops over what is written in the expression are as long as they look: one that is too long is refused where it begins, and what
// may cost more than its limit says how much.
func TestLoopsThatAreTooLongAreRefused(t *testing.T) {
	ten := "[" + strings.TrimSuffix(strings.Repeat("1,", 10), ",") + "]"
	for _, tt := range []struct {
		expression, refused string
		column              int
	}{
		{"lists.range(1000).all(a, lists.range(1000).all(b, a + b >= 0))", "the loop makes 1000000 steps, more than the limit of 100000", 12},
		{"user.active && lists.range(1000).all(a, lists.range(1000).all(b, a + b >= 0))", "the loop makes 1000000 steps, more than the limit of 100000", 27},
		{nested(ten, 6), "the loop makes 1000000 steps, more than the limit of 100000", 1},
		{nested(ten, 5), "", 0},
		{"lists.range(1000).all(a, user.groups.all(g, g != string(a)))", "", 0},
		{"lists.range(300).all(a, lists.range(300).all(b, a + b >= 0))", "", 0},
	} {
		_, err := CompileRule(AccessPolicy, tt.expression)
		if tt.refused == "" {
			if err != nil {
				t.Errorf("%.60s: %v", tt.expression, err)
			}
			continue
		}
		e, ok := err.(*Error) //nolint:errorlint // the text and place of this very error
		if !ok || e.Detail != tt.refused || e.Line != 1 || e.Column != tt.column {
			t.Errorf("%.60s: %v, want %q at column %d", tt.expression, err, tt.refused, tt.column)
		}
	}
	r, err := CompileRule(AccessPolicy, "user.groups.all(g, user.groups.all(h, g != h))")
	if err != nil {
		t.Fatal(err)
	}
	if most, limit := r.Cost(); most <= limit {
		t.Errorf("it may cost %d, which is told as if it were within %d", most, limit)
	}
}

// nested is a loop over a list in a loop over it, and so on.
func nested(list string, depth int) string {
	text := "true"
	for i := range depth {
		text = fmt.Sprintf("%s.all(x%d, %s)", list, i, text)
	}
	return text
}
