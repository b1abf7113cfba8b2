package serve

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Condition is one thing a service needs before it can do its work.
type Condition struct {
	OK bool `json:"ok"`
	// Detail says in a few words what is missing. It is answered without sign-in: nothing private.
	Detail string `json:"detail,omitempty"`
	// Since is when OK last changed.
	Since time.Time `json:"since"`
}

// Readiness says whether a service can do its work: all its conditions hold and it is not stopping. It is safe for
// concurrent use, and a collector of its conditions for metrics.
type Readiness struct {
	now   func() time.Time
	gauge *prometheus.GaugeVec

	mu         sync.Mutex // guards all below
	conditions map[string]Condition
	stopping   bool
	watchers   []func(map[string]Condition)
}

// notStopping is the condition of metrics that is not among those that are answered: the service was not told to stop.
const notStopping = "serving"

// Describe is that of a [prometheus.Collector].
func (r *Readiness) Describe(to chan<- *prometheus.Desc) { r.gauge.Describe(to) }

// Collect is that of a [prometheus.Collector].
func (r *Readiness) Collect(to chan<- prometheus.Metric) { r.gauge.Collect(to) }

// NewReadiness names the conditions that must hold; none of them does yet.
func NewReadiness(conditions ...string) *Readiness {
	r := &Readiness{now: time.Now, conditions: make(map[string]Condition, len(conditions)), gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gatehouse_ready", Help: "Whether what readiness needs is there, 1 or 0, by condition; the condition serving ends when the service is told to stop.",
	}, []string{"condition"})}
	for _, name := range conditions {
		r.conditions[name] = Condition{Detail: "starting", Since: r.now()}
		r.gauge.WithLabelValues(name).Set(0)
	}
	r.gauge.WithLabelValues(notStopping).Set(1)
	return r
}

// Set records whether a condition holds, and adds it if it is new.
func (r *Readiness) Set(name string, ok bool, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, known := r.conditions[name]
	if !known || c.OK != ok {
		c.Since = r.now()
	}
	c.OK, c.Detail = ok, detail
	r.conditions[name] = c
	value := 0.0
	if ok {
		value = 1
	}
	r.gauge.WithLabelValues(name).Set(value)
	for _, tell := range r.watchers {
		tell(r.conditions)
	}
}

// Watch has tell called with all conditions, now and whenever one was set, in the order in which that happens. It must return at once,
// keep nothing of what it is given, and ask Readiness nothing.
func (r *Readiness) Watch(tell func(map[string]Condition)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers = append(r.watchers, tell)
	tell(r.conditions)
}

// Stop makes the service not ready for good. Servers call it at the beginning of their stop.
func (r *Readiness) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
	r.gauge.WithLabelValues(notStopping).Set(0)
}

// Ready reports whether all conditions hold, and each of them by name.
func (r *Readiness) Ready() (bool, map[string]Condition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ready := !r.stopping
	for _, c := range r.conditions {
		ready = ready && c.OK
	}
	return ready, maps.Clone(r.conditions)
}

// Stopping reports whether Stop was called.
func (r *Readiness) Stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

// ReadyHandler answers 200 or 503 with all conditions in the order of their names:
//
//	{"ready":false,"stopping":false,"conditions":[{"name":"redis","ok":false,"detail":"no connection","since":"…"}]}
func (r *Readiness) ReadyHandler() http.Handler {
	type named struct {
		Name string `json:"name"`
		Condition
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ready, conditions := r.Ready()
		list := make([]named, 0, len(conditions))
		for _, name := range slices.Sorted(maps.Keys(conditions)) {
			list = append(list, named{name, conditions[name]})
		}
		status := http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		answerJSON(w, status, map[string]any{"ready": ready, "stopping": r.Stopping(), "conditions": list})
	})
}

// LiveHandler answers 200 as long as the process can answer at all. It looks at nothing else: a restart does not mend
// what others lack.
func (r *Readiness) LiveHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, map[string]any{"live": true})
	})
}

// Technical mounts /livez, /readyz and, if metrics is not nil, /metrics on a new mux. A service adds its own routes.
func Technical(ready *Readiness, metrics http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", ready.LiveHandler())
	mux.Handle("GET /readyz", ready.ReadyHandler())
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	return mux
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the peer has gone if this fails
}
