package compose

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/gatehouse-am/gatehouse/deploy/tests/internal/programs"
)

// load reads the file as `docker compose` does.
func load(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(programs.Repository(), "deploy/compose/compose.yaml")},
		cli.WithEnv(environment), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestEverythingIsWatchedAndOrdered(t *testing.T) {
	project := load(t)
	order := map[string][]string{"management": {"mongodb"}, "gateway": {"management", "redis"}, "mongodb": nil, "redis": nil}
	if got := slices.Sorted(maps.Keys(project.Services)); !slices.Equal(got, slices.Sorted(maps.Keys(order))) {
		t.Fatalf("services %v", got)
	}
	for name, service := range project.Services {
		if service.HealthCheck == nil || len(service.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		if got := slices.Sorted(maps.Keys(service.DependsOn)); !slices.Equal(got, order[name]) {
			t.Errorf("%s waits for %v", name, got)
		}
		for other, condition := range service.DependsOn {
			if condition.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s does not wait until %s is healthy", name, other)
			}
		}
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Equal(service.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s may do more than it needs", name)
		}
		for _, p := range service.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s is open to everybody at port %s", name, p.Published)
			}
		}
	}
	for _, name := range []string{"mongodb", "redis"} {
		if len(project.Services[name].Ports) > 0 {
			t.Errorf("%s is reached from outside", name)
		}
		if tag := regexp.MustCompile(`:\d+\.\d+\.\d+$`); !tag.MatchString(project.Services[name].Image) {
			t.Errorf("%s is another one tomorrow: %s", name, project.Services[name].Image)
		}
	}
}

func TestImagesAreThoseOfTheDockerfiles(t *testing.T) {
	project := load(t, "GATEHOUSE_VERSION=v1.2.3")
	for _, name := range []string{"management", "gateway"} {
		build := project.Services[name].Build
		if project.Services[name].Image != "gatehouse-"+name+":v1.2.3" || build.Args["VERSION"] == nil || *build.Args["VERSION"] != "v1.2.3" {
			t.Errorf("%s: %s of version %v", name, project.Services[name].Image, build.Args)
		}
		if same, err := filepath.Rel(programs.Repository(), build.Context); err != nil || same != "." {
			t.Errorf("%s is built in %s", name, build.Context)
		}
		if _, err := os.Stat(filepath.Join(build.Context, build.Dockerfile)); err != nil {
			t.Error(err)
		}
	}
}

// TestSecretsAreFiles: every secret is a file of the script's, given to those alone who read it, and no setting holds one.
func TestSecretsAreFiles(t *testing.T) {
	made := t.TempDir()
	programs.Secrets(t, made)
	project := load(t)
	for name, secret := range project.Secrets {
		file := filepath.Join(made, strings.TrimPrefix(secret.File, filepath.Join(programs.Repository(), "deploy/compose/secrets")))
		if _, err := os.Stat(file); err != nil {
			t.Errorf("secret %s: %v", name, err)
		}
	}
	used := map[string]bool{}
	for name, service := range project.Services {
		given := map[string]bool{}
		for _, s := range service.Secrets {
			given[s.Source], used[s.Source] = true, true
		}
		text := strings.Join(append(slices.Concat(service.Command, service.Entrypoint), service.HealthCheck.Test...), " ")
		for variable, value := range service.Environment {
			text += " " + *value
			if regexp.MustCompile(`PASSWORD$|_KEY$|_URI$|REDIS_URL$`).MatchString(variable) {
				t.Errorf("%s: %s is no file", name, variable)
			}
		}
		for _, m := range regexp.MustCompile(`/run/secrets/([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			if !given[m[1]] {
				t.Errorf("%s reads the secret %s and is not given it", name, m[1])
			}
		}
		for secret := range given {
			if !strings.Contains(text, "/run/secrets/"+secret) {
				t.Errorf("%s is given the secret %s and does not read it", name, secret)
			}
		}
	}
	for name := range project.Secrets {
		if !used[name] {
			t.Errorf("nobody is given the secret %s", name)
		}
	}
}

// TestSecretsScript: what is there stays, and what is missing is added.
func TestSecretsScript(t *testing.T) {
	dir := t.TempDir()
	programs.Secrets(t, dir)
	before, err := os.ReadFile(filepath.Join(dir, "sealing.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "operator-password")); err != nil {
		t.Fatal(err)
	}
	programs.Secrets(t, dir)
	after, err := os.ReadFile(filepath.Join(dir, "sealing.key"))
	if err != nil || string(before) != string(after) {
		t.Errorf("the sealing key is another one: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "operator-password")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the folder: %v", err)
	}
	for role, usage := range map[string]string{"management": "sslserver", "gateway": "sslclient"} {
		verify := exec.CommandContext(t.Context(), "openssl", "verify", "-purpose", usage, "-CAfile", "plane/ca.crt", "plane/"+role+".crt") //nolint:gosec // fixed words
		verify.Dir = dir
		if text, err := verify.CombinedOutput(); err != nil {
			t.Errorf("certificate of %s: %v\n%s", role, err, text)
		}
	}
}
