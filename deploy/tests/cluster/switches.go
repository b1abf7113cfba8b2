package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The names that the chart's tests use.
const (
	switchesNamespace = "access"
	switchesPriority  = "high"
)

// switches tries what the chart's tests render: each set of values is a file with objects by kind and name. What is the same in
// several sets is tried once.
func (c *cluster) switches(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, errors.New("nothing was rendered"))
	}
	priority := object{"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": object{"name": switchesPriority}, "value": 1000}
	if err := errors.Join(c.namespace(ctx, switchesNamespace), c.apply(ctx, priority, false)); err != nil {
		return err
	}
	tried := map[string]bool{}
	var wrong []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var objects map[string]object
		if err := json.Unmarshal(text, &objects); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := c.set(ctx, objects, tried); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", filepath.Base(file), err))
		}
	}
	say(" ", len(tried), "objects of", len(files), "sets of values tried")
	return errors.Join(wrong...)
}

// set tries the objects of one set of values. Pods need their accounts, which are made.
func (c *cluster) set(ctx context.Context, objects map[string]object, tried map[string]bool) error {
	var rest []object
	for _, o := range objects {
		text, err := json.Marshal(o)
		if err != nil {
			return err
		}
		if tried[string(text)] {
			continue
		}
		tried[string(text)] = true
		if o["kind"] != "ServiceAccount" {
			rest = append(rest, o)
			continue
		}
		if err := c.apply(ctx, o, false); err != nil {
			return err
		}
	}
	for _, o := range rest {
		if err := c.apply(ctx, o, true); err != nil {
			return fmt.Errorf("dry run: %w", err)
		}
		if kind := o["kind"]; kind == "Deployment" || kind == "StatefulSet" {
			if err := c.pods(ctx, switchesNamespace, o); err != nil {
				return err
			}
		}
	}
	return nil
}
