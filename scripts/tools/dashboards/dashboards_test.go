package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../.."

// TestFilesAreCurrent writes everything anew.
func TestFilesAreCurrent(t *testing.T) {
	out := t.TempDir()
	if err := run(root, out, false); err != nil {
		t.Fatal(err)
	}
	for _, place := range places {
		fresh, err := os.ReadDir(filepath.Join(out, place))
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadDir(filepath.Join(root, place))
		if err != nil || len(committed) != len(fresh) {
			t.Errorf("%s has %d files, want %d (%v); run make generate", place, len(committed), len(fresh), err)
		}
		for _, file := range fresh {
			want, err := os.ReadFile(filepath.Join(out, place, file.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(root, place, file.Name()))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s/%s is not current (%v); run make generate", place, file.Name(), err)
			}
		}
	}
}

// TestWhatIsMeasuredIsShown notices a name that is wrong on either side.
func TestWhatIsMeasuredIsShown(t *testing.T) {
	metrics, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(metrics) < 20 || metrics["gatehouse_mails_sent_total"].Kind != "Counter" || metrics["gatehouse_request_duration_seconds"].Kind != "Histogram" {
		t.Fatalf("%d metrics were found: %v", len(metrics), metrics)
	}
	if err := check(metrics); err != nil {
		t.Fatal(err)
	}
	metrics["gatehouse_new_total"] = metric{Name: "gatehouse_new_total", Kind: "Counter"}
	delete(metrics, "gatehouse_config_revision")
	err = check(metrics)
	if err == nil || !strings.Contains(err.Error(), "nothing shows gatehouse_new_total") || !strings.Contains(err.Error(), "gatehouse_config_revision is shown and not measured") {
		t.Errorf("%v", err)
	}
}

// TestAlertsAreExplained: each has its place in the handbook, which says what it means and what to do, and nothing else has.
func TestAlertsAreExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, runbooks))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		sections[name] = body
	}
	for _, a := range alerts {
		body := sections[a.Name]
		if !strings.Contains(body, "**Means**") || !strings.Contains(body, "**Do**") {
			t.Errorf("the handbook does not say what %s means and what to do", a.Name)
		}
		delete(sections, a.Name)
		if strings.Count(a.Expression, "(") != strings.Count(a.Expression, ")") || !regexp.MustCompile(`^\d+[mh]$`).MatchString(a.For) {
			t.Errorf("%s: %s for %s", a.Name, a.Expression, a.For)
		}
	}
	for name := range sections {
		t.Errorf("the handbook explains %s, which is no alert", name)
	}
}
