package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestProgramEndsAtOnce starts the development binary in ways in which it does not go on.
func TestProgramEndsAtOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name   string
		args   []string
		status int
		stdout string
		stderr string
	}{
		{"help names every flag, its variable and its default", []string{"--help"}, 0, "--data-dir TEXT   (GATEHOUSE_DATA_DIR)", ""},
		{"the version is one line", []string{"--version"}, 0, "gatehouse development", ""},
		{"an unknown flag", []string{"--colour", "red"}, 2, "", "unknown flag --colour"},
		{"a password as a flag", []string{"--operator-password", "x"}, 2, "", "--operator-password-file"},
		{"an address for everybody with the known password", []string{"--management-address", "0.0.0.0:0"}, 2, "", "can be reached from other machines"},
		{"a port that is taken", []string{"--gateway-address", taken.Addr().String()}, 1, "",
			taken.Addr().String() + " is taken by another program, perhaps by another gatehouse; choose another address with --gateway-address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), proc.Program(t, "gatehouse"), append([]string{
				"--data-dir=" + filepath.Join(t.TempDir(), "data"),
			}, tt.args...)...)
			command.Env = []string{
				"HOME=" + os.Getenv("HOME"),
				"GATEHOUSE_MANAGEMENT_ADDRESS=127.0.0.1:0", "GATEHOUSE_GATEWAY_ADDRESS=127.0.0.1:0", "GATEHOUSE_TECHNICAL_ADDRESS=127.0.0.1:0",
				"GATEHOUSE_MANAGEMENT_TECHNICAL_ADDRESS=127.0.0.1:0", "GATEHOUSE_DEMO_ADDRESS=127.0.0.1:0",
			}
			var stdout, stderr strings.Builder
			command.Stdout, command.Stderr = &stdout, &stderr
			_ = command.Run() // the status says it
			if got := command.ProcessState.ExitCode(); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("it says\n%s\n%s", stdout.String(), stderr.String())
			}
		})
	}
}

// TestDataIsNotShared: a directory belongs to one process, and data with the operator everybody knows to one machine.
func TestDataIsNotShared(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	run := func(env ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), proc.Program(t, "gatehouse"), "--data-dir", g.DataDir, "--demo=false",
			"--gateway-address", "127.0.0.1:0", "--technical-address", "127.0.0.1:0", "--management-technical-address", "127.0.0.1:0")
		command.Env = append([]string{"HOME=" + os.Getenv("HOME")}, env...)
		output, err := command.CombinedOutput()
		if err == nil {
			t.Errorf("it ended in order:\n%s", output)
		}
		return string(output)
	}
	if got := run("GATEHOUSE_MANAGEMENT_ADDRESS=127.0.0.1:0"); !strings.Contains(got, "another process is using it") {
		t.Errorf("a second process says\n%s", got)
	}
	g.Stop()
	got := run("GATEHOUSE_MANAGEMENT_ADDRESS=0.0.0.0:0", "GATEHOUSE_OPERATOR_PASSWORD=chosen too late", "GATEHOUSE_TECHNICAL_PASSWORD=chosen as well")
	if !strings.Contains(got, "the operator admin in "+g.DataDir+" has the password everybody knows") {
		t.Errorf("shown to the world it says\n%s", got)
	}
}
