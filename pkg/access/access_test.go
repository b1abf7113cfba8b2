package access_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// noon is a Wednesday.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func group(id, of string) *configv1.Binding { return &configv1.Binding{Id: id, Group: of} }
func user(id, who string) *configv1.Binding { return &configv1.Binding{Id: id, User: who} }
func policy(id, which string) *configv1.Binding {
	return &configv1.Binding{Id: id, Policy: which}
}

func deny(b *configv1.Binding) *configv1.Binding {
	b.Effect = configv1.Binding_DENY
	return b
}

func negate(b *configv1.Binding) *configv1.Binding {
	b.Negate = true
	return b
}

func disabled(b *configv1.Binding) *configv1.Binding {
	b.Enabled = proto.Bool(false)
	return b
}

func reportOnly(b *configv1.Binding) *configv1.Binding {
	b.ReportOnly = true
	return b
}

func says(b *configv1.Binding, text string) *configv1.Binding {
	b.Message = map[string]string{"default": text}
	return b
}

func until(b *configv1.Binding, t time.Time) *configv1.Binding {
	b.ExpiresAt = timestamppb.New(t)
	return b
}

func anyOf(list ...*configv1.Binding) *configv1.Application {
	for i, b := range list {
		b.Order = proto.Int32(int32(10 * (i + 1)))
	}
	return &configv1.Application{Id: "app", Slug: "payroll", Name: "Payroll", Bindings: list, Access: &configv1.ApplicationAccess{
		Mode: configv1.ApplicationAccess_ANY}}
}

func allOf(list ...*configv1.Binding) *configv1.Application {
	app := anyOf(list...)
	app.Access.Mode = configv1.ApplicationAccess_ALL
	return app
}

// person is somebody in groups whose names are their identifiers.
func person(id string, groups ...string) *access.Person {
	u := &directoryv1.User{Id: id, Username: id, Standing: &directoryv1.Standing{}}
	for _, g := range groups {
		u.Standing.Groups = append(u.Standing.Groups, &directoryv1.Standing_Group{Id: g, Name: g, Direct: true})
	}
	return access.NewPerson(u)
}

func expression(id, text string) *configv1.Policy {
	return &configv1.Policy{Id: id, Name: id, Config: &configv1.Policy_ByExpression{
		ByExpression: &configv1.ExpressionPolicy{Expression: text}}}
}

// policies compiles policies, and fails the test where one does not compile.
func policies(t testing.TB, list ...*configv1.Policy) func(string) *access.Policy {
	t.Helper()
	compiled := map[string]*access.Policy{}
	for _, pb := range list {
		p, err := access.CompilePolicy(pb)
		if err != nil {
			t.Fatalf("policy %s: %v", pb.GetId(), err)
		}
		compiled[pb.GetId()] = p
	}
	return func(id string) *access.Policy { return compiled[id] }
}

// common are the policies of tests that need no others.
func common(t testing.TB) func(string) *access.Policy {
	return policies(t,
		expression("true", "true"), expression("false", "false"),
		expression("broken", `user.attributes["absent"] == 1`),
		&configv1.Policy{Id: "strong", Config: &configv1.Policy_AuthenticationStrength{
			AuthenticationStrength: &configv1.AuthenticationStrengthPolicy{Amr: []string{"otp"}}}},
		&configv1.Policy{Id: "fresh", Config: &configv1.Policy_AuthenticationStrength{
			AuthenticationStrength: &configv1.AuthenticationStrengthPolicy{MaxAgeSeconds: 300}}},
		&configv1.Policy{Id: "office", Config: &configv1.Policy_Network{Network: &configv1.NetworkPolicy{Ranges: []string{"10.0.0.0/8"}}}},
		&configv1.Policy{Id: "france", Config: &configv1.Policy_Geo{Geo: &configv1.GeoPolicy{Countries: []string{"FR"}}}},
	)
}

func situation() *access.Situation {
	return &access.Situation{Known: access.KnowsAll &^ access.KnowsPlace, Time: noon, AMR: []string{"pwd"}, AuthTime: noon.Add(-time.Hour)}
}

func decide(t testing.TB, app *configv1.Application, p *access.Person) access.Verdict {
	t.Helper()
	return access.Compile(app, common(t)).Decide(t.Context(), p, situation()).Verdict
}

func TestOpenMeansEverybodyWhoIsSignedIn(t *testing.T) {
	r := access.Compile(anyOf(), nil)
	if !r.Open() || !r.Trivial() {
		t.Error("an application without bindings is not open")
	}
	if got := r.Decide(t.Context(), person("ann"), situation()).Verdict; got != access.Allowed {
		t.Errorf("somebody is %v", got)
	}
	if got := r.Decide(t.Context(), nil, situation()).Verdict; got != access.Denied {
		t.Errorf("a stranger is %v", got)
	}
	for _, app := range []*configv1.Application{
		anyOf(group("b1", "ops")), anyOf(disabled(group("b1", "ops"))), anyOf(&configv1.Binding{Id: "b1", Group: "gone", Orphaned: true}),
	} {
		if r := access.Compile(app, nil); r.Open() || r.Trivial() {
			t.Errorf("%v is open", app.GetBindings())
		}
	}
	if r := access.Compile(anyOf(deny(group("b1", "ops"))), nil); !r.Open() || r.Trivial() {
		t.Error("an application with a deny binding alone is not open, or has nothing to ask")
	}
	if r := access.Compile(anyOf(reportOnly(group("b1", "ops"))), nil); !r.Open() || r.Trivial() {
		t.Error("a report-only binding closes an application, or is not asked")
	}
}

func TestAcceptance06AnyTakesOneAndAllTakesEvery(t *testing.T) {
	ann := person("ann", "sales")
	if got := decide(t, anyOf(group("b1", "ops"), policy("b2", "true")), ann); got != access.Allowed {
		t.Errorf("any is %v", got)
	}
	if got := decide(t, allOf(group("b1", "ops"), policy("b2", "true")), ann); got != access.Denied {
		t.Errorf("all is %v", got)
	}
}

func TestAcceptance07AllDeniesAMemberWhoIsNotTheUser(t *testing.T) {
	app := allOf(group("b1", "ops"), user("b2", "ann"))
	for _, tt := range []struct {
		p    *access.Person
		want access.Verdict
	}{
		{person("ann", "ops"), access.Allowed},
		{person("bob", "ops"), access.Denied},
		{person("ann"), access.Denied},
	} {
		if got := decide(t, app, tt.p); got != tt.want {
			t.Errorf("%s in %v is %v, want %v", tt.p.ID, tt.p.Groups, got, tt.want)
		}
	}
}

func TestAcceptance08ADenyBindingThatHoldsDeniesWhateverElsePasses(t *testing.T) {
	for _, refuses := range []*configv1.Binding{deny(group("d", "contractors")), deny(policy("d", "true")), deny(negate(policy("d", "false")))} {
		for _, app := range []*configv1.Application{
			anyOf(group("b1", "ops"), policy("b2", "true"), refuses), allOf(group("b1", "ops"), policy("b2", "true"), refuses), anyOf(refuses),
		} {
			if got := decide(t, app, person("ann", "ops", "contractors")); got != access.Denied {
				t.Errorf("%v with %v: %v", app.GetAccess().GetMode(), refuses, got)
			}
		}
	}
}

func TestDecidingBindingsAndTheirMessages(t *testing.T) {
	app := allOf(says(group("b1", "ops"), "ops only"), group("b2", "night"), says(user("b3", "zoe"), "Zoe only"))
	d := access.Compile(app, nil).Decide(t.Context(), person("ann", "night"), situation())
	if !slices.Equal(d.Deciding, []string{"b1", "b3"}) || len(d.Messages) != 2 || d.Messages[0]["default"] != "ops only" {
		t.Errorf("%v, %v", d.Deciding, d.Messages)
	}
	app.Access.Message = map[string]string{"default": "ask the desk"}
	d = access.Compile(app, nil).Decide(t.Context(), person("zoe", "ops"), situation())
	if !slices.Equal(d.Deciding, []string{"b2"}) || len(d.Messages) != 1 || d.Messages[0]["default"] != "ask the desk" {
		t.Errorf("%v, %v", d.Deciding, d.Messages)
	}
}

func TestDecisionsAboutGroupsAllocateNothing(t *testing.T) {
	ann := person("ann", "g7", "g19")
	s := situation()
	ctx := t.Context()
	for name, app := range map[string]*configv1.Application{
		"any": twenty(false), "all": twenty(true), "none": anyOf(group("b1", "other"), says(group("b2", "another"), "no")),
		"deny": anyOf(group("b1", "g7"), deny(says(group("b2", "g19"), "not you"))),
	} {
		r := access.Compile(app, nil)
		if n := testing.AllocsPerRun(200, func() { r.Decide(ctx, ann, s) }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// twenty is a rule of twenty bindings of users and groups; the last lets a member of g19 in.
func twenty(all bool) *configv1.Application {
	var list []*configv1.Binding
	for i := range 20 {
		b := group("b"+string(rune('a'+i)), "g"+string(rune('0'+i)))
		switch {
		case all:
			b = negate(b)
		case i == 19:
			b.Group = "g19"
		case i%3 == 0:
			b = user("b"+string(rune('a'+i)), "u"+string(rune('0'+i)))
		}
		list = append(list, b)
	}
	if all {
		return allOf(list...)
	}
	return anyOf(list...)
}

// BenchmarkDecide is the goal for 20 bindings of users and groups: under 5 µs, without allocations.
func BenchmarkDecide(b *testing.B) {
	ann := person("ann", "g19")
	s := situation()
	for _, bench := range []struct {
		name string
		app  *configv1.Application
	}{{"any/20", twenty(false)}, {"all/20", twenty(true)}, {"policy/1", anyOf(policy("p", "office"))}} {
		b.Run(bench.name, func(b *testing.B) {
			r := access.Compile(bench.app, common(b))
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				r.Decide(ctx, ann, s)
			}
		})
	}
}
