package document_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/document"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", "kind: group\nmetadata: {domain: acme, name: Finance, revision: 7}\nspec:\n  name: Finance\n  since: 2024-01-31\n  n: 0x10\n  none:\n---\n---\n{\"kind\": \"role\", \"spec\": {}}\n")
	write(t, dir, "deeper/b.json", `{"kind":"scope","metadata":{"domain":"acme","id":"x"},"spec":{"list":[1.5,true,"y"]}}`)
	write(t, dir, ".hidden/c.yaml", "nothing of ours")
	write(t, dir, "notes.txt", "nothing of ours")
	got, err := document.Read([]string{dir, "-"}, strings.NewReader("kind: user\nmetadata:\n  user: 12\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []document.Document{
		{
			Source: filepath.Join(dir, "a.yaml") + ":1", Kind: "group", In: map[string]string{"domain": "acme"}, Name: "Finance", Revision: 7,
			Spec: map[string]any{"name": "Finance", "since": "2024-01-31", "n": json.Number("16"), "none": nil},
		},
		{Source: filepath.Join(dir, "a.yaml") + ":10", Kind: "role", In: map[string]string{}, Spec: map[string]any{}},
		{
			Source: filepath.Join(dir, "deeper", "b.json") + ":1", Kind: "scope", In: map[string]string{"domain": "acme"}, ID: "x",
			Spec: map[string]any{"list": []any{json.Number("1.5"), true, "y"}},
		},
		{Source: "standard input:1", Kind: "user", In: map[string]string{"user": "12"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":                      {"", "no document"},
		"a text":                       {"hello", "standard input:1: a document has the members"},
		"no kind":                      {"\n\nspec: {}", "standard input:3: kind is missing"},
		"another member":               {"kind: group\nname: x", "name is not a member of a document"},
		"metadata that is a list":      {"kind: group\nmetadata: []", "metadata is an object"},
		"metadata nobody knows":        {"kind: group\nmetadata: {realm: x}", "metadata.realm is nothing that is known"},
		"a revision that is no number": {"kind: group\nmetadata: {revision: x}", "metadata.revision is a number"},
		"a revision below 1":           {"kind: group\nmetadata: {revision: 0}", "a number from 1"},
		"a spec that is a list":        {"kind: group\nspec: []", "spec an object"},
		"a member twice":               {"kind: group\nspec:\n  a: 1\n  a: 2", "4: a is there twice"},
		"an alias":                     {"kind: group\nspec:\n  a: &x [1]\n  b: *x", "4: aliases"},
		"a merge":                      {"kind: group\nspec:\n  <<: {a: 1}", "a member's name is a text"},
		"an infinite number":           {"kind: group\nspec: {a: .inf}", "no number of JSON"},
		"a number that does not fit":   {"kind: group\nspec: {a: 99999999999999999999}", "no number"},
		"a key that is an object":      {"kind: group\nspec:\n  ? {a: 1}\n  : 2", "a member's name is a text"},
		"broken YAML":                  {"kind: [", "standard input: yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := document.Read([]string{"-"}, strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestWhatIsWrittenIsReadAgain as it was.
func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	d := document.Document{
		Kind: "group", In: map[string]string{"domain": "acme"}, Name: "yes", ID: "12", Revision: 3,
		Spec: map[string]any{
			"a": "true", "b": "12", "c": "null", "d": "2024-01-31", "e": "multi\nline: x\n", "f": json.Number("1700000000000"), "g": json.Number("0.5"),
			"h": []any{}, "i": map[string]any{}, "j": nil, "k": "#", "l": " x", "m": true, "n": "~", "o": "=", "p": "0o7", "q": "1e3", "r": "<<",
		},
	}
	text := document.YAML(d.Tree())
	got, err := document.Read([]string{"-"}, strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	d.Source = "standard input:1"
	if diff := cmp.Diff([]document.Document{d}, got); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	if !strings.HasPrefix(text, "kind: group\nmetadata:\n") {
		t.Error(text)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("kind: group\nmetadata: {domain: acme}\nspec: {a: [1, 2.5, x]}\n---\nkind: role\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := document.Read([]string{"-"}, strings.NewReader(text))
		if err != nil {
			return
		}
		for _, d := range all {
			written := document.YAML(d.Tree())
			again, err := document.Read([]string{"-"}, strings.NewReader(written))
			if err != nil || len(again) != 1 {
				t.Fatalf("%v\n%q\n%q", err, text, written)
			}
			again[0].Source = d.Source
			if diff := cmp.Diff(d, again[0]); diff != "" {
				t.Fatalf("%s\n%q", diff, written)
			}
		}
	})
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
