package tracing

import (
	"log/slog"
	"math"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	if s := Defaults(); s.Validate() != nil || s.Sample != 0.01 {
		t.Errorf("%+v", s)
	}
	for _, tt := range []struct {
		name string
		Settings
		wrong []string
	}{
		{"https with a path", Settings{URL: "https://collector.example/otel", Sample: 1}, nil},
		{"no scheme", Settings{URL: "collector:4318"}, []string{"--trace-url"}},
		{"a sign-in in the URL", Settings{URL: "http://user:hush@collector:4318"}, []string{"--trace-url", "--trace-authorization"}},
		{"a query", Settings{URL: "http://collector:4318?a=b"}, []string{"--trace-url"}},
		{"more than everything", Settings{Sample: 1.5}, []string{"--trace-sample"}},
		{"less than nothing", Settings{Sample: -1}, []string{"--trace-sample"}},
		{"no number", Settings{Sample: math.NaN()}, []string{"--trace-sample"}},
		{"both wrong", Settings{URL: "x", Sample: 2}, []string{"--trace-sample", "--trace-url"}},
		{"no such file of authorities", Settings{URL: "https://collector", CAFile: "/nonexistent"}, []string{"--trace-ca-file"}},
	} {
		e, err := Open(tt.Settings, "gateway", "1", "node", slog.New(slog.DiscardHandler))
		if (err == nil) != (tt.wrong == nil) || (e == nil) != (tt.wrong != nil) {
			t.Errorf("%s: %v, %v", tt.name, e, err)
			continue
		}
		for _, word := range tt.wrong {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not name %s", tt.name, err, word)
			}
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestWithoutACollectorNothingIsTraced(t *testing.T) {
	e, err := Open(Defaults(), "gateway", "1", "node", nil)
	if e != nil || err != nil || e.Provider() != nil {
		t.Errorf("%v, %v", e, err)
	}
}
