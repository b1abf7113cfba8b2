package secret

import (
	"encoding/base64"
	"regexp"
	"testing"
)

func TestRandomValuesHaveTheirForm(t *testing.T) {
	tests := []struct {
		name string
		make func() string
		form string
	}{
		{"an identifier is a UUID of version 4", NewID, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		{"a sortable identifier is a UUID of version 7", NewSortableID, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		{"a token is 43 characters of base64url", NewToken, `^[A-Za-z0-9_-]{43}$`},
		{"a client secret is 64 hexadecimal characters", NewClientSecret, `^[0-9a-f]{64}$`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form := regexp.MustCompile(tt.form)
			seen := map[string]bool{}
			for range 1000 {
				s := tt.make()
				if !form.MatchString(s) {
					t.Fatalf("%q", s)
				}
				if seen[s] {
					t.Fatalf("%q came twice", s)
				}
				seen[s] = true
			}
		})
	}
}

func TestSortableIdentifiersSortByTime(t *testing.T) {
	last := ""
	for range 10_000 {
		id := NewSortableID()
		if id <= last {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}

func TestTokensHave256Bits(t *testing.T) {
	raw, err := base64.RawURLEncoding.DecodeString(NewToken())
	if err != nil || len(raw) != 32 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	if len(NewKey()) != 32 {
		t.Error("a key is not 32 bytes")
	}
}

func TestHashToken(t *testing.T) {
	// SHA-256 of "abc", FIPS 180-2 Appendix B.1.
	if got := HashToken("abc"); got != "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" {
		t.Errorf("hash %q", got)
	}
}

func TestEqual(t *testing.T) {
	if !Equal("abc", "abc") || Equal("abc", "abd") || Equal("abc", "ab") || !Equal("", "") {
		t.Error("Equal is wrong")
	}
}
