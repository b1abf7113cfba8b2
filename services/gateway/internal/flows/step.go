package flows

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// action is what a step does. It returns a refusal where the flows end.
type action interface {
	do(ctx context.Context, r *run) *Denied
}

// compileStep is where a step of the configuration becomes one that runs. Each policy has one arm.
func compileStep(message *configv1.FlowStep) (s step, err error) {
	s.name = message.GetName()
	if s.condition, err = rules.CompileRule(rules.FlowCondition, message.GetCondition()); err != nil {
		return s, fmt.Errorf("condition: %w", err)
	}
	switch config := message.GetConfig().(type) {
	case *configv1.FlowStep_SetAttributes:
		s.action, err = newAssign(rules.FlowValue, config.SetAttributes.GetAttributes())
	case *configv1.FlowStep_Deny:
		s.action, err = newDeny(config.Deny)
	case *configv1.FlowStep_HttpCallout:
		s.action, err = newCallout(config.HttpCallout)
	case *configv1.FlowStep_EvaluateRules:
		s.action = evaluateRules{}
	default:
		err = errors.New("the policy of the step is not known to this gateway")
	}
	return s, err
}

// assign sets attributes, in the order of their names.
type assign struct {
	names  []string
	values []*rules.Template
}

func newAssign(place rules.Place, attributes map[string]string) (*assign, error) {
	a := &assign{names: slices.Sorted(maps.Keys(attributes))}
	for _, name := range a.names {
		if Own(name) {
			return nil, fmt.Errorf("the attribute %q is set by the login itself", name)
		}
		value, err := rules.CompileTemplate(place, attributes[name])
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", name, err)
		}
		a.values = append(a.values, value)
	}
	return a, nil
}

func (a *assign) do(ctx context.Context, r *run) *Denied {
	a.assign(ctx, r)
	return nil
}

// assign sets all attributes of the step at once: none of them sees another.
func (a *assign) assign(ctx context.Context, r *run) {
	made := make([]any, len(a.names))
	failed := make([]error, len(a.names))
	for i, value := range a.values {
		made[i], failed[i] = value.Value(ctx, r.in)
	}
	for i, name := range a.names {
		err := failed[i]
		if err == nil {
			err = r.set(name, made[i])
		}
		if err != nil {
			r.failed(ctx, name, err)
		}
	}
}

// deny refuses the person.
type deny struct {
	code    string
	message *rules.Template
}

// The defaults of a refusal.
const (
	defaultCode    = "access_denied"
	defaultMessage = "Access denied"
	maxMessage     = 1024 // bytes
)

func newDeny(config *configv1.DenyStep) (deny, error) {
	d := deny{code: config.GetError()}
	if d.code == "" {
		d.code = defaultCode
	}
	var err error
	if d.message, err = rules.CompileTemplate(rules.FlowText, config.GetMessage()); err != nil {
		return deny{}, fmt.Errorf("message: %w", err)
	}
	return d, nil
}

func (d deny) do(ctx context.Context, r *run) *Denied {
	text, err := d.message.Escaped(ctx, r.in, plainText)
	if err != nil {
		r.failed(ctx, "message", err)
		text = ""
	}
	if text = shorten(text, maxMessage); text == "" {
		text = defaultMessage
	}
	return &Denied{Code: d.code, Message: text}
}

func plainText(s string) string { return s }

// evaluateRules wants selection rules to be looked at with what has been set.
type evaluateRules struct{}

func (evaluateRules) do(_ context.Context, r *run) *Denied {
	r.out.Reevaluate = true
	return nil
}
