package pagetext

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error says what is wrong with a text, or why it could not be rendered. It never contains values that a text was given.
type Error struct {
	// Line and Column count from 1, in characters of the text. Both are 0 where the fault has no place.
	Line, Column int
	// Detail is a sentence in lower case without the position.
	Detail string
}

// Error returns the position and the detail.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Detail
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

func errorf(format string, args ...any) *Error { return &Error{Detail: fmt.Sprintf(format, args...)} }

// errorAt is an error at a byte offset of the source.
func errorAt(source string, offset int, format string, args ...any) *Error {
	e := errorf(format, args...)
	offset = min(max(offset, 0), len(source))
	before := source[:offset]
	e.Line = 1 + strings.Count(before, "\n")
	e.Column = 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return e
}
