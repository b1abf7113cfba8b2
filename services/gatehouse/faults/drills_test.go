package faults

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestDrills runs the drills of the handbook as an operations team does, with commands that stall a server and let it go on.
func TestDrills(t *testing.T) {
	w := newWorld(t, 1)
	carriedOut := func(t *testing.T, what string, env ...string) (string, error) {
		t.Helper()
		c := exec.CommandContext(t.Context(), filepath.Join(proc.Repository(), "deploy", "scripts", "drill.sh"), what)
		c.Env = append(append(os.Environ(), env...),
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
	drill := func(t *testing.T, what string, p *proc.Process, broken, mended string, env ...string) (string, error) {
		t.Helper()
		return carriedOut(t, what, append(env, fmt.Sprintf("BREAK="+broken, p.PID()), fmt.Sprintf("MEND="+mended, p.PID()))...)
	}
	for what, p := range map[string]*proc.Process{"redis": w.redis.Process, "management": w.management.Process, "database": w.mongo.Process} {
		t.Run(what, func(t *testing.T) {
			// What is taken away goes on for a moment, as pods do that drain.
			said, err := drill(t, what, p, "(sleep 3; kill -STOP %d) >/dev/null 2>&1 &", "kill -CONT %d")
			if err != nil || !strings.Contains(said, "everything works again") || strings.Contains(said, "NOT") {
				t.Errorf("%v\n%s", err, said)
			}
			t.Log(said)
		})
	}
	t.Run("what is not as it should be is told", func(t *testing.T) {
		said, err := drill(t, "redis", w.redis.Process, "kill -CONT %d", "kill -CONT %d", "RECOVERY=2") // which breaks nothing
		if err == nil || !strings.Contains(said, "NOT as it should be: what needs Redis says so: 200, not 503") {
			t.Errorf("%v\n%s", err, said)
		}
	})
	t.Run("sealing-key", func(t *testing.T) { w.during(t).sealingKeyDrill(carriedOut) })
	t.Run("restore", func(t *testing.T) {
		said, err := carriedOut(t, "restore", "CONTROL="+proc.Program(t, "gatehousectl"), "GATEHOUSECTL_SERVER="+w.management.URL, "GATEHOUSECTL_TOKEN="+w.api.Token,
			"GATEWAYS="+w.gateways[0].URL)
		if err != nil || strings.Contains(said, "NOT") || !strings.Contains(said, "as it should be: the copy is gone") {
			t.Errorf("%v\n%s", err, said)
		}
		t.Log(said)
	})
	t.Run("signing-key", func(t *testing.T) {
		before := w.aliceAt(w.gateways[0])
		said, err := carriedOut(t, "signing-key")
		if err != nil || strings.Contains(said, "NOT") || !strings.Contains(said, "as it should be: introspection refuses tokens of the old key") {
			t.Errorf("%v\n%s", err, said)
		}
		t.Log(said)
		// The session goes on: refresh tokens are not signed.
		w.granted(w.gateways[0], w.web, refreshOf(before.Refresh))
	})
	t.Run("certificates", func(t *testing.T) {
		fresh := sameAuthority(t, plane(w.inst))
		var replace []string
		for _, name := range []string{"management.pem", "gateway.pem"} {
			to := filepath.Join(plane(w.inst), name)
			replace = append(replace, fmt.Sprintf("cp %s %s.new && mv %s.new %s", filepath.Join(fresh, name), to, to, to))
		}
		said, err := carriedOut(t, "certificates", "REPLACE="+strings.Join(replace, " && "), "TECHNICAL="+w.management.TechnicalURL+" "+w.gateways[0].TechnicalURL)
		if err != nil || strings.Contains(said, "NOT") || strings.Count(said, "has taken its new certificate") != 2 {
			t.Errorf("%v\n%s", err, said)
		}
		t.Log(said)
		w.settle()
	})
}

// sealingKeyDrill rotates the sealing key while others write, in the way of the handbook.
func (w *world) sealingKeyDrill(carriedOut func(t *testing.T, what string, env ...string) (string, error)) {
	t := w.t
	before := w.aliceAt(w.gateways[0])
	was := readKeys(t, w.inst.SealingKey)
	// Whoever restarts is the test, which starts the process again.
	restarts := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		w.management.Stop()
		w.management.Relaunch()
		w.management.Ready()
	}))
	defer restarts.Close()
	// There is one of before that was not taken out yet. Where the drill fails no key is lost.
	older := base64.StdEncoding.EncodeToString([]byte("thirty-two bytes of an older key"))
	if err := os.WriteFile(w.inst.SealingKey, []byte(was[0]+"\n"+older+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := carriedOut(t, "sealing-key", "KEYS="+w.inst.SealingKey, "RESTART=false", "RESEAL=true"); err == nil {
		t.Errorf("with replicas that do not start: %s", said)
	}
	if now := readKeys(t, w.inst.SealingKey); len(now) != 3 || now[0] != was[0] || now[1] != older {
		t.Errorf("with replicas that do not start %d keys are left", len(now))
	}
	said, err := carriedOut(t, "sealing-key", "KEYS="+w.inst.SealingKey, "RESTART=curl --silent --fail "+restarts.URL, "RESEAL="+w.management.Script("reseal"))
	if err != nil || strings.Contains(said, "NOT") || !strings.Contains(said, "everything works without the old keys") {
		t.Errorf("%v\n%s", err, said)
	}
	t.Log(said)
	now := readKeys(t, w.inst.SealingKey)
	if len(was) != 1 || len(now) != 1 || was[0] == now[0] {
		t.Errorf("%d keys before, %d afterwards, the same: %t", len(was), len(now), was[0] == now[0])
	}
	if strings.Contains(said, now[0]) || strings.Contains(said, was[0]) {
		t.Error("the drill shows a key")
	}
	// Nobody was signed out: gateways have no key of their own.
	w.granted(w.gateways[0], w.web, refreshOf(before.Refresh))
	if active, err := w.active(t.Context(), w.gateways[0], before.Access); err != nil || !active {
		t.Errorf("an access token of before: %v %v", active, err)
	}
	w.settle()
	w.granted(w.gateways[0], w.staff, passwordOf(bob, bobsPassword))
}

func readKeys(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// sameAuthority makes new certificates of the authority in a folder.
func sameAuthority(t *testing.T, dir string) string {
	t.Helper()
	fresh := filepath.Join(t.TempDir(), "plane")
	if err := os.CopyFS(fresh, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"management.pem", "gateway.pem"} {
		if err := os.Remove(filepath.Join(fresh, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := serve.DevelopmentAuthority(fresh); err != nil {
		t.Fatal(err)
	}
	return fresh
}
