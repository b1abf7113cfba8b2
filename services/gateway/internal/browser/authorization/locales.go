package authorization

import (
	"slices"
	"strings"
)

// The bounds of a list of languages: how many are kept, and the length of one.
const (
	maxLocales = 16
	maxLocale  = 35 // RFC 5646 §4.4.1
)

// locales reads a list of language tags, the preferred one first (OpenID Connect Core §3.1.2.1, §5.2). What is no language tag
// is left out: asking in a strange language is no error.
func locales(s string) []string {
	var out []string
	for tag := range strings.FieldsSeq(s) {
		if len(out) == maxLocales {
			break
		}
		if isLocale(tag) && !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	return out
}

// isLocale reports whether a text looks like a language tag: parts of letters and digits with hyphens between them, the first of
// letters (RFC 5646 §2.1).
func isLocale(tag string) bool {
	if len(tag) > maxLocale {
		return false
	}
	first := true
	for part := range strings.SplitSeq(tag, "-") {
		for i := range len(part) {
			c := part[i] | 0x20
			if (c < 'a' || c > 'z') && (first || part[i] < '0' || part[i] > '9') {
				return false
			}
		}
		if part == "" || len(part) > 8 {
			return false
		}
		first = false
	}
	return true
}
