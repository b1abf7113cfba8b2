package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// least are values that every version of the chart takes.
const least = `
publicUrl: https://login.example.com
plane: {existingSecrets: {management: plane-management, gateway: plane-gateway}}
mongodb: {existingSecret: {name: database}}
redis: {existingSecret: {name: store}}
management: {sealingKey: {existingSecret: {name: sealing}}}
`

// everything switches on what the examples leave off.
const everything = least + `
metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboards: {enabled: true}}
traces: {url: 'http://collector:4318', existingSecret: {name: collector}}
commonLabels: {team: access}
commonAnnotations: {owner: access}
trustedAuthorities: {existingSecret: company}
trustedProxies: [10.0.0.0/8]
gateway:
  autoscaling: {enabled: true, targetMemoryUtilizationPercentage: 80, behavior: {scaleUp: {policies: [{type: Percent, value: 100, periodSeconds: 15}]}}}
  tls: {certManager: {enabled: true, issuerRef: {name: public, kind: ClusterIssuer}}}
  clientCertificates: {url: 'https://mtls.example.com', authorities: {existingConfigMap: clients}}
  outbound: {allow: [idp.internal], authorities: {existingConfigMap: company}}
  ingress: {enabled: true, className: nginx, tls: [{hosts: [login.example.com], secretName: login}]}
  service: {type: LoadBalancer, externalTrafficPolicy: Local}
  extraEnv: [{name: GOTRACEBACK, value: all}, {name: ZONE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
  extraVolumes: [{name: more, emptyDir: {}}]
  extraVolumeMounts: [{name: more, mountPath: /more}]
  tolerations: [{key: dedicated, operator: Exists}]
  affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: other}}}}]}}
  podDisruptionBudget: {maxUnavailable: 25%}
`

// adds comes over everything where it is not already in it as a whole.
const adds = `
management:
  directory: {enabled: true}
  tls: {certManager: {enabled: true, issuerRef: {name: public, kind: ClusterIssuer}}}
  ingress: {enabled: true, hosts: [admin.example.com]}
  planeService: {type: LoadBalancer}
mongodb: {bundled: {enabled: true, storage: {size: 8Gi, storageClassName: fast}}}
redis: {password: {existingSecret: {name: store}}, clientCertificate: {existingSecret: store}, bundled: {enabled: true, storage: {size: 1Gi}}}
`

// helmClient is one Helm against the cluster.
type helmClient struct {
	program, config, chart string
	cluster                *cluster
}

// run runs Helm. What it says on its standard error must not be a warning of the server.
func (h helmClient) run(ctx context.Context, args ...string) (string, error) {
	var out, said bytes.Buffer
	command := exec.CommandContext(ctx, h.program, args...) //nolint:gosec // told by the caller
	home := filepath.Dir(h.config)
	command.Env = append(os.Environ(), "KUBECONFIG="+h.config, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, &said)
	}
	for _, bad := range []string{"would violate", "unknown field", "deprecated", "duplicate name"} {
		if strings.Contains(said.String(), bad) {
			return "", fmt.Errorf("helm %s: warned:\n%s", strings.Join(args, " "), &said)
		}
	}
	return out.String(), nil
}

func (h helmClient) version(ctx context.Context) (string, error) {
	text, err := h.run(ctx, "version", "--template", "{{.Version}}")
	return strings.TrimSpace(text), err
}

// check is everything with one Helm, in namespaces whose names begin with prefix.
func (h helmClient) check(ctx context.Context, prefix string, o options) error {
	files, err := filepath.Glob(filepath.Join(o.examples, "*.yaml"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, errors.New("no examples"))
	}
	dir := filepath.Dir(h.config)
	minimal, all, more := filepath.Join(dir, "least.yaml"), filepath.Join(dir, "everything.yaml"), filepath.Join(dir, "adds.yaml")
	if err := errors.Join(os.WriteFile(minimal, []byte(least), 0o600), os.WriteFile(all, []byte(everything), 0o600), os.WriteFile(more, []byte(adds), 0o600)); err != nil {
		return err
	}
	sets := map[string][]string{"least": {"-f", minimal}, "everything": {"-f", all, "-f", more}}
	for _, file := range files {
		sets[strings.TrimSuffix(filepath.Base(file), ".yaml")] = []string{"-f", file}
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		values := sets[name]
		namespace := prefix + "-" + name
		if err := h.install(ctx, namespace, h.chart, values); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := h.run(ctx, append([]string{"upgrade", "gatehouse", h.chart, "-n", namespace}, values...)...); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := h.run(ctx, "uninstall", "gatehouse", "-n", namespace); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		say(" ", name, "rendered, tried, installed, upgraded, uninstalled")
	}
	if err := h.scaled(ctx, prefix+"-scaled", minimal); err != nil {
		return err
	}
	return h.upgrade(ctx, prefix+"-previous", o.previous, minimal)
}

// namespace makes one in which only restricted pods may be.
func (c *cluster) namespace(ctx context.Context, name string) error {
	restricted := object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": name, "labels": object{
		"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted",
	}}}
	// A controller makes this one in every namespace; there is none here.
	account := object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": "default", "namespace": name}}
	return errors.Join(c.apply(ctx, restricted, false), c.apply(ctx, account, false))
}

// install tries every object, installs, and asks for the pods.
func (h helmClient) install(ctx context.Context, namespace, chart string, values []string) error {
	if err := h.cluster.namespace(ctx, namespace); err != nil {
		return err
	}
	version, err := h.cluster.version(ctx)
	if err != nil {
		return err
	}
	text, err := h.run(ctx, append([]string{"template", "gatehouse", chart, "-n", namespace, "--skip-tests", "--kube-version", version}, values...)...)
	if err != nil {
		return err
	}
	objects, err := split(text)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := h.cluster.apply(ctx, o, true); err != nil {
			return fmt.Errorf("dry run: %w", err)
		}
	}
	if _, err := h.run(ctx, append([]string{"install", "gatehouse", chart, "-n", namespace}, values...)...); err != nil {
		return err
	}
	for _, o := range objects {
		if kind := o["kind"]; kind != "Deployment" && kind != "StatefulSet" {
			continue
		}
		if err := h.cluster.pods(ctx, namespace, o); err != nil {
			return err
		}
	}
	return nil
}

// pods asks for a pod as the controller of a workload would, and for one that breaks the namespace's rule.
func (c *cluster) pods(ctx context.Context, namespace string, workload object) error {
	spec, _ := workload["spec"].(object)
	template, _ := spec["template"].(object)
	metadata, _ := template["metadata"].(object)
	name := workload["metadata"].(object)["name"].(string)
	pod := object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": name + "-0", "namespace": namespace, "labels": metadata["labels"]}, "spec": template["spec"]}
	if claims, _ := spec["volumeClaimTemplates"].([]any); len(claims) > 0 {
		// The controller of a StatefulSet adds the volume of its claim.
		podSpec := template["spec"].(object)
		volumes, _ := podSpec["volumes"].([]any)
		podSpec["volumes"] = append(volumes, object{"name": "data", "persistentVolumeClaim": object{"claimName": "data-" + name + "-0"}})
	}
	path := "/api/v1/namespaces/" + namespace + "/pods?dryRun=All&fieldValidation=Strict"
	if _, err := c.ask(ctx, http.MethodPost, path, "application/json", pod); err != nil {
		return fmt.Errorf("pod of %s: %w", name, err)
	}
	pod["spec"].(object)["hostNetwork"] = true
	_, err := c.ask(ctx, http.MethodPost, path, "application/json", pod)
	delete(pod["spec"].(object), "hostNetwork")
	var no *refused
	if !errors.As(err, &no) || no.status != http.StatusForbidden || !strings.Contains(no.message, "PodSecurity") {
		return fmt.Errorf("a pod in the host's network is not refused: %w", err)
	}
	return nil
}

// upgrade goes from the previous version of the chart to this one, and back.
func (h helmClient) upgrade(ctx context.Context, namespace, previous, values string) error {
	if err := h.install(ctx, namespace, previous, []string{"-f", values}); err != nil {
		return fmt.Errorf("previous version: %w", err)
	}
	for _, args := range [][]string{{"upgrade", "gatehouse", h.chart, "-f", values}, {"rollback", "gatehouse"}, {"upgrade", "gatehouse", h.chart, "-f", values}, {"uninstall", "gatehouse"}} {
		if _, err := h.run(ctx, append(args, "-n", namespace)...); err != nil {
			return fmt.Errorf("from the previous version: %w", err)
		}
	}
	say("  upgraded from the previous version, rolled back, upgraded again")
	return nil
}
