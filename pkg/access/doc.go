// Package access decides who may use an application. Gateways and management ask the same code: it is pure, reads no clock,
// no network and no store, and depends on three things only: the application with its bindings, what is known of a person, and
// what is true for the moment.
//
//	CompilePolicy(policy)               →  *Policy   what a policy comes to: one expression
//	Compile(application, policies)      →  *Rule     who may use the application
//	(*Rule).Decide(ctx, person, moment) →  Decision  allowed, denied, or allowed after a stronger sign-in
//	(*Rule).Trace(ctx, person, moment)  →  *Trace    the same with every binding evaluated and explained
//	(*Rule).Standing(ctx, person, now)  →  Standing  yes, no, or depends on the moment
//
// # The rule
//
// A binding is defined unless it is report-only. The verdict has two sides:
//
//	allow  no allow binding is defined: everybody passes, the application is open
//	       all of them are disabled: nobody passes
//	       mode any: one enabled binding passes; mode all: every enabled one does
//	       or: the application admits whoever holds an entitlement, and the person holds one
//	deny   an enabled, unexpired deny binding's condition holds: the person is refused, in either mode
//
// Every binding is evaluated on its own. An allow binding that has expired, or whose group or user is gone, passes nobody,
// also when it is negated. A binding that cannot be evaluated has its failureResult for an outcome, which is neither
// negated nor turned by its effect. The order of bindings is that of messages and of evaluation; it never changes a verdict.
//
// Users and groups are looked up first; policies are evaluated only while the verdict is open, each within its own time and
// within the cost limit of package rules, on the caller's goroutine: when a decision returns, nothing of it goes on.
//
// Rules and policies are immutable and safe for concurrent use.
package access
