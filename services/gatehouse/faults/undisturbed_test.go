package faults

import (
	"net/http"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestWhatNeedsNobodyElseIsNotDisturbed: tokens of clients, userinfo and discovery go on without one failed request while Redis, the
// database and management are silent, one after the other.
func TestWhatNeedsNobodyElseIsNotDisturbed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	g := w.inst.StartGateway(w.management, publicURL, loopback)
	w.gateways = append(w.gateways, g)
	w.settle()
	made := w.aliceAt(g)
	c := &callers{t: t, failed: map[string]error{}}
	c.call("token", http.StatusOK, w.tokenRequest(g, w.service, ofService.Encode()))
	c.call("discovery", http.StatusOK, func() (*http.Request, error) {
		return http.NewRequest(http.MethodGet, w.at(g, "/oidc/.well-known/openid-configuration"), http.NoBody)
	})
	c.call("userinfo", http.StatusOK, func() (*http.Request, error) {
		r, err := http.NewRequest(http.MethodGet, w.at(g, "/oidc/userinfo"), http.NoBody)
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+made.Access)
		}
		return r, err
	})
	for _, p := range []*proc.Process{w.redis.Process, w.mongo.Process, w.management.Process} {
		c.await(c.done.Load() + 300)
		p.Pause()
		c.await(c.done.Load() + 1500)
		p.Continue()
		c.await(c.done.Load() + 300)
	}
	c.mu.Lock()
	if len(c.failed) > 0 {
		t.Errorf("failed: %v", c.failed)
	}
	c.mu.Unlock()
	g.Stop() // which ends the callers
	c.check(g.Process)
}
