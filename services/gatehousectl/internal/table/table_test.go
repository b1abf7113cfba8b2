package table_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/table"
)

func TestWrite(t *testing.T) {
	people := table.Table{Columns: []string{"NAME", "ABOUT", "ID"}, Rows: [][]string{{"Finance", "those who pay, and those who are paid", "1"}, {"Ärzte", "-", "22"}}}
	for name, tt := range map[string]struct {
		width int
		want  string
	}{
		"as wide as it is": {0, "NAME     ABOUT                                  ID\nFinance  those who pay, and those who are paid  1\nÄrzte    -                                      22\n"},
		"of a terminal":    {30, "NAME     ABOUT              ID\nFinance  those who pay, a…  1\nÄrzte    -                  22\n"},
		"of a tiny one":    {5, "NAME     ABOUT     ID\nFinance  those w…  1\nÄrzte    -         22\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := people.Write(&b, tt.width); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCell(t *testing.T) {
	for name, tt := range map[string]struct {
		member string
		value  any
		want   string
	}{
		"nothing":                     {"x", nil, "-"},
		"an empty text":               {"x", "", "-"},
		"a text that plays":           {"x", "a\x1b[31m\nb", "a [31m b"},
		"a time":                      {"createdAt", json.Number("1700000000000"), "2023-11-14T22:13:20Z"},
		"a number":                    {"order", json.Number("7"), "7"},
		"a number that looks like it": {"order", json.Number("1700000000000"), "1700000000000"},
		"a list":                      {"x", []any{"a", json.Number("1"), false}, "a,1,no"},
		"an object":                   {"x", map[string]any{"a": 1}, "{1}"},
	} {
		if got := table.Cell(tt.member, tt.value); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
