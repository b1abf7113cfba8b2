package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	root := flag.String("root", ".", "the repository")
	out := flag.String("out", "", "where the files go; default: the repository")
	names := flag.Bool("names", false, "print the series that panels and alerts use, and write nothing")
	declared := flag.Bool("declared", false, "print the metrics of the source as JSON, and write nothing")
	flag.Parse()
	if *out == "" {
		*out = *root
	}
	act := func() error { return run(*root, *out, *names) }
	if *declared {
		act = func() error { return declare(*root, os.Stdout) }
	}
	if err := act(); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

// places are where the files go: for everybody, and into the chart.
var places = []string{"deploy/dashboards", "deploy/helm/gatehouse/dashboards"}

func run(root, out string, names bool) error {
	metrics, err := read(root)
	if err != nil {
		return err
	}
	if err := check(metrics); err != nil {
		return err
	}
	if names {
		for _, name := range slices.Sorted(maps.Keys(used())) {
			fmt.Println(name)
		}
		return nil
	}
	files := map[string][]byte{"alerts.yaml": rules()}
	for _, d := range dashboards {
		if files[d.File], err = render(d); err != nil {
			return err
		}
	}
	for _, place := range places {
		dir := filepath.Join(out, place)
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // source files
			return err
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil { //nolint:gosec // source files
				return err
			}
		}
	}
	return nil
}

// declare prints what the source measures: a list of name, help, kind and labels.
func declare(root string, w io.Writer) error {
	metrics, err := read(root)
	if err != nil {
		return err
	}
	list := make([]metric, 0, len(metrics))
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		list = append(list, metrics[name])
	}
	return json.NewEncoder(w).Encode(list)
}

var series = regexp.MustCompile(`gatehouse_[a-z_]+`)

// used are the series in panels and alerts.
func used() map[string]bool {
	all := map[string]bool{}
	for _, e := range expressions() {
		for _, name := range series.FindAllString(e, -1) {
			all[name] = true
		}
	}
	return all
}

// expressions are those of panels and alerts.
func expressions() []string {
	var all []string
	for _, d := range dashboards {
		for _, p := range d.Panels {
			for _, q := range p.Queries {
				all = append(all, q.Expression)
			}
		}
	}
	for _, a := range alerts {
		all = append(all, a.Expression)
	}
	return all
}

// outcomes finds the outcomes that expressions ask for, with their series.
var outcomes = regexp.MustCompile(`(gatehouse_[a-z_]+)\{[^}]*outcome="([a-z_]+)"`)

// askedFor is an error for each outcome that the help of its metric does not list: nothing would ever match it.
func askedFor(metrics map[string]metric) error {
	help := map[string]string{}
	for _, m := range metrics {
		for _, s := range m.series() {
			help[s] = m.Help
		}
	}
	var wrong []error
	for _, e := range expressions() {
		for _, found := range outcomes.FindAllStringSubmatch(e, -1) {
			if !regexp.MustCompile(`\b` + found[2] + `\b`).MatchString(help[found[1]]) {
				wrong = append(wrong, fmt.Errorf("%s has no outcome %s: its help says %q", found[1], found[2], help[found[1]]))
			}
		}
	}
	return errors.Join(wrong...)
}

// check compares what is measured with what is shown.
func check(metrics map[string]metric) error {
	var wrong []error
	known := map[string]bool{}
	shown := used()
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		seen := false
		for _, s := range metrics[name].series() {
			known[s] = true
			seen = seen || shown[s]
		}
		if !seen {
			wrong = append(wrong, fmt.Errorf("nothing shows %s: give it a panel", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(shown)) {
		if !known[name] {
			wrong = append(wrong, fmt.Errorf("%s is shown and not measured", name))
		}
	}
	return errors.Join(append(wrong, askedFor(metrics))...)
}

type object = map[string]any

// render writes a dashboard for Grafana, which asks for its data source and the jobs.
func render(d dashboard) ([]byte, error) {
	source := object{"type": "prometheus", "uid": "${source}"}
	const width, height, across = 12, 8, 2
	var panels []object
	for i, p := range d.Panels {
		var targets []object
		for n, q := range p.Queries {
			targets = append(targets, object{
				"refId": string(rune('A' + n)), "datasource": source, "expr": q.Expression, "legendFormat": q.Legend, "exemplar": strings.Contains(q.Expression, "_bucket"),
			})
		}
		panels = append(panels, object{
			"id": i + 1, "type": "timeseries", "title": p.Title, "description": p.About, "datasource": source, "targets": targets,
			"gridPos":     object{"x": width * (i % across), "y": height * (i / across), "w": width, "h": height},
			"fieldConfig": object{"defaults": object{"unit": p.Unit, "min": 0}, "overrides": []any{}},
			"options":     object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}},
		})
	}
	content := object{
		"uid": d.ID, "title": d.Title, "tags": []string{"gatehouse"}, "schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1,
		"refresh": "30s", "timezone": "browser", "time": object{"from": "now-6h", "to": "now"}, "annotations": object{"list": []any{}}, "panels": panels,
		"templating": object{"list": []object{
			{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus", "current": object{}, "hide": 0},
			{
				"name": "job", "label": "Service", "type": "query", "datasource": source, "query": object{"query": "label_values(gatehouse_build_info, job)", "refId": "jobs"},
				"definition": "label_values(gatehouse_build_info, job)", "includeAll": true, "multi": true, "refresh": 2, "sort": 1,
				"current": object{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}},
			},
		}},
	}
	text, err := json.MarshalIndent(content, "", "  ")
	return append(text, '\n'), err
}

// runbooks is where an alert's page is; the chart puts an address of your own in its place.
const runbooks = "deploy/handbook/alerts.md"

// rules writes the alerts as a file of Prometheus.
func rules() []byte {
	var b strings.Builder
	b.WriteString("# Written by scripts/tools/dashboards (make generate). DO NOT EDIT.\ngroups:\n  - name: gatehouse\n    rules:\n")
	for _, a := range alerts {
		fmt.Fprintf(&b, "      - alert: %s\n        expr: %s\n        for: %s\n        labels:\n          severity: %s\n        annotations:\n          summary: %s\n          runbook_url: %s#%s\n",
			a.Name, quoted(a.Expression), a.For, a.Severity, quoted(a.Summary), runbooks, strings.ToLower(a.Name))
	}
	return []byte(b.String())
}

// quoted is a text of YAML.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
