package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestNodeClient lets npm's openid-client do what an application in JavaScript does; openidclient/walk.mjs is its part.
func TestNodeClient(t *testing.T) {
	folder := installNodeClient(t)
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "node")
	s.bob()
	web, admin := s.web(), s.service("dcr_admin")
	s.registration(true, false)
	s.settle()

	given, err := json.Marshal(map[string]string{
		"issuer": s.issuer, "redirectUri": callback, "email": bobEmail,
		"clientId": web.id, "clientSecret": web.secret, "adminId": admin.id, "adminSecret": admin.secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "walk.mjs")
	node.Dir = folder
	node.Env = append(os.Environ(), "GIVEN="+string(given), "NODE_NO_WARNINGS=1")
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
	var passed []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var line struct {
			Open, Passed             string
			SwitchOpenRegistrationOn bool
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Logf("node says %s", lines.Text())
			continue
		}
		switch {
		case line.Passed != "":
			passed = append(passed, line.Passed)
		case line.SwitchOpenRegistrationOn:
			s.registration(true, true)
			s.settle()
			answer("done")
		case line.Open != "":
			back, err := proc.NewVisitor(callback).LogIn(t.Context(), line.Open, "bob", bobPassword)
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
	want := []string{
		"discovery", "code with PKCE", "userinfo", "refresh with rotation", "introspection", "revocation",
		"registration by token", "reading and deleting a registration", "open registration",
	}
	if diff := cmp.Diff(want, passed); diff != "" {
		t.Errorf("steps that passed (-want +got):\n%s", diff)
	}
}

// registration switches dynamic registration, and whether everybody may.
func (s *site) registration(on, open bool) {
	s.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{
		"isDynamicClientRegistrationEnabled": on, "isOpenDynamicClientRegistrationEnabled": open,
	}}})
}

// installNodeClient installs the exact versions of package-lock.json in a temporary folder.
func installNodeClient(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "walk.mjs"} {
		text, err := os.ReadFile(filepath.Join("openidclient", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = folder
	if output, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
	return folder
}
