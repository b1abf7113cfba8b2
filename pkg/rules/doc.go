// Package rules compiles and evaluates the expressions that people write into the configuration: selection rules,
// conditions of flows, claim values and parameters of redirect URIs.
//
// Expressions are CEL. Every [Place] that takes an expression has its own variables and its own type of result. What is
// wrong with an expression is found when it is compiled, with line and column: unknown names, unknown fields, wrong
// types, patterns that are no regular expressions, and expressions that could cost too much.
//
//	CompileRule(SelectionRule, text)  →  *Rule      →  Holds(ctx, input)
//	CompileTemplate(Claim, text)      →  *Template  →  Value(ctx, input)
//
// # Limits
//
// An expression has at most [MaxExpression] characters, a template at most [MaxTemplate] with at most [MaxFragments]
// expressions. The worst case of an expression is estimated when it is compiled, from the sizes in cost.go; the sizes of
// what comes with a request are enforced when an expression reads it. An expression that stays within the budget even
// then runs unobserved, at the bare speed of CEL. One that might not is counted while it runs and stopped at the budget
// or when its context ends; one that cannot stay within it, or is far beyond, is refused.
//
// Compiled rules and templates are immutable and safe for concurrent use.
package rules
