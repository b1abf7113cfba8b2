package control

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

var (
	subcommand = regexp.MustCompile(`(?m)^  ([a-z]+) +\S`)
	examples   = regexp.MustCompile(`(?s)\nExamples:\n(.*?)\n\n`)
)

// order is that in which the examples of commands are run: what ends the sign-in comes last.
var order = []string{"login", "context list", "context use", "kinds", "list", "apply", "diff", "get", "audit tail", "gateways status", "token", "export", "import", "delete", "logout"}

// without are commands that need no example of ours.
var without = []string{"", "context", "audit", "gateways", "help", "completion", "completion bash", "completion zsh", "completion fish", "completion powershell"}

// TestExamplesOfHelp runs every example that --help gives, of every command there is.
func TestExamplesOfHelp(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	found := map[string]string{}
	c.help(t, nil, found)
	for name := range found {
		if !slices.Contains(order, name) {
			t.Errorf("the examples of %s are not run", name)
		}
	}
	c.prepare()
	for _, name := range order {
		if found[name] == "" {
			t.Errorf("%s has no example", name)
		}
		for line := range strings.Lines(found[name]) {
			line = strings.ReplaceAll(strings.TrimSpace(line), "http://localhost:8093", strings.TrimSuffix(g.ManagementURL, "/management"))
			if name == "token" {
				line += " --gateway " + g.GatewayURL
			}
			if name == "logout" {
				c.ok("login", g.ManagementURL, "--user", "admin", "--password-file", "password.txt", "--name", "local")
			}
			x := exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail", "-c", line)
			x.Dir, x.Env = c.dir, append(slices.Clone(c.env), "GATEHOUSE_PASSWORD="+proc.DevelopmentPassword, "PATH="+filepath.Dir(c.program)+":"+os.Getenv("PATH"))
			if out, err := x.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
	}
}

// help collects the examples of a command and of those below it.
func (c *control) help(t *testing.T, path []string, found map[string]string) {
	t.Helper()
	name := strings.Join(path, " ")
	text := c.ok(append(slices.Clone(path), "--help")...) + "\n\n"
	if example := examples.FindStringSubmatch(text); example != nil {
		found[name] = example[1]
	} else if !slices.Contains(without, name) {
		t.Errorf("%s --help has no examples\n%s", name, text)
	}
	_, below, ok := strings.Cut(text, "Available Commands:\n")
	if !ok {
		return
	}
	below, _, _ = strings.Cut(below, "\n\n")
	for _, match := range subcommand.FindAllStringSubmatch(below, -1) {
		c.help(t, append(slices.Clone(path), match[1]), found)
	}
}

// prepare makes what the examples speak of.
func (c *control) prepare() {
	c.t.Helper()
	c.okWith("kind: domain\nmetadata: {name: acme}\nspec: {name: acme, enabled: true}\n---\n"+
		"kind: group\nmetadata: {domain: acme}\nspec: {name: Finance}\n---\nkind: group\nmetadata: {domain: acme}\nspec: {name: Trainees}\n---\n"+
		"kind: scope\nmetadata: {domain: acme}\nspec: {key: reports, name: Reports, description: What robots read}\n---\n"+
		"kind: application\nmetadata: {domain: acme}\nspec: {name: Payroll, type: web, redirectUris: ['https://pay.example/cb'], launchUrl: 'https://pay.example/'}\n---\n"+
		"kind: binding\nmetadata: {domain: acme, application: Payroll}\nspec: {group: Finance}\n---\n"+
		"kind: application\nmetadata: {domain: acme}\nspec: {name: Robot, type: service, settings: {oauth: {scopeSettings: [{scope: reports}]}}}\n", "apply", "-f", "-")
	secret := c.okWith("kind: secret\nmetadata: {domain: acme, application: Robot}\nspec: {name: nightly}\n", "apply", "-f", "-", "-o", "yaml")
	_, secret, _ = strings.Cut(secret, "  secret: ")
	secret, _, _ = strings.Cut(secret, "\n")
	c.file("robot-secret.txt", secret)
	c.file("archive-passphrase.txt", "correct horse battery staple\n")
	c.file("payroll.yaml", "kind: application\nmetadata: {domain: acme, name: Payroll}\nspec: {description: Pays}\n")
}
