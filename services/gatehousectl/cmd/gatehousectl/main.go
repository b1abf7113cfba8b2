// Command gatehousectl administers Gatehouse.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/command"
)

var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	app := command.App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Version: version}
	status := app.Run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}
