package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

var (
	block      = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	makeTarget = regexp.MustCompile(`(?m)^make ([a-z-]+)`)
	goVersion  = regexp.MustCompile(`Go (1\.\d+\.\d+) or later`)
)

// TestReadme runs every command of the README in one shell, as a reader would, against a development binary that was
// just started. Commands that are a make target are looked up in the Makefile instead; continuous integration runs them.
func TestReadme(t *testing.T) {
	readme := read(t, "README.md")
	g := proc.StartGatehouse(t)
	shell := newShell(t)
	address := strings.NewReplacer(
		"http://localhost:8093", strings.TrimSuffix(g.ManagementURL, "/management"), "http://localhost:8092", g.GatewayURL)
	api := g.Operator()
	blocks := block.FindAllStringSubmatch(readme, -1)
	ran := 0
	for _, b := range blocks {
		commands := b[1]
		if target := makeTarget.FindStringSubmatch(commands); target != nil {
			if !strings.Contains(read(t, "Makefile"), "\n"+target[1]+": ") {
				t.Errorf("the Makefile has no target %s", target[1])
			}
			continue
		}
		output := shell.run(t, address.Replace(commands))
		ran++
		if err := wrong(output); err != "" {
			t.Errorf("%s\nanswers %s", commands, err)
		}
		// A reader is slower than the stream; a test is not.
		api.Settle(g.Demonstration().Domain.ID, g.TechnicalURL)
	}
	if ran < 32 {
		t.Errorf("only %d of %d blocks were run", ran, len(blocks))
	}
	for _, name := range []string{
		"TOKEN", "DOMAIN", "APPLICATION", "CLIENT_ID", "CLIENT_SECRET", "ACCESS_TOKEN", "REGISTERED",
		"D", "ETAG", "SCOPE", "CERTIFICATE", "PARTNERS", "A", "SECRET", "ROLE", "USER_ID", "GROUP", "FORM", "AUDIT", "BEFORE",
		"SUPPORT", "ROBOT", "ROBOT_TOKEN",
	} {
		if shell.run(t, `printf '%s' "$`+name+`"`) == "" {
			t.Errorf("%s is empty", name)
		}
	}
}

// TestReadmeSaysWhatIsNeeded compares the README's version of Go with the modules that ask for the latest one.
func TestReadmeSaysWhatIsNeeded(t *testing.T) {
	said := goVersion.FindStringSubmatch(read(t, "README.md"))
	if said == nil {
		t.Fatal("the README names no version of Go")
	}
	if tool := read(t, "scripts/tools/buf/go.mod"); !strings.Contains(tool, "\ngo "+said[1]+"\n") {
		t.Errorf("the README says Go %s, scripts/tools/buf/go.mod something else", said[1])
	}
}

// TestLinks: every relative link in the documents for readers leads somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, document := range []string{
		"README.md", "services/README.md", "services/guides/identity-providers.md", "services/guides/accounts-and-pages.md",
		"services/guides/gatehousectl.md",
	} {
		for _, found := range link.FindAllStringSubmatch(read(t, document), -1) {
			if _, err := os.Stat(filepath.Join(proc.Repository(), filepath.Dir(document), found[1])); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
}

// TestWelcome runs the line that the development binary prints for getting a token.
func TestWelcome(t *testing.T) {
	g := proc.StartGatehouse(t)
	line := regexp.MustCompile(`(?m)^\s+(curl .*)$`).FindStringSubmatch(g.Stdout())
	if line == nil {
		t.Fatalf("no line in\n%s", g.Stdout())
	}
	if output := newShell(t).run(t, line[1]+"\n"); !strings.Contains(output, `"access_token"`) {
		t.Errorf("the line answers %s", output)
	}
}

func wrong(output string) string {
	if strings.Contains(output, `"error"`) || strings.Contains(output, `"http_status"`) {
		return output
	}
	return ""
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(proc.Repository(), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shell is one bash that runs blocks one after the other. It ends with the first command that fails; curl fails for
// every answer that is an error.
type shell struct {
	command *exec.Cmd
	in      io.WriteCloser
	lines   chan string
	blocks  int
}

func newShell(t *testing.T) *shell {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte("fail-with-body\nshow-error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &shell{command: exec.CommandContext(t.Context(), "bash", "-eu", "-o", "pipefail"), lines: make(chan string, 1000)}
	s.command.Dir = home
	s.command.Env = []string{"PATH=" + filepath.Dir(proc.Program(t, "gatehousectl")) + ":" + os.Getenv("PATH"), "HOME=" + home, "CURL_HOME=" + home}
	out, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.command.Stderr = s.command.Stdout
	if s.in, err = s.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.lines)
		scan := bufio.NewScanner(out)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			s.lines <- scan.Text()
		}
	}()
	t.Cleanup(func() {
		_ = s.in.Close()
		for range s.lines {
		}
		_ = s.command.Wait()
	})
	return s
}

// run runs commands and returns what they wrote.
func (s *shell) run(t *testing.T, commands string) string {
	t.Helper()
	s.blocks++
	mark := fmt.Sprintf("=== block %d is done ===", s.blocks)
	if _, err := fmt.Fprintf(s.in, "%s\nprintf '\\n%s\\n'\n", strings.TrimRight(commands, "\n"), mark); err != nil {
		t.Fatalf("the shell has ended: %v", err)
	}
	var output strings.Builder
	late := time.After(time.Minute)
	for {
		select {
		case line, open := <-s.lines:
			if !open {
				t.Fatalf("this fails:\n%s\n%s", commands, output.String())
			}
			if line == mark {
				return strings.TrimSuffix(output.String(), "\n")
			}
			output.WriteString(line + "\n")
		case <-late:
			t.Fatalf("this takes too long:\n%s\n%s", commands, output.String())
		}
	}
}
