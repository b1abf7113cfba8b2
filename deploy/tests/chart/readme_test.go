package chart

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of values into the chart's README")

// value is one line of the table.
type value struct{ name, byDefault, description string }

// documented lists the values in the order of their names, with their words from the schema and their defaults.
func documented(t *testing.T) []value {
	t.Helper()
	var all []value
	given := defaults(t)
	var walk func(prefix string, node any, def any)
	walk = func(prefix string, node any, def any) {
		members, _ := node.(map[string]any)
		properties, _ := members["properties"].(map[string]any)
		values, _ := def.(map[string]any)
		if len(properties) == 0 {
			text, err := json.Marshal(def)
			if err != nil {
				t.Fatal(err)
			}
			description, _ := members["description"].(string)
			all = append(all, value{prefix, string(text), description})
			return
		}
		for _, key := range slices.Sorted(maps.Keys(properties)) {
			name := strings.TrimPrefix(prefix+"."+key, ".")
			if name == "global" {
				continue
			}
			if _, there := values[key]; !there {
				t.Errorf("%s is in the schema and not in values.yaml", name)
			}
			walk(name, properties[key], values[key])
		}
	}
	walk("", readSchema(t), given)
	return all
}

const (
	begin = "<!-- values: written by `go test ./chart -update` in deploy/tests -->\n"
	end   = "<!-- end of values -->\n"
)

// TestReadme: the table of values is that of values.yaml and of the schema.
func TestReadme(t *testing.T) {
	file := path.Join(chartDir, "README.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("README.md has no place for the values")
	}
	var table strings.Builder
	table.WriteString("\n| value | default | meaning |\n| --- | --- | --- |\n")
	for _, v := range documented(t) {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", v.name, v.byDefault, strings.ReplaceAll(v.description, "|", "\\|"))
	}
	table.WriteString("\n")
	want := before + begin + table.String() + end + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("the table of values is not that of values.yaml and values.schema.json: go test -C deploy/tests ./chart -run TestReadme -update")
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil { //nolint:gosec // a document for everybody
		t.Fatal(err)
	}
}
