package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits of an [HTTP] server where its fields are zero.
const (
	DefaultReadHeaderTimeout = 10 * time.Second
	DefaultReadTimeout       = 30 * time.Second
	DefaultWriteTimeout      = 60 * time.Second
	DefaultIdleTimeout       = 120 * time.Second
	DefaultMaxHeaderBytes    = 64 << 10
)

// HTTP is one listening address and what answers there. Fill the fields, then call Run, or Listen first to know the
// address. HTTP/2 is spoken when TLS is set. It must not be copied after use.
type HTTP struct {
	// Name appears in logs and errors: "gateway", "technical".
	Name string
	// Address is host:port; port 0 takes a free one.
	Address string
	Handler http.Handler
	// TLS is nil for plain HTTP, else of [Reloader.ServerTLS] or [Reloader.PublicTLS].
	TLS *tls.Config
	// Log receives what the server itself has to say; nil means none.
	Log *slog.Logger

	// Readiness, if set, is stopped at the beginning of the stop.
	Readiness *Readiness
	// Drain is how long the server goes on accepting after that. Meanwhile each answer is the last one of its connection, so
	// that clients come back over another one, to another server.
	Drain time.Duration
	// Grace is how long requests under way may take to finish after that; 0 means [DefaultGrace].
	Grace time.Duration

	// ReadHeaderTimeout, ReadTimeout and WriteTimeout bound the header, the whole request and the answer, IdleTimeout the
	// time between requests. Zero means the default above, negative means none.
	ReadHeaderTimeout, ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// MaxHeaderBytes bounds the request line with all header fields; 0 means [DefaultMaxHeaderBytes].
	MaxHeaderBytes int

	listener listener
	draining atomic.Bool
}

// Listen binds the address, so that Addr is known and connections queue until Run. Run does it if it was not done.
func (h *HTTP) Listen() error { return h.listener.listen(h.Name, h.Address) }

// Addr is the bound host:port, or "" before Listen.
func (h *HTTP) Addr() string { return h.listener.address() }

// Close frees the address of a server that listens and will not be run. It does nothing to one that runs.
func (h *HTTP) Close() error { return h.listener.close() }

// Run serves until ctx ends, then stops: not ready, drain, no new connections, at most Grace for requests under way,
// then their contexts end and their connections are closed. It returns nil after a stop in which all requests finished.
func (h *HTTP) Run(ctx context.Context) error {
	l, err := h.listener.take(h.Name, h.Address)
	if err != nil {
		return err
	}
	// Requests outlive ctx by the drain and grace times.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	server := h.server(life)

	served := make(chan error, 1)
	go func() {
		if h.TLS != nil {
			served <- server.ServeTLS(l, "", "")
			return
		}
		served <- server.Serve(l)
	}()
	h.logger().Info("listening", "server", h.Name, "address", l.Addr().String(), "tls", h.TLS != nil)

	select {
	case err := <-served:
		_ = l.Close()
		return fmt.Errorf("%s: serve: %w", h.Name, err)
	case <-ctx.Done():
	}
	h.draining.Store(true)
	if h.Readiness != nil {
		h.Readiness.Stop()
	}
	times := stopTimes{h.Drain, h.Grace}
	times.wait()
	deadline, cancel := times.deadline()
	defer cancel()
	unfinished := server.Shutdown(deadline)
	if unfinished != nil {
		_ = server.Close() // first: an answer whose handler gives up must not look like a whole one
		end()
	}
	err = <-served
	if unfinished != nil {
		return fmt.Errorf("%s: stop before all requests had finished: %w", h.Name, unfinished)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: serve: %w", h.Name, err)
	}
	return nil
}

func (h *HTTP) server(life context.Context) *http.Server {
	maxHeader := h.MaxHeaderBytes
	if maxHeader <= 0 {
		maxHeader = DefaultMaxHeaderBytes
	}
	return &http.Server{
		Handler:           h.lastOnes(h.Handler),
		TLSConfig:         h.TLS,
		ReadHeaderTimeout: orDefault(h.ReadHeaderTimeout, DefaultReadHeaderTimeout),
		ReadTimeout:       orDefault(h.ReadTimeout, DefaultReadTimeout),
		WriteTimeout:      orDefault(h.WriteTimeout, DefaultWriteTimeout),
		IdleTimeout:       orDefault(h.IdleTimeout, DefaultIdleTimeout),
		MaxHeaderBytes:    maxHeader,
		// What the server says by itself is about peers: broken handshakes, malformed requests.
		ErrorLog:    slog.NewLogLogger(h.logger().Handler(), slog.LevelInfo),
		BaseContext: func(net.Listener) context.Context { return life },
	}
}

// lastOnes says in every answer while the server drains that the connection ends with it (RFC 9112 §9.6; HTTP/2 says GOAWAY). A
// connection that was idle all the time is closed when the server stops: a request that is sent at that very moment gets no
// answer, and was not read.
func (h *HTTP) lastOnes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (h *HTTP) logger() *slog.Logger {
	if h.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.Log
}

func orDefault(d, otherwise time.Duration) time.Duration {
	switch {
	case d == 0:
		return otherwise
	case d < 0:
		return 0 // net/http: no limit
	default:
		return d
	}
}
