package catalog

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Flows are what runs at the points of a login.
var Flows = &Kind[*configv1.Flow]{
	Arm:    "flow",
	Title:  "Flow",
	Path:   "flows",
	Parent: Domains,
	List:   Bare,
	Name:   (*configv1.Flow).GetName,
	SortKey: func(f *configv1.Flow) string {
		return fmt.Sprintf("%03d/%06d", f.GetType(), f.GetOrder())
	},
	Unique: []Unique[*configv1.Flow]{{
		Name:  "slot",
		Value: func(f *configv1.Flow) string { return levelKey(f, strconv.FormatInt(f.GetSlot(), 10)) },
		Taken: func(_, f *configv1.Flow) error {
			return fault.Conflictf("The flows are being changed by others. Try again")
		},
	}},
	Normalize: func(_ context.Context, _ *Scene, _, f *configv1.Flow) error {
		normalizeFlow(f)
		return nil
	},
	Validate: func(_ *Scene, _, f *configv1.Flow) error { return validateFlow(f) },
}

// Limits of flows.
const (
	// MaxFlows is how many flows a level may have.
	MaxFlows = 50

	maxSteps           = 20
	maxFlowName        = 256
	maxFlowDescription = 1024
)

// FlowTypes are the points of a login, in the documented order.
func FlowTypes() []configv1.Flow_Type {
	return []configv1.Flow_Type{
		configv1.Flow_ROOT, configv1.Flow_LOGIN_IDENTIFIER, configv1.Flow_LOGIN, configv1.Flow_CONSENT,
		configv1.Flow_REGISTER, configv1.Flow_TOKEN,
	}
}

// DefaultFlow is what is answered for a type of which nothing is defined: a flow that does nothing.
func DefaultFlow(t configv1.Flow_Type) *configv1.Flow {
	f := &configv1.Flow{Type: t}
	normalizeFlow(f)
	return f
}

func normalizeFlow(f *configv1.Flow) {
	if f.GetName() == "" {
		f.Name = f.GetType().String()
		if f.GetType() == configv1.Flow_ROOT {
			f.Name = "ALL"
		}
	}
	byDefault(&f.Enabled, true)
	for _, steps := range [][]*configv1.FlowStep{f.GetPre(), f.GetPost()} {
		normalizeSteps(steps)
	}
}

// normalizeSteps gives every step a name of its own where it has none.
func normalizeSteps(steps []*configv1.FlowStep) {
	taken := map[string]bool{}
	for _, s := range steps {
		taken[s.GetName()] = true
	}
	for _, s := range steps {
		byDefault(&s.Enabled, true)
		switch config := s.GetConfig().(type) {
		case *configv1.FlowStep_Deny:
			if config.Deny.GetError() == "" {
				config.Deny.Error = "access_denied"
			}
		case *configv1.FlowStep_HttpCallout:
			normalizeCallout(config.HttpCallout)
		}
		if s.GetName() != "" || s.GetConfig() == nil {
			continue
		}
		name := policyOf(s)
		for n := 2; taken[name]; n++ {
			name = policyOf(s) + " " + strconv.Itoa(n)
		}
		s.Name, taken[name] = name, true
	}
}

// policyOf returns the word of a step's policy.
func policyOf(s *configv1.FlowStep) string {
	switch s.GetConfig().(type) {
	case *configv1.FlowStep_SetAttributes:
		return "set-attributes"
	case *configv1.FlowStep_Deny:
		return "deny"
	case *configv1.FlowStep_HttpCallout:
		return "http-callout"
	case *configv1.FlowStep_EvaluateRules:
		return "evaluate-rules"
	}
	return ""
}

func validateFlow(f *configv1.Flow) error {
	if f.GetType() == configv1.Flow_TYPE_UNSPECIFIED {
		return required("type", "")
	}
	if len(f.GetName()) > maxFlowName {
		return broken("name", "", "size must be at most 256 bytes")
	}
	if err := checkCondition("condition", f.GetCondition()); err != nil {
		return err
	}
	if err := validateSteps("pre", f.GetPre()); err != nil {
		return err
	}
	return validateSteps("post", f.GetPost())
}

func checkCondition(path, text string) error {
	if _, err := rules.CompileRule(rules.FlowCondition, text); err != nil {
		return badExpression(path, err)
	}
	return nil
}

func validateSteps(list string, steps []*configv1.FlowStep) error {
	if len(steps) > maxSteps {
		return broken(list, "", "must have at most 20 entries")
	}
	names := map[string]int{}
	for _, s := range steps {
		names[s.GetName()]++
	}
	for i, s := range steps {
		path := index(list, i)
		if s.GetHttpCallout() != nil && names[s.GetName()] > 1 {
			return broken(path+".name", s.GetName(), "must be unique among the steps beside it, because the step calls a site")
		}
		if err := validateStep(path, s); err != nil {
			return err
		}
	}
	return nil
}

func validateStep(path string, s *configv1.FlowStep) error {
	if s.GetConfig() == nil {
		return required(path+".policy", "")
	}
	if len(s.GetName()) > maxFlowName {
		return broken(path+".name", "", "size must be at most 256 bytes")
	}
	if len(s.GetDescription()) > maxFlowDescription {
		return broken(path+".description", "", "size must be at most 1024 bytes")
	}
	if err := checkCondition(path+".condition", s.GetCondition()); err != nil {
		return err
	}
	path += ".configuration"
	switch config := s.GetConfig().(type) {
	case *configv1.FlowStep_SetAttributes:
		if len(config.SetAttributes.GetAttributes()) == 0 {
			return broken(path+".attributes", "", "must not be empty")
		}
		return checkAttributes(path+".attributes", rules.FlowValue, config.SetAttributes.GetAttributes())
	case *configv1.FlowStep_Deny:
		return validateDeny(path, config.Deny)
	case *configv1.FlowStep_HttpCallout:
		return validateCallout(path, config.HttpCallout)
	}
	return nil
}
