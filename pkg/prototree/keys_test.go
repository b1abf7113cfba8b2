package prototree

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEscapeKey(t *testing.T) {
	tests := []struct{ key, want string }{
		{"plain", "plain"},
		{"a.b", "a%2Eb"},
		{"$set", "%24set"},
		{"cost$", "cost$"},
		{"100%", "100%25"},
		{"%2E", "%252E"},
		{"$.%", "%24%2E%25"},
		{"a\x00b", "a%00b"},
		{"", "%"},
		{nestedList, "%25list"},
	}
	for _, tt := range tests {
		if got := escapeKey(tt.key); got != tt.want {
			t.Errorf("key %q is escaped as %q, not %q", tt.key, got, tt.want)
		}
		if got := unescapeKey(tt.want); got != tt.key {
			t.Errorf("%q is read as %q, not %q", tt.want, got, tt.key)
		}
	}
	for _, odd := range []string{"%z", "50%%", "%4", "a%"} {
		if got := unescapeKey(odd); got != odd {
			t.Errorf("what no key is escaped as, %q, is read as %q", odd, got)
		}
	}
}

func TestEscapedKeysComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringOf(rapid.SampledFrom([]rune("ab$.%0245eE\x00é"))).Draw(t, "key")
		escaped := escapeKey(key)
		if escaped == "" || escaped[0] == '$' || strings.ContainsAny(escaped, ".\x00") || escaped == nestedList {
			t.Fatalf("key %q is escaped as %q, which cannot be stored", key, escaped)
		}
		if got := unescapeKey(escaped); got != key {
			t.Fatalf("key %q comes back as %q", key, got)
		}
	})
}
