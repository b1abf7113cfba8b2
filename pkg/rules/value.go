package rules

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// Limits of a value that leaves the package.
const (
	maxDepth  = 32        // nesting
	maxPieces = 10_000    // lists, maps and their elements
	maxBytes  = 256 << 10 // texts, names included
)

// printable are the kinds an expression within text may give.
var printable = []types.Kind{
	types.StringKind, types.IntKind, types.UintKind, types.DoubleKind, types.BoolKind, types.TimestampKind, types.DurationKind,
}

// jsonType reports whether values of t can be written as JSON.
func jsonType(t *types.Type) bool {
	switch t.Kind() {
	case types.BoolKind, types.BytesKind, types.DoubleKind, types.DurationKind, types.DynKind, types.AnyKind, types.IntKind,
		types.NullTypeKind, types.StringKind, types.StructKind, types.TimestampKind, types.UintKind, types.TypeParamKind:
		return true
	case types.ListKind, types.MapKind:
		for _, p := range t.Parameters() {
			if !jsonType(p) {
				return false
			}
		}
		return true
	case types.OpaqueKind:
		return t.TypeName() == "optional_type" && jsonType(t.Parameters()[0])
	}
	return false
}

// printed returns v as text, if it is of a printable kind.
func printed(v ref.Val) (string, bool) {
	switch v := v.(type) {
	case types.String:
		return string(v), true
	case types.Int, types.Uint, types.Double, types.Bool, types.Timestamp, types.Duration:
		s, ok := v.ConvertToType(types.StringType).(types.String)
		return string(s), ok
	}
	return "", false
}

// plain turns a CEL value into what encoding/json writes as it is. It reports false for values that JSON has no form for
// and for values beyond the limits.
func plain(v ref.Val) (any, bool) {
	w := &writer{pieces: maxPieces, bytes: maxBytes}
	return w.value(v, 0)
}

// writer counts what is left of the limits of one value.
type writer struct{ pieces, bytes int }

func (w *writer) value(v ref.Val, depth int) (any, bool) {
	if w.pieces--; w.pieces < 0 || depth > maxDepth {
		return nil, false
	}
	switch v := v.(type) {
	case types.Null:
		return nil, true
	case types.Bool:
		return bool(v), true
	case types.Int:
		return int64(v), true
	case types.Uint:
		return int64(v), uint64(v) <= math.MaxInt64
	case types.Double:
		f := float64(v)
		return f, !math.IsNaN(f) && !math.IsInf(f, 0)
	case types.String:
		return w.text(string(v))
	case types.Bytes:
		return w.text(base64.StdEncoding.EncodeToString(v))
	case types.Timestamp:
		return v.Time.UTC().Format(time.RFC3339Nano), true
	case types.Duration:
		return strconv.FormatFloat(v.Duration.Seconds(), 'f', -1, 64) + "s", true
	case *types.Optional:
		if !v.HasValue() {
			return nil, true
		}
		return w.value(v.GetValue(), depth)
	case object:
		return w.object(v, depth)
	case traits.Mapper:
		return w.mapping(v, depth)
	case traits.Lister:
		return w.list(v, depth)
	}
	return nil, false
}

func (w *writer) text(s string) (any, bool) {
	w.bytes -= len(s)
	return s, w.bytes >= 0
}

func (w *writer) object(o object, depth int) (any, bool) {
	m := make(map[string]any, len(o.typ.fields))
	for i := range o.typ.fields {
		f := &o.typ.fields[i]
		got, err := f.get(o.v)
		if err != nil {
			return nil, false
		}
		v, ok := w.value(native(got), depth+1)
		if !ok {
			return nil, false
		}
		m[f.name] = v
	}
	return m, true
}

func (w *writer) mapping(m traits.Mapper, depth int) (any, bool) {
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := printed(key)
		if !ok {
			return nil, false
		}
		if _, ok := w.text(name); !ok {
			return nil, false
		}
		v, ok := w.value(m.Get(key), depth+1)
		if !ok {
			return nil, false
		}
		out[name] = v
	}
	return out, true
}

func (w *writer) list(l traits.Lister, depth int) (any, bool) {
	out := []any{}
	for it := l.Iterator(); it.HasNext() == types.True; {
		v, ok := w.value(it.Next(), depth+1)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}
