package faults

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/balance"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestLoginsGoOnWithADirectoryOfItsOwn kills the management that does everything but the directory.
func TestLoginsGoOnWithADirectoryOfItsOwn(t *testing.T) {
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	t.Cleanup(w.nothingPanicked)
	people := w.inst.LaunchManagement("--roles", "directory") // before there is an operator: it makes none and waits for none
	w.management = w.inst.StartManagement("--roles", "api,distribution,sync")
	people.Ready()
	w.gateways = append(w.gateways, w.inst.LaunchGateway(w.management, publicURL, "--directory-grpc-address", people.PlaneAddress))
	w.furnish()
	g := w.gateways[0]
	g.Ready()
	w.settle()

	elsewhere := *w.api
	elsewhere.URL = people.URL
	if answer, err := elsewhere.Try(t.Context(), "GET", "/domains", nil); err == nil {
		t.Errorf("management without the role api answers REST: %d %s", answer.Status, answer.Text)
	}
	w.granted(g, w.staff, passwordOf(bob, bobsPassword))

	w.management.Kill()
	w.granted(g, w.staff, passwordOf(bob, bobsPassword))
	_, code := w.signedIn(g)
	made := w.granted(g, w.web, codeOf(code))
	w.granted(g, w.web, refreshOf(made.Refresh))
	if answer, err := w.post(t.Context(), g, w.staff, "/oauth/token", passwordOf(bob, "wrong")); err != nil || answer.Status != http.StatusBadRequest {
		t.Errorf("a wrong password while the rest of management is away: %d %s %v", answer.Status, answer.Text, err)
	}

	// Its own end is seen, and its return.
	people.Kill()
	w.works("a token from before", w.at(g, "/oidc/userinfo"), made.Access)
	people.Relaunch()
	people.Ready()
	proc.Await(t, "the directory is asked again", soon, func(ctx context.Context) error {
		answer, err := w.post(ctx, g, w.staff, "/oauth/token", passwordOf(bob, bobsPassword))
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", answer.Status, answer.Text)
		}
		return err
	})
}

// TestEveryReplicaKnowsAllGateways: the replica that answers operators has no stream itself; it knows the gateways of those that have,
// how far they are, and where a gateway went whose replica was killed.
func TestEveryReplicaKnowsAllGateways(t *testing.T) {
	t.Parallel()
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	t.Cleanup(w.nothingPanicked)
	w.management = w.inst.StartManagement("--roles", "api,directory,sync")
	feeds := [2]*proc.Management{w.inst.StartManagement("--roles", "distribution"), w.inst.StartManagement("--roles", "distribution")}
	w.furnish()
	for _, m := range feeds {
		w.gateways = append(w.gateways, w.inst.StartGateway(m, publicURL, "--directory-grpc-address", w.management.PlaneAddress))
	}
	w.settle()

	// listed waits until operators see this of the gateways, in the order in which they were started.
	listed := func(want ...*proc.Management) {
		t.Helper()
		proc.Await(t, "operators see all gateways", 2*soon, func(context.Context) error {
			at := map[string]string{} // by the name of a gateway
			list := w.api.List("/gateways")
			for _, entry := range list {
				g := object(entry.(map[string]any))
				at[g.Text("node")] = g.Text("replica")
			}
			if len(list) != len(want) {
				return fmt.Errorf("%d gateways: %v", len(list), list)
			}
			for i, m := range want {
				_, port, _ := strings.Cut(m.PlaneAddress, ":")
				if got := at["gateway-"+strings.TrimPrefix(w.gateways[i].URL, "http://")]; !strings.HasSuffix(got, ":"+port) {
					return fmt.Errorf("a gateway of %s: %v", m.PlaneAddress, at)
				}
			}
			return nil
		})
	}
	listed(feeds[0], feeds[1])

	made := w.api.Do("POST", w.in("/scopes"), object{"key": "seen", "name": "Seen", "description": "Seen"})
	w.settle()
	proc.Await(t, "operators see how far gateways are", soon, func(context.Context) error {
		for _, entry := range w.api.List("/gateways") {
			if revision, _ := object(entry.(map[string]any))["revision"].(float64); int64(revision) < int64(metric(t, feeds[0].TechnicalURL, "gatehouse_config_revision")) {
				return fmt.Errorf("%v, after %s was made", entry, made.Text("id"))
			}
		}
		return nil
	})

	feeds[1].Stop() // in order: it says so
	listed(feeds[0])
	feeds[1].Relaunch()
	feeds[1].Ready()
	listed(feeds[0], feeds[1])
	w.gateways[1].Kill()
	listed(feeds[0])
	w.gateways[1].Relaunch()
	w.gateways[1].Ready()
	listed(feeds[0], feeds[1])
	feeds[0].Kill() // it cannot say so any more
	w.gateways = w.gateways[1:]
	listed(feeds[1])
}

// TestADirectoryOfItsOwnDrainsBeforeItStops: one of two replicas that are nothing but the directory is asked to stop while people sign
// in. It says that it is not ready, goes on for as long as the balancer may need to notice, and ends; nobody's sign-in fails.
func TestADirectoryOfItsOwnDrainsBeforeItStops(t *testing.T) {
	const drain = 2 * time.Second
	w := &world{t: t, mongo: proc.StartMongoDB(t), redis: proc.StartRedis(t)}
	w.inst = proc.NewInstallation(t, w.mongo.URI, w.redis.URL)
	t.Cleanup(w.nothingPanicked)
	w.management = w.inst.StartManagement("--roles", "api,distribution,sync")
	b, err := balance.Listen("127.0.0.1:0", balance.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	var replicas []*proc.Management
	for range 2 {
		m := w.inst.StartManagement("--roles", "directory", "--drain-delay", drain.String())
		b.Add(balance.Server{Address: m.PlaneAddress, Technical: strings.TrimPrefix(m.TechnicalURL, "http://")})
		proc.Await(t, "the balancer knows it", soon, func(context.Context) error {
			if !b.InRotation(m.PlaneAddress) {
				return fmt.Errorf("only %v are", b.Rotation())
			}
			return nil
		})
		replicas = append(replicas, m)
	}
	g := w.inst.LaunchGateway(w.management, publicURL, "--directory-grpc-address", b.Address(), loopback)
	w.gateways = append(w.gateways, g)
	w.furnish()
	g.Ready()
	w.settle()
	c := &callers{t: t, failed: map[string]error{}}
	for i := range 3 {
		c.call(fmt.Sprintf("password%d", i), http.StatusOK, w.tokenRequest(g, w.staff, passwordOf(bob, bobsPassword).Encode()))
	}
	c.await(20)

	calls := func(m *proc.Management) int {
		return strings.Count(m.Stderr(), `"msg":"call","method":"/gatehouse.directory.v1.`)
	}
	stopped, other := replicas[0], replicas[1]
	if calls(stopped) < calls(other) {
		stopped, other = other, stopped
	}
	began := time.Now()
	if err := syscall.Kill(stopped.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopped.Await("it is not ready", drain, func(ctx context.Context) error {
		answer, err := fetch(ctx, stopped.TechnicalURL+"/readyz", "")
		if err == nil && answer.Status != http.StatusServiceUnavailable {
			err = fmt.Errorf("%d", answer.Status)
		}
		return err
	})
	before := calls(stopped)
	stopped.Await("it goes on while it drains", drain, func(context.Context) error {
		if calls(stopped) == before {
			return fmt.Errorf("no call after %d", before)
		}
		return nil
	})
	select {
	case <-stopped.Done():
	case <-time.After(soon):
		t.Fatal("it does not end")
	}
	if took := time.Since(began); stopped.Err() != nil || took < drain || took > drain+soon/2 {
		t.Errorf("it ended after %s with %v, and was to drain for %s", took, stopped.Err(), drain)
	}
	served := calls(other)
	c.await(c.done.Load() + 20)
	if calls(other) < served+20 {
		t.Errorf("the other replica has served %d calls", calls(other)-served)
	}
	g.Stop()
	c.check(g.Process)
}
