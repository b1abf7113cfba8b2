//go:build !unix

package backing

import "os"

// lockFile opens the file. On this system nothing keeps a second process from the directory.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
