// Package compat proves that the version before this one and this one run beside each other, either as gateway or as management.
package compat

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestMain(m *testing.M) { proc.Main(m) }

const (
	callback = "https://web.example/callback"
	password = "a long password of hers"
)

// previous returns where the programs of the version before are.
func previous(t *testing.T) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), filepath.Join(proc.Repository(), "scripts", "previous.sh"))
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) && ended.ExitCode() == 3 {
		t.Skipf("this clone has no history and nothing to fetch it from: %s", &said) //nolint:forbidigo // an archive of the sources is no fault of theirs
	}
	if err != nil {
		t.Fatalf("the programs of the version before: %v\n%s", err, &said)
	}
	return strings.TrimSpace(string(out))
}

// shop is a domain with an application and somebody.
type shop struct {
	testing.TB
	domain, app, path, base, client, secret string
}

func open(t *testing.T, api *proc.API) *shop {
	t.Helper()
	d := api.CreateDomain("shop")
	s := &shop{TB: t, domain: d.Text("id"), path: d.Text("path")}
	api.Do("POST", "/domains/"+s.domain+"/users", proc.Object{"username": "ann", "email": "ann@example.com", "password": password})
	app := api.Do("POST", "/domains/"+s.domain+"/applications", proc.Object{"name": "web", "type": "web", "redirectUris": []string{callback}})
	s.app, s.client, s.secret = app.Text("id"), app.Text("settings", "oauth", "clientId"), app.Text("settings", "oauth", "clientSecret")
	api.Do("PATCH", "/domains/"+s.domain+"/applications/"+s.app, proc.Object{
		"identityProviders": []proc.Object{{"identity": "default-idp-" + s.domain}},
		"settings": proc.Object{"oauth": proc.Object{
			"grantTypes": []string{"authorization_code", "refresh_token"}, "scopeSettings": []proc.Object{{"scope": "openid"}, {"scope": "offline_access"}},
		}, "advanced": proc.Object{"skipConsent": true}},
	})
	return s
}

func (s *shop) token(form url.Values) proc.Answer {
	s.Helper()
	answer, err := proc.PostForm(s.Context(), s.base+"/oauth/token", s.client, s.secret, form)
	if err != nil {
		s.Fatal(err)
	}
	return answer
}

// works signs somebody in at a gateway, refreshes a token of before, if there is one, and sees a change of configuration arrive. It
// returns a refresh token for the next ones.
func (s *shop) works(m *proc.Management, g *proc.Gateway, before string) string {
	s.Helper()
	api := m.Operator()
	api.Settle(s.domain, g.TechnicalURL)
	if before != "" {
		if got := s.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {before}}); got.Status != http.StatusOK {
			s.Errorf("a refresh token of before: %d %s", got.Status, got.Text)
		}
	}
	authorize := s.base + "/oauth/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {s.client}, "redirect_uri": {callback}, "scope": {"openid offline_access"}, "state": {"x"}, "prompt": {"login"},
	}.Encode()
	back, err := proc.NewVisitor(callback).LogIn(s.Context(), authorize, "ann", password)
	if err != nil {
		s.Fatal(err)
	}
	got := s.token(url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}})
	if got.Status != http.StatusOK || got.JSON().Text("refresh_token") == "" {
		s.Fatalf("the code: %d %s", got.Status, got.Text)
	}
	fresh := got.JSON().Text("refresh_token")
	application := "/domains/" + s.domain + "/applications/" + s.app
	seconds := 1000 + time.Now().UnixNano()%1000
	api.Do("PATCH", application, proc.Object{"settings": proc.Object{"oauth": proc.Object{"accessTokenValiditySeconds": seconds}}})
	api.Settle(s.domain, g.TechnicalURL)
	got = s.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {fresh}})
	if got.Status != http.StatusOK || fmt.Sprint(got.JSON()["expires_in"]) != fmt.Sprint(seconds) {
		s.Errorf("after the change, tokens last %v and not %d: %d", got.JSON()["expires_in"], seconds, got.Status)
	}
	return got.JSON().Text("refresh_token")
}

// TestOneVersionBackAndForth goes through an upgrade and back again, on one database and one Redis: either version of a gateway at
// either version of management.
func TestOneVersionBackAndForth(t *testing.T) {
	before := previous(t)
	redis, db := proc.StartRedis(t), proc.StartMongoDB(t)
	now := proc.NewInstallation(t, db.URI, redis.URL)
	then := *now
	then.Programs = before
	at := func(what string, m *proc.Management, i *proc.Installation, s **shop, token string) string {
		t.Helper()
		g := i.StartGateway(m, "")
		defer g.Stop()
		if *s == nil {
			*s = open(t, m.Operator())
		}
		(*s).base = g.URL + (*s).path
		t.Log(what)
		return (*s).works(m, g, token)
	}
	var s *shop
	old := then.StartManagement()
	token := at("the gateway of before at the management of before", old, &then, &s, "")
	fresh := now.StartManagement() // beside the old one, as in a rolling upgrade
	token = at("the gateway of before at this management", fresh, &then, &s, token)
	token = at("this gateway at the management of before", old, now, &s, token)
	old.Stop()
	token = at("this gateway at this management", fresh, now, &s, token)
	fresh.Stop()
	back := then.StartManagement() // going back, on a database that this version has migrated
	at("this gateway at the management of before, that was started again", back, now, &s, token)
}
