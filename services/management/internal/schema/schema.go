package schema

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// Object is a schema, or a part of one: what encoding/json writes as a JSON object.
type Object = map[string]any

// Waiting is the member of a schema that says that nothing acts on a value yet.
const Waiting = "x-gatehouse-waiting"

// Set collects the schemas of messages, each under a name. Messages refer to each other by name.
type Set struct {
	prefix  string
	comment func(protoreflect.Descriptor) string
	names   map[protoreflect.FullName]string
	defs    map[string]Object
}

// NewSet returns an empty set. Prefix is what a reference has before the name, such as "#/$defs/". Comment returns what a
// message, a field or a value of an enum is for; it may be nil.
func NewSet(prefix string, comment func(protoreflect.Descriptor) string) *Set {
	if comment == nil {
		comment = func(protoreflect.Descriptor) string { return "" }
	}
	return &Set{
		prefix: prefix, comment: comment,
		names: map[protoreflect.FullName]string{}, defs: map[string]Object{},
	}
}

// Definitions returns the schemas of all messages that were asked for and of those they need, by name.
func (s *Set) Definitions() map[string]Object { return maps.Clone(s.defs) }

// Ref returns a schema that refers to a message. Times, free-form values and messages that are spelled as a plain list
// have no name; their schema stands there itself.
func (s *Set) Ref(md protoreflect.MessageDescriptor) Object {
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		return Object{"type": "integer", "format": "int64", "description": "Milliseconds since 1970-01-01T00:00:00Z."}
	case "google.protobuf.Struct":
		return Object{"type": "object", "additionalProperties": true}
	case "google.protobuf.Value":
		return Object{}
	case "google.protobuf.ListValue":
		return Object{"type": "array", "items": Object{}}
	}
	if prototree.IsList(md) {
		return s.field(md.Fields().Get(0))
	}
	return Object{"$ref": s.prefix + s.define(md)}
}

// Name returns the name under which a message is in the set, and puts it there.
func (s *Set) Name(md protoreflect.MessageDescriptor) string { return s.define(md) }

func (s *Set) define(md protoreflect.MessageDescriptor) string {
	if name, ok := s.names[md.FullName()]; ok {
		return name
	}
	name := s.free(md)
	s.names[md.FullName()] = name
	s.defs[name] = nil // a message may contain itself
	s.defs[name] = s.Message(md)
	return name
}

// free returns the message's own name, with the name of its package before it where another message has it already.
func (s *Set) free(md protoreflect.MessageDescriptor) string {
	pkg := string(md.ParentFile().Package())
	name := strings.ReplaceAll(strings.TrimPrefix(string(md.FullName()), pkg+"."), ".", "")
	if _, taken := s.defs[name]; !taken {
		return name
	}
	segments := strings.Split(pkg, ".")
	if n := len(segments); n > 1 {
		segments = segments[n-2 : n-1] // gatehouse.management.v1: management
	}
	return strings.ToUpper(segments[0][:1]) + segments[0][1:] + name
}

// Message returns the schema of a message itself, which refers to others by name.
func (s *Set) Message(md protoreflect.MessageDescriptor) Object {
	properties := Object{}
	var arms []protoreflect.FieldDescriptor
	fields := md.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		marks := prototree.MarksOf(fd)
		switch {
		case marks.Internal:
		case marks.Variant != "":
			arms = append(arms, fd)
		default:
			properties[fd.JSONName()] = s.member(fd, marks)
		}
	}
	schema := Object{"type": "object", "properties": properties, "additionalProperties": false}
	if arms != nil {
		s.variants(schema, properties, arms)
	}
	describe(schema, s.comment(md))
	return schema
}

// member is the schema of a field with what its marks say.
func (s *Set) member(fd protoreflect.FieldDescriptor, marks prototree.Marks) Object {
	schema := s.field(fd)
	describe(schema, s.comment(fd))
	if marks.OutputOnly {
		schema["readOnly"] = true
	}
	if marks.Waiting {
		schema[Waiting] = true
	}
	if marks.WaitingValues != nil {
		schema[Waiting] = marks.WaitingValues
	}
	return schema
}

// variants adds the member that names the variant and the one that holds it. Which belong together is said by anyOf.
func (s *Set) variants(schema, properties Object, arms []protoreflect.FieldDescriptor) {
	member := prototree.TypeMember(arms[0].ContainingOneof())
	var types, contents, pairs []any
	var waiting []any
	for _, arm := range arms {
		marks := prototree.MarksOf(arm)
		ref := s.Ref(arm.Message())
		types = append(types, marks.Variant)
		if !slices.ContainsFunc(contents, func(c any) bool { return c.(Object)["$ref"] == ref["$ref"] }) {
			contents = append(contents, ref)
		}
		pairs = append(pairs, Object{"properties": Object{
			member: Object{"const": marks.Variant},
			prototree.VariantMember: Object{"anyOf": []any{
				ref,
				Object{"type": "string", "contentMediaType": "application/json", "contentSchema": ref},
			}},
		}})
		if marks.Waiting {
			waiting = append(waiting, marks.Variant)
		}
	}
	name := Object{"type": "string", "enum": types}
	describe(name, s.comment(arms[0].ContainingOneof()))
	if waiting != nil {
		name[Waiting] = waiting
	}
	properties[member] = name
	properties[prototree.VariantMember] = Object{
		"anyOf": append(contents, Object{"type": "string", "contentMediaType": "application/json"}),
	}
	schema["anyOf"] = pairs
}

func (s *Set) field(fd protoreflect.FieldDescriptor) Object {
	switch {
	case fd.IsMap():
		return Object{"type": "object", "additionalProperties": s.single(fd.MapValue(), prototree.MarksOf(fd))}
	case fd.IsList():
		return Object{"type": "array", "items": s.single(fd, prototree.MarksOf(fd))}
	}
	return s.single(fd, prototree.MarksOf(fd))
}

func (s *Set) single(fd protoreflect.FieldDescriptor, marks prototree.Marks) Object {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return Object{"type": "boolean"}
	case protoreflect.StringKind:
		if marks.Secret {
			return Object{"type": "string", "format": "password"}
		}
		return Object{"type": "string"}
	case protoreflect.BytesKind:
		if marks.Secret {
			return Object{"type": "string", "format": "password"} // base64, or the mask
		}
		return Object{"type": "string", "contentEncoding": "base64"}
	case protoreflect.EnumKind:
		return s.enum(fd.Enum())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return s.Ref(fd.Message())
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return Object{"type": "number"}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return Object{"type": "integer", "format": "int32"}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return Object{"type": "integer", "format": "int64", "minimum": 0}
	}
	return Object{"type": "integer", "format": "int64"}
}

func (s *Set) enum(ed protoreflect.EnumDescriptor) Object {
	words := prototree.Words(ed)
	values := make([]any, len(words))
	for i, word := range words {
		values[i] = word
	}
	schema := Object{"type": "string", "enum": values}
	describe(schema, s.comment(ed))
	return schema
}

// describe adds a description. Beside a reference it is the member's own (JSON Schema 2020-12 §8.2.3).
func describe(schema Object, comment string) {
	if comment != "" {
		schema["description"] = comment
	}
}
