package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

func accessInput(t *testing.T) *Input {
	t.Helper()
	own, err := structpb.NewStruct(map[string]any{"level": 3, "tags": []any{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	return &Input{Access: &Access{
		User: &directoryv1.User{Id: "u1", Subject: "s1", Username: "ann@acme.example", FirstName: "Ann", LastName: "Onym",
			AdditionalInformation: own,
			Standing: &directoryv1.Standing{Groups: []*directoryv1.Standing_Group{
				{Id: "g1", Name: "ops"}, {Id: "g2", Name: "night", Direct: true}}}},
		App:    NewApp(AppFields{ID: "a1", Slug: "payroll", Labels: map[string]string{"tier": "1"}, ClientID: "pay", Scopes: []string{"openid"}}),
		Moment: &Moment{Known: KnowsTime | KnowsAMR, Time: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), AMR: []string{"pwd"}},
		Held: func() Holding {
			return Holding{{Name: "admin", Attributes: &structpb.Struct{Fields: map[string]*structpb.Value{"limit": structpb.NewNumberValue(5)}}}}
		},
	}}
}

func TestClaimMappings(t *testing.T) {
	in := accessInput(t)
	for _, tt := range []struct {
		text string
		want map[string]any
	}{
		{`{"limit": entitlementAttributes[?"limit"].orValue(0)}`, map[string]any{"limit": 5.0}},
		{`{"tier": entitlements.exists(e, e.name == "admin") ? "admin" : "user"}`, map[string]any{"tier": "admin"}},
		{`{"held": entitlements.map(e, {"name": e.name, "limit": e.attributes.limit})}`,
			map[string]any{"held": []any{map[string]any{"name": "admin", "limit": 5.0}}}},
		{`{"held": entitlements}`, map[string]any{"held": []any{map[string]any{"name": "admin", "attributes": map[string]any{"limit": 5.0}}}}},
		{`deepMerge(user.attributes, {"level": 4, "tags": ["a", "b"]})`, map[string]any{"level": int64(4), "tags": []any{"a", "b"}}},
		{`{"account": regexReplace(user.username, "^(.*)@.*$", "$1")}`, map[string]any{"account": "ann"}},
		{`{"g": user.groups, "d": user.directGroups, "i": user.groupIds}`,
			map[string]any{"g": []any{"ops", "night"}, "d": []any{"night"}, "i": []any{"g1", "g2"}}},
		{`{"n": user.name, "a": user.active, "m": user.mergedAttributes.level}`, map[string]any{"n": "Ann Onym", "a": true, "m": 3.0}},
		{`{"app": app.slug, "l": app.labels.tier, "c": client.id, "s": client.scopes}`,
			map[string]any{"app": "payroll", "l": "1", "c": "pay", "s": []any{"openid"}}},
		{`{?"absent": user.attributes[?"absent"]}`, map[string]any{}},
	} {
		tpl, err := CompileTemplate(ClaimMapping, tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		got, err := tpl.Value(t.Context(), in)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
	for text, says := range map[string]string{
		`"x"`:   "must give a map",
		`login`: "login",
		`{"a": regexReplace(user.name, user.id, "")}`:        "string literal",
		`{"a": regexReplace(user.name, "(", "")}`:            "",
		`{"a": entitlementsOf(user.id)}`:                     "string literal",
		`{"a": inWindow(now, user.id, ["mon 08:00-09:00"])}`: "string literal",
	} {
		if _, err := CompileTemplate(ClaimMapping, text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestWhatIsUnknownOfAMomentFailsOrIsNamed(t *testing.T) {
	in := accessInput(t)
	for _, tt := range []struct {
		text    string
		truth   bool
		depends []string
		fails   bool
	}{
		{`request.ip == "192.0.2.1"`, false, []string{"request.ip"}, true},
		{`request.ip == "192.0.2.1" || user.id == "u1"`, true, nil, false},
		{`request.ip == "192.0.2.1" && user.id == "u2"`, false, nil, false},
		{`request.country == "FR" && auth.acr == "x"`, false, []string{"auth.acr", "request.country"}, true},
		{`"pwd" in auth.amr`, true, nil, false},
		{`["10.0.0.0/8", "fd00::/8"].exists(r, cidr(r).containsIP(request.ip))`, false, []string{"request.ip"}, true},
		{`now > timestamp("2026-01-01T00:00:00Z")`, true, nil, false},
	} {
		r, err := CompileRule(AccessPolicy, tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		truth, depends, err := r.Partly(t.Context(), in)
		if err != nil || truth != tt.truth || !slices.Equal(depends, tt.depends) {
			t.Errorf("%s: %v %v %v", tt.text, truth, depends, err)
		}
		if truth, err := r.Holds(t.Context(), in); (err != nil) != tt.fails || truth != tt.truth {
			t.Errorf("%s: %v %v", tt.text, truth, err)
		}
	}
}

// A merge of what somebody made large costs what it takes, so that a loop of merges ends.
func TestMergesAreCounted(t *testing.T) {
	in := accessInput(t)
	large := map[string]any{}
	for i := range 900 {
		large["k"+string(rune('a'+i%26))+strings.Repeat("x", i/26)] = i
	}
	var err error
	if in.Access.User.AdditionalInformation, err = structpb.NewStruct(large); err != nil {
		t.Fatal(err)
	}
	tpl, err := CompileTemplate(ClaimMapping,
		`{"n": lists.range(1000).map(i, deepMerge(user.attributes, {"i": i})).size()}`)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := tpl.Value(t.Context(), in); err == nil || !strings.Contains(err.Error(), "costs more than") {
		t.Errorf("a thousand merges: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}
