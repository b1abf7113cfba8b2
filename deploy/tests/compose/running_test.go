package compose

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/deploy/tests/internal/programs"
)

// TestTheProgramsRunAsTheFileSays starts management and the gateway, built as for their images, with the variables and
// secrets of the compose file, and asks them what their health checks ask.
func TestTheProgramsRunAsTheFileSays(t *testing.T) {
	project := load(t)
	root := t.TempDir()
	secrets := filepath.Join(root, "secrets")
	programs.Secrets(t, secrets)
	programs.Replace(t, filepath.Join(secrets, "mongodb-uri"), programs.Backing(t, "GATEHOUSE_TEST_MONGODB_URI"))
	programs.Replace(t, filepath.Join(secrets, "redis-url"), programs.Backing(t, "GATEHOUSE_TEST_REDIS_URL"))

	plane := programs.FreeAddress(t)
	fixed := map[string]map[string]string{
		"management": {
			"GATEHOUSE_MONGODB_DATABASE": "compose_" + filepath.Base(root), "GATEHOUSE_MANAGEMENT_GRPC_ADDRESS": plane,
			"GATEHOUSE_MANAGEMENT_ADDRESS": programs.FreeAddress(t), "GATEHOUSE_TECHNICAL_ADDRESS": programs.FreeAddress(t),
		},
		"gateway": {
			"GATEHOUSE_MANAGEMENT_GRPC_ADDRESS": plane, "GATEHOUSE_GATEWAY_ADDRESS": programs.FreeAddress(t), "GATEHOUSE_TECHNICAL_ADDRESS": programs.FreeAddress(t),
		},
	}
	for _, name := range []string{"management", "gateway"} {
		out, err := programs.Build(t.Context(), name, "v1.2.3", filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		service := project.Services[name]
		environment := map[string]string{}
		for variable, value := range service.Environment {
			environment[variable] = *value
			if secret, isSecret := strings.CutPrefix(*value, "/run/secrets/"); isSecret {
				below, err := filepath.Rel(filepath.Join(programs.Repository(), "deploy/compose/secrets"), project.Secrets[secret].File)
				if err != nil {
					t.Fatal(err)
				}
				environment[variable] = filepath.Join(secrets, below)
			}
		}
		for variable, value := range fixed[name] {
			environment[variable] = value
		}
		running := programs.Start(t, filepath.Join(out, name), environment)
		running.Await("")
	}
}
