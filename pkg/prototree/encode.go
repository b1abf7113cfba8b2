package prototree

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

type encoder struct {
	*Dialect
	id string // of the outermost message
}

func (e *encoder) message(p *plan, m protoreflect.Message, root bool) (Object, *Error) {
	tree := make(Object, len(p.fields))
	for _, f := range p.fields {
		if !m.Has(f.desc) {
			if f.printed {
				e.empty(tree, f)
			}
			continue
		}
		v, err := e.field(f, m.Get(f.desc))
		if err != nil {
			return nil, err.under(f.name)
		}
		if root {
			tree[f.rootName] = v
		} else {
			tree[f.name] = v
		}
	}
	if p.config != nil {
		if err := e.variant(p.config, m, tree); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// empty writes a member that has no value. Messages, bytes and enums have no empty form.
func (e *encoder) empty(tree Object, f *field) {
	switch {
	case f.isMap:
		tree[f.name] = Object{}
	case f.isList && e.keyed && f.marks.Key != "":
		tree[f.name] = keyedList{member: keyMember(f.desc, f.marks.Key)}
	case f.isList:
		tree[f.name] = []any{}
	case f.kind == protoreflect.BoolKind:
		tree[f.name] = false
	case f.kind == protoreflect.StringKind:
		tree[f.name] = ""
	case isNumber(f.kind):
		tree[f.name] = json.Number("0")
	}
}

func (e *encoder) field(f *field, v protoreflect.Value) (any, *Error) {
	switch {
	case f.isMap:
		return e.entries(f, v.Map())
	case f.isList:
		return e.list(f, v.List())
	}
	return e.single(f, v)
}

func (e *encoder) list(f *field, l protoreflect.List) (any, *Error) {
	list := make([]any, l.Len())
	for i := range list {
		v, err := e.single(f, l.Get(i))
		if err != nil {
			return nil, err.at(i)
		}
		list[i] = v
	}
	if e.keyed && f.marks.Key != "" {
		return keyedList{member: keyMember(f.desc, f.marks.Key), items: list}, nil
	}
	return list, nil
}

func (e *encoder) entries(f *field, m protoreflect.Map) (any, *Error) {
	tree := make(Object, m.Len())
	var failed *Error
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		value, err := e.single(f.value, v)
		if err != nil {
			failed = err.inKey(k.String())
			return false
		}
		tree[e.key(k.String())] = value
		return true
	})
	if failed != nil {
		return nil, failed
	}
	return tree, nil
}

// key returns the name of an entry of a map or a free-form object.
func (e *encoder) key(k string) string {
	if e.document {
		return escapeKey(k)
	}
	return k
}

func (e *encoder) single(f *field, v protoreflect.Value) (any, *Error) {
	if f.marks.Secret {
		switch {
		case e.secrets == masked:
			return Mask, nil
		case e.secrets == compared:
			return conceal(f, v), nil
		case e.seals(f):
			return e.seal(f, v), nil
		}
	}
	switch f.kind {
	case protoreflect.BoolKind:
		return v.Bool(), nil
	case protoreflect.StringKind:
		return v.String(), nil
	case protoreflect.BytesKind:
		if e.document {
			return append([]byte{}, v.Bytes()...), nil
		}
		return base64.StdEncoding.EncodeToString(v.Bytes()), nil
	case protoreflect.EnumKind:
		word, ok := f.words.names[v.Enum()]
		if !ok {
			return nil, &Error{Reason: Enum, Detail: "must be one of " + f.words.all, Value: strconv.Itoa(int(v.Enum()))}
		}
		return word, nil
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return e.inner(v.Message())
	}
	return e.number(f.kind, v)
}

func (e *encoder) seal(f *field, v protoreflect.Value) string {
	plain := []byte(nil)
	if f.kind == protoreflect.BytesKind {
		plain = v.Bytes()
	} else {
		plain = []byte(v.String())
	}
	return e.sealer.Seal(f.place+e.id, plain)
}

func (e *encoder) inner(m protoreflect.Message) (any, *Error) {
	p := e.planOf(m.Descriptor())
	if p.err != nil {
		return nil, &Error{Reason: Kind, Detail: "cannot be spelled: " + p.err.Error(), cause: p.err}
	}
	switch p.form {
	case formList:
		return e.list(p.values, m.Get(p.values.desc).List())
	case formTime:
		return e.time(m)
	case formStruct, formValue, formListValue:
		return e.free(m.Interface())
	}
	return e.message(p, m, false)
}

func (e *encoder) number(kind protoreflect.Kind, v protoreflect.Value) (any, *Error) {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		if e.document {
			return int32(v.Int()), nil
		}
		return json.Number(strconv.FormatInt(v.Int(), 10)), nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		if e.document {
			return v.Int(), nil
		}
		return json.Number(strconv.FormatInt(v.Int(), 10)), nil
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return e.float(v.Float())
	}
	if !e.document {
		return json.Number(strconv.FormatUint(v.Uint(), 10)), nil
	}
	if v.Uint() > math.MaxInt64 {
		return nil, &Error{Reason: Range, Detail: "is too large for the database"}
	}
	return int64(v.Uint()), nil
}

func (e *encoder) float(x float64) (any, *Error) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil, &Error{Reason: Range, Detail: "must be a finite number"}
	}
	if e.document {
		return x, nil
	}
	// The form that encoding/json writes: the shortest digits, with an exponent only where it helps.
	format := byte('f')
	if abs := math.Abs(x); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return json.Number(strconv.FormatFloat(x, format, -1, 64)), nil
}

func (e *encoder) time(m protoreflect.Message) (any, *Error) {
	fields := m.Descriptor().Fields()
	sec, nano := m.Get(fields.ByNumber(1)).Int(), m.Get(fields.ByNumber(2)).Int()
	if sec < minSecond || sec > maxSecond || nano < 0 || nano >= 1e9 {
		return nil, &Error{Reason: Range, Detail: "must be a time from the year 1 to 9999"}
	}
	switch e.times {
	case milliseconds:
		return json.Number(strconv.FormatInt(sec*1000+nano/1e6, 10)), nil
	case seconds:
		return json.Number(strconv.FormatInt(sec, 10)), nil
	case rfc3339:
		return time.Unix(sec, nano).UTC().Format(time.RFC3339Nano), nil
	}
	return time.UnixMilli(sec*1000 + nano/1e6).UTC(), nil
}

// Seconds since 1970 of the first and last time a Timestamp may hold.
const (
	minSecond = -62135596800
	maxSecond = 253402300799
)

func isNumber(kind protoreflect.Kind) bool {
	switch kind {
	case protoreflect.BoolKind, protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind,
		protoreflect.MessageKind, protoreflect.GroupKind:
		return false
	}
	return true
}
