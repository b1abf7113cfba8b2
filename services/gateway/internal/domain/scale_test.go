package domain_test

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
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

// TestBatchesMayComeEncoded: a gateway's stream leaves what it brings encoded, and what cannot be read keeps nobody waiting.
func TestBatchesMayComeEncoded(t *testing.T) {
	_, batch := crowd(t, 50)
	wire, err := proto.Marshal(&configsyncv1.WatchResponse{Upserts: batch.Upserts})
	if err != nil {
		t.Fatal(err)
	}
	lean := batch
	lean.Upserts, lean.Encoded = nil, [][]byte{{4<<3 | 2, 1, 0xff}, wire}
	set := newSet(domain.Options{})
	for range 2 { // the second is what a stream brings that begins anew
		if rejected := set.Apply(t.Context(), lean); len(rejected) > 0 {
			t.Fatal(rejected[0])
		}
		d, _ := set.Lookup("/acme/oauth/token")
		for _, u := range batch.Upserts {
			a := u.GetApplication()
			if a == nil {
				continue
			}
			c, err := d.Client(t.Context(), a.GetSettings().GetOauth().GetClientId())
			if err != nil || c.ID != a.GetId() {
				t.Fatalf("client %v, %v", c, err)
			}
		}
	}
}

// TestManyAreTakenInTheirOrder: a batch that several processors prepare means what it means to one.
func TestManyAreTakenInTheirOrder(t *testing.T) {
	const n = 10_000
	config, batch := crowd(t, 0)
	apps := make([]*configv1.Application, n)
	for i := range apps {
		// Of two with one client identifier the first has it.
		apps[i] = gatewaytest.NewApp(config.Domain.GetId(), fmt.Sprint("client-", i/2), func(a *configv1.Application) { a.Id = fmt.Sprint("app-", i) })
		batch.Upserts = append(batch.Upserts, resource.Wrap(apps[i]))
	}
	lean := batch
	lean.Upserts = nil
	for part := range slices.Chunk(batch.Upserts, 500) {
		wire, err := proto.Marshal(&configsyncv1.WatchResponse{Upserts: part})
		if err != nil {
			t.Fatal(err)
		}
		lean.Encoded = append(lean.Encoded, wire, []byte{4<<3 | 2, 1, 0xff})
	}
	set := newSet(domain.Options{})
	for name, b := range map[string]configsync.Batch{"encoded": lean, "and decoded": batch} {
		rejected := set.Apply(t.Context(), b)
		if len(rejected) != n/2 {
			t.Fatalf("%s: %d were rejected, want each second one", name, len(rejected))
		}
		for _, r := range rejected {
			if number, err := strconv.Atoi(strings.TrimPrefix(r.GetKey().GetId(), "app-")); err != nil || number%2 != 1 {
				t.Errorf("%s: %q was rejected", name, r.GetKey().GetId())
			}
		}
	}
	d, _ := set.Lookup("/acme/oauth/token")
	for i := 0; i < n; i += 2 {
		if c, err := d.Client(t.Context(), fmt.Sprint("client-", i/2)); err != nil || c.ID != apps[i].GetId() {
			t.Fatalf("client %d is %v, %v", i, c, err)
		}
	}
}

// TestAnApplicationIsTheSameHoweverItCame: what was compiled of it stays when it comes decoded that came encoded, as after a registration
// at this gateway.
func TestAnApplicationIsTheSameHoweverItCame(t *testing.T) {
	_, batch := crowd(t, 3)
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(&configsyncv1.WatchResponse{Upserts: batch.Upserts})
	if err != nil {
		t.Fatal(err)
	}
	lean := batch
	lean.Upserts, lean.Encoded = nil, [][]byte{wire}
	set := newSet(domain.Options{})
	set.Apply(t.Context(), lean)
	clientID := batch.Upserts[len(batch.Upserts)-1].GetApplication().GetSettings().GetOauth().GetClientId()
	client := func() *domain.Client {
		d, _ := set.Lookup("/acme/oauth/token")
		c, err := d.Client(t.Context(), clientID)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := client()
	if set.Apply(t.Context(), batch); client() != before {
		t.Error("the client was compiled again")
	}
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

// BenchmarkCopies is a gateway that begins, in a domain of 50,000 copies of a template with a page and a flow each, of which it holds none
// yet: with pages and flows that are brought, and with those that are on demand.
func BenchmarkCopies(b *testing.B) {
	const n = 50_000
	page := "<html><body>" + strings.Repeat("<p>Sign in with the account of your company.</p>\n", 20) + "</body></html>"
	for _, sort := range []string{"brought", "on demand"} {
		b.Run(sort, func(b *testing.B) {
			config := gatewaytest.NewAcme(b)
			batch := config.Batch(1)
			withheld := configsync.Withheld{Domain: config.Domain.GetId()}
			var own []resource.Resource
			for i := range n {
				id := fmt.Sprintf("%s-%d", secret.NewID(), i)
				withheld.Clients = append(withheld.Clients, configsync.HashClient(id))
				app := &configv1.Application{Id: secret.NewID(), Domain: config.Domain.GetId()}
				own = append(own, pageOf(app, secret.NewID(), page, 1), denying(app, secret.NewID(), 1))
			}
			batch.Withheld, batch.BelongingsOnDemand = []configsync.Withheld{withheld}, sort == "on demand"
			if !batch.BelongingsOnDemand {
				for _, r := range own {
					batch.Upserts = append(batch.Upserts, resource.Wrap(r))
				}
			}
			wire, err := proto.Marshal(&configsyncv1.WatchResponse{Upserts: batch.Upserts})
			if err != nil {
				b.Fatal(err)
			}
			batch.Upserts, batch.Encoded = nil, [][]byte{wire}
			var set *domain.Set
			before := heap()
			for b.Loop() {
				set = newSet(domain.Options{MostRegistered: n / 10})
				set.Apply(b.Context(), batch)
			}
			b.ReportMetric(float64(heap()-before)/(1<<20), "MB")
			b.ReportMetric(float64(len(wire))/(1<<20), "MB-sent")
			runtime.KeepAlive(set)
			runtime.KeepAlive(batch)
		})
	}
}

// BenchmarkApplyAll is what a start takes of many applications, as the stream brings them.
func BenchmarkApplyAll(b *testing.B) {
	const n = 20_000
	_, batch := crowd(b, n)
	wire, err := proto.Marshal(&configsyncv1.WatchResponse{Upserts: batch.Upserts})
	if err != nil {
		b.Fatal(err)
	}
	batch.Upserts, batch.Encoded, batch.Reset = nil, [][]byte{wire}, true
	b.ReportAllocs()
	for b.Loop() {
		if rejected := newSet(domain.Options{}).Apply(b.Context(), batch); len(rejected) > 0 {
			b.Fatal(rejected[0])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/application")
}
