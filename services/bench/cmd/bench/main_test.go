package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/scenario"
)

// TestMain lets the test's own program be the floors and, under other names, the stand-ins for the services.
func TestMain(m *testing.M) {
	switch {
	case strings.HasPrefix(filepath.Base(os.Args[0]), "management"):
		os.Exit(standInManagement(os.Args[1:]))
	case strings.HasPrefix(filepath.Base(os.Args[0]), "gateway"):
		os.Exit(standInGateway(os.Args[1:]))
	case len(os.Args) > 1 && os.Args[1] == "floor":
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// programs is a directory in which management and gateway are stand-ins.
func programs(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"management", "gateway"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tiny is a length for tests.
var tiny = scenario.Length{
	Name: "tiny", Runs: 3, Duration: 100 * time.Millisecond, WarmUp: 20 * time.Millisecond, Idle: 10 * time.Millisecond, Connections: []int{2, 4}, ColdTokens: 20, Changes: 10, ChangesTime: time.Minute,
}

func TestMeasureAgainstStandIns(t *testing.T) {
	t.Setenv("GATEHOUSE_TEST_MONGODB_URI", "mongodb://127.0.0.1:1")
	o, err := parse([]string{
		"--programs", programs(t), "--only",
		"client-credentials-es256,client-credentials-rs256,discovery,jwks,introspection-hot,introspection-cold,propagation,propagation-4",
	}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	o.length = tiny
	var log bytes.Buffer
	got, err := measure(t.Context(), o, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	rows := map[string][]report.Row{}
	for _, r := range got.Rows {
		if r.Error != "" {
			t.Errorf("%s: %s", r.Scenario, r.Error)
		}
		rows[r.Scenario] = append(rows[r.Scenario], r)
	}
	for _, name := range []string{"client-credentials-es256", "client-credentials-rs256", "discovery", "jwks", "introspection-hot", "introspection-cold"} {
		if len(rows[name]) != 2 {
			t.Fatalf("%s has %d rows, want one for each number of connections", name, len(rows[name]))
		}
		for i, r := range rows[name] {
			if r.Connections != tiny.Connections[i] || r.Ratio == nil || r.Ratio.Min <= 0 || r.CPU.Median <= 0 || r.Operations == 0 || r.Checked == 0 ||
				r.Rate.Min <= 0 || r.P50 <= 0 || r.P99 < r.P50 || len(r.Goals) == 0 || r.Resident["gateway"] == 0 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if r := rows["introspection-cold"][0]; r.Operations > int64(tiny.Runs*tiny.ColdTokens) {
		t.Errorf("%d tokens were introspected in %d runs of %d, some of them twice", r.Operations, tiny.Runs, tiny.ColdTokens)
	}
	if r := rows["propagation-4"][0]; r.Gateways != 4 || r.Operations != int64(tiny.Changes) || r.P50 < 0 || r.Extra["PATCH p50 ms"] <= 0 {
		t.Errorf("propagation: %+v", r)
	}
	var out bytes.Buffer
	file := filepath.Join(t.TempDir(), "bench.json")
	if err := publish(got, file, &out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !json.Valid(text) || !strings.Contains(out.String(), "client-credentials-es256") {
		t.Errorf("published %s\n%s\n%v", text, &out, err)
	}
}

func TestScenarioThatFailsHasNoResult(t *testing.T) {
	t.Setenv("GATEHOUSE_TEST_MONGODB_URI", "mongodb://127.0.0.1:1")
	// The stand-in has one domain only: the scenario that wants another fails, and says with which answer.
	o, err := parse([]string{"--programs", programs(t), "--only", "registration,jwks"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	o.length = tiny
	got, err := measure(t.Context(), o, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	last := got.Rows[len(got.Rows)-1]
	if !got.Failed() || !strings.Contains(last.Error, "there is one domain") {
		t.Errorf("the last row: %+v", last)
	}
	if got.Rows[0].Scenario != "jwks" || got.Rows[0].Error != "" {
		t.Errorf("a scenario fails because another does: %+v", got.Rows[0])
	}
}

func TestMeasureNeedsADatabase(t *testing.T) {
	t.Setenv("GATEHOUSE_TEST_MONGODB_URI", "")
	o, err := parse([]string{"--programs", programs(t)}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := measure(t.Context(), o, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "with-backing.sh") {
		t.Errorf("err = %v", err)
	}
}

func TestProgramsThatEndAreTold(t *testing.T) {
	t.Setenv("GATEHOUSE_TEST_MONGODB_URI", "broken")
	o, err := parse([]string{"--programs", programs(t)}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := measure(t.Context(), o, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "the database's address is broken") {
		t.Errorf("err = %v", err)
	}
}

func TestCommandLine(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--list"}, &out, &out); err != nil {
		t.Fatal(err)
	}
	for _, s := range scenario.All() {
		if !strings.Contains(out.String(), s.Name) {
			t.Errorf("the list lacks %s", s.Name)
		}
	}
	for name, args := range map[string][]string{
		"an unknown scenario":  {"--only", "jwks,nothing"},
		"two lengths":          {"--short", "--full"},
		"an argument":          {"jwks"},
		"an unknown flag":      {"--shrt"},
		"a floor without kind": {"floor"},
	} {
		if err := run(t.Context(), args, new(bytes.Buffer), new(bytes.Buffer)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := run(t.Context(), []string{"--help"}, new(bytes.Buffer), new(bytes.Buffer)); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
	o, err := parse([]string{"--full", "--only", " jwks , discovery,"}, &out)
	if err != nil || o.length.Name != "full" || len(o.scenarios) != 2 {
		t.Errorf("parsed %+v, %v", o, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"floor", "--kind", "hello"}, new(bytes.Buffer), new(bytes.Buffer)); err != nil {
		t.Errorf("a floor that is stopped: %v", err)
	}
}
