package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestDrills runs the drills of the handbook as an operations team does, with commands that stall a server and let it go on.
func TestDrills(t *testing.T) {
	w := newWorld(t, 1)
	drill := func(t *testing.T, what string, p *proc.Process, broken, mended string) (string, error) {
		t.Helper()
		c := exec.CommandContext(t.Context(), filepath.Join(proc.Repository(), "deploy", "scripts", "drill.sh"), what)
		c.Env = append(os.Environ(),
			fmt.Sprintf("BREAK=kill -%s %d", broken, p.PID()), fmt.Sprintf("MEND=kill -%s %d", mended, p.PID()),
			"GATEWAY="+w.at(w.gateways[0], ""), "MANAGEMENT="+w.management.URL, "CLIENT_ID="+w.service.ClientID, "CLIENT_SECRET="+w.service.Secret,
			"TOKEN="+w.api.Token, "DOMAIN="+w.domain)
		said, err := c.CombinedOutput()
		for _, secret := range []string{w.service.Secret, w.api.Token} {
			if strings.Contains(string(said), secret) {
				t.Errorf("a secret is in what the drill says:\n%s", said)
			}
		}
		return string(said), err
	}
	for what, p := range map[string]*proc.Process{"redis": w.redis.Process, "management": w.management.Process, "database": w.mongo.Process} {
		t.Run(what, func(t *testing.T) {
			said, err := drill(t, what, p, "STOP", "CONT")
			if err != nil || !strings.Contains(said, "everything works again") || strings.Contains(said, "NOT") {
				t.Errorf("%v\n%s", err, said)
			}
			t.Log(said)
		})
	}
	t.Run("what is not as it should be is told", func(t *testing.T) {
		said, err := drill(t, "redis", w.redis.Process, "CONT", "CONT") // which breaks nothing
		if err == nil || !strings.Contains(said, "NOT as it should be: what needs Redis says so: 200, not 503") {
			t.Errorf("%v\n%s", err, said)
		}
	})
}
