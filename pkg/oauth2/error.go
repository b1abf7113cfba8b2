package oauth2

import (
	"errors"
	"strings"
)

// Error is an error of the protocol: a code, a description for the client's developer and a private cause.
// The cause is logged; no writer ever sends it.
type Error struct {
	Code        Code
	Description string

	cause error
}

// Error returns code, description and cause, for logs.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	if e.Description != "" {
		b.WriteString(": ")
		b.WriteString(e.Description)
	}
	if e.cause != nil {
		b.WriteString(": ")
		b.WriteString(e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// WithCause returns a copy of the error with a private cause.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Status returns the HTTP status that the code has in a JSON or challenge answer.
func (e *Error) Status() int { return e.Code.Status() }

// AsError returns the protocol error in the chain of err. Any other error becomes server_error without a description
// and with err as its cause. Nil gives nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: ServerError, cause: err}
}

// CodeOf returns the code of the protocol error in the chain of err, and server_error if there is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ServerError
}

// Describe returns s in the character set of error_description (RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E).
// A double quote becomes an apostrophe, a backslash a slash, white space a space, a section sign the word, and every other
// character outside the set a question mark. The result is safe in a JSON string, a query and a quoted header value.
//
// At most 1,000 characters are returned, of which the last three say that there was more: what a request names again and again
// must not come back in a header or an address that no server in between would carry.
func Describe(s string) string {
	if len(s) > maxDescription {
		s = s[:maxDescription-len(more)] + more
	}
	if describable(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '\\':
			return '/'
		case r == '\t', r == '\n', r == '\r':
			return ' '
		case r < 0x20, r > 0x7e:
			return '?'
		}
		return r
	}, strings.ReplaceAll(s, "§", "section "))
	if len(s) > maxDescription {
		s = s[:maxDescription-len(more)] + more
	}
	return s
}

const (
	maxDescription = 1000
	more           = "..."
)

func describable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
