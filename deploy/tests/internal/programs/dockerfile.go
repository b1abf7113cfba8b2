package programs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Repository is the folder of the repository.
func Repository() string {
	_, file, _, _ := runtime.Caller(0)
	if filepath.IsAbs(file) {
		return filepath.Join(filepath.Dir(file), "../../../..")
	}
	// Built with -trimpath the program does not know where its source was; tests run in their package's folder.
	dir, err := os.Getwd()
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "go.work")); missing == nil {
			return dir
		}
	}
	panic("not in the repository")
}

// Dockerfile is one image's build.
type Dockerfile struct {
	Service string
	Stages  []instructions.Stage
	// Arguments are those before the first stage.
	Arguments []instructions.ArgCommand
	// Ignore are the lines of the file beside it that says what stays out of the context.
	Ignore []string
}

// Read parses the Dockerfile of a service with the parser of its builder.
func Read(service string) (*Dockerfile, error) {
	path := filepath.Join(Repository(), "deploy/docker", service+".Dockerfile")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	parsed, err := parser.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, w := range parsed.Warnings {
		return nil, fmt.Errorf("%s: %s", path, w.Short)
	}
	stages, arguments, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	ignore, err := os.ReadFile(path + ".dockerignore")
	if err != nil {
		return nil, err
	}
	return &Dockerfile{service, stages, arguments, strings.Split(strings.TrimSpace(string(ignore)), "\n")}, nil
}

// Copied lists what the first stage takes from the repository.
func (d *Dockerfile) Copied() []string {
	var all []string
	for _, command := range d.Stages[0].Commands {
		if c, ok := command.(*instructions.CopyCommand); ok && c.From == "" {
			all = append(all, c.SourcePaths...)
		}
	}
	return all
}

// Environment is what ENV sets in the first stage.
func (d *Dockerfile) Environment() map[string]string {
	all := map[string]string{}
	for _, command := range d.Stages[0].Commands {
		if e, ok := command.(*instructions.EnvCommand); ok {
			for _, pair := range e.Env {
				all[pair.Key] = pair.Value
			}
		}
	}
	return all
}

// Runs are the commands of the first stage.
func (d *Dockerfile) Runs() []string {
	var all []string
	for _, command := range d.Stages[0].Commands {
		if r, ok := command.(*instructions.RunCommand); ok {
			all = append(all, strings.Join(r.CmdLine, " "))
		}
	}
	return all
}
