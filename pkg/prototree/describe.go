package prototree

import "google.golang.org/protobuf/reflect/protoreflect"

// Words returns the words by which Management spells the values of an enum, in the order of their declaration. A first
// value that only says that nothing was chosen is not among them: it is spelled by absence.
func Words(ed protoreflect.EnumDescriptor) []string {
	w := wordsOf(ed)
	var all []string
	seen := map[protoreflect.EnumNumber]bool{}
	for i := range ed.Values().Len() {
		n := ed.Values().Get(i).Number()
		if word, ok := w.names[n]; ok && !seen[n] {
			seen[n] = true
			all = append(all, word)
		}
	}
	return all
}

// IsList reports whether Management spells a message as a plain list.
func IsList(md protoreflect.MessageDescriptor) bool { return isList(md) }

// TypeMember returns the member of a body that names the variant of a oneof whose arms are marked as variants: `type`
// where nothing else is said.
func TypeMember(od protoreflect.OneofDescriptor) string { return typeMember(od) }

// VariantMember is the member of a body that holds the content of a variant.
const VariantMember = configValue
