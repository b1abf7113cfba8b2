// Command backing runs the backing servers of Gatehouse for development and tests: a MongoDB server on embedded SQLite and
// an in-process Redis server.
//
// When they accept connections it writes their addresses as lines GATEHOUSE_MONGODB_URI=… and GATEHOUSE_REDIS_URL=… to
// standard output or to a file. It runs until it is interrupted or terminated.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/backing"
)

// config is the command line. Every flag may also be given as a variable GATEHOUSE_….
type config struct {
	DataDir        string `help:"Directory of the databases; without one they are temporary." placeholder:"DIR"`
	MongoDBAddress string `name:"mongodb-address" help:"Loopback address of the database server; port 0 is a free one." default:"127.0.0.1:0"`
	RedisAddress   string `help:"Loopback address of the Redis server; port 0 is a free one." default:"127.0.0.1:0"`
	RedisOnly      bool   `help:"Run no database server."`
	EnvFile        string `help:"File for the addresses, complete as soon as it exists; without one they go to standard output." placeholder:"FILE"`
	ExitWithStdin  bool   `help:"End when standard input does, and so with the process that holds its other end."`
}

func main() {
	var c config
	kong.Parse(&c, kong.Name("backing"), kong.DefaultEnvars("GATEHOUSE"),
		kong.Description("Runs the backing servers of Gatehouse for development and tests."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, c, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "backing:", err)
		os.Exit(1)
	}
}

// run returns when the servers have ended.
func run(ctx context.Context, c config, stdin io.Reader, stdout io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.ExitWithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, stdin)
			cancel()
		}()
	}

	servers, err := backing.New(backing.Options{
		DataDir:        c.DataDir,
		MongoDBAddress: c.MongoDBAddress,
		RedisAddress:   c.RedisAddress,
		RedisOnly:      c.RedisOnly,
		Logger:         slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() { over <- servers.Run(ctx) }()

	var unannounced error
	if err := servers.Ready(ctx); err == nil {
		if unannounced = announce(servers, c.EnvFile, stdout); unannounced != nil {
			cancel()
		}
	}
	err = <-over
	if unannounced != nil {
		return fmt.Errorf("announce the addresses: %w", unannounced)
	}
	return err
}

// announce writes the addresses to a file, which appears whole, or to stdout.
func announce(s *backing.Servers, file string, stdout io.Writer) error {
	lines := fmt.Sprintf("GATEHOUSE_REDIS_URL=%s\n", s.RedisURL())
	if uri := s.MongoDBURI(); uri != "" {
		lines = fmt.Sprintf("GATEHOUSE_MONGODB_URI=%s\n", uri) + lines
	}
	if file == "" {
		_, err := io.WriteString(stdout, lines)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".env-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is left of that name after the renaming
	if _, err := f.WriteString(lines); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
