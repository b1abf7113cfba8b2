package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
)

// Timeout bounds every command, so that a stalled Redis becomes an answer to the client within a second.
const Timeout = 500 * time.Millisecond

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
	now    func() time.Time
	log    *slog.Logger
	failed func()

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
	// PoolSize bounds the connections; 0 = 64. Commands beyond it wait up to Timeout.
	PoolSize int
}

// quiet silences the library, which writes to the standard error of the process. What it has to say comes back as errors.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Open prepares a store for a URL such as redis://user:password@host:6379/0. It does not connect: a gateway starts and
// serves what needs no Redis even while Redis is away.
func Open(url string, o Options) (*Store, error) {
	ro, err := redis.ParseURL(url)
	if err != nil {
		// The cause repeats the URL, and the URL holds the password.
		return nil, errors.New("the Redis URL cannot be used: expected redis://user:password@host:port/db")
	}
	quiet()
	ro.DialTimeout, ro.ReadTimeout, ro.WriteTimeout, ro.PoolTimeout = Timeout, Timeout, Timeout, Timeout
	ro.ContextTimeoutEnabled = true
	ro.DialerRetries, ro.MaxRetries = 1, -1
	// Nothing here uses what these would ask for on every new connection.
	ro.Protocol, ro.DisableIdentity = 2, true
	ro.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	ro.PoolSize = 64
	if o.PoolSize > 0 {
		ro.PoolSize = o.PoolSize
	}
	s := &Store{client: redis.NewClient(ro), now: o.Now, log: o.Logger, failed: o.Failed, noticed: make(chan struct{}, 1)}
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

// Close ends the connections.
func (s *Store) Close() error { return s.client.Close() }

// Ping asks Redis for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
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
