package control

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// later are series that come with the first event of their kind: their labels are not known before. The generator finds
// them in the source.
var later = map[string]string{
	"gatehouse_identity_provider_request_duration_seconds_bucket": "the first question to an identity provider",
	"gatehouse_identity_provider_requests_total":                  "the first question to an identity provider",
	"gatehouse_logout_notices_total":                              "the first logout token",
	"gatehouse_outbound_failures_total":                           "the first request outwards that fails",
	"gatehouse_tls_reloads_total":                                 "the first change of a certificate's files",
	"gatehouse_mails_queued_total":                                "the first e-mail",
	"gatehouse_mails_sent_total":                                  "the first e-mail",
	"gatehouse_mails_retried_total":                               "the first e-mail that is not taken",
	"gatehouse_mails_failed_total":                                "the first e-mail that is given up",
}

// TestWhatDashboardsShowIsMeasured scrapes a gateway and management, and finds every series that a panel or an alert uses.
func TestWhatDashboardsShowIsMeasured(t *testing.T) {
	g := proc.StartGatehouse(t)
	there := map[string]bool{}
	line := regexp.MustCompile(`(?m)^(gatehouse_[a-z_]+)[{ ]`)
	for _, technical := range []string{g.TechnicalURL, g.ManagementTechnicalURL} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, technical+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := proc.Send(r)
		if err != nil || answer.Status != http.StatusOK {
			t.Fatalf("%v %d", err, answer.Status)
		}
		for _, found := range line.FindAllStringSubmatch(answer.Text, -1) {
			there[found[1]] = true
		}
	}
	x := exec.CommandContext(t.Context(), "go", "run", "./dashboards", "-root", filepath.Join("..", ".."), "-names")
	x.Dir = filepath.Join(proc.Repository(), "scripts", "tools")
	x.Env = append(os.Environ(), "GOWORK=off")
	names, err := x.Output()
	if err != nil {
		t.Fatal(err)
	}
	used := strings.Fields(string(names))
	if len(used) < 20 {
		t.Fatalf("only %v are used", used)
	}
	for _, name := range used {
		if !there[name] && later[name] == "" {
			t.Errorf("%s is used, and neither the gateway nor management has it", name)
		}
	}
}
