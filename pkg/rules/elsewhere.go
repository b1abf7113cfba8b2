package rules

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// The variables behind entitlementsOf and entitlementAttributesOf, which no expression can name.
const (
	entitlementsElsewhere = "@entitlementsOf"
	attributesElsewhere   = "@entitlementAttributesOf"
)

// elsewhereOptions declare entitlementsOf("slug") and entitlementAttributesOf("slug"): macros, because a function of CEL does
// not see whom an expression is about.
func elsewhereOptions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Variable(entitlementsElsewhere, types.NewMapType(types.StringType, holdings)),
		cel.Variable(attributesElsewhere, types.NewMapType(types.StringType, openMap)),
		cel.Macros(
			cel.GlobalMacro("entitlementsOf", 1, ofSlug(entitlementsElsewhere)),
			cel.GlobalMacro("entitlementAttributesOf", 1, ofSlug(attributesElsewhere)),
		),
	}
}

var elsewhereMacros = []Function{
	{"entitlementsOf", []string{"entitlementsOf(slug) -> list"},
		"the entitlements that the person holds in another application; the slug is a string literal"},
	{"entitlementAttributesOf", []string{"entitlementAttributesOf(slug) -> map"},
		"the merged attributes of those entitlements; the slug is a string literal"},
}

func ofSlug(variable string) cel.MacroFactory {
	return func(f cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		if args[0].Kind() != ast.LiteralKind {
			return nil, f.NewError(args[0].ID(), "the slug must be a string literal")
		}
		if _, ok := args[0].AsLiteral().(types.String); !ok {
			return nil, f.NewError(args[0].ID(), "the slug must be a string literal")
		}
		return f.NewCall(operators.Index, f.NewIdent(variable), args[0]), nil
	}
}

// elsewhere is the map from slugs to what the person holds there.
type elsewhere struct {
	access *Access
	each   bool // one by one, not their merged attributes
}

func (e elsewhere) find(slug ref.Val) (ref.Val, bool) {
	name, ok := slug.(types.String)
	if !ok || e.access.Elsewhere == nil {
		return nil, false
	}
	h := e.access.elsewhere(string(name))
	switch {
	case !h.known:
		return nil, false
	case e.each:
		return native(h.list), true
	}
	return native(e.access.merged(h)), true
}

// Find implements traits.Mapper.
func (e elsewhere) Find(slug ref.Val) (ref.Val, bool) { return e.find(slug) }

// Get implements traits.Indexer.
func (e elsewhere) Get(slug ref.Val) ref.Val {
	if v, ok := e.find(slug); ok {
		return v
	}
	return types.NewErr("no such key: %v", slug)
}

// Contains implements traits.Container.
func (e elsewhere) Contains(slug ref.Val) ref.Val {
	_, ok := e.find(slug)
	return types.Bool(ok)
}

// ConvertToNative implements ref.Val.
func (elsewhere) ConvertToNative(reflect.Type) (any, error) { return nil, errNotOurs }

// ConvertToType implements ref.Val.
func (elsewhere) ConvertToType(ref.Type) ref.Val { return types.WrapErr(errNotOurs) }

// Equal implements ref.Val.
func (e elsewhere) Equal(other ref.Val) ref.Val { return types.Bool(e == other) }

// Type implements ref.Val.
func (elsewhere) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (e elsewhere) Value() any { return e }

// Size implements traits.Sizer.
func (elsewhere) Size() ref.Val { return types.IntZero }

// Iterator implements traits.Iterable. No checked expression asks for it.
func (elsewhere) Iterator() traits.Iterator {
	return types.NewStringList(types.DefaultTypeAdapter, nil).Iterator()
}

// reads returns what an expression reads of the variables, such as "user.groups", sorted; and the slugs of the other
// applications it asks about.
func reads(p Place, tree *ast.AST) (inputs, slugs []string) {
	d := p.definition()
	seen := map[string]bool{}
	within := map[int64]bool{} // identifiers that a longer name includes
	visit := func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			of := e.AsSelect().Operand()
			if of.Kind() == ast.IdentKind && slices.Contains(d.variables, of.AsIdent()) {
				within[of.ID()] = true
				seen[of.AsIdent()+"."+e.AsSelect().FieldName()] = true
			}
		case ast.CallKind:
			call := e.AsCall()
			if n := call.FunctionName(); (n == operators.Index || n == operators.OptSelect) && len(call.Args()) == 2 {
				of, key := call.Args()[0], call.Args()[1]
				if of.Kind() != ast.IdentKind || key.Kind() != ast.LiteralKind {
					return
				}
				text, _ := key.AsLiteral().Value().(string)
				switch name := of.AsIdent(); {
				case name == entitlementsElsewhere || name == attributesElsewhere:
					slugs = append(slugs, text)
					seen["entitlementsOf("+strconv.Quote(text)+")"] = true
				case n == operators.OptSelect && slices.Contains(d.variables, name):
					within[of.ID()] = true
					seen[name+"."+text] = true
				}
			}
		}
	}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(visit))
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && !within[e.ID()] && slices.Contains(d.variables, e.AsIdent()) {
			seen[e.AsIdent()] = true
		}
	}))
	for name := range seen {
		inputs = append(inputs, name)
	}
	slices.Sort(inputs)
	slices.Sort(slugs)
	return inputs, slices.Compact(slugs)
}
