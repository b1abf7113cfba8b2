package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// object is one of Kubernetes as plain values.
type object = map[string]any

// cluster is the API server.
type cluster struct {
	url, token, config string
	http               http.Client
	resources          map[string]resource // by "group/version kind"
}

// resource is where objects of a kind are.
type resource struct {
	Name       string
	Kind       string
	Namespaced bool
}

func newCluster(url, token, config string) *cluster {
	return &cluster{url: url, token: token, config: config, resources: map[string]resource{}, http: http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // our own server, over loopback
	}}
}

// refused is an answer that says no.
type refused struct {
	status  int
	message string
}

func (e *refused) Error() string { return fmt.Sprintf("%d: %s", e.status, e.message) }

// ask sends one request. A warning in the answer is an error: it is what people would overlook.
func (c *cluster) ask(ctx context.Context, method, path, contentType string, body any) (object, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer object
	_ = json.Unmarshal(text, &answer) // /readyz answers a word
	if response.StatusCode >= http.StatusMultipleChoices {
		message, _ := answer["message"].(string)
		return nil, &refused{response.StatusCode, message}
	}
	if warnings := response.Header.Values("Warning"); len(warnings) > 0 {
		return nil, fmt.Errorf("%s %s: warned: %s", method, path, strings.Join(warnings, "; "))
	}
	return answer, nil
}

func (c *cluster) version(ctx context.Context) (string, error) {
	answer, err := c.ask(ctx, http.MethodGet, "/version", "", nil)
	if err != nil {
		return "", err
	}
	version, _ := answer["gitVersion"].(string)
	return version, nil
}

// path finds where an object is, by asking the server what it has.
func (c *cluster) path(ctx context.Context, o object) (string, error) {
	version, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	root := "/apis/" + version
	if !strings.Contains(version, "/") {
		root = "/api/" + version
	}
	r, known := c.resources[version+" "+kind]
	if !known {
		answer, err := c.ask(ctx, http.MethodGet, root, "", nil)
		if err != nil {
			return "", fmt.Errorf("%s: %w", version, err)
		}
		text, err := json.Marshal(answer["resources"])
		if err != nil {
			return "", err
		}
		var list []resource
		if err := json.Unmarshal(text, &list); err != nil {
			return "", err
		}
		for _, each := range list {
			if !strings.Contains(each.Name, "/") {
				c.resources[version+" "+each.Kind] = each
			}
		}
		if r, known = c.resources[version+" "+kind]; !known {
			return "", fmt.Errorf("the server has no %s of %s", kind, version)
		}
	}
	metadata, _ := o["metadata"].(object)
	if namespace, _ := metadata["namespace"].(string); r.Namespaced {
		root += "/namespaces/" + namespace
	}
	name, _ := metadata["name"].(string)
	return root + "/" + r.Name + "/" + name, nil
}

// apply sends an object as server-side apply does, with strict validation; dry: without keeping it.
func (c *cluster) apply(ctx context.Context, o object, dry bool) error {
	path, err := c.path(ctx, o)
	if err != nil {
		return err
	}
	path += "?fieldManager=check&force=true&fieldValidation=Strict"
	if dry {
		path += "&dryRun=All"
	}
	if _, err := c.ask(ctx, http.MethodPatch, path, "application/apply-patch+yaml", o); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// define makes the custom resources and waits until the server has them.
func (c *cluster) define(ctx context.Context, places []string) error {
	var defined []object
	for _, place := range places {
		err := filepath.WalkDir(place, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			objects, err := split(string(text))
			for _, o := range objects {
				if o["kind"] == "CustomResourceDefinition" {
					defined = append(defined, o)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(defined) == 0 {
		return errors.New("no custom resource definitions")
	}
	for _, o := range defined {
		if err := c.apply(ctx, o, false); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for _, o := range defined {
		path, err := c.path(ctx, o)
		if err != nil {
			return err
		}
		for {
			now, err := c.ask(ctx, http.MethodGet, path, "", nil)
			if err != nil {
				return err
			}
			if established(now) {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not established", path)
			case <-tick.C:
			}
		}
	}
	say(len(defined), "custom resource definitions")
	return nil
}

func established(o object) bool {
	status, _ := o["status"].(object)
	conditions, _ := status["conditions"].([]any)
	for _, each := range conditions {
		condition, _ := each.(object)
		if condition["type"] == "Established" && condition["status"] == "True" {
			return true
		}
	}
	return false
}

// split reads the documents of a YAML text.
func split(text string) ([]object, error) {
	var all []object
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			return nil, err
		}
		if len(o) > 0 {
			all = append(all, o)
		}
	}
	return all, nil
}
