// Command gateway serves the protocol endpoints of the domains that management describes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // expressions name time zones, and images hold nothing but the program

	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gateway"
)

var version = "development"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "ready" {
		ready(os.Args[2:])
		return
	}
	cfg := config.Load("The gateway serves OAuth 2.0 and OpenID Connect for the domains that management describes.", gateway.Defaults(), gateway.Check)
	cfg.Version = version
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := gateway.Run(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// ready is the command that an image without a shell has for its health check: gateway ready [host:port]. The address is
// that of the technical port, by default the one that the service itself would take.
func ready(args []string) {
	address := config.Read(nil, os.Environ(), gateway.Defaults()).TechnicalAddress
	if len(args) > 0 {
		address = args[0]
	}
	if err := serve.AskReady(context.Background(), address); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}
