package faults

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/redistest"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// journey signs a person in, redeems the code and refreshes.
func (w *world) journey(g *proc.Gateway) tokens {
	w.t.Helper()
	var code string
	proc.Await(w.t, "somebody signs in", soon, func(ctx context.Context) (err error) { // Redis has half a second, also on a busy machine
		_, code, err = w.signsIn(ctx, g)
		return err
	})
	made := w.granted(g, w.web, codeOf(code))
	return w.granted(g, w.web, refreshOf(made.Refresh))
}

// onRedis is a world whose Redis is at a URL.
func onRedis(t *testing.T, url string, gateways int) *world {
	t.Helper()
	w := &world{t: t, mongo: proc.StartMongoDB(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, url)
	return w.begin(gateways)
}

// TestLoginsGoOnAfterAFailoverOfSentinels kills the primary. Nothing is restarted. What the replica had stays; what it had not yet
// received, which is what was written in the last moments, is lost, and whoever had it signs in again.
func TestLoginsGoOnAfterAFailoverOfSentinels(t *testing.T) {
	servers, err := redistest.StartSentinels()
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	w := onRedis(t, servers.URL, 2)
	made := w.journey(w.gateways[0])
	if _, err := servers.Primary.Do("WAIT", "1", "5000"); err != nil {
		t.Fatal(err)
	}
	servers.Primary.Kill()
	w.unavailable("refresh while there is no primary", w.gateways[0], w.web, "/oauth/token", refreshOf(made.Refresh))
	w.keepsServing(w.gateways[0], made.Access)
	if err := servers.FailedOver(); err != nil {
		t.Fatal(err)
	}
	for _, g := range w.gateways {
		proc.Await(t, "the new primary is used", soon, func(ctx context.Context) error {
			answer, err := w.post(ctx, g, w.web, "/oauth/token", passwordOf(alice, alicesPassword))
			if err == nil && answer.Status != http.StatusOK {
				err = fmt.Errorf("%d %s", answer.Status, answer.Text)
			}
			return err
		})
		w.journey(g)
	}
	w.granted(w.gateways[1], w.web, refreshOf(made.Refresh))
	w.revocationsAreFollowed(w.gateways[1])
}

// TestLoginsOnACluster signs people in at two gateways while slots move between the servers.
func TestLoginsOnACluster(t *testing.T) {
	servers, err := redistest.StartCluster()
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	w := onRedis(t, servers.URL, 2)
	made := w.journey(w.gateways[0])
	w.journey(w.gateways[1])
	if err := servers.Move(servers.Servers[0], servers.Servers[1], 2000); err != nil {
		t.Fatal(err)
	}
	w.journey(w.gateways[0])
	w.granted(w.gateways[1], w.web, refreshOf(made.Refresh))
	w.revocationsAreFollowed(w.gateways[1])
}
