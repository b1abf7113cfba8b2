package kinds_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds/openapi"
)

const documentPath = "../../../../proto/openapi/management.yaml"

func document(t *testing.T) *openapi.Document {
	t.Helper()
	text, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	var d openapi.Document
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// TestEveryCollectionIsAKind: what the API has many of can be handled by the command, or the table says why not.
func TestEveryCollectionIsAKind(t *testing.T) {
	var listed []string
	for _, k := range kinds.All {
		listed = append(listed, k.Path)
	}
	all := document(t).Collections()
	if len(all) < 35 {
		t.Fatalf("only %d collections are found in the document", len(all))
	}
	for _, path := range all {
		_, elsewhere := kinds.Elsewhere[path]
		if kind := slices.Contains(listed, path); kind == elsewhere {
			t.Errorf("%s: is a kind: %t, is elsewhere: %t; give it a row in list.go and run make generate", path, kind, elsewhere)
		}
	}
	for path := range kinds.Elsewhere {
		if !slices.Contains(all, path) {
			t.Errorf("%s is not in the document", path)
		}
	}
}

// TestOperationsAreThoseOfTheDocument writes the operations anew.
func TestOperationsAreThoseOfTheDocument(t *testing.T) {
	out := filepath.Join(t.TempDir(), "kinds.gen.go")
	c := exec.CommandContext(t.Context(), "go", "run", "./generate", documentPath, out)
	c.Env = append(os.Environ(), "GOWORK=off")
	if output, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("kinds.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("kinds.gen.go is not current (-document +file), run make generate:\n%s", diff)
	}
}

func TestKindsAreToldApart(t *testing.T) {
	names := map[string]string{}
	for _, k := range kinds.All {
		for _, name := range append([]string{k.Name, k.One}, k.Aliases...) {
			if other := names[name]; other != "" {
				t.Errorf("%q is a name of %s and %s", name, other, k.Path)
			}
			names[name] = k.Path
			if found, err := kinds.Find(strings.ToUpper(name)); err != nil || found != k {
				t.Errorf("Find(%s): %v %v", name, found, err)
			}
		}
		if k.About == "" || k.List == nil && k.Read == nil {
			t.Errorf("%s is not described, or can not be read", k.Name)
		}
		for _, parent := range k.Parents() {
			if kinds.At(k.Path, parent) == nil {
				t.Errorf("%s: nothing is known of %s", k.Path, parent)
			}
		}
		for _, kind := range k.References {
			if _, err := kinds.Find(kind); err != nil {
				t.Errorf("%s: %v", k.Path, err)
			}
		}
	}
	if _, err := kinds.Find("applicatoins"); err == nil || !strings.Contains(err.Error(), "applications") {
		t.Errorf("a misspelt kind: %v", err)
	}
}

// TestWhatIsShownOnce: members that only the answer to a creation has are known to the table, or nobody would ever see them.
func TestWhatIsShownOnce(t *testing.T) {
	d := document(t)
	for _, k := range kinds.All {
		if k.Create == nil {
			continue
		}
		for name, member := range d.Resolve(d.Paths[k.Path].Post.Answer()).Properties {
			once := strings.Contains(member.Description, "only in the answer to the request that made it")
			if known := slices.Contains(k.Shown, name); once != known {
				t.Errorf("%s.%s: %q; known: %t", k.One, name, member.Description, known)
			}
		}
		for _, path := range k.Shown {
			s := d.Paths[k.Path].Post.Answer()
			for name := range strings.SplitSeq(path, ".") {
				s = d.Resolve(s).Properties[name]
			}
			if d.Resolve(s).Type != "string" {
				t.Errorf("%s has no text at %s", k.One, path)
			}
		}
	}
}

// TestNearestNames: whoever mistypes a kind is told the one that was meant.
func TestNearestNames(t *testing.T) {
	for typed, want := range map[string]string{
		"gruop":       `there is no kind "gruop"; ` + "`gatehousectl kinds` lists them\nDid you mean group?",
		"aplications": "Did you mean applications?",
		"identitys":   "Did you mean identity?",
		"CERTIFICAT":  "Did you mean certificate?",
		"xyz":         "`gatehousectl kinds` lists them",
		"":            "`gatehousectl kinds` lists them",
	} {
		_, err := kinds.Find(typed)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v; want %q", typed, err, want)
		}
	}
	for _, k := range kinds.All {
		for _, name := range append([]string{k.Name, k.One, strings.ToUpper(k.One)}, k.Aliases...) {
			if got, err := kinds.Find(name); err != nil || got != k {
				t.Errorf("%s: %v %v", name, got, err)
			}
		}
	}
}
