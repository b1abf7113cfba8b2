package prototree

import "google.golang.org/protobuf/reflect/protoreflect"

// variant writes the chosen arm as `type` and `configuration`.
func (e *encoder) variant(c *config, m protoreflect.Message, tree Object) *Error {
	set := m.WhichOneof(c.oneof)
	if set == nil {
		return nil
	}
	arm := c.byField(set)
	if arm == nil {
		return nil
	}
	p := e.planOf(set.Message())
	if p.err != nil {
		return wrong(Kind, "cannot be spelled: "+p.err.Error()).under(configValue)
	}
	inner, err := e.message(p, m.Get(set).Message(), false)
	if err != nil {
		return err.under(configValue)
	}
	tree[c.name] = arm.marks.Variant
	if e.variants == asObject || c.plain {
		tree[configValue] = inner
		return nil
	}
	s, failed := text(inner)
	if failed != nil {
		return (&Error{Reason: Kind, Detail: "cannot be spelled", cause: failed}).under(configValue)
	}
	tree[configValue] = s
	return nil
}

// variant reads `type` and `configuration`. The latter may be an object or its JSON text, and may be missing, which
// leaves everything in it at its default.
func (d *decoder) variant(c *config, tree Object, m protoreflect.Message) *Error {
	name, value := tree[c.name], tree[configValue]
	if name == nil && value == nil {
		return nil
	}
	word, ok := name.(string)
	if !ok {
		return wrong(Enum, "must be one of "+c.types).under(c.name)
	}
	arm := c.byType(word)
	if arm == nil {
		return unknownWord(word, c.types).under(c.name)
	}
	inner := m.Mutable(arm.desc).Message()
	p := d.planOf(inner.Descriptor())
	if p.err != nil {
		return wrong(Kind, "cannot be read: "+p.err.Error()).under(configValue)
	}
	object, ok := configuration(value)
	if !ok {
		return wrongKind("a JSON object, or the text of one").under(configValue)
	}
	if err := d.message(p, object, inner, false); err != nil {
		return err.under(configValue)
	}
	return nil
}

func configuration(value any) (Object, bool) {
	switch value := value.(type) {
	case nil:
		return nil, true
	case Object:
		return value, true
	case string:
		tree, err := parse([]byte(value))
		return tree, err == nil
	}
	return nil, false
}

func (c *config) byType(word string) *field {
	for _, arm := range c.arms {
		if arm.marks.Variant == word {
			return arm
		}
	}
	return nil
}

func (c *config) byField(fd protoreflect.FieldDescriptor) *field {
	for _, arm := range c.arms {
		if arm.desc == fd {
			return arm
		}
	}
	return nil
}
