package prototree

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// nestedList is the only member of the object that stands in a document for a list directly inside a list, which the
// development database cannot keep. No escaped key looks like it.
const nestedList = "%list"

// free spells google.protobuf.Struct, Value and ListValue: JSON inside a message.
func (e *encoder) free(m proto.Message) (any, *Error) {
	switch m := m.(type) {
	case *structpb.Struct:
		return e.freeObject(m)
	case *structpb.ListValue:
		return e.freeList(m)
	case *structpb.Value:
		return e.freeValue(m)
	}
	return nil, &Error{Reason: Kind, Detail: "cannot be spelled: it is not of a generated type"}
}

func (e *encoder) freeObject(s *structpb.Struct) (any, *Error) {
	tree := make(Object, len(s.GetFields()))
	for k, v := range s.GetFields() {
		value, err := e.freeValue(v)
		if err != nil {
			return nil, err.inKey(k)
		}
		tree[e.key(k)] = value
	}
	return tree, nil
}

func (e *encoder) freeList(l *structpb.ListValue) (any, *Error) {
	list := make([]any, len(l.GetValues()))
	for i, v := range l.GetValues() {
		value, err := e.freeValue(v)
		if err != nil {
			return nil, err.at(i)
		}
		if inner, ok := value.([]any); ok && e.document {
			value = Object{nestedList: inner}
		}
		list[i] = value
	}
	return list, nil
}

func (e *encoder) freeValue(v *structpb.Value) (any, *Error) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return kind.BoolValue, nil
	case *structpb.Value_StringValue:
		return kind.StringValue, nil
	case *structpb.Value_NumberValue:
		return e.float(kind.NumberValue)
	case *structpb.Value_StructValue:
		return e.freeObject(kind.StructValue)
	case *structpb.Value_ListValue:
		return e.freeList(kind.ListValue)
	}
	return nil, nil
}

// free reads into google.protobuf.Struct, Value or ListValue.
func (d *decoder) free(v any, into proto.Message) *Error {
	switch into := into.(type) {
	case *structpb.Struct:
		tree, ok := v.(Object)
		if !ok {
			return wrongKind("an object")
		}
		s, err := d.freeObject(tree)
		if err != nil {
			return err
		}
		into.Fields = s.GetFields()
		return nil
	case *structpb.ListValue:
		list, ok := v.([]any)
		if !ok {
			return wrongKind("a list")
		}
		l, err := d.freeList(list)
		if err != nil {
			return err
		}
		into.Values = l.GetValues()
		return nil
	case *structpb.Value:
		value, err := d.freeValue(v)
		if err != nil {
			return err
		}
		into.Kind = value.GetKind()
		return nil
	}
	return &Error{Reason: Kind, Detail: "cannot be read: it is not of a generated type"}
}

func (d *decoder) freeObject(tree Object) (*structpb.Struct, *Error) {
	s := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(tree))}
	for k, v := range tree {
		if d.document {
			k = unescapeKey(k)
		}
		if err := utf8Text(k); err != nil {
			return nil, err.inKey(k)
		}
		value, err := d.freeValue(v)
		if err != nil {
			return nil, err.inKey(k)
		}
		s.Fields[k] = value
	}
	return s, nil
}

func (d *decoder) freeList(list []any) (*structpb.ListValue, *Error) {
	l := &structpb.ListValue{Values: make([]*structpb.Value, len(list))}
	for i, v := range list {
		if tree, ok := v.(Object); ok && d.document && len(tree) == 1 {
			if inner, ok := tree[nestedList].([]any); ok {
				v = inner
			}
		}
		value, err := d.freeValue(v)
		if err != nil {
			return nil, err.at(i)
		}
		l.Values[i] = value
	}
	return l, nil
}

func (d *decoder) freeValue(v any) (*structpb.Value, *Error) {
	switch v := v.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case bool:
		return structpb.NewBoolValue(v), nil
	case string:
		if err := utf8Text(v); err != nil {
			return nil, err
		}
		return structpb.NewStringValue(v), nil
	case Object:
		s, err := d.freeObject(v)
		if err != nil {
			return nil, err
		}
		return structpb.NewStructValue(s), nil
	case []any:
		l, err := d.freeList(v)
		if err != nil {
			return nil, err
		}
		return structpb.NewListValue(l), nil
	}
	x, err := float(v, 64)
	if err != nil {
		return nil, err
	}
	return structpb.NewNumberValue(x), nil
}
