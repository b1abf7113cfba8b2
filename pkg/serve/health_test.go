package serve

import (
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
)

// TestHealthFollowsTheConditionsOfEachService, as whoever watches a service is told.
func TestHealthFollowsTheConditionsOfEachService(t *testing.T) {
	const (
		yes     = grpc_health_v1.HealthCheckResponse_SERVING
		no      = grpc_health_v1.HealthCheckResponse_NOT_SERVING
		unknown = grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
	)
	ready := NewReadiness("database", "configuration")
	management, gateway, err := DevelopmentAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGRPC("management", "127.0.0.1:0", reloader(t, management, ReloaderOptions{}).ServerTLS(RoleGateway), GRPCOptions{Readiness: ready})
	if err != nil {
		t.Fatal(err)
	}
	g.Health(ready, map[string][]string{"directory": {"database", "configuration"}, "stream": {"configuration"}})
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	p := plane{start(t, g.Run), g.Addr(), reloader(t, gateway, ReloaderOptions{}), management}
	client := p.client(t, DialOptions{})
	watched := map[string]grpc_health_v1.Health_WatchClient{}
	for _, service := range []string{"", "directory", "stream", "nothing"} {
		w, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		watched[service] = w
	}
	is := func(when, service string, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		got, err := watched[service].Recv()
		if err != nil || got.GetStatus() != want {
			t.Fatalf("%s, %q: %v %v, want %v", when, service, got.GetStatus(), err, want)
		}
	}
	is("at the start", "", no)
	is("at the start", "directory", no)
	is("at the start", "stream", no)
	is("at the start", "nothing", unknown)
	ready.Set("database", true, "")
	ready.Set("configuration", true, "")
	is("when all is there", "", yes)
	is("when all is there", "directory", yes)
	is("when all is there", "stream", yes)
	ready.Set("database", false, "away")
	is("without the database", "", no)
	is("without the database", "directory", no)
	if got, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "stream"}); err != nil || got.GetStatus() != yes {
		t.Errorf("the stream without the database: %v %v", got, err)
	}
	ready.Set("database", true, "")
	is("with the database again", "directory", yes)
	ready.Stop()
	if got, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "directory"}); err != nil || got.GetStatus() != yes {
		t.Errorf("while it drains: %v %v", got, err)
	}
	// Watchers do not hold a server that stops.
	p.stop()
	if err := p.wait(t); err != nil {
		t.Error(err)
	}
	for _, service := range []string{"directory", "stream"} {
		if _, err := watched[service].Recv(); err == nil {
			t.Errorf("%s is watched after the end", service)
		}
	}
}
