package scenario

import (
	"context"
	"maps"
	"os"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// window is one run with what it cost.
type window struct {
	load *load.Result
	// used is the CPU time of each part meanwhile.
	used map[string]time.Duration
	// otherLoad is how many cores were busy with what is none of the parts, nor of the platform, nor this process.
	otherLoad float64
	// trips is how many round trips to Redis were made.
	trips int64
}

// micros returns the CPU time of the parts in µs per operation.
func (w *window) micros(parts ...string) float64 {
	var sum time.Duration
	for _, name := range parts {
		sum += w.used[name]
	}
	return float64(sum.Nanoseconds()) / 1e3 / float64(max(w.load.Operations, 1))
}

// counters are readings at one moment.
type counters struct {
	parts map[string]time.Duration
	busy  time.Duration
	mine  time.Duration // all parts, the platform and this process
	trips int64
	at    time.Time
}

// measure runs plan and reads the counters of parts before and after.
func (b *Bench) measure(ctx context.Context, plan load.Plan, parts map[string][]int) (*window, error) {
	before, err := b.read(parts)
	if err != nil {
		return nil, err
	}
	result, err := load.Run(ctx, plan)
	if err != nil {
		return nil, err
	}
	after, err := b.read(parts)
	if err != nil {
		return nil, err
	}
	return between(before, after, result), nil
}

// Idle returns the CPU time in ms that each part uses in a second while nothing is asked.
func (b *Bench) Idle(ctx context.Context) (map[string]float64, error) {
	before, err := b.read(b.Platform.Parts())
	if err != nil {
		return nil, err
	}
	wait := time.NewTimer(b.Length.Idle)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-wait.C:
	}
	after, err := b.read(b.Platform.Parts())
	if err != nil {
		return nil, err
	}
	seconds := after.at.Sub(before.at).Seconds()
	used := map[string]float64{}
	for name := range after.parts {
		used[name] = report.Round((after.parts[name] - before.parts[name]).Seconds() * 1000 / seconds)
	}
	return used, nil
}

func between(before, after counters, result *load.Result) *window {
	w := &window{load: result, used: map[string]time.Duration{}, trips: after.trips - before.trips - 1}
	for name, used := range after.parts {
		w.used[name] = used - before.parts[name]
	}
	if wall := after.at.Sub(before.at); wall > 0 {
		other := (after.busy - before.busy) - (after.mine - before.mine)
		// Busy time is counted in ticks: on an idle machine it may lag behind.
		w.otherLoad = max(0, other.Seconds()/wall.Seconds())
	}
	return w
}

// read reads the counters of the parts, of the platform's processes and of this one.
func (b *Bench) read(parts map[string][]int) (counters, error) {
	c := counters{parts: map[string]time.Duration{}, at: time.Now()}
	all := b.Platform.Parts()
	maps.Copy(all, parts)
	all["bench"] = []int{os.Getpid()}
	var err error
	if c.trips, err = b.Platform.Redis.Trips(); err != nil {
		return c, err
	}
	for name, pids := range all {
		for _, pid := range pids {
			used, err := cpu.Used(pid)
			if err != nil {
				return c, err
			}
			c.mine += used
			if _, asked := parts[name]; asked {
				c.parts[name] += used
			}
		}
	}
	c.busy, err = cpu.Busy()
	return c, err
}
