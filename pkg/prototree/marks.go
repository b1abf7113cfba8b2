package prototree

import (
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/options/v1"
)

// Marks are what the contract says about a member.
type Marks struct {
	OutputOnly bool // set by the server
	Immutable  bool // set at creation
	Internal   bool // never in REST, audit or registration bodies
	Recorded   bool // internal, and in audit records and the history all the same
	Always     bool // written to REST bodies even when empty
	Secret     bool // masked, absent or sealed, depending on the dialect
	Hashed     bool // a secret that is kept as a one-way hash and therefore not sealed
	// Key is, on a list of messages, the field name of the member by which elements are recognised.
	Key string
	// Waiting says that nothing acts on the member, or on the variant, yet.
	Waiting bool
	// WaitingValues are values on which nothing acts yet.
	WaitingValues []string
	// Destination says that the member decides where secrets beside it and below are sent.
	Destination bool
	// Variant is, on an arm of a variant oneof, the value of `type`.
	Variant string
}

var marks sync.Map // protoreflect.FieldDescriptor → Marks

// MarksOf returns the marks of a field. The answer is kept, so asking again is cheap.
func MarksOf(fd protoreflect.FieldDescriptor) Marks {
	if m, ok := marks.Load(fd); ok {
		return m.(Marks)
	}
	m := readMarks(fd)
	marks.Store(fd, m)
	return m
}

func readMarks(fd protoreflect.FieldDescriptor) Marks {
	options, ok := fd.Options().(*descriptorpb.FieldOptions)
	if !ok || options == nil {
		return Marks{}
	}
	m := Marks{Secret: options.GetDebugRedact()}
	if f, ok := proto.GetExtension(options, optionsv1.E_Field).(*optionsv1.FieldMarks); ok {
		m.OutputOnly = f.GetOutputOnly()
		m.Immutable = f.GetImmutable()
		m.Internal = f.GetInternal()
		m.Recorded = f.GetRecorded()
		m.Always = f.GetAlways()
		m.Hashed = f.GetHashed()
		m.Key = f.GetKey()
		m.Waiting = f.GetWaiting()
		m.WaitingValues = f.GetWaitingValues()
		m.Destination = f.GetDestination()
	}
	if v, ok := proto.GetExtension(options, optionsv1.E_Variant).(*optionsv1.VariantMarks); ok {
		m.Variant = v.GetType()
		m.Waiting = m.Waiting || v.GetWaiting()
	}
	return m
}

// typeMember is the member of a body that names the variant of a oneof.
func typeMember(od protoreflect.OneofDescriptor) string {
	if options, ok := od.Options().(*descriptorpb.OneofOptions); ok && options != nil {
		if m, ok := proto.GetExtension(options, optionsv1.E_Oneof).(*optionsv1.OneofMarks); ok && m.GetTypeMember() != "" {
			return m.GetTypeMember()
		}
	}
	return configType
}

// isPlain reports whether the content of a variant is written as an object.
func isPlain(od protoreflect.OneofDescriptor) bool {
	options, ok := od.Options().(*descriptorpb.OneofOptions)
	if !ok || options == nil {
		return false
	}
	m, ok := proto.GetExtension(options, optionsv1.E_Oneof).(*optionsv1.OneofMarks)
	return ok && m.GetPlain()
}

// isList reports whether a message is spelled as a plain list.
func isList(md protoreflect.MessageDescriptor) bool {
	options, ok := md.Options().(*descriptorpb.MessageOptions)
	if !ok || options == nil {
		return false
	}
	m, ok := proto.GetExtension(options, optionsv1.E_Message).(*optionsv1.MessageMarks)
	return ok && m.GetList()
}
