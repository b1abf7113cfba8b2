package serve

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestDevelopmentAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	management, gateway, err := DevelopmentAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	address, _ := echo(t, reloader(t, management, ReloaderOptions{}).ServerTLS(RoleGateway))
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := say(t, address, reloader(t, gateway, ReloaderOptions{}).ClientTLS(name, RoleManagement)); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if _, err := say(t, address, reloader(t, management, ReloaderOptions{}).ClientTLS("", RoleManagement)); err == nil {
		t.Error("management's certificate serves as a gateway's")
	}

	for name, want := range map[string]os.FileMode{
		"": 0o700, "authority.pem": 0o600, "management.pem": 0o600, "gateway.pem": 0o600, "ca.pem": 0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %q = %o, want %o", name, got, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("files = %v, %v", entries, err)
	}
}

func TestDevelopmentAuthorityOverTime(t *testing.T) {
	dir := t.TempDir()
	start := time.Now()
	read := func() map[string][]byte {
		files := map[string][]byte{}
		for _, name := range []string{"authority.pem", "ca.pem", "management.pem", "gateway.pem"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = text
		}
		return files
	}
	at := func(after time.Duration) map[string][]byte {
		if _, _, err := developmentAuthority(dir, start.Add(after)); err != nil {
			t.Fatal(err)
		}
		return read()
	}
	const day = 24 * time.Hour
	steps := []struct {
		name    string
		after   time.Duration
		before  func()
		changed []string
	}{
		{name: "at first everything is made", changed: []string{"authority.pem", "ca.pem", "management.pem", "gateway.pem"}},
		{name: "the next day everything is used again", after: day},
		{name: "in the last month of a certificate it is renewed", after: 370 * day, changed: []string{"management.pem", "gateway.pem"}},
		{
			name: "a damaged certificate is replaced", after: 371 * day, changed: []string{"gateway.pem"},
			before: func() { put(t, filepath.Join(dir, "gateway.pem"), []byte("rubbish")) },
		},
		{
			name: "in the last month of the authority all is made anew", after: devAuthorityLife - 10*day,
			changed: []string{"authority.pem", "ca.pem", "management.pem", "gateway.pem"},
		},
	}
	var last map[string][]byte
	for _, step := range steps {
		if step.before != nil {
			step.before()
		}
		files := at(step.after)
		changed := map[string]bool{}
		for _, name := range step.changed {
			changed[name] = true
		}
		for name := range files {
			if got := !bytes.Equal(files[name], last[name]); got != changed[name] {
				t.Errorf("%s: %s changed: %v", step.name, name, got)
			}
		}
		last = files
	}

	if err := os.Chmod(filepath.Join(dir, "authority.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	at(devAuthorityLife - 10*day)
	if info, err := os.Stat(filepath.Join(dir, "authority.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("an opened key file stays open: %v, %v", info.Mode(), err)
	}

	put(t, filepath.Join(dir, "authority.pem"), []byte("rubbish"))
	if _, _, err := developmentAuthority(dir, start); err == nil {
		t.Error("an authority that cannot be read is replaced in silence")
	}
}

func TestDevelopmentAuthorityMadeTwiceAtOnce(t *testing.T) {
	dir := t.TempDir()
	var starts sync.WaitGroup
	for range 8 {
		starts.Go(func() {
			if _, _, err := DevelopmentAuthority(dir); err != nil {
				t.Error(err)
			}
		})
	}
	starts.Wait()
	management, gateway, err := DevelopmentAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	address, _ := echo(t, reloader(t, management, ReloaderOptions{}).ServerTLS(RoleGateway))
	if _, err := say(t, address, reloader(t, gateway, ReloaderOptions{}).ClientTLS("localhost", RoleManagement)); err != nil {
		t.Error(err)
	}
}
