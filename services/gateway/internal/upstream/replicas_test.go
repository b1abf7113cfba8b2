package upstream_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/upstream"
)

// replicas are managements that the same connection leads to one after the other: whenever one is asked, it dies, until only the last
// one is left.
type replicas struct {
	management

	mu      sync.Mutex // guards both
	servers []*grpc.Server
	lines   []*bufconn.Listener
	asked   atomic.Int64
}

func newReplicas(t *testing.T, n int) (*replicas, *grpc.ClientConn) {
	t.Helper()
	r := &replicas{}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	for range n {
		line := bufconn.Listen(1 << 16)
		server := grpc.NewServer(grpc.UnaryInterceptor(r.die))
		directoryv1.RegisterDirectoryServiceServer(server, &r.management)
		registrationv1.RegisterRegistrationServiceServer(server, &r.management)
		serving.Go(func() { _ = server.Serve(line) })
		t.Cleanup(server.Stop)
		r.servers, r.lines = append(r.servers, server), append(r.lines, line)
	}
	conn, err := grpc.NewClient("passthrough:///management", grpc.WithTransportCredentials(insecure.NewCredentials()), upstream.Replicas(directoryService),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			r.mu.Lock()
			line := r.lines[0]
			r.mu.Unlock()
			return line.DialContext(ctx)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return r, conn
}

// die ends the server that is asked, unless it is the last one.
func (r *replicas) die(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	r.asked.Add(1)
	r.mu.Lock()
	last := len(r.servers) == 1
	if !last {
		dead := r.servers[0]
		r.servers, r.lines = r.servers[1:], r.lines[1:]
		go dead.Stop()
	}
	r.mu.Unlock()
	if !last {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return next(ctx, request)
}

func TestWhatOnlyReadsIsAskedAgainAtAnotherReplica(t *testing.T) {
	r, conn := newReplicas(t, 3)
	user, err := upstream.NewDirectory(conn, nil).User(t.Context(), "d", "s")
	if err != nil || user.GetId() != "u" {
		t.Errorf("user %v, %v", user, err)
	}
	if n := r.asked.Load(); n != 3 {
		t.Errorf("%d replicas were asked, want all three", n)
	}
}

func TestCallsAreSpreadOverReplicas(t *testing.T) {
	const n, calls = 4, 40
	servers, conn := newServers(t, n, true)
	d := upstream.NewDirectory(conn, nil)
	everybody := func() bool {
		for _, s := range servers {
			if s.asked.Load() == 0 {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(20 * time.Second); !everybody() && time.Now().Before(end); {
		if _, err := d.User(t.Context(), "d", "s"); err != nil {
			t.Fatal(err)
		}
	}
	before := make([]int64, n) // from here on all of them are connected
	for i, s := range servers {
		before[i] = s.asked.Load()
	}
	for range calls {
		if _, err := d.User(t.Context(), "d", "s"); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range servers {
		if got := s.asked.Load() - before[i]; got != calls/n {
			t.Errorf("replica %d was asked %d times of %d", i, got, calls)
		}
	}
}

// A replica that dies may have done what it was asked for.
func TestWhatChangesSomethingIsAskedOnce(t *testing.T) {
	r, conn := newReplicas(t, 4)
	d, g := upstream.NewDirectory(conn, nil), upstream.NewRegistration(conn, nil)
	for i, call := range []func() error{
		func() error { _, err := g.Create(t.Context(), &registrationv1.CreateRequest{Domain: "d"}); return err },
		func() error { _, err := d.SignIn(t.Context(), "d", "a", nil); return err },
		func() error { _, err := d.Authenticate(t.Context(), "d", "p", "ann", "x"); return err },
	} {
		if err := call(); !fault.Is(err, fault.Unavailable) {
			t.Errorf("call %d: %v", i, err)
		}
		if n := r.asked.Load(); n != int64(i+1) {
			t.Errorf("after %d calls %d replicas were asked", i+1, n)
		}
	}
}

// Management that is away altogether is not asked four times as often by everybody who needs it.
func TestNothingIsRepeatedWhileManagementIsAway(t *testing.T) {
	conn, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()), upstream.Replicas(directoryService))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	d := upstream.NewDirectory(conn, nil)
	ask := func() time.Duration {
		began := time.Now()
		if _, err := d.User(t.Context(), "d", "s"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
		return time.Since(began)
	}
	first := ask()
	if first > time.Second {
		t.Errorf("the answer took %v", first)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { ask() })
	}
	all.Wait()
	if later := ask(); later > first/2 {
		t.Errorf("after twenty failures an answer takes %v, the first one took %v", later, first)
	}
}
