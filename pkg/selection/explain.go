package selection

import (
	"context"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
)

// Reason says why a provider takes part or does not.
type Reason string

// The reasons.
const (
	// NoRule: an internal provider without a rule is asked.
	NoRule Reason = "no_rule"
	// RuleTrue: the rule holds; of external providers, it is the first that does.
	RuleTrue Reason = "rule_true"
	// RuleFalse: the rule does not hold.
	RuleFalse Reason = "rule_false"
	// RuleFailed: the rule could not be evaluated, which counts as false.
	RuleFailed Reason = "rule_failed"
	// OnlyButton: an external provider without a rule is a button, and never chosen.
	OnlyButton Reason = "button"
	// NotConsulted: rules of external providers are looked at in identifier-first login, or on the login page by a switch.
	NotConsulted Reason = "not_consulted"
	// LaterInOrder: the rule holds, but that of a provider before it does too.
	LaterInOrder Reason = "later_in_order"
	// OnlyExternal: the form is hidden, and this is the only external provider.
	OnlyExternal Reason = "only_external"
	// NotReached: the form is hidden, and the login goes to the only external provider before anything else is asked.
	NotReached Reason = "not_reached"
)

// Sentence returns the reason in words.
func (r Reason) Sentence() string { return sentences[r] }

var sentences = map[Reason]string{
	NoRule:       "it has no rule, so it is asked",
	RuleTrue:     "its rule is true",
	RuleFalse:    "its rule is false",
	RuleFailed:   "its rule could not be evaluated, which counts as false",
	OnlyButton:   "it has no rule, so it is a button on the login page and never chosen",
	NotConsulted: "rules of external providers are looked at in identifier-first login only, unless selectionRulesOnLoginPage is on",
	LaterInOrder: "its rule is true, and so is that of a provider before it",
	OnlyExternal: "the form is hidden and it is the only external provider, so rules are not looked at",
	NotReached:   "the form is hidden, and people go to the only external provider before they are asked for a password",
}

// Verdict is the decision about one provider.
type Verdict[P Candidate] struct {
	Candidate P
	Taken     bool
	Reason    Reason
	// Err is why a rule failed.
	Err error
}

// Outcome is what a login leads to.
type Outcome string

// The outcomes.
const (
	// Redirected: to the chosen external provider.
	Redirected Outcome = "redirect"
	// Asked: for a password, which the internal providers that are taken check in turn.
	Asked Outcome = "password"
	// Offered: nothing but buttons of external providers.
	Offered Outcome = "buttons"
	// Refused: there is no provider.
	Refused Outcome = "refused"
)

// Explanation is what a login would lead to.
type Explanation[P Candidate] struct {
	// Verdicts are those of all providers, in order.
	Verdicts []Verdict[P]
	Outcome  Outcome
	// Asked are the internal providers that would check a password, in order.
	Asked []P
	// Chosen is the external provider that people would be sent to; HasChosen says whether there is one.
	Chosen    P
	HasChosen bool
}

// Explain decides a login as a gateway does, and tells why. Rules that a gateway would not come to are evaluated too.
func Explain[P Candidate](ctx context.Context, candidates []P, s Settings, in rules.Input) Explanation[P] {
	var x Explanation[P]
	only, straight := Only(candidates, s)
	x.Chosen, x.HasChosen = only, straight
	consulted := s.IdentifierFirst || s.RulesOnLoginPage
	for _, p := range candidates {
		v := judge(ctx, p, &in)
		switch {
		case p.IsExternal() && straight:
			v.Taken, v.Reason, v.Err = true, OnlyExternal, nil
		case straight:
			v.Taken, v.Reason, v.Err = false, NotReached, nil
		case !p.IsExternal():
			if v.Taken {
				x.Asked = append(x.Asked, p)
			}
		case p.SelectionRule() == nil:
			v.Taken, v.Reason = false, OnlyButton
		case !consulted:
			v.Taken, v.Reason, v.Err = false, NotConsulted, nil
		case v.Taken && x.HasChosen:
			v.Taken, v.Reason = false, LaterInOrder
		case v.Taken:
			x.Chosen, x.HasChosen = p, true
		}
		x.Verdicts = append(x.Verdicts, v)
	}
	switch {
	case x.HasChosen:
		x.Outcome = Redirected
	case len(x.Asked) > 0:
		x.Outcome = Asked
	case len(Buttons(candidates)) > 0:
		x.Outcome = Offered
	default:
		x.Outcome = Refused
	}
	return x
}

// judge is what a provider's own rule says.
func judge[P Candidate](ctx context.Context, p P, in *rules.Input) Verdict[P] {
	v := Verdict[P]{Candidate: p, Reason: NoRule, Taken: true}
	if p.SelectionRule() == nil {
		return v
	}
	v.Taken = holds(ctx, p, in, func(_ P, err error) { v.Err = err })
	switch {
	case v.Err != nil:
		v.Reason = RuleFailed
	case v.Taken:
		v.Reason = RuleTrue
	default:
		v.Reason = RuleFalse
	}
	return v
}
