package openapi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/management/internal/comment"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/schema"
)

// object is an object of the document.
type object = map[string]any

const (
	// prefix is where the API lies, and the first server.
	prefix = "/management"
	// schemas is what a reference to a schema has before its name.
	schemas = "#/components/schemas/"
)

// Document is the description of an API. It is not changed after New.
type Document struct {
	tree       object
	operations []Operation
}

// Operation is a route as the document has it.
type Operation struct {
	operation.Route
	// ID is the operationId.
	ID string
	// Path is the path in the document: relative to a server, with parameters in camel case.
	Path string
	// Whole says that the path exists only below /management and not below environments.
	Whole bool
}

// Operations are all operations, in the order of the routes.
func (d *Document) Operations() []Operation { return slices.Clone(d.operations) }

// Tree returns the document as encoding/json would read it. It must not be changed.
func (d *Document) Tree() map[string]any { return d.tree }

// New returns the document of the routes. It fails with everything that is missing in their descriptions.
func New(routes []operation.Route) (*Document, error) {
	b := &builder{
		schemas: schema.NewSet(schemas, comment.Of),
		own:     ownSchemas(),
		paths:   object{},
		ids:     map[string]string{},

		conditional: map[string]bool{},
	}
	for _, route := range routes {
		if route.Operation.Conditional {
			b.conditional[camelPath(strings.TrimPrefix(route.Pattern, prefix))] = true
		}
	}
	d := new(Document)
	var wrong []error
	for _, route := range routes {
		o := Operation{Route: route}
		o.Path, o.Whole = strings.CutPrefix(route.Pattern, prefix)
		o.Path = camelPath(o.Path)
		o.ID = operationID(route, o.Path)
		if err := errors.Join(route.Check(), b.add(o)); err != nil {
			wrong = append(wrong, err)
		}
		d.operations = append(d.operations, o)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("describe the routes: %w", err)
	}
	d.tree = b.document()
	return d, nil
}

// builder collects the parts of a document.
type builder struct {
	schemas *schema.Set
	own     map[string]object // schemas that are no messages
	merges  []string          // names of messages that are merged
	paths   object
	ids     map[string]string // operationId → where it is

	conditional map[string]bool // paths where If-Match is obeyed, so that reading them tells what it compares
}

func (b *builder) document() object {
	all := object{}
	for name, s := range b.schemas.Definitions() {
		all[name] = s
	}
	for name, s := range b.own {
		all[name] = s
	}
	addNotices(all)
	addShown(all)
	addWarnings(all)
	addBelonging(all)
	addMerges(all, b.merges)
	return object{
		"openapi":           "3.1.0",
		"jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
		"info": object{
			"title":       "Gatehouse management API",
			"summary":     "Domains, applications and everything that belongs to them.",
			"description": introduction,
			"version":     "1",
			"license":     object{"name": "Apache 2.0", "identifier": "Apache-2.0"},
		},
		"servers":  servers(),
		"security": []any{object{schemeBearer: []any{}}},
		"tags":     b.tags(),
		"paths":    b.paths,
		"components": object{
			"schemas":         all,
			"responses":       problems(),
			"headers":         headers(),
			"securitySchemes": securitySchemes(),
		},
	}
}

// introduction is the text before everything else.
const introduction = `Everything lies below an environment of an organization. There is one environment, ` +
	"`DEFAULT` of `DEFAULT`" + `, until others are configured; the first server means it, the second one names organization and environment.

Names are in camel case. Times are milliseconds since 1970. Words of enumerations are written in lower case and read in any case.
In answers, members without a value are left out, and secrets are a mask of asterisks; sending the mask back keeps what is stored.
In bodies, an unknown member is refused, a member that is null counts as absent except where a body is merged (RFC 7396), and
members that are read-only are ignored, so what was read can be changed and sent back.
Members marked ` + "`x-gatehouse-waiting`" + ` are checked and kept, and nothing acts on them yet; answers that have one say so in ` + "`notices`" + `.

A resource that is read carries its revision in ` + "`ETag`" + `. A write with ` + "`If-Match`" + ` succeeds only if nobody has changed the resource since.`

func servers() []any {
	return []any{
		object{"url": prefix, "description": "The default environment of the default organization."},
		object{
			"url":         prefix + "/organizations/{organization}/environments/{environment}",
			"description": "Any environment.",
			"variables": object{
				"organization": object{"default": "DEFAULT"},
				"environment":  object{"default": "DEFAULT"},
			},
		},
	}
}

// tags are the groups of operations that occur, in the order of their names.
func (b *builder) tags() []any {
	names := map[string]bool{}
	for _, item := range b.paths {
		for _, o := range item.(object) {
			if o, ok := o.(object); ok {
				names[o["tags"].([]any)[0].(string)] = true
			}
		}
	}
	var all []any
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, object{"name": name})
	}
	return all
}

const (
	schemeBearer = "bearer"
	schemeBasic  = "basic"
)

func securitySchemes() object {
	return object{
		schemeBearer: object{
			"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
			"description": "A token of POST /auth/token, or a personal one.",
		},
		schemeBasic: object{
			"type": "http", "scheme": "basic",
			"description": "Name and password of an operator.",
		},
	}
}
