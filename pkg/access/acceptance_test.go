package access_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// A deny binding on a group that is deleted refuses nobody any more: that is whom the deletion counts and waits for.
func TestAcceptance05AnOrphanedDenyBindingLetsThosePeopleIn(t *testing.T) {
	app := anyOf(user("b1", "ann"), deny(group("b2", "suspended")))
	ann := person("ann", "suspended")
	gone := access.WithSubjects(func(id string) bool { return id != "suspended" }, nil)
	before, after := access.Compile(app, nil), access.Compile(app, nil, gone)
	if a, b := before.Standing(t.Context(), ann, noon), after.Standing(t.Context(), ann, noon); a != access.No || b != access.Yes {
		t.Errorf("before %v, after %v", a, b)
	}
	app.Bindings[1].Orphaned = true
	if got := access.Compile(app, nil).Standing(t.Context(), ann, noon); got != access.Yes {
		t.Errorf("marked: %v", got)
	}
}

func TestAnOrphanedAllowBindingPassesNobodyAlsoWhenNegated(t *testing.T) {
	for _, b := range []*configv1.Binding{group("b1", "gone"), negate(group("b1", "gone")), user("b1", "gone"), negate(user("b1", "gone"))} {
		b.Orphaned = true
		for _, app := range []*configv1.Application{anyOf(b), allOf(b)} {
			r := access.Compile(app, nil)
			if got := r.Decide(t.Context(), person("gone", "gone"), situation()).Verdict; got != access.Denied || r.Open() {
				t.Errorf("%v: %v", b, got)
			}
		}
		b.Orphaned = false
		nobody := func(string) bool { return false }
		if got := access.Compile(anyOf(b), nil, access.WithSubjects(nobody, nobody)).Decide(t.Context(), person("ann"), situation()); got.Verdict != access.Denied {
			t.Errorf("%v of no known subject: %v", b, got.Verdict)
		}
	}
}

func TestAcceptance09AFailingPolicyHasItsFailureResultNeitherNegatedNorTurned(t *testing.T) {
	for _, which := range []string{"broken", "missing", "france"} {
		for i := range 8 {
			refuses, negated, lenient := i&1 > 0, i&2 > 0, i&4 > 0
			b := policy("b2", which)
			b.FailureResult, b.Negate = lenient, negated
			app := anyOf(b)
			if refuses {
				app = anyOf(user("b1", "ann"), deny(b))
			}
			want := access.Denied
			if lenient {
				want = access.Allowed
			}
			d := access.Compile(app, common(t)).Decide(t.Context(), person("ann"), situation())
			if d.Verdict != want {
				t.Errorf("%s, deny %v, negate %v, failureResult %v: %v", which, refuses, negated, lenient, d.Verdict)
			}
			if len(d.Failures) != 1 || d.Failures[0].Binding != "b2" || d.Failures[0].Reason == "" {
				t.Errorf("%s: failures %v", which, d.Failures)
			}
			full := situation()
			full.Known = access.KnowsAll
			tr := access.Compile(app, common(t)).Trace(t.Context(), person("ann"), full)
			last := tr.Bindings[len(tr.Bindings)-1]
			if tr.Verdict != want.String() || last.Failed == "" || *last.FailureResult != lenient {
				t.Errorf("%s: the trace says %+v", which, last)
			}
		}
	}
}

// endless is far beyond the cost limit for people in many groups, and not refused when it is compiled.
const endless = `user.groups.all(a, user.groups.all(b, a + b != "x"))`

func TestAcceptance10AnEndlessExpressionEndsAndItsGoroutineIsGone(t *testing.T) {
	var groups []string
	for i := range 4000 {
		groups = append(groups, fmt.Sprintf("group-%d", i))
	}
	ann := person("ann", groups...)
	binding := policy("b1", "endless")
	binding.TimeoutSeconds = 60 // a tenth of a second is enough, but not for the race detector
	r := access.Compile(anyOf(binding), policies(t, expression("endless", endless)))
	before := runtime.NumGoroutine()

	began := time.Now()
	d := r.Decide(t.Context(), ann, situation())
	if d.Verdict != access.Denied || len(d.Failures) != 1 || !strings.Contains(d.Failures[0].Reason, "costs more than") {
		t.Errorf("the cost limit: %v, %v", d.Verdict, d.Failures)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d = r.Decide(ctx, ann, situation())
	if d.Verdict != access.Denied || len(d.Failures) != 1 || !strings.Contains(d.Failures[0].Reason, "interrupted") {
		t.Errorf("the deadline: %v, %v", d.Verdict, d.Failures)
	}
	if took := time.Since(began); took > 60*time.Second {
		t.Errorf("two evaluations took %v", took)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

func TestAcceptance10TheDeadlineIsThatOfTheBindingAndTheOthersAreEvaluated(t *testing.T) {
	short := policy("b1", "loop")
	short.TimeoutSeconds = 7
	r := access.Compile(anyOf(short, policy("b2", "loop"), policy("b3", "true")), policies(t, expression("loop", `user.groups.all(a, user.groups.all(b, a + b != "x"))`), expression("true", "true")))
	if got := fmt.Sprint(r.Deadlines()); got != "[7s 5s 5s]" {
		t.Errorf("deadlines: %s", got)
	}
	var groups []string
	for i := range 100 {
		groups = append(groups, fmt.Sprintf("group-%d", i))
	}
	ann := person("ann", groups...)
	if d := r.Decide(t.Context(), ann, situation()); d.Verdict != access.Allowed || len(d.Failures) != 0 {
		t.Errorf("in time: %v %v", d.Verdict, d.Failures)
	}
	r.Hurry(time.Nanosecond)
	d := r.Decide(t.Context(), ann, situation())
	if d.Verdict != access.Allowed || len(d.Failures) != 2 || !strings.Contains(d.Failures[0].Reason, "interrupted") {
		t.Errorf("two run out of their time, the third passes: %v %v", d.Verdict, d.Failures)
	}
}

func TestAcceptance13AnExpiredAllowBindingStopsPassingAtItsTime(t *testing.T) {
	for _, b := range []*configv1.Binding{until(user("b1", "ann"), noon), until(negate(user("b1", "bob")), noon), until(policy("b1", "true"), noon)} {
		r := access.Compile(anyOf(b), common(t))
		s := situation()
		s.Time = noon.Add(-time.Millisecond)
		if got := r.Decide(t.Context(), person("ann"), s).Verdict; got != access.Allowed {
			t.Errorf("before: %v", got)
		}
		s.Time = noon
		if got := r.Decide(t.Context(), person("ann"), s).Verdict; got != access.Denied || r.Open() {
			t.Errorf("at its time: %v", got)
		}
	}
	r := access.Compile(anyOf(user("b1", "ann"), until(deny(user("b2", "ann")), noon)), nil)
	if got := r.Decide(t.Context(), person("ann"), situation()).Verdict; got != access.Allowed {
		t.Errorf("an expired deny binding: %v", got)
	}
	if got := r.Decide(t.Context(), person("ann"), &access.Situation{}).Verdict; got != access.Denied {
		t.Errorf("a deny binding at an unknown time: %v", got)
	}
}

func TestAcceptance15AStrengthPolicyLeadsToStepUpOnlyWhereThatHelps(t *testing.T) {
	ann := person("ann", "ops")
	for name, tt := range map[string]struct {
		app  *configv1.Application
		want access.Verdict
		step *access.Strength
	}{
		"the only way in":           {anyOf(policy("b1", "strong")), access.StepUp, &access.Strength{AMR: []string{"otp"}}},
		"needed beside a group":     {allOf(group("b1", "ops"), policy("b2", "strong")), access.StepUp, &access.Strength{AMR: []string{"otp"}}},
		"the group lacks too":       {allOf(group("b1", "other"), policy("b2", "strong")), access.Denied, nil},
		"the network lacks too":     {allOf(policy("b1", "strong"), policy("b2", "office")), access.Denied, nil},
		"another way in":            {anyOf(group("b1", "ops"), policy("b2", "strong")), access.Allowed, nil},
		"one is enough":             {anyOf(policy("b1", "fresh"), policy("b2", "strong")), access.StepUp, &access.Strength{MaxAge: 5 * time.Minute, MaxAgeSeconds: 300}},
		"both are needed":           {allOf(policy("b1", "fresh"), policy("b2", "strong")), access.StepUp, &access.Strength{AMR: []string{"otp"}, MaxAge: 5 * time.Minute, MaxAgeSeconds: 300}},
		"the weak are refused":      {anyOf(group("b1", "ops"), deny(negate(policy("b2", "strong")))), access.StepUp, &access.Strength{AMR: []string{"otp"}}},
		"refused anyway":            {anyOf(policy("b1", "strong"), deny(group("b2", "ops"))), access.Denied, nil},
		"only the weak get in":      {allOf(negate(policy("b1", "strong")), group("b2", "other")), access.Denied, nil},
		"disabled":                  {anyOf(disabled(policy("b1", "strong"))), access.Denied, nil},
		"report-only is no way in":  {anyOf(group("b1", "other"), reportOnly(policy("b2", "strong"))), access.Denied, nil},
		"expired":                   {anyOf(until(policy("b1", "strong"), noon)), access.Denied, nil},
		"strong beside a true rule": {allOf(policy("b1", "true"), policy("b2", "strong")), access.StepUp, &access.Strength{AMR: []string{"otp"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := access.Compile(tt.app, common(t))
			s := situation()
			s.IP = netip.MustParseAddr("192.0.2.1")
			d := r.Decide(t.Context(), ann, s)
			if d.Verdict != tt.want || !cmp.Equal(d.Step, tt.step) {
				t.Errorf("%v, %+v; want %v, %+v", d.Verdict, d.Step, tt.want, tt.step)
			}
			if got := r.Trace(t.Context(), ann, s).Verdict; got != tt.want.String() {
				t.Errorf("the trace says %s", got)
			}
			if d.Step == nil {
				return
			}
			s.AMR, s.AuthTime = d.Step.AMR, noon
			if got := r.Decide(t.Context(), ann, s).Verdict; got != access.Allowed {
				t.Errorf("after the step: %v", got)
			}
		})
	}
}

func TestAcceptance16ATimeWindowAcrossMidnightAndADaylightSavingChange(t *testing.T) {
	window := func(c *configv1.TimeWindowPolicy) func(at string) bool {
		p := policies(t, &configv1.Policy{Id: "w", Config: &configv1.Policy_TimeWindow{TimeWindow: c}})
		r := access.Compile(anyOf(policy("b1", "w")), p)
		return func(at string) bool {
			when, err := time.Parse(time.RFC3339, at)
			if err != nil {
				t.Fatal(err)
			}
			s := situation()
			s.Time = when
			return r.Decide(t.Context(), person("ann"), s).Verdict == access.Allowed
		}
	}
	night := window(&configv1.TimeWindowPolicy{TimeZone: "Europe/Berlin", ExceptDates: []string{"2026-12-24"},
		Windows: []*configv1.TimeWindow{{Days: []string{"thu", "fri"}, From: "22:00", To: "02:00"}}})
	early := window(&configv1.TimeWindowPolicy{TimeZone: "Europe/Berlin",
		Windows: []*configv1.TimeWindow{{Days: []string{"sun"}, From: "02:30", To: "03:30"}}})
	whole := window(&configv1.TimeWindowPolicy{TimeZone: "America/New_York",
		Windows: []*configv1.TimeWindow{{Days: []string{"wed"}, From: "00:00", To: "24:00"}}})
	for _, tt := range []struct {
		what  string
		holds func(string) bool
		at    string
		want  bool
	}{
		{"Friday evening", night, "2026-11-27T22:00:00+01:00", true},
		{"the night to Saturday belongs to Friday", night, "2026-11-28T01:59:59+01:00", true},
		{"the end is not in it", night, "2026-11-28T02:00:00+01:00", false},
		{"Saturday evening", night, "2026-11-28T23:00:00+01:00", false},
		{"the night to Thursday belongs to Wednesday", night, "2026-11-26T01:00:00+01:00", false},
		{"an excepted evening", night, "2026-12-24T23:00:00+01:00", false},
		{"its night goes with it", night, "2026-12-25T01:00:00+01:00", false},
		{"the next evening does not", night, "2026-12-25T23:00:00+01:00", true},
		{"clocks go forward: before the gap", early, "2026-03-29T01:59:59+01:00", false},
		{"clocks go forward: 3 o'clock follows 2", early, "2026-03-29T03:00:00+02:00", true},
		{"clocks go forward: the end", early, "2026-03-29T03:30:00+02:00", false},
		{"clocks go back: 2:45 the first time", early, "2026-10-25T02:45:00+02:00", true},
		{"clocks go back: 2:15 the second time", early, "2026-10-25T02:15:00+01:00", false},
		{"clocks go back: 2:45 the second time", early, "2026-10-25T02:45:00+01:00", true},
		{"a whole day begins", whole, "2026-11-25T00:00:00-05:00", true},
		{"a whole day ends", whole, "2026-11-25T23:59:59-05:00", true},
		{"the next one", whole, "2026-11-26T00:00:00-05:00", false},
	} {
		if got := tt.holds(tt.at); got != tt.want {
			t.Errorf("%s (%s): %v", tt.what, tt.at, got)
		}
	}
}

func TestAcceptance17AGeoPolicyWithoutADatabaseFails(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		b := policy("b1", "france")
		b.FailureResult = lenient
		r := access.Compile(anyOf(b), common(t))
		s := situation()
		s.IP = netip.MustParseAddr("192.0.2.1")
		d := r.Decide(t.Context(), person("ann"), s)
		if (d.Verdict == access.Allowed) != lenient || len(d.Failures) != 1 || d.Failures[0].Reason == "" {
			t.Errorf("without a database, failureResult %v: %v %v", lenient, d.Verdict, d.Failures)
		}
		s.Known = access.KnowsAll // a database that does not know the address
		d = r.Decide(t.Context(), person("ann"), s)
		if (d.Verdict == access.Allowed) != lenient || !strings.Contains(d.Failures[0].Reason, "no known place") {
			t.Errorf("of no known place, failureResult %v: %v %v", lenient, d.Verdict, d.Failures)
		}
		s.Country = "FR"
		if d = r.Decide(t.Context(), person("ann"), s); d.Verdict != access.Allowed || len(d.Failures) != 0 {
			t.Errorf("in France: %v", d)
		}
		if s.Country = "DE"; r.Decide(t.Context(), person("ann"), s).Verdict != access.Denied {
			t.Error("in Germany people get in")
		}
	}
	if !common(t)("france").NeedsPlaces() || common(t)("office").NeedsPlaces() {
		t.Error("the wrong policies need a database")
	}
}

func entitlement(name string, attributes map[string]any, bindings ...*configv1.Binding) *configv1.Entitlement {
	s, err := structpb.NewStruct(attributes)
	if err != nil {
		panic(err)
	}
	return &configv1.Entitlement{Id: "e-" + name, Name: name, Attributes: s, Bindings: bindings}
}

func TestAcceptance38AnUnboundEntitlementIsHeldByNobodyAndTwoGroupsGiveOneName(t *testing.T) {
	app := anyOf()
	app.Entitlements = []*configv1.Entitlement{
		entitlement("viewer", nil),
		entitlement("editor", nil, group("e1", "ops"), group("e2", "sales")),
		entitlement("approver", nil, user("e3", "ann"), disabled(group("e4", "sales"))),
		entitlement("guest", nil, negate(group("e5", "ops"))),
		entitlement("past", nil, until(group("e6", "ops"), noon)),
		entitlement("lost", nil, &configv1.Binding{Id: "e7", Group: "gone", Negate: true, Orphaned: true}),
	}
	r := access.Compile(app, nil)
	for _, tt := range []struct {
		p    *access.Person
		want []string
	}{
		{person("ann", "ops", "sales"), []string{"approver", "editor"}},
		{person("bob", "sales"), []string{"editor", "guest"}},
		{person("eve"), []string{"guest"}},
		{nil, []string{}},
	} {
		if got := access.Names(r.Held(tt.p, noon)); !slices.Equal(got, tt.want) {
			t.Errorf("%v holds %v, want %v", tt.p, got, tt.want)
		}
	}
	if r.Trivial() {
		t.Error("there is nothing to ask about entitlements")
	}
}

func TestAcceptance39AttributesMergeInTheOrderOfNames(t *testing.T) {
	held := []*configv1.Entitlement{
		entitlement("z-last", map[string]any{"limit": 5, "roles": []any{"c", "a"}, "ui": map[string]any{"theme": "dark"}, "kind": "text"}),
		entitlement("a-first", map[string]any{"limit": 1, "roles": []any{"a", "b"}, "ui": map[string]any{"theme": "light", "size": 3,
			"deep": map[string]any{"x": true}}, "kind": map[string]any{"n": 1}}),
		entitlement("m-middle", map[string]any{"ui": map[string]any{"deep": map[string]any{"y": false}}, "roles": []any{map[string]any{"k": 1}, map[string]any{"k": 1}}}),
	}
	want := map[string]any{
		"limit": 5.0, "kind": "text", "roles": []any{"a", "b", map[string]any{"k": 1.0}, "c"},
		"ui": map[string]any{"theme": "dark", "size": 3.0, "deep": map[string]any{"x": true, "y": false}},
	}
	if diff := cmp.Diff(want, access.Attributes(held)); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if got := access.Attributes(nil); got == nil || len(got) != 0 {
		t.Errorf("nobody's attributes are %v", got)
	}
}

func TestAnEntitlementGrantsAccess(t *testing.T) {
	app := anyOf()
	app.Access.EntitlementsGrant = true
	app.Entitlements = []*configv1.Entitlement{entitlement("editor", nil, group("e1", "ops"))}
	for _, tt := range []struct {
		what string
		app  *configv1.Application
		p    *access.Person
		want access.Verdict
	}{
		{"a holder", app, person("ann", "ops"), access.Allowed},
		{"anybody else, although there is no binding", app, person("bob"), access.Denied},
	} {
		r := access.Compile(tt.app, nil)
		if got := r.Decide(t.Context(), tt.p, situation()).Verdict; got != tt.want || r.Open() {
			t.Errorf("%s: %v", tt.what, got)
		}
	}
	for _, b := range [][]*configv1.Binding{{group("b1", "other")}, {disabled(group("b1", "other"))}} {
		app.Bindings = b
		if got := decide(t, app, person("ann", "ops")); got != access.Allowed {
			t.Errorf("a holder beside %v: %v", b, got)
		}
	}
	app.Bindings = []*configv1.Binding{deny(user("b1", "ann"))}
	if got := decide(t, app, person("ann", "ops")); got != access.Denied {
		t.Errorf("a holder who is refused: %v", got)
	}
}

func TestACheckWithoutAnAddressDependsOnIt(t *testing.T) {
	app := anyOf(group("b1", "other"), policy("b2", "office"))
	s := &access.Situation{Time: noon}
	tr := access.Compile(app, common(t)).Trace(t.Context(), person("ann"), s)
	if tr.Verdict != "depends" || !slices.Equal(tr.Depends, []string{"request.ip"}) {
		t.Errorf("%s on %v", tr.Verdict, tr.Depends)
	}
	if b := tr.Bindings[1]; b.Passed != nil || b.Condition != nil || !slices.Equal(b.Depends, []string{"request.ip"}) {
		t.Errorf("the binding says %+v", b)
	}
	for _, tt := range []struct {
		app  *configv1.Application
		want access.Standing
	}{
		{anyOf(policy("b1", "office")), access.Depends},
		{allOf(policy("b1", "office"), group("b2", "other")), access.No},
		{anyOf(policy("b1", "office"), group("b2", "ops")), access.Yes},
		{anyOf(group("b1", "ops"), deny(policy("b2", "office"))), access.Depends},
		{anyOf(policy("b1", "strong")), access.Depends},
		{anyOf(policy("b1", "france")), access.Depends},
		{anyOf(policy("b1", "broken")), access.No},
		{anyOf(), access.Yes},
	} {
		if got := access.Compile(tt.app, common(t)).Standing(t.Context(), person("ann", "ops"), noon); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.app.GetBindings(), got, tt.want)
		}
	}
}

func TestATraceExplainsItself(t *testing.T) {
	app := allOf(says(group("b1", "ops"), "ops only"), policy("b2", "mixed"), reportOnly(policy("b3", "office")), disabled(user("b4", "zoe")))
	r := access.Compile(app, policies(t, expression("mixed", `"ops" in user.groups && user.username == "zoe" && app.slug == "payroll"`),
		&configv1.Policy{Id: "office", Config: &configv1.Policy_Network{Network: &configv1.NetworkPolicy{Ranges: []string{"10.0.0.0/8", "fd00::/8"}}}}))
	ann := person("ann", "ops")
	ann.Via = func(group string) []string { return []string{"night", group} }
	s := situation()
	s.IP = netip.MustParseAddr("::ffff:10.1.2.3")
	tr := r.Trace(t.Context(), ann, s)
	if tr.Verdict != "denied" || tr.Mode != "all" || tr.Open || !slices.Equal(tr.Deciding, []string{"b2"}) {
		t.Errorf("%+v", tr)
	}
	if b := tr.Bindings[0]; !*b.Condition || !*b.Passed || !slices.Equal(b.Via, []string{"night", "ops"}) {
		t.Errorf("b1 %+v", b)
	}
	b := tr.Bindings[1]
	var values []bool
	for _, part := range b.Because {
		values = append(values, *part.Value)
	}
	if *b.Passed || !slices.Equal(values, []bool{true, false, true}) || b.Because[1].Expression != `user.username == "zoe"` {
		t.Errorf("b2 %+v", b)
	}
	if b := tr.Bindings[2]; !b.ReportOnly || !*b.Passed {
		t.Errorf("a mapped address: %+v", b)
	}
	if b := tr.Bindings[3]; !b.Disabled || b.Passed != nil {
		t.Errorf("b4 %+v", b)
	}
}
