package management

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"google.golang.org/grpc"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/services/management/internal/bootstrap"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// organization is the one there is.
const organization = "DEFAULT"

// The conditions of readiness.
const (
	database   = "database"
	configured = "configuration"
)

// Times of the database's part.
const (
	firstPause   = 100 * time.Millisecond // between two attempts to begin, growing to the next
	longestPause = 2 * time.Second
	askEvery     = 2 * time.Second // whether the database is still there
	closeWithin  = 2 * time.Second
	// A database that was away is there again once it has answered so many times, asked so often: one that comes and goes is away.
	// Gateways and load balancers turn to this replica when it is ready, and whoever comes too early is not served.
	steady        = 3
	askEveryAgain = 500 * time.Millisecond
)

// start is the database's part of the life of management: it waits for the database, prepares it, keeps an eye on it and
// closes it. Until the database is prepared nobody else may use it.
type start struct {
	db     *store.Store
	hasher *secret.Hasher
	first  bootstrap.FirstOperator
	log    *slog.Logger
	ready  *serve.Readiness
	// operators says that an installation without operators gets its first one here, sweeps that the database is tidied up here.
	operators, sweeps bool
	// prepared is closed once the database can be used.
	prepared chan struct{}
}

func newStart(db *store.Store, hasher *secret.Hasher, c Config, log *slog.Logger, ready *serve.Readiness) *start {
	return &start{
		db: db, hasher: hasher, log: log, operators: c.has(roleAPI), sweeps: c.has(roleSync),
		first: bootstrap.FirstOperator{
			Name: c.OperatorName, Password: c.OperatorPassword.Reveal(), Organization: organization,
		},
		ready:    ready,
		prepared: make(chan struct{}),
	}
}

// run prepares the database and looks after it until ctx ends, and closes it in the end.
func (s *start) run(ctx context.Context) error {
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		if err := s.db.Close(limited); err != nil {
			s.log.WarnContext(ctx, "database not closed in order", "err", err)
		}
	}()
	if err := s.prepare(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	close(s.prepared)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(ctx, s.db.Ping)
	}()
	tidy := idle
	if s.sweeps {
		tidy = s.db.Run
	}
	err := tidy(ctx)
	<-watched
	return err
}

// prepare waits for the database and makes what an installation begins with.
func (s *start) prepare(ctx context.Context) error {
	wait := firstPause
	for {
		err := s.db.Prepare(ctx)
		if err == nil && s.operators {
			err = bootstrap.Operators(ctx, s.db.Operators(), s.hasher, s.first, time.Now, s.log)
		}
		switch {
		case err == nil:
			s.ready.Set(database, true, "")
			return nil
		case ctx.Err() != nil:
			return nil
		case !fault.Is(err, fault.Unavailable):
			return err
		}
		s.ready.Set(database, false, "waiting for the database")
		s.log.WarnContext(ctx, "database is not available, trying again", "err", err)
		if !pause(ctx, wait) {
			return nil
		}
		wait = min(2*wait, longestPause)
	}
}

// watch keeps readiness true to whether the database answers.
func (s *start) watch(ctx context.Context, ask func(context.Context) error) {
	answers := steady // in a row
	for pause(ctx, nextQuestion(answers)) {
		err := ask(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err != nil:
			if answers >= steady {
				s.log.WarnContext(ctx, "database is not available", "err", err)
				s.ready.Set(database, false, "the database does not answer")
			}
			answers = 0
		case answers < steady:
			if answers++; answers == steady {
				s.log.InfoContext(ctx, "database is available again")
				s.ready.Set(database, true, "")
			}
		}
	}
}

func nextQuestion(answers int) time.Duration {
	if answers < steady {
		return askEveryAgain
	}
	return askEvery
}

// pause waits, and reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// after lets a part begin once the database is prepared.
func (s *start) after(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-s.prepared:
			return run(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// done reports whether the database is prepared.
func (s *start) done() bool {
	select {
	case <-s.prepared:
		return true
	default:
		return false
	}
}

var errStarting = fault.Unavailablef("The service is starting. Try again later")

// holdRequests answers 503 until the database is prepared: what is unique is not guarded before.
func (s *start) holdRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.done() {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Retry-After", "1")
			fault.WriteHTTP(w, errStarting)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// holdCalls is holdRequests for gateways' calls. Their configuration streams wait by themselves.
func (s *start) holdCalls(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if !s.done() {
		return nil, fault.ToGRPC(errStarting)
	}
	return next(ctx, request)
}
