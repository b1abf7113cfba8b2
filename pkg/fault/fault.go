package fault

import (
	"errors"
	"fmt"
	"slices"
)

// Kind says what sort of fault an error is. The zero value is Internal.
type Kind uint8

// The kinds of fault.
const (
	Internal        Kind = iota // a failure of ours; its text is never shown to a caller
	Invalid                     // the request breaks a rule
	NotFound                    // the named thing does not exist
	Conflict                    // the thing exists already, or its state forbids the change
	Stale                       // the change was based on an older revision
	Unauthenticated             // nobody is signed in, or the credential is bad
	Denied                      // the caller is known and may not do this
	Unavailable                 // a needed part is away; trying again later may help
	Limited                     // the caller asked too often or for too much at once
	Unmet                       // a setting that the call needs is off or missing
)

var kindNames = [...]string{
	Internal:        "internal",
	Invalid:         "invalid",
	NotFound:        "not_found",
	Conflict:        "conflict",
	Stale:           "stale",
	Unauthenticated: "unauthenticated",
	Denied:          "denied",
	Unavailable:     "unavailable",
	Limited:         "limited",
	Unmet:           "unmet",
}

// Kinds returns every kind, in the order of their values.
func Kinds() []Kind {
	all := make([]Kind, len(kindNames))
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// String returns the stable lower-case name of the kind. It travels between services, so it never changes.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Internal]
}

func kindNamed(name string) (Kind, bool) {
	i := slices.Index(kindNames[:], name)
	return Kind(max(i, 0)), i >= 0
}

// Detail is one place in a request and what is wrong there. Line and Column are 1-based and 0 where they are unknown.
type Detail struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// Error is a fault with a message for the caller. Its cause, if any, stays inside the process: it is reachable by
// errors.Is and errors.As and is logged, but neither WriteHTTP nor ToGRPC sends it.
type Error struct {
	Kind    Kind
	Message string
	Details []Detail
	// Confirm is what the change leads to, where it waits for that to be confirmed; nil otherwise.
	Confirm *Consequence

	cause error
}

// Error returns the message and, behind it, the cause. It is for logs; what a caller may see is Message.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Message
	}
	cause := e.cause.Error()
	if cause == "" || cause == e.Message {
		return e.Message
	}
	return e.Message + ": " + cause
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// At returns a copy of the error that also names a place in the request and what is wrong there. The path is written
// as the client wrote it, for example settings.oauth.redirectUris[0].
func (e *Error) At(path, detail string) *Error {
	return e.With(Detail{Path: path, Detail: detail})
}

// With returns a copy of the error that also carries the given places.
func (e *Error) With(details ...Detail) *Error {
	c := *e
	c.Details = append(slices.Clip(slices.Clone(e.Details)), details...)
	return &c
}

// Because returns a copy of the error with a private cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Newf returns an error of the given kind. An argument formatted with %w becomes its cause, and its text part of the
// message, as with fmt.Errorf. To keep the text of a cause from the caller, use Because.
func Newf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Kind: kind, Message: err.Error()}
	switch w := err.(type) { //nolint:errorlint // the error made here, not one that it wraps
	case interface{ Unwrap() error }:
		e.cause = wrapped{w.Unwrap()}
	case interface{ Unwrap() []error }:
		e.cause = wrapped{errors.Join(w.Unwrap()...)}
	}
	return e
}

// wrapped is a cause whose text is already part of the message.
type wrapped struct{ err error }

func (w wrapped) Error() string { return "" }
func (w wrapped) Unwrap() error { return w.err }

// Invalidf returns an error of kind Invalid; see Newf for %w.
func Invalidf(format string, args ...any) *Error { return Newf(Invalid, format, args...) }

// NotFoundf returns an error of kind NotFound; see Newf for %w.
func NotFoundf(format string, args ...any) *Error { return Newf(NotFound, format, args...) }

// Conflictf returns an error of kind Conflict; see Newf for %w.
func Conflictf(format string, args ...any) *Error { return Newf(Conflict, format, args...) }

// Stalef returns an error of kind Stale; see Newf for %w.
func Stalef(format string, args ...any) *Error { return Newf(Stale, format, args...) }

// Unauthenticatedf returns an error of kind Unauthenticated; see Newf for %w.
func Unauthenticatedf(format string, args ...any) *Error {
	return Newf(Unauthenticated, format, args...)
}

// Deniedf returns an error of kind Denied; see Newf for %w.
func Deniedf(format string, args ...any) *Error { return Newf(Denied, format, args...) }

// Unavailablef returns an error of kind Unavailable; see Newf for %w.
func Unavailablef(format string, args ...any) *Error { return Newf(Unavailable, format, args...) }

// Limitedf returns an error of kind Limited; see Newf for %w.
func Limitedf(format string, args ...any) *Error { return Newf(Limited, format, args...) }

// Unmetf returns an error of kind Unmet; see Newf for %w.
func Unmetf(format string, args ...any) *Error { return Newf(Unmet, format, args...) }

// KindOf returns the kind of the outermost fault in the chain of err, and Internal if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a fault of the given kind. A nil error is none.
func Is(err error, kind Kind) bool {
	return err != nil && KindOf(err) == kind
}
