package faults

import (
	"context"
	"fmt"
	"net/http"
	"testing"

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
