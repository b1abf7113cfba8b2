package serve

import (
	"crypto/tls"
	"fmt"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver/dns"
)

// lookAgain is the least time between two questions for the addresses behind a name. Behind that of a headless service are the
// addresses of replicas, all of which are replaced within seconds when they are restarted one by one; gRPC's own thirty seconds
// leave a client alone with those that are gone.
const lookAgain = 250 * time.Millisecond

func init() { dns.SetMinResolutionInterval(lookAgain) } // it says that there is no other time

// DialOptions are the choices of [DialGRPC]; the zero value is usable.
type DialOptions struct {
	// Plaintext permits a nil TLS configuration. It is for tests over loopback.
	Plaintext bool
	// MaxMessage bounds one message in either direction, in bytes; 0 means [DefaultMaxMessage].
	MaxMessage int
	// MaxBackoff bounds the pause between two attempts to connect; 0 means one second, so that a restarted server is found
	// quickly.
	MaxBackoff time.Duration
	// Tracer and Propagator are as in [GRPCOptions].
	Tracer     trace.TracerProvider
	Propagator propagation.TextMapPropagator
	// Reconnection is the connection's own, for who wants to tell it something; nil for nobody.
	Reconnection *Reconnection
	// More is appended, for what has no place here.
	More []grpc.DialOption
}

// DialGRPC prepares a connection to a gRPC server; it is made at the first call and whenever it is lost. Unary calls that find none wait
// for one for a moment after it was lost, and fail at once when it stays away. tlsConfig is of
// [Reloader.ClientTLS]. Proxies of the environment are not used. The caller closes the connection.
func DialGRPC(address string, tlsConfig *tls.Config, options DialOptions) (*grpc.ClientConn, error) {
	creds, err := clientCredentials(tlsConfig, options.Plaintext)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	pause := options.MaxBackoff
	if pause <= 0 {
		pause = time.Second
	}
	size := maxMessage(options.MaxMessage)
	if options.Reconnection == nil {
		options.Reconnection = new(Reconnection)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: min(100*time.Millisecond, pause), Multiplier: 1.6, Jitter: 0.2, MaxDelay: pause},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout, PermitWithoutStream: true}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(size), grpc.MaxCallSendMsgSize(size)),
		grpc.WithIdleTimeout(0), // stay connected: the stream is there for good
		grpc.WithNoProxy(),
		grpc.WithChainUnaryInterceptor(options.Reconnection.unary),
	}
	if options.Tracer != nil {
		opts = append(opts, grpc.WithStatsHandler(otelgrpc.NewClientHandler(traceOptions(options.Tracer, options.Propagator)...)))
	}
	conn, err := grpc.NewClient(address, append(opts, options.More...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	options.Reconnection.conn = conn
	return conn, nil
}
