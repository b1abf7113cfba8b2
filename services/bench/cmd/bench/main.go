// Command bench measures Gatehouse under load: it runs Redis, management and gateways as processes of this machine, asks them
// what clients and people ask, and prints what each answer costs beside the floor of the same run.
//
//	bench --programs DIR [--short|--full] [--only NAME,…] [--json FILE] [--enforce]
//	bench --list
//	bench floor --kind KIND [--redis HOST:PORT]
//	bench crowd --clients N …
//
// It needs a MongoDB server in GATEHOUSE_TEST_MONGODB_URI, and redis-server in the PATH or a server in
// GATEHOUSE_TEST_REDIS_URL; scripts/with-backing.sh provides both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/crowd"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/scenario"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the program. It returns an error if a scenario has no result, or, with --enforce, if a goal is missed.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "floor" {
		return runFloor(ctx, args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "crowd" {
		return crowd.Main(ctx, args[1:], stdout, stderr)
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.list {
		return list(stdout)
	}
	result, err := measure(ctx, o, stderr)
	if result != nil && len(result.Rows) > 0 {
		err = errors.Join(err, publish(result, o.json, stdout))
	}
	switch {
	case err != nil:
		return err
	case result.Failed():
		return errors.New("a scenario has no result")
	case o.enforce && !result.Met():
		return errors.New("a goal is missed")
	}
	return nil
}

func list(stdout io.Writer) error {
	for _, s := range scenario.All() {
		if _, err := fmt.Fprintf(stdout, "%-26s %s\n", s.Name, s.About); err != nil {
			return err
		}
	}
	return nil
}

func runFloor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("bench floor", flag.ContinueOnError)
	f.SetOutput(stderr)
	kind := f.String("kind", "", fmt.Sprintf("what it answers, one of %v", floor.Kinds()))
	redis := f.String("redis", "127.0.0.1:6379", "Redis for those who need it, `host:port`")
	if err := f.Parse(args); err != nil {
		return err
	}
	return floor.Serve(ctx, floor.Kind(*kind), *redis, stdout)
}

// options are the command line.
type options struct {
	programs, json, dir, profiles string
	length                        scenario.Length
	scenarios                     []scenario.Scenario
	list, enforce                 bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var only string
	var short, full bool
	var registered int
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.programs, "programs", "bin", "`directory` with the programs management and gateway")
	f.BoolVar(&short, "short", false, "less than four minutes altogether (default)")
	f.BoolVar(&full, "full", false, "runs of ten seconds, with 16 and with 64 connections")
	f.IntVar(&registered, "registered", 0, "how many clients the domains of crowd and crowd-management have; default: 20,000, and 1,000,000 with --full")
	f.StringVar(&only, "only", "", "`names` of scenarios, separated by commas; default: all")
	f.BoolVar(&o.list, "list", false, "list the scenarios")
	f.StringVar(&o.json, "json", "", "`file` for the results in JSON")
	f.BoolVar(&o.enforce, "enforce", false, "end with an error if a goal is missed")
	f.StringVar(&o.dir, "dir", "", "`directory` for logs and certificates, kept afterwards; default: a temporary one")
	f.StringVar(&o.profiles, "profiles", "", "`directory` for CPU profiles of gateway and management under each load, made with perf")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q, see --help", f.Arg(0))
	}
	if short && full {
		return o, errors.New("--short and --full: only one of them")
	}
	o.length = scenario.Short
	if full {
		o.length = scenario.Full
	}
	switch {
	case registered < 0:
		return o, errors.New("--registered: must not be negative")
	case registered > 0:
		o.length.Registered = registered
	}
	var names []string
	for name := range strings.SplitSeq(only, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	var err error
	o.scenarios, err = scenario.Select(names)
	return o, err
}

// measure runs everything. With an error there may still be a report of what was measured before.
func measure(ctx context.Context, o options, stderr io.Writer) (_ *report.Report, err error) {
	dir, err := workDir(o.dir)
	if err != nil {
		return nil, err
	}
	if o.dir == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	for _, path := range []*string{&o.programs, &o.profiles} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return nil, err
			}
		}
	}
	redisServer := os.Getenv("GATEHOUSE_REDIS_SERVER")
	if redisServer == "" {
		redisServer = "redis-server"
	}
	result := &report.Report{Started: time.Now().UTC().Truncate(time.Second), Length: o.length.Name, Machine: machine()}
	platform, err := harness.Start(ctx, harness.Options{
		Programs: o.programs, Dir: dir, RedisServer: redisServer,
		MongoDBURI: os.Getenv("GATEHOUSE_TEST_MONGODB_URI"), RedisURL: os.Getenv("GATEHOUSE_TEST_REDIS_URL"),
	})
	if err != nil {
		return nil, err
	}
	defer platform.Close()
	result.Database, result.DatabaseCounted = platform.Database()
	result.Idle = platform.Resident()
	bench := &scenario.Bench{
		Platform: platform, Length: o.length, Profiles: o.profiles,
		Log: slog.New(slog.NewTextHandler(stderr, nil)),
	}
	if result.IdleCPU, err = bench.Idle(ctx); err != nil {
		return nil, err
	}
	result.Rows, err = bench.Run(ctx, o.scenarios)
	return result, err
}

func workDir(chosen string) (string, error) {
	if chosen == "" {
		return os.MkdirTemp("", "gatehouse-bench-")
	}
	chosen, err := filepath.Abs(chosen)
	if err != nil {
		return "", err
	}
	return chosen, os.MkdirAll(chosen, 0o700)
}

func machine() report.Machine {
	return report.Machine{
		CPUs: runtime.NumCPU(), Model: cpu.Model(), Kernel: cpu.Kernel(), Go: runtime.Version(),
		System: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// publish prints the table, and writes the JSON file if one is named.
func publish(r *report.Report, file string, stdout io.Writer) error {
	err := r.WriteTable(stdout)
	if file == "" {
		return err
	}
	out, created := os.Create(file)
	if created != nil {
		return errors.Join(err, created)
	}
	return errors.Join(err, r.WriteJSON(out), out.Close())
}
