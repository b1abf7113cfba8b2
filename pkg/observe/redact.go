package observe

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// redacted stands where a secret would have been.
const redacted = "[redacted]"

// Redact replaces what must not be logged; it is a ReplaceAttr of [slog.HandlerOptions]. It is a belt: types that hold
// secrets implement [slog.LogValuer], and nobody logs tokens or bodies. Replaced are
//
//   - attributes, and everything in groups, whose name speaks of a secret: password, client_secret, refreshToken, code,
//     Authorization, Set-Cookie, id_token_hint, … Switches and times of such names stay;
//   - the values of header and form maps;
//   - user, password, query and fragment of URLs, also of those in the errors of net/http.
//
// A value that is a [Shown] stays under any name. A name of our own that would be hit without need gets another one; a test finds
// them.
func Redact(groups []string, attr slog.Attr) slog.Attr {
	if attr.Value.Kind() == slog.KindAny {
		if shown, ok := attr.Value.Any().(Shown); ok {
			return slog.String(attr.Key, shown.ShownInLogs())
		}
	}
	if sensitive(attr.Key) || slices.ContainsFunc(groups, sensitive) {
		return slog.Attr{Key: attr.Key, Value: hide(attr.Value)}
	}
	if attr.Value.Kind() != slog.KindAny {
		return attr
	}
	switch v := attr.Value.Any().(type) {
	case http.Header:
		return slog.String(attr.Key, fmt.Sprintf("[%d fields]", len(v)))
	case url.Values:
		return slog.String(attr.Key, fmt.Sprintf("[%d parameters]", len(v)))
	case url.URL:
		return slog.String(attr.Key, bareURL(&v))
	case *url.URL:
		if v != nil {
			return slog.String(attr.Key, bareURL(v))
		}
	case *http.Request:
		if v != nil {
			return slog.String(attr.Key, v.Method+" "+bareURL(v.URL))
		}
	case error:
		return slog.String(attr.Key, errorText(v))
	}
	return attr
}

// Shown is a value whose owner knows by its type that nothing in it is secret, whatever it is called: max-client-secrets is a number.
type Shown interface {
	// ShownInLogs is the value as it is logged.
	ShownInLogs() string
}

func hide(v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindTime:
		return v
	case slog.KindString:
		if v.String() == "" {
			return v
		}
	case slog.KindAny:
		switch v.Any().(type) {
		case nil, bool, time.Time:
			return v
		}
	}
	return slog.StringValue(redacted)
}

// Names are compared word by word: clientSecret, client-secret and client_secret are the same.
var (
	secretWords = []string{
		"password", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "cookie", "cookies", "authorization",
		"credential", "credentials", "assertion", "bearer", "otp", "totp", "pin", "verifier", "jwt", "saml",
	}
	secretEndings = [][]string{
		{"token"}, {"tokens"}, {"token", "hint"}, {"token", "hash"}, {"token", "value"}, {"private", "key"}, {"api", "key"},
		{"sealing", "key"}, {"session", "id"},
	}
	secretNames = []string{"code", "authorizationcode", "authcode", "devicecode", "usercode", "recoverycode", "nonce"}
)

// sensitive reports whether an attribute of that name is not to be seen.
func sensitive(name string) bool {
	var buffer [8]string
	words := split(buffer[:0], name)
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(secretWords, w) }) {
		return true
	}
	for _, ending := range secretEndings {
		if len(words) >= len(ending) && slices.Equal(words[len(words)-len(ending):], ending) {
			return true
		}
	}
	return slices.Contains(secretNames, strings.Join(words, ""))
}

// split appends the words of a name in lower case.
func split(words []string, name string) []string {
	start, lowerBefore := 0, false
	for i, r := range name {
		letter := unicode.IsLetter(r) || unicode.IsDigit(r)
		if !letter || unicode.IsUpper(r) && lowerBefore {
			if i > start {
				words = append(words, strings.ToLower(name[start:i]))
			}
			start = i
			if !letter {
				start = i + len(string(r))
			}
		}
		lowerBefore = letter && !unicode.IsUpper(r)
	}
	if start < len(name) {
		words = append(words, strings.ToLower(name[start:]))
	}
	return words
}

func bareURL(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return bare.String()
}

// errorText is the text of an error without what a URL in it may carry.
func errorText(err error) string {
	text := err.Error()
	var failed *url.Error
	if !errors.As(err, &failed) || !strings.ContainsAny(failed.URL, "?#@") {
		return text
	}
	bare := "[url]"
	if u, err := url.Parse(failed.URL); err == nil {
		bare = bareURL(u)
	}
	return strings.ReplaceAll(text, failed.URL, bare)
}
