package rules

import (
	"context"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"
)

// Partly evaluates the rule of an [AccessPolicy] where some of the moment is unknown. If the verdict hangs on what is
// unknown, depends names it, such as "request.ip", sorted, and the truth is meaningless. Errors are those of [Rule.Holds].
func (r *Rule) Partly(ctx context.Context, in *Input) (truth bool, depends []string, err error) {
	if r == nil {
		return false, nil, &Error{Detail: "there is no rule"}
	}
	if r.program.partly == nil || in == nil || in.Access == nil {
		truth, err = r.Holds(ctx, in)
		return truth, nil, err
	}
	unknowns := in.Access.unknowns()
	if len(unknowns) == 0 {
		truth, err = r.Holds(ctx, in)
		return truth, nil, err
	}
	prog, failed := r.program.partly()
	if failed != nil {
		return false, nil, r.program.origin.errorf("%s", readable(failed.Error()))
	}
	vars, failed := cel.PartialVars((*activation)(in), unknowns...)
	if failed != nil {
		return false, nil, r.program.failure(ctx, failed)
	}
	got, _, failed := prog.ContextEval(ctx, vars)
	if failed != nil {
		return false, nil, r.program.failure(ctx, failed)
	}
	switch got := got.(type) {
	case types.Bool:
		return bool(got), nil, nil
	case *types.Unknown:
		return false, namesOf(got), nil
	}
	return false, nil, r.program.wrong("true or false", got)
}

// unknowns are the patterns of what is not known of the moment.
func (a *Access) unknowns() []*cel.AttributePatternType {
	var known Known
	if a.Moment != nil {
		known = a.Moment.Known
	}
	var patterns []*cel.AttributePatternType
	for _, m := range moments {
		switch {
		case known&m.bit != 0:
		case m.field == "":
			patterns = append(patterns, cel.AttributePattern(m.variable))
		default:
			patterns = append(patterns, cel.AttributePattern(m.variable).QualString(m.field))
		}
	}
	return patterns
}

func namesOf(u *types.Unknown) []string {
	var names []string
	for _, id := range u.IDs() {
		trails, _ := u.GetAttributeTrails(id)
		for _, t := range trails {
			name := t.Variable()
			if path := t.QualifierPath(); len(path) > 0 {
				if field, ok := path[0].(string); ok {
					name += "." + field
				}
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Inputs returns what the rule of an [AccessPolicy] reads, such as "user.groups" and "request.ip", sorted.
func (r *Rule) Inputs() []string { return r.program.inputs }

// Slugs returns the other applications about which it asks by entitlementsOf and entitlementAttributesOf.
func (r *Rule) Slugs() []string { return r.program.slugs }

// Inputs returns what the expression of a [ClaimMapping] reads, such as "user.groups" and "request.ip", sorted.
func (t *Template) Inputs() []string {
	if !t.single() {
		return nil
	}
	return t.parts[0].program.inputs
}

// Slugs returns the other applications about which it asks by entitlementsOf and entitlementAttributesOf.
func (t *Template) Slugs() []string {
	if !t.single() {
		return nil
	}
	return t.parts[0].program.slugs
}

// Part is a part of an expression that and-s or or-s its parts, and what it came to.
type Part struct {
	// Expression is the part, as CEL spells it.
	Expression string `json:"expression"`
	// Value is true or false; absent where it hangs on what is unknown or could not be evaluated.
	Value *bool `json:"value,omitempty"`
	// Depends are the unknown inputs on which it hangs.
	Depends []string `json:"depends,omitempty"`
	// Failed is why it could not be evaluated.
	Failed string `json:"failed,omitempty"`
}

// maxParts is how many parts of an expression are explained.
const maxParts = 16

// Because explains the truth of the rule of an [AccessPolicy] by that of its parts. It compiles them on first use.
func (r *Rule) Because(ctx context.Context, in *Input) []Part {
	parts := r.program.parts()
	explained := make([]Part, 0, len(parts))
	for _, p := range parts {
		one := Part{Expression: p.text}
		truth, depends, err := p.Partly(ctx, in)
		switch {
		case err != nil:
			one.Failed = err.Error()
		case len(depends) > 0:
			one.Depends = depends
		default:
			one.Value = &truth
		}
		explained = append(explained, one)
	}
	return explained
}

// partsOf returns the operands of the outermost "and" or "or" of an expression, compiled; the expression itself if it is neither.
func partsOf(p Place, tree *ast.AST) []*Rule {
	var operands []ast.Expr
	root := tree.Expr()
	operator := ""
	if root.Kind() == ast.CallKind {
		operator = root.AsCall().FunctionName()
	}
	var gather func(e ast.Expr)
	gather = func(e ast.Expr) {
		if (operator == operators.LogicalAnd || operator == operators.LogicalOr) && e.Kind() == ast.CallKind &&
			e.AsCall().FunctionName() == operator {
			for _, arg := range e.AsCall().Args() {
				gather(arg)
			}
			return
		}
		operands = append(operands, e)
	}
	gather(root)
	var parts []*Rule
	for _, e := range operands[:min(len(operands), maxParts)] {
		text, err := parser.Unparse(e, tree.SourceInfo())
		if err != nil {
			continue
		}
		prog, failed := compile(p, text, start)
		if failed != nil {
			continue
		}
		parts = append(parts, &Rule{text: text, program: prog})
	}
	return parts
}
