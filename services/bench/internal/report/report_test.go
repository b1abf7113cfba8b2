package report

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestSummarize(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   Summary
	}{
		{"nothing is zero", nil, Summary{}},
		{"one value is all three", []float64{7}, Summary{7, 7, 7}},
		{"the median is the middle, whatever the order", []float64{9, 1, 5}, Summary{5, 1, 9}},
		{"of an even number it is the mean of the middle two", []float64{4, 1, 2, 9}, Summary{3, 1, 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Summarize(tt.values...); got != tt.want {
				t.Errorf("Summarize(%v) = %v, want %v", tt.values, got, tt.want)
			}
		})
	}
}

func TestGoals(t *testing.T) {
	ratio := func(v float64) Row { return Row{Ratio: &Summary{Median: v, Min: v / 2, Max: v * 2}} }
	tests := []struct {
		name string
		row  Row
		goal Goal
		text string
		met  bool
	}{
		{"a ratio at the limit is met", ratio(1.35), AtMostFloor(1.35), "ratio ≤ 1.35", true},
		{"a ratio above it is not, though the best run was below", ratio(1.36), AtMostFloor(1.35), "ratio ≤ 1.35", false},
		{"a ratio that was not measured is not met", Row{}, AtMostFloor(1.35), "ratio ≤ 1.35", false},
		{"the floor's share is the inverse of the ratio", ratio(1.05), FloorShare(0.95), "floor's share ≥ 0.95", true},
		{"a share below the limit is not met", ratio(1.06), FloorShare(0.95), "floor's share ≥ 0.95", false},
		{"times are compared in milliseconds", Row{P99: 250}, P99(250 * time.Millisecond), "p99 ms ≤ 250", true},
		{"a longer time is over", Row{P50: 16}, P50(15 * time.Millisecond), "p50 ms ≤ 15", false},
		{"a few trips beside the path are none", Row{RedisTrips: 0.002}, NoRedis(), "Redis trips ≤ 0.01", true},
		{"one trip per request is one too many", Row{RedisTrips: 1}, NoRedis(), "Redis trips ≤ 0.01", false},
		{"an extra measure has its own bound", Row{Extra: map[string]float64{"answer p50 ms": 3}}, Extra("answer p50 ms", 5), "answer p50 ms ≤ 5", true},
		{"an extra measure that is missing is not met", Row{}, Extra("x", 5), "x ≤ 5", false},
		{"a row without a result meets nothing", Row{Error: "x"}, NoRedis(), "Redis trips ≤ 0.01", false},
		{"what is not a number meets nothing", Row{RedisTrips: math.NaN()}, NoRedis(), "Redis trips ≤ 0.01", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.row.Judge(tt.goal)
			if v := tt.row.Goals[0]; v.Met != tt.met || v.Goal != tt.text {
				t.Errorf("%q met %v; want %q, %v", v.Goal, v.Met, tt.text, tt.met)
			}
			if tt.row.Met() != tt.met {
				t.Errorf("the row's verdict is %v", tt.row.Met())
			}
		})
	}
}

func sample() *Report {
	r := &Report{
		Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Length: "short",
		Machine:  Machine{CPUs: 2, Model: "Some CPU", Kernel: "6.1", Go: "go1.26", System: "linux/amd64"},
		Database: "backing", Idle: map[string]int64{"gateway": 25e6, "redis": 9e6},
		IdleCPU: map[string]float64{"gateway": 2.5},
		Rows: []Row{
			{
				Scenario: "token", About: "a token", Connections: 16, Gateways: 1, Unit: "request",
				CPU: &Summary{110, 108, 115}, ByProcess: map[string]float64{"gateway": 109, "redis": 1},
				Floor: "token-es256", FloorCPU: &Summary{82, 80, 83}, Ratio: &Summary{1.34, 1.3, 1.4},
				Rate: Summary{9000, 8800, 9100}, P50: 1.5, P99: 3.25, OtherLoad: 0.02, Operations: 30000, Checked: 46,
				Resident: map[string]int64{"gateway": 60e6},
			},
			{Scenario: "change", Gateways: 4, Unit: "change", P50: 12, P99: 300, OtherLoad: 0.6, Extra: map[string]float64{"answer p50 ms": 4.5}, Operations: 50},
			{Scenario: "broken", Error: "the gateway ended"},
		},
	}
	r.Rows[0].Judge(AtMostFloor(1.35), NoRedis())
	r.Rows[1].Judge(P99(250 * time.Millisecond))
	return r
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := sample().WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	lines := strings.Split(text, "\n")
	find := func(words ...string) string {
		t.Helper()
		for _, line := range lines {
			hit := true
			for _, w := range words {
				hit = hit && strings.Contains(line, w)
			}
			if hit {
				return line
			}
		}
		t.Errorf("no line with %q in:\n%s", words, text)
		return ""
	}
	find("short run on 2 CPUs", "Some CPU")
	find("when idle: gateway 25 MB, redis 9 MB; CPU ms per second: gateway 2.50")
	find("token", "16", "110 (108–115)", "82.0", "1.34 (1.30–1.40)", "9000", "1.50", "3.25", "0.02", "ratio ≤ 1.35", "PASS")
	find("Redis trips ≤ 0.01", "PASS")
	find("change", "~12.0", "~300", "p99 ms ≤ 250", "over: 300")
	find("broken", "a result", "FAILED")
	find("broken has no result: the gateway ended")
	find("gateway 109, redis 1.00", "gateway 60 MB", "30000 operations, 46 checks")
	find("answer p50 ms 4.50")
	find("not in CPU µs")
	header, _, _ := strings.Cut(find("scenario", "goal"), "goal")
	row, _, _ := strings.Cut(find("ratio ≤ 1.35"), "ratio ≤")
	if len([]rune(header)) != len([]rune(row)) {
		t.Errorf("columns are not aligned:\n%s", text)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	r := sample()
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	rows := back["rows"].([]any)
	first := rows[0].(map[string]any)
	if first["ratio"].(map[string]any)["median"] != 1.34 || first["cpuMicrosByProcess"].(map[string]any)["gateway"] != 109.0 {
		t.Errorf("first row: %v", first)
	}
	goal := first["goals"].([]any)[0].(map[string]any)
	if goal["met"] != true || goal["limit"] != 1.35 || goal["value"] != 1.34 {
		t.Errorf("goal: %v", goal)
	}
	if _, has := rows[1].(map[string]any)["ratio"]; has {
		t.Error("a ratio that was not measured is printed")
	}
	if rows[2].(map[string]any)["error"] != "the gateway ended" {
		t.Errorf("row without result: %v", rows[2])
	}
}

func TestReportVerdicts(t *testing.T) {
	r := sample()
	if r.Met() || !r.Failed() {
		t.Error("a report with a missed goal and a row without result is good")
	}
	r.Rows = r.Rows[:1]
	if !r.Met() || r.Failed() {
		t.Error("a report whose only row meets its goals is not good")
	}
}

func TestRound(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 1.23456: 1.235, 123456: 123500, 0.000123456: 0.0001235, -9.87654: -9.877} {
		if got := Round(v); math.Abs(got-want) > math.Abs(want)*1e-9 {
			t.Errorf("Round(%v) = %v, want %v", v, got, want)
		}
	}
}
