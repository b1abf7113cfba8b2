package control

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

const office = "kind: domain\nmetadata: {name: Office}\nspec: {name: Office, enabled: true}\n---\n" +
	"kind: group\nmetadata: {domain: office, name: Finance}\nspec: {name: Finance}\n"

// TestContexts signs in and out. The token is in a file for one person, and nowhere else.
func TestContexts(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := newControl(t)
	c.refused(2, "gatehousectl login", "list", "domains")
	c.file("wrong.txt", "nobody's password")
	c.refused(2, "name or password is wrong", "login", g.ManagementURL, "--user", "admin", "--password-file", "wrong.txt")
	c.refused(2, "in the clear", "login", "http://gatehouse.example.com", "--user", "admin", "--password-file", "wrong.txt")
	c.refused(2, "there is no terminal", "login", g.ManagementURL)
	c.file("password.txt", proc.DevelopmentPassword+"\n")
	said := c.ok("login", g.ManagementURL, "--user", "admin", "--password-file", "password.txt", "--name", "local")
	said += c.okWith(proc.DevelopmentPassword, "login", g.ManagementURL, "--user", "admin", "--password-file", "-", "--name", "second")
	token := c.token()
	c.file("token.txt", token)
	said += c.ok("login", g.ManagementURL, "--token-file", "token.txt", "--name", "third")
	for _, format := range []string{"table", "json", "yaml", "name"} {
		said += c.ok("context", "list", "-o", format)
	}
	said += c.ok("context", "use", "local") + c.ok("list", "domains")
	c.refused(2, "there are: local, second, third", "context", "use", "fourth")
	broken := c.run("", "list", "domains", "--token", token+"x")
	said += broken.err
	if strings.Contains(said, token) || broken.status != 2 || !strings.Contains(broken.err, "gatehousectl login") {
		t.Errorf("it prints\n%s", said)
	}
	path := filepath.Join(c.dir, "gatehousectl", "contexts.yaml")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	c.env = append(c.env, "GATEHOUSECTL_SERVER="+g.ManagementURL, "GATEHOUSECTL_TOKEN="+token)
	c.ok("list", "domains", "--config", "nothing.yaml")
	c.env = c.env[:len(c.env)-2]
	c.refused(2, "is for "+g.ManagementURL, "list", "domains", "--server", "http://127.0.0.1:1")
	c.ok("logout")
	c.refused(2, "gatehousectl login", "list", "domains", "--server", g.ManagementURL, "--token", token)
	c.refused(2, "not signed in", "list", "domains")
	if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // that is what is wrong
		t.Fatal(err)
	}
	c.refused(2, "chmod 600", "list", "domains", "--context", "second")
}

// TestOneOfManyChangesIt: 32 people apply a change of the same revision, and one of them does.
func TestOneOfManyChangesIt(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(office, "apply", "-f", "-")
	read := c.ok("get", "group", "Finance", "-d", "office", "-o", "yaml")
	if !strings.Contains(read, "  revision: ") {
		t.Fatal(read)
	}
	const racers = 32
	var results [racers]result
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			results[i] = c.run(read+fmt.Sprintf("  description: mine %d\n", i), "apply", "-f", "-")
		})
	}
	all.Wait()
	won := 0
	for _, r := range results {
		switch {
		case r.status == 0 && r.out == "group/Finance changed\n":
			won++
		case r.status != 2 || !strings.Contains(r.err, "Read it again"):
			t.Errorf("%d %s%s", r.status, r.out, r.err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d changed it", won, racers)
	}
}

// TestNamesThatAreNotOne lists the candidates.
func TestNamesThatAreNotOne(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(office, "apply", "-f", "-")
	api := g.Operator()
	domain := parse[[]struct{ ID string }](t, c.ok("list", "domains", "-o", "json"))[0].ID
	var ids []string
	for range 2 {
		ids = append(ids, api.Do("POST", "/domains/"+domain+"/identities", proc.Object{"name": "Twin", "type": "inline-am-idp", "configuration": proc.Object{}}).Text("id"))
	}
	for _, id := range ids {
		c.refused(2, id+"  Twin", "get", "idp", "Twin", "-d", "office")
	}
	c.refused(2, "say which by its id", "delete", "idp", "Twin", "-d", "office", "--yes")
	c.ok("delete", "idp", ids[0], "-d", "office", "--yes")
	c.ok("get", "idp", "Twin", "-d", "Office")
	c.refused(2, `there is no kind "idb"`, "get", "idb")
	c.refused(2, "in which domain?", "list", "groups")
	c.refused(2, "is nothing that is known", "list", "domains", "-o", "xml")
	c.file("bad.yaml", "kind: group\nmetadata: {domain: office}\nspec:\n  name: x\n  colour: red\n")
	c.refused(2, "bad.yaml:1", "apply", "-f", "bad.yaml")
	c.refused(2, "colour", "diff", "-f", "bad.yaml")
	c.refused(2, "--yes", "delete", "group", "Finance", "-d", "office")
}

// TestDiff ends as it says, shows what would be, and keeps secrets for itself.
func TestDiff(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	all := office + "---\nkind: application\nmetadata: {domain: office, name: Payroll}\nspec: {name: Payroll, type: web, redirectUris: ['https://pay.example/cb']}\n---\n" +
		"kind: user\nmetadata: {domain: office}\nspec: {username: alice, email: a@example.com, password: Sesame-opens-1}\n---\n" +
		"kind: idp\nmetadata: {domain: office}\nspec: {name: Inline, type: inline-am-idp, configuration: {users: [{username: bob, password: Sesame-opens-2}]}}\n"
	c.file("all.yaml", all)
	r := c.run("", "diff", "-f", "all.yaml")
	if r.status != 1 || !strings.Contains(r.out, "+++ domain/Office (after)") || !strings.Contains(r.out, "+username: alice") || strings.Contains(r.out, "Sesame") {
		t.Errorf("%d\n%s%s", r.status, r.out, r.err)
	}
	before := c.ok("list", "domains")
	if strings.Contains(before, "Office") {
		t.Errorf("a diff made\n%s", before)
	}
	c.ok("apply", "-f", "all.yaml", "--dry-run")
	c.ok("apply", "-f", "all.yaml")
	c.file("change.yaml", "kind: group\nmetadata: {domain: office, name: Finance}\nspec: {description: those who pay}\n")
	for range 2 { // nothing is written
		r = c.run("", "diff", "-f", "change.yaml")
		if r.status != 1 || !strings.Contains(r.out, "+description: those who pay\n") || strings.Contains(r.out, "\x1b") {
			t.Errorf("%d\n%s%s", r.status, r.out, r.err)
		}
	}
	c.ok("apply", "-f", "change.yaml")
	c.ok("diff", "-f", "change.yaml")
	// What is left out stays, and is reset where the whole is replaced.
	c.file("whole.yaml", "kind: group\nmetadata: {domain: office, name: Finance}\nspec: {name: Finance}\n")
	c.ok("diff", "-f", "whole.yaml")
	if r = c.run("", "diff", "--replace", "-f", "whole.yaml"); r.status != 1 || !strings.Contains(r.out, "-description: those who pay\n") {
		t.Errorf("%d\n%s%s", r.status, r.out, r.err)
	}
	c.file("secret.yaml", "kind: idp\nmetadata: {domain: office, name: Inline}\nspec: {configuration: {users: [{username: bob, password: Sesame-opens-3}]}}\n")
	if r = c.run("", "diff", "-f", "secret.yaml"); r.status != 1 || !strings.Contains(r.out, "(given)") || strings.Contains(r.out+r.err, "Sesame") {
		t.Errorf("%d\n%s%s", r.status, r.out, r.err)
	}
	c.refused(2, "no such file", "diff", "-f", "nothing.yaml")
}

// TestInterrupted: what is under way ends at once, and says what is not known.
func TestInterrupted(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(office, "apply", "-f", "-")
	c.file("change.yaml", "kind: group\nmetadata: {domain: office, name: Finance}\nspec: {description: those who pay}\n")

	// A server that answers everything but the write.
	held := make(chan struct{})
	stalls := httptest.NewServer(forward(t, g.ManagementURL, func(r *http.Request) bool {
		if r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "" {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices who has gone
			close(held)
			<-r.Context().Done()
			return true
		}
		return false
	}))
	defer stalls.Close()
	x := c.command(t.Context(), "apply", "-f", "change.yaml", "--server", stalls.URL, "--token", c.token())
	var out, wrong bytes.Buffer
	x.Stdout, x.Stderr = &out, &wrong
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	<-held
	if err := x.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = x.Wait()
	if x.ProcessState.ExitCode() != 130 || !strings.Contains(wrong.String(), "interrupted") || !strings.Contains(wrong.String(), "not known whether") {
		t.Errorf("%d %s%s", x.ProcessState.ExitCode(), out.String(), wrong.String())
	}

	g.Pause()
	c.refused(2, "does not answer within 1s", "list", "domains", "--timeout", "1s")
	g.Continue()
	c.ok("apply", "-f", "change.yaml")
}

// forward is a server before management that may answer instead.
func forward(t *testing.T, management string, instead func(*http.Request) bool) http.Handler {
	t.Helper()
	target, err := url.Parse(strings.TrimSuffix(management, "/management"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !instead(r) {
			proxy.ServeHTTP(w, r)
		}
	})
}

// TestAnswersNobodyExpected says what came instead of JSON.
func TestAnswersNobodyExpected(t *testing.T) {
	c := newControl(t)
	for name, tt := range map[string]struct {
		status      int
		media, text string
		want        string
	}{
		"a page of a proxy":        {502, "text/html", "<html><h1>Bad\x1b[31m Gateway</h1>", "answers 502 with text/html, not JSON: <html><h1>Bad [31m Gateway</h1>"},
		"a page that is a success": {200, "text/html; charset=utf-8", "<!doctype html>", "answers 200 with text/html"},
		"a redirect":               {302, "text/html", "", "answers 302"},
		"half of JSON":             {200, "application/json", `{"data": [`, "not JSON"},
		"an error of another":      {500, "application/json", `{"code": 1}`, "answers 500"},
		"a problem with places":    {400, "application/json", `{"message":"No.","http_status":400,"errors":[{"path":"a.b","detail":"is wrong"},{"path":"c","detail":"too"}]}`, "No.\n  a.b: is wrong\n  c: too\n"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.media)
				w.Header().Set("Location", "https://example.com")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.text))
			}))
			defer server.Close()
			r := c.run("", "list", "domains", "--server", server.URL, "--token", "sesame")
			if r.status != 2 || !strings.Contains(r.err, tt.want) || strings.Contains(r.err, "\x1b") || strings.Contains(r.err, "sesame") {
				t.Errorf("%d %q\nwant %q", r.status, r.err, tt.want)
			}
		})
	}
	c.refused(2, "can not be reached", "list", "domains", "--server", "http://"+proc.FreeAddress(t), "--token", "x")
}

// TestCertificates: an authority that nobody knows is refused, and taken where it is named.
func TestCertificates(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	server := httptest.NewTLSServer(forward(t, g.ManagementURL, func(*http.Request) bool { return false }))
	defer server.Close()
	c := newControl(t)
	c.file("password.txt", proc.DevelopmentPassword)
	login := []string{"login", server.URL, "--user", "admin", "--password-file", "password.txt"}
	c.refused(2, "--ca-file", login...)
	c.file("empty.pem", "nothing")
	c.refused(2, "no certificate in", append(login, "--ca-file", "empty.pem")...)
	c.file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	c.ok(append(login, "--ca-file", "ca.pem")...)
	c.ok("list", "domains") // the context knows the authority
}

// TestTokens gets one for an application, as it authenticates.
func TestTokens(t *testing.T) {
	g := proc.StartGatehouse(t)
	d := g.Demonstration()
	c := signedIn(t, g)
	c.file("secret.txt", d.Service.ClientSecret)
	of := []string{"token", "--domain", "demo", "--application", d.Service.ClientID, "--gateway", g.GatewayURL}
	token := c.ok(append(of, "--client-secret-file", "secret.txt", "-q")...)
	if len(strings.Split(strings.TrimSpace(token), ".")) != 3 || strings.Count(token, "\n") != 1 {
		t.Errorf("%q", token)
	}
	c.env = append(c.env, "GATEHOUSECTL_CLIENT_SECRET="+d.Service.ClientSecret)
	if whole := parse[proc.Object](t, c.ok(of...)); whole.Text("token_type") == "" || whole.Text("access_token") == "" {
		t.Errorf("%v", whole)
	}
	c.refused(2, "invalid_scope", append(of, "--scope", "nothing")...)
	c.refused(2, "name=value", append(of, "--param", "x")...)
	c.file("wrong.txt", "wrong")
	c.refused(2, "invalid_client", append(of, "--client-secret-file", "wrong.txt")...)
}

// TestAuditTail follows what happens, record by record, until it is interrupted. Management is killed meanwhile, and comes back.
func TestAuditTail(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(office, "apply", "-f", "-")
	if first := c.ok("audit", "tail", "-n", "1", "--kind", "group", "-d", "office"); !strings.Contains(first, "Finance") || strings.Count(first, "\n") != 2 {
		t.Errorf("%s", first)
	}
	x := c.command(t.Context(), "audit", "tail", "-f", "--interval", "100ms", "-d", "office", "--kind", "group", "-o", "json")
	out, err := x.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errors, err := x.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	lines, remarks := bufio.NewScanner(out), bufio.NewScanner(errors)
	var seen []string
	for _, name := range []string{"Finance", "Legal", "Sales", "Support"} {
		if name == "Support" {
			g.RestartKilledAfter(func() {
				for remarks.Scan() && !strings.Contains(remarks.Text(), "Asked again in ") { // which follows the reason
				}
			})
		}
		if name != "Finance" {
			c.okWith("kind: group\nmetadata: {domain: office}\nspec: {name: "+name+"}\n", "apply", "-f", "-")
		}
		if !lines.Scan() || !strings.Contains(lines.Text(), name) || parse[proc.Object](t, lines.Text()).Text("type") != "create" {
			t.Fatalf("after %v: %s", seen, lines.Text())
		}
		seen = append(seen, name)
	}
	if err := x.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if lines.Scan() {
		t.Errorf("more: %s", lines.Text())
	}
	var last string
	for remarks.Scan() {
		last = remarks.Text()
	}
	if last != "Management answers again" {
		t.Errorf("it says %q of management that was away", last)
	}
	if err := x.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestGatewaysStatus: the gateway reaches the revision of the last change.
func TestGatewaysStatus(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(office, "apply", "-f", "-")
	domain := parse[[]struct{ ID string }](t, c.ok("list", "domains", "-o", "json"))[0].ID
	g.Operator().Settle(domain, g.TechnicalURL)
	revision, err := proc.Revision(t.Context(), g.TechnicalURL)
	if err != nil {
		t.Fatal(err)
	}
	status := parse[[]struct {
		Node     string
		Revision int64
	}](t, c.ok("gateways", "status", "-o", "json"))
	if len(status) != 1 || status[0].Node == "" || status[0].Revision > revision || status[0].Revision == 0 {
		t.Errorf("%v, want revision %d", status, revision)
	}
	if table := c.ok("gateways", "status"); !strings.HasPrefix(table, "GATEWAY") || !strings.Contains(table, status[0].Node) {
		t.Error(table)
	}
}

// TestAtATerminal: a deletion asks, shows the consequence, and asks again.
func TestAtATerminal(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(office+"---\nkind: application\nmetadata: {domain: office}\nspec: {name: Payroll, type: web, redirectUris: ['https://pay.example/cb']}\n---\n"+
		"kind: binding\nmetadata: {domain: office, application: Payroll}\nspec: {group: Finance}\n---\n"+
		"kind: user\nmetadata: {domain: office}\nspec: {username: alice, email: a@example.com, password: Sesame-opens-1}\n", "apply", "-f", "-")
	binding := "delete binding Finance -d office --application Payroll"
	if status, out := c.terminal(t, "n\n", binding); status != 2 || !strings.Contains(out, `Delete binding "Finance"`) || !strings.Contains(out, "nothing was deleted") {
		t.Errorf("%d %s", status, out)
	}
	if status, out := c.terminal(t, "y\nn\n", binding); status != 2 || !strings.Contains(out, "open to everybody") || !strings.Contains(out, "--confirm opens") {
		t.Errorf("%d %s", status, out)
	}
	if status, out := c.terminal(t, "yes\ny\n", binding); status != 0 || !strings.Contains(out, "binding/Finance deleted") {
		t.Errorf("%d %s", status, out)
	}
	// People see colours, unless they do not want them; what is asked for in secret is not shown.
	c.file("change.yaml", "kind: group\nmetadata: {domain: office, name: Finance}\nspec: {description: x}\n")
	if status, out := c.terminal(t, "", "diff -f change.yaml"); status != 1 || !strings.Contains(out, "\x1b[32m+description: x") {
		t.Errorf("%d %s", status, out)
	}
	if _, out := c.terminal(t, "", "diff --no-colour -f change.yaml"); strings.Contains(out, "\x1b[") {
		t.Error(out)
	}
}

// terminal runs the command at a terminal where somebody types.
func (c *control) terminal(t *testing.T, typed, line string) (int, string) {
	t.Helper()
	x := exec.CommandContext(t.Context(), "script", "--quiet", "--return", "--echo", "never", "--command", c.program+" "+line, "/dev/null")
	x.Dir, x.Env = c.dir, append(slices.Clone(c.env), "TERM=xterm")
	x.Stdin = strings.NewReader(typed)
	out, err := x.CombinedOutput()
	if err != nil && x.ProcessState == nil {
		t.Fatal(err)
	}
	return x.ProcessState.ExitCode(), string(out)
}

// TestCompletion: shells are told kinds and names, and understand what they are given.
func TestCompletion(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(office, "apply", "-f", "-")
	for line, want := range map[string]string{
		"get gro":                       "groups\t",
		"get group -d office F":         "Finance\n",
		"list groups --domain ":         "Office\n",
		"export --domain ":              "Office\n",
		"import --f":                    "--file\t",
		"list groups --context ":        "local\n",
		"list groups -o ":               "yaml\n",
		"delete group --domain office ": "Finance\n",
	} {
		fields := append([]string{"__complete"}, strings.Split(line, " ")...)
		if out := c.ok(fields...); !strings.Contains(out, want) {
			t.Errorf("%s: %s", line, out)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := c.ok("completion", shell)
		if !strings.Contains(script, "gatehousectl") {
			t.Errorf("%s: %s", shell, script)
		}
		if shell == "bash" {
			c.file("completion.bash", script)
			x := exec.CommandContext(t.Context(), "bash", "-n", filepath.Join(c.dir, "completion.bash"))
			if out, err := x.CombinedOutput(); err != nil {
				t.Errorf("%v %s", err, out)
			}
		}
	}
}
