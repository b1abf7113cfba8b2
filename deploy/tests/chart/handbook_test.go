package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestARestoreStopsAndStartsWhatWrites: the page on backups stops every deployment that has the database, waits for the pods of each, and
// starts each again.
func TestARestoreStopsAndStartsWhatWrites(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "../../handbook/backup.md"))
	if err != nil {
		t.Fatal(err)
	}
	waited := regexp.MustCompile(`wait --for=delete pod -l '?([^'\n]+?)'? --timeout`).FindSubmatch(text)
	if waited == nil {
		t.Fatal("nothing is waited for")
	}
	selector, err := labels.Parse(string(waited[1]))
	if err != nil {
		t.Fatal(err)
	}
	scaled := map[string]map[string]bool{"0": {}, "more": {}}
	for _, line := range regexp.MustCompile(`scale (.*) --replicas=(\d+)`).FindAllSubmatch(text, -1) {
		to := "more"
		if string(line[2]) == "0" {
			to = "0"
		}
		for _, name := range regexp.MustCompile(`deployment/(\S+)`).FindAllSubmatch(line[1], -1) {
			scaled[to][string(name[1])] = true
		}
	}
	made, err := render(t, base, "management: {directory: {enabled: true}}")
	if err != nil {
		t.Fatal(err)
	}
	for id, o := range made.objects {
		d, is := strict(t, id, o).(*appsv1.Deployment)
		if !is {
			continue
		}
		_, writes := made.find(id + " spec.template.spec.containers[0].env[name=GATEHOUSE_MONGODB_URI_FILE]")
		if stopped, waited, started := scaled["0"][d.Name], selector.Matches(labels.Set(d.Spec.Template.Labels)), scaled["more"][d.Name]; stopped != writes || waited != writes || started != writes {
			t.Errorf("%s writes: %t; is stopped: %t, waited for: %t, started: %t", d.Name, writes, stopped, waited, started)
		}
	}
}
