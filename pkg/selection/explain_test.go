package selection_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		name       string
		priorities []int32
		want       string
	}{
		{"ascending", []int32{2, 0, 1}, "1 2 0"},
		{"equal ones in the given order", []int32{1, 0, 1, 0}, "1 3 0 2"},
		{"negative ones come last, in the given order", []int32{-1, 5, -7, 0}, "3 1 0 2"},
		{"large ones before negative ones", []int32{-1, 1<<31 - 1}, "1 0"},
	} {
		indices := make([]int, len(tt.priorities))
		for i := range indices {
			indices[i] = i
		}
		got := selection.Order(indices, func(i int) int32 { return tt.priorities[i] })
		if text := strings.Trim(fmt.Sprint(got), "[]"); text != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, text, tt.want)
		}
		if !slices.IsSorted(indices) {
			t.Errorf("%s: the given list was changed", tt.name)
		}
	}
}

// TestExplanationsAgree walks every short list of providers with every setting: what is explained is what is decided.
func TestExplanationsAgree(t *testing.T) {
	kinds := []provider{
		{id: "in"}, {id: "yes", rule: "true"}, {id: "no", rule: "false"}, {id: "bad", rule: `user.x == ""`},
		{id: "out", external: true}, {id: "outYes", rule: "true", external: true}, {id: "outNo", rule: "false", external: true},
	}
	quiet := func(candidate, error) {}
	for code := range 7 * 7 * 7 {
		list := []provider{kinds[code%7], kinds[code/7%7], kinds[code/49]}
		for n := range list {
			list[n].id += fmt.Sprint(n)
		}
		candidates := compile(t, list)
		for bits := range 8 {
			s := selection.Settings{IdentifierFirst: bits&1 != 0, RulesOnLoginPage: bits&2 != 0, HideForm: bits&4 != 0}
			name := fmt.Sprintf("%v with %+v", list, s)
			x := selection.Explain(t.Context(), candidates, s, rules.Input{})

			chosen, redirected := selection.AtLoginPage(t.Context(), candidates, s, rules.Input{}, quiet)
			if !redirected && s.IdentifierFirst {
				chosen, redirected = selection.AtIdentifier(t.Context(), candidates, rules.Input{}, quiet)
			}
			if x.HasChosen != redirected || x.Chosen.id != chosen.id {
				t.Fatalf("%s: explained %q, decided %q", name, x.Chosen.id, chosen.id)
			}
			if _, only := selection.Only(candidates, s); !only {
				if want := ids(selection.Internal(t.Context(), candidates, rules.Input{}, quiet)); !slices.Equal(ids(x.Asked), want) {
					t.Fatalf("%s: asks %q, want %q", name, ids(x.Asked), want)
				}
			}
			for _, v := range x.Verdicts {
				if v.Reason.Sentence() == "" || (v.Err != nil) != (v.Reason == selection.RuleFailed) {
					t.Fatalf("%s: verdict %+v", name, v)
				}
				if v.Taken && v.Candidate.external && v.Candidate.id != chosen.id {
					t.Fatalf("%s: %s is taken and not chosen", name, v.Candidate.id)
				}
			}
		}
	}
}

func TestSettingsOf(t *testing.T) {
	yes, no := true, false
	d := &configv1.Domain{LoginSettings: &configv1.LoginSettings{IdentifierFirstEnabled: true, HideForm: true}}
	own := func(inherited *bool) *configv1.Application {
		return &configv1.Application{Settings: &configv1.ApplicationSettings{Login: &configv1.LoginSettings{
			Inherited: inherited, SelectionRulesOnLoginPage: true,
		}}}
	}
	of := selection.Settings{IdentifierFirst: true, HideForm: true}
	for _, tt := range []struct {
		name string
		app  *configv1.Application
		want selection.Settings
	}{
		{"nothing of its own", &configv1.Application{}, of},
		{"inherited", own(&yes), of},
		{"not said", own(nil), of},
		{"its own", own(&no), selection.Settings{RulesOnLoginPage: true}},
	} {
		if got := selection.SettingsOf(d, tt.app); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
