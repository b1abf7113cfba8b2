package gatehouse

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
)

// dataDir is what the development binary keeps between starts:
//
//	lock, mongodb/, mongodb.sock   the embedded database, see package backing
//	sealing-key                    seals secrets in the database
//	plane/                         authority and certificates of the plane between management and the gateway
//	demo.json                      the demonstration's credentials
//	mails/                         e-mails that would have been sent
//	.gitignore                     keeps all of it out of every repository
type dataDir struct {
	path                string
	sealingKey          string
	management, gateway serve.TLSFiles
}

// openDataDir makes what is missing. Only the owner can read it.
func openDataDir(path string) (d dataDir, err error) {
	if d.path, err = filepath.Abs(path); err != nil {
		return d, err
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return d, fmt.Errorf("data directory: %w", err)
	}
	if err := writeOnce(filepath.Join(d.path, ".gitignore"), "*\n"); err != nil {
		return d, fmt.Errorf("data directory: %w", err)
	}
	d.sealingKey = filepath.Join(d.path, "sealing-key")
	if err := secret.GenerateSealingKeyFile(d.sealingKey); err != nil && !errors.Is(err, fs.ErrExist) {
		return d, err
	}
	d.management, d.gateway, err = serve.DevelopmentAuthority(filepath.Join(d.path, "plane"))
	return d, err
}

func (d dataDir) mails() string { return filepath.Join(d.path, "mails") }

func (d dataDir) demoFile() string { return filepath.Join(d.path, "demo.json") }

func writeOnce(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
