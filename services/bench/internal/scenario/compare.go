package scenario

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/floor"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// Comparison measures a load on the first gateway beside its floor.
type Comparison struct {
	Floor floor.Floor
	Goals []report.Goal
	// Unit is what an operation is; "" means request.
	Unit string
	// Connections replaces those of the Length: a row for each.
	Connections []int
	// Prepare sets up what the load needs. connections is the largest number that will be used.
	Prepare func(ctx context.Context, b *Bench, connections int) (*Target, error)
}

// Target is what is asked of the gateway.
type Target struct {
	// Operation returns what a worker does; it is called anew for each run.
	Operation func(worker int) load.Operation
	// Before and After, if set, are called outside the measured time, around every run, warm-ups included. After proves what
	// cannot be seen in a single answer; its error makes the scenario fail.
	Before, After func(ctx context.Context) error
}

// Scenario makes a scenario of the comparison.
func (c Comparison) Scenario(name, about string) Scenario {
	return Scenario{Name: name, About: about, Run: c.run}
}

// firstPatience is how long it may take until what was set up works.
const firstPatience = 30 * time.Second

func (c Comparison) run(ctx context.Context, b *Bench) ([]report.Row, error) {
	connections := b.Length.Connections
	if c.Connections != nil {
		connections = c.Connections
	}
	target, err := c.Prepare(ctx, b, slices.Max(connections))
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	process, address, err := b.Platform.StartFloor(ctx, c.Floor.Kind)
	if err != nil {
		return nil, err
	}
	defer process.Stop()
	operations, err := c.Floor.Operations(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	gateway := b.Platform.Gateway().Address
	if err := awaitFirst(ctx, gateway, target); err != nil {
		return nil, err
	}
	floorParts := map[string][]int{"floor": {process.PID()}}
	if c.Floor.Redis {
		floorParts[harness.PartRedis] = b.Platform.Parts()[harness.PartRedis]
	}
	t := &turns{
		bench: b, comparison: c, target: target, parts: b.Platform.Parts(), floorParts: floorParts,
		plan:      load.Plan{Address: gateway, CheckEvery: checkEvery, Operation: target.Operation},
		floorPlan: load.Plan{Address: address, Operation: operations},
	}
	var rows []report.Row
	for _, n := range connections {
		row, err := t.row(ctx, n)
		if err != nil {
			return rows, fmt.Errorf("%d connections: %w", n, err)
		}
		rows = append(rows, row)
	}
	return rows, t.profile(ctx, slices.Min(connections))
}

// awaitFirst waits until what was set up has reached the gateway: the first answer that is right in every respect.
func awaitFirst(ctx context.Context, address string, target *Target) error {
	if err := target.before(ctx); err != nil {
		return err
	}
	c := load.NewConn(address)
	defer c.Close()
	operation := target.Operation(0)
	return harness.Await(ctx, firstPatience, "the first right answer", func(ctx context.Context) error {
		c.SetDeadline(time.Now().Add(firstPatience))
		return operation(ctx, c, true)
	})
}

func (t *Target) before(ctx context.Context) error {
	if t.Before == nil {
		return nil
	}
	if err := t.Before(ctx); err != nil {
		return fmt.Errorf("before a run: %w", err)
	}
	return nil
}

func (t *Target) after(ctx context.Context) error {
	if t.After == nil {
		return nil
	}
	if err := t.After(ctx); err != nil {
		return fmt.Errorf("after a run: %w", err)
	}
	return nil
}

// turns measures floor and gateway alternately.
type turns struct {
	bench             *Bench
	comparison        Comparison
	target            *Target
	plan, floorPlan   load.Plan
	parts, floorParts map[string][]int
}

func (t *turns) floorRun(ctx context.Context, d time.Duration) (*window, error) {
	t.floorPlan.Duration = d
	return t.bench.measure(ctx, t.floorPlan, t.floorParts)
}

func (t *turns) targetRun(ctx context.Context, d time.Duration) (*window, error) {
	if err := t.target.before(ctx); err != nil {
		return nil, err
	}
	t.plan.Duration = d
	w, err := t.bench.measure(ctx, t.plan, t.parts)
	if err != nil {
		return nil, err
	}
	return w, t.target.after(ctx)
}

// row makes the runs for one number of connections.
func (t *turns) row(ctx context.Context, connections int) (report.Row, error) {
	b := t.bench
	t.plan.Connections, t.floorPlan.Connections = connections, connections
	if _, err := t.floorRun(ctx, b.Length.WarmUp); err != nil {
		return report.Row{}, err
	}
	t.plan.CheckFirst = true
	warm, repeated, err := b.retry(ctx, "warm-up", func() (*window, error) { return t.targetRun(ctx, b.Length.WarmUp) })
	if err != nil {
		return report.Row{}, err
	}
	t.plan.CheckFirst = false
	var floors, targets []*window
	for range b.Length.Runs {
		f, n, err := b.retry(ctx, "floor", func() (*window, error) { return t.floorRun(ctx, b.Length.Duration) })
		if err != nil {
			return report.Row{}, err
		}
		g, m, err := b.retry(ctx, "gateway", func() (*window, error) { return t.targetRun(ctx, b.Length.Duration) })
		if err != nil {
			return report.Row{}, err
		}
		floors, targets, repeated = append(floors, f), append(targets, g), repeated+n+m
	}
	row := t.comparison.summarize(floors, targets, b.counted())
	row.Connections, row.Gateways, row.Repeated = connections, 1, repeated
	row.Checked += warm.load.Checked
	row.Resident = b.Platform.Resident()
	row.Judge(t.comparison.Goals...)
	return row, nil
}

// counted are the parts whose CPU time is the server's.
func (b *Bench) counted() []string {
	parts := []string{harness.PartGateway, harness.PartRedis, harness.PartManagement}
	if _, counts := b.Platform.Database(); counts {
		parts = append(parts, harness.PartDatabase)
	}
	return parts
}

// summarize makes a row of the windows of the turns.
func (c Comparison) summarize(floors, targets []*window, counted []string) report.Row {
	row := report.Row{Unit: c.Unit, Floor: c.Floor.Name, ByProcess: map[string]float64{}}
	if row.Unit == "" {
		row.Unit = "request"
	}
	var costs, floorCosts, ratios, rates, floorRates, others, trips []float64
	byPart := map[string][]float64{}
	var latency load.Histogram
	for i, w := range targets {
		cost, floorCost := w.micros(counted...), floors[i].micros("floor", harness.PartRedis)
		costs, floorCosts, ratios = append(costs, cost), append(floorCosts, floorCost), append(ratios, cost/floorCost)
		rates, floorRates = append(rates, w.load.Rate()), append(floorRates, floors[i].load.Rate())
		others = append(others, w.otherLoad)
		trips = append(trips, float64(w.trips)/float64(w.load.Operations))
		for part := range w.used {
			byPart[part] = append(byPart[part], w.micros(part))
		}
		latency.Merge(&w.load.Latency)
		row.Operations += w.load.Operations
		row.Checked += w.load.Checked
	}
	cost, floorCost, ratio := summary(costs), summary(floorCosts), summary(ratios)
	row.CPU, row.FloorCPU, row.Ratio = &cost, &floorCost, &ratio
	row.Rate, row.FloorRate = summary(rates), summary(floorRates).Median
	row.OtherLoad, row.RedisTrips = summary(others).Median, summary(trips).Median
	for part, values := range byPart {
		row.ByProcess[part] = summary(values).Median
	}
	row.P50, row.P99 = report.MillisOf(latency.Quantile(0.5)), report.MillisOf(latency.Quantile(0.99))
	row.Max = report.MillisOf(latency.Max())
	return row
}

func summary(values []float64) report.Summary {
	s := report.Summarize(values...)
	return report.Summary{Median: report.Round(s.Median), Min: report.Round(s.Min), Max: report.Round(s.Max)}
}

// profile makes one more run under perf, if profiles are wanted.
func (t *turns) profile(ctx context.Context, connections int) error {
	if t.bench.Profiles == "" {
		return nil
	}
	if err := os.MkdirAll(t.bench.Profiles, 0o755); err != nil {
		return err
	}
	t.plan.Connections = connections
	for part, pids := range t.parts {
		if part != harness.PartGateway && part != harness.PartManagement {
			continue
		}
		if err := t.record(ctx, part, pids[0]); err != nil {
			return err
		}
	}
	return nil
}
