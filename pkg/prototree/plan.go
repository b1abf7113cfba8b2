package prototree

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// plan is what a dialect has to know about a message, found out once.
type plan struct {
	form   form
	fields []*field          // those that exist in the dialect, without the arms of the variant
	known  map[string]*field // the same, by name
	id     *field            // the member `id`, if there is one
	config *config           // the variant, where it is spelled as `type` and `configuration`
	values *field            // the list of a formList message
	descs  int               // how many fields the message has, those included that do not exist here
	err    error             // the message cannot be spelled in this dialect
}

// form is how a message looks inside a tree.
type form uint8

const (
	formObject form = iota
	formList        // a plain list
	formTime
	formStruct // google.protobuf.Struct and its relatives
	formValue
	formListValue
)

type field struct {
	desc     protoreflect.FieldDescriptor
	name     string
	rootName string // the name in the outermost message
	kind     protoreflect.Kind
	marks    Marks
	presence bool
	isList   bool
	isMap    bool
	printed  bool   // written even when empty
	place    string // what a sealed value is bound to, before the identifier
	value    *field // of a map
	words    *words // of an enum
	// What a field is in the message's protobuf form: its tag, its place in the message, and that of its oneof, or less than none.
	tag          uint64
	index, oneof int
}

type config struct {
	oneof protoreflect.OneofDescriptor
	name  string // the member that names the arm
	plain bool   // the content is an object, also where a dialect writes text
	arms  []*field
	types string // all of them, for the error text
}

const (
	configType  = "type"
	configValue = "configuration"
)

// words are the names of an enum's values in lower case.
type words struct {
	numbers map[string]protoreflect.EnumNumber
	names   map[protoreflect.EnumNumber]string
	all     string
}

func (s *shape) planOf(md protoreflect.MessageDescriptor) *plan {
	if p, ok := s.plans.Load(md); ok {
		return p.(*plan)
	}
	p, _ := s.plans.LoadOrStore(md, s.newPlan(md))
	return p.(*plan)
}

func (s *shape) newPlan(md protoreflect.MessageDescriptor) *plan {
	p := &plan{form: formOf(md), known: map[string]*field{}, descs: md.Fields().Len()}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		f, err := s.newField(fd)
		if err != nil {
			p.err = fmt.Errorf("field %s: %w", fd.FullName(), err)
			return p
		}
		switch {
		case s.hides(f):
		case f.marks.Variant != "" && s.variants != asArms:
			if p.config == nil {
				p.config = &config{oneof: fd.ContainingOneof(), name: typeMember(fd.ContainingOneof()), plain: isPlain(fd.ContainingOneof())}
			}
			p.config.arms = append(p.config.arms, f)
		default:
			p.fields = append(p.fields, f)
			p.known[f.name] = f
		}
		if fd.Name() == "id" && fd.Kind() == protoreflect.StringKind && !f.isList {
			p.id = f
		}
	}
	if p.form == formList {
		if len(p.fields) != 1 || !p.fields[0].isList {
			p.err = fmt.Errorf("message %s is marked as a list but is not one repeated field", md.FullName())
			return p
		}
		p.values = p.fields[0]
	}
	if p.config != nil {
		p.err = s.completeVariant(p, md)
	}
	return p
}

func (s *shape) completeVariant(p *plan, md protoreflect.MessageDescriptor) error {
	if s.variants == without {
		p.config = nil
		return nil
	}
	if p.known[p.config.name] != nil || p.known[configValue] != nil {
		return fmt.Errorf("message %s has a variant and members of the same names", md.FullName())
	}
	types := make([]string, len(p.config.arms))
	for i, arm := range p.config.arms {
		if arm.desc.ContainingOneof() != p.config.oneof || arm.desc.Message() == nil {
			return fmt.Errorf("field %s is marked as a variant but is not a message in its oneof", arm.desc.FullName())
		}
		types[i] = arm.marks.Variant
	}
	p.config.types = strings.Join(types, ", ")
	return nil
}

// hides reports whether a field does not exist in the dialect.
func (s *shape) hides(f *field) bool {
	return f.marks.Internal && !s.internal && !(f.marks.Recorded && s.recorded) || f.marks.Secret && s.secrets == absent || f.marks.Waiting && s.skipping
}

func (s *shape) newField(fd protoreflect.FieldDescriptor) (*field, error) {
	f := &field{
		desc:     fd,
		name:     fd.JSONName(),
		kind:     fd.Kind(),
		marks:    MarksOf(fd),
		presence: fd.HasPresence(),
		isList:   fd.IsList(),
		isMap:    fd.IsMap(),
		place:    string(fd.FullName()) + ":",
		tag:      protowire.EncodeTag(fd.Number(), wireType(fd.Kind())),
		index:    fd.Index(),
		oneof:    -1,
	}
	if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
		f.oneof = o.Index()
	}
	if s.fieldNames {
		f.name = fd.TextName()
	}
	f.rootName = f.name
	if s.document && fd.Name() == "id" {
		f.rootName = "_id"
	}
	if !f.presence {
		f.printed = s.always && f.marks.Always || s.switches && f.kind == protoreflect.BoolKind && !f.isList
	}
	if fd.Enum() != nil {
		f.words = wordsOf(fd.Enum())
	}
	if f.isMap {
		if fd.MapKey().Kind() != protoreflect.StringKind {
			return nil, errors.New("only maps from text can be spelled")
		}
		value, err := s.newField(fd.MapValue())
		if err != nil {
			return nil, err
		}
		value.marks, value.place, value.presence = f.marks, f.place, true
		f.value = value
	}
	if f.marks.Secret && f.kind != protoreflect.StringKind && f.kind != protoreflect.BytesKind &&
		!(f.isMap && (f.value.kind == protoreflect.StringKind || f.value.kind == protoreflect.BytesKind)) {
		return nil, errors.New("only text and bytes can be secret")
	}
	return f, nil
}

// wireType returns how a single value of a kind is framed.
func wireType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

func formOf(md protoreflect.MessageDescriptor) form {
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		return formTime
	case "google.protobuf.Struct":
		return formStruct
	case "google.protobuf.Value":
		return formValue
	case "google.protobuf.ListValue":
		return formListValue
	}
	if isList(md) {
		return formList
	}
	return formObject
}

// wordsOf leaves out a first value that only says that nothing was chosen: it is spelled by absence.
func wordsOf(ed protoreflect.EnumDescriptor) *words {
	w := &words{
		numbers: map[string]protoreflect.EnumNumber{},
		names:   map[protoreflect.EnumNumber]string{},
	}
	var all []string
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		word := strings.ToLower(string(v.Name()))
		if v.Number() == 0 && strings.HasSuffix(word, "unspecified") {
			continue
		}
		w.numbers[word] = v.Number()
		if _, alias := w.names[v.Number()]; !alias {
			w.names[v.Number()] = word
			all = append(all, word)
		}
	}
	w.all = strings.Join(all, ", ")
	return w
}
