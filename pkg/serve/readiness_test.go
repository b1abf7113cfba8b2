package serve

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestReadiness(t *testing.T) {
	ready := NewReadiness("redis", "configuration")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ready.now = func() time.Time { now = now.Add(time.Minute); return now }
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	technical := Technical(ready, metrics)

	type condition struct {
		Name, Detail string
		OK           bool
	}
	type answer struct {
		Ready, Stopping bool
		Conditions      []condition
	}
	ask := func(path string) (int, answer) {
		t.Helper()
		w := httptest.NewRecorder()
		technical.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		var got answer
		if path == "/readyz" {
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%s: %v", w.Body, err)
			}
		}
		return w.Code, got
	}
	steps := []struct {
		name   string
		do     func()
		status int
		want   answer
	}{
		{
			"at the start nothing holds", func() {}, 503,
			answer{Conditions: []condition{{"configuration", "starting", false}, {"redis", "starting", false}}},
		},
		{
			"one condition is not enough", func() { ready.Set("redis", true, "") }, 503,
			answer{Conditions: []condition{{"configuration", "starting", false}, {"redis", "", true}}},
		},
		{
			"all conditions make ready", func() { ready.Set("configuration", true, "revision 7") }, 200,
			answer{Ready: true, Conditions: []condition{{"configuration", "revision 7", true}, {"redis", "", true}}},
		},
		{
			"a new condition counts", func() { ready.Set("keys", false, "none yet") }, 503,
			answer{Conditions: []condition{{"configuration", "revision 7", true}, {"keys", "none yet", false}, {"redis", "", true}}},
		},
		{
			"it may be met", func() { ready.Set("keys", true, "") }, 200,
			answer{Ready: true, Conditions: []condition{{"configuration", "revision 7", true}, {"keys", "", true}, {"redis", "", true}}},
		},
		{
			"stopping ends readiness", ready.Stop, 503,
			answer{Stopping: true, Conditions: []condition{{"configuration", "revision 7", true}, {"keys", "", true}, {"redis", "", true}}},
		},
	}
	for _, step := range steps {
		step.do()
		status, got := ask("/readyz")
		if diff := cmp.Diff(step.want, got); diff != "" || status != step.status {
			t.Errorf("%s: status %d, want %d (-want +got):\n%s", step.name, status, step.status, diff)
		}
		if status, _ := ask("/livez"); status != 200 {
			t.Errorf("%s: /livez answers %d", step.name, status)
		}
	}
	if status, _ := ask("/metrics"); status != http.StatusAccepted {
		t.Errorf("/metrics answers %d", status)
	}

	_, before := ready.Ready()
	ready.Set("redis", true, "again")
	_, same := ready.Ready()
	if same["redis"].Since != before["redis"].Since {
		t.Error("since changes with the detail")
	}
	ready.Set("redis", false, "gone")
	if _, gone := ready.Ready(); !gone["redis"].Since.After(same["redis"].Since) {
		t.Error("since stays when a condition no longer holds")
	}
}

// TestReadinessIsMeasured: what Prometheus reads is what /readyz says, at every moment.
func TestReadinessIsMeasured(t *testing.T) {
	ready := NewReadiness("database", "configuration")
	registry := prometheus.NewRegistry()
	registry.MustRegister(ready)
	for _, step := range []struct {
		name string
		do   func()
		want map[string]float64
	}{
		{"at the start nothing holds", func() {}, map[string]float64{"database": 0, "configuration": 0, "serving": 1}},
		{"all conditions hold", func() { ready.Set("database", true, ""); ready.Set("configuration", true, "") }, map[string]float64{"database": 1, "configuration": 1, "serving": 1}},
		{"the database is lost", func() { ready.Set("database", false, "it does not answer") }, map[string]float64{"database": 0, "configuration": 1, "serving": 1}},
		{"and there again, and a new condition with it", func() { ready.Set("database", true, ""); ready.Set("keys", false, "none") }, map[string]float64{"database": 1, "configuration": 1, "keys": 0, "serving": 1}},
		{"it is told to stop", ready.Stop, map[string]float64{"database": 1, "configuration": 1, "keys": 0, "serving": 0}},
	} {
		step.do()
		families, err := registry.Gather()
		if err != nil || len(families) != 1 || families[0].GetName() != "gatehouse_ready" {
			t.Fatalf("%s: %v, %v", step.name, families, err)
		}
		got := map[string]float64{}
		for _, m := range families[0].GetMetric() {
			got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}
