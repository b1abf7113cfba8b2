package rules

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/overloads"
)

// Limits of texts. Lengths count characters.
const (
	// MaxExpression is the length of an expression.
	MaxExpression = 4096
	// MaxPolicy is the length of an expression that decides about access, some of which are made of long lists.
	MaxPolicy = 65536
	// MaxTemplate is the length of literal text with expressions in it.
	MaxTemplate = 16384
	// MaxFlowText is the same where a step of a flow sends or shows it.
	MaxFlowText = 65536
	// MaxFragments is the number of expressions in one text.
	MaxFragments = 16

	maxNodes          = 5000 // of the syntax tree, macros expanded
	maxNesting        = 100  // of the syntax tree
	maxPatternProgram = 2000 // instructions of one compiled regular expression
	maxRange          = 1000 // elements of lists.range
	maxCopies         = 1000 // occurrences of one value within another
)

// Costs are in CEL's units: one for a step such as a comparison, a tenth for a character looked at. A unit takes about
// 20 ns; the budget is a few milliseconds, met by no sensible expression.
const (
	// maxCost is the budget. An expression whose estimate is within it runs unobserved.
	maxCost = 100_000
	// maxEstimate is where an estimate makes an expression be refused. Estimates assume inputs of full size, which are
	// rare, so what lies in between is let through and counted while it runs.
	maxEstimate = 10_000 * maxCost
	// unbounded is where CEL's estimates stop being estimates: a size was not known.
	unbounded = 1 << 50
	// interruptEvery is the number of loop steps between two looks at the context.
	interruptEvery = 64
)

// sizes are the sizes assumed of the inputs: of a string its length, of a list or map its entries. What comes with a
// request is refused beyond them at evaluation (request.go). What is configured or known of a user may be larger, up to
// the limits of objects.go, and is then slower in proportion.
type size struct{ self, keys, items, deep uint64 }

var sizes = map[string]size{
	"login":                            {self: maxLogin},
	"password":                         {self: maxLogin},
	"request.params":                   {self: maxNames, keys: maxName, items: maxValues, deep: maxText},
	"request.headers":                  {self: maxNames, keys: maxName, items: maxValues, deep: maxText},
	"request":                          {items: maxText},
	"client":                           {items: 256},
	"client.grantTypes":                {self: 64, items: 256},
	"client.scopes":                    {self: 512, items: 256},
	"client.metadata":                  {self: 256, keys: 256, items: 1024, deep: 1024},
	"user":                             {self: 64, keys: 256, items: 1024, deep: 1024},
	"context.attributes":               {self: 256, keys: 256, items: 1024, deep: 1024},
	"context.domain":                   {items: 256},
	"profile":                          {self: 256, keys: 256, items: 1024, deep: 1024},
	"response":                         {items: maxGivenText},
	"response.headers":                 {self: maxNames, keys: maxName, items: maxValues, deep: maxText},
	"response.json":                    {self: 256, keys: 256, items: 1024, deep: 1024},
	"identityProvider":                 {items: 256},
	"user.groups":                      {self: 1024, items: 256},
	"user.directGroups":                {self: 1024, items: 256},
	"user.groupIds":                    {self: 1024, items: 256},
	"user.attributes":                  {self: 256, keys: 256, items: 1024, deep: 1024},
	"user.mergedAttributes":            {self: 256, keys: 256, items: 1024, deep: 1024},
	"user.factors":                     {self: 64, items: 256},
	"app":                              {items: 256},
	"app.labels":                       {self: 256, keys: 256, items: 1024},
	"entitlements":                     {self: 256, items: 2, deep: 1024},
	"entitlementAttributes":            {self: 1024, keys: 256, items: 4096, deep: 4096},
	"auth":                             {items: 256},
	"auth.amr":                         {self: 64, items: 256},
	"request.userAgent":                {self: maxAgent},
	"request.scopes":                   {self: 512, items: 256},
	"request.resource":                 {self: 64, items: 1024},
	entitlementsElsewhere:              {self: 64, items: 256, deep: 1024},
	attributesElsewhere:                {self: 64, items: 1024, deep: 4096},
	"identityProvider.domainWhitelist": {self: 512, items: 256},
}

// estimator tells CEL the sizes of the inputs.
type estimator struct{}

// EstimateCallCost implements checker.CostEstimator. CEL and its libraries know their functions, except that a pattern
// costs what it compiles to, not what it is to read.
func (e estimator) EstimateCallCost(function, _ string, target *checker.AstNode, args []checker.AstNode) *checker.CallEstimate {
	if cost := e.accessCall(function, args); cost != nil {
		return cost
	}
	if function != overloads.Matches || len(args) == 0 {
		return nil
	}
	subject := args[0]
	if target != nil {
		subject = *target
	}
	length := subject.ComputedSize()
	if length == nil {
		length = e.EstimateSize(subject)
	}
	pattern := args[len(args)-1].Expr()
	if length == nil || pattern.Kind() != ast.LiteralKind {
		return nil
	}
	source, _ := pattern.AsLiteral().Value().(string)
	scan := length.Add(checker.FixedSizeEstimate(1)).MultiplyByCostFactor(common.StringTraversalCostFactor)
	program := checker.FixedSizeEstimate(uint64(programSize(source))).MultiplyByCostFactor(common.RegexStringLengthCostFactor)
	return &checker.CallEstimate{CostEstimate: scan.Multiply(program)}
}

// EstimateSize implements checker.CostEstimator.
func (estimator) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	path := node.Path()
	if len(path) == 0 {
		return nil
	}
	s, rest, ok := lookup(path)
	if !ok {
		return nil
	}
	n := s.deep
	switch {
	case len(rest) == 0:
		n = s.self
	case len(rest) == 1 && rest[0] == "@keys":
		n = s.keys
	case len(rest) == 1:
		n = s.items
	}
	if n == 0 {
		return nil
	}
	return &checker.SizeEstimate{Min: 0, Max: n}
}

// lookup finds the longest known beginning of path.
func lookup(path []string) (s size, rest []string, ok bool) {
	name := ""
	for i, part := range path {
		if i > 0 {
			name += "."
		}
		name += part
		if known, found := sizes[name]; found {
			s, rest, ok = known, path[i+1:], true
		}
	}
	return s, rest, ok
}

// judge estimates the worst case of a checked expression. It reports whether the expression has to be counted while it
// runs, and how much it may cost, or refuses it. What it reads costs something once, besides what CEL sees.
func judge(env *cel.Env, checked *cel.Ast, o origin, reading uint64) (counted bool, most uint64, refused *Error) {
	cost, err := env.EstimateCost(checked, estimator{})
	if err != nil {
		return false, 0, o.errorf("the cost of the expression cannot be estimated")
	}
	if cost.Max < unbounded {
		cost.Max += reading
	}
	if n, where := o.steps(checked); n > maxCost {
		return false, 0, where.errorf("the loop makes %d steps, more than the limit of %d", n, maxCost)
	}
	switch {
	case cost.Min > maxCost:
		return false, 0, o.errorf("the expression costs at least %d, more than the limit of %d", cost.Min, maxCost)
	case cost.Max > maxEstimate && cost.Max < unbounded:
		return false, 0, o.errorf("the expression may cost %d, more than the limit of %d", cost.Max, maxEstimate)
	}
	return cost.Max > maxCost, min(cost.Max, unbounded), nil
}

// steps returns how many steps the loops of an expression make over what is written in the expression itself, and where the first
// loop begins that makes more than may be made. What is read counts once: whether a loop over it is too long shows when it runs.
func (o origin) steps(checked *cel.Ast) (uint64, origin) {
	tree := checked.NativeRep()
	found, where := uint64(0), o
	var count func(e ast.NavigableExpr) uint64
	count = func(e ast.NavigableExpr) uint64 {
		var inner uint64
		for _, child := range e.Children() {
			inner += count(child)
		}
		if e.Kind() != ast.ComprehensionKind {
			return min(inner, unbounded)
		}
		over := e.AsComprehension().IterRange()
		n := min(max(inner, 1)*written(over), unbounded)
		if n > maxCost && found == 0 {
			found = n
			if at := tree.SourceInfo().GetStartLocation(over.ID()); at.Line() > 0 {
				where.line, where.column = o.at(at.Line(), at.Column())
			}
		}
		return n
	}
	count(ast.NavigateAST(tree))
	return found, where
}

// written returns how many elements something has that stands in the expression: a list, or lists.range of a number. One for
// anything else.
func written(e ast.Expr) uint64 {
	switch e.Kind() {
	case ast.ListKind:
		return uint64(max(e.AsList().Size(), 1)) //nolint:gosec // a length
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != "lists.range" || len(call.Args()) != 1 || call.Args()[0].Kind() != ast.LiteralKind {
			return 1
		}
		if n, ok := call.Args()[0].AsLiteral().Value().(int64); ok && n > 0 {
			return uint64(min(n, maxRange))
		}
	}
	return 1
}
