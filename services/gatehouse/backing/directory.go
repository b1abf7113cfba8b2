package backing

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// maxSocketPath is the longest path of a Unix socket that every system takes, in bytes: macOS has room for 104 with the
// terminating zero, Linux for 108.
const maxSocketPath = 103

// directory is where one database server keeps its files:
//
//	lock           held while a process uses the directory
//	mongodb/       one SQLite file per database
//	mongodb.sock   the server's socket, unless the path is too long for one
type directory struct {
	path      string
	temporary []string // removed at the end
	lock      *os.File
}

// openDirectory creates the directory where needed and claims it for this process.
func openDirectory(path string) (*directory, error) {
	d := &directory{path: path}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *directory) open() (err error) {
	if d.path == "" {
		if d.path, err = d.temp(""); err != nil {
			return err
		}
	}
	if d.path, err = filepath.Abs(d.path); err != nil {
		return err
	}
	if strings.ContainsAny(d.path, "?#%") {
		return fmt.Errorf("data directory %q: SQLite cannot use a path with ?, # or %%", d.path)
	}
	if err = os.MkdirAll(d.databases(), 0o700); err != nil {
		return err
	}
	if d.lock, err = lockFile(filepath.Join(d.path, "lock")); err != nil {
		return fmt.Errorf("data directory %s: %w", d.path, err)
	}
	return nil
}

func (d *directory) temp(parent string) (string, error) {
	path, err := os.MkdirTemp(parent, "gatehouse-")
	if err != nil {
		return "", err
	}
	d.temporary = append(d.temporary, path)
	return path, nil
}

func (d *directory) databases() string {
	return filepath.Join(d.path, "mongodb")
}

// sqliteURL names the databases to FerretDB. With synchronous(normal) a write that was acknowledged survives the end of
// the process at any moment; the last ones before a power failure may be lost, without damage to the rest.
func (d *directory) sqliteURL() string {
	u := url.URL{
		Scheme:   "file",
		Path:     filepath.ToSlash(d.databases()) + "/",
		RawQuery: url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(wal)", "synchronous(normal)"}}.Encode(),
	}
	return u.String()
}

// socket returns a path on which the server can listen, and has tried it: ferretdb.New does not close its databases when
// it cannot, and their finalizers would bring the process down later.
func (d *directory) socket() (string, error) {
	path := filepath.Join(d.path, "mongodb.sock")
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		if len(path) <= maxSocketPath {
			break
		}
		short, err := d.temp(parent)
		if err != nil {
			return "", err
		}
		path = filepath.Join(short, "mongodb.sock")
	}
	// A process that was killed leaves its socket behind; the lock says that nobody uses it.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return "", err
	}
	return path, l.Close()
}

// close gives the directory free and removes what was temporary.
func (d *directory) close() error {
	var errs []error
	for _, path := range d.temporary {
		errs = append(errs, os.RemoveAll(path))
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}
