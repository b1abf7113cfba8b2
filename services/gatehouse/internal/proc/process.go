package proc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopWithin is how long a process may take after it was asked to end.
const stopWithin = 30 * time.Second

// Process is a child process. It is killed at the end of the test if it still runs then. If the test failed, the end of what it wrote is
// logged, without the records that only debugging needs; all of it is an artifact of the test (go test -artifacts).
type Process struct {
	Name string

	t      testing.TB
	path   string
	args   []string
	env    []string
	stdout output
	stderr output

	mu   sync.Mutex // guards cmd, done and err; a process can be started again
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start starts a program. env is all of its environment besides PATH and HOME.
func Start(t testing.TB, name, path string, args, env []string) *Process {
	t.Helper()
	p := &Process{Name: name, t: t, path: path, args: args, env: env}
	p.launch()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			all := p.Stderr()
			if err := os.WriteFile(filepath.Join(t.ArtifactDir(), fileOf(name)), []byte(all), 0o600); err != nil {
				t.Log(err)
			}
			t.Logf("%s said:\n%s", name, tail(all))
		}
	})
	return p
}

func (p *Process) launch() {
	p.t.Helper()
	cmd := exec.Command(p.path, p.args...)
	cmd.Env = p.env
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := syscall.Getenv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	// A child does not outlive a test that is killed, and Ctrl-C reaches the test only.
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.Name, err)
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done, p.err = cmd, done, nil
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(done)
	}()
}

// Relaunch starts the program again with the same arguments, once the process has ended.
func (p *Process) Relaunch() {
	p.t.Helper()
	select {
	case <-p.Done():
	default:
		p.t.Fatalf("%s still runs", p.Name)
	}
	p.launch()
}

// Script writes a shell script that runs the program with a word before its arguments, what the script is given behind the word, and the
// same environment. It returns its path.
func (p *Process) Script(word string) string {
	p.t.Helper()
	quoted := func(all []string) string {
		var b strings.Builder
		for _, one := range all {
			b.WriteString(" '" + strings.ReplaceAll(one, "'", `'\''`) + "'")
		}
		return b.String()
	}
	text := "#!/bin/sh\nexec env" + quoted(p.env) + quoted([]string{p.path, word}) + ` "$@"` + quoted(p.args) + "\n"
	path := filepath.Join(p.t.TempDir(), word)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // it is to be run, by its owner
		p.t.Fatal(err)
	}
	return path
}

// PID is the number of the process.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// Err is what the process ended with, nil for status 0. It is to be asked after Done.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Kill ends the process at once (SIGKILL) and waits.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.Done()
}

// Stop asks the process to end (SIGTERM), waits, and fails the test if it does not end in order.
func (p *Process) Stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.Done():
	case <-time.After(stopWithin):
		p.t.Fatalf("%s did not end within %s", p.Name, stopWithin)
	}
	if err := p.Err(); err != nil {
		p.t.Fatalf("%s ended with %v", p.Name, err)
	}
}

// Pause stops the process without ending it (SIGSTOP): its connections stay open and nothing answers. Continue goes on.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Continue is the end of a Pause.
func (p *Process) Continue() { p.signal(syscall.SIGCONT) }

// signal ignores that the process has ended already.
func (p *Process) signal(s syscall.Signal) {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	_ = cmd.Process.Signal(s)
}

// Stdout is what the process has written to standard output until now.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr is what the process has written to standard error until now: its log.
func (p *Process) Stderr() string { return p.stderr.String() }

// Await asks a question again and again until it is answered with nil. It fails the test after the timeout, and at once
// if the process ends.
func (p *Process) Await(what string, timeout time.Duration, ask func(context.Context) error) {
	p.t.Helper()
	await(p.t, what, timeout, p, ask)
}

// Await asks a question again and again until it is answered with nil, and fails the test after the timeout.
func Await(t testing.TB, what string, timeout time.Duration, ask func(context.Context) error) {
	t.Helper()
	await(t, what, timeout, nil, ask)
}

func await(t testing.TB, what string, timeout time.Duration, p *Process, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var over <-chan struct{}
	if p != nil {
		over = p.Done()
	}
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%s: %s ended (%v):\n%s", what, p.Name, p.Err(), tail(p.Stderr()))
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, timeout, err)
		}
	}
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex // guards all
	all bytes.Buffer
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

func (o *output) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all.Reset()
}

// fileOf is a file name for what a process wrote.
func fileOf(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(` /\:`, r) {
			return '-'
		}
		return r
	}, name) + ".log"
}

// tail is the end of a log, short enough that what a test demanded in vain can still be found beside the logs of ten processes.
func tail(text string) string {
	const lines, letters = 8, 300
	all := slices.DeleteFunc(strings.Split(strings.TrimRight(text, "\n"), "\n"), func(line string) bool {
		return strings.Contains(line, `"level":"DEBUG"`)
	})
	before := max(len(all)-lines, 0)
	all = all[before:]
	for i, line := range all {
		if len(line) > letters {
			all[i] = line[:letters] + "…"
		}
	}
	if before > 0 {
		all = append([]string{fmt.Sprintf("… %d lines before", before)}, all...)
	}
	return strings.Join(all, "\n")
}
