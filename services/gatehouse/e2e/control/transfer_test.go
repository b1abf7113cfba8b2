package control

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

const passphrase = "correct horse battery staple"

// people are somebody to take along.
const people = office + "---\nkind: user\nmetadata: {domain: office}\nspec: {username: alice, email: a@example.com, password: Sesame-opens-1}\n---\n" +
	"kind: application\nmetadata: {domain: office}\nspec: {name: Payroll, type: web, redirectUris: ['https://pay.example/cb']}\n"

// files are the names in the folder of a control, hidden ones too.
func (c *control) files() []string {
	c.t.Helper()
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (c *control) read(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// TestADomainIsTakenOutAndBroughtIn moves a domain to another installation, as a file and through pipes.
func TestADomainIsTakenOutAndBroughtIn(t *testing.T) {
	here := signedIn(t, proc.StartGatehouse(t, "--demo=false"))
	here.okWith(people, "apply", "-f", "-")
	here.file("key.txt", passphrase+"\n")
	key := []string{"--passphrase-file", "key.txt"}
	export := append([]string{"export", "-d", "office", "-f", "office.ndjson"}, key...)
	if said := here.ok(export...); !strings.HasPrefix(said, "domain/Office exported to office.ndjson: revision ") || !strings.Contains(said, "secrets sealed") || !strings.Contains(said, "1 user") {
		t.Errorf("%s", said)
	}
	if info, err := os.Stat(filepath.Join(here.dir, "office.ndjson")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	archive := here.read("office.ndjson")
	for _, secret := range []string{"Sesame-opens-1", "argon2id$v", "BEGIN PRIVATE KEY", passphrase} {
		if strings.Contains(archive, secret) {
			t.Errorf("the archive shows %s", secret)
		}
	}

	// What is there is kept, unless it is to be replaced.
	here.file("kept.ndjson", "mine")
	here.refused(2, "is there already", append([]string{"export", "-d", "office", "-f", "kept.ndjson"}, key...)...)
	if here.read("kept.ndjson") != "mine" {
		t.Error("a file that was there is another one")
	}
	if tree := parse[proc.Object](t, here.ok(append([]string{"export", "-d", "office", "-f", "kept.ndjson", "--replace", "-o", "json"}, key...)...)); tree.Text("secrets") != "sealed" || tree.Text("file") != "kept.ndjson" {
		t.Errorf("%v", tree)
	}
	here.refused(2, "is missing", "export", "-d", "office", "-f", "x.ndjson")
	here.refused(2, "none of the others can be", "export", "-d", "office", "-f", "x.ndjson", "--key-file", "key.txt", "--passphrase-file", "key.txt")
	here.refused(2, "Say --domain, or --all", append([]string{"export", "-f", "x.ndjson"}, key...)...)
	here.file("short.txt", "short")
	here.refused(2, "12 to 1024 bytes", "export", "-d", "office", "-f", "x.ndjson", "--passphrase-file", "short.txt")
	here.refused(2, "32 bytes in base64", "export", "-d", "office", "-f", "x.ndjson", "--key-file", "short.txt")
	here.refused(2, "no such file or directory", append([]string{"export", "-d", "office", "-f", "nowhere/x.ndjson"}, key...)...)

	there := signedIn(t, proc.StartGatehouse(t, "--demo=false"))
	there.file("office.ndjson", archive)
	there.env = append(there.env, "GATEHOUSECTL_PASSPHRASE="+passphrase)
	if said := there.ok("import", "-f", "office.ndjson", "--dry-run"); !strings.Contains(said, "domain/Office would be imported") || !strings.HasSuffix(said, "(dry run)\n") {
		t.Errorf("%s", said)
	}
	there.refused(2, `there is no domain "office"`, "get", "domain", "office")
	if said := there.ok("import", "-f", "office.ndjson"); !strings.Contains(said, "domain/Office imported: id ") || !strings.Contains(said, "1 user") {
		t.Errorf("%s", said)
	}
	if got, want := there.ok("get", "domain", "office", "-o", "json"), here.ok("get", "domain", "office", "-o", "json"); parse[map[string]any](t, got)["metadata"].(map[string]any)["id"] != parse[map[string]any](t, want)["metadata"].(map[string]any)["id"] {
		t.Errorf("%s\nis not\n%s", got, want)
	}
	there.ok("get", "user", "alice", "-d", "office")
	there.refused(2, "is here already", "import", "-f", "office.ndjson")
	if said := there.okWith(archive, "import", "-f", "-", "--as", "Second office"); !strings.Contains(said, "domain/Second office imported: id ") || !strings.Contains(said, ", which was ") {
		t.Errorf("%s", said)
	}

	// Through a pipe, with a key instead of a passphrase, everything.
	there.file("bytes.txt", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
	all := there.run("", "export", "--all", "--key-file", "bytes.txt")
	if all.status != 0 || !strings.Contains(all.err, "the installation exported to the standard output") || !strings.Contains(all.out, `"kind":"end"`) {
		t.Fatalf("%d %s", all.status, all.err)
	}
	third := signedIn(t, proc.StartGatehouse(t, "--demo=false"))
	third.file("bytes.txt", there.read("bytes.txt"))
	if r := third.run(all.out, "import", "-f", "-", "--as", "x", "--key-file", "bytes.txt"); r.status != 2 || !strings.Contains(r.err, "the archive of an installation") {
		t.Errorf("%d %s", r.status, r.err)
	}
	said := third.okWith(all.out, "import", "-f", "-", "--key-file", "bytes.txt")
	if !strings.Contains(said, "domain/Second office imported") || !strings.Contains(said, "skipped: operator/admin") {
		t.Errorf("%s", said)
	}
	again := third.run(all.out, "import", "-f", "-", "--key-file", "bytes.txt", "-o", "json")
	if again.status != 0 || !strings.Contains(again.out, `"status":"done"`) {
		t.Errorf("%d %s%s", again.status, again.out, again.err)
	}
	both := third.run(all.out, "import", "-f", "-", "--key-file", "-")
	if both.status != 2 || !strings.Contains(both.err, "can not both come") {
		t.Errorf("%d %s", both.status, both.err)
	}
}

// TestWhatIsNotWholeIsRefused: no archive that is cut off, changed or sealed by another key leaves a file or a domain.
func TestWhatIsNotWholeIsRefused(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(people, "apply", "-f", "-")
	c.env = append(c.env, "GATEHOUSECTL_PASSPHRASE="+passphrase)
	whole := c.run("", "export", "-d", "office").out
	open := c.run("", "export", "-d", "office", "--without-secrets").out
	before := c.files()

	// A proxy that breaks an answer off, or changes a letter of it.
	for name, damage := range map[string]func(string) (string, bool){
		"cut off within a line":    func(s string) (string, bool) { return s[:len(s)/2], true },
		"cut off behind a line":    func(s string) (string, bool) { return s[:strings.LastIndex(s[:len(s)-1], "\n")+1], false },
		"a letter changed":         func(s string) (string, bool) { return strings.Replace(s, "Finance", "Finanze", 1), false },
		"something behind its end": func(s string) (string, bool) { return s + "{}\n", false },
	} {
		t.Run("an export "+name, func(t *testing.T) {
			straight := forward(t, g.ManagementURL, func(*http.Request) bool { return false })
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/_export") {
					straight.ServeHTTP(w, r)
					return
				}
				recorder := httptest.NewRecorder()
				straight.ServeHTTP(recorder, r)
				w.Header().Set("Content-Type", recorder.Header().Get("Content-Type"))
				text, breaks := damage(recorder.Body.String())
				if breaks {
					w.Header().Set("Content-Length", strconv.Itoa(recorder.Body.Len()))
				}
				_, _ = io.WriteString(w, text)
			}))
			defer proxy.Close()
			at := []string{"export", "-d", "office", "-f", "office.ndjson", "--server", proxy.URL, "--token", c.token()}
			if r := c.run("", at...); r.status != 2 || !strings.Contains(r.err, "archive is") || strings.Contains(r.err, passphrase) {
				t.Errorf("%d %s%s", r.status, r.out, r.err)
			}
			if left := c.files(); !slices.Equal(left, before) {
				t.Errorf("left: %v", left)
			}
		})
	}

	c.ok("delete", "domain", "office", "--yes")
	for name, tt := range map[string]struct{ text, want string }{
		"cut off within a line":               {whole[:len(whole)/2], "is cut off"},
		"cut off behind a line":               {whole[:strings.LastIndex(whole[:len(whole)-1], "\n")+1], "is cut off"},
		"a letter changed":                    {strings.Replace(whole, "Finance", "Finanze", 1), "damaged or was changed"},
		"sealed by another key":               {strings.Replace(whole, `"salt":"`, `"salt":"A`, 1), "archive"},
		"without secrets where a key is said": {open, "no secrets and no key"},
		"something else":                      {"kind: domain\n", "none of an archive"},
		"nothing":                             {"", "none of an archive"},
	} {
		t.Run("an import "+name, func(t *testing.T) {
			if r := c.run(tt.text, "import", "-f", "-"); r.status != 2 || !strings.Contains(r.err, tt.want) {
				t.Errorf("%d %s%s", r.status, r.out, r.err)
			}
			c.refused(2, `there is no domain "office"`, "get", "domain", "office")
		})
	}
	c.okWith(whole, "import", "-f", "-")
	c.ok("get", "user", "alice", "-d", "office")
}

// TestInterruptedExport: what was begun leaves nothing.
func TestInterruptedExport(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	c.okWith(people, "apply", "-f", "-")
	c.file("key.txt", passphrase)
	before := c.files()
	begun := make(chan struct{})
	straight := forward(t, g.ManagementURL, func(*http.Request) bool { return false })
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/_export") {
			straight.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		straight.ServeHTTP(recorder, r)
		w.Header().Set("Content-Type", recorder.Header().Get("Content-Type"))
		_, _ = io.WriteString(w, recorder.Body.String()[:recorder.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	defer proxy.Close()
	args := []string{"export", "-d", "office", "-f", "office.ndjson", "--passphrase-file", "key.txt", "--server", proxy.URL, "--token", c.token()}
	x := c.command(t.Context(), args...)
	var wrong bytes.Buffer
	x.Stderr = &wrong
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := x.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = x.Wait()
	if x.ProcessState.ExitCode() != 130 || !strings.Contains(wrong.String(), "interrupted") {
		t.Errorf("%d %s", x.ProcessState.ExitCode(), wrong.String())
	}
	// A server that goes silent is given up.
	done := make(chan result)
	go func() { done <- c.run("", append(args, "--timeout", "1s")...) }()
	<-begun
	if r := <-done; r.status != 2 || !strings.Contains(r.err, "does not answer within 1s") {
		t.Errorf("%d %s", r.status, r.err)
	}
	if left := c.files(); !slices.Equal(left, before) {
		t.Errorf("left: %v", left)
	}
}
