package prototree

import (
	"strconv"
	"strings"
)

// The database gives dots and leading dollar signs in names a meaning of their own, ends names at a zero byte and does
// not like empty ones. Documents therefore spell keys that people choose with these escapes; % alone is the empty key.
var keyEscapes = strings.NewReplacer("%", "%25", ".", "%2E", "\x00", "%00")

func escapeKey(k string) string {
	if k == "" {
		return "%"
	}
	if k[0] == '$' {
		return "%24" + keyEscapes.Replace(k[1:])
	}
	if !strings.ContainsAny(k, "%.\x00") {
		return k
	}
	return keyEscapes.Replace(k)
}

// unescapeKey is the reverse of escapeKey. What escapeKey never writes stays as it is.
func unescapeKey(k string) string {
	if k == "%" {
		return ""
	}
	head, rest, found := strings.Cut(k, "%")
	if !found {
		return k
	}
	var b strings.Builder
	b.WriteString(head)
	for {
		code, err := uint64(0), strconv.ErrSyntax
		if len(rest) >= 2 {
			code, err = strconv.ParseUint(rest[:2], 16, 8)
		}
		if err == nil {
			b.WriteByte(byte(code))
			rest = rest[2:]
		} else {
			b.WriteByte('%')
		}
		head, rest, found = strings.Cut(rest, "%")
		b.WriteString(head)
		if !found {
			return b.String()
		}
	}
}
