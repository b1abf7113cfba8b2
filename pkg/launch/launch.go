package launch

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// BlankURL is the template that hides an application.
const BlankURL = "blank://blank"

// MaxLength is the greatest length of a template, in characters.
const MaxLength = 2000

// Error says what is wrong with a template.
type Error struct {
	// Position is the place of the character at fault, from 1.
	Position int
	Detail   string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("position %d: %s", e.Position, e.Detail) }

// ValueError says that a URL cannot be made for somebody, because a value is absent or unfit for its place.
type ValueError struct {
	// Field is the placeholder, such as user.attributes.department.
	Field string
	// Absent says that there is no value; otherwise there is one that is not fit for the place.
	Absent bool
	// Detail is the rule that the value breaks. It never contains the value.
	Detail string
}

// Error implements error.
func (e *ValueError) Error() string { return e.Field + " " + e.Detail }

// place is where in a URL something stands.
type place uint8

const (
	before place = iota // the host: scheme and user information
	inHost              // and port
	inPath
	inQuery
	inFragment
)

// part is a literal, which is written as it is, or a field.
type part struct {
	literal string
	field   string
	place   place
}

// Template is a parsed template. It is immutable.
type Template struct {
	parts []part
	blank bool
}

// Blank reports whether the template is blank://blank: there is no URL, and the application is not shown.
func (t *Template) Blank() bool { return t.blank }

// awkward is the value with which a template is tried before it is accepted.
const awkward = "Ä b/c?d=e&f%#"

// Parse reads a template. It is accepted if it gives an http or https URL, or a path from the root, for values that have every
// character which means something in URLs; or if it is blank://blank. An error is an *Error.
func Parse(template string) (*Template, error) {
	if template == BlankURL {
		return &Template{blank: true}, nil
	}
	if length := utf8.RuneCountInString(template); length > MaxLength {
		return nil, &Error{Position: MaxLength + 1, Detail: fmt.Sprintf("the template has %d characters, at most %d are allowed", length, MaxLength)}
	}
	pieces, err := split(template)
	if err != nil {
		return nil, err
	}
	parts, err := lay(pieces)
	if err != nil {
		return nil, err
	}
	t := &Template{parts: parts}
	sample, failed := t.render(func(_ string, at place) string {
		if at == inHost {
			return "sample"
		}
		return awkward
	})
	if failed != nil {
		return nil, &Error{Position: 1, Detail: "for a sample user, " + failed.Error()}
	}
	if u, err := url.Parse(sample); err != nil || u.Opaque != "" || (u.Scheme == "") != (u.Host == "") {
		return nil, &Error{Position: 1, Detail: "for a sample user this is no URL: " + sample}
	}
	return t, nil
}

// fixed is the template of a URL without placeholders.
func fixed(url string) *Template { return &Template{parts: []part{{literal: url}}} }

// Render returns the URL for these values. An error is a *ValueError. A blank template has no URL: do not render it.
func (t *Template) Render(v Values) (string, error) {
	made, err := t.render(func(field string, _ place) string { return v.value(field) })
	if err != nil {
		return "", err
	}
	return made, nil
}

func (t *Template) render(value func(field string, at place) string) (string, *ValueError) {
	if t.blank {
		return "", &ValueError{Field: BlankURL, Detail: "has no address"}
	}
	var made strings.Builder
	// The host label and the path segment that are being written begin here, and these are the fields in them.
	begin, field := 0, ""
	for _, p := range t.parts {
		if p.field == "" {
			for i := range len(p.literal) {
				if ends(p.place, p.literal[i]) {
					if err := whole(made.String()[begin:], field, p.place); err != nil {
						return "", err
					}
					begin, field = made.Len()+1, ""
				}
				made.WriteByte(p.literal[i])
			}
			if p.place == before {
				begin = made.Len()
			}
			continue
		}
		v := value(p.field, p.place)
		if v == "" {
			if p.place == inHost || p.place == inPath {
				return "", &ValueError{Field: p.field, Absent: true, Detail: "has no value"}
			}
			continue
		}
		if p.place == inHost {
			if !label(v) {
				return "", &ValueError{Field: p.field, Detail: "must be letters, digits and inner hyphens, at most 63, where it is part of a host"}
			}
			v = strings.ToLower(v)
		}
		if p.place == inHost || p.place == inPath {
			field = p.field
		}
		made.WriteString(encode(v))
	}
	if last := t.parts[len(t.parts)-1]; last.place == inPath {
		if err := whole(made.String()[begin:], field, inPath); err != nil {
			return "", err
		}
	}
	return made.String(), nil
}

// ends reports whether a literal character ends a label or a segment. A query and a fragment begin with their delimiter, which
// ends the last segment of the path.
func ends(at place, c byte) bool {
	switch at {
	case inHost:
		return c == '.'
	case inPath:
		return c == '/'
	case inQuery:
		return c == '?'
	case inFragment:
		return c == '#'
	}
	return false
}

// whole refuses a label or a segment that a value has made into something else: a label too long for DNS, or a step in the path,
// which browsers take also where it is escaped.
func whole(made, field string, at place) *ValueError {
	if field == "" {
		return nil
	}
	if at == inHost {
		if !label(made) {
			return &ValueError{Field: field, Detail: "makes a label of the host that is too long"}
		}
		return nil
	}
	switch strings.ReplaceAll(strings.ToLower(made), "%2e", ".") {
	case ".", "..":
		return &ValueError{Field: field, Detail: "makes a step in the path"}
	}
	return nil
}

// label reports whether a text is one label of a host name (RFC 1123 §2.1).
func label(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !letter(s[i]) && !digit(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// encode escapes everything but unreserved characters (RFC 3986 §2.3), which mean nothing anywhere in a URL.
func encode(v string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case letter(c), digit(c), c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
