package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const script = "../../../../scripts/with-backing.sh"

// withBacking is the script, about to run a command with the test binary as the backing servers. Of the variables for
// tests it sees only those in env.
func withBacking(t *testing.T, env []string, command ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(script, command...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GATEHOUSE_TEST_") {
			c.Env = append(c.Env, e)
		}
	}
	c.Env = append(c.Env, asCommand+"=1", "GATEHOUSE_TEST_BACKING_BINARY="+os.Args[0], "TMPDIR="+t.TempDir())
	c.Env = append(c.Env, env...)
	return c
}

// printAddresses writes what the script has set, in a form that variables reads.
const printAddresses = `echo "mongodb $GATEHOUSE_TEST_MONGODB_URI"; echo "redis $GATEHOUSE_TEST_REDIS_URL"
echo "inprocess $GATEHOUSE_TEST_INPROCESS_REDIS_URL"; echo "binary $GATEHOUSE_TEST_BACKING_BINARY"`

func variables(output string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(output) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name] = value
	}
	return found
}

func TestTheScriptPassesTheExitCodeOn(t *testing.T) {
	for code, command := range map[int][]string{
		0: {"true"}, 7: {"sh", "-c", "exit 7"}, 127: {"/nonexistent/command"}, 2: {},
	} {
		c := withBacking(t, nil, command...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		err := c.Run()
		if c.ProcessState.ExitCode() != code {
			t.Errorf("%q ended with %v, want %d\n%s", command, err, code, &stderr)
		}
	}
}

func TestTheScriptGivesAddressesThatAnswerAndEndsTheServers(t *testing.T) {
	c := withBacking(t, nil, "sh", "-c", printAddresses+"; cat")
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	v := read(t, output)
	if err := connect(t, v["mongodb"]).Ping(t.Context(), nil); err != nil {
		t.Error("mongodb:", err)
	}
	if err := pingRedis(v["inprocess"]); err != nil {
		t.Error("in-process Redis:", err)
	}
	if _, err := exec.LookPath("redis-server"); err == nil {
		if err := pingRedis(v["redis"]); err != nil {
			t.Error("Redis:", err)
		}
	} else if v["redis"] != "" {
		t.Errorf("Redis at %s, without a redis-server", v["redis"])
	}
	if v["binary"] != os.Args[0] {
		t.Errorf("binary %q", v["binary"])
	}

	_ = stdin.Close() // ends the command
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"inprocess", "redis"} {
		if v[name] != "" && pingRedis(v[name]) == nil {
			t.Errorf("%s still answers at %s", name, v[name])
		}
	}
	if left, _ := os.ReadDir(temporary(c.Env)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// read takes the four lines of printAddresses from a running command.
func read(t *testing.T, r interface{ Read([]byte) (int, error) }) map[string]string {
	t.Helper()
	var text strings.Builder
	lines := bufio.NewScanner(r)
	for n := 0; n < 4 && lines.Scan(); n++ {
		text.WriteString(lines.Text() + "\n")
	}
	v := variables(text.String())
	if len(v) != 4 {
		t.Fatalf("the command said %q", &text)
	}
	return v
}

// temporary is the directory for temporary files in an environment.
func temporary(env []string) (dir string) {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "TMPDIR="); ok {
			dir = value
		}
	}
	return dir
}

func TestWhatTheScriptStartsEndsWithItEvenWhenItIsKilled(t *testing.T) {
	c := withBacking(t, nil, "sh", "-c", printAddresses+"; exec cat")
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	v := read(t, output)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"inprocess", "redis"} {
		for deadline := time.Now().Add(patience); v[name] != "" && pingRedis(v[name]) == nil; {
			if time.Now().After(deadline) {
				t.Fatalf("%s still answers at %s", name, v[name])
			}
		}
	}
	_ = stdin.Close()
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) {
		t.Errorf("the killed script ended with %v", err)
	}
}

func TestTheScriptKeepsTheServersOfTheCaller(t *testing.T) {
	const mongodb, redis = "mongodb://db.example:27017/?replicaSet=r&w=majority", "redis://redis.example:6379/3"
	c := withBacking(t, []string{"GATEHOUSE_TEST_MONGODB_URI=" + mongodb, "GATEHOUSE_TEST_REDIS_URL=" + redis},
		"sh", "-c", printAddresses)
	output, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	v := variables(string(output))
	if v["mongodb"] != mongodb || v["redis"] != redis {
		t.Errorf("addresses %q and %q, want the caller's", v["mongodb"], v["redis"])
	}
	if v["inprocess"] == "" {
		t.Error("no in-process Redis")
	}
}

func TestTheScriptFailsWhenTheServersDoNotStart(t *testing.T) {
	c := withBacking(t, []string{"GATEHOUSE_TEST_BACKING_BINARY=/bin/false"}, "echo", "the command ran")
	output, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), "backing ended before it was ready") ||
		strings.Contains(string(output), "the command ran") {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestTheScriptSaysThatRedisIsMissing(t *testing.T) {
	c := withBacking(t, []string{"GATEHOUSE_REDIS_SERVER=/nonexistent/redis-server"}, "sh", "-c", printAddresses)
	output, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "no redis-server found") || variables(string(output))["redis"] != "" {
		t.Errorf("%v\n%s", err, output)
	}
}
