package proc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// modules say where the programs' sources are, below the repository.
var modules = map[string]string{
	"management": "services/management",
	"gateway":    "services/gateway",
	"gatehouse":  "services/gatehouse",
	"backing":    "services/gatehouse",

	"gatehousectl": "services/gatehousectl",
}

var builds struct {
	dir  string
	mu   sync.Mutex // guards once
	once map[string]func() (string, error)
}

// Main runs the tests of a package and removes the programs that were built for them.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gatehouse-programs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left in a temporary folder harms nobody
	builds.dir, builds.once = dir, map[string]func() (string, error){}
	return m.Run()
}

// Scratch returns a folder that lasts until the tests of the package have ended.
func Scratch(t testing.TB) string {
	t.Helper()
	if builds.dir == "" {
		t.Fatal("the test package has no TestMain that calls proc.Main")
	}
	return builds.dir
}

// Program returns the path of a program: management, gateway, gatehouse, gatehousectl or backing. The first call builds it, alone as
// it is released.
func Program(t testing.TB, name string) string {
	t.Helper()
	Scratch(t)
	builds.mu.Lock()
	build := builds.once[name]
	if build == nil {
		build = sync.OnceValues(func() (string, error) { return compile(name) })
		builds.once[name] = build
	}
	builds.mu.Unlock()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func compile(name string) (string, error) {
	module, ok := modules[name]
	if !ok {
		return "", fmt.Errorf("there is no program %q", name)
	}
	// `make test` builds every program once and says where; a test that is run by itself builds what it needs.
	if dir := os.Getenv("GATEHOUSE_TEST_PROGRAMS"); dir != "" {
		return filepath.Join(dir, name), nil
	}
	path := filepath.Join(builds.dir, name)
	c := exec.Command("go", "build", "-o", path, "./cmd/"+name)
	c.Dir = filepath.Join(Repository(), module)
	c.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if output, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, output)
	}
	return path, nil
}

// Repository is the top folder of the source tree.
func Repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "..")
}
