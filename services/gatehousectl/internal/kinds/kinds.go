// Package kinds is the table of everything that the command reads and writes: what it is called, where it lies in the
// management API, and which operations of the generated client there are for it.
//
// The names, columns and places are written down in list.go; the operations are taken from the OpenAPI document by generate.
// A test holds the table to the document, so that no kind is forgotten.
package kinds

//go:generate go run ./generate ../../../../proto/openapi/management.yaml kinds.gen.go

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
)

// Call is an operation of the generated client. At are the values of the parameters of the path, in order. An operation
// without a body ignores it.
type Call func(ctx context.Context, c *client.Client, at []string, body io.Reader, edit ...client.RequestEditorFn) (*http.Response, error)

// Operations are what can be done with a kind; nil where the API has nothing of the sort.
type Operations struct {
	List, Create, Read, Replace, Patch, Delete Call
	// Add brings something that is there already into a collection; it has no body.
	Add Call
	// ReplaceAll replaces a whole collection.
	ReplaceAll Call
	// Templates lists the names of a collection that is read one by one: pages and e-mails.
	Templates Call
	// Paged lists come in pages; others are whole.
	Paged bool
	// Search is whether a list can be searched with q.
	Search bool
	// DryRun is whether creating, changing and deleting can be tried out.
	DryRun bool
	// Made, Kept and ReadOnly are the members of the body of a creation, of the resource, and of the resource that only the
	// server writes; those within objects are paths, such as access.people.
	Made, Kept, ReadOnly []string
	// Secret are the members, at any depth, that are never shown.
	Secret []string
}

// Kind is a row of the table.
type Kind struct {
	// Name is the plural by which it is called at the command line, One the singular.
	Name, One string
	Aliases   []string
	// Path is the collection, as the OpenAPI document spells it; of a singleton it is the thing itself.
	Path string
	// Keys are the members by which people name one; the first that is there counts.
	Keys []string
	// Columns are the members that tables show, behind those of Keys.
	Columns []string
	// References are members that name something of another kind in the same domain. They make one known where it has no
	// name of its own.
	References map[string]string
	// Shown are the members, as paths, whose value management shows only in the answer that makes it.
	Shown []string
	// Singleton is something of which there is one at a place.
	Singleton bool
	// About says what it is, for --help.
	About string

	Operations
}

// Parents are the parameters of the path above the collection: domain, application.
func (k *Kind) Parents() []string {
	var names []string
	for segment := range strings.SplitSeq(k.Path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// Find returns the kind with a name, singular or plural, in any case.
func Find(name string) (*Kind, error) {
	name = strings.ToLower(name)
	for _, k := range All {
		if name == k.Name || name == k.One || slices.Contains(k.Aliases, name) {
			return k, nil
		}
	}
	return nil, fmt.Errorf("there is no kind %q; `gatehousectl kinds` lists them%s", name, similar(name))
}

// similar suggests the kinds whose names are nearest to one that is none.
func similar(name string) string {
	most := max(2, len(name)/3) // letters that may be wrong
	var near []string
	for _, k := range All {
		for _, called := range append([]string{k.One, k.Name}, k.Aliases...) {
			switch d := distance(name, called); {
			case d < most:
				most, near = d, []string{called}
			case d == most && !slices.Contains(near, called):
				near = append(near, called)
			}
		}
	}
	if near == nil {
		return ""
	}
	return "\nDid you mean " + strings.Join(near, " or ") + "?"
}

// distance is how many letters have to be put in, taken out or replaced to make one name of another (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// At returns the kind of what a parameter of a path below some collection names: user below an organization is an operator.
func At(path, parameter string) *Kind {
	i := strings.Index(path, "/{"+parameter+"}")
	if i < 0 {
		return nil
	}
	for _, k := range All {
		if k.Path == path[:i] {
			return k
		}
	}
	return nil
}
