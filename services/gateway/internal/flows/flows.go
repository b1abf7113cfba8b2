package flows

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Point is where flows run.
type Point = configv1.Flow_Type

// The points.
const (
	Root       = configv1.Flow_ROOT
	Identifier = configv1.Flow_LOGIN_IDENTIFIER
	Login      = configv1.Flow_LOGIN
	Consent    = configv1.Flow_CONSENT
	Register   = configv1.Flow_REGISTER
	Token      = configv1.Flow_TOKEN

	points = int(Token) + 1
)

// Phase is before or after what happens at a point.
type Phase uint8

// The phases.
const (
	Pre Phase = iota
	Post
	phases
)

// String returns the phase as the configuration spells it.
func (p Phase) String() string { return [...]string{"pre", "post"}[p] }

// Flow is one flow, compiled.
type Flow struct {
	id        string
	revision  int64
	point     Point
	order     int32
	condition *rules.Rule
	steps     [phases][]step
	// err says why it cannot be used.
	err error
}

// step is one step of a flow.
type step struct {
	name      string
	condition *rules.Rule
	action    action
}

// Compile makes a flow of its configuration. Without a flow there is nothing to run: it is disabled, or does nothing. With an error there
// is a flow all the same, which makes its point fail.
func Compile(message *configv1.Flow) (*Flow, error) {
	if message.Enabled != nil && !message.GetEnabled() {
		return nil, nil
	}
	f := &Flow{id: message.GetId(), revision: message.GetRevision(), point: message.GetType(), order: message.GetOrder()}
	f.err = f.compile(message)
	if f.err == nil && len(f.steps[Pre])+len(f.steps[Post]) == 0 {
		return nil, nil
	}
	return f, f.err
}

func (f *Flow) compile(message *configv1.Flow) (err error) {
	if f.point <= 0 || int(f.point) >= points {
		return fmt.Errorf("the type %s is not known to this gateway", f.point)
	}
	if f.condition, err = rules.CompileRule(rules.FlowCondition, message.GetCondition()); err != nil {
		return fmt.Errorf("condition: %w", err)
	}
	for phase, list := range [phases][]*configv1.FlowStep{Pre: message.GetPre(), Post: message.GetPost()} {
		for i, s := range list {
			if s.Enabled != nil && !s.GetEnabled() {
				continue
			}
			made, err := compileStep(s)
			if err != nil {
				return fmt.Errorf("%s[%d] %q: %w", Phase(phase), i, s.GetName(), err)
			}
			f.steps[phase] = append(f.steps[phase], made)
		}
	}
	return nil
}

// Set is what runs for one client. A nil Set is that of a client without flows. It is safe for concurrent use because nothing in it
// changes.
type Set struct {
	points [points]atPoint
	logins bool
}

type atPoint struct {
	flows [phases][]*Flow
	// err says why the point fails whatever its other flows say.
	err error
	// stamp names the flows of the point in their present state.
	stamp string
}

// ErrUnusable means that a flow cannot be used as configured, so that nobody passes its point.
var ErrUnusable = errors.New("a flow cannot be used as configured")

// Combine returns what runs where flows of several levels count: those of the first level before those of the second, within one by their
// order. It returns nil if there is none.
func Combine(levels ...[]*Flow) *Set {
	var set *Set
	for _, level := range levels {
		for _, f := range slices.SortedFunc(slices.Values(level), inOrder) {
			if set == nil {
				set = &Set{}
			}
			set.add(f)
		}
	}
	return set
}

func inOrder(a, b *Flow) int {
	return cmp.Or(cmp.Compare(a.order, b.order), strings.Compare(a.id, b.id))
}

func (s *Set) add(f *Flow) {
	s.logins = s.logins || f.point != Token
	if f.err != nil && (f.point <= 0 || int(f.point) >= points) {
		for i := range s.points { // nobody knows where it should have run
			s.points[i].fail(f)
		}
		s.logins = true
		return
	}
	at := &s.points[f.point]
	at.stamp += f.id + "@" + strconv.FormatInt(f.revision, 10) + " "
	if f.err != nil {
		at.fail(f)
		return
	}
	for phase := range f.steps {
		if len(f.steps[phase]) > 0 {
			at.flows[phase] = append(at.flows[phase], f)
		}
	}
}

func (p *atPoint) fail(f *Flow) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: flow %q: %w", ErrUnusable, f.id, f.err)
	}
}

// InLogins reports whether anything runs at a point of logins, so that there may be attributes.
func (s *Set) InLogins() bool { return s != nil && s.logins }

// Tokens reports whether anything runs where tokens are made.
func (s *Set) Tokens() bool { return s != nil && (s.Has(Token, Pre) || s.Has(Token, Post)) }

// Has reports whether anything runs in a phase of a point.
func (s *Set) Has(at Point, phase Phase) bool {
	return s != nil && (len(s.points[at].flows[phase]) > 0 || s.points[at].err != nil)
}

// Stamp names the flows of a point in their present state; it changes with every change of one of them.
func (s *Set) Stamp(at Point) string {
	if s == nil {
		return ""
	}
	return s.points[at].stamp
}
