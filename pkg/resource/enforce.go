package resource

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// The texts of refusals.
const (
	textImmutable = "can not be changed"
	textMask      = "a masked value can only be sent back where a value is stored"
	textMoved     = "must be given again, because %s changes where it is sent"
)

// Enforce makes fresh, which a request asked for, obey the field marks with regard to old, which is stored. Old is nil
// when the resource is being created; otherwise it is of the same type. It is not changed.
//
//   - Output-only and internal members take the stored value, and have none on creation.
//   - An immutable member without a value takes the stored one; another value than the stored one is refused.
//   - A secret that is prototree.Mask takes the stored value, and is refused where none is stored, or where a member beside
//     it or around it that is marked as its destination becomes another one.
//
// What is said of members holds inside messages too, also where fresh left the whole message out. Elements of a list
// are the same element if their `key` member is; without that mark every element is new. Two different arms of a oneof
// have nothing in common.
//
// A refusal is a fault of kind Invalid that names the place as the management API spells it, and fresh is then only
// partly enforced.
func Enforce(old, fresh proto.Message) error {
	to := fresh.ProtoReflect()
	from := none(to)
	if old != nil && old.ProtoReflect().IsValid() {
		if old.ProtoReflect().Descriptor() != to.Descriptor() {
			return fmt.Errorf("enforce marks: a %s is stored, not a %s",
				old.ProtoReflect().Descriptor().Name(), to.Descriptor().Name())
		}
		// Values move from here into fresh, so they must not be those of the stored message.
		from = proto.Clone(old).ProtoReflect()
	}
	return enforce(from, to, "", from.IsValid(), "")
}

// none is an empty message that cannot be written to; it stands for a message that is not stored.
func none(m protoreflect.Message) protoreflect.Message { return m.Type().Zero() }

// enforce walks two messages of the same type. Exists says whether from is stored at all; if not, immutable members
// are free. Moved names the destination that changes around them; "" if none does.
func enforce(from, to protoreflect.Message, path string, exists bool, moved string) error {
	fields := to.Descriptor().Fields()
	if moved == "" && exists {
		moved = movedIn(from, to)
	}
	for i := range fields.Len() {
		fd := fields.Get(i)
		if err := enforceField(fd, from, to, path, exists, moved); err != nil {
			return err
		}
	}
	return nil
}

// movedIn returns the first member of a message that is a destination and changes.
func movedIn(from, to protoreflect.Message) string {
	fields := to.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if prototree.MarksOf(fd).Destination && (from.Has(fd) != to.Has(fd) || !from.Get(fd).Equal(to.Get(fd))) {
			return fd.JSONName()
		}
	}
	return ""
}

func enforceField(fd protoreflect.FieldDescriptor, from, to protoreflect.Message, path string, exists bool, moved string) error {
	marks := prototree.MarksOf(fd)
	switch {
	case marks.OutputOnly, marks.Internal:
		take(fd, from, to)
		return nil
	case marks.Immutable && exists:
		if !to.Has(fd) {
			take(fd, from, to)
		} else if !from.Has(fd) || !from.Get(fd).Equal(to.Get(fd)) {
			return refuse(prototree.Join(path, fd.JSONName()), fd.JSONName(), textImmutable)
		}
		return nil
	}
	name := fd.JSONName()
	if marks.Variant != "" {
		name = "configuration"
	}
	path = prototree.Join(path, name)
	switch {
	case fd.IsMap():
		return enforceMap(fd, marks, from, to, path, moved)
	case fd.IsList():
		return enforceList(fd, marks, from, to, path, moved)
	case marks.Secret:
		if to.Has(fd) && isMask(fd, to.Get(fd)) {
			if !from.Has(fd) {
				return refuse(path, name, textMask)
			}
			if moved != "" {
				return refuse(path, name, fmt.Sprintf(textMoved, moved))
			}
			to.Set(fd, from.Get(fd))
		}
		return nil
	case fd.Message() != nil && !isWellKnown(fd.Message()):
		return enforceMessage(fd, from, to, path, exists, moved)
	}
	return nil
}

// isWellKnown reports whether a message is one of protobuf's own, which carry no marks.
func isWellKnown(md protoreflect.MessageDescriptor) bool {
	return md.ParentFile().Package() == "google.protobuf"
}

// take gives to the stored value of a member, or none.
func take(fd protoreflect.FieldDescriptor, from, to protoreflect.Message) {
	if from.Has(fd) {
		to.Set(fd, from.Get(fd))
		return
	}
	to.Clear(fd)
}

func enforceMessage(fd protoreflect.FieldDescriptor, from, to protoreflect.Message, path string, exists bool, moved string) error {
	if to.Has(fd) {
		return enforce(from.Get(fd).Message(), to.Mutable(fd).Message(), path, exists && from.Has(fd), moved)
	}
	if !from.Has(fd) || fd.ContainingOneof() != nil && !fd.ContainingOneof().IsSynthetic() {
		return nil
	}
	// The request dropped the whole message; what it may not touch in it stays.
	kept := to.NewField(fd).Message()
	if err := enforce(from.Get(fd).Message(), kept, path, true, moved); err != nil {
		return err
	}
	if !isEmpty(kept) {
		to.Set(fd, protoreflect.ValueOfMessage(kept))
	}
	return nil
}

func enforceList(fd protoreflect.FieldDescriptor, marks prototree.Marks, from, to protoreflect.Message, path, moved string) error {
	if !to.Has(fd) || fd.Message() == nil && !marks.Secret {
		return nil
	}
	list := to.Mutable(fd).List()
	if fd.Message() == nil {
		for i := range list.Len() {
			if isMask(fd, list.Get(i)) {
				return refuse(prototree.Index(path, i), fd.JSONName(), textMask)
			}
		}
		return nil
	}
	key := fd.Message().Fields().ByName(protoreflect.Name(marks.Key))
	for i := range list.Len() {
		element := list.Get(i).Message()
		stored := none(element)
		if key != nil && from.Has(fd) {
			stored = withKey(from.Get(fd).List(), key, element)
		}
		if err := enforce(stored, element, prototree.Index(path, i), stored.IsValid(), moved); err != nil {
			return err
		}
	}
	return nil
}

// withKey returns the first element that has the same key as like. An element without a key is like no other.
func withKey(list protoreflect.List, key protoreflect.FieldDescriptor, like protoreflect.Message) protoreflect.Message {
	if like.Has(key) {
		for i := range list.Len() {
			if m := list.Get(i).Message(); m.Get(key).Equal(like.Get(key)) {
				return m
			}
		}
	}
	return none(like)
}

func enforceMap(fd protoreflect.FieldDescriptor, marks prototree.Marks, from, to protoreflect.Message, path, moved string) error {
	if !to.Has(fd) || fd.MapValue().Message() == nil && !marks.Secret {
		return nil
	}
	entries, stored := to.Mutable(fd).Map(), from.Get(fd).Map()
	var failed error
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		place := prototree.Member(path, k.String())
		switch {
		case fd.MapValue().Message() != nil:
			old := none(v.Message())
			if stored.Has(k) {
				old = stored.Get(k).Message()
			}
			failed = enforce(old, v.Message(), place, old.IsValid(), moved)
		case isMask(fd.MapValue(), v):
			if !stored.Has(k) {
				failed = refuse(place, k.String(), textMask)
			} else if moved != "" {
				failed = refuse(place, k.String(), fmt.Sprintf(textMoved, moved))
			} else {
				entries.Set(k, stored.Get(k))
			}
		}
		return failed == nil
	})
	return failed
}

func isMask(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return v.String() == prototree.Mask
	case protoreflect.BytesKind:
		return string(v.Bytes()) == prototree.Mask
	}
	return false
}

func isEmpty(m protoreflect.Message) bool {
	empty := true
	m.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool {
		empty = false
		return false
	})
	return empty
}

// IsMasked reports whether Enforce refused a mask where no secret is stored.
func IsMasked(err *fault.Error) bool {
	return len(err.Details) == 1 && err.Details[0].Detail == textMask
}

func refuse(path, leaf, text string) error {
	return fault.Invalidf("[%s: %s]", leaf, text).At(path, text)
}
