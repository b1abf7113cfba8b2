// Package mergepatch applies JSON merge patches (RFC 7396) to trees of plain values.
package mergepatch

import "github.com/gatehouse-am/gatehouse/pkg/prototree"

// Merge returns target as patch changes it (RFC 7396 §2): a member that is null is removed, an object is merged member
// by member, anything else replaces, lists whole. Neither argument is changed, and the result shares no object or list
// with them. A nil target or patch counts as an empty object.
func Merge(target, patch prototree.Object) prototree.Object {
	merged := make(prototree.Object, len(target)+len(patch))
	for name, value := range target {
		if _, touched := patch[name]; !touched {
			merged[name] = clone(value)
		}
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
		case prototree.Object:
			inner, _ := target[name].(prototree.Object)
			merged[name] = Merge(inner, value)
		default:
			merged[name] = clone(value)
		}
	}
	return merged
}

// clone copies a value. Unlike Merge it keeps members that are null: inside a list they are content.
func clone(value any) any {
	switch value := value.(type) {
	case prototree.Object:
		if value == nil {
			return value
		}
		c := make(prototree.Object, len(value))
		for name, v := range value {
			c[name] = clone(v)
		}
		return c
	case []any:
		if value == nil {
			return value
		}
		c := make([]any, len(value))
		for i, v := range value {
			c[i] = clone(v)
		}
		return c
	case []byte:
		return append([]byte(nil), value...)
	}
	return value
}
