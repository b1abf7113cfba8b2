package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestNodeClient lets npm's openid-client do what an application in JavaScript does; clients/walk.mjs is its part.
func TestNodeClient(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "node")
	s.bob()
	web, admin := s.web(), s.service("dcr_admin")
	s.registration(true, false)
	s.settle()
	said := s.walk(t, "walk.mjs", map[string]any{
		"clientId": web.id, "clientSecret": web.secret, "adminId": admin.id, "adminSecret": admin.secret,
	})
	want := []string{
		"discovery", "code with PKCE", "userinfo", "refresh with rotation", "introspection", "revocation",
		"registration by token", "reading and deleting a registration", "open registration",
	}
	if diff := cmp.Diff(want, said.passed); diff != "" {
		t.Errorf("steps that passed (-want +got):\n%s", diff)
	}
}

// said is what a walk reported.
type said struct {
	passed []string
	// exercised are values of the discovery document by member.
	exercised map[string]map[string]bool
}

// walk runs a script of the folder clients and plays bob's part in it. The script is given the site, and more.
func (s *site) walk(t *testing.T, script string, more map[string]any) said {
	t.Helper()
	folder := nodeClients(t)
	given := map[string]any{
		"issuer": s.issuer, "redirectUri": callback, "email": bobEmail, "username": "bob", "password": bobPassword,
	}
	for name, v := range more {
		given[name] = v
	}
	encoded, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", script)
	node.Dir = folder
	node.Env = append(os.Environ(), "GIVEN="+string(encoded), "NODE_NO_WARNINGS=1")
	var stderr bytes.Buffer
	node.Stderr = &stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	answer := func(line string) {
		if _, err := fmt.Fprintln(in, line); err != nil {
			t.Errorf("node does not listen: %v", err)
		}
	}
	report := said{exercised: map[string]map[string]bool{}}
	visitor := proc.NewVisitor(callback)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var line struct {
			Open, Passed, Approve, UserCode string
			SwitchOpenRegistrationOn        bool
			Exercised                       struct {
				Member string
				Values []any
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Logf("node says %s", lines.Text())
			continue
		}
		switch {
		case line.Passed != "":
			report.passed = append(report.passed, line.Passed)
		case line.Exercised.Member != "":
			if report.exercised[line.Exercised.Member] == nil {
				report.exercised[line.Exercised.Member] = map[string]bool{}
			}
			for _, v := range line.Exercised.Values {
				report.exercised[line.Exercised.Member][fmt.Sprint(v)] = true
			}
		case line.SwitchOpenRegistrationOn:
			s.registration(true, true)
			s.settle()
			answer("done")
		case line.Approve != "":
			if err := visitor.ApproveDevice(t.Context(), line.Approve, line.UserCode, "bob", bobPassword); err != nil {
				t.Errorf("approve the device: %v", err)
				_ = in.Close()
				continue
			}
			answer("done")
		case line.Open != "":
			back, err := visitor.LogIn(t.Context(), line.Open, "bob", bobPassword)
			if err != nil {
				t.Errorf("log in: %v", err)
				_ = in.Close()
				continue
			}
			answer(back.String())
		}
	}
	if err := node.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	return report
}

// registration switches dynamic registration, and whether everybody may.
func (s *site) registration(on, open bool) {
	s.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{
		"isDynamicClientRegistrationEnabled": on, "isOpenDynamicClientRegistrationEnabled": open,
	}}})
}

// nodeClients returns a folder with the scripts of clients and the exact versions of their package-lock.json, made once for
// all tests.
func nodeClients(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(proc.Scratch(t), "clients")
	installed.Do(func() {
		if errInstall = os.CopyFS(folder, os.DirFS("clients")); errInstall != nil {
			return
		}
		npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		npm.Dir = folder
		if output, err := npm.CombinedOutput(); err != nil {
			errInstall = fmt.Errorf("npm ci: %w\n%s", err, output)
		}
	})
	if errInstall != nil {
		t.Fatal(errInstall)
	}
	return folder
}

var (
	installed  sync.Once
	errInstall error
)
