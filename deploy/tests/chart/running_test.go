package chart

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gatehouse-am/gatehouse/deploy/tests/internal/programs"
)

// TestTheProgramsRunAsTheChartSays starts management and a gateway, built as for their images, with exactly the variables and files
// that the chart gives them, and stops them again.
func TestTheProgramsRunAsTheChartSays(t *testing.T) {
	made, err := render(t, base, `
publicUrl: http://login.example.com
trustedProxies: [10.0.0.0/8]
management: {operator: {existingSecret: {name: operator}}, drainDelay: 1s}
gateway: {technical: {existingSecret: {name: technical}}, snapshot: {existingSecret: {name: technical}}, drainDelay: 2s}
`)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	secrets := filepath.Join(root, "made")
	programs.Secrets(t, secrets)
	programs.Replace(t, filepath.Join(secrets, "mongodb-uri"), programs.Backing(t, "GATEHOUSE_TEST_MONGODB_URI"))
	programs.Replace(t, filepath.Join(secrets, "redis-url"), programs.Backing(t, "GATEHOUSE_TEST_REDIS_URL"))

	addresses := map[string]string{} // of the cluster → of this machine
	running := map[string]*programs.Program{}
	for _, service := range []string{"management", "gateway"} {
		out, err := programs.Build(t.Context(), service, "v1.2.3", filepath.Join(root, service))
		if err != nil {
			t.Fatal(err)
		}
		deployment := strict(t, service, made.objects["Deployment/gatehouse-"+service]).(*appsv1.Deployment)
		environment := place(t, filepath.Join(root, service, "etc"), secrets, service, deployment.Spec.Template.Spec)
		for name, value := range environment {
			port, isOwn := strings.CutPrefix(value, ":")
			if !isOwn {
				continue
			}
			environment[name] = programs.FreeAddress(t)
			addresses[service+":"+port] = environment[name]
		}
		if service == "gateway" {
			if want := "gatehouse-management-plane.access.svc:18094"; environment["GATEHOUSE_MANAGEMENT_GRPC_ADDRESS"] != want {
				t.Errorf("the gateway asks for management at %s", environment["GATEHOUSE_MANAGEMENT_GRPC_ADDRESS"])
			}
			environment["GATEHOUSE_MANAGEMENT_GRPC_ADDRESS"] = addresses["management:18094"]
			environment["GATEHOUSE_NODE_NAME"] = "gateway-0" // the cluster fills it in
		} else {
			environment["GATEHOUSE_MONGODB_DATABASE"] = "chart_" + filepath.Base(root)
		}
		running[service] = programs.Start(t, filepath.Join(out, service), environment)
		running[service].Await("")
	}

	if got := get(t, "http://"+addresses["management:8093"]+"/"); got != http.StatusOK {
		t.Errorf("the console answers %d", got)
	}
	if got := get(t, "http://"+addresses["gateway:18092"]+"/metrics"); got != http.StatusOK {
		t.Errorf("the gateway's metrics answer %d", got)
	}

	// What it serves is kept where the chart says.
	if _, err := os.Stat(filepath.Join(root, "gateway", "etc", "var", "lib", "gatehouse", "snapshot", "configuration.snapshot")); err != nil {
		t.Error(err)
	}

	// Not ready, but still serving; then gone, in order.
	running["gateway"].Terminate()
	running["gateway"].Await("it is stopping")
	if got := get(t, "http://"+addresses["gateway:8092"]+"/"); got == 0 || got >= http.StatusInternalServerError {
		t.Errorf("a gateway that drains answers %d", got)
	}
	log := running["gateway"].Ended()
	running["management"].Terminate()
	log += running["management"].Ended()

	for _, name := range []string{"operator-password", "technical-password", "sealing.key"} {
		text, err := os.ReadFile(filepath.Join(secrets, name))
		if err != nil {
			t.Fatal(err)
		}
		if secret := strings.TrimSpace(string(text)); strings.Contains(log, secret) {
			t.Errorf("the logs tell %s", name)
		}
	}
}

// place puts the files of a pod's volumes below dir, as Kubernetes puts them below /, and returns the variables with
// paths there.
func place(t *testing.T, dir, secrets, service string, pod corev1.PodSpec) map[string]string {
	t.Helper()
	container := pod.Containers[0]
	mounts := map[string]string{}
	for _, m := range container.VolumeMounts {
		mounts[m.Name] = filepath.Join(dir, m.MountPath)
	}
	take := func(from, to string) {
		text, err := os.ReadFile(filepath.Join(secrets, from))
		if err != nil {
			t.Fatal(err)
		}
		programs.Replace(t, to, string(text))
	}
	for _, v := range pod.Volumes {
		switch {
		case v.Name == "plane":
			take("plane/"+service+".crt", filepath.Join(mounts["plane"], "tls.crt"))
			take("plane/"+service+".key", filepath.Join(mounts["plane"], "tls.key"))
			take("plane/ca.crt", filepath.Join(mounts["plane"], "ca.crt"))
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				for _, item := range s.Secret.Items {
					take(item.Path, filepath.Join(mounts[v.Name], item.Path))
				}
			}
		}
	}
	environment := map[string]string{}
	for _, e := range container.Env {
		environment[e.Name] = e.Value
		if strings.HasPrefix(e.Value, "/etc/gatehouse/") || strings.HasPrefix(e.Value, "/var/lib/gatehouse/") {
			environment[e.Name] = filepath.Join(dir, e.Value)
		}
	}
	return environment
}

func get(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
