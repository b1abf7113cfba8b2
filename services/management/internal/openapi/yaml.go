package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// order is where members stand that readers look for first; the others follow by name.
var order = func() map[string]int {
	ranks := map[string]int{}
	for i, name := range []string{
		"openapi", "jsonSchemaDialect", "info", "title", "servers", "url", "name", "in", "required", "operationId", "summary", "$ref",
		"type", "format", "description", "security", "tags", "get", "post", "put", "patch", "delete", "parameters", "requestBody",
		"responses", "paths", "schema", "properties", "items", "enum", "const",
	} {
		ranks[name] = i - 1000
	}
	return ranks
}()

// YAML returns the document as text. The same routes always give the same text.
func (d *Document) YAML() ([]byte, error) {
	root, err := node(d.tree, true)
	if err != nil {
		return nil, err
	}
	root.HeadComment = "Code generated from the routes of services/management by `make generate`. DO NOT EDIT."
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return text.Bytes(), encoder.Close()
}

// node writes a value. Ordered says that members stand in the order above, which names that people chose do not.
func node(v any, ordered bool) (*yaml.Node, error) {
	switch v := v.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode}
		keys := slices.Collect(maps.Keys(v))
		slices.SortFunc(keys, func(a, b string) int {
			if ordered && order[a] != order[b] {
				return order[a] - order[b]
			}
			return strings.Compare(a, b)
		})
		for _, key := range keys {
			value, err := node(v[key], !named[key])
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, text(key), value)
		}
		return n, nil
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, entry := range v {
			value, err := node(entry, true)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, value)
		}
		return n, nil
	case string:
		return text(v), nil
	case json.Number:
		return node(json.RawMessage(v), ordered)
	}
	n := new(yaml.Node)
	if err := n.Encode(v); err != nil {
		return nil, fmt.Errorf("write %v: %w", v, err)
	}
	return n, nil
}

// named are the members whose own members are names.
var named = map[string]bool{
	"properties": true, "schemas": true, "responses": true, "headers": true, "securitySchemes": true, "paths": true,
}

func text(s string) *yaml.Node {
	n := new(yaml.Node)
	n.SetString(s)
	return n
}
