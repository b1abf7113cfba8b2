package access

import (
	"errors"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Policy is a compiled policy. Every type comes to one expression.
type Policy struct {
	id, name   string
	expression string
	rule       *rules.Rule
	message    map[string]string
	strength   *Strength // of the type authentication-strength
}

// CompilePolicy compiles a policy. An error is a [*fault.Error] of kind Invalid that names every fault by its path, below
// "configuration" as in "configuration.ranges[0]", with line and column where it is a fault of an expression.
func CompilePolicy(pb *configv1.Policy) (*Policy, error) {
	text, err := Expression(pb)
	if err != nil {
		return nil, err
	}
	rule, err := rules.CompileRule(rules.AccessPolicy, text)
	if err != nil {
		detail := fault.Detail{Path: "configuration", Detail: err.Error()}
		var failed *rules.Error
		if pb.GetByExpression() != nil && errors.As(err, &failed) {
			detail = fault.Detail{
				Path: "configuration.expression", Detail: failed.Detail + caret(text, failed), Line: failed.Line, Column: failed.Column,
			}
		}
		return nil, fault.Invalidf("The policy is not valid").With(detail)
	}
	p := &Policy{id: pb.GetId(), name: pb.GetName(), expression: text, rule: rule, message: pb.GetMessage()}
	if c := pb.GetAuthenticationStrength(); c != nil {
		p.strength = newStrength(c)
	}
	return p, nil
}

// caret shows the line of a fault, and where in it.
func caret(text string, e *rules.Error) string {
	lines := strings.Split(text, "\n")
	if e.Line < 1 || e.Line > len(lines) || e.Column < 1 {
		return ""
	}
	line := []rune(strings.ReplaceAll(lines[e.Line-1], "\t", " "))
	const widest = 120
	from := max(0, e.Column-1-widest/2)
	to := min(len(line), from+widest)
	if from > to {
		return ""
	}
	return "\n" + string(line[from:to]) + "\n" + strings.Repeat(" ", e.Column-1-from) + "^"
}

// Expression returns the CEL expression that the policy comes to.
func (p *Policy) Expression() string { return p.expression }

// Cost returns how much the policy may cost, and the limit at which it is stopped.
func (p *Policy) Cost() (most, limit uint64) { return p.rule.Cost() }

// Inputs returns what the policy reads, such as "user.groups" and "request.ip", sorted.
func (p *Policy) Inputs() []string { return p.rule.Inputs() }

// Slugs returns the other applications whose entitlements the policy asks for.
func (p *Policy) Slugs() []string { return p.rule.Slugs() }

// Situational reports whether the policy depends on the moment.
func (p *Policy) Situational() bool {
	for _, name := range p.Inputs() {
		root, _, _ := strings.Cut(name, ".")
		if root == "request" || root == "auth" || root == "now" {
			return true
		}
	}
	return false
}

// NeedsPlaces reports whether the policy needs a database of addresses.
func (p *Policy) NeedsPlaces() bool {
	for _, name := range p.Inputs() {
		switch name {
		case "request.country", "request.continent", "request.asn", "request":
			return true
		}
	}
	return false
}
