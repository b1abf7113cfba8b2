package openapi

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// ownSchemas are those that no message stands for.
func ownSchemas() map[string]object {
	text := func(about string) object { return object{"type": "string", "description": about} }
	number := func(about string) object { return object{"type": "integer", "description": about} }
	return map[string]object{
		"Problem": {
			"type":        "object",
			"description": "Why a request was refused.",
			"required":    []any{"message", "http_status"},
			"properties": object{
				"message":     text("What is wrong."),
				"http_status": number("The status of the answer."),
				"errors": object{
					"type": "array", "description": "Where it is wrong, if a place is known.",
					"items": object{"$ref": schemas + "ProblemDetail"},
				},
				"confirm": object{"$ref": schemas + "Consequence"},
			},
			"additionalProperties": false,
		},
		"Consequence": {
			"type":        "object",
			"description": "What a change leads to outside of what it changes. The request is carried out when it is repeated with ?confirm=<word>.",
			"required":    []any{"word"},
			"properties": object{
				"word":   text("What has to be confirmed: opens, closes, everyone or deletes."),
				"before": number("How many people, or things, it is about now; left out where the caller may not read people."),
				"after":  number("How many it will be about."),
			},
			"additionalProperties": false,
		},
		"ProblemDetail": {
			"type":        "object",
			"description": "One place where a request is wrong.",
			"required":    []any{"path", "detail"},
			"properties": object{
				"path":   text("The path of the member or the name of the parameter: settings.oauth.redirectUris[0]."),
				"detail": text("What is wrong with it."),
				"line":   number("The line in an expression, from 1."),
				"column": number("The column in an expression, from 1."),
			},
			"additionalProperties": false,
		},
		notice: {
			"type":        "object",
			"description": "Something about a resource that is worth knowing.",
			"required":    []any{"path", "detail"},
			"properties": object{
				"path":   text("The path of the member."),
				"detail": text("What is to be known, such as that the member is kept and does not run yet."),
			},
			"additionalProperties": false,
		},
	}
}

// notice is the schema of what answers say about members that are kept and do not run yet.
const notice = "Notice"

// isResource reports whether a message is one that is stored under revisions.
func isResource(md protoreflect.MessageDescriptor) bool {
	fd := md.Fields().ByName("revision")
	return fd != nil && prototree.MarksOf(fd).OutputOnly && md.Fields().ByName("id") != nil
}

// addNotices adds the member `notices` to the schemas of resources, which are those with a revision.
func addNotices(all object) {
	for _, s := range all {
		properties, _ := s.(object)["properties"].(object)
		if revision, ok := properties["revision"].(object); !ok || revision["readOnly"] != true {
			continue
		}
		properties["notices"] = object{
			"type": "array", "items": object{"$ref": schemas + notice}, "readOnly": true,
			"description": "What is kept and does not run yet. Never stored.",
		}
	}
}

// addShown adds what is no member of a message and appears in one answer only.
func addShown(all object) {
	settings, ok := all["OAuthSettings"].(object)
	if !ok {
		return
	}
	settings["properties"].(object)["clientSecret"] = object{
		"type": "string", "format": "password", "readOnly": true,
		"description": "The client secret; only in the answer to the creation.",
	}
}

// addWarnings adds the member `warnings` to the schemas of what is answered with warnings.
func addWarnings(all object) {
	for _, name := range []string{"Binding", "Application"} {
		addWarningsTo(all, name)
	}
}

func addWarningsTo(all object, name string) {
	binding, ok := all[name].(object)
	if !ok || all[warning] == nil {
		return
	}
	binding["properties"].(object)["warnings"] = object{
		"type": "array", "items": object{"$ref": schemas + warning}, "readOnly": true,
		"description": "What the change leads to that may not be meant. Never stored.",
	}
}

// addBelonging adds what lists of the members of a group, and of the groups of a user, say of an entry.
func addBelonging(all object) {
	for _, name := range []string{"User", "Group"} {
		s, ok := all[name].(object)
		if !ok {
			continue
		}
		properties := s["properties"].(object)
		properties["direct"] = object{
			"type": "boolean", "readOnly": true,
			"description": "Whether the user is in the group itself; only in lists of members of a group and of groups of a user.",
		}
		properties["via"] = object{
			"type": "array", "items": object{"type": "string"}, "readOnly": true,
			"description": "The ids of the groups through which the user is in it, from their own on; only there.",
		}
	}
}

// warning is the name of the schema of a warning.
const warning = "Warning"

// mergeSuffix marks the name of the schema of a body that is merged.
const mergeSuffix = "Merge"

// addMerges adds, for every named schema and what it consists of, one in which any member may be null (RFC 7396).
func addMerges(all object, names []string) {
	names = slices.Clone(names)
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if all[name+mergeSuffix] != nil {
			continue
		}
		made, needs := mergeOf(all[name].(object))
		all[name+mergeSuffix] = made
		names = append(names, needs...)
	}
}

// mergeOf returns the schema of a merge, and the names of the schemas that it refers to in the same way.
func mergeOf(s object) (made object, needs []string) {
	made = object{}
	for key, value := range s {
		made[key] = value
	}
	properties := object{}
	for name, member := range s["properties"].(object) {
		nullable, need := nullable(member.(object))
		properties[name] = nullable
		needs = append(needs, need...)
	}
	made["properties"] = properties
	return made, needs
}

// nullable returns the schema of a value or null. Objects are merged themselves; lists and variants are replaced whole.
func nullable(s object) (made object, needs []string) {
	made = object{}
	for key, value := range s {
		made[key] = value
	}
	if ref, ok := s["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, schemas)
		delete(made, "$ref")
		made["anyOf"] = []any{object{"$ref": ref + mergeSuffix}, object{"type": "null"}}
		return made, []string{name}
	}
	if kind, ok := s["type"].(string); ok {
		made["type"] = []any{kind, "null"}
		if values, ok := s["enum"].([]any); ok {
			made["enum"] = append(slices.Clone(values), nil)
		}
		if entries, ok := s["additionalProperties"].(object); ok {
			made["additionalProperties"], needs = nullable(entries)
		}
		return made, needs
	}
	if choices, ok := s["anyOf"].([]any); ok {
		made["anyOf"] = append(slices.Clone(choices), object{"type": "null"})
	}
	return made, nil
}
