// Command management owns the configuration and the directory: REST for people and their scripts, gRPC for gateways.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	_ "time/tzdata" // expressions name time zones, and images hold nothing but the program

	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/management"
)

var version = "development"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "ready" {
		ready(os.Args[2:])
		return
	}
	run := management.Run
	if len(os.Args) > 1 && os.Args[1] == "reseal" { // the same settings, and it ends when everything is sealed under the first key
		rest := slices.DeleteFunc(slices.Clone(os.Args[2:]), func(arg string) bool { return arg == "--count" })
		count := len(rest) < len(os.Args[2:])
		os.Args = append(os.Args[:1:1], rest...)
		run = func(ctx context.Context, c management.Config) error {
			return management.Reseal(ctx, c, count, os.Stderr)
		}
	}
	if len(os.Args) > 1 && os.Args[1] == "migrate" { // the same settings, and it ends when the database is as this version needs it
		os.Args = append(os.Args[:1:1], os.Args[2:]...)
		run = func(ctx context.Context, c management.Config) error { return management.Migrate(ctx, c, os.Stderr) }
	}
	cfg := config.Load("Management owns the configuration and the directory, and feeds the gateways.", management.Defaults(), management.Check)
	cfg.Version = version
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "management:", err)
		os.Exit(1)
	}
}

// ready is the command that an image without a shell has for its health check: management ready [host:port]. The address is
// that of the technical port, by default the one that the service itself would take.
func ready(args []string) {
	address := config.Read(nil, os.Environ(), management.Defaults()).TechnicalAddress
	if len(args) > 0 {
		address = args[0]
	}
	if err := serve.AskReady(context.Background(), address); err != nil {
		fmt.Fprintln(os.Stderr, "management:", err)
		os.Exit(1)
	}
}
