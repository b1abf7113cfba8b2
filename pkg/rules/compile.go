package rules

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// program is one compiled expression.
type program struct {
	source  string
	origin  origin
	typ     *types.Type
	cel     cel.Program
	counted bool
	most    uint64          // what it may cost
	info    *ast.SourceInfo // positions of the nodes
	inputs  []string        // what it reads, and
	slugs   []string        // of which other applications
	partly  func() (cel.Program, error)
	parts   func() []*Rule
}

// compile compiles one expression that begins at o of its text. The result type is the caller's to judge.
func compile(p Place, source string, o origin) (_ *program, failed *Error) {
	defer func() {
		if r := recover(); r != nil {
			failed = o.errorf("the expression cannot be understood")
		}
	}()
	d := p.definition()
	if d == nil {
		return nil, o.errorf("there is no such place for an expression")
	}
	if !utf8.ValidString(source) {
		return nil, o.errorf("the expression is not valid UTF-8")
	}
	if n := utf8.RuneCountInString(source); n > d.longestExpression() {
		return nil, o.errorf("the expression has %d characters, more than %d", n, d.longestExpression())
	}
	if strings.TrimSpace(source) == "" {
		return nil, o.errorf("the expression is empty")
	}
	if i := openString(source); i >= 0 {
		return nil, o.after(source[:i]).errorf("the string is not closed")
	}
	env, err := d.env()
	if err != nil {
		return nil, o.errorf("the environment cannot be made: %v", err)
	}
	checked, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, firstIssue(issues, o)
	}
	if e := inspect(checked.NativeRep(), o); e != nil {
		return nil, e
	}
	var inputs, slugs []string
	if d.types != nil {
		inputs, slugs = reads(p, checked.NativeRep())
	}
	counted, most, refused := judge(env, checked, o, reading(inputs, slugs))
	if refused != nil {
		return nil, refused
	}
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if d.types != nil {
		opts = append(opts, cel.OptimizeRegex(replaceOnce))
	}
	if counted {
		every := uint(interruptEvery)
		if d.types != nil { // these have a deadline, and functions that take a while
			every = 1
			opts = append(opts, cel.CostTracking(spent{}))
		}
		opts = append(opts, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(every))
	}
	ready, err := env.Program(checked, opts...)
	if err != nil {
		return nil, o.errorf("%s", readable(err.Error()))
	}
	made := &program{
		source:  source,
		origin:  o,
		typ:     checked.OutputType(),
		cel:     ready,
		counted: counted,
		most:    most,
		info:    checked.NativeRep().SourceInfo(),
		inputs:  inputs,
		slugs:   slugs,
	}
	if d.types != nil {
		made.parts = sync.OnceValue(func() []*Rule { return partsOf(p, checked.NativeRep()) })
		made.partly = sync.OnceValues(func() (cel.Program, error) {
			return env.Program(checked, append(opts, cel.EvalOptions(cel.OptOptimize, cel.OptPartialEval))...)
		})
	}
	return made, nil
}

// eval runs the program. A value that is an error or unknown is returned as an error.
func (p *program) eval(ctx context.Context, in *Input) (ref.Val, error) {
	if in == nil {
		in = &Input{}
	}
	var got ref.Val
	var err error
	if p.counted {
		got, _, err = p.cel.ContextEval(ctx, (*activation)(in))
	} else {
		got, _, err = p.cel.Eval((*activation)(in))
	}
	if err != nil {
		return nil, p.failure(ctx, err)
	}
	if types.IsUnknownOrError(got) {
		return nil, p.failure(ctx, errNotOurs)
	}
	return got, nil
}

// wrong is the error of a value that has not the type its place needs, found at evaluation.
func (p *program) wrong(want string, got ref.Val) *Error {
	return &Error{
		Line: p.origin.line, Column: p.origin.column,
		Detail: fmt.Sprintf("the expression must give %s; it gave %s", want, got.Type().TypeName()),
	}
}
