package rules

import (
	"context"
	"strings"

	"github.com/google/cel-go/common/types"
)

// Rule is a compiled expression that is true or false.
type Rule struct {
	text    string
	program *program
}

// CompileRule compiles the text of a place that gives true or false: [SelectionRule], [FlowCondition] or
// [MapperCondition]. The text is an expression, optionally inside {#…}.
//
// Blank text means that there is no rule: both results are nil then, and it is the caller who knows what that stands
// for. Every error is an [*Error].
func CompileRule(p Place, text string) (*Rule, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if d := p.definition(); d == nil || d.gives != aTruth {
		return nil, start.errorf("%v takes no rule", p)
	}
	prog, e := compileBare(p, text)
	if e != nil {
		return nil, e
	}
	if k := prog.typ.Kind(); k != types.BoolKind && k != types.DynKind {
		return nil, prog.origin.errorf("the expression must give true or false; it gives %s", prog.typ)
	}
	return &Rule{text: text, program: prog}, nil
}

// Holds evaluates the rule. An error, always an [*Error], means that the rule could not be evaluated: a key is missing,
// a variable is not known here, a value has the wrong type, the budget is spent. The answer is false then.
//
// The context ends only evaluations that are counted (see the package comment); the others are over at once.
func (r *Rule) Holds(ctx context.Context, in *Input) (bool, error) {
	if r == nil {
		return false, &Error{Detail: "there is no rule"}
	}
	got, err := r.program.eval(ctx, in)
	if err != nil {
		return false, err
	}
	answer, ok := got.(types.Bool)
	if !ok {
		return false, r.program.wrong("true or false", got)
	}
	return bool(answer), nil
}

// Counted reports whether evaluations are counted and end with their context; others are over at once.
func (r *Rule) Counted() bool { return r.program.counted }

// Cost returns how much the rule may cost, and the limit at which it is stopped; 20 ns each, about.
func (r *Rule) Cost() (most, limit uint64) { return r.program.most, maxCost }

// Text returns the text the rule was compiled from.
func (r *Rule) Text() string { return r.text }

// Check compiles text for p and returns the name of the type it gives, such as "bool", "string", "list(string)" or
// "dyn", which stands for a type known only at evaluation. Blank rules give "". Every error is an [*Error].
func Check(p Place, text string) (string, error) {
	d := p.definition()
	if d == nil {
		return "", start.errorf("there is no such place for an expression")
	}
	if d.gives == aTruth {
		r, err := CompileRule(p, text)
		if err != nil || r == nil {
			return "", err
		}
		return r.program.typ.String(), nil
	}
	t, err := CompileTemplate(p, text)
	if err != nil {
		return "", err
	}
	if t.single() {
		return t.parts[0].program.typ.String(), nil
	}
	return types.StringType.String(), nil
}
