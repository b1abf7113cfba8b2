package resource

import (
	"log/slog"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// Redacted returns a value for a log attribute that prints m in the audit dialect: secrets masked, internal members
// left out. Nothing is done unless the record is written. m must not change until then.
func Redacted(m proto.Message) slog.LogValuer { return redacted{m} }

type redacted struct{ m proto.Message }

// LogValue implements slog.LogValuer.
func (r redacted) LogValue() slog.Value {
	if r.m == nil {
		return slog.AnyValue(nil)
	}
	tree, err := prototree.Audit.Encode(r.m)
	if err != nil {
		// The error names members, never values.
		return slog.StringValue("not printable: " + err.Error())
	}
	return group(tree)
}

// group makes the members of an object attributes, so that every handler prints them one by one.
func group(tree prototree.Object) slog.Value {
	attrs := make([]slog.Attr, 0, len(tree))
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		value := slog.AnyValue(tree[name])
		if inner, ok := tree[name].(prototree.Object); ok {
			value = group(inner)
		}
		attrs = append(attrs, slog.Attr{Key: name, Value: value})
	}
	return slog.GroupValue(attrs...)
}

// String prints the same, for a message that reaches package fmt.
func (r redacted) String() string { return r.LogValue().String() }
