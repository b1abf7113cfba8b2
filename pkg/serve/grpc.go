package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// Limits of both ends of a gRPC connection.
const (
	// DefaultMaxMessage bounds one message in bytes; the configuration stream splits what is larger.
	DefaultMaxMessage = 16 << 20
	// pingEvery is how often a client makes sure that the server still lives; the server allows twice that rate.
	pingEvery   = 20 * time.Second
	pingTimeout = 5 * time.Second
)

// errNoTLS is the answer to a forgotten TLS configuration: the planes never speak openly by accident.
var errNoTLS = errors.New("a TLS configuration is needed")

// GRPCOptions are the choices of [NewGRPC]; the zero value is usable.
type GRPCOptions struct {
	// Plaintext permits a nil TLS configuration. It is for tests over loopback.
	Plaintext bool
	// MaxMessage bounds one message in either direction, in bytes; 0 means [DefaultMaxMessage].
	MaxMessage int
	// MaxAge ends a connection gracefully after about this time, so that peers must prove themselves anew; 0 means never.
	MaxAge time.Duration
	// Log receives panics, the server's own events and, at level DEBUG, every call with one answer; nil means none.
	Log *slog.Logger
	// Tracer, if set, makes a span of every call, joined to the caller's through Propagator.
	Tracer     trace.TracerProvider
	Propagator propagation.TextMapPropagator
	// Readiness, Drain and Grace are as in [HTTP].
	Readiness    *Readiness
	Drain, Grace time.Duration
	// Unary and Stream are run for every call, inside the recovery from panics.
	Unary  []grpc.UnaryServerInterceptor
	Stream []grpc.StreamServerInterceptor
}

// GRPC is one listening address and the gRPC services there. Services are registered with RegisterService before Run.
type GRPC struct {
	name, address string
	options       GRPCOptions
	log           *slog.Logger
	tls           bool
	server        *grpc.Server
	listener      listener
	stopping      chan struct{} // closed when streams have to end
}

// NewGRPC makes a server that recovers from panics, bounds messages, keeps connections alive and refuses peers that
// ping too often. tlsConfig is of [Reloader.ServerTLS].
func NewGRPC(name, address string, tlsConfig *tls.Config, options GRPCOptions) (*GRPC, error) {
	if tlsConfig == nil && !options.Plaintext {
		return nil, fmt.Errorf("%s: %w", name, errNoTLS)
	}
	g := &GRPC{
		name: name, address: address, options: options, log: options.Log, tls: tlsConfig != nil,
		stopping: make(chan struct{}),
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	size := maxMessage(options.MaxMessage)
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(size),
		grpc.MaxSendMsgSize(size),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingEvery / 2, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: pingEvery, Timeout: pingTimeout, MaxConnectionAge: options.MaxAge, MaxConnectionAgeGrace: time.Minute,
		}),
		grpc.ChainUnaryInterceptor(append([]grpc.UnaryServerInterceptor{g.recoverUnary}, options.Unary...)...),
		grpc.ChainStreamInterceptor(append([]grpc.StreamServerInterceptor{g.recoverStream}, options.Stream...)...),
		grpc.WaitForHandlers(true),
	}
	if tlsConfig != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(tlsConfig)))
	}
	if options.Tracer != nil {
		opts = append(opts, grpc.StatsHandler(otelgrpc.NewServerHandler(traceOptions(options.Tracer, options.Propagator)...)))
	}
	g.server = grpc.NewServer(opts...)
	return g, nil
}

// RegisterService makes GRPC a [grpc.ServiceRegistrar] for generated Register functions.
func (g *GRPC) RegisterService(desc *grpc.ServiceDesc, impl any) {
	g.server.RegisterService(desc, impl)
}

// Server is the server underneath, for what has no place here.
func (g *GRPC) Server() *grpc.Server { return g.server }

// Listen binds the address, so that Addr is known. Run does it if it was not done.
func (g *GRPC) Listen() error { return g.listener.listen(g.name, g.address) }

// Addr is the bound host:port, or "" before Listen.
func (g *GRPC) Addr() string { return g.listener.address() }

// Close frees the address of a server that listens and will not be run. It does nothing to one that runs.
func (g *GRPC) Close() error { return g.listener.close() }

// Run serves until ctx ends, then stops: not ready, drain, the contexts of streams end, calls under way get the grace
// time to finish, and in the end every connection is closed. Clients of ended streams see Unavailable and connect anew.
func (g *GRPC) Run(ctx context.Context) error {
	l, err := g.listener.take(g.name, g.address)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- g.server.Serve(l) }()
	g.log.Info("listening", "server", g.name, "address", l.Addr().String(), "tls", g.tls)

	select {
	case err := <-served:
		_ = l.Close()
		g.server.Stop()
		return fmt.Errorf("%s: serve: %w", g.name, err)
	case <-ctx.Done():
	}
	if g.options.Readiness != nil {
		g.options.Readiness.Stop()
	}
	times := stopTimes{g.options.Drain, g.options.Grace}
	times.wait()
	close(g.stopping)
	stopped := make(chan struct{})
	go func() {
		g.server.GracefulStop()
		close(stopped)
	}()
	deadline, cancel := times.deadline()
	defer cancel()
	var late error
	select {
	case <-stopped:
	case <-deadline.Done():
		late = fmt.Errorf("%s: stop before all calls had finished: %w", g.name, deadline.Err())
		g.server.Stop() // ends the contexts of all calls, waits for them
		<-stopped
	}
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("%s: serve: %w", g.name, err)
	}
	return late
}

func (g *GRPC) recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, g.panicked(ctx, info.FullMethod, v)
		}
	}()
	if g.log.Enabled(ctx, slog.LevelDebug) {
		defer g.answered(ctx, info.FullMethod, time.Now(), &err)
	}
	return next(ctx, req)
}

// answered logs a call as requests are logged: those of one trace are found in the caller's log as well.
func (g *GRPC) answered(ctx context.Context, method string, began time.Time, err *error) {
	g.log.LogAttrs(ctx, slog.LevelDebug, "call", slog.String("method", method), slog.String("grpc_code", status.Code(*err).String()),
		slog.Float64("duration_ms", float64(time.Since(began).Microseconds())/1000))
}

func (g *GRPC) recoverStream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan struct{})
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-g.stopping:
			cancel()
		case <-ended:
		}
	}()
	defer func() {
		close(ended)
		<-watching
		cancel()
		if v := recover(); v != nil {
			err = g.panicked(s.Context(), info.FullMethod, v)
		}
	}()
	err = next(srv, &endingStream{ServerStream: s, ctx: ctx, stopping: g.stopping})
	select {
	case <-g.stopping:
		if err != nil && s.Context().Err() == nil {
			return errStopping
		}
	default:
	}
	return err
}

func (g *GRPC) panicked(ctx context.Context, method string, v any) error {
	g.log.ErrorContext(ctx, "call panicked", "method", method, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "internal error")
}

// endingStream is a stream whose context and whose waiting receives also end when the server stops; else a handler that
// waits for its receiving loop would hold the server until the end of the grace time.
type endingStream struct {
	grpc.ServerStream
	ctx      context.Context
	stopping <-chan struct{}
}

func (s *endingStream) Context() context.Context { return s.ctx }

// RecvMsg may return at a stop while the receive underneath still waits. That one ends with the stream, right after the
// handler, and its message is nobody's.
func (s *endingStream) RecvMsg(m any) error {
	received := make(chan error, 1)
	go func() { received <- s.ServerStream.RecvMsg(m) }()
	select {
	case err := <-received:
		return err
	case <-s.stopping:
		return errStopping
	}
}

// errStopping makes clients of streams connect anew.
var errStopping = status.Error(codes.Unavailable, "the server is stopping")

func maxMessage(n int) int {
	if n <= 0 {
		return DefaultMaxMessage
	}
	return n
}

func traceOptions(tracer trace.TracerProvider, propagator propagation.TextMapPropagator) []otelgrpc.Option {
	opts := []otelgrpc.Option{otelgrpc.WithTracerProvider(tracer), otelgrpc.WithFilter(ends)}
	if propagator != nil {
		opts = append(opts, otelgrpc.WithPropagators(propagator))
	}
	return opts
}

// ends reports whether a call is over soon. The stream of configuration is not: its span would be as long as the connection.
func ends(call *stats.RPCTagInfo) bool { return !strings.HasSuffix(call.FullMethodName, "/Watch") }

func clientCredentials(tlsConfig *tls.Config, plaintext bool) (credentials.TransportCredentials, error) {
	switch {
	case tlsConfig != nil:
		return credentials.NewTLS(tlsConfig), nil
	case plaintext:
		return insecure.NewCredentials(), nil
	default:
		return nil, errNoTLS
	}
}
