package images

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/deploy/tests/internal/programs"
)

// fresh, in the environment, makes the second build compile everything anew: minutes instead of seconds.
const fresh = "GATEHOUSE_TEST_FRESH_BUILD"

// TestBuildIsReproducible runs the steps of the Dockerfiles at two places and compares what comes out, bit by bit.
func TestBuildIsReproducible(t *testing.T) {
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			first, second := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere", "deeper")
			if os.Getenv(fresh) != "" {
				if err := os.MkdirAll(filepath.Join(second, "cache"), 0o755); err != nil { //nolint:gosec // a cache
					t.Fatal(err)
				}
			}
			a, err := programs.Build(t.Context(), service, "v1.2.3", first)
			if err != nil {
				t.Fatal(err)
			}
			b, err := programs.Build(t.Context(), service, "v1.2.3", second)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{service, service + ".cdx.json"} {
				if !bytes.Equal(read(t, a, name), read(t, b, name)) {
					t.Errorf("%s differs between two builds", name)
				}
			}
			program := read(t, a, service)
			for _, place := range []string{first, programs.Repository()} {
				if bytes.Contains(program, []byte(place)) {
					t.Errorf("the program tells where it was built: %s", place)
				}
			}
			if bytes.Contains(program, []byte("ld-linux")) {
				t.Error("the program is not static")
			}
			if !bytes.Contains(program, []byte("v1.2.3")) {
				t.Error("the program does not know its version")
			}
			listed(t, a, service)
		})
	}
}

// listed compares the list of components with what the linker says.
func listed(t *testing.T, out, service string) {
	t.Helper()
	info, err := buildinfo.ReadFile(filepath.Join(out, service))
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		BOMFormat, SpecVersion string
		Components             []struct{ PURL string }
	}
	if err := json.Unmarshal(read(t, out, service+".cdx.json"), &document); err != nil {
		t.Fatal(err)
	}
	if document.BOMFormat != "CycloneDX" || document.SpecVersion != "1.6" {
		t.Errorf("%s %s", document.BOMFormat, document.SpecVersion)
	}
	if got, want := len(document.Components), len(info.Deps)+1; got != want {
		t.Errorf("%d components, want %d modules and Go's library", got, want)
	}
	all := map[string]bool{}
	for _, c := range document.Components {
		all[c.PURL] = true
	}
	for _, m := range info.Deps {
		version := m.Version
		if m.Replace != nil {
			version = "v1.2.3" // of this repository
		}
		if name := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(version, "+", "%2B"); !all[name] {
			t.Errorf("%s is not listed", name)
		}
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
