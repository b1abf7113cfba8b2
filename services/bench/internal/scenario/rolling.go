package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// What is restarted, and how long each process goes on serving after it ceased to be ready: balancers go on sending new
// connections for a second.
const (
	rollingManagements = 2
	rollingGateways    = 4
	rollingDrain       = 1500 * time.Millisecond
)

// rollingRestart restarts every gateway and every management, one after the other, while clients and people go on. A
// request is sent a second time if its connection was closed or reset before any byte of an answer; anything else that is
// not the right answer is a failure. Afterwards everything that was ever promised is asked for at every gateway.
//
// Headless has gateways find management by a name, as the chart does; otherwise behind one address.
func rollingRestart(headless bool) Scenario {
	name, about := "rolling-restart", fmt.Sprintf("%d gateways and %d managements restarted one by one under load", rollingGateways, rollingManagements)
	if headless {
		name, about = "rolling-restart-headless", "the same with management behind a name, which has the addresses of its replicas"
	}
	return Scenario{
		Name: name, About: about,
		Run: func(ctx context.Context, b *Bench) ([]report.Row, error) {
			row, err := b.roll(ctx, headless)
			if err != nil {
				return nil, err
			}
			row.Judge(
				report.Extra("failures", 0), report.Extra("lost sessions", 0), report.Extra("lost refresh chains", 0),
				report.Extra("lost clients", 0), report.Extra("lost writes", 0),
			)
			return []report.Row{*row}, nil
		},
	}
}

// kind is who has to do with what a stream asks.
type kind int

const (
	alone             kind = iota // gateways, with Redis
	throughManagement             // gateways, which ask management and have it write
	atManagement                  // management
)

// Phases of the run.
const (
	undisturbed = iota
	rollingPhase
	phases
)

// promise is one sort of what must not be lost, with how much of it there is. keeps asks for all of it, at a gateway.
type promise struct {
	name  string
	keeps func(ctx context.Context, at *harness.Replica) (asked, lost int, first error)
}

// stream is a client or a person: what it asks again and again, at most once in every.
type stream struct {
	name string
	kind kind
	// every is the time from the beginning of one step to that of the next.
	every time.Duration
	step  func(ctx context.Context, c *load.Conn) error
}

// tally is what came of one stream. It belongs to its goroutine until that has ended.
type tally struct {
	times           [phases]load.Histogram
	closed, reset   int
	steps, failures int
	first           []error
}

// mostTold is how many failures of a stream are told.
const mostTold = 3

// rolling is one run.
type rolling struct {
	bench   *Bench
	cluster *harness.Cluster
	phase   atomic.Int32
	streams []stream
	keeps   []promise
}

func (b *Bench) roll(ctx context.Context, headless bool) (*report.Row, error) {
	cluster, err := b.Platform.StartCluster(ctx, harness.ClusterOptions{
		Managements: rollingManagements, Gateways: rollingGateways, Drain: rollingDrain, Headless: headless,
	})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	r := &rolling{bench: b, cluster: cluster}
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	before, err := b.read(nil)
	if err != nil {
		return nil, err
	}
	began, used := time.Now(), cluster.Used()
	tallies, stops, err := r.run(ctx)
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(began)
	after, err := b.read(nil)
	if err != nil {
		return nil, err
	}
	row := r.row(tallies, elapsed)
	row.Extra["longest stop ms"] = report.Round(float64(report.MillisOf(stops)))
	row.OtherLoad = report.Round(max(0, between(before, after, &load.Result{}).otherLoad-(r.cluster.Used()-used).Seconds()/elapsed.Seconds()))
	return row, r.settle(ctx, row)
}

// run lets all streams go on while one process after the other is restarted. It returns what came of each stream and how
// long the longest stop took.
func (r *rolling) run(ctx context.Context) ([]tally, time.Duration, error) {
	over := make(chan struct{})
	tallies := make([]tally, len(r.streams))
	var running sync.WaitGroup
	for i, s := range r.streams {
		running.Go(func() { r.follow(ctx, s, &tallies[i], over) })
	}
	stops, err := r.restartAll(ctx)
	close(over)
	running.Wait()
	return tallies, stops, err
}

func (r *rolling) restartAll(ctx context.Context) (longest time.Duration, err error) {
	if !idle(ctx, r.bench.Length.Undisturbed) {
		return 0, context.Cause(ctx)
	}
	r.phase.Store(rollingPhase)
	for range r.bench.Length.Rounds {
		for _, replica := range append(r.cluster.Managements(), r.cluster.Gateways()...) {
			took, err := r.cluster.Restart(ctx, replica)
			if err != nil {
				return longest, err
			}
			r.bench.Log.Info("restarted", "replica", replica.Name, "stop", took.Round(time.Millisecond))
			longest = max(longest, took)
		}
	}
	// What waits for the last one shows now.
	if !idle(ctx, rollingDrain) {
		return longest, context.Cause(ctx)
	}
	return longest, nil
}

// idle waits, and reports false if ctx ended first.
func idle(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

// follow makes the steps of a stream until it is over, over one connection that is kept alive.
func (r *rolling) follow(ctx context.Context, s stream, t *tally, over <-chan struct{}) {
	c := load.NewConn(r.cluster.Host)
	if s.kind == atManagement {
		c = load.NewConn(r.cluster.REST)
	}
	defer c.Close()
	c.Answered = func(took time.Duration) { t.times[r.phase.Load()].Add(took) }
	c.Unanswered = func(err error) {
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			t.reset++
		} else {
			t.closed++
		}
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		c.SetDeadline(time.Now().Add(firstPatience))
		t.steps++
		if err := s.step(ctx, c); err != nil {
			t.failures++
			if len(t.first) < mostTold {
				t.first = append(t.first, fmt.Errorf("%s: %s: %w", time.Now().Format("15:04:05.000"), s.name, err))
			}
		}
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// row counts.
func (r *rolling) row(tallies []tally, elapsed time.Duration) *report.Row {
	var times, own [phases]load.Histogram
	var steps, failures, closed, reset int
	for i := range tallies {
		t := &tallies[i]
		for p := range times {
			times[p].Merge(&t.times[p])
			if r.streams[i].kind == alone {
				own[p].Merge(&t.times[p])
			}
		}
		steps, failures, closed, reset = steps+t.steps, failures+t.failures, closed+t.closed, reset+t.reset
		for _, err := range t.first {
			r.bench.Log.Error("not answered as it should be", "err", err)
		}
	}
	r.slowest(tallies)
	all := new(load.Histogram)
	for p := range times {
		all.Merge(&times[p])
	}
	ms := func(d time.Duration) float64 { return report.Round(float64(report.MillisOf(d))) }
	return &report.Row{
		Gateways: rollingGateways, Connections: len(r.streams), Unit: "request", Operations: int64(all.Count()), Checked: int64(all.Count()),
		P50: report.MillisOf(all.Quantile(0.5)), P99: report.MillisOf(all.Quantile(0.99)), Max: report.MillisOf(all.Max()),
		Rate: report.Summarize(float64(all.Count()) / elapsed.Seconds()),
		Extra: map[string]float64{
			"failures": float64(failures), "steps": float64(steps),
			"sent again after a close": float64(closed), "sent again after a reset": float64(reset),
			"connections refused": float64(r.cluster.Refused()),
			"p99 ms undisturbed":  ms(times[undisturbed].Quantile(0.99)), "p99 ms rolling": ms(times[rollingPhase].Quantile(0.99)),
			"longest ms undisturbed": ms(times[undisturbed].Max()), "longest ms rolling": ms(times[rollingPhase].Max()),
			"gateways alone: p99 ms undisturbed": ms(own[undisturbed].Quantile(0.99)), "gateways alone: p99 ms rolling": ms(own[rollingPhase].Quantile(0.99)),
			"gateways alone: longest ms undisturbed": ms(own[undisturbed].Max()), "gateways alone: longest ms rolling": ms(own[rollingPhase].Max()),
		},
	}
}

// slowest says which sorts of streams the longest times are of.
func (r *rolling) slowest(tallies []tally) {
	times := map[string]*[phases]load.Histogram{}
	for i, s := range r.streams {
		if times[s.name] == nil {
			times[s.name] = new([phases]load.Histogram)
		}
		for p := range phases {
			times[s.name][p].Merge(&tallies[i].times[p])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(times)) {
		t := times[name]
		r.bench.Log.Info("answered", "stream", name, "undisturbed", t[undisturbed].Count(), "p99", t[undisturbed].Quantile(0.99), "longest", t[undisturbed].Max(),
			"rolling", t[rollingPhase].Count(), "p99_then", t[rollingPhase].Quantile(0.99), "longest_then", t[rollingPhase].Max())
	}
}

// settle asks for everything that was promised, at every gateway, when every gateway has what management has.
func (r *rolling) settle(ctx context.Context, row *report.Row) error {
	for _, p := range r.keeps {
		asked, lost := 0, 0
		for _, at := range r.cluster.Gateways() {
			a, l, err := p.keeps(ctx, at)
			asked, lost = asked+a, lost+l
			if err != nil {
				r.bench.Log.Error("lost", "what", p.name, "at", at.Name, "err", err)
			}
		}
		row.Extra["lost "+p.name] = float64(lost)
		row.Extra[p.name+" asked for"] = float64(asked)
		if asked == 0 {
			return fmt.Errorf("there were no %s", p.name)
		}
	}
	return ctx.Err()
}
