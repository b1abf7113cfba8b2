package e2e

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestRestart stops the development binary in order, then kills it, and finds everything again that is configuration or
// directory. What Redis keeps, refresh tokens among it, ends with the process.
func TestRestart(t *testing.T) {
	g := proc.StartGatehouse(t)
	demo := g.Demonstration()
	s := newSite(t, g, "kept")
	s.bob()
	web, service := s.web(), s.service("profile")
	s.settle()
	password := url.Values{"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {"openid"}}
	before := s.post(t, "/oauth/token", web, password).JSON()
	if before.Text("refresh_token") == "" {
		t.Fatalf("no refresh token: %v", before)
	}
	keys := request(t, "GET", s.base+"/oidc/.well-known/jwks.json", "", nil).Text
	application := s.api.Do("GET", s.path("/applications/"+web.app), nil)
	said := g.Stdout()

	for _, how := range []struct {
		name string
		end  func()
	}{{"stopped", g.Restart}, {"killed", g.RestartKilled}} {
		t.Run(how.name, func(t *testing.T) {
			how.end()
			if diff := cmp.Diff(said, g.Stdout()); diff != "" {
				t.Errorf("it says something else than before (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(demo, g.Demonstration()); diff != "" {
				t.Errorf("the demonstration is another one:\n%s", diff)
			}
			// The operator's old token is valid, and signing in works.
			if diff := cmp.Diff(application, s.api.Do("GET", s.path("/applications/"+web.app), nil)); diff != "" {
				t.Errorf("the application is another one:\n%s", diff)
			}
			g.Operator()
			if got := request(t, "GET", s.base+"/oidc/.well-known/jwks.json", "", nil).Text; got != keys {
				t.Error("the keys are others")
			}
			if got := s.post(t, "/oauth/token", service, url.Values{"grant_type": {"client_credentials"}}); got.Status != http.StatusOK {
				t.Errorf("service: %d %s", got.Status, got.Text)
			}
			if got := s.post(t, "/oauth/token", web, password); got.Status != http.StatusOK {
				t.Errorf("bob: %d %s", got.Status, got.Text)
			}
			got := s.post(t, "/oauth/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {before.Text("refresh_token")}})
			if got.Status != http.StatusBadRequest || got.JSON().Text("error") != "invalid_grant" {
				t.Errorf("a refresh token of the process before: %d %s", got.Status, got.Text)
			}
		})
	}

	// The demonstration removed, a start says so and goes on.
	s.api.Do("DELETE", "/domains/"+demo.Domain.ID, nil)
	g.Restart()
	if !strings.Contains(g.Stdout(), "There is no demonstration") {
		t.Errorf("without the domain it says\n%s", g.Stdout())
	}
	if err := os.Remove(g.DataDir + "/demo.json"); err != nil {
		t.Fatal(err)
	}
	g.Restart()
	if g.Demonstration().Domain.ID == demo.Domain.ID {
		t.Error("no other demonstration was made")
	}
}

// TestRealServers lets the development binary use servers of its user. What Redis keeps outlives the process then.
func TestRealServers(t *testing.T) {
	redis, mongo := proc.StartRedis(t), proc.StartMongoDB(t)
	g := proc.StartGatehouse(t, "--redis-url", redis.URL, "--mongodb-uri", mongo.URI)
	if strings.Contains(g.Stdout(), "in memory") {
		t.Errorf("it says\n%s", g.Stdout())
	}
	if files, err := os.ReadDir(g.DataDir + "/mongodb"); err == nil {
		t.Errorf("there is an embedded database all the same: %v", files)
	}
	s := newSite(t, g, "own servers")
	s.bob()
	web := s.web()
	s.settle()
	tokens := s.post(t, "/oauth/token", web, url.Values{
		"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {"openid"},
	}).JSON()
	g.Restart()
	got := s.post(t, "/oauth/token", web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Text("refresh_token")}})
	if got.Status != http.StatusOK {
		t.Errorf("after a restart: %d %s", got.Status, got.Text)
	}
}
