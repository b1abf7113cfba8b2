package faults

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestAGatewayStartsWhileManagementIsAway: with a snapshot a gateway that was killed serves what it served, and follows management when that comes
// back; without one, or with one that it cannot use, it waits.
func TestAGatewayStartsWhileManagementIsAway(t *testing.T) {
	t.Parallel()
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	folder := t.TempDir()
	key := func(name string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString([]byte(rand.Text() + rand.Text())[:32])+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kept := filepath.Join(folder, "kept")
	keeping := func(key string) []string {
		return []string{"--snapshot-folder", kept, "--snapshot-key-file", key, "--snapshot-wait", "500ms"}
	}
	right := key("key")
	w.management = w.inst.StartManagement()
	g := w.inst.LaunchGateway(w.management, publicURL, keeping(right)...)
	w.gateways = append(w.gateways, g)
	w.furnish()
	g.Ready()
	w.settle()
	// A change after everything was kept, and what is issued now.
	late := w.create("Late", "SERVICE", nil)
	w.settle()
	before := w.aliceAt(g)

	w.management.Kill()
	g.Kill()
	text, err := os.ReadFile(filepath.Join(kept, "configuration.snapshot"))
	if err != nil || strings.Contains(string(text), late.ClientID) || strings.Contains(string(text), w.service.ClientID) {
		t.Errorf("%v, or what is kept can be read", err)
	}
	g.Relaunch()
	g.Ready()
	logged(t, g.Process, "serving the configuration that was kept")
	w.granted(g, w.service, ofService)
	w.granted(g, late, ofService)
	if active, err := w.active(t.Context(), g, before.Access); err != nil || !active {
		t.Errorf("introspection of an access token: %v, %v", active, err)
	}
	w.works("discovery", w.at(g, "/oidc/.well-known/openid-configuration"), "")
	w.works("keys", w.at(g, "/oidc/.well-known/jwks.json"), "")
	w.granted(g, w.web, refreshOf(before.Refresh))
	w.unavailable("the password of somebody of the directory", g, w.staff, "/oauth/token", passwordOf(bob, bobsPassword))

	waits := func(name, said string, args ...string) {
		other := w.inst.LaunchGateway(w.management, publicURL, args...)
		logged(t, other.Process, said)
		if answer, err := fetch(t.Context(), other.TechnicalURL+"/readyz", ""); err != nil || answer.Status != 503 {
			t.Errorf("%s: %v %d", name, err, answer.Status)
		}
		other.Stop()
	}
	waits("with another key", "the configuration that was kept cannot be used", keeping(key("other"))...)
	waits("with nothing kept", "no configuration was kept", "--snapshot-folder", filepath.Join(folder, "empty"), "--snapshot-key-file", right, "--snapshot-wait", "100ms")

	w.management.Relaunch()
	w.management.Ready()
	w.settle()
	w.granted(g, w.staff, passwordOf(bob, bobsPassword))
}
