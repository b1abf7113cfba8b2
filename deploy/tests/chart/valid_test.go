package chart

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// kinds are all that the chart makes. A Secret is not among them, and a ConfigMap is a dashboard: the chart holds no secret,
// and settings are in the pods' own description, so that a change of one is a rollout.
var kinds = map[string]func() any{
	"v1 Pod":                                        func() any { return new(corev1.Pod) },
	"v1 ConfigMap":                                  func() any { return new(corev1.ConfigMap) },
	"v1 Service":                                    func() any { return new(corev1.Service) },
	"v1 ServiceAccount":                             func() any { return new(corev1.ServiceAccount) },
	"apps/v1 Deployment":                            func() any { return new(appsv1.Deployment) },
	"apps/v1 StatefulSet":                           func() any { return new(appsv1.StatefulSet) },
	"autoscaling/v2 HorizontalPodAutoscaler":        func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
	"policy/v1 PodDisruptionBudget":                 func() any { return new(policyv1.PodDisruptionBudget) },
	"networking.k8s.io/v1 NetworkPolicy":            func() any { return new(networkingv1.NetworkPolicy) },
	"networking.k8s.io/v1 Ingress":                  func() any { return new(networkingv1.Ingress) },
	"gateway.networking.k8s.io/v1 HTTPRoute":        func() any { return new(gatewayv1.HTTPRoute) },
	"gateway.networking.k8s.io/v1 BackendTLSPolicy": func() any { return new(gatewayv1.BackendTLSPolicy) },
	"cert-manager.io/v1 Certificate":                func() any { return new(certmanagerv1.Certificate) },
	"cert-manager.io/v1 Issuer":                     func() any { return new(certmanagerv1.Issuer) },
	"monitoring.coreos.com/v1 ServiceMonitor":       func() any { return new(monitoringv1.ServiceMonitor) },
	"monitoring.coreos.com/v1 PrometheusRule":       func() any { return new(monitoringv1.PrometheusRule) },
}

// valid is what holds for everything that the chart renders, whatever the values.
func valid(t *testing.T, made rendered) {
	t.Helper()
	pods := map[string]podOf{}
	for id, o := range made.objects {
		typed := strict(t, id, o)
		if typed == nil {
			continue
		}
		metadata := typed.(metav1.Object)
		if metadata.GetNamespace() != namespace {
			t.Errorf("%s: namespace %q", id, metadata.GetNamespace())
		}
		if metadata.GetLabels()["app.kubernetes.io/instance"] != release {
			t.Errorf("%s: labels %v", id, metadata.GetLabels())
		}
		if pod, runs := podIn(typed); runs {
			pods[id] = pod
		}
	}
	for id, pod := range pods {
		restricted(t, id, pod)
		wired(t, id, pod)
	}
	for id, o := range made.objects {
		selects(t, id, strict(t, id, o), pods)
	}
}

// strict reads an object as its kind, where an unknown member is an error.
func strict(t *testing.T, id string, o object) any {
	t.Helper()
	version, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	build, known := kinds[version+" "+kind]
	if !known {
		t.Errorf("%s: %s %s is none of the chart's kinds", id, version, kind)
		return nil
	}
	text, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	typed := build()
	if err := yaml.UnmarshalStrict(text, typed); err != nil {
		t.Errorf("%s: %v", id, err)
		return nil
	}
	return typed
}

// podOf is the description of pods with the labels they get.
type podOf struct {
	meta metav1.ObjectMeta
	spec corev1.PodSpec
}

func podIn(typed any) (podOf, bool) {
	switch o := typed.(type) {
	case *corev1.Pod:
		return podOf{o.ObjectMeta, o.Spec}, true
	case *appsv1.Deployment:
		return podOf{o.Spec.Template.ObjectMeta, o.Spec.Template.Spec}, true
	case *appsv1.StatefulSet:
		return podOf{o.Spec.Template.ObjectMeta, o.Spec.Template.Spec}, true
	}
	return podOf{}, false
}

var evaluator = func() policy.Evaluator {
	e, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(err)
	}
	return e
}()

// restricted asks the code that enforces PodSecurity, and for two things beyond it.
func restricted(t *testing.T, id string, pod podOf) {
	t.Helper()
	results := evaluator.EvaluatePod(psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}, &pod.meta, &pod.spec)
	if r := policy.AggregateCheckResults(results); !r.Allowed {
		t.Errorf("%s: not PodSecurity restricted: %s", id, r.ForbiddenDetail())
	}
	if pod.spec.AutomountServiceAccountToken == nil || *pod.spec.AutomountServiceAccountToken {
		t.Errorf("%s: has a token for Kubernetes", id)
	}
	if pod.spec.EnableServiceLinks == nil || *pod.spec.EnableServiceLinks {
		t.Errorf("%s: services become variables", id)
	}
	for _, c := range pod.spec.Containers {
		if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Errorf("%s: %s may write to its root", id, c.Name)
		}
	}
}

// wired checks that volumes, mounts, files in variables and ports fit together.
func wired(t *testing.T, id string, pod podOf) {
	t.Helper()
	volumes := map[string]corev1.Volume{}
	for _, v := range pod.spec.Volumes {
		volumes[v.Name] = v
	}
	for _, c := range pod.spec.Containers {
		mounts := map[string]string{}
		for _, m := range c.VolumeMounts {
			if _, there := volumes[m.Name]; !there && !claimed(m.Name, pod) {
				t.Errorf("%s: %s is mounted and not there", id, m.Name)
			}
			if m.SubPath != "" {
				t.Errorf("%s: %s is mounted by subPath: a renewed file would not arrive", id, m.Name)
			}
			mounts[m.MountPath] = m.Name
		}
		seen := map[string]bool{}
		for _, e := range c.Env {
			if seen[e.Name] {
				t.Errorf("%s: %s is given twice", id, e.Name)
			}
			seen[e.Name] = true
			if !strings.HasSuffix(e.Name, "_FILE") {
				continue
			}
			volume, there := volumes[mounts[filepath.Dir(e.Value)]]
			if !there {
				t.Errorf("%s: %s=%s is on no volume", id, e.Name, e.Value)
			}
			if volume.Projected != nil && !projects(volume.Projected, filepath.Base(e.Value)) {
				t.Errorf("%s: %s=%s is in none of the secrets", id, e.Name, e.Value)
			}
		}
		ports := map[string]bool{}
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
		for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
			if probe != nil && probe.HTTPGet != nil && !ports[probe.HTTPGet.Port.StrVal] {
				t.Errorf("%s: the %s probe asks a port that is not there", id, name)
			}
		}
	}
}

// claimed reports whether a mount is of a StatefulSet's own claim.
func claimed(name string, pod podOf) bool {
	component := pod.meta.Labels["app.kubernetes.io/component"]
	return name == "data" && (component == "mongodb" || component == "redis")
}

func projects(volume *corev1.ProjectedVolumeSource, file string) bool {
	return slices.ContainsFunc(volume.Sources, func(s corev1.VolumeProjection) bool {
		return s.Secret != nil && slices.ContainsFunc(s.Secret.Items, func(i corev1.KeyToPath) bool { return i.Path == file })
	})
}

// selects checks that what selects pods finds exactly one workload's.
func selects(t *testing.T, id string, typed any, pods map[string]podOf) {
	t.Helper()
	var selector map[string]string
	ports := map[string]bool{}
	switch o := typed.(type) {
	case *corev1.Service:
		selector = o.Spec.Selector
		for _, p := range o.Spec.Ports {
			ports[p.TargetPort.StrVal] = true
		}
	case *policyv1.PodDisruptionBudget:
		selector = o.Spec.Selector.MatchLabels
	case *networkingv1.NetworkPolicy:
		selector = o.Spec.PodSelector.MatchLabels
	case *appsv1.Deployment:
		selector = o.Spec.Selector.MatchLabels
	case *appsv1.StatefulSet:
		selector = o.Spec.Selector.MatchLabels
	default:
		return
	}
	var found []string
	for name, pod := range pods {
		if labels.SelectorFromSet(selector).Matches(labels.Set(pod.meta.Labels)) {
			found = append(found, name)
			for _, p := range pod.spec.Containers[0].Ports {
				delete(ports, p.Name)
			}
		}
	}
	if len(found) != 1 {
		t.Errorf("%s selects the pods of %v", id, found)
	}
	if len(ports) > 0 {
		t.Errorf("%s leads to ports that are not there: %v", id, slices.Collect(maps.Keys(ports)))
	}
}

// flags are the settings that a service has, as variables, read from its source.
func flags(t *testing.T, service string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../../../services", service, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal("no source of ", service)
	}
	shared, err := filepath.Glob("../../../pkg/tracing/*.go") // settings of both
	if err != nil || len(shared) == 0 {
		t.Fatal("no source of the settings of traces")
	}
	files = append(files, shared...)
	found := map[string]bool{}
	tag := regexp.MustCompile("(config\\.(?:URL|Secret))? +`flag:\"([a-z0-9][a-z0-9-]*)\"")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tag.FindAllStringSubmatch(string(text), -1) {
			name := "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(m[2], "-", "_"))
			found[name] = true
			if m[1] != "" {
				found[name+"_FILE"] = true
			}
		}
	}
	return found
}
