package access_test

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// A binding of a later version is one that this one cannot read: it has none of the conditions that are known, or another effect.
func TestABindingOfALaterVersionLetsNobodyIn(t *testing.T) {
	unread := func() *configv1.Binding { return &configv1.Binding{Id: "later", FailureResult: true} }
	effect := func(b *configv1.Binding) *configv1.Binding { b.Effect = 17; return b }
	marked := func(b *configv1.Binding) *configv1.Binding { b.Orphaned = true; return b }
	for name, app := range map[string]*configv1.Application{
		"an allow binding":                          anyOf(unread()),
		"an allow binding that is negated":          anyOf(negate(unread())),
		"an allow binding of all":                   allOf(user("b1", "ann"), unread()),
		"an allow binding that is disabled":         anyOf(disabled(unread())),
		"a deny binding":                            anyOf(user("b1", "ann"), deny(unread())),
		"a deny binding of an open application":     anyOf(deny(unread())),
		"a deny binding that is negated":            anyOf(user("b1", "ann"), deny(negate(unread()))),
		"a deny binding that is marked":             anyOf(user("b1", "ann"), marked(deny(unread()))),
		"another effect":                            anyOf(user("b1", "ann"), effect(user("b2", "bob"))),
		"another effect, of a policy":               anyOf(user("b1", "ann"), effect(policy("b2", "false"))),
		"another effect, alone":                     anyOf(effect(user("b2", "ann"))),
		"another effect, alone and disabled":        anyOf(disabled(effect(user("b2", "ann")))),
		"another effect of an unknown condition":    anyOf(user("b1", "ann"), effect(unread())),
		"another effect, of a group marked as gone": anyOf(user("b1", "ann"), marked(effect(group("b2", "gone")))),
	} {
		r := access.Compile(app, common(t))
		d := r.Decide(t.Context(), person("ann"), situation())
		if d.Verdict != access.Denied || r.Trivial() {
			t.Errorf("%s: %v, open %v", name, d.Verdict, r.Open())
		}
		if s := r.Standing(t.Context(), person("ann"), noon); s != access.No {
			t.Errorf("%s: standing %v", name, s)
		}
		tr := r.Trace(t.Context(), person("ann"), situation())
		last := tr.Bindings[len(tr.Bindings)-1]
		if tr.Verdict != "denied" || !last.Disabled && last.Failed == "" {
			t.Errorf("%s: the trace says %+v", name, last)
		}
	}
	app := anyOf()
	app.Access = &configv1.ApplicationAccess{EntitlementsGrant: true}
	app.Entitlements = []*configv1.Entitlement{entitlement("e", nil, unread()), entitlement("f", nil, negate(unread())), entitlement("g", nil, effect(user("b", "ann")))}
	if d := access.Compile(app, nil).Decide(t.Context(), person("ann"), situation()); d.Verdict != access.Denied {
		t.Errorf("entitlements: %v", d.Verdict)
	}
	if d := access.Compile(anyOf(reportOnly(deny(unread()))), nil).Decide(t.Context(), person("ann"), situation()); d.Verdict != access.Allowed || !d.Reports[0].Changed {
		t.Errorf("report-only: %+v", d)
	}
}
