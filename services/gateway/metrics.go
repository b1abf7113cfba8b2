package gateway

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
)

// behind knows for how long the configuration has not been followed: since its stream was lost, or since the start. What has changed
// since is not known here, so that is how far behind the gateway may be.
type behind struct {
	now func() time.Time

	mu   sync.Mutex // guards lost
	lost time.Time  // zero while the stream is there
}

func newBehind(now func() time.Time) *behind { return &behind{now: now, lost: now()} }

// heard is told of every change of the stream's status.
func (b *behind) heard(s configsync.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case s.Connected:
		b.lost = time.Time{}
	case b.lost.IsZero():
		b.lost = b.now()
	}
}

func (b *behind) lag() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost.IsZero() {
		return 0
	}
	return b.now().Sub(b.lost)
}

// snapshotFailures counts from 0 how often the configuration could not be kept.
func snapshotFailures(m *observe.Metrics) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatehouse_config_snapshot_failures_total", Help: "Times that the configuration could not be kept for a start without management.",
	})
	m.Registerer().MustRegister(c)
	return c
}

// scraped answers with all metrics, with the lag of that moment.
func scraped(m *observe.Metrics, b *behind) http.Handler {
	answer := m.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.SetConfigLag(b.lag())
		answer.ServeHTTP(w, r)
	})
}
