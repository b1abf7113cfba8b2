package report

import (
	"math"
	"slices"
	"time"
)

// Summary is the middle, the smallest and the largest of the values of several runs.
type Summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Summarize returns the summary of values; of none, zeros. The median of an even number is the mean of the middle two.
func Summarize(values ...float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Summary{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// Row is one scenario under one condition.
type Row struct {
	Scenario    string `json:"scenario"`
	About       string `json:"about"`
	Connections int    `json:"connections,omitempty"`
	Gateways    int    `json:"gateways"`
	// Unit is what one operation is: "request", "flow", "change".
	Unit string `json:"unit"`

	// CPU is the server's CPU time in µs per operation: gateways, Redis and management, and the database where Database says
	// that it is counted. ByProcess has the medians of all of them.
	CPU       *Summary           `json:"cpuMicros,omitempty"`
	ByProcess map[string]float64 `json:"cpuMicrosByProcess,omitempty"`
	// Floor is the kind of floor of the same runs, FloorCPU its CPU time per operation, Ratio CPU ÷ FloorCPU, run by run.
	Floor    string   `json:"floor,omitempty"`
	FloorCPU *Summary `json:"floorCpuMicros,omitempty"`
	Ratio    *Summary `json:"ratio,omitempty"`

	Rate      Summary `json:"perSecond"`
	FloorRate float64 `json:"floorPerSecond,omitempty"`
	P50       Millis  `json:"p50Millis"`
	P99       Millis  `json:"p99Millis"`
	Max       Millis  `json:"maxMillis"`

	// RedisTrips is how many round trips to Redis an operation made.
	RedisTrips float64 `json:"redisTripsPerOperation"`
	// Resident is the memory in bytes of each process after the last run.
	Resident map[string]int64 `json:"residentBytes,omitempty"`
	// OtherLoad is how many cores were busy with what is not part of the benchmark, on average. From a tenth on, rates and
	// times say little.
	OtherLoad float64 `json:"otherLoadCores"`

	Operations int64 `json:"operations"`
	Checked    int64 `json:"checked"`
	// Repeated counts runs that were discarded because of errors.
	Repeated int `json:"repeatedRuns,omitempty"`
	// Extra has measures of this scenario alone, by name with unit.
	Extra map[string]float64 `json:"extra,omitempty"`
	Goals []Verdict          `json:"goals"`
	// Error says why there is no result.
	Error string `json:"error,omitempty"`
}

// quiet is the other load, in cores, up to which rates and times are meaningful.
const quiet = 0.1

// Quiet reports whether the machine did little else.
func (r *Row) Quiet() bool { return r.OtherLoad <= quiet }

// Met reports whether the row has a result and meets all its goals.
func (r *Row) Met() bool {
	return r.Error == "" && !slices.ContainsFunc(r.Goals, func(v Verdict) bool { return !v.Met })
}

// Judge sets the verdicts on the row.
func (r *Row) Judge(goals ...Goal) {
	r.Goals = make([]Verdict, len(goals))
	for i, g := range goals {
		r.Goals[i] = g.judge(r)
	}
}

// Millis is a duration in milliseconds.
type Millis float64

// MillisOf converts a duration.
func MillisOf(d time.Duration) Millis { return Millis(float64(d) / float64(time.Millisecond)) }

// Round keeps a value to four significant digits, so that JSON is readable.
func Round(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
