package oauth2

import (
	"slices"
	"strings"
)

// SplitScope returns the scopes of a scope parameter, in order and without repetition (RFC 6749 §3.3). Surplus spaces
// are ignored; no scopes give nil.
func SplitScope(s string) []string {
	var all []string
	for word := range strings.SplitSeq(s, " ") {
		if word != "" && !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return all
}

// JoinScope returns the scope parameter that names the given scopes.
func JoinScope(scopes []string) string { return strings.Join(scopes, " ") }

// HasScope reports whether a scope parameter names the given scope. It does not allocate.
func HasScope(s, scope string) bool {
	if scope == "" {
		return false
	}
	for word := range strings.SplitSeq(s, " ") {
		if word == scope {
			return true
		}
	}
	return false
}

// ValidScope reports whether s is one scope token: one or more of %x21 / %x23-5B / %x5D-7E (RFC 6749 §3.3).
func ValidScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
