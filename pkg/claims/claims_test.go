package claims_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// ann is a member of ops who asks for tokens.
func ann(t *testing.T) *rules.Access {
	t.Helper()
	rule := access.Compile(&configv1.Application{Id: "app", Name: "Payroll"}, nil)
	person := access.NewPerson(&directoryv1.User{Id: "u1", Username: "ann", Standing: &directoryv1.Standing{
		Groups: []*directoryv1.Standing_Group{{Id: "g1", Name: "ops"}},
	}})
	return rule.Reads(person, &access.Situation{Known: access.KnowsTime, Time: time.Unix(1, 0)})
}

func order(n int32) *int32 { return &n }

func compile(t *testing.T, list ...*configv1.ClaimMapping) *claims.Set {
	t.Helper()
	var made []*claims.Mapping
	for _, m := range list {
		m.Id, m.Revision = "id-"+m.GetName(), 7
		one, err := claims.Compile(m)
		if err != nil && !strings.HasPrefix(m.GetName(), "wrong") {
			t.Fatal(err)
		}
		made = append(made, one)
	}
	return claims.NewSet(made)
}

// sources says of each claim what mappings did to it.
func sources(r claims.Result) map[string]string {
	out := map[string]string{}
	for name, list := range r.Sources {
		var parts []string
		for _, s := range list {
			parts = append(parts, string(s.Effect)+" by "+s.Mapping.Name)
		}
		out[name] = strings.Join(parts, ", ")
	}
	return out
}

func TestAcceptance41ProvenanceNamesTheMappingBehindEveryClaim(t *testing.T) {
	set := compile(t,
		&configv1.ClaimMapping{Name: "second", Order: order(20), Expression: `{"acme": {"b": 2}, "tags": ["y", "x"], "tier": "gold"}`},
		&configv1.ClaimMapping{Name: "first", Order: order(10), Expression: `{"acme": {"a": 1}, "tags": ["x"], "tier": "user", "who": user.username}`},
		&configv1.ClaimMapping{Name: "scoped", Order: order(30), Scope: "email", Expression: `{"mail": true}`},
		&configv1.ClaimMapping{Name: "other", Order: order(40), Expression: `{"token": true}`, Targets: []configv1.ClaimMapping_Target{configv1.ClaimMapping_IDTOKEN}},
		&configv1.ClaimMapping{Name: "computed", Order: order(50), Expression: `{user.username == "ann" ? "sub" : "x": "root", "acr": "gold", "gone": null}`},
		&configv1.ClaimMapping{Name: "failing", Order: order(60), Expression: `{"x": user.attributes["absent"]}`},
		&configv1.ClaimMapping{Name: "wrong", Order: order(70), Expression: `{`},
	)
	got, err := set.Run(t.Context(), claims.UserInfo, []string{"openid"}, ann(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"acme": map[string]any{"a": int64(1), "b": int64(2)}, "tags": []any{"x", "y"}, "tier": "gold", "who": "ann",
	}
	if diff := cmp.Diff(want, got.Claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{
		"acme": "made by first, merged by second", "tags": "made by first, merged by second", "tier": "made by first, overrode by second",
		"who": "made by first",
	}, sources(got)); diff != "" {
		t.Errorf("provenance (-want +got):\n%s", diff)
	}
	var dropped, failed []string
	for _, d := range got.Dropped {
		dropped = append(dropped, d.Name+" of "+d.Mapping.Name)
	}
	for _, f := range got.Failed {
		failed = append(failed, f.Mapping.Name)
	}
	if diff := cmp.Diff([]string{"acr of computed", "sub of computed"}, dropped); diff != "" {
		t.Errorf("reserved claims (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"failing", "wrong"}, failed); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if got.Sources["who"][0].Mapping.Revision != 7 {
		t.Error("the revision of the mapping is not known")
	}
	for target, want := range map[claims.Target]bool{claims.UserInfo: true, claims.IDToken: true, claims.AccessToken: false} {
		if set.For(target) != want {
			t.Errorf("for target %d: %v", target, !want)
		}
	}
}

func TestAMappingThatMustNotFailStopsTheToken(t *testing.T) {
	for name, expression := range map[string]string{"fails": `{"x": user.attributes["absent"]}`, "wrong": `{`} {
		set := compile(t,
			&configv1.ClaimMapping{Name: "before", Order: order(1), Expression: `{"a": 1}`},
			&configv1.ClaimMapping{Name: name, Order: order(2), Expression: expression, OnError: configv1.ClaimMapping_DENY},
		)
		got, err := set.Run(t.Context(), claims.UserInfo, nil, ann(t))
		if !errors.Is(err, claims.ErrDenied) || len(got.Claims) != 0 || len(got.Failed) != 1 || got.Failed[0].Mapping.Name != name {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
}

func TestWithoutMappingsNothingRuns(t *testing.T) {
	set := claims.NewSet(nil)
	if set != nil || set.For(claims.UserInfo|claims.IDToken|claims.AccessToken) {
		t.Error("no mappings are a set")
	}
	got, err := set.Run(t.Context(), claims.IDToken, nil, nil)
	if err != nil || len(got.Claims) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = set.For(claims.AccessToken) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAMappingThatIsListedAndAppliesToAllRunsOnce(t *testing.T) {
	m, err := claims.Compile(&configv1.ClaimMapping{Id: "m", Expression: `{"n": ["a"]}`, Default: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := claims.NewSet([]*claims.Mapping{m, m}).Run(t.Context(), claims.UserInfo, nil, ann(t))
	if err != nil || len(got.Sources["n"]) != 1 {
		t.Errorf("%v, %v", got.Sources, err)
	}
}
