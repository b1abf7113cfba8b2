// Package unified shows what differs between two texts, line by line.
package unified

import (
	"fmt"
	"strings"
)

// around is how many lines are shown before and after a difference.
const around = 3

// line of a comparison: kept, taken away or added.
type line struct {
	sign byte
	text string
}

// Diff returns the unified difference of two texts, and "" where there is none.
func Diff(oldName, newName, oldText, newText string) string {
	if oldText == newText {
		return ""
	}
	all := compare(split(oldText), split(newText))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", oldName, newName)
	oldLine, newLine := 1, 1
	for from := 0; from < len(all); {
		if all[from].sign == ' ' {
			from, oldLine, newLine = from+1, oldLine+1, newLine+1
			continue
		}
		first := max(0, from-around)
		to := end(all, from)
		hunk(&b, all[first:to], oldLine-(from-first), newLine-(from-first))
		for _, l := range all[from:to] {
			if l.sign != '+' {
				oldLine++
			}
			if l.sign != '-' {
				newLine++
			}
		}
		from = to
	}
	return b.String()
}

// end is where the hunk ends that begins at from: where more lines are kept than two hunks show between them.
func end(all []line, from int) int {
	last := from
	for i := from; i < len(all) && i-last <= 2*around; i++ {
		if all[i].sign != ' ' {
			last = i
		}
	}
	return min(len(all), last+around+1)
}

func hunk(b *strings.Builder, lines []line, oldFrom, newFrom int) {
	olds, news := 0, 0
	for _, l := range lines {
		if l.sign != '+' {
			olds++
		}
		if l.sign != '-' {
			news++
		}
	}
	if olds == 0 {
		oldFrom--
	}
	if news == 0 {
		newFrom--
	}
	fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", oldFrom, olds, newFrom, news)
	for _, l := range lines {
		fmt.Fprintf(b, "%c%s\n", l.sign, l.text)
	}
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// most is how many pairs of lines are compared with one another; beyond it, what lies between the common beginning and end is
// shown as a whole.
const most = 4 << 20

// compare finds the longest common lines.
func compare(a, b []string) []line {
	var all, tail []line
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		all, a, b = append(all, line{' ', a[0]}), a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail, a, b = append(tail, line{' ', a[len(a)-1]}), a[:len(a)-1], b[:len(b)-1]
	}
	if len(a)*len(b) <= most {
		all = append(all, common(a, b)...)
	} else {
		for _, text := range a {
			all = append(all, line{'-', text})
		}
		for _, text := range b {
			all = append(all, line{'+', text})
		}
	}
	for i := len(tail) - 1; i >= 0; i-- {
		all = append(all, tail[i])
	}
	return all
}

func common(a, b []string) []line {
	length := make([][]int32, len(a)+1)
	for i := range length {
		length[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var all []line
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all, i, j = append(all, line{' ', a[i]}), i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			all, i = append(all, line{'-', a[i]}), i+1
		default:
			all, j = append(all, line{'+', b[j]}), j+1
		}
	}
	return all
}
