package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// scaled switches an autoscaler on while gateways run, and upgrades and rolls back with it: they stay as many as they are.
func (h helmClient) scaled(ctx context.Context, prefix, values string) error {
	const byHand, on = "gateway.replicas=3,gateway.autoscaling.enabled=false", "gateway.autoscaling.enabled=true,gateway.autoscaling.minReplicas=2,gateway.autoscaling.maxReplicas=20"
	type step struct {
		what string
		args []string // of Helm
		to   int      // what the autoscaler does afterwards; 0: nothing
		want int
	}
	version, err := h.version(ctx)
	if err != nil {
		return err
	}
	var take []string // what Helm 4 wants before it takes the number from the autoscaler
	if strings.HasPrefix(version, "v4") {
		take = []string{"--force-conflicts"}
	}
	upgrade := func(set string) []string {
		return []string{"upgrade", "gatehouse", h.chart, "-f", values, "--set", set}
	}
	stories := map[string][]step{
		"later": {
			{"installed without an autoscaler", []string{"install", "gatehouse", h.chart, "-f", values, "--set", byHand}, 0, 3},
			{"an autoscaler is switched on", upgrade(on), 7, 3},
			{"upgraded with the autoscaler", upgrade(on + ",gateway.drainDelay=11s"), 8, 7},
			{"and again", upgrade(on + ",gateway.drainDelay=12s"), 5, 8},
			{"switched off again", append(upgrade(byHand), take...), 0, 3},
		},
		"first": {
			{"installed with an autoscaler", []string{"install", "gatehouse", h.chart, "-f", values, "--set", on}, 7, 1},
			{"upgraded with the autoscaler", upgrade(on + ",gateway.drainDelay=11s"), 9, 7},
			{"rolled back", []string{"rollback", "gatehouse"}, 0, 9},
		},
	}
	for story, steps := range stories {
		namespace := prefix + "-" + story
		if err := h.cluster.namespace(ctx, namespace); err != nil {
			return err
		}
		path := "/apis/apps/v1/namespaces/" + namespace + "/deployments/gatehouse-gateway"
		for _, s := range steps {
			if _, err := h.run(ctx, append(s.args, "-n", namespace)...); err != nil {
				return fmt.Errorf("%s: %w", s.what, err)
			}
			deployment, err := h.cluster.ask(ctx, http.MethodGet, path, "", nil)
			if err != nil {
				return err
			}
			spec, _ := deployment["spec"].(object)
			if got := fmt.Sprint(spec["replicas"]); got != fmt.Sprint(s.want) {
				return fmt.Errorf("%s: %s gateways, want %d", s.what, got, s.want)
			}
			if s.to == 0 {
				continue
			}
			scale := object{"spec": object{"replicas": s.to}}
			if _, err := h.cluster.ask(ctx, http.MethodPatch, path+"/scale?fieldManager=autoscaler", "application/merge-patch+json", scale); err != nil {
				return err
			}
		}
		if _, err := h.run(ctx, "uninstall", "gatehouse", "-n", namespace); err != nil {
			return err
		}
	}
	say("  as many gateways as there are, whoever scales them")
	return nil
}
