// Package selection decides which identity providers take part in a login.
//
// The decision depends on an application's providers in order of priority, on their selection rules and on the settings
// of the login, and on nothing else. It performs no I/O. A rule that fails to evaluate counts as false.
//
// Gateways decide with [Internal], [AtIdentifier] and [AtLoginPage]; [Explain] tells administrators what those would
// decide, and why.
package selection

import (
	"context"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
)

// Candidate is an identity provider in its place at an application.
type Candidate interface {
	// IsExternal reports whether it sends people to another site.
	IsExternal() bool
	// SelectionRule returns its rule, nil if there is none.
	SelectionRule() *rules.Rule
	// RuleFields returns the provider as rules see it.
	RuleFields() *rules.IdentityProvider
}

// Order returns candidates in ascending priority, equal ones in the given order. Negative means unset: such candidates
// come after all others, in the given order.
func Order[P any](list []P, priority func(P) int32) []P {
	rank := func(p P) int64 {
		if n := priority(p); n >= 0 {
			return int64(n)
		}
		return 1 << 40
	}
	ordered := slices.Clone(list)
	slices.SortStableFunc(ordered, func(a, b P) int {
		switch ra, rb := rank(a), rank(b); {
		case ra < rb:
			return -1
		case ra > rb:
			return 1
		}
		return 0
	})
	return ordered
}

// Internal returns the internal providers that are asked for a password, in order: those whose rule is blank or holds.
// They are all tried until one accepts. Failed is told of rules that could not be evaluated.
func Internal[P Candidate](ctx context.Context, candidates []P, in rules.Input, failed func(P, error)) []P {
	var chosen []P
	for _, p := range candidates {
		if !p.IsExternal() && (p.SelectionRule() == nil || holds(ctx, p, &in, failed)) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// AtIdentifier returns the external provider that rules choose once the name is known: the first whose rule is not blank
// and holds.
func AtIdentifier[P Candidate](ctx context.Context, candidates []P, in rules.Input, failed func(P, error)) (chosen P, ok bool) {
	for _, p := range candidates {
		if p.IsExternal() && p.SelectionRule() != nil && holds(ctx, p, &in, failed) {
			return p, true
		}
	}
	return chosen, false
}

// AtLoginPage returns the external provider to which the login page leads at once: the only one where the form is
// hidden, whatever its rule, or else the one that rules choose, where the settings have them looked at there.
func AtLoginPage[P Candidate](ctx context.Context, candidates []P, s Settings, in rules.Input, failed func(P, error)) (chosen P, ok bool) {
	if only, ok := Only(candidates, s); ok {
		return only, true
	}
	if s.RulesOnLoginPage {
		return AtIdentifier(ctx, candidates, in, failed)
	}
	return chosen, false
}

// Only returns the only external provider where the form is hidden.
func Only[P Candidate](candidates []P, s Settings) (only P, ok bool) {
	if buttons := Buttons(candidates); s.HideForm && len(buttons) == 1 {
		return buttons[0], true
	}
	return only, false
}

// Buttons returns the external providers that the login page offers: all of them, in order, whatever their rules.
func Buttons[P Candidate](candidates []P) []P {
	var buttons []P
	for _, p := range candidates {
		if p.IsExternal() {
			buttons = append(buttons, p)
		}
	}
	return buttons
}

// HasInternal reports whether any provider checks passwords itself.
func HasInternal[P Candidate](candidates []P) bool {
	return slices.ContainsFunc(candidates, func(p P) bool { return !p.IsExternal() })
}

func holds[P Candidate](ctx context.Context, p P, in *rules.Input, failed func(P, error)) bool {
	in.IdentityProvider = p.RuleFields()
	ok, err := p.SelectionRule().Holds(ctx, in)
	if err != nil {
		failed(p, err)
		return false
	}
	return ok
}
