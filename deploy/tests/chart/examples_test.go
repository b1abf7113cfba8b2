package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExamples: what people copy is accepted as it is.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(chartDir, "../examples/*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d examples", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			made, err := render(t, string(text))
			if err != nil {
				t.Fatal(err)
			}
			valid(t, made)
		})
	}
}

// TestTheReadmeBuildsWhatTheExamplesAskFor: the images of deploy/README.md, under the registry that it names, are those that the pods of
// the examples have.
func TestTheReadmeBuildsWhatTheExamplesAskFor(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "../../README.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	built := regexp.MustCompile(`docker build .* -t (\S+)/gatehouse-\$service:(\S+) \.`).FindStringSubmatch(readme)
	if built == nil || !strings.Contains(readme, "docker push "+built[1]+"/gatehouse-$service:"+built[2]) {
		t.Fatal("the README builds no images, or pushes others")
	}
	installed := regexp.MustCompile(`(?s)helm upgrade --install .* -f deploy/helm/examples/trial\.yaml(.*?)\n(?:helm|` + "```" + `)`).FindStringSubmatch(readme)
	if installed == nil {
		t.Fatal("the README installs nothing")
	}
	trial := "image: {"
	for _, set := range regexp.MustCompile(`--set image\.(\w+)=(\S+)`).FindAllStringSubmatch(installed[1], -1) {
		trial += set[1] + ": " + set[2] + ", "
	}
	for file, more := range map[string]string{"trial.yaml": trial + "}", "production.yaml": "{}"} {
		values, err := os.ReadFile(filepath.Join(chartDir, "../examples", file))
		if err != nil {
			t.Fatal(err)
		}
		made, err := render(t, string(values), more)
		if err != nil {
			t.Fatal(err)
		}
		for _, service := range []string{"management", "gateway"} {
			want := built[1] + "/gatehouse-" + service + ":" + built[2]
			if got, _ := made.find("Deployment/gatehouse-" + service + " spec.template.spec.containers[0].image"); got != want {
				t.Errorf("%s asks for %v; the README builds %s", file, got, want)
			}
		}
	}
}
