package contexts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/contexts"
)

// TestNobodyIsLost: 32 commands sign in at the same moment, and each finds its context afterwards.
func TestNobodyIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deeper", "contexts.yaml")
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			err := contexts.Change(path, func(f *contexts.File) error {
				f.Put(contexts.Context{Name: fmt.Sprint("c", i), Server: "https://example.com", Token: "secret"})
				f.Current = fmt.Sprint("c", i)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	f, err := contexts.Open(path)
	if err != nil || len(f.Contexts) != 32 {
		t.Fatalf("%d contexts, %v", len(f.Contexts), err)
	}
	for i := range 32 {
		if c, err := f.Get(fmt.Sprint("c", i)); err != nil || c.Token != "secret" {
			t.Errorf("%d: %v", i, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"one that others can read":        {"contexts: []", 0o640, "chmod 600"},
		"one that others can write":       {"contexts: []", 0o602, "chmod 600"},
		"one that is no YAML":             {"token: [sesame", 0o600, "sign in again"},
		"one with members nobody knows":   {"contexts: []\ntoken: sesame", 0o600, "sign in again"},
		"one whose members are of a type": {"contexts: sesame", 0o600, "sign in again"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "contexts.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := contexts.Open(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestNoContext(t *testing.T) {
	f, err := contexts.Open(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(""); err == nil || !strings.Contains(err.Error(), "gatehousectl login") {
		t.Errorf("%v", err)
	}
	f.Put(contexts.Context{Name: "a"})
	if _, err := f.Get("b"); err == nil || !strings.Contains(err.Error(), "there are: a") {
		t.Errorf("%v", err)
	}
}
