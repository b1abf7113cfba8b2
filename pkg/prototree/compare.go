package prototree

import (
	"maps"
	"reflect"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Change is one member that differs between two states of a message.
type Change struct {
	// Path is the place: settings.oauth.redirectUris, configuration.users["ann"].email. Elements of a list are named by
	// their key where the contract says what it is, otherwise by their position.
	Path string `json:"path"`
	// Before and After are the values in the audit dialect, secrets masked; nil where there is none.
	Before any `json:"before,omitempty"`
	After  any `json:"after,omitempty"`
	// Secret says that the value is a secret: that it changed is visible, and nothing else.
	Secret bool `json:"secret,omitempty"`
}

// Comparison is what can be told of a change without a secret.
type Comparison struct {
	// Before and After are the states in the audit dialect; nil where there is none.
	Before, After Object
	// Changes are the members that differ, in the order of their names. There are none where the message came into being
	// or went: everything is in the one state then. What the server stamps on a resource (id, domain, revision,
	// createdAt, updatedAt) is not among them.
	Changes []Change
}

// comparing is the audit dialect before secrets are masked. Its trees leave this file only through reveal.
var comparing = &Dialect{shape: &shape{
	times: rfc3339, secrets: compared, variants: asObject, switches: true, always: true, recorded: true, keyed: true,
}}

// Compare says what differs between two states of a message. Either may be nil or a typed nil: there was or is none.
// Secrets are compared as what they are and shown as Mask. It fails as Encode does.
func Compare(before, after proto.Message) (Comparison, error) {
	var c Comparison
	was, err := spread(before)
	if err != nil {
		return c, err
	}
	is, err := spread(after)
	if err != nil {
		return c, err
	}
	if was != nil && is != nil {
		c.Changes = differences(was, is)
	}
	if was != nil {
		c.Before = reveal(was).(Object)
	}
	if is != nil {
		c.After = reveal(is).(Object)
	}
	return c, nil
}

// Differences is Compare for two trees that were encoded before: secrets that are masked in both are the same, and all
// elements of lists are named by their position.
func Differences(before, after Object) []Change {
	if before == nil || after == nil {
		return nil
	}
	return differences(before, after)
}

func spread(m proto.Message) (Object, error) {
	if m == nil || !m.ProtoReflect().IsValid() {
		return nil, nil
	}
	return comparing.Encode(m)
}

// stamped are the members that the server sets on every write.
var stamped = []string{"id", "domain", "revision", "createdAt", "updatedAt"}

func differences(before, after Object) []Change {
	d := &differ{}
	for _, name := range names(before, after) {
		if !slices.Contains(stamped, name) {
			d.member(Member("", name), before, after, name)
		}
	}
	return d.changes
}

// concealed is a secret on its way to be compared.
type concealed string

func conceal(f *field, v protoreflect.Value) concealed {
	if f.kind == protoreflect.BytesKind {
		return concealed(v.Bytes())
	}
	return concealed(v.String())
}

// keyedList is a list whose elements are recognised by a member.
type keyedList struct {
	member string
	items  []any
}

func keyMember(list protoreflect.FieldDescriptor, key string) string {
	if list.Message() == nil {
		return ""
	}
	if fd := list.Message().Fields().ByName(protoreflect.Name(key)); fd != nil {
		return fd.JSONName()
	}
	return ""
}

// byKey returns the elements by their key, and the keys in order. It reports false where keys are missing or given twice.
func (l keyedList) byKey() (map[string]any, []string, bool) {
	elements, keys := make(map[string]any, len(l.items)), make([]string, len(l.items))
	for i, item := range l.items {
		o, _ := item.(Object)
		key, _ := o[l.member].(string)
		if _, twice := elements[key]; twice || key == "" {
			return nil, nil, false
		}
		elements[key], keys[i] = item, key
	}
	return elements, keys, true
}

// reveal returns a tree with secrets masked and lists as lists.
func reveal(v any) any {
	switch v := v.(type) {
	case concealed:
		return Mask
	case keyedList:
		return reveal(v.items)
	case Object:
		o := make(Object, len(v))
		for name, value := range v {
			o[name] = reveal(value)
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = reveal(value)
		}
		return list
	}
	return v
}

type differ struct{ changes []Change }

func (d *differ) add(path string, before, after any) {
	_, was := before.(concealed)
	_, is := after.(concealed)
	d.changes = append(d.changes, Change{Path: path, Before: reveal(before), After: reveal(after), Secret: was || is})
}

func (d *differ) member(path string, before, after Object, name string) {
	was, had := before[name]
	is, has := after[name]
	if had && has {
		d.value(path, was, is)
		return
	}
	d.add(path, was, is)
}

func (d *differ) value(path string, was, is any) {
	switch was := was.(type) {
	case Object:
		if is, ok := is.(Object); ok {
			for _, name := range names(was, is) {
				d.member(Member(path, name), was, is, name)
			}
			return
		}
	case keyedList:
		if is, ok := is.(keyedList); ok {
			d.keyed(path, was, is)
			return
		}
	case []any:
		if is, ok := is.([]any); ok {
			d.list(path, was, is)
			return
		}
	}
	if !reflect.DeepEqual(was, is) {
		d.add(path, was, is)
	}
}

// list compares by position. A list of plain values is one value: that is how people read it.
func (d *differ) list(path string, was, is []any) {
	if !slices.ContainsFunc(was, composite) && !slices.ContainsFunc(is, composite) {
		if !reflect.DeepEqual(was, is) {
			d.add(path, was, is)
		}
		return
	}
	for i := range max(len(was), len(is)) {
		switch place := Index(path, i); {
		case i >= len(was):
			d.add(place, nil, is[i])
		case i >= len(is):
			d.add(place, was[i], nil)
		default:
			d.value(place, was[i], is[i])
		}
	}
}

func composite(v any) bool {
	switch v.(type) {
	case Object, []any, keyedList:
		return true
	}
	return false
}

func (d *differ) keyed(path string, was, is keyedList) {
	old, oldKeys, ok := was.byKey()
	fresh, freshKeys, also := is.byKey()
	if !ok || !also {
		d.list(path, was.items, is.items)
		return
	}
	place := func(key string) string { return path + "[" + strconv.Quote(key) + "]" }
	for _, key := range oldKeys {
		if _, stays := fresh[key]; !stays {
			d.add(place(key), old[key], nil)
		}
	}
	for _, key := range freshKeys {
		if before, known := old[key]; known {
			d.value(place(key), before, fresh[key])
		} else {
			d.add(place(key), nil, fresh[key])
		}
	}
	before := slices.DeleteFunc(slices.Clone(oldKeys), func(k string) bool { return fresh[k] == nil })
	after := slices.DeleteFunc(slices.Clone(freshKeys), func(k string) bool { return old[k] == nil })
	if !slices.Equal(before, after) { // the order may mean something
		d.add(path, texts(oldKeys), texts(freshKeys))
	}
}

func texts(keys []string) []any {
	list := make([]any, len(keys))
	for i, k := range keys {
		list[i] = k
	}
	return list
}

// names returns the names of both objects, sorted.
func names(a, b Object) []string {
	all := slices.Collect(maps.Keys(a))
	for name := range b {
		if _, both := a[name]; !both {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
