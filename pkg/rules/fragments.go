package rules

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// fragment is a stretch of a text: literal, or the inside of {#…}.
type fragment struct {
	text       string
	expression bool
	origin     origin
}

const opening = "{#"

// split cuts text at its {#…}. Braces within an expression are counted, those in its strings and comments are not.
func split(text string) ([]fragment, *Error) {
	var fragments []fragment
	at := start
	for text != "" {
		i := strings.Index(text, opening)
		if i < 0 {
			return append(fragments, fragment{text: text, origin: at}), nil
		}
		if i > 0 {
			fragments = append(fragments, fragment{text: text[:i], origin: at})
			at = at.after(text[:i])
		}
		begin := at
		at = at.after(opening)
		text = text[i+len(opening):]
		n := closing(text)
		if n < 0 {
			return nil, begin.errorf("{# without its closing brace")
		}
		fragments = append(fragments, fragment{text: text[:n], expression: true, origin: at})
		at = at.after(text[:n+1])
		text = text[n+1:]
	}
	return fragments, nil
}

// after returns the position behind s.
func (o origin) after(s string) origin {
	if n := strings.Count(s, "\n"); n > 0 {
		return origin{o.line + n, 1 + utf8.RuneCountInString(s[strings.LastIndexByte(s, '\n')+1:])}
	}
	return origin{o.line, o.column + utf8.RuneCountInString(s)}
}

// closing returns the index of the brace that ends the expression at the beginning of s, or -1.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		}
		n, _ := token(s, i)
		i += n
	}
	return -1
}

// openString returns the index of the first string literal of s that is not closed, or -1. CEL's lexer takes quadratic
// time for many of them, and its message is hard to read.
func openString(s string) int {
	for i := 0; i < len(s); {
		n, closed := token(s, i)
		if !closed {
			return i
		}
		i += n
	}
	return -1
}

// rawPrefix matches what stands before a raw string literal, but not a name that ends like it.
var rawPrefix = regexp.MustCompile(`(?:^|[^0-9A-Za-z_])[bB]?[rR]$`)

// token returns the length of the string literal or comment that begins at i, 1 for anything else. It reports whether a
// string literal is closed; one in single quote marks has to be on its line.
func token(s string, i int) (n int, closed bool) {
	quote := s[i : i+1]
	switch {
	case strings.HasPrefix(s[i:], "//"):
		if end := strings.IndexByte(s[i:], '\n'); end >= 0 {
			return end, true
		}
		return len(s) - i, true
	case quote != `"` && quote != "'":
		return 1, true
	}
	if strings.HasPrefix(s[i:], strings.Repeat(quote, 3)) {
		quote = s[i : i+3]
	}
	raw := rawPrefix.MatchString(s[max(0, i-3):i])
	for j := i + len(quote); j < len(s); j++ {
		switch {
		case s[j] == '\\' && !raw:
			j++
		case strings.HasPrefix(s[j:], quote):
			return j + len(quote) - i, true
		case len(quote) == 1 && (s[j] == '\n' || s[j] == '\r'):
			return j - i, false
		}
	}
	return len(s) - i, false
}

// trimAround drops blanks around a single expression, so that it keeps its type.
func trimAround(fragments []fragment) []fragment {
	var only []fragment
	for _, f := range fragments {
		if f.expression || strings.TrimSpace(f.text) != "" {
			only = append(only, f)
		}
	}
	if len(only) == 1 && only[0].expression {
		return only
	}
	return fragments
}

// compileBare compiles text that is an expression as a whole, optionally inside {#…}.
func compileBare(p Place, text string) (*program, *Error) {
	if !strings.HasPrefix(strings.TrimSpace(text), opening) {
		return compile(p, text, start)
	}
	if utf8.RuneCountInString(text) > MaxTemplate {
		return nil, start.errorf("the expression has more than %d characters", MaxExpression)
	}
	fragments, e := split(text)
	if e != nil {
		return nil, e
	}
	if fragments = trimAround(fragments); len(fragments) != 1 {
		return nil, fragments[1].origin.errorf("there must be nothing outside of {#…}")
	}
	return compile(p, fragments[0].text, fragments[0].origin)
}
