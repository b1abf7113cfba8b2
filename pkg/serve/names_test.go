package serve

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/balance"
)

// All replicas behind a name are restarted one by one and come back at other addresses, as pods do.
func TestDialFindsReplicasThatHaveReplacedTheOnesItKnew(t *testing.T) {
	service := &health{check: func(context.Context) error { return nil }}
	management, gateway, err := DevelopmentAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files := reloader(t, gateway, ReloaderOptions{})
	first := plane{}.start(t, "127.0.0.2:0", management, files, service, GRPCOptions{})
	_, port, _ := net.SplitHostPort(first.address)
	var known atomic.Pointer[netip.Addr]
	is := func(address string) {
		a := netip.MustParseAddr(address)
		known.Store(&a)
	}
	is("127.0.0.2")
	names, err := balance.ListenNames(func() []netip.Addr { return []netip.Addr{*known.Load()} })
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	conn, err := DialGRPC(names.Target(port), files.ClientTLS("", RoleManagement), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	if _, err := client.Check(t.Context(), question); err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for !over.Load() {
				if _, err := client.Check(t.Context(), question); err != nil {
					t.Errorf("a call while replicas are replaced: %v", err)
					return
				}
			}
		})
	}
	stops := first
	for _, next := range []string{"127.0.0.3", "127.0.0.4"} {
		replica := plane{}.start(t, net.JoinHostPort(next, port), management, files, service, GRPCOptions{})
		is(next)
		stops.stop()
		if err := stops.wait(t); err != nil {
			t.Fatal(err)
		}
		stops = replica
		if _, err := client.Check(t.Context(), question); err != nil {
			t.Errorf("the replica at %s is not found: %v", next, err)
		}
	}
	over.Store(true)
	asking.Wait()
}

// A server that is away keeps its clients waiting once, not each time.
func TestCallsFailAtOnceWhileAServerStaysAway(t *testing.T) {
	service := &health{check: func(context.Context) error { return nil }}
	p := startPlane(t, service, GRPCOptions{})
	client := p.client(t, DialOptions{})
	if _, err := client.Check(t.Context(), question); err != nil {
		t.Fatal(err)
	}
	p.stop()
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	ask := func() time.Duration {
		began := time.Now()
		if _, err := client.Check(t.Context(), question); status.Code(err) != codes.Unavailable {
			t.Errorf("a call to nobody: %v", err)
		}
		return time.Since(began)
	}
	if took := ask(); took < reconnectWithin/2 || took > 2*reconnectWithin {
		t.Errorf("the first call fails after %s", took)
	}
	if took := ask(); took > reconnectWithin/2 {
		t.Errorf("the next call fails after %s", took)
	}
	again := plane{}.start(t, p.address, p.files, p.gateway, service, GRPCOptions{})
	defer again.stop()
	for limit := time.Now().Add(10 * time.Second); ; {
		_, err := client.Check(t.Context(), question)
		if err == nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("a server that is back is not found: %v", err)
		}
	}
}

// TestAServerThatOthersHaveFound is asked by the next call, however long it takes until the next attempt to connect.
func TestAServerThatOthersHaveFound(t *testing.T) {
	service := &health{check: func(context.Context) error { return nil }}
	p := startPlane(t, service, GRPCOptions{})
	var r Reconnection
	client := p.client(t, DialOptions{Reconnection: &r, More: []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Hour, MaxDelay: time.Hour}, MinConnectTimeout: time.Minute}),
	}})
	if _, err := client.Check(t.Context(), question); err != nil {
		t.Fatal(err)
	}
	p.stop()
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second does not wait
		if _, err := client.Check(t.Context(), question); status.Code(err) != codes.Unavailable {
			t.Fatalf("a call to nobody: %v", err)
		}
	}
	again := plane{}.start(t, p.address, p.files, p.gateway, service, GRPCOptions{})
	defer again.stop()
	r.Expect()
	if _, err := client.Check(t.Context(), question); err != nil {
		t.Errorf("the server that is back: %v", err)
	}
}
