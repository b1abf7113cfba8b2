package access_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
)

// An expression that looks at entitlements again and again is over as soon as any other, and so is a rule that reports on many.
func TestAcceptance10LoopsOverEntitlementsEnd(t *testing.T) {
	app := anyOf(policy("b1", "loop"))
	for i := range 30 {
		attributes := map[string]any{}
		for j := range 300 {
			attributes[fmt.Sprintf("k%d", j)] = strings.Repeat("x", 30)
		}
		app.Entitlements = append(app.Entitlements, entitlement(fmt.Sprint("e", i), attributes, user("x", "ann")))
	}
	for i := range 10 {
		app.Bindings = append(app.Bindings, reportOnly(policy(fmt.Sprint("r", i), "loop")))
	}
	var other *access.Rule
	asked := 0
	for _, text := range []string{
		`lists.range(1000).all(i, lists.range(5).all(j, size(entitlementAttributes) > 0))`,
		`lists.range(1000).all(i, entitlements.exists(e, e.name == "e1"))`,
		`lists.range(1000).all(i, size(entitlementAttributesOf("self")) > 0 && entitlementsOf("self").exists(e, e.name == "e1"))`,
	} {
		other = access.Compile(app, policies(t, expression("loop", text)), access.WithNeighbours(func(string) *access.Rule { asked++; return other }))
		asked = 0
		began := time.Now()
		if d := other.Decide(t.Context(), person("ann"), situation()); d.Verdict != access.Allowed || len(d.Reports) != 10 {
			t.Errorf("%s: %v, %v", text, d.Verdict, d.Failures)
		}
		if took := time.Since(began); took > 20*time.Second { // without the bound on its cost it is minutes
			t.Errorf("%s took %v", text, took)
		}
		if asked > 1 {
			t.Errorf("%s asked about the other application %d times", text, asked)
		}
	}
}

// When the time for a decision is up, what has not begun does not begin.
func TestAcceptance10PoliciesDoNotBeginAfterTheDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := access.Compile(anyOf(policy("b1", "true")), common(t))
	d := r.Decide(ctx, person("ann"), situation())
	if d.Verdict != access.Denied || len(d.Failures) != 1 || !strings.Contains(d.Failures[0].Reason, "interrupted") {
		t.Errorf("%v, %v", d.Verdict, d.Failures)
	}
	tr := r.Trace(ctx, person("ann"), situation())
	if tr.Verdict != "denied" || !strings.Contains(tr.Bindings[0].Failed, "interrupted") {
		t.Errorf("%+v", tr)
	}
	if d := access.Compile(anyOf(user("b1", "ann")), nil).Decide(ctx, person("ann"), situation()); d.Verdict != access.Allowed {
		t.Errorf("users need no time: %v", d.Verdict)
	}
}
