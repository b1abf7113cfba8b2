package rules

import (
	"slices"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// Place is a kind of text in the configuration that may hold an expression.
type Place int

// The places. SelectionRule, FlowCondition, MapperCondition and ProviderAnswer are compiled by [CompileRule], the others
// by [CompileTemplate].
const (
	// SelectionRule decides whether an identity provider takes part in a login. It gives true or false.
	SelectionRule Place = iota
	// Claim is the value of a custom claim: literal text with {#…}. It gives any JSON value.
	Claim
	// RedirectParam is the value of a query parameter of a redirect URI: literal text with {#…}. It gives a string.
	RedirectParam
	// FlowCondition decides whether a step of a flow runs. It gives true or false.
	FlowCondition
	// FlowValue is an attribute set by a step of a flow: a bare expression. It gives any JSON value.
	FlowValue
	// FlowText is text that a step of a flow sends or shows: literal text with {#…}. It gives a string.
	FlowText
	// FlowResponse is an attribute taken from what a called site answered: a bare expression. It gives any JSON value.
	FlowResponse
	// Mapper is a member of a person's profile made of what a provider says. It gives any JSON value.
	Mapper
	// MapperCondition decides whether a person whom a provider asserts gets a role or joins a group. It gives true or
	// false.
	MapperCondition
	// ProviderRequest is a part of the request by which an identity provider asks another site about a name and a
	// password: literal text with {#…}. It gives a string.
	ProviderRequest
	// ProviderAnswer decides whether the answer of that site means that a person is refused. It gives true or false.
	ProviderAnswer
	// AccessPolicy decides whether a policy holds for a person who wants to use an application. It gives true or false, and
	// reads [Input.Access].
	AccessPolicy
	// ClaimMapping makes claims of what is known of a person: a bare expression. It gives a map, and reads [Input.Access].
	ClaimMapping
)

// Places returns every place, in the order of their declaration.
func Places() []Place {
	all := make([]Place, len(places))
	for i := range places {
		all[i] = Place(i)
	}
	return all
}

// ParsePlace returns the place with this name, as [Place.String] spells it.
func ParsePlace(name string) (Place, bool) {
	for i := range places {
		if places[i].name == name {
			return Place(i), true
		}
	}
	return 0, false
}

// String returns the name of p in the management API, such as "selectionRule".
func (p Place) String() string {
	if d := p.definition(); d != nil {
		return d.name
	}
	return "unknown"
}

// Decides reports whether p gives true or false, so that it is compiled by [CompileRule].
func (p Place) Decides() bool {
	d := p.definition()
	return d != nil && d.gives == aTruth
}

// result is what a place expects of its expression.
type result int

const (
	aTruth  result = iota // true or false
	aString               // a string
	aValue                // any JSON value
	aMap                  // a map of JSON values
)

// definition is what the package knows about a place.
type definition struct {
	name       string
	gives      result
	literal    bool // text outside of {#…} is literal; otherwise all of it is the expression
	longest    int  // characters of the text; 0 means MaxTemplate
	expression int  // characters of an expression; 0 means MaxExpression
	variables  []string
	types      map[string]variable // nil means variables
	macros     []Function          // besides the common ones
	env        func() (*cel.Env, error)
}

// variable returns what is known of a variable of the place.
func (d *definition) variable(name string) variable {
	if d.types != nil {
		return d.types[name]
	}
	return variables[name]
}

var (
	always   = []string{"login", "request", "client", "user", "context"}
	selector = append([]string{"identityProvider"}, always...)
	answered = append([]string{"response"}, always...)
	mapped   = []string{"profile", "identityProvider"}
	asking   = append([]string{"password"}, always...)
	deciding = []string{"user", "app", "client", "entitlements", "entitlementAttributes", "auth", "request", "now"}
)

var places = [...]definition{
	SelectionRule: {name: "selectionRule", gives: aTruth, variables: selector, env: environment(selector)},
	Claim:         {name: "claim", gives: aValue, literal: true, variables: always, env: environment(always)},
	RedirectParam: {name: "redirectParam", gives: aString, literal: true, variables: always, env: environment(always)},
	FlowCondition: {name: "flowCondition", gives: aTruth, variables: always, env: environment(always)},
	FlowValue:     {name: "flowValue", gives: aValue, variables: always, env: environment(always)},
	FlowText:      {name: "flowText", gives: aString, literal: true, longest: MaxFlowText, variables: always, env: environment(always)},
	FlowResponse:  {name: "flowResponse", gives: aValue, variables: answered, env: environment(answered)},

	Mapper:          {name: "mapper", gives: aValue, variables: mapped, env: environment(mapped)},
	MapperCondition: {name: "mapperCondition", gives: aTruth, variables: mapped, env: environment(mapped)},
	ProviderRequest: {name: "providerRequest", gives: aString, literal: true, variables: asking, env: environment(asking)},
	ProviderAnswer:  {name: "providerAnswer", gives: aTruth, variables: answered, env: environment(answered)},

	AccessPolicy: {name: "accessPolicy", gives: aTruth, expression: MaxPolicy, variables: deciding, types: accessVariables,
		macros: elsewhereMacros, env: accessEnvironment},
	ClaimMapping: {name: "claimMapping", gives: aMap, variables: deciding, types: accessVariables, macros: elsewhereMacros,
		env: accessEnvironment},
}

// accessEnvironment is that of decisions about access and of claims.
var accessEnvironment = environmentOf(deciding, accessVariables, func() []cel.EnvOption {
	return append(accessFunctions(), elsewhereOptions()...)
})

func (p Place) definition() *definition {
	if p < 0 || int(p) >= len(places) {
		return nil
	}
	return &places[p]
}

// environment returns a function that makes the CEL environment of a place on first use, once per process.
func environment(names []string) func() (*cel.Env, error) {
	return environmentOf(names, variables, func() []cel.EnvOption { return nil })
}

func environmentOf(names []string, types map[string]variable, more func() []cel.EnvOption) func() (*cel.Env, error) {
	return sync.OnceValues(func() (*cel.Env, error) {
		shared, err := registry()
		if err != nil {
			return nil, err
		}
		reg := shared.Copy() // libraries register types of their own
		opts := []cel.EnvOption{
			cel.CustomTypeProvider(reg),
			cel.CustomTypeAdapter(adapter{reg}),
			cel.StdLib(),
			cel.EagerlyValidateDeclarations(true),
			cel.CrossTypeNumericComparisons(true),
			cel.DefaultUTCTimeZone(true),
			cel.EnableHiddenAccumulatorName(true),
			cel.ParserRecursionLimit(maxNesting),
			cel.ParserErrorRecoveryLimit(4),
			cel.ParserExpressionSizeLimit(MaxPolicy),
			cel.ExpressionNodeLimit(maxNodes),
			cel.ASTValidators(
				cel.ValidateDurationLiterals(),
				cel.ValidateTimestampLiterals(),
				cel.ValidateRegexLiterals(),
			),
		}
		for _, name := range names {
			opts = append(opts, cel.VariableWithDoc(name, types[name].typ, types[name].doc))
		}
		opts = append(opts, libraries()...)
		return cel.NewCustomEnv(append(opts, more()...)...)
	})
}

// registry holds the object types of all places. Nothing changes it afterwards.
var registry = sync.OnceValues(func() (*types.Registry, error) {
	reg, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	for _, t := range slices.Concat(objectTypes, accessTypes) {
		if err := reg.RegisterType(t); err != nil {
			return nil, err
		}
	}
	return reg, nil
})

// longestExpression is how many characters an expression of the place may have.
func (d *definition) longestExpression() int {
	if d.expression > 0 {
		return d.expression
	}
	return MaxExpression
}
