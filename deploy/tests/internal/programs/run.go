package programs

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Secrets makes the secrets of an installation with the script that people use.
func Secrets(t *testing.T, dir string) {
	t.Helper()
	script := exec.CommandContext(t.Context(), filepath.Join(Repository(), "deploy/scripts/secrets.sh"), dir) //nolint:gosec // our own script
	if text, err := script.CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v\n%s", err, text)
	}
}

// Backing returns an address that scripts/with-backing.sh hands to tests.
func Backing(t *testing.T, name string) string {
	t.Helper()
	address := os.Getenv(name)
	if address == "" {
		t.Fatal(name + " is not set: run this test under scripts/with-backing.sh")
	}
	return address
}

// Replace writes a file anew that may not be written to.
func Replace(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(file), os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// FreeAddress is a port of this machine that nobody uses.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Program is one that runs.
type Program struct {
	t         *testing.T
	file      string
	technical string
	process   *exec.Cmd
	log       *bytes.Buffer
	ended     chan error
}

// Start runs a program with these settings and no others. It is ended with the test if it was not before.
func Start(t *testing.T, file string, environment map[string]string) *Program {
	t.Helper()
	p := &Program{t: t, file: file, technical: environment["GATEHOUSE_TECHNICAL_ADDRESS"], log: new(bytes.Buffer), ended: make(chan error, 1)}
	p.process = exec.Command(file) //nolint:gosec // of our own build
	p.process.Env = []string{}
	for name, value := range environment {
		p.process.Env = append(p.process.Env, name+"="+value)
	}
	p.process.Stdout, p.process.Stderr = p.log, p.log
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.process.Wait() }()
	t.Cleanup(func() {
		_ = p.process.Process.Kill()
		select {
		case err := <-p.ended:
			p.ended <- err
		case <-time.After(10 * time.Second):
		}
	})
	return p
}

// Says asks the program whether it is ready, as an image's health check does: nil, or what it lacks.
func (p *Program) Says() error {
	ask := exec.CommandContext(p.t.Context(), p.file, "ready") //nolint:gosec // of our own build
	ask.Env = []string{"GATEHOUSE_TECHNICAL_ADDRESS=" + p.technical}
	if text, err := ask.CombinedOutput(); err != nil {
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}

// Await asks until the answer is the wanted one: "" for ready, else a part of what it lacks.
func (p *Program) Await(want string) {
	p.t.Helper()
	limited, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		said := p.Says()
		if want == "" && said == nil || want != "" && said != nil && strings.Contains(said.Error(), want) {
			return
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			p.t.Fatalf("%s ended: %v\n%s", p.file, err, p.log)
		case <-limited.Done():
			p.t.Fatalf("%s says %v, want %q", p.file, said, want)
		case <-tick.C:
		}
	}
}

// Terminate asks the program to stop.
func (p *Program) Terminate() {
	p.t.Helper()
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// Ended waits for the end of the program and returns what it logged. An exit code other than 0 fails the test.
func (p *Program) Ended() string {
	p.t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		if err != nil {
			p.t.Errorf("%s: %v\n%s", p.file, err, p.log)
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("%s does not end", p.file)
	}
	return p.log.String()
}
