package access

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
)

// Trace is a decision with everything evaluated and explained, for operators.
type Trace struct {
	// Verdict is "allowed", "denied", "stepUp", or "depends" where it hangs on what is unknown of the situation.
	Verdict string `json:"verdict"`
	// Depends are the inputs it hangs on, such as "request.ip".
	Depends  []string `json:"depends,omitempty"`
	Open     bool     `json:"open"`
	Mode     string   `json:"mode"`
	Revision int64    `json:"revision"`
	// Deciding are the bindings on which the verdict rests.
	Deciding     []string            `json:"deciding,omitempty"`
	Messages     []map[string]string `json:"messages,omitempty"`
	Step         *Strength           `json:"step,omitempty"`
	Bindings     []BindingTrace      `json:"bindings"`
	Entitlements []string            `json:"entitlements"`
	// ByEntitlement is true where holding an entitlement lets the person in.
	ByEntitlement bool `json:"byEntitlement,omitempty"`
}

// BindingTrace is what one binding came to, in the order of the bindings.
type BindingTrace struct {
	ID     string `json:"id"`
	Order  int32  `json:"order"`
	Name   string `json:"name,omitempty"`
	Policy string `json:"policy,omitempty"`
	Group  string `json:"group,omitempty"`
	User   string `json:"user,omitempty"`
	Effect string `json:"effect"`
	Negate bool   `json:"negate,omitempty"`

	Disabled   bool `json:"disabled,omitempty"`
	ReportOnly bool `json:"reportOnly,omitempty"`
	Expired    bool `json:"expired,omitempty"`
	Orphaned   bool `json:"orphaned,omitempty"`

	// Condition is whether the policy holds, or the person is the user or in the group; absent where that is not known or was not asked.
	Condition *bool `json:"condition,omitempty"`
	// Passed is whether the binding lets the person through: an allow binding that is met, a deny binding that is not. Absent
	// where that hangs on what is unknown, and for disabled bindings.
	Passed *bool `json:"passed,omitempty"`
	// Failed is why the binding could not be evaluated; FailureResult is then its outcome.
	Failed        string `json:"failed,omitempty"`
	FailureResult *bool  `json:"failureResult,omitempty"`
	// Depends are the unknown inputs on which the condition hangs.
	Depends []string `json:"depends,omitempty"`
	// Via are the groups that make the person a member, as the person gives them.
	Via     []string          `json:"via,omitempty"`
	Because []Because         `json:"because,omitempty"`
	Message map[string]string `json:"message,omitempty"`
	Micros  int64             `json:"micros"`
}

// Because is a part of a policy's expression and what it came to.
type Because = rules.Part

// note is what the evaluation of a policy came to.
type note struct {
	binding *binding
	holds   bool
	depends []string
}

// Trace evaluates every binding and explains the verdict, which is that of Decide where the whole situation is known. Where a
// member of it is unknown the verdict may be "depends". Without a person the answer is no.
func (r *Rule) Trace(ctx context.Context, p *Person, s *Situation) *Trace {
	t := &Trace{Verdict: Denied.String(), Open: r.open, Mode: "any", Revision: r.revision, Entitlements: []string{}, Bindings: []BindingTrace{}}
	if r.all {
		t.Mode = "all"
	}
	if p == nil || p.ID == "" {
		t.Messages = r.fallback
		return t
	}
	if s == nil {
		s = &Situation{}
	}
	e := &evaluation{rule: r, ctx: ctx, person: p, situation: s, partly: true, tracing: true}
	e.begin()
	for _, b := range r.bindings {
		t.Bindings = append(t.Bindings, e.trace(b))
	}
	t.Entitlements = append(t.Entitlements, Names(r.Held(p, s.Time))...)
	switch e.settle() {
	case yes:
		t.Verdict = Allowed.String()
		t.Deciding = e.letIn()
		t.ByEntitlement = !r.open && len(t.Deciding) == 0
	case maybe:
		t.Verdict = string(Depends)
		t.Depends = e.depends()
	default:
		if t.Step = e.stepUp(); t.Step != nil {
			t.Verdict = StepUp.String()
		}
		t.Deciding, t.Messages = e.kept()
		if len(t.Messages) == 0 {
			t.Messages = r.fallback
		}
	}
	return t
}

// trace evaluates one binding and writes down what it came to.
func (e *evaluation) trace(b *binding) BindingTrace {
	pb := b.pb
	t := BindingTrace{
		ID: pb.GetId(), Order: pb.GetOrder(), Name: pb.GetName(), Policy: pb.GetPolicy(), Group: pb.GetGroup(), User: pb.GetUser(),
		Effect: "allow", Negate: b.negate, Disabled: !b.enabled, ReportOnly: b.reports, Orphaned: b.orphan,
		Expired: b.expired(e.now()), Message: b.message,
	}
	if b.deny {
		t.Effect = "deny"
	}
	if !b.enabled {
		return t
	}
	began := time.Now() // how long it took; nothing depends on it
	e.notes, e.failures = nil, nil
	outcome := e.ask(b)
	t.Micros = time.Since(began).Microseconds()
	if e.decides(b) {
		e.set(b.index, outcome, true)
	}
	if outcome != maybe {
		passed := (outcome == yes) != b.deny
		t.Passed = &passed
	}
	switch {
	case b.kind == byStranger:
		if len(e.failures) > 0 {
			t.Failed = e.failures[0].Reason
		}
	case len(e.failures) > 0:
		t.Failed, t.FailureResult = e.failures[0].Reason, &b.lenient
	case len(e.notes) > 0 && len(e.notes[0].depends) > 0:
		t.Depends = e.notes[0].depends
	case len(e.notes) > 0:
		t.Condition = &e.notes[0].holds
	case b.kind != byPolicy:
		met := b.names(e.person)
		t.Condition = &met
	}
	if b.kind == byPolicy && b.policy != nil && len(e.notes) > 0 {
		ctx, cancel := context.WithTimeout(e.ctx, b.timeout)
		t.Because = b.policy.rule.Because(ctx, e.input)
		cancel()
	}
	if b.kind == byGroup && *t.Condition && e.person.Via != nil {
		t.Via = e.person.Via(b.subject)
	}
	return t
}

// depends names the unknown inputs on which the verdict hangs: those of bindings whose outcome is open and could change it.
func (e *evaluation) depends() []string {
	var names []string
	for i := e.rule.policies; i < len(e.rule.enforced); i++ {
		b := e.rule.enforced[i]
		if e.outcome(i).is != maybe || e.side(b.deny) != maybe {
			continue
		}
		e.notes = nil
		e.ask(b)
		if len(e.notes) > 0 {
			names = append(names, e.notes[0].depends...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Standing is a verdict with the situation unknown.
type Standing string

// The three standings.
const (
	Yes     Standing = "yes"
	No      Standing = "no"
	Depends Standing = "depends"
)

// Standing says whether a person may use the application, whatever the situation. Bindings that have expired by now count as
// expired.
func (r *Rule) Standing(ctx context.Context, p *Person, now time.Time) Standing {
	if p == nil || p.ID == "" {
		return No
	}
	if r.Trivial() {
		return Yes
	}
	e := evaluation{rule: r, ctx: ctx, person: p, situation: &Situation{Time: now}, partly: true}
	e.begin()
	switch e.settle() {
	case yes:
		return Yes
	case maybe:
		return Depends
	}
	return No
}
