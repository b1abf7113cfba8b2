package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// options are what the program is told.
type options struct {
	apiserver, etcd string
	helms           string
	chart, previous string
	examples        string
	definitions     string
	objects         string
}

func main() {
	var o options
	flag.StringVar(&o.apiserver, "kube-apiserver", "", "the program")
	flag.StringVar(&o.etcd, "etcd", "etcd", "the program")
	flag.StringVar(&o.helms, "helms", "", "the programs, separated by commas")
	flag.StringVar(&o.chart, "chart", "", "the chart's folder")
	flag.StringVar(&o.previous, "previous", "", "the folder of its previous version")
	flag.StringVar(&o.examples, "examples", "", "the folder of values")
	flag.StringVar(&o.definitions, "crds", "", "files and folders of custom resource definitions, separated by commas")
	flag.StringVar(&o.objects, "objects", "", "a folder of what the tests of the chart render for each switch")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// say tells people how far it is.
func say(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "gatehouse-cluster-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c, stop, err := start(ctx, o, dir)
	if err != nil {
		return err
	}
	defer stop()
	version, err := c.version(ctx)
	if err != nil {
		return err
	}
	say("API server", version)
	if err := c.define(ctx, strings.Split(o.definitions, ",")); err != nil {
		return err
	}
	if err := c.switches(ctx, o.objects); err != nil {
		return fmt.Errorf("switches: %w", err)
	}
	for i, helm := range strings.Split(o.helms, ",") {
		h := helmClient{program: helm, config: c.config, chart: o.chart, cluster: c}
		name, err := h.version(ctx)
		if err != nil {
			return err
		}
		if err := h.check(ctx, fmt.Sprintf("check%d", i), o); err != nil {
			return fmt.Errorf("check with Helm %s: %w", name, err)
		}
		say("Helm", name, "passed")
	}
	return nil
}
