package prototree

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Waiting returns the places of m, as Management spells them, that carry a value on which nothing acts yet, in the order
// of the fields. A switch that is off and an empty list are no values.
func Waiting(m proto.Message) []string {
	if m == nil || !m.ProtoReflect().IsValid() {
		return nil
	}
	return waiting(nil, "", m.ProtoReflect())
}

func waiting(found []string, path string, m protoreflect.Message) []string {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		marks := MarksOf(fd)
		if marks.Internal || !m.Has(fd) {
			continue
		}
		name := fd.JSONName()
		if marks.Variant != "" {
			name = configValue
		}
		switch {
		case marks.Waiting && marks.Variant != "":
			found = append(found, Join(path, typeMember(fd.ContainingOneof())))
		case marks.Waiting:
			found = append(found, Join(path, name))
		case marks.WaitingValues != nil:
			found = append(found, waitingValues(Join(path, name), fd, marks.WaitingValues, m.Get(fd))...)
		case fd.IsMap() || fd.Message() == nil || fd.Message().ParentFile().Package() == "google.protobuf":
		case fd.IsList():
			list := m.Get(fd).List()
			for n := range list.Len() {
				found = waiting(found, Index(Join(path, name), n), list.Get(n).Message())
			}
		default:
			found = waiting(found, Join(path, name), m.Get(fd).Message())
		}
	}
	return found
}

// waitingValues returns the places of a text or a word of an enum, or of a list of them, that hold one of the values.
func waitingValues(path string, fd protoreflect.FieldDescriptor, values []string, v protoreflect.Value) (found []string) {
	waits := func(text string) bool {
		base, _, _ := strings.Cut(text, "~")
		return slices.Contains(values, base)
	}
	text := func(v protoreflect.Value) string {
		if fd.Enum() == nil {
			return v.String()
		}
		if word := fd.Enum().Values().ByNumber(v.Enum()); word != nil {
			return string(word.Name())
		}
		return ""
	}
	if !fd.IsList() {
		if waits(text(v)) {
			return []string{path}
		}
		return nil
	}
	for i := range v.List().Len() {
		if waits(text(v.List().Get(i))) {
			found = append(found, Index(path, i))
		}
	}
	return found
}
