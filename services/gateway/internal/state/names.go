package state

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// folded is what a name comes to wherever names are compared most loosely: compatibility characters, case, what is not seen and
// runs of space make no difference, as in the string preparation of directories (RFC 4518 §2).
func folded(name string) string {
	if ascii(name) {
		name = strings.ToLower(name)
	} else {
		name = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r < utf8.RuneSelf && r >= ' ' && r != 0x7f:
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector), r == '\u034f', r == '\ufffc':
			return -1
		}
		return r
	}, name)
	return strings.Join(strings.Fields(name), " ")
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
