package alerts

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	loader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-am/gatehouse/deploy/tests/internal/programs"
)

// ofTheOperator are the labels that the Prometheus operator gives to a target of a ServiceMonitor, before the monitor's own relabelings.
func ofTheOperator(component string) labels.Labels {
	return labels.FromStrings("namespace", "access", "job", component, "instance", component+"-0", "pod", component+"-0",
		"container", component, "service", "gatehouse-"+component+"-technical", "endpoint", "technical")
}

// relabelings are those of the chart's ServiceMonitors, by component.
var relabelings = sync.OnceValues(func() (map[string][]*relabel.Config, error) {
	chart, err := loader.LoadDir(filepath.Join(programs.Repository(), "deploy/helm/gatehouse"))
	if err != nil {
		return nil, err
	}
	given := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(`
publicUrl: https://login.example.com
plane: {existingSecrets: {management: plane-management, gateway: plane-gateway}}
mongodb: {existingSecret: {name: database}}
redis: {existingSecret: {name: store}}
management: {sealingKey: {existingSecret: {name: sealing}}, directory: {enabled: true}}
metrics: {serviceMonitor: {enabled: true}}
`), &given); err != nil {
		return nil, err
	}
	values, err := util.ToRenderValues(chart, given, common.ReleaseOptions{Name: "gatehouse", Namespace: "access", Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, values)
	if err != nil {
		return nil, err
	}
	found := map[string][]*relabel.Config{}
	for document := range strings.SplitSeq(files["gatehouse/templates/monitors.yaml"], "\n---") {
		var monitor monitoringv1.ServiceMonitor
		if err := yaml.UnmarshalStrict([]byte(document), &monitor); err != nil {
			return nil, err
		}
		if len(monitor.Spec.Endpoints) == 0 {
			continue
		}
		list := []*relabel.Config{}
		for _, c := range monitor.Spec.Endpoints[0].RelabelConfigs {
			if len(c.SourceLabels) > 0 || c.TargetLabel != "" || c.Replacement != nil {
				return nil, fmt.Errorf("%s: a relabeling of more than action and regex: %+v", monitor.Name, c)
			}
			made := relabel.DefaultRelabelConfig
			made.Action, made.Regex, made.NameValidationScheme = relabel.Action(strings.ToLower(c.Action)), relabel.MustNewRegexp(c.Regex), model.UTF8Validation
			list = append(list, &made)
		}
		found[strings.TrimPrefix(monitor.Name, "gatehouse-")] = list
	}
	return found, nil
})

// target are the labels of a target of the operator after the relabelings of the chart.
func target(component string) labels.Labels {
	all, err := relabelings()
	if err != nil {
		panic(err)
	}
	kept := labels.NewBuilder(ofTheOperator(component))
	relabel.ProcessBuilder(kept, all[component]...)
	return kept.Labels()
}

// instance names a series of one of two instances of a component in a namespace, as it is stored: where a target has a label that the
// series has of itself, the target's wins, and the series' own goes on as exported_….
func instance(name, component, number, own string) string {
	var all []string
	target(component).Range(func(l labels.Label) {
		switch l.Name {
		case "instance", "pod":
			l.Value = component + "-" + number
		}
		if strings.HasPrefix(own, l.Name+"=") || strings.Contains(own, ","+l.Name+"=") {
			own = strings.Replace(","+own, ","+l.Name+"=", ",exported_"+l.Name+"=", 1)[1:]
		}
		all = append(all, fmt.Sprintf("%s=%q", l.Name, l.Value))
	})
	if own != "" {
		all = append(all, own)
	}
	return name + "{" + strings.Join(all, ",") + "}"
}

// TestTheOperatorLeavesOurLabelsAlone: no metric has a label that a target of the operator has as well.
func TestTheOperatorLeavesOurLabelsAlone(t *testing.T) {
	all, err := relabelings()
	if err != nil || len(all) != 3 {
		t.Fatalf("%d service monitors (%v), want those of management, directory and gateway", len(all), err)
	}
	for component := range all {
		of := target(component)
		for name, own := range declared(t) {
			for _, label := range own {
				if of.Has(label) {
					t.Errorf("%s: the label %s of %s is overwritten by the target's, %q", component, label, name, of.Get(label))
				}
			}
		}
		for _, label := range append(slices.Clone(ofTheScrape), "pod", "container") {
			if !of.Has(label) {
				t.Errorf("%s: targets lose %s", component, label)
			}
		}
	}
}

// TestEndpointsAreToldApart under the operator: a panel of endpoints has a line for each.
func TestEndpointsAreToldApart(t *testing.T) {
	w := load(t, healthy())
	for _, q := range panels(t) {
		if q.panel != "Time to answer by endpoint" {
			continue
		}
		var got []string
		for _, line := range w.ask(t, q.expression, 100) {
			got = append(got, line.Metric.Get("endpoint"))
		}
		slices.Sort(got)
		if want := []string{"/oauth/authorize", "/oauth/token"}; !slices.Equal(got, want) {
			t.Errorf("%s has lines for %v, want %v", q.panel, got, want)
		}
		return
	}
	t.Error("there is no panel of endpoints")
}
