package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// pkg is one package as go list describes it.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// workspace lists the folders of the modules in go.work, slash-separated and without a leading "./".
func workspace(root string) ([]string, error) {
	out, err := goCommand(root, "work", "edit", "-json", filepath.Join(root, "go.work"))
	if err != nil {
		return nil, err
	}
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal(out, &work); err != nil {
		return nil, fmt.Errorf("read go.work: %w", err)
	}
	var dirs []string
	for _, use := range work.Use {
		dirs = append(dirs, path.Clean(filepath.ToSlash(use.DiskPath)))
	}
	return dirs, nil
}

// list describes every package of the module in dir. Packages that do not compile are described too: whether they do is
// another check's business.
func list(dir string) ([]pkg, error) {
	out, err := goCommand(dir, "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	if err != nil {
		return nil, err
	}
	var found []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, fmt.Errorf("read go list of %s: %w", dir, err)
		}
		found = append(found, p)
	}
}

// dependencies lists everything that is linked into the program in the folder name, which lies in one of the modules.
func dependencies(root string, modules []string, name string) ([]string, error) {
	for _, m := range modules {
		inside, ok := strings.CutPrefix(name, m+"/")
		if !ok {
			continue
		}
		out, err := goCommand(filepath.Join(root, m), "list", "-deps", "-f", "{{.ImportPath}}", "./"+inside)
		return strings.Fields(string(out)), err
	}
	return nil, errors.New("lies in no module of go.work")
}

func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "PWD="+dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s in %s: %w\n%s", args[0], dir, err, said.String())
	}
	return out, nil
}
