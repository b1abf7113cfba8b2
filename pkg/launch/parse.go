package launch

import (
	"strings"
	"unicode/utf8"
)

// piece is one character of a template that stands for itself, or a placeholder.
type piece struct {
	char     rune
	field    string
	position int
}

func split(template string) ([]piece, error) {
	var pieces []piece
	position := 1
	for rest := template; rest != ""; position++ {
		if strings.HasPrefix(rest, "{{") {
			inner, after, closed := strings.Cut(rest[2:], "}}")
			if !closed {
				return nil, &Error{Position: position, Detail: "{{ is not closed by }}; known fields are " + fields()}
			}
			field := strings.Trim(inner, " ")
			if !known(field) || strings.ContainsFunc(field, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '{' || r == '}' || r == utf8.RuneError }) {
				return nil, &Error{Position: position, Detail: "unknown field " + quote(inner) + "; known fields are " + fields()}
			}
			pieces = append(pieces, piece{field: field, position: position})
			position += utf8.RuneCountInString(inner) + 3
			rest = after
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		if detail := unwritable(r, rest); detail != "" {
			return nil, &Error{Position: position, Detail: detail}
		}
		pieces = append(pieces, piece{char: r, position: position})
		rest = rest[size:]
	}
	return pieces, nil
}

func fields() string { return strings.Join(Fields, ", ") }

// quote shortens what somebody wrote.
func quote(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		s = string(runes[:60]) + "…"
	}
	return `"` + s + `"`
}

// unwritable says why a character cannot stand in a URL.
func unwritable(r rune, rest string) string {
	switch {
	case r == utf8.RuneError:
		return "is not UTF-8"
	case r == ' ':
		return "a blank is written as %20"
	case r < ' ' || 0x7f <= r && r < 0xa0:
		return "control characters are not allowed"
	case r == '{' || r == '}':
		return "a single brace is written as %7B or %7D; placeholders are {{field}}"
	case strings.ContainsRune("\"<>\\^`|", r):
		return "the character " + string(r) + " is not allowed in a URL; write it percent-encoded"
	case r == '%' && (len(rest) < 3 || !hexadecimal(rest[1]) || !hexadecimal(rest[2])):
		return "% is followed by two hexadecimal digits; a percent sign itself is written as %25"
	}
	return ""
}

func hexadecimal(c byte) bool { return digit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

const begins = "a launch URL begins with http://, https:// or /, or is blank://blank"

// lay finds out where each piece stands.
func lay(pieces []piece) ([]part, error) {
	rest, l := pieces, layer{}
	switch scheme := schemeOf(pieces); {
	case len(pieces) == 0:
		return nil, &Error{Position: 1, Detail: begins}
	case pieces[0].field != "":
		return nil, &Error{Position: 1, Detail: "the scheme takes no placeholder: " + begins}
	case scheme != "":
		n := len(scheme)
		end := n
		for end < len(pieces) && !strings.ContainsRune("/?#", pieces[end].char) {
			end++
		}
		for _, p := range pieces[:n] {
			l.add(before, p)
		}
		if err := l.authority(pieces[n:end]); err != nil {
			return nil, err
		}
		rest = pieces[end:]
	case pieces[0].char != '/':
		return nil, &Error{Position: 1, Detail: begins}
	case len(pieces) > 1 && pieces[1].char == '/':
		return nil, &Error{Position: 2, Detail: "a path from the root begins with one slash: two would name another host"}
	}
	at := inPath
	for _, p := range rest {
		if p.field == "" && p.char == '#' {
			if at == inFragment {
				return nil, &Error{Position: p.position, Detail: "a URL has one fragment; # is written as %23 in it"}
			}
			at = inFragment
		} else if p.field == "" && p.char == '?' && at == inPath {
			at = inQuery
		}
		l.add(at, p)
	}
	return l.parts, nil
}

// schemeOf returns http:// or https:// as it is written, or nothing.
func schemeOf(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces[:min(len(pieces), len("https://"))] {
		if p.field != "" {
			break
		}
		b.WriteRune(p.char)
	}
	for _, scheme := range []string{"https://", "http://"} {
		if start := b.String(); len(start) >= len(scheme) && strings.EqualFold(start[:len(scheme)], scheme) {
			return start[:len(scheme)]
		}
	}
	return ""
}

// layer writes parts.
type layer struct{ parts []part }

func (l *layer) add(at place, p piece) {
	if p.field != "" {
		l.parts = append(l.parts, part{field: p.field, place: at})
		return
	}
	text := string(p.char)
	if p.char >= utf8.RuneSelf {
		text = encode(text) // RFC 3987 §3.1
	}
	if n := len(l.parts); n > 0 && l.parts[n-1].field == "" && l.parts[n-1].place == at {
		l.parts[n-1].literal += text
		return
	}
	l.parts = append(l.parts, part{literal: text, place: at})
}
