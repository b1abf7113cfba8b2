package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/things"
)

// secretsFile takes what management shows only once: a line of JSON for each resource. It is made before anything else is, so that
// nothing is made whose secret has nowhere to go, and nobody else can read it.
type secretsFile struct {
	path  string
	file  *os.File
	wrote bool
}

// openSecrets makes the file; without a path there is none. A file that is there may hold secrets of before, and stays.
func openSecrets(path string) (*secretsFile, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the user names it
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("--secrets-file: %s is there already, and may hold secrets: name another file, or move it away", path)
	case err != nil:
		return nil, fmt.Errorf("--secrets-file: %w", err)
	}
	return &secretsFile{path: path, file: file}, nil
}

// write adds the values of a resource, which are on the disk then.
func (s *secretsFile) write(p *things.Plan, answer things.Object, values []things.Value) error {
	line := map[string]any{"kind": p.Kind.One, "name": p.Name, "in": p.Document.In}
	if id := things.ID(answer); id != "" {
		line["id"] = id
	}
	secrets := map[string]string{}
	for _, v := range values {
		secrets[v.Path] = v.Text
		if id := v.Beside(answer, "clientId"); id != "" {
			line["clientId"] = id
		}
	}
	line["values"] = secrets
	encoder := json.NewEncoder(s.file)
	encoder.SetEscapeHTML(false)
	s.wrote = true
	return errors.Join(encoder.Encode(line), s.file.Sync())
}

// close ends the file; one in which nothing was written goes.
func (s *secretsFile) close() error {
	if s == nil {
		return nil
	}
	err := s.file.Close()
	if !s.wrote {
		err = errors.Join(err, os.Remove(s.path))
	}
	return err
}
