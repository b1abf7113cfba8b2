package redistest

import (
	"strings"
	"testing"
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
