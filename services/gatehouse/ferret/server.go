package gatehouse

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/FerretDB/FerretDB/build/version"
	"github.com/FerretDB/FerretDB/internal/backends/sqlite"
	"github.com/FerretDB/FerretDB/internal/clientconn"
	"github.com/FerretDB/FerretDB/internal/clientconn/connmetrics"
	"github.com/FerretDB/FerretDB/internal/handler"
	"github.com/FerretDB/FerretDB/internal/util/logging"
	"github.com/FerretDB/FerretDB/internal/util/state"
)

// batchSize is how many documents FerretDB inserts with one statement, as its own embedding has it.
const batchSize = 100

// Config says where a server listens and where its databases are.
type Config struct {
	// Socket is the path of the Unix socket on which the server listens.
	Socket string
	// URL names the folder of the databases with SQLite's parameters: file:/path/?_pragma=…
	URL string
	// Logger receives what FerretDB logs.
	Logger *slog.Logger
}

// Server is an embedded database server that listens and is to be run.
type Server struct {
	backend  *backend
	listener *clientconn.Listener
}

// New opens the databases, gives those of before the indexes that they lack, and listens.
func New(c Config) (*Server, error) {
	version.Get().Package = "embedded"
	provider, err := state.NewProvider("")
	if err != nil {
		return nil, fmt.Errorf("state of the embedded database: %w", err)
	}
	// Nothing is reported anywhere; without this FerretDB warns that it has not been decided.
	err = provider.Update(func(s *state.State) {
		s.DisableTelemetry()
		s.TelemetryLocked = true
	})
	if err != nil {
		return nil, fmt.Errorf("state of the embedded database: %w", err)
	}
	log := logging.WithName(c.Logger, "sqlite")
	inner, err := sqlite.NewBackend(&sqlite.NewBackendParams{URI: c.URL, L: log, P: provider, BatchSize: batchSize})
	if err != nil {
		return nil, fmt.Errorf("databases: %w", err)
	}
	b, err := newBackend(inner, c.URL)
	if err != nil {
		inner.Close()
		return nil, fmt.Errorf("indexes of the databases: %w", err)
	}
	s := &Server{backend: b}
	if err := s.listen(c, provider, log); err != nil {
		b.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) listen(c Config, provider *state.Provider, log *slog.Logger) error {
	metrics := connmetrics.NewListenerMetrics()
	h, err := handler.New(&handler.NewOpts{
		Backend: s.backend, L: log, ConnMetrics: metrics.ConnMetrics, StateProvider: provider,
		CappedCleanupPercentage: 10, BatchSize: batchSize,
	})
	if err != nil {
		return fmt.Errorf("handler of the embedded database: %w", err)
	}
	// Nobody has to sign in here, so that a command is its handler alone.
	find, getMore, killCursors := h.Commands()["find"], h.Commands()["getMore"], h.Commands()["killCursors"]
	f := newFinds(s.backend, withOrder(find.Handler), getMore.Handler, killCursors.Handler)
	find.Handler, getMore.Handler, killCursors.Handler = f.Find, f.GetMore, f.KillCursors
	s.listener, err = clientconn.Listen(&clientconn.NewListenerOpts{
		Unix: c.Socket, Mode: clientconn.NormalMode, Metrics: metrics, Handler: h, Logger: c.Logger,
	})
	if err != nil {
		h.Close()
		return fmt.Errorf("embedded database: %w", err)
	}
	return nil
}

// Run serves until ctx ends, and then closes the databases.
func (s *Server) Run(ctx context.Context) {
	defer s.backend.Close()
	s.listener.Run(ctx)
}
