package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// Length says how long things are measured.
type Length struct {
	Name        string
	Runs        int
	Duration    time.Duration // of one run
	WarmUp      time.Duration
	Idle        time.Duration // how long the idle services are watched
	Connections []int         // a row for each
	ColdTokens  int           // different tokens in one run of introspection-cold
	Changes     int           // of propagation, unless ChangesTime is over before
	ChangesTime time.Duration

	Applications int           // of the domain of lists, and of those of start-up
	Domains      int           // of start-up
	Lists        int           // of each sort, unless ListsTime is over before
	ListsTime    time.Duration // for each sort

	Registered int // clients of the domains of crowd and crowd-management

	Undisturbed time.Duration // of rolling-restart, before anything is restarted
	Rounds      int           // how often each process is restarted there
}

// The lengths. Short is for every day and takes less than four minutes altogether; Full is what is published.
var (
	Short = Length{Name: "short", Runs: 5, Duration: 700 * time.Millisecond, WarmUp: 300 * time.Millisecond, Idle: 2 * time.Second,
		Connections: []int{16}, ColdTokens: 4_000, Changes: 100, ChangesTime: 8 * time.Second,
		Applications: 5_000, Domains: 5, Lists: 100, ListsTime: time.Second, Registered: 20_000,
		Undisturbed: 3 * time.Second, Rounds: 1}
	Full = Length{Name: "full", Runs: 3, Duration: 10 * time.Second, WarmUp: 2 * time.Second, Idle: 10 * time.Second,
		Connections: []int{16, 64}, ColdTokens: 50_000, Changes: 1_000, ChangesTime: 2 * time.Minute,
		Applications: 100_000, Domains: 100, Lists: 1_000, ListsTime: 15 * time.Second, Registered: 1_000_000,
		Undisturbed: 20 * time.Second, Rounds: 3}
)

// checkEvery is the distance between two answers that are checked in every respect.
const checkEvery = 1000

// Bench is what scenarios run in.
type Bench struct {
	Platform *harness.Platform
	Length   Length
	Log      *slog.Logger
	// Profiles is a directory for CPU profiles of the gateway, made with perf; "" for none.
	Profiles string

	world   *world
	current string // the name of the scenario that runs
}

// Run runs the scenarios one after the other. One that fails becomes a row that says why; the others go on, unless a
// process has ended or ctx has.
func (b *Bench) Run(ctx context.Context, scenarios []Scenario) ([]report.Row, error) {
	var rows []report.Row
	for _, s := range scenarios {
		start := time.Now()
		b.current = s.Name
		b.Log.Info("scenario begins", "scenario", s.Name)
		made, err := s.Run(ctx, b)
		if ctx.Err() != nil {
			return rows, context.Cause(ctx)
		}
		if err != nil {
			made = append(made, report.Row{Error: err.Error()})
			b.Log.Error("scenario failed", "scenario", s.Name, "err", err)
		}
		for i := range made {
			made[i].Scenario, made[i].About = s.Name, s.About
		}
		rows = append(rows, made...)
		b.Log.Info("scenario is over", "scenario", s.Name, "seconds", time.Since(start).Seconds())
		if err := b.Platform.Alive(); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// errNoRun says that every attempt at a run had errors.
var errNoRun = errors.New("no run without errors")

// attempts is how often a run with errors is repeated before the scenario has failed.
const attempts = 3

// retry makes one run until it has no errors. It returns how many were discarded.
func (b *Bench) retry(ctx context.Context, what string, run func() (*window, error)) (*window, int, error) {
	for n := 0; ; n++ {
		w, err := run()
		switch {
		case err != nil:
			return nil, n, fmt.Errorf("%s: %w", what, err)
		case w.load.FirstError == nil && w.load.Operations > 0:
			return w, n, nil
		case n+1 == attempts || ctx.Err() != nil:
			return nil, n, fmt.Errorf("%s: %w: %d of %d operations failed, the first with: %w",
				what, errNoRun, w.load.Failures, w.load.Failures+w.load.Operations, orEmpty(w.load.FirstError))
		}
		b.Log.Warn("run is repeated", "what", what, "failures", w.load.Failures, "err", w.load.FirstError)
	}
}

func orEmpty(err error) error {
	if err == nil {
		return errors.New("nothing was asked")
	}
	return err
}
