package openapi

import (
	"strings"
)

// Compatible returns the document as OpenAPI 3.0.3, for generators of clients that read no newer one. It says less: a body
// that is merged is the resource itself, the content of a variant may be anything, and every refusal is a Problem.
func (d *Document) Compatible() *Document {
	tree := compatible(d.tree).(object)
	delete(tree, "jsonSchemaDialect")
	tree["openapi"] = "3.0.3"
	info := tree["info"].(object)
	delete(info, "summary")
	delete(info["license"].(object), "identifier")
	tree["servers"] = []any{object{"url": prefix}}
	components := tree["components"].(object)
	delete(components, "headers")
	components["responses"] = object{problemName(0): components["responses"].(object)[problemName(0)]}
	all := components["schemas"].(object)
	for name := range all {
		if strings.HasSuffix(name, mergeSuffix) {
			delete(all, name)
		}
	}
	for name, s := range all {
		properties, _ := s.(object)["properties"].(object)
		for member, p := range properties {
			// A generator names the words of a member after both, which may be what a schema is called.
			if p := p.(object); p["enum"] != nil && all[name+pascal(member)] != nil {
				p["x-go-type-name"] = name + pascal(member) + "Word"
			}
		}
	}
	for _, item := range tree["paths"].(object) {
		for _, o := range item.(object) {
			o, ok := o.(object)
			if !ok {
				continue
			}
			responses := o["responses"].(object)
			for status := range responses {
				if !strings.HasPrefix(status, "2") && status != "default" {
					delete(responses, status)
				}
			}
		}
	}
	return &Document{tree: tree, operations: d.operations}
}

// newer are the keywords that only OpenAPI 3.1 has, and what no client is made from.
var newer = []string{
	"contentMediaType", "contentSchema", "contentEncoding", "const", "example", "headers", "x-gatehouse-waiting", "x-gatehouse-permission",
}

// compatible copies a part of the document in the older spelling.
func compatible(v any) any {
	switch v := v.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok {
			return object{"$ref": strings.TrimSuffix(ref, mergeSuffix)} // nothing may stand beside a reference
		}
		made := object{}
		for key, value := range v {
			made[key] = compatible(value)
		}
		if properties, ok := v["properties"].(object); ok {
			members := object{} // their names are no keywords
			for name, member := range properties {
				members[name] = compatible(member)
			}
			made["properties"] = members
		}
		if v["contentEncoding"] == "base64" {
			made["format"] = "byte"
		}
		for _, key := range newer {
			delete(made, key)
		}
		if choices, ok := v["anyOf"].([]any); ok {
			delete(made, "anyOf")
			if last, _ := choices[len(choices)-1].(object); last["type"] == "null" && len(choices) == 2 {
				return compatible(choices[0])
			}
		}
		return made
	case []any:
		made := make([]any, len(v))
		for i, value := range v {
			made[i] = compatible(value)
		}
		return made
	}
	return v
}
