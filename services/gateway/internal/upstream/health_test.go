package upstream_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/upstream"
)

var (
	directoryService = directoryv1.DirectoryService_ServiceDesc.ServiceName
	streamService    = "gatehouse.configsync.v1.ConfigSyncService"
)

// server is a replica of management on an address of its own.
type server struct {
	management
	address string
	asked   atomic.Int64
	health  *health.Server // nil of one that says nothing
}

// can says whether the replica has its database, and whether it has read the configuration.
func (s *server) can(database, configured bool) {
	for service, ok := range map[string]bool{directoryService: database && configured, streamService: configured} {
		status := healthv1.HealthCheckResponse_NOT_SERVING
		if ok {
			status = healthv1.HealthCheckResponse_SERVING
		}
		s.health.SetServingStatus(service, status)
	}
}

// newServers are replicas, and a connection that knows all of them.
func newServers(t *testing.T, n int, healthy bool) ([]*server, *grpc.ClientConn) {
	t.Helper()
	var all []*server
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	for range n {
		line, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &server{address: line.Addr().String()}
		g := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			s.asked.Add(1)
			return next(ctx, request)
		}))
		directoryv1.RegisterDirectoryServiceServer(g, s)
		registrationv1.RegisterRegistrationServiceServer(g, s)
		if healthy {
			s.health = health.NewServer()
			healthv1.RegisterHealthServer(g, s.health)
			s.can(true, true)
		}
		serving.Go(func() { _ = g.Serve(line) })
		t.Cleanup(g.Stop)
		all = append(all, s)
	}
	return all, toServers(t, all, directoryService)
}

func toServers(t *testing.T, servers []*server, service string) *grpc.ClientConn {
	t.Helper()
	var state resolver.State
	for _, s := range servers {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: s.address})
	}
	known := manual.NewBuilderWithScheme("replicas")
	known.InitialState(state)
	conn, err := grpc.NewClient("replicas:///management", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithResolvers(known), upstream.Replicas(service))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// within waits until something is so.
func within(t *testing.T, what string, is func() error) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		err := is()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// asks makes some calls, all of which must be answered, and says how many of them each replica got.
func asks(t *testing.T, d *upstream.Directory, servers []*server) []int64 {
	t.Helper()
	got := make([]int64, len(servers))
	for i, s := range servers {
		got[i] = -s.asked.Load()
	}
	for range 12 {
		if _, err := d.SignIn(t.Context(), "d", "a", nil); err != nil {
			t.Errorf("a call: %v", err)
		}
	}
	for i, s := range servers {
		got[i] += s.asked.Load()
	}
	return got
}

func TestAReplicaThatCannotServeIsLeftOutUntilItCan(t *testing.T) {
	servers, conn := newServers(t, 3, true)
	d := upstream.NewDirectory(conn, nil)
	share := func(what string, want ...int64) {
		t.Helper()
		within(t, what, func() error {
			for i, n := range asks(t, d, servers) {
				if n != want[i] {
					return fmt.Errorf("replica %d was asked %d times, want %d", i, n, want[i])
				}
			}
			return nil
		})
	}
	share("all can", 4, 4, 4)
	servers[1].can(false, true)
	share("one has lost its database", 6, 0, 6)
	servers[0].can(false, true)
	share("two have", 0, 0, 12)
	servers[0].can(true, true)
	servers[1].can(true, true)
	share("all can again", 4, 4, 4)
}

func TestCallsFailAtOnceWhileNoReplicaCanServe(t *testing.T) {
	servers, conn := newServers(t, 2, true)
	d := upstream.NewDirectory(conn, nil)
	asks(t, d, servers)
	for _, s := range servers {
		s.can(false, true)
	}
	within(t, "nobody can", func() error {
		if at := conn.GetState(); at != connectivity.TransientFailure {
			return fmt.Errorf("the connection is %v", at)
		}
		return nil
	})
	before := servers[0].asked.Load() + servers[1].asked.Load()
	began := time.Now()
	for range 20 {
		if _, err := d.SignIn(t.Context(), "d", "a", nil); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a call: %v", err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("twenty calls fail after %s", took)
	}
	if now := servers[0].asked.Load() + servers[1].asked.Load(); now != before {
		t.Errorf("%d calls were made", now-before)
	}
	servers[1].can(true, true)
	within(t, "one can again", func() error {
		_, err := d.SignIn(t.Context(), "d", "a", nil)
		return err
	})
}

// A replica of before does not know the question, and one that has no such service can do nothing with a call.
func TestWhatReplicasSayOfTheirHealth(t *testing.T) {
	servers, conn := newServers(t, 1, false)
	asks(t, upstream.NewDirectory(conn, nil), servers)
	if servers[0].asked.Load() != 12 {
		t.Errorf("a replica that says nothing was asked %d times", servers[0].asked.Load())
	}
	servers, _ = newServers(t, 1, true)
	other := upstream.NewDirectory(toServers(t, servers, "gatehouse.other.v1.OtherService"), nil)
	if _, err := other.User(t.Context(), "d", "s"); !fault.Is(err, fault.Unavailable) || servers[0].asked.Load() != 0 {
		t.Errorf("a replica without the service: %v, asked %d times", err, servers[0].asked.Load())
	}
}

// TestWhatIsInMemoryIsAskedWhereTheDatabaseIs, and anywhere while it is nowhere.
func TestWhatIsInMemoryIsAskedWhereTheDatabaseIs(t *testing.T) {
	servers, whole := newServers(t, 2, true)
	memory := upstream.NewMemory(whole, toServers(t, servers, streamService))
	r := upstream.NewRegistration(memory, nil)
	ask := func() error {
		_, err := r.Find(t.Context(), &registrationv1.ResolveRequest{Domain: "d", ClientId: "c", Revision: 7})
		return err
	}
	asked := func() int64 { return servers[0].asked.Load() }
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	servers[0].can(false, true)
	within(t, "it is asked at the other one alone", func() error {
		before := asked()
		for range 4 {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		}
		if asked() != before {
			return fmt.Errorf("the replica without its database was asked")
		}
		return nil
	})
	servers[1].can(false, false)
	within(t, "it is asked at one without its database, and not at one that has read nothing", func() error {
		before, other := asked(), servers[1].asked.Load()
		for range 4 {
			if err := ask(); err != nil {
				return err
			}
		}
		if asked() != before+4 || servers[1].asked.Load() != other {
			return fmt.Errorf("asked %d and %d times", asked()-before, servers[1].asked.Load()-other)
		}
		return nil
	})
}
