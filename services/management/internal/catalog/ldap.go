package catalog

import "strings"

// dn checks the form of a distinguished name (RFC 4514): attributes with values, separated by commas. Empty text is
// accepted: it is the root.
func (c *configuration) dn(path, value string) {
	if value == "" {
		return
	}
	for _, part := range splitEscaped(value, ",+;") {
		name, _, ok := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); !ok || name == "" || !ldapName(name) {
			c.fail(path, value, "must be a distinguished name, such as ou=people,dc=example,dc=com")
			return
		}
	}
}

// splitEscaped splits at separators that are not escaped by a backslash or inside quotes.
func splitEscaped(s, separators string) []string {
	var parts []string
	begin, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(separators, s[i]) >= 0:
			parts = append(parts, s[begin:i])
			begin = i + 1
		}
	}
	return append(parts, s[begin:])
}

// ldapName accepts a name or an OID, with options (RFC 4512 §2.5).
func ldapName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == ';' || r == '_')
	})
}

// filter checks a search filter with {0} for what is searched for. One without parentheses around it is accepted, as it is
// documented: uid={0}.
func (c *configuration) filter(path, value string) {
	if value == "" {
		return
	}
	if !strings.Contains(value, "{0}") {
		c.fail(path, value, "must contain {0}, which stands for what is searched for")
		return
	}
	text := strings.TrimSpace(value)
	if !strings.HasPrefix(text, "(") {
		text = "(" + text + ")"
	}
	if rest, ok := filterIn(text, 0); !ok || rest != "" {
		c.fail(path, value, "must be a search filter (RFC 4515), such as (&(objectClass=person)(uid={0}))")
	}
}

const maxFilterDepth = 32

// filterIn reads one filter with its parentheses (RFC 4515 §3) and returns what follows.
func filterIn(s string, depth int) (rest string, ok bool) {
	if depth > maxFilterDepth || !strings.HasPrefix(s, "(") {
		return "", false
	}
	s = s[1:]
	if s == "" {
		return "", false
	}
	switch s[0] {
	case '&', '|':
		s = strings.TrimLeft(s[1:], " ")
		for strings.HasPrefix(s, "(") {
			if s, ok = filterIn(s, depth+1); !ok {
				return "", false
			}
			s = strings.TrimLeft(s, " ")
		}
	case '!':
		if s, ok = filterIn(strings.TrimLeft(s[1:], " "), depth+1); !ok {
			return "", false
		}
		s = strings.TrimLeft(s, " ")
	default:
		end := strings.IndexAny(s, "()")
		if end < 0 || s[end] != ')' || !filterItem(s[:end]) {
			return "", false
		}
		s = s[end:]
	}
	return strings.CutPrefix(s, ")")
}

// filterItem reads attribute, comparison and value. In values, parentheses, backslashes and zero bytes are written as a
// backslash and two digits.
func filterItem(s string) bool {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return false
	}
	name = strings.TrimRight(name, "~<>:")
	if i := strings.IndexByte(name, ':'); i >= 0 { // an extensible match
		name = name[:i]
		if name == "" {
			name = "x"
		}
	}
	if name = strings.TrimSpace(name); name == "" || !ldapName(name) {
		return false
	}
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case 0:
			return false
		case '\\':
			if i+2 >= len(value) || !hex(value[i+1]) || !hex(value[i+2]) {
				return false
			}
			i += 2
		}
	}
	return true
}

func hex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}
