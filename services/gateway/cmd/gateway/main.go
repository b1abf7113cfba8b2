// Command gateway serves the protocol endpoints of the domains that management describes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gateway"
)

var version = "development"

func main() {
	cfg := config.Load("The gateway serves OAuth 2.0 and OpenID Connect for the domains that management describes.", gateway.Defaults())
	cfg.Version = version
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := gateway.Run(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}
