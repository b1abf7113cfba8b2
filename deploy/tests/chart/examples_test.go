package chart

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExamples: what people copy is accepted as it is.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(chartDir, "../examples/*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d examples", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			made, err := render(t, string(text))
			if err != nil {
				t.Fatal(err)
			}
			valid(t, made)
		})
	}
}
