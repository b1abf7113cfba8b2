package serve

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// health is a service at hand whose methods do what a test wants.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	check func(context.Context) error
	watch func(grpc.ServerStream) error
}

func (h *health) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{}, h.check(ctx)
}

func (h *health) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	return h.watch(s)
}

// plane is a running management server and the files of a gateway.
type plane struct {
	running
	address string
	gateway *Reloader
	files   TLSFiles // management's
}

func startPlane(t *testing.T, service *health, options GRPCOptions) plane {
	t.Helper()
	management, gateway, err := DevelopmentAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return plane{}.start(t, "127.0.0.1:0", management, reloader(t, gateway, ReloaderOptions{}), service, options)
}

func (plane) start(t *testing.T, address string, files TLSFiles, gateway *Reloader, service *health, options GRPCOptions) plane {
	t.Helper()
	g, err := NewGRPC("management", address, reloader(t, files, ReloaderOptions{}).ServerTLS(RoleGateway), options)
	if err != nil {
		t.Fatal(err)
	}
	grpc_health_v1.RegisterHealthServer(g, service)
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	return plane{start(t, g.Run), g.Addr(), gateway, files}
}

func (p plane) client(t *testing.T, options DialOptions) grpc_health_v1.HealthClient {
	t.Helper()
	conn, err := DialGRPC(p.address, p.gateway.ClientTLS("127.0.0.1", RoleManagement), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return grpc_health_v1.NewHealthClient(conn)
}

var question = &grpc_health_v1.HealthCheckRequest{}

func TestGRPCNeedsTLS(t *testing.T) {
	if _, err := NewGRPC("management", "127.0.0.1:0", nil, GRPCOptions{}); !errors.Is(err, errNoTLS) {
		t.Errorf("server: %v", err)
	}
	if _, err := DialGRPC("127.0.0.1:1", nil, DialOptions{}); !errors.Is(err, errNoTLS) {
		t.Errorf("client: %v", err)
	}
}

func TestGRPCRefusesAnotherRole(t *testing.T) {
	p := startPlane(t, &health{check: func(context.Context) error { return nil }}, GRPCOptions{})
	if _, err := p.client(t, DialOptions{}).Check(t.Context(), question); err != nil {
		t.Errorf("a gateway: %v", err)
	}
	p.gateway = reloader(t, p.files, ReloaderOptions{})
	if _, err := p.client(t, DialOptions{}).Check(t.Context(), question); status.Code(err) != codes.Unavailable {
		t.Errorf("management as a gateway: %v", err)
	}
}

func TestGRPCPanics(t *testing.T) {
	var log bytes.Buffer
	p := startPlane(t, &health{
		check: func(context.Context) error { panic("deep inside") },
		watch: func(grpc.ServerStream) error { panic("deep inside") },
	}, GRPCOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	client := p.client(t, DialOptions{})
	_, unary := client.Check(t.Context(), question)
	stream, err := client.Watch(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	_, streamed := stream.Recv()
	for _, err := range []error{unary, streamed} {
		if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "deep") {
			t.Errorf("the client sees %v", err)
		}
	}
	p.stop()
	if err := p.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if got := strings.Count(log.String(), "deep inside"); got != 2 {
		t.Errorf("two panics are logged %d times", got)
	}
}

func TestGRPCStop(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	watching := make(chan struct{})
	ready := NewReadiness()
	p := startPlane(t, &health{
		check: func(ctx context.Context) error { close(entered); <-leave; return ctx.Err() },
		watch: func(s grpc.ServerStream) error {
			close(watching)
			<-s.Context().Done()
			return s.Context().Err()
		},
	}, GRPCOptions{Readiness: ready, Grace: time.Minute})
	client := p.client(t, DialOptions{})
	called := make(chan error, 1)
	go func() { _, err := client.Check(context.Background(), question); called <- err }()
	stream, err := p.client(t, DialOptions{}).Watch(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	<-watching
	p.stop()
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a stream ends with %v", err)
	}
	if ok, _ := ready.Ready(); ok {
		t.Error("a stopping server is ready")
	}
	close(leave)
	if err := <-called; err != nil {
		t.Errorf("a call under way ends with %v", err)
	}
	if err := p.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestGRPCStopEndsAWaitingReceive(t *testing.T) {
	waiting := make(chan struct{})
	g, err := NewGRPC("management", "127.0.0.1:0", nil, GRPCOptions{Plaintext: true, Grace: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	g.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Talk", Streams: []grpc.StreamDesc{{
		StreamName: "Talk", ClientStreams: true, ServerStreams: true,
		Handler: func(_ any, s grpc.ServerStream) error {
			message := new(grpc_health_v1.HealthCheckRequest)
			if err := s.RecvMsg(message); err != nil || message.Service != "hello" {
				t.Errorf("first message %q, %v", message.Service, err)
			}
			close(waiting)
			return s.RecvMsg(new(grpc_health_v1.HealthCheckRequest)) // the client sends nothing more
		},
	}}}, nil)
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	server := start(t, g.Run)
	conn, err := DialGRPC(g.Addr(), nil, DialOptions{Plaintext: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Talk/Talk")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(&grpc_health_v1.HealthCheckRequest{Service: "hello"}); err != nil {
		t.Fatal(err)
	}
	<-waiting
	server.stop()
	if err := stream.RecvMsg(new(grpc_health_v1.HealthCheckResponse)); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ends with %v", err)
	}
	if err := server.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestGRPCStopEndsWhatTakesTooLong(t *testing.T) {
	entered := make(chan struct{})
	p := startPlane(t, &health{
		check: func(ctx context.Context) error { close(entered); <-ctx.Done(); return ctx.Err() },
	}, GRPCOptions{Grace: 10 * time.Millisecond})
	client := p.client(t, DialOptions{})
	called := make(chan error, 1)
	go func() { _, err := client.Check(context.Background(), question); called <- err }()
	<-entered
	p.stop()
	if err := p.wait(t); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run: %v", err)
	}
	if err := <-called; status.Code(err) != codes.Unavailable {
		t.Errorf("the call ends with %v", err)
	}
}

func TestDialFindsARestartedServer(t *testing.T) {
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
	if _, err := client.Check(t.Context(), question); status.Code(err) != codes.Unavailable {
		t.Errorf("without a server: %v", err)
	}
	again := plane{}.start(t, p.address, p.files, p.gateway, service, GRPCOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := client.Check(ctx, question, grpc.WaitForReady(true)); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	again.stop()
	if err := again.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestGRPCBoundsMessages(t *testing.T) {
	p := startPlane(t, &health{check: func(context.Context) error { return nil }}, GRPCOptions{MaxMessage: 100})
	_, err := p.client(t, DialOptions{}).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: strings.Repeat("x", 200)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("err = %v", err)
	}
}

// named is a provider that notes the names of spans.
type named struct {
	noop.TracerProvider
	spans chan string
}

type namedTracer struct {
	noop.Tracer
	spans chan string
}

func (n named) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return namedTracer{spans: n.spans}
}

func (n namedTracer) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.NewSpanStartConfig(o...)
	n.spans <- config.SpanKind().String() + " " + name
	return n.Tracer.Start(ctx, name, o...)
}

func TestGRPCTraces(t *testing.T) {
	spans := named{spans: make(chan string, 10)}
	p := startPlane(t, &health{check: func(context.Context) error { return nil }}, GRPCOptions{Tracer: spans})
	if _, err := p.client(t, DialOptions{Tracer: spans}).Check(t.Context(), question); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"client grpc.health.v1.Health/Check", "server grpc.health.v1.Health/Check"} {
		if got := <-spans.spans; got != want {
			t.Errorf("span = %q, want %q", got, want)
		}
	}
}
