package state

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
)

// DefaultTimeout bounds every command, so that a stalled Redis becomes an answer to the client within a second.
const DefaultTimeout = 500 * time.Millisecond

// Errors that callers distinguish.
var (
	// ErrUnknown means that a thing is not there: it never was, it has expired or ended, or it belongs to somebody else.
	// Each method says what it means there.
	ErrUnknown = errors.New("unknown or expired")
	// ErrUnavailable means that Redis gave no answer.
	ErrUnavailable = errors.New("redis is not available")
)

// Store is the connection to Redis. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	// listener subscribes; it is the client, but in a Cluster.
	listener redis.UniversalClient
	// cluster says that keys lie on several servers.
	cluster bool
	timeout time.Duration
	now     func() time.Time
	log     *slog.Logger
	failed  func()

	revoked revocations
	noticed chan struct{}
}

// Options adjust a Store.
type Options struct {
	// Now is the clock; nil = time.Now.
	Now func() time.Time
	// Logger reports lost connections; nil = slog.Default.
	Logger *slog.Logger
	// Failed is called once per command that Redis did not answer; may be nil.
	Failed func()
	// Tracing makes spans of what requests ask Redis; nil makes none.
	Tracing *observe.Tracing
	// Timeout is how long Redis may take for the answer to a command, a new connection included; 0 = DefaultTimeout.
	Timeout time.Duration
	// PoolSize bounds the connections to one server; 0 = 64. Commands beyond it wait up to Timeout.
	PoolSize int
	// Password is that of the URL's user, SentinelPassword that of its sentinel-user, where the URL does not say them.
	Password, SentinelPassword string
	// TLS is for rediss:// and its like; nil = the system's authorities.
	TLS *tls.Config
}

// Open prepares a store for the Redis at a URL, whose forms are at [ParseURL]. It does not connect: a gateway starts and
// serves what needs no Redis even while Redis is away.
func Open(url string, o Options) (*Store, error) {
	a, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	quiet()
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	s := &Store{cluster: a.cluster, timeout: o.Timeout, now: o.Now, log: o.Logger, failed: o.Failed, noticed: make(chan struct{}, 1)}
	s.client, s.listener = a.connect(o)
	if o.Tracing != nil {
		s.client.AddHook(traces{o.Tracing})
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.failed == nil {
		s.failed = func() {}
	}
	s.revoked.init()
	return s, nil
}

// together does the steps in one transaction. In a Cluster, where no transaction spans servers, they follow one another, each in
// one round trip in which every command is a transaction of its own: the caller orders them so that the whole can be
// done again where it stopped.
func (s *Store) together(ctx context.Context, steps ...func(redis.Pipeliner)) error {
	if !s.cluster {
		_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, step := range steps {
				step(p)
			}
			return nil
		})
		return err
	}
	for _, step := range steps {
		if _, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error { step(p); return nil }); err != nil {
			return err
		}
	}
	return nil
}

// quiet silences the library, which writes to the standard error of the process. What it has to say comes back as errors.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Close ends the connections.
func (s *Store) Close() error {
	if s.listener != s.client {
		return errors.Join(s.client.Close(), s.listener.Close())
	}
	return s.client.Close()
}

// Ping asks Redis for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.unavailable(s.client.Ping(ctx).Err())
}

// unavailable turns an error of the transport into ErrUnavailable, unless it was the caller who gave up. redis.Nil must
// have been handled before.
func (s *Store) unavailable(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	}
	s.failed()
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
