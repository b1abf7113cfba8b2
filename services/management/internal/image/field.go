package image

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Having returns the condition that a value stands at a place of a resource, such as settings.oauth.scopeSettings.scope:
// JSON names, through messages and lists of them. Values are texts, or words of an enum in lower case. A place that the
// kind does not have is an error.
func Having(k catalog.Any, field, value string) (func(resource.Resource) bool, error) {
	md := k.NewResource().ProtoReflect().Descriptor()
	var path []protoreflect.FieldDescriptor
	for name := range strings.SplitSeq(field, ".") {
		var fd protoreflect.FieldDescriptor
		if md != nil {
			fd = md.Fields().ByJSONName(name)
		}
		if fd == nil || fd.IsMap() {
			return nil, fmt.Errorf("%s has no place %s", k.Descriptor().Arm, field)
		}
		path, md = append(path, fd), fd.Message()
	}
	if md != nil && prototree.IsList(md) {
		path = append(path, md.Fields().Get(0)) // a message that is spelled as a plain list
	}
	switch path[len(path)-1].Kind() {
	case protoreflect.StringKind, protoreflect.EnumKind:
	default:
		return nil, fmt.Errorf("%s.%s has no texts", k.Descriptor().Arm, field)
	}
	return func(r resource.Resource) bool { return having(r.ProtoReflect(), path, value) }, nil
}

func having(m protoreflect.Message, path []protoreflect.FieldDescriptor, value string) bool {
	fd := path[0]
	if !m.Has(fd) {
		return false
	}
	v := m.Get(fd)
	if !fd.IsList() {
		return holds(v, path, value)
	}
	list := v.List()
	for i := range list.Len() {
		if holds(list.Get(i), path, value) {
			return true
		}
	}
	return false
}

// holds looks at a value of the first field of a path.
func holds(v protoreflect.Value, path []protoreflect.FieldDescriptor, value string) bool {
	fd := path[0]
	switch {
	case len(path) > 1:
		return having(v.Message(), path[1:], value)
	case fd.Kind() == protoreflect.EnumKind:
		word := fd.Enum().Values().ByNumber(v.Enum())
		return word != nil && strings.EqualFold(string(word.Name()), value)
	}
	return v.String() == value
}
