package domain_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// crowd returns a domain with many applications.
func crowd(t testing.TB, n int) (*gatewaytest.Config, configsync.Batch) {
	t.Helper()
	c := gatewaytest.NewAcme(t)
	for i := range n {
		c.App(fmt.Sprintf("%s-%d", secret.NewID(), i), func(a *configv1.Application) { a.Id = secret.NewID() })
	}
	return c, c.Batch(1)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMemoryOfIdleApplications(t *testing.T) {
	const n = 20_000
	config, batch := crowd(t, n)
	before := heap()
	set := newSet(domain.Options{})
	if rejected := set.Apply(t.Context(), batch); len(rejected) > 0 {
		t.Fatal(rejected[0])
	}
	each := (heap() - before) / n
	t.Logf("%d bytes for each idle application", each)
	if each > 2<<10 {
		t.Errorf("an idle application takes %d bytes, at most 2048 are allowed", each)
	}
	runtime.KeepAlive(config)
	runtime.KeepAlive(batch)
	runtime.KeepAlive(set)
}

func TestOneChangeAmongManyIsCheap(t *testing.T) {
	config, batch := crowd(t, 20_000)
	set := newSet(domain.Options{})
	set.Apply(t.Context(), batch)
	app := gatewaytest.NewApp(config.Domain.GetId(), "changed")
	revision := int64(1)
	allocations := testing.AllocsPerRun(20, func() {
		revision++
		set.Apply(t.Context(), gatewaytest.Upserts(revision, app))
	})
	// Encoding the application, a few branches and the domain: nothing that grows with the domain.
	if allocations > 100 {
		t.Errorf("one change takes %.0f allocations", allocations)
	}
}

func BenchmarkApplyOneChange(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("among %d", n), func(b *testing.B) {
			config, batch := crowd(b, n)
			set := newSet(domain.Options{})
			set.Apply(b.Context(), batch)
			app := gatewaytest.NewApp(config.Domain.GetId(), "changed")
			revision := int64(1)
			b.ReportAllocs()
			for b.Loop() {
				revision++
				set.Apply(b.Context(), gatewaytest.Upserts(revision, app))
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	_, batch := crowd(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		newSet(domain.Options{}).Apply(b.Context(), batch)
	}
}

func BenchmarkClient(b *testing.B) {
	config, batch := crowd(b, 1000)
	_ = config
	set := newSet(domain.Options{})
	set.Apply(b.Context(), batch)
	d, _ := set.Lookup("/acme/oauth/token")
	clientID := batch.Upserts[len(batch.Upserts)-1].GetApplication().GetSettings().GetOauth().GetClientId()
	b.Run("held", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Client(b.Context(), clientID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compiled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := domain.Compile(d, clientID); err != nil {
				b.Fatal(err)
			}
		}
	})
}
