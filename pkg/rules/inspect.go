package rules

import (
	"maps"
	"regexp/syntax"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// inspect refuses what CEL allows and we do not: what would make the cost of a single step depend on texts that came
// with a request, and values that hold another value too often to be compared or written.
func inspect(tree *ast.AST, o origin) *Error {
	i := &inspector{tree: tree, origin: o}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(i.visit))
	i.copies(tree.Expr(), nil)
	return i.found
}

type inspector struct {
	tree   *ast.AST
	origin origin
	found  *Error
}

func (i *inspector) refuse(e ast.Expr, detail string) {
	if i.found != nil {
		return
	}
	at := i.tree.SourceInfo().GetStartLocation(e.ID())
	i.found = &Error{Detail: detail}
	i.found.Line, i.found.Column = i.origin.at(at.Line(), at.Column())
}

func (i *inspector) visit(e ast.Expr) {
	switch e.Kind() {
	case ast.StructKind:
		i.refuse(e, "messages cannot be made in an expression")
	case ast.CallKind:
		call := e.AsCall()
		args := call.Args()
		switch {
		case call.FunctionName() == "matches" && len(args) > 0:
			i.pattern(call.FunctionName(), args[len(args)-1])
		case call.FunctionName() == regexReplace && len(args) == 3:
			i.pattern(call.FunctionName(), args[1])
			if args[2].Kind() != ast.LiteralKind {
				i.refuse(args[2], "the replacement must be a string literal")
			}
		case call.FunctionName() == inWindow && len(args) > 2:
			i.calendar(args)
		case call.FunctionName() == "replace" && len(args) > 1 && args[1].Kind() != ast.LiteralKind:
			i.refuse(args[1], "the replacement must be a string literal")
		case call.FunctionName() == "join" && len(args) > 0 && args[0].Kind() != ast.LiteralKind:
			i.refuse(args[0], "the separator must be a string literal")
		}
	}
}

// pattern demands a literal: one that came with a request could be costly to compile, and a literal is compiled once.
func (i *inspector) pattern(of string, e ast.Expr) {
	if e.Kind() != ast.LiteralKind {
		i.refuse(e, "the pattern of "+of+" must be a string literal")
		return
	}
	if source, ok := e.AsLiteral().Value().(string); ok && programSize(source) > maxPatternProgram {
		i.refuse(e, "the pattern is too large")
	}
}

// calendar demands literals, so that a window that is none is found when the expression is compiled.
func (i *inspector) calendar(args []ast.Expr) {
	zone, ok := literal(args[1])
	if !ok {
		i.refuse(args[1], "the time zone must be a string literal")
		return
	}
	if _, err := ParseZone(zone); err != nil {
		i.refuse(args[1], err.Error())
	}
	for n, list := range args[2:] {
		if list.Kind() != ast.ListKind {
			i.refuse(list, "windows and dates must be lists of string literals")
			return
		}
		for _, e := range list.AsList().Elements() {
			text, ok := literal(e)
			if !ok {
				i.refuse(e, "windows and dates must be string literals")
				return
			}
			var err error
			if n == 0 {
				_, err = ParseWindow(text)
			} else {
				_, err = ParseDate(text)
			}
			if err != nil {
				i.refuse(e, err.Error())
			}
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().Value().(string)
	return text, ok
}

// programSize returns the number of instructions of a pattern, 0 if it is none. CEL has a limit of its own for this,
// which panics at repetitions such as a{2,3}.
func programSize(pattern string) int {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	compiled, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}
	return len(compiled.Inst)
}

// copies estimates how often the value of e holds one and the same container, and refuses too many. Sharing is free while
// the value is made, so it escapes CEL's costs, but comparing or writing the value takes every copy anew:
//
//	[0].map(a, [a, a]).map(a, [a, a]).map(a, [a, a])  →  8
//
// vars holds the copies in the loop variables; inputs are one copy of themselves.
func (i *inspector) copies(e ast.Expr, vars map[string]int) int {
	n := i.copiesWithin(e, vars)
	if i.scalar(e) {
		return 0
	}
	if n > maxCopies {
		i.refuse(e, "the expression repeats a value too often")
	}
	return n
}

func (i *inspector) copiesWithin(e ast.Expr, vars map[string]int) int {
	sum := 0
	add := func(part ast.Expr) { sum = min(sum+i.copies(part, vars), maxCopies+1) }
	switch e.Kind() {
	case ast.IdentKind:
		if n, ok := vars[e.AsIdent()]; ok {
			return n
		}
	case ast.SelectKind:
		add(e.AsSelect().Operand())
	case ast.CallKind:
		if e.AsCall().IsMemberFunction() {
			add(e.AsCall().Target())
		}
		for _, arg := range e.AsCall().Args() {
			add(arg)
		}
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			add(element)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			add(entry.AsMapEntry().Key())
			add(entry.AsMapEntry().Value())
		}
	case ast.ComprehensionKind:
		return i.copiesOfLoop(e.AsComprehension(), vars)
	}
	return max(sum, 1)
}

// copiesOfLoop counts the loop variables once, as all rounds together see the range once, and everything else once for
// every round.
func (i *inspector) copiesOfLoop(loop ast.ComprehensionExpr, vars map[string]int) int {
	rounds := maxRange
	if loop.IterRange().Kind() == ast.ListKind {
		rounds = loop.IterRange().AsList().Size()
	}
	inside := make(map[string]int, len(vars)+3)
	for name, n := range vars {
		inside[name] = min(n*rounds, maxCopies+1)
	}
	of := i.copies(loop.IterRange(), vars)
	inside[loop.IterVar()] = of
	if loop.HasIterVar2() {
		inside[loop.IterVar2()] = of
	}
	inside[loop.AccuVar()] = 0
	i.copies(loop.LoopCondition(), inside)
	step := i.copies(loop.LoopStep(), inside)

	after := make(map[string]int, len(vars)+1)
	maps.Copy(after, vars)
	after[loop.AccuVar()] = min(i.copies(loop.AccuInit(), vars)+step, maxCopies+1)
	return i.copies(loop.Result(), after)
}

// scalar reports whether e gives a value that holds no other.
func (i *inspector) scalar(e ast.Expr) bool {
	switch i.tree.GetType(e.ID()).Kind() {
	case types.BoolKind, types.BytesKind, types.DoubleKind, types.DurationKind, types.IntKind, types.NullTypeKind,
		types.StringKind, types.TimestampKind, types.UintKind, types.TypeKind:
		return true
	}
	return false
}
