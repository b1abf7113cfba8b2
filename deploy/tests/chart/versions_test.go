package chart

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	loader3 "helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	engine3 "helm.sh/helm/v3/pkg/engine"
)

// TestANewChartLeavesTheBundledDatabasesAlone: their data may be gone with their pods, so what they are made of is that of every version of
// the chart.
func TestANewChartLeavesTheBundledDatabasesAlone(t *testing.T) {
	before, err := render(t, base, bundled)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := loader3.LoadDir(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	loaded.Metadata.Version, loaded.Metadata.AppVersion = "99.0.0", "99.0.0"
	values, err := chartutil.ToRenderValues(loaded, merged(t, base, bundled), chartutil.ReleaseOptions{Name: release, Namespace: namespace, Revision: 2, IsUpgrade: true}, chartutil.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine3.Render(loaded, values)
	if err != nil {
		t.Fatal(err)
	}
	after := collect(t, files)
	if label, _ := after.find("StatefulSet/gatehouse-redis metadata.labels.helm\\sh/chart"); label != "gatehouse-99.0.0" {
		t.Errorf("the other chart is not another one: %v", label)
	}
	for _, database := range []string{"mongodb", "redis"} {
		place := "StatefulSet/gatehouse-" + database + " spec"
		was, found := before.find(place)
		is, _ := after.find(place)
		if diff := cmp.Diff(was, is); diff != "" || !found {
			t.Errorf("%s would be restarted (-before +after):\n%s", database, diff)
		}
	}
}
