package configsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// client is an application as they usually are.
func client(domain string, i int) *configv1.Resource {
	id := fmt.Sprintf("0b6f6a4e-7a5c-4f0a-9d53-%012d", i)
	return resource.Wrap(&configv1.Application{
		Id: id, Domain: domain, Revision: int64(i), Name: "Application " + id[30:], Type: configv1.Application_SERVICE,
		Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
			ClientId: id, GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "client_secret_basic",
			ScopeSettings: []*configv1.ScopeSetting{{Scope: "read"}, {Scope: "write"}},
		}},
		Secrets: []*configv1.ClientSecret{{Id: id, Hash: "$sha256$6dcd4ce23d88e2ee9568ba546c007c63d9131c1b7d2e4b5a0c3f8e7d6a5b4c3d"}},
	})
}

func clients(domains, each int) []*configv1.Resource {
	var all []*configv1.Resource
	for d := range domains {
		for i := range each {
			all = append(all, client(fmt.Sprintf("domain-%d", d), d*each+i))
		}
	}
	return all
}

// signal is a sink that says which revision it has reached.
type signal chan int64

func (s signal) Apply(_ context.Context, b Batch) []*configsyncv1.Rejection {
	s <- b.Revision
	return nil
}

// BenchmarkPush measures from Apply until the sink of the last gateway has the change.
func BenchmarkPush(b *testing.B) {
	for _, gateways := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("to %d gateways", gateways), func(b *testing.B) {
			p, h := publisher(b, PublisherOptions{})
			load(b, p, "i", 0, clients(100, 100)...)
			reached := make(signal, gateways)
			var ends []func()
			for i := range gateways {
				_, conn := connect(b, h)
				s := NewSubscriber(conn, fmt.Sprint(i), reached, SubscriberOptions{})
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = s.Run(ctx)
				}()
				ends = append(ends, func() { cancel(); <-ended })
			}
			for range gateways {
				<-reached
			}
			times := make([]time.Duration, 0, b.N)
			revision := int64(0)
			for b.Loop() {
				revision++
				change := client("domain-7", 701)
				start := time.Now()
				apply(b, p, revision, change)
				for range gateways {
					<-reached
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
			for _, end := range ends {
				end()
			}
		})
	}
}

// BenchmarkSnapshot measures from the subscription until a gateway has received everything.
func BenchmarkSnapshot(b *testing.B) {
	p, h := publisher(b, PublisherOptions{})
	load(b, p, "i", 1, clients(100, 1000)...)
	b.ReportAllocs()
	for b.Loop() {
		_, conn := connect(b, h)
		stream, err := configsyncv1.NewConfigSyncServiceClient(conn).Watch(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := stream.Send(&configsyncv1.WatchRequest{Message: &configsyncv1.WatchRequest_Subscribe{}}); err != nil {
			b.Fatal(err)
		}
		n := 0
		for more := true; more; {
			m, err := stream.Recv()
			if err != nil {
				b.Fatal(err)
			}
			n += len(m.GetUpserts())
			more = m.GetPartial()
		}
		if n != 100_000 {
			b.Fatalf("%d resources", n)
		}
		if err := stream.CloseSend(); err != nil {
			b.Fatal(err)
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
		_ = conn.Close()
	}
}

// BenchmarkParts is the publisher's share of a snapshot, without the transport.
func BenchmarkParts(b *testing.B) {
	p := NewPublisher(PublisherOptions{})
	load(b, p, "i", 1, clients(100, 1000)...)
	b.ReportAllocs()
	for b.Loop() {
		for range p.current.Load().batch(place{}, nil, cut{resources: 500, bytes: 1 << 20}) {
		}
	}
}

// BenchmarkLoad also tells what the image of 100,000 applications takes.
func BenchmarkLoad(b *testing.B) {
	all := clients(100, 1000)
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	var p *Publisher
	b.ReportAllocs()
	for b.Loop() {
		p = NewPublisher(PublisherOptions{})
		load(b, p, "i", 1, all...)
	}
	with := heap()
	encoded := 0
	for _, u := range p.current.Load().image.all() {
		encoded += len(u)
	}
	p = nil
	b.ReportMetric((with-heap())/float64(len(all)), "image-B/app")
	b.ReportMetric(float64(encoded)/float64(len(all)), "encoded-B/app")
	runtime.KeepAlive(all)
}

// BenchmarkApply is one change of one application among 100,000 and among few, without gateways.
func BenchmarkApply(b *testing.B) {
	for _, each := range []int{1, 1000} {
		b.Run(fmt.Sprintf("among %d", 100*each), func(b *testing.B) {
			p := NewPublisher(PublisherOptions{})
			load(b, p, "i", 1, clients(100, each)...)
			r := client("domain-0", 0)
			revision := int64(1)
			b.ReportAllocs()
			for b.Loop() {
				revision++
				apply(b, p, revision, r)
			}
		})
	}
}
