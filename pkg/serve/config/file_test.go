package config

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// configured writes a configuration file and returns its path and the flag for it.
func configured(t *testing.T, text string) (path string, args []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, []string{"--config", path}
}

func TestFile(t *testing.T) {
	secret := file(t, "hush")
	tests := []struct {
		name, text string
		args, env  []string
		want       func(*gateway)
	}{
		{name: "a file beats the default", text: "workers: 7", want: func(g *gateway) { g.Workers = 7 }},
		{name: "a variable beats the file", text: "workers: 7", env: []string{"GATEHOUSE_WORKERS=8"}, want: func(g *gateway) { g.Workers = 8 }},
		{name: "a flag beats both", text: "workers: 7", args: []string{"--workers=9"}, env: []string{"GATEHOUSE_WORKERS=8"}, want: func(g *gateway) { g.Workers = 9 }},
		{name: "an empty file says nothing", text: "# nothing yet\n", want: func(*gateway) {}},
		{name: "nor does one with nothing but its beginning", text: "---\n", want: func(*gateway) {}},
		{name: "an empty text is empty", text: `gateway-address: ""`, want: func(g *gateway) { g.Address = "" }},
		{
			name: "every form of value", text: "strict: true\ntimeout: 1m\nratio: 0.5\ntrusted-proxies: [10.0.0.0/8, '::1']\nlog-level: debug\ntls-cert-file: c",
			want: func(g *gateway) {
				g.Strict, g.Timeout, g.Ratio, g.Level, g.TLS.CertFile = true, time.Minute, .5, -4, "c"
				g.Proxies = []string{"10.0.0.0/8", "::1"}
			},
		},
		{name: "JSON is read as well", text: `{"workers": 7, "trusted-proxies": ["::1"]}`, want: func(g *gateway) { g.Workers, g.Proxies = 7, []string{"::1"} }},
		{name: "a list of a variable replaces that of the file", text: "trusted-proxies: [10.0.0.0/8]", env: []string{"GATEHOUSE_TRUSTED_PROXIES=::1"}, want: func(g *gateway) { g.Proxies = []string{"::1"} }},
		{name: "a secret is named by its file", text: "technical-password-file: " + secret, want: func(g *gateway) { g.Password = "hush" }},
		{name: "so may a URL be", text: "redis-url-file: " + secret, want: func(g *gateway) { g.Redis = "hush" }},
		{name: "a URL without a password may stand there", text: "redis-url: redis://r:1", want: func(g *gateway) { g.Redis = "redis://r:1" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, args := configured(t, tt.text)
			want := defaults()
			tt.want(&want)
			byFlag, err := Parse(append(args, tt.args...), tt.env, defaults())
			if err != nil {
				t.Fatal(err)
			}
			byVariable, err := Parse(tt.args, append(environment("GATEHOUSE_CONFIG="+path), tt.env...), defaults())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, byFlag, same); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(byFlag, byVariable, same); diff != "" {
				t.Errorf("GATEHOUSE_CONFIG is not --config (-flag +variable):\n%s", diff)
			}
		})
	}
}

func TestFileRefuses(t *testing.T) {
	secret := file(t, "hush")
	tests := []struct{ name, text, want string }{
		{"an unknown name", "log-level: INFO\nworkres: 7", "FILE:2: workres: there is no such setting; did you mean workers?"},
		{"one that is like no other", "frobnicate: 7", "FILE:1: frobnicate: there is no such setting, see --help"},
		{"an underscore where a dash belongs", "log_level: INFO", "FILE:1: log_level: there is no such setting; did you mean log-level?"},
		{"a value that does not fit", "workers: two", `FILE:1: workers: "two" is not a whole number of 64 bits`},
		{"what the struct itself refuses", "workers: -1", "FILE:1: workers is below 0"},
		{"a name twice", "workers: 1\nworkers: 2", "FILE:2: workers: given twice"},
		{"a secret", "technical-password: hush", "FILE:1: technical-password: a secret is not written into a configuration; use technical-password-file or GATEHOUSE_TECHNICAL_PASSWORD"},
		{"a URL with a password", "redis-url: redis://:hush@r", "FILE:1: redis-url: a password is not written into a configuration; use redis-url-file or GATEHOUSE_REDIS_URL"},
		{"a URL by value and file", "redis-url: r\nredis-url-file: " + secret, "FILE:1: redis-url and redis-url-file: only one of them"},
		{"a file that is not there", "redis-url-file: /nowhere", "FILE:1: redis-url-file: open /nowhere: no such file or directory"},
		{"no value", "workers:", `FILE:1: workers: there is no value; leave the line out for the default, write "" for an empty text`},
		{"settings below one", "redis: {url: r}", "FILE:1: redis: a text, a number, a switch or a list of texts is expected, and not settings below it\nFILE:1: redis: there is no such setting, see --help"},
		{"an element with a comma", "trusted-proxies: ['a,b']", "FILE:1: trusted-proxies: element 1 has a comma, which separates elements"},
		{"an element that is none", "trusted-proxies: [[a]]", "FILE:1: trusted-proxies: element 1 is no text"},
		{"a list", "- workers", "FILE:1: settings and their values are expected, such as log-level: INFO"},
		{"two documents", "workers: 1\n---\nworkers: 2", "FILE: there is something after the first document"},
		{"everything at once, in order", "strict: maybe\nratio: x\nnonsense: 1", "FILE:1: strict: \"maybe\" is neither true nor false\nFILE:2: ratio: \"x\" is not a number\nFILE:3: nonsense: there is no such setting, see --help"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, args := configured(t, tt.text)
			_, err := Parse(args, nil, defaults())
			if err == nil || strings.ReplaceAll(err.Error(), path, "FILE") != tt.want {
				t.Errorf("err = %v\nwant  %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	path, args := configured(t, "workers: [")
	if _, err := Parse(args, nil, defaults()); err == nil || !strings.HasPrefix(err.Error(), path+": not YAML or JSON: ") {
		t.Errorf("half a list: %v", err)
	}
	if _, err := Parse([]string{"--config=/nowhere"}, nil, defaults()); err == nil || !strings.Contains(err.Error(), "--config: open /nowhere") {
		t.Errorf("a file that is not there: %v", err)
	}
	_, args = configured(t, strings.Repeat("# much\n", maxFile/6))
	if _, err := Parse(args, nil, defaults()); err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Errorf("a file beyond measure: %v", err)
	}
}

func TestUnknownVariables(t *testing.T) {
	tests := []struct{ name, variable, want string }{
		{"letters swapped", "GATEHOUSE_REDIS_ULR=x", "GATEHOUSE_REDIS_ULR: there is no such setting; did you mean GATEHOUSE_REDIS_URL?"},
		{"a letter missing", "GATEHOUSE_TECHNICAL_PASSWRD_FILE=x", "GATEHOUSE_TECHNICAL_PASSWRD_FILE: there is no such setting; did you mean GATEHOUSE_TECHNICAL_PASSWORD_FILE?"},
		{"of another program", "GATEHOUSE_SOMETHING_ELSE_ALTOGETHER=x", "GATEHOUSE_SOMETHING_ELSE_ALTOGETHER: there is no such setting, see --help"},
		{"of Kubernetes", "GATEHOUSE_CONSOLE_TWO_SERVICE_HOST=10.0.0.1", "GATEHOUSE_CONSOLE_TWO_SERVICE_HOST: there is no such setting, see --help; Kubernetes makes such variables for services unless the pod has enableServiceLinks: false"},
		{"an empty one counts as absent", "GATEHOUSE_REDIS_ULR=", ""},
		{"of tests", "GATEHOUSE_TEST_REDIS_URL=x", ""},
		{"of the control command", "GATEHOUSE_CTL_URL=x", ""},
		{"of nobody here", "HOME=/", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if _, err := Parse(nil, environment(tt.variable), defaults()); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("err = %s\nwant  %s", got, tt.want)
			}
		})
	}
}

// same compares configurations.
var same = cmp.Options{cmp.AllowUnexported(gateway{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })}

func TestCheckConfig(t *testing.T) {
	secret := file(t, "hush hush")
	run := func(args, env []string, checks ...func(gateway) error) (status int, stdout, stderr string) {
		var out, err bytes.Buffer
		_, status = load("gateway", "About.", args, env, &out, &err, defaults(), checks)
		return status, out.String(), err.String()
	}
	path, args := configured(t, "workers: 7\ntrusted-proxies: [10.0.0.0/8]\ntechnical-password-file: "+secret)
	status, stdout, stderr := run(append(args, "--check-config", "--strict"), []string{"GATEHOUSE_REDIS_URL=redis://u:hush@r/0", "GATEHOUSE_GATEWAY_ADDRESS=:1"})
	if status != 0 || stderr != "" {
		t.Fatalf("a good configuration: status %d\n%s", status, stderr)
	}
	want := `gateway-address: ":1"  # GATEHOUSE_GATEWAY_ADDRESS
technical-address: "127.0.0.1:18092"  # default
# redis-url: redis://u:[redacted]@r/0  (GATEHOUSE_REDIS_URL)
# technical-password: [redacted]  (FILE:3: technical-password-file)
timeout: "5s"  # default
strict: true  # --strict
workers: 7  # FILE:1: workers
bytes: 0  # default
ratio: 0  # default
trusted-proxies: ["10.0.0.0/8"]  # FILE:2: trusted-proxies
log-level: "INFO"  # default
bind: "invalid AddrPort"  # default
tls-cert-file: ""  # default
`
	if diff := cmp.Diff(want, strings.ReplaceAll(stdout, path, "FILE")); diff != "" {
		t.Errorf("effective configuration (-want +got):\n%s", diff)
	}

	// What was printed is a configuration itself.
	_, args = configured(t, strings.ReplaceAll(stdout, `bind: "invalid AddrPort"`, "#"))
	again, err := Parse(args, nil, defaults())
	if err != nil || again.Workers != 7 || again.Address != ":1" || !again.Strict || len(again.Proxies) != 1 {
		t.Errorf("read again: %+v, %v", again, err)
	}

	status, stdout, stderr = run([]string{"--check-config", "--workers=-1", "--ratio=x", "--nonsense", "--technical-password=hush"}, []string{"GATEHOUSE_STRICT=maybe", "GATEHOUSE_WROKERS=1"})
	wantFaults := `gateway: unknown flag --nonsense, see --help
gateway: --technical-password: a secret is not given on the command line; use --technical-password-file or GATEHOUSE_TECHNICAL_PASSWORD
gateway: GATEHOUSE_STRICT: "maybe" is neither true nor false
gateway: --ratio: "x" is not a number
gateway: GATEHOUSE_WROKERS: there is no such setting; did you mean GATEHOUSE_WORKERS?
gateway: --workers is below 0
`
	if diff := cmp.Diff(wantFaults, stderr); diff != "" || status != 2 || stdout != "" {
		t.Errorf("status %d, printed %q, faults (-want +got):\n%s", status, stdout, diff)
	}

	refuse := func(gateway) error { return errors.New("the certificate has expired") }
	if status, stdout, stderr = run([]string{"--check-config"}, nil, refuse); status != 2 || stdout != "" || stderr != "gateway: the certificate has expired\n" {
		t.Errorf("what a check refuses: status %d, %q, %q", status, stdout, stderr)
	}
	if status, _, _ = run(nil, nil, refuse); status != -1 {
		t.Errorf("without --check-config the program starts, and checks come later: status %d", status)
	}
	if status, stdout, _ = run([]string{"--help"}, nil); status != 0 || !strings.Contains(stdout, "--check-config") || !strings.Contains(stdout, "--config FILE   (GATEHOUSE_CONFIG)") {
		t.Errorf("help: status %d, %s", status, stdout)
	}
}
