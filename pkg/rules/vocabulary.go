package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/google/cel-go/common/decls"
	"github.com/google/cel-go/common/types"
)

// Vocabulary is what expressions of one place may say, for editors and documentation.
type Vocabulary struct {
	Place Place `json:"-"`
	// Name is the name of the place.
	Name string `json:"place"`
	// Gives is the type an expression has to give: "bool", "string", "map" or "any".
	Gives string `json:"gives"`
	// Literal is true where text outside of {#…} is literal.
	Literal   bool       `json:"literal"`
	Variables []Variable `json:"variables"`
	Functions []Function `json:"functions"`
	Examples  []Example  `json:"examples"`
}

// Example is a text that compiles at a place.
type Example struct {
	Text string `json:"expression"`
	Doc  string `json:"description"`
}

// Variable is a variable or a field of one, such as "request.params".
type Variable struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Doc  string `json:"description"`
}

// Function is a function or a macro of expressions with all its signatures.
type Function struct {
	Name       string   `json:"name"`
	Signatures []string `json:"signatures"`
	Doc        string   `json:"description"`
}

// VocabularyOf returns the vocabulary of a place: variables in the order of the documentation, each followed by its
// fields, then macros, then functions by name. Operators are those of CEL and are not listed.
func VocabularyOf(p Place) (Vocabulary, error) {
	d := p.definition()
	if d == nil {
		return Vocabulary{}, start.errorf("there is no such place for an expression")
	}
	env, err := d.env()
	if err != nil {
		return Vocabulary{}, fmt.Errorf("environment of %v: %w", p, err)
	}
	v := Vocabulary{Place: p, Name: d.name, Gives: d.gives.String(), Literal: d.literal}
	for _, name := range d.variables {
		v.Variables = appendVariable(v.Variables, name, d.variable(name).typ, d.variable(name).doc)
	}
	v.Examples = slices.Clone(examples[p])
	v.Functions = slices.Concat(macros, d.macros)
	var functions []Function
	for name, f := range env.Functions() {
		if spoken(name) {
			functions = append(functions, describe(name, f))
		}
	}
	slices.SortFunc(functions, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	v.Functions = append(v.Functions, functions...)
	return v, nil
}

// String returns the type a place expects.
func (r result) String() string {
	return [...]string{aTruth: "bool", aString: "string", aValue: "any", aMap: "map"}[r]
}

func appendVariable(list []Variable, name string, t *types.Type, doc string) []Variable {
	list = append(list, Variable{Name: name, Type: t.String(), Doc: doc})
	for _, o := range slices.Concat(objectTypes, accessTypes) {
		if o.name == t.TypeName() {
			for _, f := range o.fields {
				list = appendVariable(list, name+"."+f.name, f.typ, f.doc)
			}
		}
	}
	return list
}

// spoken reports whether name is a function people call by name, not an operator or an internal one.
func spoken(name string) bool {
	return unicode.IsLetter(rune(name[0])) && !strings.Contains(name, "@") && name != "in"
}

func describe(name string, f *decls.FunctionDecl) Function {
	doc, ok := functionDocs[name]
	if !ok {
		doc = strings.Join(strings.Fields(f.Description()), " ")
	}
	fn := Function{Name: name, Doc: doc}
	for _, o := range f.OverloadDecls() {
		var args []string
		for _, a := range o.ArgTypes() {
			args = append(args, typeName(a))
		}
		call := name
		if o.IsMemberFunction() {
			call, args = args[0]+"."+name, args[1:]
		}
		fn.Signatures = append(fn.Signatures,
			fmt.Sprintf("%s(%s) -> %s", call, strings.Join(args, ", "), typeName(o.ResultType())))
	}
	return fn
}

var shortNames = strings.NewReplacer("google.protobuf.Timestamp", "timestamp", "google.protobuf.Duration", "duration",
	"optional_type", "optional", "net.IP", "ip", "net.CIDR", "cidr", "<", "", ">", "")

func typeName(t *types.Type) string { return shortNames.Replace(t.String()) }
