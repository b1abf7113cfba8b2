// Package table writes rows in columns for people.
package table

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Table is a heading and rows under it.
type Table struct {
	Columns []string
	Rows    [][]string
}

// gap is between two columns.
const gap = 2

// Write writes the table. Where width is not 0, lines are cut to it: the widest column gives way first.
func (t *Table) Write(w io.Writer, width int) error {
	widths := make([]int, len(t.Columns))
	for _, row := range append([][]string{t.Columns}, t.Rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	if width > 0 {
		narrow(widths, width)
	}
	var b strings.Builder
	for _, row := range append([][]string{t.Columns}, t.Rows...) {
		var line strings.Builder
		for i, cell := range row {
			cell = cut(cell, widths[i])
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// narrow takes from the widest column until all fit, but leaves each some.
func narrow(widths []int, width int) {
	const least = 8
	for {
		sum, widest := gap*(len(widths)-1), 0
		for i, w := range widths {
			sum += w
			if w > widths[widest] {
				widest = i
			}
		}
		if sum <= width || widths[widest] <= least {
			return
		}
		widths[widest]--
	}
}

func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// Cell is a value of an answer as a cell has it. Times are recognised by the name of their member.
func Cell(name string, value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case string:
		if v == "" {
			return "-"
		}
		return strings.Map(func(r rune) rune { // nobody plays with the terminal
			if unicode.IsControl(r) || r == utf8.RuneError {
				return ' '
			}
			return r
		}, v)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case json.Number:
		if n, err := v.Int64(); err == nil && strings.HasSuffix(name, "At") {
			return time.UnixMilli(n).UTC().Format(time.RFC3339)
		}
		return v.String()
	case []any:
		cells := make([]string, len(v))
		for i, entry := range v {
			cells[i] = Cell("", entry)
		}
		return strings.Join(cells, ",")
	case map[string]any:
		return fmt.Sprintf("{%d}", len(v))
	}
	return fmt.Sprint(value)
}
