package observe

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// outcome says how a request ended, as far as those on duty are concerned.
type outcome int

const (
	answered outcome = iota // below 400
	refused                 // 4xx: the client's mistake
	broken                  // 5xx: ours
	outcomes
)

var outcomeNames = [outcomes]string{"ok", "refused", "error"}

func outcomeOf(status int) outcome {
	switch {
	case status < 400:
		return answered
	case status < 500:
		return refused
	default:
		return broken
	}
}

// Endpoint is one endpoint's name with its metrics, found once so that a request only counts.
type Endpoint struct {
	name     string
	count    [outcomes]prometheus.Counter
	duration [outcomes]prometheus.Observer
}

// Endpoint finds the metrics of an endpoint: "token", "authorize", … It is called at wiring; the set of names is fixed
// and small, never taken from requests.
func (m *Metrics) Endpoint(name string) *Endpoint {
	e := &Endpoint{name: name}
	for o, label := range outcomeNames {
		e.count[o] = m.requests.WithLabelValues(name, label)
		e.duration[o] = m.duration.WithLabelValues(name, label)
	}
	return e
}

// Name is the endpoint's name.
func (e *Endpoint) Name() string { return e.name }

// Mark says that the request of ctx is one of this endpoint. The last call counts.
func (e *Endpoint) Mark(ctx context.Context) {
	if r := requestFrom(ctx); r != nil {
		r.endpoint = e
	}
}

// Handler is next, with its requests marked.
func (e *Endpoint) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.Mark(r.Context())
		next.ServeHTTP(w, r)
	})
}

// observe counts and times a request. The duration of one that is traced names its trace: an exemplar, by which whoever looks at
// the slow ones finds one of them.
func (e *Endpoint) observe(ctx context.Context, o outcome, d time.Duration) {
	e.count[o].Inc()
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		if histogram, ok := e.duration[o].(prometheus.ExemplarObserver); ok {
			histogram.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": span.TraceID().String()})
			return
		}
	}
	e.duration[o].Observe(d.Seconds())
}
