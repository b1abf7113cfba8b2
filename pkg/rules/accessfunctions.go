package rules

import (
	"regexp"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

const (
	inWindow     = "inWindow"
	deepMerge    = "deepMerge"
	regexReplace = "regexReplace"
)

// accessFunctions are the functions of decisions about access and of claims beyond the common ones.
func accessFunctions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function(inWindow,
			cel.Overload("in_window", []*cel.Type{cel.TimestampType, cel.StringType, texts}, cel.BoolType),
			cel.Overload("in_window_except", []*cel.Type{cel.TimestampType, cel.StringType, texts, texts}, cel.BoolType),
			cel.SingletonFunctionBinding(callInWindow)),
		cel.Function(deepMerge,
			cel.Overload("deep_merge", []*cel.Type{openMap, openMap}, openMap),
			cel.SingletonBinaryBinding(callDeepMerge)),
		cel.Function(regexReplace,
			cel.Overload("regex_replace", []*cel.Type{cel.StringType, cel.StringType, cel.StringType}, cel.StringType,
				cel.FunctionBinding(func(args ...ref.Val) ref.Val {
					pattern, ok := args[1].(types.String)
					if !ok {
						return types.NoSuchOverloadErr()
					}
					compiled, err := regexp.Compile(string(pattern))
					if err != nil {
						return types.NewErr("invalid pattern")
					}
					return replaceAll(compiled, args)
				}))),
	}
}

// calendars keeps what the literals of inWindow come to, by their text. They stand in the configuration, so there are few; a
// process that has seen thousands of versions starts anew.
var calendars = struct {
	sync.RWMutex
	of map[string]calendar
}{of: map[string]calendar{}}

const maxCalendars = 4096

func callInWindow(args ...ref.Val) ref.Val {
	at, ok := args[0].(types.Timestamp)
	zone, ok2 := args[1].(types.String)
	if !ok || !ok2 {
		return types.NoSuchOverloadErr()
	}
	var lists [2][]string
	key := strings.Builder{}
	key.WriteString(string(zone))
	for i, arg := range args[2:] {
		list, ok := arg.(traits.Lister)
		if !ok {
			return types.NoSuchOverloadErr()
		}
		key.WriteByte('\n')
		for it := list.Iterator(); it.HasNext() == types.True; {
			s, ok := it.Next().(types.String)
			if !ok {
				return types.NoSuchOverloadErr()
			}
			lists[i] = append(lists[i], string(s))
			key.WriteString(string(s))
			key.WriteByte(';')
		}
	}
	calendars.RLock()
	c, known := calendars.of[key.String()]
	calendars.RUnlock()
	if !known {
		var err error
		if c, err = newCalendar(string(zone), lists[0], lists[1]); err != nil {
			return types.WrapErr(&limitError{err.Error()})
		}
		calendars.Lock()
		if len(calendars.of) >= maxCalendars {
			clear(calendars.of)
		}
		calendars.of[key.String()] = c
		calendars.Unlock()
	}
	return types.Bool(c.holds(at.Time))
}

func callDeepMerge(a, b ref.Val) ref.Val {
	left, ok := plain(a)
	right, ok2 := plain(b)
	if !ok || !ok2 {
		return types.WrapErr(&limitError{"deepMerge was given more than it takes"})
	}
	one, ok := left.(map[string]any)
	two, ok2 := right.(map[string]any)
	if !ok || !ok2 {
		return types.NoSuchOverloadErr()
	}
	return native(Merge(one, two))
}

// replaceOnce compiles the pattern of regexReplace when the expression is compiled.
var replaceOnce = &interpreter.RegexOptimization{
	Function:   regexReplace,
	OverloadID: "regex_replace",
	RegexIndex: 1,
	Factory: func(call interpreter.InterpretableCall, pattern string) (interpreter.InterpretableCall, error) {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return nil, err
		}
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
			return replaceAll(compiled, args)
		}), nil
	},
}

// accessCall estimates the functions above; nil for others.
func (e estimator) accessCall(function string, args []checker.AstNode) *checker.CallEstimate {
	switch function {
	case inWindow:
		return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 20, Max: 500}}
	case deepMerge:
		return &checker.CallEstimate{
			CostEstimate: checker.CostEstimate{Min: 10, Max: 4 * maxPieces},
			ResultSize:   &checker.SizeEstimate{Min: 0, Max: 1024},
		}
	case regexReplace:
		if len(args) != 3 || args[1].Expr().Kind() != ast.LiteralKind {
			return nil
		}
		source, _ := args[1].Expr().AsLiteral().Value().(string)
		with, _ := literal(args[2].Expr())
		length := args[0].ComputedSize()
		if length == nil {
			length = e.EstimateSize(args[0])
		}
		most := uint64(maxText)
		if length != nil {
			most = min(most, length.Max)
		}
		return &checker.CallEstimate{
			CostEstimate: checker.CostEstimate{Min: 1, Max: replaceCost(most, source, len(piecesOf(with)))},
			ResultSize:   &checker.SizeEstimate{Min: 0, Max: maxGivenText},
		}
	}
	return nil
}

// spent is what the functions above cost in an evaluation that is counted.
type spent struct{}

// CallCost implements interpreter.ActualCostEstimator.
func (spent) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	cost := uint64(0)
	switch function {
	case inWindow:
		cost = 50
	case deepMerge:
		cost = 10 + 2*pieces(result, 0)
	case regexReplace:
		text, _ := args[0].(types.String)
		pattern, _ := args[1].(types.String)
		with, _ := args[2].(types.String)
		cost = replaceCost(uint64(len(text)), string(pattern), len(piecesOf(string(with))))
	case overloads.Matches: // CEL goes by the length of a pattern, not by what it compiles to
		text, ok := args[0].(types.String)
		pattern, ok2 := args[1].(types.String)
		if !ok || !ok2 {
			return nil
		}
		cost = scanCost(uint64(len(text)), string(pattern))
	default:
		return nil
	}
	return &cost
}

// pieces counts lists, maps and their elements.
func pieces(v ref.Val, depth int) uint64 {
	if depth > maxDepth {
		return 1
	}
	n := uint64(1)
	switch v := v.(type) {
	case traits.Mapper:
		for it := v.Iterator(); it.HasNext() == types.True; {
			n += pieces(v.Get(it.Next()), depth+1)
		}
	case traits.Lister:
		for it := v.Iterator(); it.HasNext() == types.True; {
			n += pieces(it.Next(), depth+1)
		}
	}
	return n
}
