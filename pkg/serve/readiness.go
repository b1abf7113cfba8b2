package serve

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
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
// concurrent use.
type Readiness struct {
	now func() time.Time

	mu         sync.Mutex // guards the two below
	conditions map[string]Condition
	stopping   bool
}

// NewReadiness names the conditions that must hold; none of them does yet.
func NewReadiness(conditions ...string) *Readiness {
	r := &Readiness{now: time.Now, conditions: make(map[string]Condition, len(conditions))}
	for _, name := range conditions {
		r.conditions[name] = Condition{Detail: "starting", Since: r.now()}
	}
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
}

// Stop makes the service not ready for good. Servers call it at the beginning of their stop.
func (r *Readiness) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
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
