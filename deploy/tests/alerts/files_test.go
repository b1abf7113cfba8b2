package alerts

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/gatehouse-am/gatehouse/deploy/tests/internal/programs"
)

var language = parser.NewParser(parser.Options{})

// query is one of a panel.
type query struct{ panel, expression, legend string }

// panels are the queries of all dashboards, as Grafana sends them for all services.
func panels(t *testing.T) []query {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(programs.Repository(), "deploy/dashboards/*.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d dashboards", len(files))
	}
	var all []query
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr, LegendFormat string }
			}
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range dashboard.Panels {
			for _, target := range p.Targets {
				expression := strings.NewReplacer("$__rate_interval", "5m", "$job", ".+").Replace(target.Expr)
				if strings.Contains(expression, "$") {
					t.Errorf("%s: a variable that the dashboard does not have: %s", p.Title, target.Expr)
				}
				all = append(all, query{p.Title, expression, target.LegendFormat})
			}
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d queries", len(all))
	}
	return all
}

// ours are the alerts, read as Prometheus reads them (promtool check rules).
func ours(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, faults := rulefmt.ParseFile(filepath.Join(programs.Repository(), "deploy/dashboards/alerts.yaml"), false, model.UTF8Validation, language, slog.New(slog.DiscardHandler))
	for _, err := range faults {
		t.Error(err)
	}
	if groups == nil || len(groups.Groups) != 1 || len(groups.Groups[0].Rules) < 15 {
		t.Fatal("the alerts are not all there")
	}
	return groups.Groups[0].Rules
}

func parse(t *testing.T, where, expression string) parser.Expr {
	t.Helper()
	parsed, err := language.ParseExpr(expression)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	return parsed
}

// TestEveryExpressionIsOne parses dashboards and alerts.
func TestEveryExpressionIsOne(t *testing.T) {
	for _, q := range panels(t) {
		parse(t, q.panel, q.expression)
	}
	names := map[string]bool{}
	for _, r := range ours(t) {
		if names[r.Alert] || r.Record != "" {
			t.Errorf("%s is there twice, or is no alert", r.Alert)
		}
		names[r.Alert] = true
		if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", r.Alert, severity)
		}
	}
}

var inBraces = regexp.MustCompile(`\{\{ *([a-z_]+) *\}\}`)

// TestPanelsShowSomething asks the engine, on an installation whose every series moves: each query has an answer, and each label
// of its legend is one of the answer's.
func TestPanelsShowSomething(t *testing.T) {
	w := load(t, healthy())
	for _, q := range panels(t) {
		answer := w.ask(t, q.expression, 100)
		if len(answer) == 0 {
			t.Errorf("%s: nothing: %s", q.panel, q.expression)
			continue
		}
		for _, label := range inBraces.FindAllStringSubmatch(q.legend, -1) {
			if answer[0].Metric.Get(label[1]) == "" {
				t.Errorf("%s: the legend %q names %s, which %s has not", q.panel, q.legend, label[1], q.expression)
			}
		}
	}
}
