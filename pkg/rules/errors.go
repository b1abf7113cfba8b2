package rules

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
)

// Error says what is wrong with an expression, or why its evaluation failed. Its texts never contain values that came
// with the request: names in it are names of the expression.
type Error struct {
	// Line and Column count from 1, in characters of the text given to the compiler. Both are 0 where the fault has no
	// place, as in some failures of an evaluation.
	Line, Column int
	// Detail is a sentence in lower case without the position.
	Detail string

	cause error
}

// Error returns the position and the detail.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Detail
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// Unwrap returns what ended the evaluation from outside: the error of its context.
func (e *Error) Unwrap() error { return e.cause }

// limitError is about input larger than expressions may read. Its text holds no input.
type limitError struct{ detail string }

func (e *limitError) Error() string { return e.detail }

// unknownError is about a variable that has no value here.
type unknownError struct{ name string }

func (e *unknownError) Error() string {
	switch e.name {
	case "request.country", "request.continent", "request.asn":
		return e.name + " is not known here: it takes an address, and a database that says where that is"
	}
	return e.name + " is not known here"
}

func unknownHere(name string) error { return &unknownError{name} }

// origin is where an expression begins in the text it was taken from, both counted from 1.
type origin struct{ line, column int }

var start = origin{1, 1}

// at returns the position in the whole text of a position in the expression; line from 1, column from 0, as CEL counts.
func (o origin) at(line, column int) (int, int) {
	if line <= 1 {
		return o.line, o.column + max(column, 0)
	}
	return o.line + line - 1, max(column, 0) + 1
}

func (o origin) errorf(format string, args ...any) *Error {
	return &Error{Line: o.line, Column: o.column, Detail: fmt.Sprintf(format, args...)}
}

// firstIssue turns what CEL found into an error at the earliest position.
func firstIssue(issues *cel.Issues, o origin) *Error {
	var first *Error
	for _, issue := range issues.Errors() {
		line, column := o.at(issue.Location.Line(), issue.Location.Column())
		if first == nil || line < first.Line || line == first.Line && column < first.Column {
			first = &Error{Line: line, Column: column, Detail: readable(issue.Message)}
		}
	}
	if first == nil {
		first = o.errorf("%s", readable(issues.Err().Error()))
	}
	return first
}

const maxDetail = 300

// rewrites take from CEL's messages what only its implementers understand. They apply in order.
var rewrites = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?s)^Syntax error: | \(in container '[^']*'\)| expecting .*$`), ""},
	{regexp.MustCompile(`(?:mismatched|extraneous) input '<EOF>'`), "unexpected end of the expression"},
	{regexp.MustCompile(`(?:mismatched|extraneous) input`), "unexpected"},
	{regexp.MustCompile(`no viable alternative at input`), "unexpected"},
	{regexp.MustCompile(`token recognition error at: '(.*)'$`), "cannot read $1"},
	{regexp.MustCompile(`'_\?_:_'`), "'?:'"},
	{regexp.MustCompile(`'_\[(\??)_\]'`), "'[$1]'"},
	{regexp.MustCompile(`'@in'`), "'in'"},
	{regexp.MustCompile(`'_?([^\sa-z_']+)_'`), "'$1'"},
	{regexp.MustCompile(`found no matching overload for '(.+?)' applied to '(.+)'`), "'$1' cannot be applied to $2"},
	{regexp.MustCompile(`^invalid matches argument$`), "the pattern is not a regular expression"},
}

// readable makes a message of CEL fit for people who write rules.
func readable(message string) string {
	for _, r := range rewrites {
		message = r.pattern.ReplaceAllString(message, r.with)
	}
	message = strings.Join(strings.Fields(message), " ")
	if runes := []rune(message); len(runes) > maxDetail {
		message = string(runes[:maxDetail]) + "…"
	}
	return message
}

// CEL shares a few error values between all evaluations and writes the position into the first use it sees. Marking them
// once, before any evaluation, keeps evaluations from writing to shared memory and from reporting another's position.
var _ = []any{
	types.LabelErrNode(-1, types.NoSuchOverloadErr()),
	types.LabelErrNode(-1, types.Int(math.MaxInt64).ConvertToType(types.TimestampType)),
}

// failure explains why an evaluation failed. CEL's texts can quote the values it met, so only known ones pass.
func (p *program) failure(ctx context.Context, err error) *Error {
	e := &Error{Detail: p.reason(err)}
	var located *types.Err
	if errors.As(err, &located) && located.NodeID() > 0 {
		if at := p.info.GetStartLocation(located.NodeID()); at.Line() > 0 {
			e.Line, e.Column = p.origin.at(at.Line(), at.Column())
		}
	}
	if errors.As(err, &interpreter.InterruptError{}) {
		e.cause = context.Cause(ctx)
	}
	return e
}

func (p *program) reason(err error) string {
	var cancelled interpreter.EvalCancelledError
	var limit *limitError
	var unknown *unknownError
	var unplaced *unplacedError
	switch message := err.Error(); {
	case errors.As(err, &unknown):
		return unknown.Error()
	case errors.As(err, &unplaced):
		return unplaced.Error()
	case errors.As(err, &limit):
		return limit.Error()
	case errors.As(err, &cancelled):
		return fmt.Sprintf("the evaluation costs more than %d", maxCost)
	case errors.As(err, &interpreter.InterruptError{}):
		return "the evaluation was interrupted"
	case strings.HasPrefix(message, "no such key: "):
		if name := strings.TrimPrefix(message, "no such key: "); p.mentions(name) {
			return "no such key: " + name
		}
		return "no such key"
	case strings.HasPrefix(message, "index out of bounds"):
		return "index out of bounds"
	case strings.HasPrefix(message, "no such overload"):
		return "a function or an operator met a value of the wrong type"
	case strings.HasPrefix(message, "division by zero"), strings.HasPrefix(message, "modulus by zero"):
		return "division by zero"
	case strings.Contains(message, "overflow"):
		return "a number or a time is out of range"
	case strings.HasPrefix(message, "optional.none() dereference"):
		return "an absent optional was read"
	}
	return "a function could not use its arguments"
}

// mentions reports whether name stands in the expression itself, as a literal or behind a dot.
func (p *program) mentions(name string) bool {
	return name != "" && (strings.Contains(p.source, strconv.Quote(name)) ||
		strings.Contains(p.source, "'"+name+"'") || strings.Contains(p.source, "."+name) || strings.Contains(p.source, "?"+name))
}
