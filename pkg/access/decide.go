package access

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
)

// Verdict is the answer to whether somebody may use an application.
type Verdict uint8

// The verdicts. The zero value refuses.
const (
	Denied Verdict = iota
	Allowed
	// StepUp refuses a sign-in that is not strong or fresh enough, and would allow one that is.
	StepUp
)

// String returns "denied", "allowed" or "stepUp".
func (v Verdict) String() string {
	switch v {
	case Allowed:
		return "allowed"
	case StepUp:
		return "stepUp"
	}
	return "denied"
}

// Decision is a verdict and what it rests on. Its slices are shared and must not be changed.
type Decision struct {
	Verdict Verdict
	// Messages are what the bindings that refuse say to the person, by language tag with "default", in order; what the
	// application says where they say nothing.
	Messages []map[string]string
	// Deciding are the identifiers of the bindings on which the verdict rests; none where the application is open, or where an
	// entitlement lets the person in.
	Deciding []string
	// Step is what the sign-in lacks, for StepUp alone.
	Step *Strength
	// Reports are what report-only bindings came to.
	Reports []Report
	// Failures are the bindings that could not be evaluated.
	Failures []Failure
}

// Report is what a report-only binding came to.
type Report struct {
	Binding string
	Passed  bool
	Failed  bool
	// Verdict is what the verdict would have been, had the binding decided, and Changed whether it is another one.
	Verdict Verdict
	Changed bool
}

// Failure is a binding that could not be evaluated.
type Failure struct {
	Binding, Policy string
	// Reason never holds a value that came with a request.
	Reason string
}

// truth is what is known of a condition. The order is that of a minimum for "and" and a maximum for "or".
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth { return yes - t }

// Decide says whether a person may use the application at a moment. It is over when it returns, at the latest when the
// context ends or the bindings' time is up. Without a person the answer is no.
//
// Decisions about users and groups take well below 5 µs for 20 bindings, and no allocation.
func (r *Rule) Decide(ctx context.Context, p *Person, s *Situation) Decision {
	if p == nil || p.ID == "" {
		return Decision{Verdict: Denied, Messages: r.fallback}
	}
	if r.Trivial() {
		return Decision{Verdict: Allowed}
	}
	d, input := r.decide(ctx, p, s, nil)
	for _, report := range r.reports {
		var then Decision
		then, input = report.enforced.decide(ctx, p, s, input)
		one := &evaluation{rule: r, ctx: ctx, person: p, situation: s, input: input}
		outcome := one.ask(report.binding)
		d.Reports = append(d.Reports, Report{
			Binding: report.binding.pb.GetId(),
			Passed:  outcome == yes != report.binding.deny,
			Failed:  len(one.failures) > 0,
			Verdict: then.Verdict,
			Changed: then.Verdict != d.Verdict,
		})
	}
	return d
}

// decide decides with what policies have read already, if they have, and returns it for the next decision about the same.
func (r *Rule) decide(ctx context.Context, p *Person, s *Situation, input *rules.Input) (Decision, *rules.Input) {
	e := evaluation{rule: r, ctx: ctx, person: p, situation: s, input: input}
	e.begin()
	verdict := e.settle()
	d := Decision{Failures: e.failures}
	if verdict == yes {
		d.Verdict = Allowed
		d.Deciding = e.letIn()
		return d, e.input
	}
	if step := e.stepUp(); step != nil {
		d.Verdict, d.Step = StepUp, step
	}
	d.Deciding, d.Messages = e.kept()
	if len(d.Messages) == 0 {
		d.Messages = r.fallback
	}
	d.Failures = e.failures
	return d, e.input
}

// evaluation is one decision under way.
type evaluation struct {
	rule      *Rule
	ctx       context.Context //nolint:containedctx // an evaluation lives for one call
	person    *Person
	situation *Situation
	partly    bool // what is unknown gives maybe, and not a failure

	// By binding.index: whether an allow binding passes, or a deny binding refuses. Rules of up to 32 bindings need no memory for
	// it; a slice of few would point into the evaluation itself, which would then have to live on the heap.
	few  [32]outcome
	many []outcome

	input    *rules.Input // made for the first policy
	failures []Failure
	notes    []note // of every evaluation, for traces alone
	tracing  bool
}

// outcome is what a binding came to, once it has been asked.
type outcome struct {
	is    truth
	asked bool
}

func (e *evaluation) outcome(i int) outcome {
	if e.many != nil {
		return e.many[i]
	}
	return e.few[i]
}

func (e *evaluation) set(i int, is truth, asked bool) {
	if e.many != nil {
		e.many[i] = outcome{is, asked}
		return
	}
	e.few[i] = outcome{is, asked}
}

func (e *evaluation) now() time.Time {
	if e.situation == nil {
		return time.Time{}
	}
	return e.situation.Time
}

// begin looks up users and groups. Policies are open then.
func (e *evaluation) begin() {
	if n := len(e.rule.enforced); n > len(e.few) {
		e.many = make([]outcome, n)
	}
	for i, b := range e.rule.enforced {
		if i < e.rule.policies {
			e.set(i, e.ask(b), true)
		} else {
			e.set(i, maybe, false)
		}
	}
}

// settle evaluates policies, in order, as long as they matter, and returns the verdict.
func (e *evaluation) settle() truth {
	verdict := e.verdict()
	for i := e.rule.policies; i < len(e.rule.enforced) && verdict == maybe; i++ {
		b := e.rule.enforced[i]
		if e.outcome(i).asked || e.side(b.deny) != maybe {
			continue
		}
		e.set(i, e.ask(b), true)
		verdict = e.verdict()
	}
	return verdict
}

func (e *evaluation) verdict() truth { return min(e.allows(), e.denies().not()) }

func (e *evaluation) side(deny bool) truth {
	if deny {
		return e.denies()
	}
	return e.allows()
}

func (e *evaluation) denies() truth {
	side := no
	for i, b := range e.rule.enforced {
		if b.deny {
			side = max(side, e.outcome(i).is)
		}
	}
	return side
}

func (e *evaluation) allows() truth {
	r := e.rule
	if r.open {
		return yes
	}
	side := no
	if len(r.allowIDs) > 0 {
		side = truthOf(r.all)
		for i, b := range r.enforced {
			switch {
			case b.deny:
			case r.all:
				side = min(side, e.outcome(i).is)
			default:
				side = max(side, e.outcome(i).is)
			}
		}
	}
	if side != yes && r.grants && r.holdsAny(e.person, e.now()) {
		return yes
	}
	return side
}

// ask evaluates one binding on its own: whether an allow binding passes, or a deny binding refuses.
func (e *evaluation) ask(b *binding) truth {
	if b.expired(e.now()) {
		return no
	}
	if b.kind == byStranger { // whether it is an orphan cannot be told either
		e.failures = append(e.failures, Failure{Binding: b.pb.GetId(), Reason: strange})
		return truthOf(b.deny)
	}
	if b.orphan {
		return no
	}
	if b.kind != byPolicy {
		return truthOf(b.names(e.person) != b.negate)
	}
	holds, failure := e.policy(b)
	if failure != "" {
		e.failures = append(e.failures, Failure{Binding: b.pb.GetId(), Policy: b.pb.GetPolicy(), Reason: failure})
		return truthOf(b.lenient != b.deny)
	}
	if b.negate {
		return holds.not()
	}
	return holds
}

// strange is why a binding of a later version cannot be evaluated.
const strange = "its condition or effect is not known to this version"

// policy evaluates the policy of a binding within the binding's time. A reason means that it could not be.
func (e *evaluation) policy(b *binding) (holds truth, failure string) {
	if b.policy == nil {
		return no, "the policy does not exist or cannot be used"
	}
	if e.input == nil {
		e.input = e.rule.input(e.person, e.situation)
	}
	ctx := e.ctx
	if ctx.Err() != nil { // what is not counted would not notice
		return no, "the evaluation was interrupted"
	}
	if e.partly || b.policy.rule.Counted() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.timeout)
		defer cancel()
	}
	var truth bool
	var depends []string
	var err error
	if e.partly {
		truth, depends, err = b.policy.rule.Partly(ctx, e.input)
	} else {
		truth, err = b.policy.rule.Holds(ctx, e.input)
	}
	if e.tracing {
		e.notes = append(e.notes, note{binding: b, holds: truth, depends: depends})
	}
	switch {
	case err != nil:
		return no, err.Error()
	case len(depends) > 0:
		return maybe, ""
	}
	return truthOf(truth), ""
}

// input is what policies read.
func (r *Rule) input(p *Person, s *Situation) *rules.Input {
	now := time.Time{}
	if s != nil {
		now = s.Time
	}
	return &rules.Input{Access: &rules.Access{
		User:   p.User,
		App:    r.app,
		Moment: s,
		Held:   func() rules.Holding { return holding(r.Held(p, now)) },
		Elsewhere: func(slug string) (rules.Holding, bool) {
			if r.neighbour == nil {
				return nil, false
			}
			other := r.neighbour(slug)
			if other == nil {
				return nil, false
			}
			return holding(other.Held(p, now)), true
		},
	}}
}

// letIn names the bindings on which a yes rests.
func (e *evaluation) letIn() []string {
	r := e.rule
	if r.open {
		return nil
	}
	if r.all {
		for i, b := range r.enforced {
			if !b.deny && e.outcome(i).is != yes {
				return nil // an entitlement
			}
		}
		return r.allowIDs
	}
	for _, b := range r.bindings {
		if e.decides(b) && !b.deny && e.outcomeOf(b) == yes {
			return b.id
		}
	}
	return nil
}

// kept names the bindings on which a no rests, and what they say.
func (e *evaluation) kept() (ids []string, says []map[string]string) {
	r := e.rule
	denied := e.denies() == yes
	if !denied && !r.all {
		return r.allowIDs, r.allowMessages
	}
	for _, b := range r.bindings {
		if !e.decides(b) || b.deny != denied || e.outcomeOf(b) != truthOf(denied) {
			continue
		}
		if ids == nil {
			ids, says = b.id, b.says
			continue
		}
		if len(ids) == 1 { // what was shared so far is copied
			ids, says = append([]string(nil), ids...), append([]map[string]string(nil), says...)
		}
		ids, says = append(ids, b.id...), append(says, b.says...)
	}
	return ids, says
}

// decides reports whether a binding takes part in verdicts of the rule.
func (e *evaluation) decides(b *binding) bool {
	return b.index < len(e.rule.enforced) && e.rule.enforced[b.index] == b
}

func (e *evaluation) outcomeOf(b *binding) truth { return e.outcome(b.index).is }

// stepUp returns what the sign-in lacks, if nothing else keeps the person out: the bindings of authentication strength that
// are not met, one where one is enough, taken together where all are needed.
func (e *evaluation) stepUp() *Strength {
	var unmet []*binding
	for i := e.rule.policies; i < len(e.rule.enforced); i++ {
		b := e.rule.enforced[i]
		if b.policy == nil || b.policy.strength == nil || b.orphan || b.expired(e.now()) || b.deny != b.negate {
			continue // a stronger sign-in would not help
		}
		holds, failure := e.policy(b)
		if holds == no && failure == "" {
			unmet = append(unmet, b)
		}
	}
	if len(unmet) == 0 {
		return nil
	}
	for _, b := range unmet {
		if e.cured(b) {
			return b.policy.strength
		}
	}
	if len(unmet) == 1 || !e.cured(unmet...) {
		return nil
	}
	needed := unmet[0].policy.strength
	for _, b := range unmet[1:] {
		needed = needed.and(b.policy.strength)
	}
	return needed
}

// cured reports whether the verdict would be yes were some bindings met.
func (e *evaluation) cured(met ...*binding) bool {
	then := evaluation{rule: e.rule, ctx: e.ctx, person: e.person, situation: e.situation, partly: e.partly, input: e.input}
	then.few, then.many = e.few, slices.Clone(e.many)
	for _, b := range met {
		then.set(b.index, truthOf(!b.deny), true)
	}
	return then.settle() == yes
}
