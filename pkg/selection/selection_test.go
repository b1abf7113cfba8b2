package selection_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
)

type provider struct {
	id, rule string
	external bool
}

type candidate struct {
	provider
	compiled *rules.Rule
	fields   *rules.IdentityProvider
}

func (c candidate) IsExternal() bool                    { return c.external }
func (c candidate) SelectionRule() *rules.Rule          { return c.compiled }
func (c candidate) RuleFields() *rules.IdentityProvider { return c.fields }

func compile(t testing.TB, list []provider) []candidate {
	t.Helper()
	var made []candidate
	for _, p := range list {
		rule, err := rules.CompileRule(rules.SelectionRule, p.rule)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, candidate{p, rule, rules.NewIdentityProvider(rules.IdentityProviderFields{
			ID: p.id, External: p.external, DomainWhitelist: []string{p.id + ".example"},
		})})
	}
	return made
}

func ids(list []candidate) []string {
	var all []string
	for _, c := range list {
		all = append(all, c.id)
	}
	return all
}

func TestSelection(t *testing.T) {
	in := func(id, rule string) provider { return provider{id: id, rule: rule} }
	out := func(id, rule string) provider { return provider{id: id, rule: rule, external: true} }
	tests := []struct {
		name      string
		providers []provider
		login     string
		internal  []string
		external  string
		failed    []string
	}{
		{"there is nobody", nil, "", nil, "", nil},
		{"an internal provider without a rule takes part", []provider{in("staff", "")}, "", []string{"staff"}, "", nil},
		{"a blank rule is none", []provider{in("staff", "  ")}, "", []string{"staff"}, "", nil},
		{"an internal provider takes part when its rule holds", []provider{in("a", `login == "ann"`), in("b", `login != "ann"`)}, "ann", []string{"a"}, "", nil},
		{"internal providers keep their order", []provider{in("b", ""), in("a", "true"), in("c", "{#true}")}, "", []string{"b", "a", "c"}, "", nil},
		{"an external provider without a rule is never chosen", []provider{out("partner", "")}, "", nil, "", nil},
		{"the first external provider whose rule holds is chosen", []provider{
			out("east", `login.endsWith("@east.example")`), out("west", `login.endsWith("@west.example")`), out("rest", "true"),
		}, "ann@west.example", nil, "west", nil},
		{"internal and external ones do not mix", []provider{in("staff", "true"), out("partner", "true")}, "", []string{"staff"}, "partner", nil},
		{"a rule sees its own provider", []provider{in("a", `identityProvider.id == "a"`), out("b", `identityProvider.domainWhitelist.exists(d, login.endsWith("@" + d))`)},
			"ann@b.example", []string{"a"}, "b", nil},
		{"a rule that fails is false and told", []provider{in("a", `request.params["x"][0] == "y"`), in("b", ""), out("c", `client.name == "x"`), out("d", "true")},
			"", []string{"b"}, "d", []string{"a", "c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			providers := compile(t, tt.providers)
			var failed []string
			note := func(p candidate, err error) {
				if err == nil {
					t.Error("a failure without an error")
				}
				failed = append(failed, p.id)
			}
			input := rules.Input{Login: tt.login}
			internal := ids(selection.Internal(t.Context(), providers, input, note))
			chosen, _ := selection.AtIdentifier(t.Context(), providers, input, note)
			external := chosen.id
			if diff := cmp.Diff(tt.internal, internal); diff != "" {
				t.Errorf("internal providers (-want +got):\n%s", diff)
			}
			if external != tt.external {
				t.Errorf("external provider %q, want %q", external, tt.external)
			}
			if diff := cmp.Diff(tt.failed, failed); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
			if got, want := selection.HasInternal(providers), countInternal(tt.providers) > 0; got != want {
				t.Errorf("HasInternal is %v", got)
			}
			if got, want := len(selection.Buttons(providers)), len(tt.providers)-countInternal(tt.providers); got != want {
				t.Errorf("%d buttons, want %d", got, want)
			}
		})
	}
}

func countInternal(list []provider) (n int) {
	for _, p := range list {
		if !p.external {
			n++
		}
	}
	return n
}

// BenchmarkAtIdentifier is scenario 11: the last of so many rules holds.
func BenchmarkAtIdentifier(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var list []provider
			for i := range n {
				list = append(list, provider{id: fmt.Sprint(i), rule: fmt.Sprintf(`login.endsWith("@p%d.example")`, i), external: true})
			}
			providers := compile(b, list)
			in := rules.Input{Login: fmt.Sprintf("ann@p%d.example", n-1)}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := selection.AtIdentifier(b.Context(), providers, in, nil); !ok {
					b.Fatal("nobody was chosen")
				}
			}
		})
	}
}
