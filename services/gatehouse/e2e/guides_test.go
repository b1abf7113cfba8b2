package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// example is a block of commands of a guide, and the block behind it that says what they print.
var example = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?")

// curlError is what curl says of an answer that is an error, beside the answer.
var curlError = regexp.MustCompile(`(?m)^curl: \(22\).*\n?`)

// TestGuides runs every command of the guides, each guide in one shell against a development binary that was just started, and
// compares what they print with what the guide says.
func TestGuides(t *testing.T) {
	guides, err := filepath.Glob(filepath.Join(proc.Repository(), "services", "guides", "*.md"))
	if err != nil || len(guides) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	for _, path := range guides {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			g := proc.StartGatehouse(t, "--demo=false")
			shell := newShell(t)
			address := strings.NewReplacer(
				"http://localhost:8093", strings.TrimSuffix(g.ManagementURL, "/management"), "http://localhost:8092", g.GatewayURL)
			api := g.Operator()
			domain := api.CreateDomain("Beside the guide").Text("id")
			for _, s := range example.FindAllStringSubmatch(string(text), -1) {
				output := shell.run(t, address.Replace(s[1]))
				api.Settle(domain, g.TechnicalURL) // a reader is slower than the stream; a test is not
				output = curlError.ReplaceAllString(output, "")
				if s[2] != "" && strings.TrimSpace(output) != strings.TrimSpace(s[2]) {
					t.Errorf("%s\nprints\n%s\nthe guide says\n%s", s[1], output, s[2])
				}
			}
		})
	}
}
