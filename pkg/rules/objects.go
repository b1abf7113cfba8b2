package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// objectType is a CEL type with fixed fields over a pointer of ours, so that a misspelt field is found when an
// expression is compiled and a field is read without building a map.
type objectType struct {
	name   string
	empty  any // a nil pointer of the Go type behind it
	fields []field
}

type field struct {
	name string
	typ  *types.Type
	doc  string
	get  func(object any) (any, error)
}

// errNotOurs cannot be met by a checked expression.
var errNotOurs = errors.New("a value is not of the expected type")

func (t *objectType) celType() *types.Type { return types.NewObjectType(t.name) }

// HasTrait implements ref.Type.
func (t *objectType) HasTrait(trait int) bool { return t.celType().HasTrait(trait) }

// TypeName implements ref.Type.
func (t *objectType) TypeName() string { return t.name }

// ReflectType implements types.StructTypeDescriptor.
func (t *objectType) ReflectType() reflect.Type { return reflect.TypeOf(t.empty) }

// FieldNames implements types.StructTypeDescriptor.
func (t *objectType) FieldNames() []string {
	names := make([]string, len(t.fields))
	for i := range t.fields {
		names[i] = t.fields[i].name
	}
	return names
}

// FindFieldType implements types.StructTypeDescriptor.
func (t *objectType) FindFieldType(name string) (*types.FieldType, bool) {
	f := t.field(name)
	if f == nil {
		return nil, false
	}
	return &types.FieldType{
		Type:  f.typ,
		IsSet: func(object any) bool { return t.isSet(f, object) },
		GetFrom: func(object any) (any, error) {
			if reflect.TypeOf(object) != t.ReflectType() {
				return nil, errNotOurs
			}
			return f.get(object)
		},
	}, true
}

// NewValue implements types.StructTypeDescriptor. Expressions cannot make objects; Compile refuses them.
func (t *objectType) NewValue(types.Adapter, map[string]ref.Val) ref.Val {
	return types.NewErr("%s cannot be made in an expression", t.name)
}

// Adapt implements types.StructTypeDescriptor.
func (t *objectType) Adapt(a types.Adapter, v any) ref.Val { return object{t, v} }

func (t *objectType) field(name string) *field {
	for i := range t.fields {
		if t.fields[i].name == name {
			return &t.fields[i]
		}
	}
	return nil
}

// isSet reports whether a field is there and not empty.
func (t *objectType) isSet(f *field, object any) bool {
	if reflect.TypeOf(object) != t.ReflectType() {
		return false
	}
	got, err := f.get(object)
	if err != nil {
		return false
	}
	switch v := native(got).(type) {
	case traits.Sizer:
		return v.Size() != types.IntZero
	case types.Bool:
		return v == types.True
	}
	return got != nil
}

// object is a whole object where an expression uses it as a value: compares it, puts it into a list, returns it.
type object struct {
	typ *objectType
	v   any
}

// ConvertToNative implements ref.Val.
func (o object) ConvertToNative(want reflect.Type) (any, error) {
	if reflect.TypeOf(o.v).AssignableTo(want) {
		return o.v, nil
	}
	return nil, fmt.Errorf("%s cannot be converted", o.typ.name)
}

// ConvertToType implements ref.Val.
func (o object) ConvertToType(want ref.Type) ref.Val {
	switch want.TypeName() {
	case o.typ.name:
		return o
	case types.TypeType.TypeName():
		return o.typ.celType()
	}
	return types.NewErr("%s cannot be converted", o.typ.name)
}

// Equal implements ref.Val: objects are equal if they are the same.
func (o object) Equal(other ref.Val) ref.Val {
	that, ok := other.(object)
	return types.Bool(ok && o.typ == that.typ && o.v == that.v)
}

// Type implements ref.Val.
func (o object) Type() ref.Type { return o.typ.celType() }

// Value implements ref.Val.
func (o object) Value() any { return o.v }

// Get implements traits.Indexer.
func (o object) Get(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.NewErr("no such field")
	}
	f := o.typ.field(string(name))
	if f == nil {
		return types.NewErr("no such key: %s", name)
	}
	got, err := f.get(o.v)
	if err != nil {
		return types.WrapErr(err)
	}
	return native(got)
}

// IsSet implements traits.FieldTester.
func (o object) IsSet(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.NewErr("no such field")
	}
	f := o.typ.field(string(name))
	if f == nil {
		return types.False
	}
	return types.Bool(o.typ.isSet(f, o.v))
}

// Limits of what is known of users and set by flows, enforced when an expression uses it.
const (
	maxGivenText    = 64 << 10
	maxGivenEntries = 4096
)

func tooManyEntries() ref.Val {
	return types.WrapErr(&limitError{fmt.Sprintf("a list or map has more than %d entries", maxGivenEntries)})
}

// adapter turns Go values into CEL values. It keeps the limits and knows JSON numbers; all else is the registry's.
type adapter struct {
	*types.Registry
}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case ref.Val:
		return v
	case string:
		if len(v) > maxGivenText {
			return types.WrapErr(&limitError{fmt.Sprintf("a text is longer than %d bytes", maxGivenText)})
		}
		return types.String(v)
	case map[string]any:
		if len(v) > maxGivenEntries {
			return tooManyEntries()
		}
		return types.NewStringInterfaceMap(a, v)
	case []any:
		if len(v) > maxGivenEntries {
			return tooManyEntries()
		}
		return types.NewDynamicList(a, v)
	case []string:
		if len(v) > maxGivenEntries {
			return tooManyEntries()
		}
		return types.NewStringList(a, v)
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return types.Int(i)
		}
		f, err := v.Float64()
		if err != nil {
			return types.NewErr("a number is out of range")
		}
		return types.Double(f)
	}
	return a.Registry.NativeToValue(v)
}

// native turns a Go value into a CEL value outside of an evaluation.
func native(v any) ref.Val {
	reg, err := registry()
	if err != nil {
		return types.WrapErr(err)
	}
	return adapter{reg}.NativeToValue(v)
}
