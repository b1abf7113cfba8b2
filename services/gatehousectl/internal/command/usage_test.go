package command_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/command"
)

// TestNewcomers: whoever says something that makes no sense is told what was wrong and how it goes, and nothing is asked of management.
func TestNewcomers(t *testing.T) {
	for line, want := range map[string]string{
		"frobnicate":                         "unknown command \"frobnicate\" for \"gatehousectl\"\nMore: gatehousectl --help\n",
		"aply":                               "Did you mean this?\n\tapply",
		"audit tial":                         "there is no gatehousectl audit tial; did you mean tail?\nMore: gatehousectl audit --help",
		"context remove x":                   "there is no gatehousectl context remove\nMore: gatehousectl context --help",
		"gateways list":                      "there is no gatehousectl gateways list\nMore",
		"list":                               "which kind? `gatehousectl kinds` lists what there is\nIt goes like this: gatehousectl list KIND [flags]\nMore: gatehousectl list --help",
		"get":                                "which kind? `gatehousectl kinds` lists what there is\nIt goes like this: gatehousectl get KIND [NAME]... [flags]",
		"list groups Finance":                "\"Finance\" is too much for gatehousectl list; put names with spaces into quotes\nIt goes like this",
		"delete group":                       "what is to be deleted? A kind and its name are needed\nIt goes like this: gatehousectl delete KIND NAME... [flags]",
		"apply payroll.yaml":                 "gatehousectl apply takes no \"payroll.yaml\"\nIt goes like this: gatehousectl apply -f FILE... [flags]",
		"apply":                              "which files? Say -f FILE, -f FOLDER, or -f - for standard input",
		"diff":                               "which files? Say -f FILE",
		"import":                             "which archive? Say -f FILE, or -f - for standard input",
		"context use":                        "which context? `gatehousectl context list` lists them",
		"token -d acme":                      "a token for which application? Say --application; `gatehousectl list applications` lists them",
		"list groups --doma acme":            "unknown flag: --doma; did you mean --domain?\nIt goes like this: gatehousectl list KIND [flags]\nMore: gatehousectl list --help",
		"list groups --colour":               "unknown flag: --colour\nIt goes like this",
		"list groups -x":                     "unknown shorthand flag: 'x' in -x\nIt goes like this",
		"list groups --limit many":           "invalid argument \"many\" for \"--limit\" flag: strconv.ParseInt: parsing \"many\": invalid syntax\nIt goes like this",
		"list groups --timeout soon":         "invalid argument \"soon\" for \"--timeout\"",
		"list groups --timeout -1s":          "--timeout -1s: an answer takes more than nothing; say a time such as 30s",
		"list groups -o xml":                 "-o xml is nothing that is known: table, json, yaml, name",
		"audit tail -n 0":                    "-n is from 1 to 1000",
		"export --all --without-secrets -f ": "flag needs an argument: 'f' in -f\nIt goes like this: gatehousectl export [flags]",
	} {
		t.Run(line, func(t *testing.T) {
			m := acme(nil)
			r := run(t, m, nil, strings.Fields(line)...)
			if r.status != command.Failed || !strings.Contains(r.err, want) || r.out != "" || len(m.asked) > 0 {
				t.Errorf("%d %q %q\nwant %q; asked: %v", r.status, r.out, r.err, want, m.asked)
			}
		})
	}
	for _, alone := range []string{"", "audit", "context", "gateways"} {
		if r := run(t, acme(nil), nil, strings.Fields(alone)...); r.status != command.Done || !strings.Contains(r.out, "Available Commands:") {
			t.Errorf("%q alone does not say what there is: %d %q %q", alone, r.status, r.out, r.err)
		}
	}
}

// alone runs the command with an environment, without a management of the test.
func alone(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var out, wrong bytes.Buffer
	app := command.App{Out: &out, Err: &wrong, Getenv: func(name string) string { return env[name] }, Version: "test"}
	status := app.Run(t.Context(), args)
	return result{status, out.String(), wrong.String()}
}

// TestWhoIsNotThere: errors of the way to management say what to do about them.
func TestWhoIsNotThere(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	ended := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"message":"The token has expired","http_status":401}`))
	}))
	defer ended.Close()
	file := filepath.Join(t.TempDir(), "contexts.yaml")
	text := "current: local\ncontexts:\n  - name: local\n    server: " + ended.URL + "/management\n    token: sesame\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	nobody := filepath.Join(t.TempDir(), "nothing.yaml")
	for name, tt := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"nobody is signed in":       {map[string]string{"GATEHOUSECTL_CONFIG": nobody}, []string{"not signed in", "gatehousectl login"}},
		"a server that is away":     {map[string]string{"GATEHOUSECTL_SERVER": gone.URL, "GATEHOUSECTL_TOKEN": "sesame"}, []string{"can not be reached", "connection refused", "See whether the address is right: --server"}},
		"a name that there is not":  {map[string]string{"GATEHOUSECTL_SERVER": "https://management.invalid", "GATEHOUSECTL_TOKEN": "sesame"}, []string{"can not be reached", "--server"}},
		"a server without TLS":      {map[string]string{"GATEHOUSECTL_SERVER": strings.TrimPrefix(plain.URL, "http://"), "GATEHOUSECTL_TOKEN": "sesame"}, []string{"answers without TLS", "say http:// and not https://"}},
		"a server that is another":  {map[string]string{"GATEHOUSECTL_SERVER": plain.URL, "GATEHOUSECTL_TOKEN": "sesame"}, []string{"answers 404 with text/plain, not JSON", "Is this management's address"}},
		"a context that has ended":  {map[string]string{"GATEHOUSECTL_CONFIG": file}, []string{"The token has expired\n", "Sign in again: gatehousectl login " + ended.URL + "/management --name local\n"}},
		"a variable that has ended": {map[string]string{"GATEHOUSECTL_SERVER": ended.URL, "GATEHOUSECTL_TOKEN": "sesame"}, []string{"The token has expired\n", "give one that is valid"}},
		"a time that is none":       {map[string]string{"GATEHOUSECTL_CONFIG": file, "GATEHOUSECTL_TIMEOUT": "30"}, []string{"GATEHOUSECTL_TIMEOUT is \"30\", and is to be a time such as 30s"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := alone(t, tt.env, "list", "domains")
			for _, want := range tt.want {
				if r.status != command.Failed || !strings.Contains(r.err, want) || strings.Contains(r.err, "sesame") {
					t.Errorf("%d %q %q, want %q", r.status, r.out, r.err, want)
				}
			}
		})
	}
}

// TestStatusesAreDocumented where people look for them.
func TestStatusesAreDocumented(t *testing.T) {
	r := run(t, acme(nil), nil, "--help")
	for _, want := range []string{"ends with 0 where all went well", "2 where something did not", "130 where it was interrupted", "1 where something does"} {
		if !strings.Contains(strings.Join(strings.Fields(r.out), " "), want) {
			t.Errorf("--help does not say %q:\n%s", want, r.out)
		}
	}
}
