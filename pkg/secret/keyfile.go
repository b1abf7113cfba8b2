package secret

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxKeyFile is the largest sealing key file in bytes: some hundred keys with comments.
const maxKeyFile = 64 << 10

// LoadSealingKeys reads a sealing key file and returns a Sealer over its keys. The file has one key a line, 32 bytes
// in base64, newest first; empty lines and lines beginning with # are skipped. The content never appears in an error.
func LoadSealingKeys(path string) (*Sealer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("sealing key file: %w", err)
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("sealing key file %s is larger than %d bytes", path, maxKeyFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("sealing key file: %w", err)
	}
	keys, err := parseSealingKeys(data)
	if err != nil {
		return nil, fmt.Errorf("sealing key file %s: %w", path, err)
	}
	s, err := NewSealer(keys...)
	if err != nil {
		return nil, fmt.Errorf("sealing key file %s: %w", path, err)
	}
	return s, nil
}

func parseSealingKeys(data []byte) ([][]byte, error) {
	var keys [][]byte
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is not base64", n)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return keys, nil
}

// GenerateSealingKeyFile writes a new file with one fresh key, readable by its owner alone (mode 0600). The file
// appears complete or not at all. If there is one already, it is left as it is and the error is fs.ErrExist.
func GenerateSealingKeyFile(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".sealing-key-*") // CreateTemp makes it 0600
	if err != nil {
		return fmt.Errorf("sealing key file: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(NewKey()) + "\n")
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("sealing key file: %w", err)
	}
	// Unlike a rename, a link fails if the name is taken, so two processes cannot replace each other's key.
	if err := os.Link(tmp.Name(), path); err != nil {
		return fmt.Errorf("sealing key file: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new directory entry survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sealing key file: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sealing key file: %w", err)
	}
	return nil
}
