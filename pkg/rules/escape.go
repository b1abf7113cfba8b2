package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"mime"
	"net/url"
	"strconv"
	"strings"
)

// Escape makes a value safe at the place in a text where an expression stands.
type Escape func(string) string

// EscapeURL writes everything but unreserved characters with a percent sign (RFC 3986 §2.3), so that a value stays within a
// segment of a path or a value of a query. EscapeForm is the same for bodies of forms.
func EscapeURL(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Climbs reports whether a path, as it is written in a URL, has a part "." or ".." for anybody between here and who answers:
// servers and proxies unescape paths more than once, take a backslash for a slash, and cut parameters of segments off.
func Climbs(path string) bool {
	for range unescapings + 1 {
		for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
			if name, _, _ := strings.Cut(part, ";"); name == "." || name == ".." {
				return true
			}
		}
		path = unescape(path)
	}
	return false
}

// unescapings is how often a path is unescaped on its way.
const unescapings = 3

// unescape replaces what is a percent-encoded byte and leaves everything else, as lenient servers do.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// EscapeForm escapes a value of a form.
func EscapeForm(s string) string { return EscapeURL(s) }

// EscapeJSON escapes a value that stands inside quotes (RFC 8259 §7).
func EscapeJSON(s string) string {
	quoted, err := json.Marshal(strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil || len(quoted) < 2 {
		return ""
	}
	return string(quoted[1 : len(quoted)-1])
}

// EscapeXML escapes a value of an element or of an attribute.
func EscapeXML(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}

// EscapeFor returns how values are escaped in a body of a media type; empty stands for JSON. It reports false for types in
// which nothing is known to be safe.
func EscapeFor(contentType string) (Escape, bool) {
	if contentType == "" {
		return EscapeJSON, true
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return nil, false
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return EscapeJSON, true
	case media == "application/x-www-form-urlencoded":
		return EscapeForm, true
	case media == "application/xml", media == "text/xml", strings.HasSuffix(media, "+xml"):
		return EscapeXML, true
	}
	return nil, false
}

// Escaped is [Template.Value] for a place that gives a string, with the value of every expression escaped.
func (t *Template) Escaped(ctx context.Context, in *Input, escape Escape) (string, error) {
	var b strings.Builder
	for _, part := range t.parts {
		if part.program == nil {
			b.WriteString(part.literal)
			continue
		}
		got, err := part.program.eval(ctx, in)
		if err != nil {
			return "", err
		}
		s, ok := printed(got)
		if !ok {
			return "", part.program.wrong("a string, a number, a boolean or a time", got)
		}
		b.WriteString(escape(s))
	}
	return b.String(), nil
}

// CheckURL says what is wrong with a text that becomes a URL: expressions stand in the path or in the query, so that no value
// decides which host is asked. Every error is an [*Error].
func CheckURL(text string) error {
	before, _, found := strings.Cut(text, opening)
	if !found {
		return nil
	}
	_, rest, ok := strings.Cut(before, "://")
	if !ok || !strings.ContainsAny(rest, "/?") || strings.ContainsAny(before, "#\\") {
		return start.after(before).errorf("an expression may stand in the path or in the query of the URL, not before")
	}
	return nil
}

// CheckBody says what is wrong with a text that becomes a body of a media type: the type must be one in which values can be
// escaped, and in JSON expressions stand inside quotes. A text without expressions is never wrong. Every error is an [*Error].
func CheckBody(text, contentType string) error {
	if !strings.Contains(text, opening) {
		return nil
	}
	if _, ok := EscapeFor(contentType); !ok {
		return start.errorf("a body with expressions must be JSON, a form or XML; its Content-Type is %q", contentType)
	}
	media, _, _ := mime.ParseMediaType(contentType)
	if contentType == "" || media == "application/json" || strings.HasSuffix(media, "+json") {
		if !json.Valid([]byte(Literal(text, "x"))) {
			return start.errorf(`the body must be JSON in which every expression stands inside quotes, such as {"name": "{#login}"}`)
		}
	}
	return nil
}
