package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is how long a process may take to end before it is killed.
const grace = 10 * time.Second

// Process is a running program. Its output goes to a file.
type Process struct {
	// Name appears in reports: "gateway", "redis".
	Name string

	cmd  *exec.Cmd
	log  string
	over chan struct{} // closed when it has ended
	err  error         // how; to be read after over
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Alive returns nil while the process runs, else an error with the end of its output.
func (p *Process) Alive() error {
	select {
	case <-p.over:
		how := p.err
		if how == nil {
			how = errors.New("exit status 0")
		}
		return fmt.Errorf("%s ended with %w: %s", p.Name, how, tail(p.log))
	default:
		return nil
	}
}

// Stop asks the process to end, kills it if it does not within the grace time, and returns when it has ended.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-p.over:
		return
	case <-late.C:
		_ = p.cmd.Process.Kill()
	}
	<-p.over
}

// End asks the process to end and waits for it. One that does not within patience is killed, which is an error, as any other
// status than 0 is.
func (p *Process) End(patience time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-p.over:
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.over
	}
	if p.err != nil {
		return fmt.Errorf("%s ended with %w: %s", p.Name, p.err, tail(p.log))
	}
	return nil
}

// spent is the CPU time of a process that has ended.
func (p *Process) spent() time.Duration {
	state := p.cmd.ProcessState
	return state.UserTime() + state.SystemTime()
}

// tail returns the last lines of a log, for an error.
func tail(file string) string {
	const enough = 2000
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return "it said nothing"
	}
	return string(text[max(0, len(text)-enough):])
}

// Starter starts processes and ends them together. Where the system can, the processes also end when this one is killed.
type Starter struct {
	dir  string
	work chan func()

	mu      sync.Mutex
	started []*Process
	count   int
}

// NewStarter returns a Starter whose processes write their logs into dir.
func NewStarter(dir string) *Starter {
	s := &Starter{dir: dir, work: make(chan func())}
	// The kernel ties the promise to end a child with its parent to the thread that started it: one thread that lives as
	// long as the Starter starts them all.
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

// Start runs a program. The environment is exactly env; nothing of this process's own reaches it but PATH, HOME and TMPDIR.
func (s *Starter) Start(name, program string, args, env []string) (*Process, error) {
	s.mu.Lock()
	s.count++
	log := filepath.Join(s.dir, fmt.Sprintf("%s-%d.log", name, s.count))
	s.mu.Unlock()
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, s.dir
	for _, keep := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(keep); ok {
			cmd.Env = append(cmd.Env, keep+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	endWithParent(cmd)
	p := &Process{Name: name, cmd: cmd, log: log, over: make(chan struct{})}
	done := make(chan error)
	s.work <- func() { done <- cmd.Start() }
	if err := <-done; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.over)
	}()
	s.mu.Lock()
	s.started = append(s.started, p)
	s.mu.Unlock()
	return p, nil
}

// Close ends every process that still runs, the last one first.
func (s *Starter) Close() {
	s.mu.Lock()
	started := s.started
	s.started = nil
	s.mu.Unlock()
	for i := len(started) - 1; i >= 0; i-- {
		if started[i].Alive() == nil {
			started[i].Stop()
		}
	}
	close(s.work)
}

// Await asks until ask returns nil. It gives up with the last answer when the time is over, and at once when one of the
// processes has ended.
func Await(ctx context.Context, patience time.Duration, what string, ask func(context.Context) error, processes ...*Process) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		for _, p := range processes {
			if dead := p.Alive(); dead != nil {
				return fmt.Errorf("wait for %s: %w", what, dead)
			}
		}
		pause.Reset(10 * time.Millisecond)
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, context.Cause(ctx), err)
		case <-pause.C:
		}
	}
}

// firstLine waits for the line with prefix in a process's output and returns what follows.
func firstLine(ctx context.Context, p *Process, patience time.Duration, prefix string) (string, error) {
	var found string
	err := Await(ctx, patience, p.Name+" to tell its address", func(context.Context) error {
		text, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, prefix); ok && strings.HasSuffix(rest, "\n") {
				found = strings.TrimSpace(rest)
				return nil
			}
		}
		return fmt.Errorf("no line begins with %q", prefix)
	}, p)
	return found, err
}
