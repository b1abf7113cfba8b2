package management

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
)

// fed counts how often gateways were handed over.
type fed struct{ times atomic.Int32 }

func (f *fed) HandOver() { f.times.Add(1) }

func TestGatewaysAreHandedOverWhenTheDatabaseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready, gateways := serve.NewReadiness(database, configured), &fed{}
		handOver(ready, gateways)
		for _, step := range []struct {
			name string
			do   func()
			want int32
		}{
			{"while it starts", func() { ready.Set(configured, true, "") }, 0},
			{"when it has its database", func() { ready.Set(database, true, "") }, 0},
			{"when it has lost it", func() { ready.Set(database, false, "away") }, 1},
			{"while it is away", func() { ready.Set(database, false, "still away") }, 1},
			{"when it is back", func() { ready.Set(database, true, "") }, 1},
			{"for half a second", func() {
				ready.Set(database, false, "away")
				<-time.After(handOverAfter / 2)
				ready.Set(database, true, "")
			}, 1},
			{"when it is lost again", func() { ready.Set(database, false, "away") }, 2},
		} {
			step.do()
			<-time.After(2 * handOverAfter)
			synctest.Wait()
			if got := gateways.times.Load(); got != step.want {
				t.Errorf("%s: %d times, want %d", step.name, got, step.want)
			}
		}
	})
}
