package backing

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"slices"

	ferretdb "github.com/FerretDB/FerretDB/gatehouse"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/backing/internal/serialiser"
)

// mongoDB is an embedded database server and the proxy before it.
type mongoDB struct {
	directory *directory
	ferret    *ferretdb.Server
	proxy     *serialiser.Proxy
	listener  net.Listener
}

// openMongoDB takes the data directory and returns a server that accepts connections and is to be run.
func openMongoDB(dataDir, address string, log *slog.Logger) (m *mongoDB, err error) {
	dir, err := openDirectory(dataDir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, dir.close())
		}
	}()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = listener.Close()
		}
	}()

	socket, err := dir.socket()
	if err != nil {
		return nil, err
	}
	ferret, err := ferretdb.New(ferretdb.Config{Socket: socket, URL: dir.sqliteURL(), Logger: slog.New(severe{Handler: log.Handler()})})
	if err != nil {
		return nil, err
	}
	return &mongoDB{directory: dir, ferret: ferret, proxy: serialiser.New(socket, log), listener: listener}, nil
}

func (m *mongoDB) uri() string {
	u := url.URL{Scheme: "mongodb", Host: m.listener.Addr().String(), Path: "/"}
	return u.String()
}

// run serves until ctx ends. The proxy goes first, so that FerretDB has no connections left when it stops.
func (m *mongoDB) run(ctx context.Context) error {
	ferretContext, stop := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() {
		defer close(over)
		m.ferret.Run(ferretContext)
	}()

	err := m.proxy.Serve(ctx, m.listener)
	stop()
	<-over
	return errors.Join(err, m.directory.close())
}

// severe passes on errors only: below that level FerretDB logs whole requests and answers, and with them secrets. It takes
// attributes and groups as they come and makes something of them only for what is logged: FerretDB attaches the texts of whole
// documents to every statement, and to quote them all cost a fifth of an insertion.
type severe struct {
	slog.Handler
	attached []func(slog.Handler) slog.Handler
}

func (h severe) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

// Handle logs r with what was attached.
func (h severe) Handle(ctx context.Context, r slog.Record) error {
	handler := h.Handler
	for _, attach := range h.attached {
		handler = attach(handler)
	}
	return handler.Handle(ctx, r)
}

func (h severe) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

func (h severe) WithGroup(name string) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h severe) with(attach func(slog.Handler) slog.Handler) slog.Handler {
	return severe{h.Handler, append(slices.Clip(h.attached), attach)}
}
