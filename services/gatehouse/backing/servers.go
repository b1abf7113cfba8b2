package backing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Servers are the backing servers of one process.
type Servers struct {
	options Options
	log     *slog.Logger
	started atomic.Bool

	ready      chan struct{} // closed when both addresses are known
	mongoDBURI string
	redisURL   string

	over chan struct{} // closed when Run returns
	err  error
}

// New checks the options. It starts nothing.
func New(options Options) (*Servers, error) {
	var err error
	if options.MongoDBAddress, err = loopback(options.MongoDBAddress); err != nil {
		return nil, fmt.Errorf("MongoDB: %w", err)
	}
	if options.RedisAddress, err = loopback(options.RedisAddress); err != nil {
		return nil, fmt.Errorf("Redis: %w", err) //nolint:staticcheck // a name
	}
	s := &Servers{options: options, log: options.Logger, ready: make(chan struct{}), over: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s, nil
}

// Run starts the servers and keeps them running until ctx ends; then it lets writes under way finish, stops everything
// and returns nil. It returns an error if a server cannot start or stops by itself. It can be called once.
func (s *Servers) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return errors.New("backing servers have been run before")
	}
	s.err = s.run(ctx)
	close(s.over)
	return s.err
}

func (s *Servers) run(ctx context.Context) (err error) {
	g, ctx := errgroup.WithContext(ctx)
	defer func() {
		if failure := g.Wait(); failure != nil {
			err = failure
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	r, err := listenRedis(s.options.RedisAddress)
	if err != nil {
		return fmt.Errorf("Redis: %w", err) //nolint:staticcheck // a name
	}
	g.Go(func() error { return r.run(ctx) })
	s.redisURL = r.url()

	if !s.options.RedisOnly {
		m, err := openMongoDB(s.options.DataDir, s.options.MongoDBAddress, s.log)
		if err != nil {
			return fmt.Errorf("MongoDB: %w", err)
		}
		g.Go(func() error { return m.run(ctx) })
		s.mongoDBURI = m.uri()
	}

	close(s.ready)
	<-ctx.Done()
	return nil
}

// Ready waits until the servers accept connections. It returns an error if Run ends before that, or ctx.
func (s *Servers) Ready(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-s.over:
		if s.err != nil {
			return s.err
		}
		return errors.New("backing servers ended before they were ready")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// MongoDBURI is the connection string of the database server, without a database name. It is empty until the servers are
// ready, and with Options.RedisOnly.
func (s *Servers) MongoDBURI() string {
	if !s.isReady() {
		return ""
	}
	return s.mongoDBURI
}

// RedisURL is the address of the Redis server. It is empty until the servers are ready.
func (s *Servers) RedisURL() string {
	if !s.isReady() {
		return ""
	}
	return s.redisURL
}

func (s *Servers) isReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}
