package things

import (
	"maps"
	"strings"
)

// Value is one that management shows in the answer that makes it, and never again.
type Value struct {
	// Path is where it stands in the resource, such as settings.oauth.clientSecret.
	Path string
	Text string
}

// Once returns the values in the answer to a change that nobody can read again. What the document itself gave is not among them.
func (p *Plan) Once(answer Object) []Value {
	var all []Value
	for _, path := range p.Kind.Shown {
		if text := textAt(answer, path); text != "" && text != mask && !gives(p.spec, leaf(path), text) {
			all = append(all, Value{path, text})
		}
	}
	return all
}

// Beside is a member that stands beside a value: the client id beside a client secret. It is "" where there is none.
func (v Value) Beside(answer Object, name string) string {
	return textAt(answer, strings.TrimSuffix(v.Path, leaf(v.Path))+name)
}

// Hidden is an answer with asterisks in the place of values.
func Hidden(answer Object, values []Value) Object {
	for _, v := range values {
		answer = replaced(answer, v.Path, mask)
	}
	return answer
}

func leaf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func textAt(o Object, path string) string {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		text, _ := o[name].(string)
		return text
	}
	inner, _ := o[name].(Object)
	return textAt(inner, rest)
}

func replaced(o Object, path, text string) Object {
	out := maps.Clone(o)
	if name, rest, deeper := strings.Cut(path, "."); deeper {
		inner, _ := o[name].(Object)
		out[name] = replaced(inner, rest, text)
	} else {
		out[name] = text
	}
	return out
}

// gives reports whether a tree has a member of that name and text, at any depth.
func gives(tree any, name, text string) bool {
	switch v := tree.(type) {
	case Object:
		for member, value := range v {
			if member == name && value == text || gives(value, name, text) {
				return true
			}
		}
	case []any:
		for _, value := range v {
			if gives(value, name, text) {
				return true
			}
		}
	}
	return false
}
