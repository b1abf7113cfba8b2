// Package contexts keeps with whom the command speaks, and as whom, in a file that nobody else can read.
package contexts

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// mode is that of the file: tokens are in it.
const mode = 0o600

// Context is a management and a token for it.
type Context struct {
	Name      string    `yaml:"name"`
	Server    string    `yaml:"server"`
	User      string    `yaml:"user,omitempty"`
	Token     string    `yaml:"token,omitempty"`
	Expires   time.Time `yaml:"expires,omitempty"`
	CAFile    string    `yaml:"caFile,omitempty"`
	PlainHTTP bool      `yaml:"plainHttp,omitempty"`
	Domain    string    `yaml:"domain,omitempty"`
}

// File is what is kept.
type File struct {
	Current  string    `yaml:"current,omitempty"`
	Contexts []Context `yaml:"contexts"`

	path string
}

// Path is where the file lies: what the environment says, or the user's folder for configuration.
func Path(configured string) (string, error) {
	if configured != "" {
		return configured, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no place for the contexts: %w; name a file with GATEHOUSECTL_CONFIG", err)
	}
	return filepath.Join(dir, "gatehousectl", "contexts.yaml"), nil
}

// Open reads the file. One that is not there is empty.
func Open(path string) (*File, error) {
	f := &File{path: path}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	if shared(runtime.GOOS, info.Mode()) {
		return nil, fmt.Errorf("%s can be read or written by others (%s), and tokens are in it\nIf nobody else has had them: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the user's own file
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		// The parser's own text may quote what it read.
		return nil, fmt.Errorf("%s is not what this command writes\nMove it away and sign in again", path)
	}
	return f, nil
}

// shared reports whether others can read or write a file. On Windows its mode does not say: there it is made up, 0666 for every file, and who
// may read one follows from its folder.
func shared(system string, mode fs.FileMode) bool {
	return system != "windows" && mode.Perm()&0o077 != 0
}

// Get returns the context with a name; "" means the current one.
func (f *File) Get(name string) (Context, error) {
	wanted := cmp.Or(name, f.Current)
	if wanted == "" {
		return Context{}, errors.New("you are not signed in\nSign in: gatehousectl login <URL>, or say --server and --token")
	}
	for _, c := range f.Contexts {
		if c.Name == wanted {
			return c, nil
		}
	}
	var names []string
	for _, c := range f.Contexts {
		names = append(names, c.Name)
	}
	return Context{}, fmt.Errorf("there is no context %q; there are: %s", wanted, cmp.Or(strings.Join(names, ", "), "none"))
}

// Change reads the file anew, lets it be changed, and writes it. Two commands do so one after the other.
func Change(path string, change func(*File) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	f, err := Open(path)
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	return f.write()
}

// Put adds a context, or replaces the one with its name.
func (f *File) Put(c Context) {
	f.Remove(c.Name)
	f.Contexts = append(f.Contexts, c)
	slices.SortFunc(f.Contexts, func(a, b Context) int { return strings.Compare(a.Name, b.Name) })
}

// Remove takes a context out, and reports whether there was one.
func (f *File) Remove(name string) bool {
	before := len(f.Contexts)
	f.Contexts = slices.DeleteFunc(f.Contexts, func(c Context) bool { return c.Name == name })
	return len(f.Contexts) < before
}

// write puts the whole file in the place of the old one.
func (f *File) write() error {
	text, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(f.path), ".contexts-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(fresh.Name()) }() // gone already where all went well
	if err := fresh.Chmod(mode); err != nil {
		return errors.Join(err, fresh.Close())
	}
	if _, err := fresh.Write(text); err != nil {
		return errors.Join(err, fresh.Close())
	}
	if err := errors.Join(fresh.Sync(), fresh.Close()); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), f.path)
}
