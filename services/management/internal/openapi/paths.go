package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

const mediaJSON = "application/json"

// add puts an operation into the document.
func (b *builder) add(o Operation) error {
	here := o.Method + " " + o.Path
	if there := b.ids[o.ID]; there != "" {
		return fmt.Errorf("%s has the operationId %s of %s", here, o.ID, there)
	}
	b.ids[o.ID] = here
	item, ok := b.paths[o.Path].(object)
	if !ok {
		item = object{}
		if parameters := pathParameters(o.Path); parameters != nil {
			item["parameters"] = parameters
		}
		if o.Whole {
			item["servers"] = []any{object{"url": prefix}}
		}
		b.paths[o.Path] = item
	}
	item[strings.ToLower(o.Method)] = b.operation(o)
	return nil
}

func (b *builder) operation(o Operation) object {
	described := object{
		"operationId": o.ID,
		"summary":     strings.TrimSuffix(o.Operation.Summary, "."),
		"tags":        []any{tag(o)},
		"responses":   b.responses(o),
	}
	details := o.Operation.Details
	switch o.Permission {
	case operation.Public:
		described["security"] = []any{object{schemeBasic: []any{}}}
	case operation.Any:
	default:
		described["x-gatehouse-permission"] = o.Permission
		details = strings.TrimSpace(details + " Needs the permission `" + o.Permission + "`.")
	}
	if details != "" {
		described["description"] = details
	}
	if parameters := parameters(o.Operation); parameters != nil {
		described["parameters"] = parameters
	}
	if body := b.body(o); body != nil {
		described["requestBody"] = body
	}
	return described
}

// tag is the group of an operation: what lies directly below the domain or the organization, else what comes first.
func tag(o Operation) string {
	segments := strings.Split(strings.Trim(o.Path, "/"), "/")
	switch {
	case len(segments) > 2 && segments[0] == "domains" && parameter(segments[1]) != "":
		if segments[2] == "clients" {
			return "applications"
		}
		return segments[2]
	case len(segments) > 2 && segments[0] == "organizations":
		return segments[2]
	}
	return segments[0]
}

// aboutParameters are the parameters of paths that are no mere identifiers.
var aboutParameters = map[string]string{
	"organization": "The organization; `DEFAULT` until others are configured.",
	"environment":  "The environment; `DEFAULT` until others are configured.",
	"hrid":         "The human-readable identifier of the domain.",
	"client":       "The identifier of the application or, failing that, its client id.",
	"revision":     "A revision of the resource.",
}

func pathParameters(path string) []any {
	var all []any
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		name := parameter(segment)
		if name == "" {
			continue
		}
		about := aboutParameters[name]
		if about == "" {
			about = "The identifier of the " + words(name) + "."
		}
		described := object{
			"name": name, "in": "path", "required": true, "description": about, "schema": object{"type": "string"},
			"example": ExampleOf(strings.Join(segments[:i+1], "/")),
		}
		all = append(all, described)
	}
	return all
}

func parameters(o operation.Operation) []any {
	var all []any
	for _, p := range o.Query {
		s := object{"type": p.Type}
		if p.Values != nil {
			values := make([]any, len(p.Values))
			for i, v := range p.Values {
				values[i] = v
			}
			s["enum"] = values
		}
		if p.Repeated {
			s = object{"type": "array", "items": s}
		}
		described := object{"name": p.Name, "in": "query", "description": p.Description, "schema": s}
		if p.Required {
			described["required"] = true
		}
		all = append(all, described)
	}
	if o.Conditional {
		all = append(all, object{
			"name": "If-Match", "in": "header",
			"description": "What `ETag` said when the resource was read; anything newer is refused with 412 (RFC 9110 §13.1.1).",
			"schema":      object{"type": "string"},
		})
	}
	return all
}

func (b *builder) body(o Operation) object {
	op := o.Operation
	if op.Body == nil && op.BodyType == "" {
		return nil
	}
	media := op.BodyType
	if media == "" {
		media = mediaJSON
	}
	content := object{"schema": b.content(op.Body, media, op.BodyList, op.Merge)}
	if text := exampleOf(o.ID); text != nil {
		var value any
		if json.Unmarshal(text, &value) == nil { // a test reads them all
			content["example"] = value
		}
	}
	if text := examples()[o.ID+".ndjson"]; text != nil && media != mediaJSON {
		content["example"] = string(text)
	}
	return object{"required": !op.BodyOptional, "content": object{media: content}}
}

// content is the schema of a body or an answer.
func (b *builder) content(m proto.Message, media string, list, merge bool) object {
	if m == nil {
		return object{"type": "string"}
	}
	s := b.schemas.Ref(m.ProtoReflect().Descriptor())
	if merge {
		name := b.schemas.Name(m.ProtoReflect().Descriptor())
		b.merges = append(b.merges, name)
		s = object{"$ref": schemas + name + mergeSuffix}
	}
	switch {
	case media == mediaJSON && list:
		return object{"type": "array", "items": s}
	case media == mediaJSON:
		return s
	}
	return object{"type": "string", "contentMediaType": media, "contentSchema": s, "description": "Each line is such an object."}
}

func (b *builder) responses(o Operation) object {
	op := o.Operation
	success := object{"description": http.StatusText(op.StatusOf())}
	if op.Answer != nil || op.AnswerType != "" {
		media := op.AnswerType
		if media == "" {
			media = mediaJSON
		}
		s := b.content(op.Answer, media, op.Shape == operation.Array, false)
		if op.Shape == operation.Page && media == mediaJSON {
			s = b.page(op.Answer)
		}
		content := object{}
		for one := range strings.SplitSeq(media, ", ") {
			content[one] = object{"schema": s}
		}
		success["content"] = content
	}
	with := object{}
	if op.StatusOf() == http.StatusCreated {
		with["Location"] = object{"$ref": "#/components/headers/Location"}
	}
	if HasRevision(op) || op.Answer != nil && b.conditional[o.Path] {
		with["ETag"] = object{"$ref": "#/components/headers/ETag"}
	}
	if len(with) > 0 {
		success["headers"] = with
	}
	all := object{strconv.Itoa(op.StatusOf()): success}
	if op.DryRun && op.StatusOf() == http.StatusCreated {
		all[strconv.Itoa(http.StatusOK)] = object{"description": "What a dry run found", "content": success["content"]}
	}
	for _, status := range refusals(o) {
		all[strconv.Itoa(status)] = object{"$ref": "#/components/responses/" + problemName(status)}
	}
	all["default"] = object{"$ref": "#/components/responses/" + problemName(0)}
	return all
}

// HasRevision reports whether an answer carries the revision of a resource in ETag.
func HasRevision(op operation.Operation) bool {
	return op.Versioned || op.Answer != nil && op.Shape == operation.One && op.AnswerType == "" && isResource(op.Answer.ProtoReflect().Descriptor())
}

// page returns the schema of one page of a list.
func (b *builder) page(m proto.Message) object {
	name := b.schemas.Name(m.ProtoReflect().Descriptor()) + "Page"
	b.own[name] = object{
		"type":        "object",
		"description": "One page of a list.",
		"required":    []any{"data", "currentPage", "totalCount"},
		"properties": object{
			"data":        object{"type": "array", "items": b.schemas.Ref(m.ProtoReflect().Descriptor())},
			"currentPage": object{"type": "integer", "description": "The page, from 0."},
			"totalCount":  object{"type": "integer", "format": "int64", "description": "How many entries there are on all pages."},
		},
		"additionalProperties": false,
	}
	return object{"$ref": schemas + name}
}
