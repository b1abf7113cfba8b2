// Command management owns the configuration and the directory: REST for people and their scripts, gRPC for gateways.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/management"
)

var version = "development"

func main() {
	cfg := config.Load("Management owns the configuration and the directory, and feeds the gateways.", management.Defaults())
	cfg.Version = version
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := management.Run(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "management:", err)
		os.Exit(1)
	}
}
