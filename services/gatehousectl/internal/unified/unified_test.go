package unified_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/unified"
)

func TestDiff(t *testing.T) {
	for name, tt := range map[string]struct{ old, fresh, want string }{
		"nothing differs":      {"a\n", "a\n", ""},
		"everything is new":    {"", "a\nb\n", "--- o\n+++ n\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"everything goes":      {"a\n", "", "--- o\n+++ n\n@@ -1,1 +0,0 @@\n-a\n"},
		"a line in the middle": {"a\nb\nc\n", "a\nx\nc\n", "--- o\n+++ n\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
		"far lines are left out": {
			"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n7\n8\nx\n",
			"--- o\n+++ n\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+x\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, unified.Diff("o", "n", tt.old, tt.fresh)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAnotherProgramUnderstandsIt applies differences of random texts with patch, and gets the new text.
func TestAnotherProgramUnderstandsIt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	for i := range 40 {
		before, after := lines(random), lines(random)
		if before == after {
			continue
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "text")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), "patch", "--force", path)
		c.Stdin = strings.NewReader(unified.Diff("text", "text", before, after))
		if output, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%d: %v\n%s", i, err, output)
		}
		got, err := os.ReadFile(path)
		if err != nil && after != "" {
			t.Fatal(err)
		}
		if diff := cmp.Diff(after, string(got)); diff != "" {
			t.Fatalf("%d: %s", i, diff)
		}
	}
}

func lines(random *rand.Rand) string {
	var b strings.Builder
	for range random.IntN(40) {
		fmt.Fprintln(&b, random.IntN(6))
	}
	return b.String()
}
