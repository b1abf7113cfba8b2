package gateway

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// A gateway that holds little would collect garbage every few megabytes, which costs a tenth of its CPU under load. It may
// let spareHeap of garbage pile up instead, as long as that is not more than four times what it holds; a gateway that
// holds a million clients collects as any Go program does.
const (
	spareHeap  = 64 << 20
	mostGrowth = 400 // per cent of what is held
	goGrowth   = 100 // what Go does by itself
)

// growth returns how much the heap may grow between collections, in per cent of live bytes.
func growth(live uint64) int {
	if live == 0 {
		return mostGrowth
	}
	return int(min(mostGrowth, max(goGrowth, spareHeap*100/live)))
}

// tidyAfter is how long after it became ready a gateway tidies up.
const tidyAfter = time.Second

// tuner sets the pace of the garbage collector by what the gateway holds. GOGC in the environment switches it off.
type tuner struct {
	mu      sync.Mutex
	current int // guarded by mu
}

// tidy gives back to the system what reading everything took, and sets the pace by what is left. It takes as long as a collection.
func (t *tuner) tidy() {
	debug.FreeOSMemory()
	t.tune()
}

func (t *tuner) tune() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return
	}
	if next := growth(sample[0].Value.Uint64()); next != t.current {
		debug.SetGCPercent(next)
		t.current = next
	}
}
