package rest

import (
	"errors"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountRules adds what helps people to write expressions.
func mountRules(m *Mux) {
	x := &ruleActions{mux: m}
	base := catalog.Domains.Item() + "/rules"
	m.Handle("GET "+base+"/contexts", "domain:read", x.contexts, operation.Operation{
		Summary: "List the places for expressions, with what may be said there.",
		Answer:  &managementv1.RuleVocabulary{}, Shape: operation.Array,
	})
	m.Handle("POST "+base+"/_check", "domain:read", x.check, operation.Operation{
		Summary: "Check whether an expression compiles.",
		Details: "The answer to one that does not is 200 too: it says where and why.",
		Body:    &managementv1.RuleCheck{}, Answer: &managementv1.RuleChecked{},
	})
	m.Handle("POST "+base+"/_evaluate", "identity_provider:read", x.evaluate, operation.Operation{
		Summary: "Tell what a list of identity providers, or one expression, would decide for a sample request.",
		Details: "It is decided by the code that gateways decide with. A rule that fails is false, and its reason is told.",
		Body:    &managementv1.RuleEvaluation{}, Answer: &managementv1.RuleDecision{},
	})
}

type ruleActions struct{ mux *Mux }

func (x *ruleActions) contexts(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.domainExists(r); err != nil {
		return err
	}
	entries := []prototree.Object{}
	for _, p := range rules.Places() {
		v, err := rules.VocabularyOf(p)
		if err != nil {
			return err
		}
		tree, err := prototree.Management.Encode(vocabularyOf(v))
		if err != nil {
			return err
		}
		entries = append(entries, tree)
	}
	return x.mux.JSON(w, http.StatusOK, entries)
}

func vocabularyOf(v rules.Vocabulary) *managementv1.RuleVocabulary {
	out := &managementv1.RuleVocabulary{Place: v.Name, Gives: v.Gives, Literal: v.Literal}
	for _, n := range v.Variables {
		out.Variables = append(out.Variables, &managementv1.RuleVocabulary_Variable{Name: n.Name, Type: n.Type, Description: n.Doc})
	}
	for _, f := range v.Functions {
		out.Functions = append(out.Functions, &managementv1.RuleVocabulary_Function{Name: f.Name, Signatures: f.Signatures, Description: f.Doc})
	}
	for _, e := range v.Examples {
		out.Examples = append(out.Examples, &managementv1.RuleVocabulary_Example{Expression: e.Text, Description: e.Doc})
	}
	return out
}

func (x *ruleActions) check(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.domainExists(r); err != nil {
		return err
	}
	var body managementv1.RuleCheck
	if err := x.mux.decode(r, &body); err != nil {
		return err
	}
	place, err := placeNamed(body.GetPlace())
	if err != nil {
		return err
	}
	out := &managementv1.RuleChecked{}
	if out.Type, err = rules.Check(place, body.GetExpression()); err != nil {
		out.Errors = []*managementv1.RuleFault{faultOf("expression", err)}
	} else {
		out.Valid = true
	}
	return x.mux.answerMessage(w, out)
}

// placeNamed returns the place with a name, in any case.
func placeNamed(name string) (rules.Place, error) {
	var names []string
	for _, p := range rules.Places() {
		if strings.EqualFold(p.String(), name) {
			return p, nil
		}
		names = append(names, p.String())
	}
	if name == "" {
		return 0, constraint("place", "", "must not be blank")
	}
	return 0, constraint("place", name, "must be one of "+strings.Join(names, ", "))
}

// faultOf tells what is wrong with an expression.
func faultOf(path string, err error) *managementv1.RuleFault {
	f := &managementv1.RuleFault{Path: path, Detail: err.Error()}
	var e *rules.Error
	if errors.As(err, &e) {
		f.Detail, f.Line, f.Column = e.Detail, int32(e.Line), int32(e.Column) //nolint:gosec // texts are short
	}
	return f
}

// badExpression refuses a body whose expression does not compile.
func badExpression(path string, err error) error {
	f := faultOf(path, err)
	return fault.Invalidf("[%s: %s]", path[strings.LastIndexByte(path, '.')+1:], err.Error()).
		With(fault.Detail{Path: path, Detail: f.GetDetail(), Line: int(f.GetLine()), Column: int(f.GetColumn())})
}

// answerMessage answers with a message in the management dialect.
func (m *Mux) answerMessage(w http.ResponseWriter, out proto.Message) error {
	tree, err := prototree.Management.Encode(out)
	if err != nil {
		return err
	}
	return m.JSON(w, http.StatusOK, tree)
}

// domainExists refuses a request whose domain does not.
func (m *Mux) domainExists(r *http.Request) error {
	_, err := editor.Read(r.Context(), m.api.Editor, catalog.Domains, placeOf(r), r.PathValue("domain"))
	return err
}
