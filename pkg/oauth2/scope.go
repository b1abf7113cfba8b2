package oauth2

import (
	"slices"
	"strings"
)

// MaxScopes is how many different scopes a request may name. Nobody needs more, and what looks at each of them again and again
// would be busy for seconds with what fits into a form.
const MaxScopes = 1000

// fewScopes are compared one by one, which takes no memory.
const fewScopes = 16

// SplitScope returns the scopes of a scope parameter, in order and without repetition (RFC 6749 §3.3). Surplus spaces
// are ignored; no scopes give nil. It stops one after MaxScopes: whoever grants scopes refuses that many.
func SplitScope(s string) []string {
	var all []string
	var seen map[string]bool
	for word := range strings.SplitSeq(s, " ") {
		switch {
		case word == "" || seen == nil && slices.Contains(all, word) || seen[word]:
			continue
		case seen != nil:
			seen[word] = true
		case len(all) == fewScopes:
			seen = make(map[string]bool, 2*fewScopes)
			for _, w := range all {
				seen[w] = true
			}
			seen[word] = true
		}
		if all = append(all, word); len(all) > MaxScopes {
			return all
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
