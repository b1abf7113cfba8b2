package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// asProgram makes the test binary the program itself.
const asProgram = "GATEHOUSE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program returns the program as it is started, with nothing in its environment but what is given.
func program(t *testing.T, environment []string, args ...string) *exec.Cmd {
	t.Helper()
	p := exec.CommandContext(t.Context(), os.Args[0], args...)
	p.Env = append([]string{asProgram + "=1"}, environment...)
	p.WaitDelay = 10 * time.Second
	return p
}

// settings are what a start needs, with a database of its own.
func settings(t *testing.T) []string {
	t.Helper()
	o := storetest.Options(t)
	dir := t.TempDir()
	files, _, err := serve.DevelopmentAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "sealing.key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(secret.NewKey())), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"GATEHOUSE_MONGODB_URI=" + o.URI,
		"GATEHOUSE_MONGODB_DATABASE=" + o.Database,
		"GATEHOUSE_SEALING_KEY_FILE=" + key,
		"GATEHOUSE_TLS_CERT_FILE=" + files.CertFile, "GATEHOUSE_TLS_KEY_FILE=" + files.KeyFile, "GATEHOUSE_TLS_CA_FILE=" + files.CAFile,
		"GATEHOUSE_MANAGEMENT_ADDRESS=127.0.0.1:0", "GATEHOUSE_MANAGEMENT_GRPC_ADDRESS=127.0.0.1:0", "GATEHOUSE_TECHNICAL_ADDRESS=127.0.0.1:0",
	}
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name        string
		environment []string
		args        []string
		code        int
		says        string
	}{
		{"help was asked for", nil, []string{"--help"}, 0, "--mongodb-uri"},
		{"an unknown flag", nil, []string{"--nonsense"}, 2, "unknown flag --nonsense"},
		{"a duration that is none", settings(t), []string{"--drain-delay=soon"}, 2, "--drain-delay"},
		{"a secret on the command line", settings(t), []string{"--operator-password=x"}, 2, "a secret is not given on the command line"},
		{"ready was asked where nobody answers", nil, []string{"ready", "127.0.0.1:1"}, 1, "refused"},
		{"nothing is configured", nil, nil, 2, "--sealing-key-file is needed"},
		{"a look at a configuration in which everything is wrong", []string{"GATEHOUSE_KEEP_AUDITS=1h", "GATEHOUSE_MONGODB_URL=x"}, []string{"--check-config"}, 2, `: GATEHOUSE_MONGODB_URL: there is no such setting; did you mean GATEHOUSE_MONGODB_URI?
management.test: --sealing-key-file is needed: secrets are sealed before they reach the database
management.test: --tls-cert-file is needed: the plane to gateways is mutually authenticated
management.test: --tls-key-file is needed: the plane to gateways is mutually authenticated
management.test: --tls-ca-file is needed: the plane to gateways is mutually authenticated
management.test: GATEHOUSE_KEEP_AUDITS must be 0 or at least 24h
`},
		{"a look at files that are not there", append(settings(t), "GATEHOUSE_SEALING_KEY_FILE=/nowhere"), []string{"--check-config"}, 2, ": GATEHOUSE_SEALING_KEY_FILE: sealing key file: stat /nowhere"},
		{"a look at a certificate of another trust domain", append(settings(t), "GATEHOUSE_TLS_TRUST_DOMAIN=prod"), []string{"--check-config"}, 2, "spiffe://gatehouse/management; expected spiffe://prod/management (--tls-trust-domain)\n"},
		{"a look at a good configuration", settings(t), []string{"--check-config"}, 0, "\nmanagement-address: \"127.0.0.1:0\"  # GATEHOUSE_MANAGEMENT_ADDRESS\n"},
		{"nobody could sign in", settings(t), nil, 1, "there is no operator yet"},
		{"a database is migrated and the program ends", settings(t), []string{"migrate"}, 0, "applications have slugs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := program(t, tt.environment, tt.args...)
			output, err := p.CombinedOutput()
			var ended *exec.ExitError
			if err != nil && !errors.As(err, &ended) {
				t.Fatal(err)
			}
			if code := p.ProcessState.ExitCode(); code != tt.code || !bytes.Contains(output, []byte(tt.says)) {
				t.Errorf("exit code %d, want %d; says:\n%s", code, tt.code, output)
			}
		})
	}
}

func TestStopBySignal(t *testing.T) {
	p := program(t, append(settings(t), "GATEHOUSE_OPERATOR_NAME=admin", "GATEHOUSE_OPERATOR_PASSWORD=a password nobody else has"))
	p.Stdout = io.Discard
	log, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	lines := bufio.NewScanner(log)
	for signalled := false; lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if !signalled && strings.Contains(lines.Text(), "configuration loaded") {
			signalled = true
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Wait(); err != nil {
		t.Errorf("%v; log:\n%s", err, &text)
	}
	if strings.Contains(text.String(), "a password nobody else has") {
		t.Errorf("the log tells the password:\n%s", &text)
	}
}
