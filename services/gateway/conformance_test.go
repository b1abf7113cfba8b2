package gateway_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformanceRowsHaveTests reads CONFORMANCE.md and looks for a test that is named after each row.
func TestConformanceRowsHaveTests(t *testing.T) {
	page, err := os.ReadFile("CONFORMANCE.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| ([A-Z][0-9]+) \|`).FindAllStringSubmatch(string(page), -1)
	if len(rows) < 150 {
		t.Fatalf("the page has %d rows; has its form changed?", len(rows))
	}
	named := map[string]bool{}
	for _, root := range []string{".", "../gatehouse", "../../pkg"} {
		if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range regexp.MustCompile(`(?m)^func Test([A-Z][0-9]+)[A-Z]\w*\(`).FindAllSubmatch(file, -1) {
				named[string(m[1])] = true
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var missing []string
	for _, row := range rows {
		if !named[row[1]] {
			missing = append(missing, row[1])
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d of %d rows have no test that is named after them: %s", len(missing), len(rows), strings.Join(missing, " "))
	}
}
