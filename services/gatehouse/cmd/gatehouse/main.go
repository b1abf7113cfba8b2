// Command gatehouse runs the whole of Gatehouse in one process on this machine: management, a gateway, the servers behind
// them and a demonstration to try it with.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gatehouse"
)

var version = "development"

const about = `Gatehouse runs management, a gateway, a database and a demonstration in one process on this machine, for development.
--version prints its version and exits.`

func main() {
	if slices.Contains(os.Args[1:], "--version") {
		fmt.Println("gatehouse", version)
		return
	}
	cfg := config.Load(about, gatehouse.Defaults())
	cfg.Version = version
	if err := run(cfg); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(os.Stderr, "gatehouse:", line)
		}
		os.Exit(1)
	}
}

func run(cfg gatehouse.Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	return gatehouse.Run(ctx, cfg, os.Stdout)
}
