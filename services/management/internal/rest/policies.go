package rest

import (
	"errors"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// policies answers what a draft of a policy comes to.
type policies struct {
	mux    *Mux
	editor *editor.Editor
}

func mountPolicies(m *Mux) {
	x := &policies{mux: m, editor: m.api.Editor}
	m.Handle("POST "+catalog.Policies.Collection()+"/_validate", "policy:read", x.validate, operation.Operation{
		ID: "validatePolicy", Summary: "Check a draft of a policy.",
		Details: "Nothing is stored. The answer to a draft that is not valid is 200 too: it says where and why.",
		Body:    &configv1.Policy{}, Answer: &managementv1.PolicyChecked{},
	})
}

func (x *policies) validate(w http.ResponseWriter, r *http.Request) error {
	body, err := x.mux.Body(r)
	if err != nil {
		return err
	}
	draft := &configv1.Policy{}
	if err := prototree.Management.Decode(body, draft); err != nil {
		return catalog.TreeError(err)
	}
	if draft.GetName() == "" {
		draft.Name = "Draft"
	}
	out := &managementv1.PolicyChecked{}
	err = x.editor.WithScene(r.Context(), placeOf(r), catalog.Policies.Needs, func(s *catalog.Scene) error {
		var f catalog.Faults
		catalog.CheckPolicy(s, &f, "", nil, draft)
		out.Warnings = catalog.PolicyWarnings(s, draft)
		return f.Err()
	})
	if refusal, ok := errors.AsType[*fault.Error](err); ok && refusal.Kind == fault.Invalid {
		for _, d := range refusal.Details {
			out.Errors = append(out.Errors, &managementv1.RuleFault{
				Path: d.Path, Detail: d.Detail, Line: int32(d.Line), Column: int32(d.Column), //nolint:gosec // texts are short
			})
		}
		err = nil
	}
	if err != nil {
		return err
	}
	if compiled, err := access.CompilePolicy(draft); err == nil {
		most, limit := compiled.Cost()
		out.Expression, out.Inputs, out.Situational, out.Type = compiled.Expression(), compiled.Inputs(), compiled.Situational(), "bool"
		out.Cost, out.CostLimit = int64(most), int64(limit) //nolint:gosec // it is limited
	}
	out.Valid = len(out.Errors) == 0
	return x.mux.answerMessage(w, out)
}
