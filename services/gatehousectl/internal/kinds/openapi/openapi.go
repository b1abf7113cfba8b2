// Package openapi reads as much of an OpenAPI document as the table of kinds needs.
package openapi

import (
	"maps"
	"slices"
	"strings"
)

// Document is an OpenAPI document.
type Document struct {
	Paths      map[string]Path
	Components struct{ Schemas map[string]Schema }
}

// Path is what can be done at a path.
type Path struct{ Get, Post, Put, Patch, Delete *Operation }

// Operation is one thing that can be done.
type Operation struct {
	ID          string `yaml:"operationId"`
	Parameters  []Parameter
	RequestBody *Content             `yaml:"requestBody"`
	Responses   map[string]*Response `yaml:"responses"`
}

// Parameter is one of a path, the query or the header.
type Parameter struct {
	Ref  string `yaml:"$ref"`
	Name string
	In   string
}

// Content is a body.
type Content struct {
	Content map[string]struct{ Schema Schema }
}

// Response is an answer.
type Response struct {
	Content map[string]struct{ Schema Schema }
}

// Schema is a JSON schema.
type Schema struct {
	Ref    string `yaml:"$ref"`
	Type   any
	Format string
	// Description is what it is, in Markdown.
	Description string
	ReadOnly    bool `yaml:"readOnly"`
	Properties  map[string]Schema
	Items       *Schema
	OneOf       []Schema `yaml:"oneOf"`
	AnyOf       []Schema `yaml:"anyOf"`
	AllOf       []Schema `yaml:"allOf"`
}

const json = "application/json"

// Item is the path of one in a collection.
func (d *Document) Item(collection string) Path {
	for path, p := range d.Paths {
		rest, ok := strings.CutPrefix(path, collection+"/{")
		if ok && strings.HasSuffix(rest, "}") && !strings.Contains(rest, "/") {
			return p
		}
	}
	return Path{}
}

// Has reports whether an operation has a parameter in the query.
func (o *Operation) Has(parameter string) bool {
	return slices.ContainsFunc(o.Parameters, func(p Parameter) bool { return p.Name == parameter && p.In == "query" })
}

// HasParameters reports whether the client has a struct of parameters for it.
func (o *Operation) HasParameters() bool {
	return slices.ContainsFunc(o.Parameters, func(p Parameter) bool {
		return p.In == "query" || p.In == "header" || p.Ref != "" && !strings.HasSuffix(p.Ref, "Path")
	})
}

// Body is the schema of what is sent.
func (o *Operation) Body() Schema {
	if o.RequestBody == nil {
		return Schema{}
	}
	return o.RequestBody.Content[json].Schema
}

// Answer is the schema of what is answered where all is well.
func (o *Operation) Answer() Schema {
	for _, status := range []string{"200", "201"} {
		if r := o.Responses[status]; r != nil {
			return r.Content[json].Schema
		}
	}
	return Schema{}
}

// Resolve follows a reference.
func (d *Document) Resolve(s Schema) Schema {
	for s.Ref != "" {
		s = d.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	return s
}

// Entry is what stands in a list or a page.
func (d *Document) Entry(s Schema) Schema {
	s = d.Resolve(s)
	if s.Items != nil {
		return d.Resolve(*s.Items)
	}
	if data, ok := s.Properties["data"]; ok && data.Items != nil {
		return d.Resolve(*data.Items)
	}
	return s
}

// Members are the names of the members of an object that pass a filter; nil passes all.
func (d *Document) Members(s Schema, filter func(Schema) bool) []string {
	var names []string
	for name, p := range d.Resolve(s).Properties {
		if filter == nil || filter(p) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ReadOnly are the members that only the server writes, those of objects in objects as paths: access.people.
func (d *Document) ReadOnly(s Schema, within string, above map[string]bool) []string {
	if above[s.Ref] {
		return nil
	}
	if s.Ref != "" {
		above[s.Ref] = true
		defer delete(above, s.Ref)
	}
	var names []string
	for name, p := range d.Resolve(s).Properties {
		if p.ReadOnly || p.Ref != "" && d.Resolve(p).ReadOnly {
			names = append(names, within+name)
		} else {
			names = append(names, d.ReadOnly(p, within+name+".", above)...)
		}
	}
	slices.Sort(names)
	return names
}

// Secrets collects the names of members at any depth that are never shown.
func (d *Document) Secrets(s Schema, names, seen map[string]bool) {
	if s.Ref != "" {
		if seen[s.Ref] {
			return
		}
		seen[s.Ref] = true
	}
	s = d.Resolve(s)
	for name, p := range s.Properties {
		if p.Format == "password" {
			names[name] = true
		}
		d.Secrets(p, names, seen)
	}
	if s.Items != nil {
		d.Secrets(*s.Items, names, seen)
	}
	for _, some := range slices.Concat(s.OneOf, s.AnyOf, s.AllOf) {
		d.Secrets(some, names, seen)
	}
}

// Collections are the paths that have something like one of many in them, without what was: history is no collection.
func (d *Document) Collections() []string {
	all := map[string]bool{}
	for path, p := range d.Paths {
		i := strings.LastIndex(path, "/{")
		one := i > 0 && !strings.Contains(path[i+1:], "/")
		if one && !strings.HasSuffix(path[:i], "/history") && (p.Get != nil || p.Put != nil || p.Patch != nil || p.Delete != nil) {
			all[path[:i]] = true
		}
		if p.Post != nil && strings.HasPrefix(p.Post.ID, "create") {
			all[path] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
