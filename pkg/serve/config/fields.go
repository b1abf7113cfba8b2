package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// setting is one name with the fields that it sets.
type setting struct {
	name   string
	help   string
	fields []reflect.Value // of one type
	source string          // who said it; empty: nobody
}

func (s *setting) value() reflect.Value { return s.fields[0] }
func (s *setting) isSecret() bool       { return s.value().Type() == reflect.TypeFor[Secret]() }
func (s *setting) isURL() bool          { return s.value().Type() == reflect.TypeFor[URL]() }
func (s *setting) isBool() bool         { return s.value().Kind() == reflect.Bool }

// filed reports whether the value may be in a file of its own.
func (s *setting) filed() bool { return s.isSecret() || s.isURL() }

func (s *setting) fault(source, format string, args ...any) error {
	return &Fault{Key: s.name, Source: source, Problem: fmt.Sprintf(format, args...)}
}

// setFrom is set for a value that somebody says.
func (s *setting) setFrom(source, text string) error {
	if err := s.set(text); err != nil {
		return s.fault(source, ": %v", err)
	}
	s.source = source
	return nil
}

// variable is the name in the environment.
func (s *setting) variable() string {
	return "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// set parses text into every field.
func (s *setting) set(text string) error {
	for _, f := range s.fields {
		if err := parse(f, text); err != nil {
			return err
		}
	}
	return nil
}

// settings lists what a struct asks for, in the order of its fields. Its errors are mistakes of the program.
func settings(config reflect.Value) ([]*setting, error) {
	c := collector{byName: map[string]*setting{}}
	if err := c.collect(config, scope{}); err != nil {
		return nil, err
	}
	for _, s := range c.list {
		if s.filed() {
			if _, taken := c.byName[s.name+"-file"]; taken {
				return nil, fmt.Errorf("--%s-file means two things", s.name)
			}
		}
	}
	return c.list, nil
}

type collector struct {
	list   []*setting
	byName map[string]*setting
}

// scope is what the tags of the surrounding fields say about names.
type scope struct {
	renames []map[string]string // innermost first
	omit    []map[string]bool
}

func (sc scope) resolve(name string) (string, bool) {
	for i := range sc.renames {
		if sc.omit[i][name] {
			return "", false
		}
		if other, ok := sc.renames[i][name]; ok {
			name = other
		}
	}
	return name, true
}

func (sc scope) enter(tag reflect.StructTag) scope {
	renames, omit := map[string]string{}, map[string]bool{}
	for pair := range strings.FieldsSeq(tag.Get("rename")) {
		from, to, _ := strings.Cut(pair, "=")
		renames[from] = to
	}
	for name := range strings.FieldsSeq(tag.Get("omit")) {
		omit[name] = true
	}
	return scope{
		renames: append([]map[string]string{renames}, sc.renames...),
		omit:    append([]map[string]bool{omit}, sc.omit...),
	}
}

func (c *collector) collect(v reflect.Value, sc scope) error {
	for _, field := range reflect.VisibleFields(v.Type()) {
		if len(field.Index) > 1 {
			continue // found again inside its struct
		}
		name := field.Tag.Get("flag")
		switch {
		case name == "-":
			continue
		case !field.IsExported():
			return fmt.Errorf("%s.%s: not exported and not tagged flag:\"-\"", v.Type(), field.Name)
		case name == "" && field.Type.Kind() == reflect.Struct:
			if err := c.collect(v.FieldByIndex(field.Index), sc.enter(field.Tag)); err != nil {
				return err
			}
			continue
		case name == "":
			return fmt.Errorf("%s.%s: no flag tag", v.Type(), field.Name)
		case !supported(field.Type):
			return fmt.Errorf("%s.%s: type %s cannot be read", v.Type(), field.Name, field.Type)
		}
		if err := c.add(name, field.Tag.Get("help"), v.FieldByIndex(field.Index), sc); err != nil {
			return fmt.Errorf("%s.%s: %w", v.Type(), field.Name, err)
		}
	}
	return nil
}

func (c *collector) add(name, help string, field reflect.Value, sc scope) error {
	name, wanted := sc.resolve(name)
	if !wanted {
		return nil
	}
	if !wellNamed(name) {
		return fmt.Errorf("%q is not a name of lower-case words joined by -", name)
	}
	known, ok := c.byName[name]
	if !ok {
		s := &setting{name: name, help: help, fields: []reflect.Value{field}}
		c.byName[name] = s
		c.list = append(c.list, s)
		return nil
	}
	if known.value().Type() != field.Type() {
		return fmt.Errorf("--%s is a %s and a %s", name, known.value().Type(), field.Type())
	}
	if !reflect.DeepEqual(known.value().Interface(), field.Interface()) {
		return fmt.Errorf("--%s has two defaults, %q and %q", name, show(known.value()), show(field))
	}
	known.fields = append(known.fields, field)
	return nil
}

func wellNamed(name string) bool {
	return name != "" && name != "help" && name != configFlag && name != checkFlag && !strings.HasPrefix(name, "-") && !strings.HasSuffix(name, "-") &&
		!slices.ContainsFunc([]rune(name), func(r rune) bool {
			return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
		})
}
