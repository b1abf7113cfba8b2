package oauth2

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestSplitScope(t *testing.T) {
	many := func(n int) string {
		words := make([]string, n)
		for i := range words {
			words[i] = strconv.Itoa(i)
		}
		return strings.Join(words, " ")
	}
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"spaces alone", "   ", nil},
		{"each once and in order", " b a  b c a ", []string{"b", "a", "c"}},
		{"more than are compared one by one", many(40) + " 3 40 17 " + many(41), strings.Split(many(41), " ")},
		{"as many as there may be", many(MaxScopes), strings.Split(many(MaxScopes), " ")},
		{"and no more than one beyond", many(3 * MaxScopes), strings.Split(many(MaxScopes+1), " ")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := SplitScope(tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("%q", got)
			}
		})
	}
}
