package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

var headings = []string{
	"scenario", "conns", "CPU µs (min–max)", "floor µs", "ratio (min–max)", "per s", "p50 ms", "p99 ms", "redis/op", "other load", "goal", "",
}

// leftAligned are the columns of words.
var leftAligned = []int{0, 10, 11}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	lines := [][]string{headings}
	for i := range r.Rows {
		lines = append(lines, r.Rows[i].cells()...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s run on %d CPUs (%s, %s, %s)\n", r.Length, r.Machine.CPUs, orUnknown(r.Machine.Model), r.Machine.System, r.Machine.Go)
	fmt.Fprintf(&b, "when idle: %s; CPU ms per second: %s\n\n", memory(r.Idle), byName(r.IdleCPU))
	align(&b, lines)
	r.breakdown(&b)
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Error != "" {
			fmt.Fprintf(&b, "\n%s has no result: %s\n", row.Scenario, row.Error)
		}
	}
	counted := "its CPU time is in CPU µs"
	if !r.DatabaseCounted {
		counted = "the development database: its CPU time is not in CPU µs"
	}
	fmt.Fprintf(&b, "\nCPU µs: gateways + Redis + management per operation. Database: %s, %s.\n", orUnknown(r.Database), counted)
	b.WriteString("~ the machine did other work meanwhile: rates and times say little; for CPU and ratios see how far they spread.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// cells returns the row's line, and one more for each further goal.
func (r *Row) cells() [][]string {
	first := make([]string, len(headings))
	first[0] = r.Scenario
	if r.Connections > 0 {
		first[1] = fmt.Sprint(r.Connections)
	}
	if r.Error != "" {
		first[10], first[11] = "a result", "FAILED"
		return [][]string{first}
	}
	if r.CPU != nil {
		first[2] = spread(*r.CPU)
	}
	if r.FloorCPU != nil {
		first[3] = number(r.FloorCPU.Median)
	}
	if r.Ratio != nil {
		first[4] = fmt.Sprintf("%.2f (%.2f–%.2f)", r.Ratio.Median, r.Ratio.Min, r.Ratio.Max)
	}
	doubtful := ""
	if !r.Quiet() {
		doubtful = "~"
	}
	first[5] = doubtful + number(r.Rate.Median)
	first[6] = doubtful + number(float64(r.P50))
	first[7] = doubtful + number(float64(r.P99))
	first[8] = fmt.Sprintf("%.2f", r.RedisTrips)
	first[9] = fmt.Sprintf("%.2f", r.OtherLoad)
	lines := [][]string{first}
	for i, v := range r.Goals {
		if i > 0 {
			lines = append(lines, make([]string, len(headings)))
		}
		lines[i][10], lines[i][11] = v.Goal, "PASS"
		if !v.Met {
			lines[i][11] = "over"
			if v.Value != nil {
				lines[i][11] = fmt.Sprintf("over: %.4g", *v.Value)
			}
		}
	}
	return lines
}

// breakdown writes where the CPU time went, what memory it took and what else was measured.
func (r *Report) breakdown(b *strings.Builder) {
	lines := [][]string{{"scenario", "conns", "CPU µs by process", "memory after", "also"}}
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Error != "" {
			continue
		}
		conns := ""
		if row.Connections > 0 {
			conns = fmt.Sprint(row.Connections)
		}
		var also []string
		if len(row.Extra) > 0 {
			also = append(also, byName(row.Extra))
		}
		if row.Repeated > 0 {
			also = append(also, fmt.Sprintf("%d runs repeated", row.Repeated))
		}
		also = append(also, fmt.Sprintf("%d operations, %d checks", row.Operations, row.Checked))
		lines = append(lines, []string{row.Scenario, conns, byName(row.ByProcess), memory(row.Resident), strings.Join(also, ", ")})
	}
	if len(lines) > 1 {
		b.WriteByte('\n')
		align(b, lines, 0, 2, 3, 4)
	}
}

// align writes lines with columns of equal width, numbers to the right. Without left, leftAligned are the words.
func align(b *strings.Builder, lines [][]string, left ...int) {
	if left == nil {
		left = leftAligned
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		var out strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if slices.Contains(left, i) {
				out.WriteString(cell + pad)
			} else {
				out.WriteString(pad + cell)
			}
			out.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
}

func spread(s Summary) string {
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

// number prints three significant digits, and whole numbers from 100 on.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func byName(values map[string]float64) string {
	var parts []string
	for _, name := range sortedKeys(values) {
		parts = append(parts, name+" "+number(values[name]))
	}
	return strings.Join(parts, ", ")
}

func memory(bytes map[string]int64) string {
	var parts []string
	for _, name := range sortedKeys(bytes) {
		parts = append(parts, fmt.Sprintf("%s %d MB", name, bytes[name]/1e6))
	}
	return strings.Join(parts, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
