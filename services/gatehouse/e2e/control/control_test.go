// Package control tests gatehousectl as a program against the development binary.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestMain(m *testing.M) { proc.Main(m) }

// control is gatehousectl as one person uses it, with files of their own.
type control struct {
	t       *testing.T
	program string
	dir     string
	env     []string
}

// result of one run.
type result struct {
	status   int
	out, err string
}

func newControl(t *testing.T) *control {
	t.Helper()
	dir := t.TempDir()
	return &control{
		t: t, program: proc.Program(t, "gatehousectl"), dir: dir,
		env: []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "PATH=" + os.Getenv("PATH"), "GATEHOUSECTL_TIMEOUT=60s"},
	}
}

// signedIn is a control that is signed in at a development binary.
func signedIn(t *testing.T, g *proc.Gatehouse) *control {
	t.Helper()
	c := newControl(t)
	c.file("password.txt", proc.DevelopmentPassword+"\n")
	c.ok("login", strings.TrimSuffix(g.ManagementURL, "/management"), "--user", "admin", "--password-file", "password.txt", "--name", "local")
	return c
}

func (c *control) command(ctx context.Context, args ...string) *exec.Cmd {
	x := exec.CommandContext(ctx, c.program, args...)
	x.Dir, x.Env = c.dir, c.env
	return x
}

// run runs the command with what comes in.
func (c *control) run(in string, args ...string) result {
	c.t.Helper()
	x := c.command(c.t.Context(), args...)
	var out, wrong bytes.Buffer
	x.Stdin, x.Stdout, x.Stderr = strings.NewReader(in), &out, &wrong
	err := x.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return result{x.ProcessState.ExitCode(), out.String(), wrong.String()}
}

// ok is run for what must end well.
func (c *control) ok(args ...string) string {
	c.t.Helper()
	return c.okWith("", args...)
}

func (c *control) okWith(in string, args ...string) string {
	c.t.Helper()
	r := c.run(in, args...)
	if r.status != 0 {
		c.t.Fatalf("gatehousectl %s: ends with %d\n%s", strings.Join(args, " "), r.status, r.err)
	}
	return r.out
}

// refused is run for what must end with a status and say something.
func (c *control) refused(status int, want string, args ...string) {
	c.t.Helper()
	if r := c.run("", args...); r.status != status || !strings.Contains(r.err, want) {
		c.t.Errorf("gatehousectl %s: ends with %d\n%s%s\nwant %d and %q", strings.Join(args, " "), r.status, r.out, r.err, status, want)
	}
}

func (c *control) file(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// token is the one in the file of the contexts.
func (c *control) token() string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "gatehousectl", "contexts.yaml"))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "token: ")
	token, _, _ := strings.Cut(rest, "\n")
	if len(token) < 20 {
		c.t.Fatalf("no token in the file")
	}
	return token
}

func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}
