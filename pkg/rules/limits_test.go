package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHostileTextIsRefusedSoon compiles what would be costly to compile or to evaluate.
func TestHostileTextIsRefusedSoon(t *testing.T) {
	nested := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	alternatives := func(n int) string {
		var words []string
		for i := range n {
			words = append(words, fmt.Sprintf("%c%03d", 'a'+i%26, i))
		}
		return strings.Join(words, "|")
	}
	tests := []struct{ name, text, want string }{
		{"deep brackets", nested("(", "true", ")", 1000), "recursion limit"},
		{"deep lists", nested("[", "1", "]", 1000) + " == []", "recursion limit"},
		{"deep negation", strings.Repeat("!", 2000) + "true", ""},
		{"a deep chain", "true" + strings.Repeat(" ? true : false", 250), ""},
		{"many additions", "1" + strings.Repeat(" + 1", 1000) + " == 1", ""},
		{"huge text", strings.Repeat(" ", 4000) + strings.Repeat("t", 4000), "has 8000 characters, more than 4096"},
		{"huge text in braces", "{#" + strings.Repeat("t", 20000) + "}", "more than 4096"},
		{"four loops within one another", "[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))", ""},
		{"all parameters with all parameters", "request.params.exists(a, request.params.exists(b, a == b + 'x'))", ""},
		{"all triples of parameters", "request.params.exists(a, request.params.exists(b, request.params.exists(c, a + b == c)))", "may cost"},
		{"all pairs of a million", "lists.range(1000).all(a, lists.range(1000).all(b, a != b || a == b))", ""},
		{"a pattern within a pattern", `login.matches("((a{10}){10}){10}{10}")`, "not a regular expression"},
		{"a pattern of many alternatives", `login.matches("(` + alternatives(800) + `)")`, "too large"},
		{"a value of copies", "[0].map(a,[a,a,a,a,a,a,a,a,a,a])" + strings.Repeat(".map(a,[a,a,a,a,a,a,a,a,a,a])", 5) + " == []", "repeats a value"},
		{"a value of loops", "[[0]].map(a, lists.range(100).map(i, a)).map(b, lists.range(100).map(i, b)) == []", "repeats a value"},
		{"a map of copies", "[{'a':0}].map(a,{'x':a,'y':a})" + strings.Repeat(".map(a,{'x':a,'y':a})", 12) + " == []", "repeats a value"},
		{"unbalanced nonsense", strings.Repeat("{[(", 1000), ""},
		{"many faults", strings.Repeat("x.y(", 900), ""},
		{"many quotes", strings.Repeat(`"'`, 2000), ""},
		{"many open strings", strings.Repeat(`r"1null[?`, 401), "the string is not closed"},
		{"control characters", "\x00\x01\x02 == \x00", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			r, err := CompileRule(SelectionRule, tt.text)
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			if err == nil {
				_, _ = r.Holds(t.Context(), acme())
			}
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if spent := time.Since(began); spent > 20*time.Second {
				t.Errorf("took %v", spent)
			}
		})
	}
}

func TestOrdinaryUseOfLoopsIsAllowed(t *testing.T) {
	for _, text := range []string{
		`user.groups.map(g, {"name": g, "id": g})`,
		`user.groups.filter(g, g in client.scopes)`,
		`user.groups.map(g, user.roles.filter(r, r.group == g))`,
		`user.groups.filter(g, g.startsWith("app-")).map(g, g.substring(4).upperAscii())`,
		`request.params.transformMap(k, v, v[0])`,
		`{"a": user, "b": [user, client, request.params]}`,
		`user.groups.exists(g, user.roles.exists(r, r == g))`,
		`client.scopes.exists(s, client.metadata.roles.exists(r, r == s))`,
	} {
		if _, err := CompileTemplate(Claim, "{#"+text+"}"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// pairs compares all pairs of groups, which is counted.
const pairs = `user.groups.all(a, user.groups.exists(b, a == b))`

func groups(n int) *Input {
	list := make([]any, n)
	for i := range list {
		list[i] = fmt.Sprintf("group-%04d", i)
	}
	return &Input{User: map[string]any{"groups": list}}
}

func TestACountedRuleStopsAtTheBudget(t *testing.T) {
	r, err := CompileRule(SelectionRule, pairs)
	if err != nil {
		t.Fatal(err)
	}
	if !r.program.counted {
		t.Fatal("all pairs are not counted")
	}
	if holds, err := r.Holds(t.Context(), groups(50)); !holds || err != nil {
		t.Errorf("50 groups: %v, %v", holds, err)
	}
	began := time.Now()
	holds, err := r.Holds(t.Context(), groups(4000))
	if holds || err == nil || !strings.Contains(err.Error(), "costs more than 100000") {
		t.Errorf("4000 groups: %v, %v", holds, err)
	}
	if spent := time.Since(began); spent > 20*time.Second {
		t.Errorf("took %v", spent)
	}
}

func TestACountedRuleEndsWithItsContext(t *testing.T) {
	r, err := CompileRule(SelectionRule, pairs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	holds, err := r.Holds(ctx, groups(4000))
	if holds || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", holds, err)
	}
	var fault *Error
	if !errors.As(err, &fault) || !strings.Contains(fault.Detail, "interrupted") {
		t.Errorf("error %v", err)
	}
}

func TestAValueHasModerateSize(t *testing.T) {
	for name, text := range map[string]string{
		"many pieces": `{#user.groups.map(a, [a, a, a])}`,
		"many bytes":  `{#lists.range(10).map(i, user.long)}`,
		"depth":       `{#user.deep}`,
	} {
		tpl, err := CompileTemplate(Claim, text)
		if err != nil {
			t.Fatal(err)
		}
		in := groups(4000)
		in.User["long"] = strings.Repeat("x", 60000)
		deep := any("x")
		for range 40 {
			deep = []any{deep}
		}
		in.User["deep"] = deep
		if _, err := tpl.Value(t.Context(), in); err == nil || !strings.Contains(err.Error(), "moderate size") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConcurrentUse shares compiled rules and prepared values, with failing evaluations among them. Run with -race.
func TestConcurrentUse(t *testing.T) {
	texts := []string{
		`login.lowerAscii().endsWith("@acme.example")`,
		`identityProvider.domainWhitelist.exists(d, login.endsWith("@" + d))`,
		`client.metadata.tiers[1].n == 2`,
		`request.params["nothing"][0] == "x"`,
		`context.attributes["partner"] + 1 == 2`,
		`user.none.x == 1`,
		`timestamp(context.attributes["big"]) == timestamp(0)`,
		pairs,
	}
	var compiled []*Rule
	for _, text := range texts {
		r, err := CompileRule(SelectionRule, text)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, r)
	}
	shared := acme()
	shared.Attributes["big"] = int64(1) << 62
	var want []string
	for _, r := range compiled {
		holds, err := r.Holds(t.Context(), shared)
		want = append(want, fmt.Sprint(holds, err))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				for i, r := range compiled {
					holds, err := r.Holds(t.Context(), shared)
					if got := fmt.Sprint(holds, err); got != want[i] {
						t.Errorf("%s: %s, before %s", texts[i], got, want[i])
					}
				}
			}
			if _, err := CompileRule(FlowCondition, texts[0]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestEnvironmentsAreMadeConcurrently makes fresh environments beside evaluations. Run with -race.
func TestEnvironmentsAreMadeConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		env := environment(selector)
		for range 2 {
			wg.Go(func() {
				if _, err := env(); err != nil {
					t.Error(err)
				}
				acme()
				if _, err := Check(Claim, `{#client}`); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `true`, `{#true}`, `{#`, `{#}`, `a {#login} b`, `{#{"a": 1}}`, "{#r'\\}'}", "{#'''}'''}", "{#1 //}\n}",
		`login.lowerAscii().endsWith("@acme.example")`, `request.params["username"][0].matches("^user$")`,
		`"tenant" in request.params && request.params["tenant"][0] == "blue"`, `user.?a.?b.orValue([])`,
		`identityProvider.domainWhitelist.exists(d, login.endsWith("@" + d))`, `client`, `[client, request, context]`,
		`lists.range(1000).map(a, [a, a])`, `request.params.transformMap(k, v, v[0])`, `type(request) == Request`,
		`Client{}`, `timestamp("2026-01-01T00:00:00Z").getHours("Europe/Berlin")`, `"%s %d".format([login, 1])`,
		`cidr("10.0.0.0/8").containsIP(request.ip)`, `dyn(request).nothing`, `optional.of(1).optMap(x, x + 1)`,
		`has(client.name)`, `math.greatest([1, 2])`, `b"\xff"`, `[1, 2].sortBy(x, -x)`, "\"\\U0010ffff\"", `login.matches("(?i)a{2,3}")`,
	} {
		f.Add(seed)
	}
	in := acme()
	f.Fuzz(func(t *testing.T, text string) {
		began := time.Now()
		for _, p := range Places() {
			typ, err := Check(p, text)
			var fault *Error
			if err != nil && (!errors.As(err, &fault) || fault.Line < 1 || fault.Column < 1 || fault.Detail == "") {
				t.Fatalf("%v: error %#v", p, err)
			}
			if err != nil || typ == "" {
				continue
			}
			if p.definition().gives == aTruth {
				r, _ := CompileRule(p, text)
				if holds, err := r.Holds(t.Context(), in); holds && err != nil {
					t.Fatalf("%v: holds in spite of %v", p, err)
				}
				continue
			}
			tpl, _ := CompileTemplate(p, text)
			if got, err := tpl.Value(t.Context(), in); err == nil && p.definition().gives == aString {
				if _, ok := got.(string); !ok {
					t.Fatalf("%v: gave %T", p, got)
				}
			}
		}
		if spent := time.Since(began); spent > 20*time.Second {
			t.Fatalf("took %v", spent)
		}
	})
}
