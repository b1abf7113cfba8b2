package operator

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
)

// Limits of what is kept, in bytes.
const (
	maxText        = 255
	maxEmail       = 254 // RFC 5321 §4.5.3.1.3, without the angle brackets
	maxDescription = 1024
)

const notBlank = "must not be blank"

// broken says that a member breaks its constraint, in the documented form and without the value.
func broken(path, constraint string) error {
	return fault.Invalidf("[%s: %s]", path, constraint).At(path, constraint)
}

func required(path, value string) error {
	if strings.TrimSpace(value) == "" {
		return broken(path, notBlank)
	}
	return nil
}

// bounded refuses text that is too long or holds control characters.
func bounded(path, value string, most int) error {
	switch {
	case len(value) > most:
		return fault.Invalidf("[%s: size must be at most %d]", path, most).At(path, "is too long")
	case !utf8.ValidString(value), strings.ContainsFunc(value, unicode.IsControl):
		return broken(path, "must not contain control characters")
	}
	return nil
}

// CheckName refuses a name with which nobody could sign in: Basic authentication ends it at a colon (RFC 7617 §2).
func CheckName(path, name string) error {
	if err := firstOf(required(path, name), bounded(path, name, maxText)); err != nil {
		return err
	}
	if strings.Contains(name, ":") {
		return broken(path, "must not contain a colon")
	}
	return nil
}

func checkEmail(path, text string) error {
	if text == "" {
		return nil
	}
	if err := bounded(path, text, maxEmail); err != nil {
		return err
	}
	if a, err := mail.ParseAddress(text); err != nil || a.Name != "" || a.Address != text {
		return broken(path, "must be an e-mail address")
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// matches reports whether one of the texts equals q in any case; `*` stands for any characters. An empty q matches all.
func matches(q string, texts ...string) bool {
	if q == "" {
		return true
	}
	parts := strings.Split(q, "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	pattern, err := regexp.Compile(`(?is)^` + strings.Join(parts, `.*`) + `$`)
	if err != nil {
		return false
	}
	for _, text := range texts {
		if pattern.MatchString(text) {
			return true
		}
	}
	return false
}

// page returns one page of a whole list.
func page[T any](all []T, page, size int) []T {
	from := min(len(all), page*size)
	return all[from:min(len(all), from+size)]
}
