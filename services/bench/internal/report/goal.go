package report

import (
	"fmt"
	"math"
	"time"
)

// Goal is a bound that a row must keep.
type Goal struct {
	name    string
	limit   float64
	atLeast bool // else at most
	value   func(*Row) float64
}

// Verdict is what became of a goal. NaN never meets one, and is printed in JSON as absent.
type Verdict struct {
	Goal  string   `json:"goal"`
	Value *float64 `json:"value,omitempty"`
	Limit float64  `json:"limit"`
	Met   bool     `json:"met"`
}

func (g Goal) judge(r *Row) Verdict {
	v := Verdict{Goal: g.String(), Limit: g.limit}
	value := math.NaN()
	if r.Error == "" {
		value = g.value(r)
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return v
	}
	rounded := Round(value)
	v.Value = &rounded
	v.Met = value <= g.limit
	if g.atLeast {
		v.Met = value >= g.limit
	}
	return v
}

// String returns the goal as people write it: "ratio ≤ 1.35".
func (g Goal) String() string {
	sign := "≤"
	if g.atLeast {
		sign = "≥"
	}
	return fmt.Sprintf("%s %s %v", g.name, sign, g.limit)
}

// AtMostFloor bounds the CPU time per operation by a multiple of the floor's.
func AtMostFloor(times float64) Goal {
	return Goal{name: "ratio", limit: times, value: func(r *Row) float64 {
		if r.Ratio == nil {
			return math.NaN()
		}
		return r.Ratio.Median
	}}
}

// FloorShare asks that at least this share (0 to 1) of the CPU time is what the floor needs alone.
func FloorShare(share float64) Goal {
	return Goal{name: "floor's share", limit: share, atLeast: true, value: func(r *Row) float64 {
		if r.Ratio == nil || r.Ratio.Median == 0 {
			return math.NaN()
		}
		return 1 / r.Ratio.Median
	}}
}

// P50 bounds the median time of an operation.
func P50(limit time.Duration) Goal {
	return Goal{name: "p50 ms", limit: float64(MillisOf(limit)), value: func(r *Row) float64 { return float64(r.P50) }}
}

// P99 bounds the time that 99 in 100 operations do not exceed.
func P99(limit time.Duration) Goal {
	return Goal{name: "p99 ms", limit: float64(MillisOf(limit)), value: func(r *Row) float64 { return float64(r.P99) }}
}

// NoRedis asks that the path makes no Redis round trip. What runs beside the requests may make a few.
func NoRedis() Goal { return RedisTrips(0.01) }

// RedisTrips bounds the round trips to Redis per operation.
func RedisTrips(limit float64) Goal {
	return Goal{name: "Redis trips", limit: limit, value: func(r *Row) float64 { return r.RedisTrips }}
}

// Extra bounds one of the row's extra measures.
func Extra(name string, limit float64) Goal {
	return Goal{name: name, limit: limit, value: extra(name)}
}

// ExtraAtLeast is Extra with a bound from below.
func ExtraAtLeast(name string, limit float64) Goal {
	return Goal{name: name, limit: limit, atLeast: true, value: extra(name)}
}

func extra(name string) func(*Row) float64 {
	return func(r *Row) float64 {
		if v, ok := r.Extra[name]; ok {
			return v
		}
		return math.NaN()
	}
}
