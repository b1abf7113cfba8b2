package selection_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
)

// hundred are 100 providers with a rule each, of which the last holds.
func hundred(t testing.TB, external bool) []candidate {
	t.Helper()
	list := make([]provider, 100)
	for i := range list {
		list[i] = provider{id: fmt.Sprintf("p%d", i), external: external, rule: fmt.Sprintf(
			`login.lowerAscii().endsWith("@p%d.example") && identityProvider.domainWhitelist.exists(d, login.endsWith("@" + d))`, i)}
	}
	return compile(t, list)
}

var hundredInput = rules.Input{Login: "ann@p99.example", Request: rules.Request{
	Params: map[string][]string{"username": {"ann@p99.example"}}, Headers: map[string][]string{"User-Agent": {"Mozilla/5.0"}},
}}

func unexpected(b testing.TB) func(candidate, error) {
	return func(p candidate, err error) { b.Errorf("%s: %v", p.id, err) }
}

// BenchmarkHundredProviders is what 100 providers with rules on one application add to a step of a login.
func BenchmarkHundredProviders(b *testing.B) {
	b.Run("internal", func(b *testing.B) {
		candidates := hundred(b, false)
		b.ReportAllocs()
		for b.Loop() {
			if got := selection.Internal(context.Background(), candidates, hundredInput, unexpected(b)); len(got) != 1 {
				b.Fatalf("%d are chosen", len(got))
			}
		}
	})
	b.Run("identifier-first", func(b *testing.B) {
		candidates := hundred(b, true)
		b.ReportAllocs()
		for b.Loop() {
			if got, ok := selection.AtIdentifier(context.Background(), candidates, hundredInput, unexpected(b)); !ok || got.id != "p99" {
				b.Fatalf("%v is chosen", got.id)
			}
		}
	})
}

// TestAHundredProvidersTakeLessThanAMillisecond takes the quickest of several steps, so that a busy machine does not fail it.
func TestAHundredProvidersTakeLessThanAMillisecond(t *testing.T) {
	candidates := hundred(t, false)
	quickest := time.Hour
	for range 50 {
		begin := time.Now()
		selection.Internal(t.Context(), candidates, hundredInput, unexpected(t))
		quickest = min(quickest, time.Since(begin))
	}
	allocations := testing.AllocsPerRun(10, func() { selection.Internal(t.Context(), candidates, hundredInput, unexpected(t)) })
	t.Logf("100 rules: %s, %.0f allocations", quickest, allocations)
	if allocations > 600 {
		t.Errorf("100 rules take %.0f allocations, want at most 600", allocations)
	}
	if quickest > time.Millisecond {
		t.Errorf("100 rules take %s", quickest)
	}
}
