package programs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Build runs the steps of a service's Dockerfile in a copy of what it copies, below dir, and returns the folder of its
// results, which the image calls /out. The container is missing, so Go is the one that is installed here, and its cache
// is shared unless dir has a folder "cache".
func Build(ctx context.Context, service, version, dir string) (string, error) {
	d, err := Read(service)
	if err != nil {
		return "", err
	}
	unlock, err := alone()
	if err != nil {
		return "", err
	}
	defer unlock()
	source, out := filepath.Join(dir, "source"), filepath.Join(dir, "out")
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // as in the image
		return "", err
	}
	for _, name := range d.Copied() {
		if err := os.CopyFS(filepath.Join(source, name), os.DirFS(filepath.Join(Repository(), name))); err != nil {
			return "", err
		}
	}
	environment := d.Environment()
	environment["VERSION"] = version
	if cache := filepath.Join(dir, "cache"); exists(cache) {
		environment["GOCACHE"] = cache
	}
	for _, line := range d.Runs() {
		step := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(line, "/out/", out+"/")) //nolint:gosec // our own Dockerfile
		step.Dir = source
		// As in a container: nothing of how this process was started decides about the result.
		for _, name := range []string{"PATH", "HOME", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "TMPDIR"} {
			if value, set := os.LookupEnv(name); set {
				step.Env = append(step.Env, name+"="+value)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(environment)) {
			step.Env = append(step.Env, name+"="+environment[name])
		}
		if text, err := step.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", line, err, text)
		}
	}
	return out, nil
}

// alone lets one process build at a time, so that what the tests of two packages compile is compiled once.
func alone() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "gatehouse-builds.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil { //nolint:gosec // a descriptor is small
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
