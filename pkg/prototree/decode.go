package prototree

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

type decoder struct {
	*Dialect
	id string // of the outermost message
}

// message reads on after a fault, so that all are told together.
func (d *decoder) message(p *plan, tree Object, m protoreflect.Message, root bool) *Error {
	var faults *Error
	if !d.skipping {
		faults = unknownMembers(p, tree, root)
	}
	for _, f := range p.fields {
		name := f.name
		if root {
			name = f.rootName
		}
		v, given := tree[name]
		if !given || v == nil || d.skipping && f.marks.OutputOnly {
			continue
		}
		if other := otherArm(m, f); other != "" {
			faults = faults.and(wrong(Kind, "cannot be given together with "+other).under(name))
			continue
		}
		if err := d.field(f, v, m); err != nil {
			if d.outputIgnored && f.marks.OutputOnly {
				m.Clear(f.desc)
				continue
			}
			faults = faults.and(err.under(name))
		}
	}
	if p.config != nil {
		faults = faults.and(d.variant(p.config, tree, m))
	}
	return faults
}

// unknownMembers returns an error for the members, in alphabetical order, that the message does not have.
func unknownMembers(p *plan, tree Object, root bool) *Error {
	var unknown []string
	for name := range tree {
		if !p.has(name, root) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	var faults *Error
	for _, name := range unknown[:min(len(unknown), mostFaults)] {
		faults = faults.and(&Error{Path: Member("", name), Leaf: name, Reason: Unknown, Detail: "is not recognized as a valid property"})
	}
	return faults
}

func (p *plan) has(name string, root bool) bool {
	if p.config != nil && (name == p.config.name || name == configValue) {
		return true
	}
	if root && p.id != nil && p.id.name != p.id.rootName {
		if name == p.id.rootName {
			return true
		}
		if name == p.id.name {
			return false
		}
	}
	return p.known[name] != nil
}

// otherArm returns the name of the arm that is already set in the oneof of f.
func otherArm(m protoreflect.Message, f *field) string {
	oneof := f.desc.ContainingOneof()
	if oneof == nil || oneof.IsSynthetic() {
		return ""
	}
	if set := m.WhichOneof(oneof); set != nil {
		return set.JSONName()
	}
	return ""
}

func (d *decoder) field(f *field, v any, m protoreflect.Message) *Error {
	switch {
	case f.isMap:
		tree, ok := v.(Object)
		if !ok {
			return wrongKind("an object with " + d.nouns(f.value))
		}
		return d.entries(f, tree, m.Mutable(f.desc).Map())
	case f.isList:
		return d.list(f, v, m.Mutable(f.desc).List())
	case f.desc.Message() != nil:
		return d.inner(v, m.Mutable(f.desc).Message())
	}
	value, err := d.scalar(f, v)
	if err != nil {
		return err
	}
	m.Set(f.desc, value)
	return nil
}

func (d *decoder) list(f *field, v any, into protoreflect.List) *Error {
	list, ok := v.([]any)
	if !ok {
		return wrongKind("a list of " + d.nouns(f))
	}
	var faults *Error
	for i, v := range list {
		if faults.full() {
			break
		}
		if f.desc.Message() != nil {
			if err := d.inner(v, into.AppendMutable().Message()); err != nil {
				faults = faults.and(err.at(i))
			}
			continue
		}
		value, err := d.scalar(f, v)
		if err != nil {
			faults = faults.and(err.at(i))
			continue
		}
		into.Append(value)
	}
	return faults
}

func (d *decoder) entries(f *field, tree Object, into protoreflect.Map) *Error {
	var faults *Error
	for k, v := range tree {
		if v == nil {
			continue
		}
		if faults.full() {
			break
		}
		if d.document {
			k = unescapeKey(k)
		}
		if err := utf8Text(k); err != nil {
			faults = faults.and(err.inKey(k))
			continue
		}
		key := protoreflect.ValueOfString(k).MapKey()
		if f.value.desc.Message() != nil {
			if err := d.inner(v, into.Mutable(key).Message()); err != nil {
				faults = faults.and(err.inKey(k))
			}
			continue
		}
		value, err := d.scalar(f.value, v)
		if err != nil {
			faults = faults.and(err.inKey(k))
			continue
		}
		into.Set(key, value)
	}
	return faults
}

func (d *decoder) inner(v any, m protoreflect.Message) *Error {
	p := d.planOf(m.Descriptor())
	if p.err != nil {
		return &Error{Reason: Kind, Detail: "cannot be read: " + p.err.Error(), cause: p.err}
	}
	switch p.form {
	case formList:
		return d.list(p.values, v, m.Mutable(p.values.desc).List())
	case formTime:
		return d.time(v, m)
	case formStruct, formValue, formListValue:
		return d.free(v, m.Interface())
	}
	tree, ok := v.(Object)
	if !ok {
		return wrongKind("an object")
	}
	return d.message(p, tree, m, false)
}

func (d *decoder) scalar(f *field, v any) (protoreflect.Value, *Error) {
	if f.marks.Secret && d.seals(f) {
		return d.open(f, v)
	}
	none := protoreflect.Value{}
	switch f.kind {
	case protoreflect.BoolKind:
		b, ok := v.(bool)
		if !ok {
			return none, wrongKind("a boolean")
		}
		return protoreflect.ValueOfBool(b), nil
	case protoreflect.StringKind:
		s, ok := v.(string)
		if !ok {
			return none, wrongKind("a string")
		}
		return protoreflect.ValueOfString(s), utf8Text(s)
	case protoreflect.BytesKind:
		b, err := d.bytes(f, v)
		return protoreflect.ValueOfBytes(b), err
	case protoreflect.EnumKind:
		return d.enum(f, v)
	}
	return number(f.kind, v)
}

func (d *decoder) bytes(f *field, v any) ([]byte, *Error) {
	if d.document {
		b, ok := v.([]byte)
		if !ok {
			return nil, wrongKind("bytes")
		}
		return append([]byte{}, b...), nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, wrongKind("base64 text")
	}
	if s == Mask && f.marks.Secret {
		return []byte(s), nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, wrongKind("base64 text")
	}
	return b, nil
}

func (d *decoder) enum(f *field, v any) (protoreflect.Value, *Error) {
	word, ok := v.(string)
	if !ok {
		return protoreflect.Value{}, wrong(Enum, "must be one of "+f.words.all)
	}
	n, ok := f.words.numbers[strings.ToLower(word)]
	if !ok {
		return protoreflect.Value{}, unknownWord(word, f.words.all)
	}
	return protoreflect.ValueOfEnum(n), nil
}

func (d *decoder) open(f *field, v any) (protoreflect.Value, *Error) {
	none := protoreflect.Value{}
	s, ok := v.(string)
	if !ok {
		return none, wrongKind("a sealed value")
	}
	plain, err := d.sealer.Open(f.place+d.id, s)
	if err != nil {
		return none, &Error{Reason: Sealed, Detail: "cannot be opened", cause: err}
	}
	if f.kind == protoreflect.BytesKind {
		return protoreflect.ValueOfBytes(plain), nil
	}
	return protoreflect.ValueOfString(string(plain)), utf8Text(string(plain))
}

// utf8Text refuses text that a message cannot carry.
func utf8Text(s string) *Error {
	if !utf8.ValidString(s) {
		return wrongKind("text in UTF-8")
	}
	return nil
}

func wrong(reason Reason, detail string) *Error { return &Error{Reason: reason, Detail: detail} }

func wrongKind(noun string) *Error { return wrong(Kind, "must be "+noun) }

// unknownWord repeats the word only where it is short enough to be one.
func unknownWord(word, all string) *Error {
	err := wrong(Enum, "must be one of "+all)
	if utf8.ValidString(word) && len(word) <= 64 {
		err.Value = word
	}
	return err
}

// nouns names what a list or a map holds, for error texts.
func (d *decoder) nouns(f *field) string {
	switch f.kind {
	case protoreflect.BoolKind:
		return "booleans"
	case protoreflect.StringKind:
		return "strings"
	case protoreflect.BytesKind:
		return "base64 texts"
	case protoreflect.EnumKind:
		return "words"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "numbers"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		switch d.planOf(f.desc.Message()).form {
		case formTime:
			return "times"
		case formValue:
			return "values"
		case formList, formListValue:
			return "lists"
		}
		return "objects"
	}
	return "whole numbers"
}
