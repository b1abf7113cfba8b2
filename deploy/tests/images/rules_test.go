package images

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/gatehouse-am/gatehouse/deploy/tests/internal/programs"
)

var services = []string{"management", "gateway"}

func TestDockerfiles(t *testing.T) {
	for _, service := range services {
		d, err := programs.Read(service)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(service+" is built as it is released", func(t *testing.T) { building(t, d) })
		t.Run(service+" has nothing beside the program", func(t *testing.T) { final(t, d) })
		t.Run(service+" takes from the repository what it needs", func(t *testing.T) { context(t, d) })
		t.Run(service+" knows no secret", func(t *testing.T) { secrets(t, d) })
	}
}

// release is a Go release by its whole number, or anything by digest.
var release = regexp.MustCompile(`^golang:(1\.\d+\.\d+)-[a-z]+$|@sha256:[0-9a-f]{64}$`)

func building(t *testing.T, d *programs.Dockerfile) {
	if len(d.Stages) != 2 {
		t.Fatalf("%d stages", len(d.Stages))
	}
	base := ""
	for _, a := range d.Arguments {
		for _, pair := range a.Args {
			if pair.Key == "GO_IMAGE" && pair.Value != nil {
				base = *pair.Value
			}
		}
	}
	if !release.MatchString(base) || d.Stages[0].BaseName != "${GO_IMAGE}" {
		t.Errorf("the build stage is from %s (%q), which may be another one tomorrow", d.Stages[0].BaseName, base)
	}
	environment := d.Environment()
	for name, want := range map[string]string{"GOWORK": "off", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"} {
		if environment[name] != want {
			t.Errorf("%s=%q, want %q", name, environment[name], want)
		}
	}
	runs := d.Runs()
	if len(runs) != 2 {
		t.Fatalf("%d steps", len(runs))
	}
	for _, want := range []string{"-trimpath", "-buildvcs=false", `-ldflags "-s -w -buildid= -X main.version=${VERSION}"`, "-o /out/" + d.Service + " ./cmd/" + d.Service, "GOARCH=${TARGETARCH}"} {
		if !strings.Contains(runs[0], want) {
			t.Errorf("the program is built without %s", want)
		}
	}
	if !strings.Contains(runs[1], "./sbom") || !strings.Contains(runs[1], "/out/"+d.Service+".cdx.json") {
		t.Errorf("no list of what is in it: %s", runs[1])
	}
}

func final(t *testing.T, d *programs.Dockerfile) {
	last := d.Stages[len(d.Stages)-1]
	if last.BaseName != "scratch" {
		t.Errorf("is from %s", last.BaseName)
	}
	labels, has := map[string]string{}, map[string]bool{}
	for _, command := range last.Commands {
		has[strings.ToLower(command.Name())] = true
		switch c := command.(type) {
		case *instructions.RunCommand, *instructions.AddCommand, *instructions.VolumeCommand, *instructions.EnvCommand:
			t.Errorf("the image has a %s", command.Name())
		case *instructions.CopyCommand:
			if c.From != "build" {
				t.Errorf("copies %v from the context", c.SourcePaths)
			}
		case *instructions.UserCommand:
			user, group, _ := strings.Cut(c.User, ":")
			for _, id := range []string{user, group} {
				if n, err := strconv.Atoi(id); err != nil || n == 0 {
					t.Errorf("runs as %q: Kubernetes can tell only of numbers that they are not root", c.User)
				}
			}
		case *instructions.EntrypointCommand:
			if c.PrependShell || !slices.Equal(c.CmdLine, []string{"/" + d.Service}) {
				t.Errorf("begins with %v", c.CmdLine)
			}
		case *instructions.HealthCheckCommand:
			if !slices.Equal(c.Health.Test, []string{"CMD", "/" + d.Service, "ready"}) {
				t.Errorf("health: %v", c.Health.Test)
			}
		case *instructions.LabelCommand:
			for _, pair := range c.Labels {
				labels[pair.Key] = strings.Trim(pair.Value, `"`)
			}
		}
	}
	for _, name := range []string{"user", "entrypoint", "healthcheck", "expose", "label"} {
		if !has[name] {
			t.Errorf("has no %s", name)
		}
	}
	for _, name := range []string{"title", "description", "version", "source", "licenses"} {
		if labels["org.opencontainers.image."+name] == "" {
			t.Errorf("has no label %s", name)
		}
	}
	if labels["org.opencontainers.image.version"] != "${VERSION}" {
		t.Errorf("version %q", labels["org.opencontainers.image.version"])
	}
}

// context: what is copied is there and not ignored, and it is all that the module needs of its siblings.
func context(t *testing.T, d *programs.Dockerfile) {
	copied := d.Copied()
	if d.Ignore[1] != "*" {
		t.Errorf("everything else is not ignored: %v", d.Ignore)
	}
	for _, name := range copied {
		if _, err := os.Stat(filepath.Join(programs.Repository(), name)); err != nil {
			t.Error(err)
		}
		if !slices.Contains(d.Ignore, "!"+name) {
			t.Errorf("%s is copied and ignored", name)
		}
	}
	f, err := os.Open(filepath.Join(programs.Repository(), "services", d.Service, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if _, sibling, ok := strings.Cut(lines.Text(), "=> ../"); ok {
			if needed := filepath.Join("services", sibling); !slices.Contains(copied, needed) {
				t.Errorf("%s is needed and not copied", needed)
			}
		}
	}
}

func secrets(t *testing.T, d *programs.Dockerfile) {
	suspicious := regexp.MustCompile(`(?i)passw|secret|token|_key\b`)
	for _, stage := range d.Stages {
		for _, command := range stage.Commands {
			switch c := command.(type) {
			case *instructions.ArgCommand:
				for _, pair := range c.Args {
					if suspicious.MatchString(pair.Key) {
						t.Errorf("an argument is called %s, and arguments stay readable in the image", pair.Key)
					}
				}
			case *instructions.EnvCommand:
				for _, pair := range c.Env {
					if suspicious.MatchString(pair.Key) {
						t.Errorf("a variable is called %s", pair.Key)
					}
				}
			}
		}
	}
}
