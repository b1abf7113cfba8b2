package rules

import (
	"strings"

	"github.com/google/cel-go/common/ast"
)

// Key is a key of a map that an expression writes down literally, with its place in the text; lines and columns begin at 1.
type Key struct {
	Text         string
	Line, Column int
}

// LiteralKeys returns the keys that the map which an expression gives is written down with, as far as that can be seen: in the map
// itself, in the branches of a choice, and in what functions put together. The text must be one that compiles.
func LiteralKeys(p Place, text string) ([]Key, error) {
	prog, e := compileBare(p, text)
	if e != nil {
		return nil, e
	}
	source, o := prog.source, prog.origin
	env, err := p.definition().env()
	if err != nil {
		return nil, o.errorf("the environment cannot be made: %v", err)
	}
	tree, issues := env.Parse(source)
	if issues.Err() != nil {
		return nil, firstIssue(issues, o)
	}
	var keys []Key
	parsed := tree.NativeRep()
	var visit func(e ast.Expr)
	visit = func(e ast.Expr) {
		switch e.Kind() {
		case ast.MapKind:
			for _, entry := range e.AsMap().Entries() {
				key := entry.AsMapEntry().Key()
				if key.Kind() != ast.LiteralKind {
					continue
				}
				name, ok := key.AsLiteral().Value().(string)
				if !ok {
					continue
				}
				at := parsed.SourceInfo().GetStartLocation(key.ID())
				found := Key{Text: name}
				found.Line, found.Column = o.at(at.Line(), at.Column())
				keys = append(keys, found)
			}
		case ast.CallKind:
			call := e.AsCall()
			if call.IsMemberFunction() {
				visit(call.Target())
			}
			args := call.Args()
			if call.FunctionName() == "_?_:_" && len(args) == 3 {
				args = args[1:]
			} else if strings.HasPrefix(call.FunctionName(), "_") || strings.HasPrefix(call.FunctionName(), "@") {
				return // operators take maps apart
			}
			for _, arg := range args {
				visit(arg)
			}
		}
	}
	visit(parsed.Expr())
	return keys, nil
}
