package command

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
)

// How often progress is shown: at a terminal in one line, elsewhere in lines of their own.
const (
	atTerminal = 250 * time.Millisecond
	inLog      = 10 * time.Second
)

// progress tells on the standard error how far an archive is.
type progress struct {
	w        io.Writer
	quiet    bool
	terminal bool
	every    time.Duration
	what     string
	last     time.Time
	shown    bool
	bytes    int64
}

func (a *App) progress(what string, quiet bool) *progress {
	p := &progress{w: a.Err, quiet: quiet, what: what, every: inLog, last: time.Now()}
	if f, ok := a.Err.(*os.File); ok && term.IsTerminal(int(f.Fd())) { //nolint:gosec // a descriptor is no large number
		p.terminal, p.every = true, atTerminal
	}
	return p
}

// Write counts bytes.
func (p *progress) Write(b []byte) (int, error) {
	p.bytes += int64(len(b))
	return len(b), nil
}

// at says how many records there were, if it is time.
func (p *progress) at(records int64) {
	if p.quiet || time.Since(p.last) < p.every {
		return
	}
	p.last, p.shown = time.Now(), true
	if p.terminal {
		say(p.w, "\r\x1b[K%s: %d records, %s", p.what, records, size(p.bytes))
		return
	}
	say(p.w, "%s: %d records, %s\n", p.what, records, size(p.bytes))
}

// end leaves the line for what comes next.
func (p *progress) end() {
	if p.terminal && p.shown {
		say(p.w, "\r\x1b[K")
	}
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// counted says how many there are of each kind, most first.
func counted(counts map[string]int64) string {
	var names []string
	for name, n := range counts {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
