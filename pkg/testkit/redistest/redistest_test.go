package redistest

import (
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/faultproxy"
)

func TestClusterServesEverySlot(t *testing.T) {
	c, err := StartCluster()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Move(c.Servers[0], c.Servers[1], 10); err != nil {
		t.Fatal(err)
	}
	info, err := c.Servers[2].Do("CLUSTER", "INFO")
	if err != nil || !strings.Contains(info, "cluster_slots_ok:16384") {
		t.Errorf("%s %v", info, err)
	}
}

func TestSentinelsReplaceThePrimary(t *testing.T) {
	w, err := StartSentinels()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.Primary.Kill()
	if err := w.FailedOver(); err != nil {
		t.Error(err)
	}
}

// TestServersBehindNetworks: whoever asks is told where servers appear to be.
func TestServersBehindNetworks(t *testing.T) {
	behind := func(address string) (string, error) {
		p, err := faultproxy.Listen("", address)
		if err != nil {
			return "", err
		}
		t.Cleanup(func() { _ = p.Close() })
		return p.Address(), nil
	}
	w, err := StartSentinelsBehind(behind)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, sentinel := range w.Sentinels {
		if got, err := sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "gatehouse"); err != nil || strings.ReplaceAll(got, "\n", ":") != w.Primary.Announced {
			t.Errorf("the primary is at %q, want %s: %v", got, w.Primary.Announced, err)
		}
	}
	if w.Serving() != w.Primary {
		t.Error("the primary does not serve")
	}
	c, err := StartClusterBehind(behind)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	slots, err := c.Servers[0].Do("CLUSTER", "SLOTS")
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range c.Servers {
		_, port, _ := strings.Cut(server.Announced, ":")
		if server.Announced == server.Address || !strings.Contains(slots, port) {
			t.Errorf("the server at %s is not known as %s:\n%s", server.Address, server.Announced, slots)
		}
	}
}
