package command_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/command"
)

// management answers as a table says: by method and path, below /management.
type management struct {
	t       *testing.T
	answers map[string]answer

	mu    sync.Mutex // guards asked
	asked []string
}

type answer struct {
	status int
	body   string
}

const found = http.StatusOK

func (m *management) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/management")
	if r.URL.Query().Get("dryRun") == "true" {
		asked += " (dry)"
	}
	m.mu.Lock()
	m.asked = append(m.asked, asked)
	m.mu.Unlock()
	a, ok := m.answers[asked]
	if !ok {
		a = answer{http.StatusNotFound, `{"message":"Not there","http_status":404}`}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", `"7"`)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// writes are the requests that change something.
func (m *management) writes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, asked := range m.asked {
		if !strings.HasPrefix(asked, "GET") && !strings.HasSuffix(asked, "(dry)") {
			all = append(all, asked)
		}
	}
	return all
}

// result is what a run prints, and its status.
type result struct {
	status   int
	out, err string
}

// run runs the command against a management; files are in its folder.
func run(t *testing.T, m *management, files map[string]string, args ...string) result {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, arg := range args {
		if _, ok := files[arg]; ok {
			args[i] = filepath.Join(dir, arg)
		}
	}
	env := map[string]string{"GATEHOUSECTL_TOKEN": "sesame", "GATEHOUSECTL_CONFIG": filepath.Join(dir, "contexts.yaml")}
	if m != nil {
		m.t = t
		server := httptest.NewServer(m)
		t.Cleanup(server.Close)
		env["GATEHOUSECTL_SERVER"] = server.URL
	}
	var out, wrong bytes.Buffer
	app := command.App{Out: &out, Err: &wrong, Getenv: func(name string) string { return env[name] }, Version: "test"}
	status := app.Run(t.Context(), args)
	if strings.Contains(out.String()+wrong.String(), "sesame") {
		t.Errorf("the token is shown:\n%s%s", out.String(), wrong.String())
	}
	return result{status, out.String(), strings.ReplaceAll(wrong.String(), dir+string(filepath.Separator), "")}
}

// acme is a domain with a group in it.
func acme(more map[string]answer) *management {
	m := &management{answers: map[string]answer{
		"GET /domains/acme":              {found, `{"id":"d1","name":"Acme","hrid":"acme","path":"/acme"}`},
		"GET /domains/d1":                {found, `{"id":"d1","name":"Acme","hrid":"acme","path":"/acme"}`},
		"GET /domains":                   {found, `{"data":[],"totalCount":0}`},
		"GET /domains/d1/groups":         {found, `{"data":[{"id":"g1","name":"Finance"}],"totalCount":1}`},
		"GET /domains/d1/groups/g1":      {found, `{"id":"g1","name":"Finance","revision":7}`},
		"GET /domains/d1/groups/Finance": {http.StatusNotFound, `{"message":"Group [Finance] can not be found.","http_status":404}`},
	}}
	for asked, a := range more {
		m.answers[asked] = a
	}
	return m
}

// TestWhatIsPrinted holds each form of output.
func TestWhatIsPrinted(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"a table":                         {[]string{"list", "groups", "-d", "acme"}, "NAME     DESCRIPTION  ID\nFinance  -            g1\n"},
		"names":                           {[]string{"list", "groups", "-d", "acme", "-o", "name"}, "group/Finance\n"},
		"JSON":                            {[]string{"list", "groups", "-d", "acme", "-o", "json"}, "[\n  {\n    \"id\": \"g1\",\n    \"name\": \"Finance\"\n  }\n]\n"},
		"one, by id":                      {[]string{"get", "group", "g1", "-d", "acme", "-o", "name"}, "group/Finance\n"},
		"one, by its name, as a document": {[]string{"get", "group", "Finance", "-d", "acme", "-o", "yaml"}, "kind: group\nmetadata:\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := run(t, acme(nil), nil, tt.args...); r.status != command.Done || !strings.HasPrefix(r.out, tt.want) || r.err != "" {
				t.Errorf("%d %q %q, want %q", r.status, r.out, r.err, tt.want)
			}
		})
	}
}

// TestWhatIsRefused: errors say what was wrong, where, and what to do, and end with 2.
func TestWhatIsRefused(t *testing.T) {
	problem := func(status int, message string) answer {
		text, _ := json.Marshal(map[string]any{"message": message, "http_status": status})
		return answer{status, string(text)}
	}
	const group = "kind: group\nmetadata: {domain: acme, name: Finance}\nspec: {description: x}\n"
	for name, tt := range map[string]struct {
		more map[string]answer
		file string
		args []string
		want string
	}{
		"a kind that there is not":       {nil, "", []string{"list", "gruops"}, "there is no kind \"gruops\"; `gatehousectl kinds` lists them\nDid you mean groups?"},
		"a command that there is not":    {nil, "", []string{"aply"}, `unknown command "aply"`},
		"a flag that there is not":       {nil, "", []string{"list", "groups", "--colour"}, "unknown flag: --colour"},
		"a format that there is not":     {nil, "", []string{"list", "groups", "-o", "xml"}, "-o xml is nothing that is known: table, json, yaml, name"},
		"a domain that is not said":      {nil, "", []string{"list", "groups"}, "in which domain? Say --domain"},
		"a domain that there is not":     {nil, "", []string{"list", "groups", "-d", "nobody"}, "there is no domain \"nobody\"\nSee what there is: gatehousectl list domains"},
		"a group that there is not":      {nil, "", []string{"get", "group", "Sales", "-d", "acme"}, "there is no group \"Sales\"\nSee what there is: gatehousectl list groups"},
		"a name that two have":           {map[string]answer{"GET /domains/d1/groups": {found, `{"data":[{"id":"g1","name":"Twin"},{"id":"g2","name":"Twin"}],"totalCount":2}`}}, "", []string{"get", "group", "Twin", "-d", "acme"}, "2 of kind group are called \"Twin\"; say which by its id:\n  g1  Twin\n  g2  Twin"},
		"401":                            {map[string]answer{"GET /domains/d1/groups": problem(401, "The token has ended")}, "", []string{"list", "groups", "-d", "acme"}, "The token has ended\nThe token is that of --token or GATEHOUSECTL_TOKEN: give one that is valid, or none and sign in: gatehousectl login"},
		"403":                            {map[string]answer{"GET /domains/d1/groups": problem(403, "Permission denied")}, "", []string{"list", "groups", "-d", "acme"}, "Permission denied\nYour roles do not allow this"},
		"409 of a change":                {map[string]answer{"PATCH /domains/d1/groups/g1 (dry)": problem(409, "The name is taken")}, group, []string{"apply", "-f", "file.yaml"}, "file.yaml:1: The name is taken"},
		"412 of a change":                {map[string]answer{"PATCH /domains/d1/groups/g1 (dry)": {found, `{"id":"g1","name":"Finance","description":"x"}`}, "PATCH /domains/d1/groups/g1": problem(412, "It has changed")}, group, []string{"apply", "-f", "file.yaml"}, "It has changed\nSomebody has changed it since you read it. Read it again"},
		"a deletion that nobody meant":   {nil, "", []string{"delete", "group", "Finance", "-d", "acme"}, `group "Finance" would be deleted; say --yes where nobody can be asked`},
		"YAML that is none":              {nil, "kind: group\nspec:\n  a: 'x\n", []string{"apply", "-f", "file.yaml"}, "file.yaml: yaml: line "},
		"a document without a kind":      {nil, "kind: group\nspec: {name: x}\n---\nspec: {name: y}\n", []string{"apply", "-f", "file.yaml"}, "file.yaml:4: kind is missing"},
		"a member that is no document's": {nil, "kind: group\nname: x\n", []string{"apply", "-f", "file.yaml"}, "file.yaml:1: name is not a member of a document"},
		"a kind in a file":               {nil, "kind: gruop\nspec: {}\n", []string{"apply", "-f", "file.yaml"}, "file.yaml:1: there is no kind \"gruop\""},
		"a file that there is not":       {nil, "", []string{"apply", "-f", "nothing.yaml"}, "no such file or directory"},
		"nothing to apply":               {nil, "", []string{"apply"}, "which files? Say -f FILE"},
		"an export without a key":        {nil, "", []string{"export", "-d", "acme", "-f", "x.ndjson"}, "give it with --passphrase-file or --key-file"},
		"an import of nothing":           {nil, "kind: group\n", []string{"import", "-f", "file.yaml"}, "its first line is none of an archive"},
	} {
		t.Run(name, func(t *testing.T) {
			m := acme(tt.more)
			files := map[string]string{}
			if tt.file != "" {
				files["file.yaml"] = tt.file
			}
			r := run(t, m, files, tt.args...)
			if r.status != command.Failed || !strings.HasPrefix(r.err, "gatehousectl: ") || !strings.Contains(r.err, tt.want) || r.out != "" {
				t.Errorf("%d %q %q, want %q", r.status, r.out, r.err, tt.want)
			}
		})
	}
	if r := run(t, nil, nil, "list", "domains"); r.status != command.Failed || !strings.Contains(r.err, "gatehousectl login") {
		t.Errorf("nobody is signed in: %d %q", r.status, r.err)
	}
}

// TestApplyEndsWithTheFirstThatFails and says what was done before it, which stays.
func TestApplyEndsWithTheFirstThatFails(t *testing.T) {
	m := acme(map[string]answer{
		"GET /domains/d1/groups":        {found, `{"data":[],"totalCount":0}`},
		"POST /domains/d1/groups (dry)": {found, `{"name":"Finance"}`},
		"POST /domains/d1/groups":       {http.StatusCreated, `{"id":"g1","name":"Finance"}`},
		"GET /domains/d1/roles":         {found, `{"data":[],"totalCount":0}`},
		"POST /domains/d1/roles (dry)":  {http.StatusBadRequest, `{"message":"No role","http_status":400,"errors":[{"path":"name","detail":"is too long"}]}`},
	})
	r := run(t, m, map[string]string{"all.yaml": "kind: group\nmetadata: {domain: acme}\nspec: {name: Finance}\n---\n" +
		"kind: role\nmetadata: {domain: acme}\nspec: {name: Reader}\n---\nkind: group\nmetadata: {domain: acme}\nspec: {name: Third}\n"}, "apply", "-f", "all.yaml")
	if r.status != command.Failed || r.out != "group/Finance created\n" ||
		r.err != "gatehousectl: all.yaml:5: No role\n  name: is too long\n1 of 3 documents were applied before it, and stay\n" {
		t.Errorf("%d %q %q", r.status, r.out, r.err)
	}
	if writes := m.writes(); len(writes) != 1 || writes[0] != "POST /domains/d1/groups" {
		t.Errorf("written: %v", writes)
	}
}

// TestStatuses: diff ends with 1 where something differs, and writes nothing.
func TestStatuses(t *testing.T) {
	m := acme(map[string]answer{"PATCH /domains/d1/groups/g1 (dry)": {found, `{"id":"g1","name":"Finance","description":"those who pay","revision":7}`}})
	file := map[string]string{"file.yaml": "kind: group\nmetadata: {domain: acme, name: Finance}\nspec: {description: those who pay}\n"}
	if r := run(t, m, file, "diff", "-f", "file.yaml"); r.status != command.Differs || !strings.Contains(r.out, "+description: those who pay") {
		t.Errorf("%d %q %q", r.status, r.out, r.err)
	}
	if r := run(t, m, file, "apply", "-f", "file.yaml", "--dry-run"); r.status != command.Done || r.out != "group/Finance changed (dry run)\n" {
		t.Errorf("%d %q %q", r.status, r.out, r.err)
	}
	if writes := m.writes(); writes != nil {
		t.Errorf("written: %v", writes)
	}
	if r := run(t, nil, nil, "--version"); r.status != command.Done || r.out != "gatehousectl test\n" {
		t.Errorf("%d %q", r.status, r.out)
	}
}

// making has an application and a client secret that management makes, and shows once.
func making() *management {
	const app = `{"id":"a1","name":"Payroll","type":"web","settings":{"oauth":{"clientId":"c1","clientSecret":"%s"}}}`
	return acme(map[string]answer{
		"GET /domains/d1/applications":                  {found, `{"data":[],"totalCount":0}`},
		"POST /domains/d1/applications (dry)":           {found, `{"name":"Payroll","type":"web","settings":{"oauth":{"clientId":"c1"}}}`},
		"POST /domains/d1/applications":                 {http.StatusCreated, fmt.Sprintf(app, "hush-hush")},
		"GET /domains/d1/applications/a2":               {found, `{"id":"a2","name":"Robot"}`},
		"GET /domains/d1/applications/a2/secrets":       {found, `[]`},
		"POST /domains/d1/applications/a2/secrets":      {http.StatusCreated, `{"id":"s1","name":"second","secret":"whisper"}`},
		"PATCH /domains/d1/applications/a1":             {found, fmt.Sprintf(app, "********")},
		"GET /domains/d1/registration-tokens":           {found, `{"data":[],"totalCount":0}`},
		"POST /domains/d1/registration-tokens":          {http.StatusCreated, `{"id":"t1","name":"partners","token":"murmur"}`},
		"GET /organizations":                            {found, `[{"id":"DEFAULT","name":"Default"}]`},
		"GET /organizations/DEFAULT/users":              {found, `[{"id":"u1","username":"robot"}]`},
		"GET /organizations/DEFAULT/users/u1":           {found, `{"id":"u1","username":"robot"}`},
		"GET /organizations/DEFAULT/users/u1/tokens":    {found, `[]`},
		"POST /organizations/DEFAULT/users/u1/tokens":   {http.StatusCreated, `{"tokenId":"p1","name":"nightly","token":"mumble"}`},
		"GET /organizations/DEFAULT/users/robot":        {http.StatusNotFound, `{"message":"No","http_status":404}`},
		"GET /organizations/DEFAULT/users/robot/tokens": {http.StatusNotFound, `{"message":"No","http_status":404}`},
	})
}

const once = "kind: application\nmetadata: {domain: acme}\nspec: {name: Payroll, type: web, description: Pays}\n---\n" +
	"kind: secret\nmetadata: {domain: acme, application: a2}\nspec: {name: second}\n---\n" +
	"kind: registration-token\nmetadata: {domain: acme}\nspec: {name: partners}\n---\n" +
	"kind: operator-token\nmetadata: {user: robot}\nspec: {name: nightly}\n"

// TestWhatIsShownOnceIsNotLost: the only copy of a secret is printed, or in a file of its owner.
func TestWhatIsShownOnceIsNotLost(t *testing.T) {
	file := map[string]string{"once.yaml": once}
	r := run(t, making(), file, "apply", "-f", "once.yaml")
	if want := "application/Payroll created\n  clientId: c1\n  clientSecret: hush-hush  (shown only now)\nsecret/second created\n  secret: whisper  (shown only now)\n" +
		"registration-token/partners created\n  token: murmur  (shown only now)\noperator-token/nightly created\n  token: mumble  (shown only now)\n"; r.status != command.Done || r.out != want {
		t.Errorf("a table: %d %q %q", r.status, r.out, r.err)
	}
	r = run(t, making(), file, "apply", "-f", "once.yaml", "-o", "name")
	if r.status != command.Done || r.out != "application/Payroll\nsecret/second\nregistration-token/partners\noperator-token/nightly\n" ||
		!strings.Contains(r.err, "application/Payroll has values that are shown only now:\n  clientId: c1\n  clientSecret: hush-hush") || !strings.Contains(r.err, "mumble") {
		t.Errorf("names: %d %q %q", r.status, r.out, r.err)
	}
	for _, format := range []string{"json", "yaml"} {
		r = run(t, making(), file, "apply", "-f", "once.yaml", "-o", format)
		for _, secret := range []string{"hush-hush", "whisper", "murmur", "mumble"} {
			if r.status != command.Done || strings.Count(r.out, secret) != 1 || r.err != "" {
				t.Errorf("%s lacks %s: %d %q %q", format, secret, r.status, r.out, r.err)
			}
		}
	}
	// What a document gives itself is no news.
	r = run(t, making(), map[string]string{"given.yaml": "kind: application\nmetadata: {domain: acme}\nspec: {name: Payroll, type: web, clientSecret: hush-hush}\n"}, "apply", "-f", "given.yaml")
	if r.status != command.Done || r.out != "application/Payroll created\n" {
		t.Errorf("a secret that was given: %d %q %q", r.status, r.out, r.err)
	}
}

func TestSecretsFile(t *testing.T) {
	files := map[string]string{"once.yaml": once, "there": "of before\n"}
	path := filepath.Join(t.TempDir(), "secrets")
	for _, format := range []string{"table", "name", "json", "yaml"} {
		r := run(t, making(), files, "apply", "-f", "once.yaml", "--secrets-file", path, "-o", format)
		text, err := os.ReadFile(path)
		if err != nil || r.status != command.Done || r.err != "" {
			t.Fatalf("%s: %d %q %q %v", format, r.status, r.out, r.err, err)
		}
		for i, want := range []string{
			`{"clientId":"c1","id":"a1","in":{"domain":"acme"},"kind":"application","name":"Payroll","values":{"settings.oauth.clientSecret":"hush-hush"}}`,
			`{"id":"s1","in":{"application":"a2","domain":"acme"},"kind":"secret","name":"second","values":{"secret":"whisper"}}`,
			`{"id":"t1","in":{"domain":"acme"},"kind":"registration-token","name":"partners","values":{"token":"murmur"}}`,
			`{"id":"p1","in":{"user":"robot"},"kind":"operator-token","name":"nightly","values":{"token":"mumble"}}`,
		} {
			if lines := strings.Split(string(text), "\n"); len(lines) != 5 || lines[i] != want {
				t.Errorf("%s: the file has\n%swant %s", format, text, want)
			}
		}
		for _, secret := range []string{"hush-hush", "whisper", "murmur", "mumble"} {
			if strings.Contains(r.out, secret) {
				t.Errorf("%s shows %s as well: %q", format, secret, r.out)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("others can read it: %v %v", info.Mode(), err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	// A file that is there may hold the only copy of others, and what has nowhere to go is not made.
	m := making()
	r := run(t, m, files, "apply", "-f", "once.yaml", "--secrets-file", "there")
	if r.status != command.Failed || !strings.Contains(r.err, "there is there already, and may hold secrets: name another file") || m.writes() != nil {
		t.Errorf("%d %q, written: %v", r.status, r.err, m.writes())
	}
	// Nothing is left behind where nothing was written.
	for _, args := range [][]string{{"--dry-run"}, {"-d", "nobody"}} {
		r = run(t, making(), map[string]string{"group.yaml": "kind: group\nmetadata: {name: Finance}\nspec: {}\n"},
			append([]string{"apply", "-f", "group.yaml", "-d", "acme", "--secrets-file", path}, args...)...)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: a file is left: %v; %d %q", args, err, r.status, r.err)
		}
	}
}
